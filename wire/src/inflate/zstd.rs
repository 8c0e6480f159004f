//! Zstandard (RFC 8878). The decoder wants whole blocks, so at most one block is held.

mod held;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::io::Read;

use super::{Fault, Layer, Step};
use held::Held;

/// The widest window that is granted: what RFC 8878 recommends to support, and RFC 9659 demands for HTTP.
const WIDEST: u64 = 8 * 1024 * 1024;

/// No block is longer than this, its header not counted.
const LONGEST_BLOCK: usize = 128 * 1024;

const MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE: u32 = 0x184d_2a50;

pub(super) struct Zstd {
    decoder: FrameDecoder,
    held: Vec<u8>,
    place: Place,
    has_checksum: bool,
    /// What the decoder holds besides.
    inside: Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Block,
    /// A frame without content: so many bytes are passed over.
    Skip(u32),
}

impl Zstd {
    pub(super) fn new() -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WIDEST);
        Self { decoder, held: Vec::new(), place: Place::Header, has_checksum: false, inside: Held::default() }
    }

    /// Takes bytes until `needed` are held; returns how many were taken.
    fn collect(&mut self, input: &[u8], needed: usize) -> usize {
        let missing = needed.saturating_sub(self.held.len());
        let part = input.get(..missing).unwrap_or(input);
        self.held.extend_from_slice(part);
        part.len()
    }

    /// How many bytes the header or block needs, as far as is known.
    fn needed(&self) -> Result<usize, Fault> {
        match self.place {
            Place::Header => header_length(&self.held),
            Place::Block => block_length(&self.held, self.has_checksum),
            Place::Skip(_) => Ok(0),
        }
    }

    /// Uses a header or block that is held whole.
    fn accept(&mut self) -> Result<(), Fault> {
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Header if number(&held, 0, 4) & 0xffff_fff0 == SKIPPABLE => {
                self.place = Place::Skip(number(&held, 4, 4));
            }
            Place::Header => {
                self.has_checksum = number(&held, 4, 1) & 4 != 0;
                self.inside.frame(window(&held).min(WIDEST), in_one_segment(&held));
                self.decoder.init(held.as_slice()).map_err(|_| Fault::Limit)?;
                self.place = Place::Block;
            }
            Place::Block => {
                if is_compressed(&held) {
                    self.inside.block(held.get(3..).unwrap_or_default());
                }
                let strategy = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(held.as_slice(), strategy).map_err(|_| Fault::Malformed)?;
                if self.decoder.is_finished() {
                    self.place = Place::Header;
                }
            }
            Place::Skip(_) => {}
        }
        // The room is kept for the next block.
        self.held = held;
        self.held.clear();
        Ok(())
    }
}

impl Layer for Zstd {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Fault> {
        if self.decoder.can_collect() > 0 {
            let written = self.decoder.read(output).map_err(|_| Fault::Malformed)?;
            return Ok(Step { read: 0, written });
        }
        if let Place::Skip(left) = self.place {
            let passed = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let rest = left.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
            self.place = if rest == 0 { Place::Header } else { Place::Skip(rest) };
            // An empty one must not look like a lack of input.
            return if left == 0 { self.step(input, output) } else { Ok(Step { read: passed, written: 0 }) };
        }
        let needed = self.needed()?;
        let read = self.collect(input, needed);
        if self.held.len() >= needed && self.needed()? == needed {
            self.accept()?;
            if self.decoder.can_collect() > 0 {
                let written = self.decoder.read(output).map_err(|_| Fault::Malformed)?;
                return Ok(Step { read, written });
            }
        }
        Ok(Step { read, written: 0 })
    }

    /// One block as it came, and what the decoder holds.
    fn memory(&self) -> u64 {
        self.inside.bytes().saturating_add(u64::try_from(self.held.capacity()).unwrap_or(u64::MAX))
    }
}

/// The length of a frame's header (RFC 8878, section 3.1.1.1), as far as its first bytes tell.
fn header_length(held: &[u8]) -> Result<usize, Fault> {
    if held.len() < 5 {
        return Ok(5);
    }
    let magic = number(held, 0, 4);
    if magic & 0xffff_fff0 == SKIPPABLE {
        return Ok(8);
    }
    if magic != MAGIC {
        return Err(Fault::Malformed);
    }
    let descriptor = number(held, 4, 1);
    let single = in_one_segment(held);
    let dictionary = [0_usize, 1, 2, 4].into_iter().nth((descriptor & 3) as usize);
    let content = match descriptor >> 6 {
        0 => usize::from(single),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let window = usize::from(!single);
    Ok([dictionary.unwrap_or_default(), content, window].into_iter().fold(5, usize::saturating_add))
}

/// Whether a frame is one segment, as long as its window.
fn in_one_segment(held: &[u8]) -> bool {
    number(held, 4, 1) & 0x20 != 0
}

/// Whether a block has to be unfolded, by its header.
fn is_compressed(held: &[u8]) -> bool {
    (number(held, 0, 1) >> 1) & 3 == 2
}

/// The window that a frame's header asks for (section 3.1.1.1.2); of a frame in one segment it is the content itself.
fn window(held: &[u8]) -> u64 {
    let descriptor = number(held, 4, 1);
    if !in_one_segment(held) {
        let window = number(held, 5, 1);
        let base = 1_u64.checked_shl((window >> 3).saturating_add(10)).unwrap_or(u64::MAX);
        return (base >> 3).saturating_mul(u64::from(window & 7)).saturating_add(base);
    }
    let dictionary = [0_usize, 1, 2, 4].into_iter().nth((descriptor & 3) as usize).unwrap_or_default();
    let place = dictionary.saturating_add(5);
    match descriptor >> 6 {
        0 => u64::from(number(held, place, 1)),
        1 => u64::from(number(held, place, 2)).saturating_add(256),
        // Longer than four bytes is past any window that is granted.
        2 => u64::from(number(held, place, 4)),
        _ => WIDEST,
    }
}

/// The length of a block with its header (section 3.1.1.2), and with the checksum after the last one.
fn block_length(held: &[u8], has_checksum: bool) -> Result<usize, Fault> {
    if held.len() < 3 {
        return Ok(3);
    }
    let header = number(held, 0, 3);
    let size = (header >> 3) as usize;
    let content = match (header >> 1) & 3 {
        0 | 2 => size,
        // One byte that is repeated.
        1 => 1,
        _ => return Err(Fault::Malformed),
    };
    if size > LONGEST_BLOCK {
        return Err(Fault::Malformed);
    }
    let checksum = if has_checksum && header & 1 == 1 { 4 } else { 0 };
    Ok(content.saturating_add(3).saturating_add(checksum))
}

/// The little-endian number of up to four bytes at that place.
fn number(bytes: &[u8], at: usize, length: usize) -> u32 {
    let part = bytes.get(at..at.saturating_add(length)).unwrap_or_default();
    part.iter().rev().fold(0, |number, byte| (number << 8) | u32::from(*byte))
}
