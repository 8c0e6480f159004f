//! One call of the plugin to the host: counted, perhaps made to fail, with the VM's memory at hand.

use wasmtime::{Caller, Error, Extern, Memory, Result, TypedFunc};

use super::faults::Fault;
use super::world::{World, status};
use crate::http::Headers;

/// One host call that is under way.
pub struct HostCall<'a> {
    caller: Caller<'a, World>,
    memory: Memory,
    garbage: Option<Vec<u8>>,
}

impl<'a> HostCall<'a> {
    /// Counts the call, applies a planned fault, and otherwise does the work.
    pub fn enter(
        mut caller: Caller<'a, World>,
        function: &'static str,
        work: impl FnOnce(&mut HostCall<'a>) -> Result<u32>,
    ) -> Result<u32> {
        let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
            return Err(absent("memory"));
        };
        let world = caller.data_mut();
        *world.costs.calls.entry(function).or_insert(0) += 1;
        let garbage = match world.faults.next(function) {
            Some(Fault::Status(status)) => return Ok(status),
            Some(Fault::Garbage(bytes)) => Some(bytes),
            Some(Fault::ClockJump(by)) => {
                world.skew_ns = world.skew_ns.saturating_add(by);
                None
            }
            None => None,
        };
        work(&mut HostCall { caller, memory, garbage })
    }

    pub fn world(&mut self) -> &mut World {
        self.caller.data_mut()
    }

    pub fn read(&mut self, at: u32, size: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; size as usize];
        self.memory.read(&self.caller, at as usize, &mut bytes)?;
        self.world().costs.bytes_out += u64::from(size);
        Ok(bytes)
    }

    pub fn text(&mut self, at: u32, size: u32) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.read(at, size)?).into_owned())
    }

    pub fn write(&mut self, at: u32, bytes: &[u8]) -> Result<u32> {
        self.memory.write(&mut self.caller, at as usize, bytes)?;
        Ok(status::OK)
    }

    /// Copies bytes into memory that the plugin gives, and tells it where they are.
    pub fn hand_over(&mut self, bytes: &[u8], data: u32, size: u32) -> Result<u32> {
        let garbage = self.garbage.take();
        let bytes = garbage.as_deref().unwrap_or(bytes);
        let length = u32::try_from(bytes.len())?;
        let place = if bytes.is_empty() { 0 } else { self.allocate(length)? };
        self.write(place, bytes)?;
        self.world().costs.bytes_in += u64::from(length);
        self.write(data, &place.to_le_bytes())?;
        self.write(size, &length.to_le_bytes())
    }

    fn allocate(&mut self, size: u32) -> Result<u32> {
        let Some(Extern::Func(function)) = self.caller.get_export("proxy_on_memory_allocate") else {
            return Err(absent("proxy_on_memory_allocate"));
        };
        let allocate: TypedFunc<u32, u32> = function.typed(&self.caller)?;
        allocate.call(&mut self.caller, size)
    }
}

fn absent(export: &str) -> Error {
    Error::msg(format!("the plugin exports no `{export}`"))
}

/// Count, lengths, then names and values with a zero byte after each.
pub fn serialise_map(map: &Headers) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes();
    let mut out = u32::try_from(map.0.len()).unwrap_or(0).to_le_bytes().to_vec();
    for (name, value) in &map.0 {
        out.extend(length(name.as_bytes()));
        out.extend(length(value));
    }
    for (name, value) in &map.0 {
        out.extend([name.as_bytes(), b"\0", value, b"\0"].concat());
    }
    out
}

/// The same the other way; what is missing is left out.
pub fn parse_map(bytes: &[u8]) -> Headers {
    let number =
        |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes).map(|n| n as usize);
    let count = number(0).unwrap_or(0);
    let mut at = 4 + count * 8;
    let mut take = |place: usize| {
        let size = number(place).unwrap_or(0);
        let part = bytes.get(at..at + size).unwrap_or_default();
        at += size + 1;
        part
    };
    let pair = |n: usize| (String::from_utf8_lossy(take(4 + n * 8)).into_owned(), take(8 + n * 8).to_vec());
    (0..count).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_keep_every_byte() {
        for pairs in [vec![], vec![("a", b"\xff\0".as_slice()), ("b", b""), ("a", b"2")]] {
            let map = Headers::from_iter(pairs);
            assert_eq!(parse_map(&serialise_map(&map)), map);
        }
    }
}
