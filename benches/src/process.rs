//! What the kernel says of a process: CPU time and memory.

use std::fs;
use std::path::PathBuf;

use crate::error::Error;

/// Nanoseconds of CPU that all threads of a process have used.
///
/// From `/proc/PID/task/TID/schedstat`, which counts the scheduler's nanoseconds where `utime` and `stime` count ticks of
/// 10 ms. A thread that is running counts up to its last tick, so this is exact when the process waits.
pub fn cpu_nanos(pid: u32) -> Result<u64, Error> {
    let folder = PathBuf::from(format!("/proc/{pid}/task"));
    let failed = || Error::io(format!("cannot read `{}`", folder.display()));
    let mut nanos = 0;
    for thread in fs::read_dir(&folder).map_err(failed())?.flatten() {
        let path = thread.path().join("schedstat");
        // A thread may end between the two looks.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let used = text.split(' ').next().and_then(|used| used.parse::<u64>().ok());
        nanos += used.ok_or_else(|| Error::Kernel(format!("`{}`: no CPU time: `{text}`", path.display())))?;
    }
    Ok(nanos)
}

/// Bytes of memory that a process keeps resident.
pub fn resident_bytes(pid: u32) -> Result<u64, Error> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(Error::io(format!("cannot read `{path}`")))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes.map(|kb| kb * 1024).ok_or_else(|| Error::Kernel(format!("`{path}`: no VmRSS")))
}

/// How many files this process, and those that it starts, may have open.
pub fn open_files_limit() -> Result<u64, Error> {
    let path = "/proc/self/limits";
    let text = fs::read_to_string(path).map_err(Error::io(format!("cannot read `{path}`")))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    let limit = line.and_then(|line| line.split_whitespace().next());
    match limit {
        Some("unlimited") => Ok(u64::MAX),
        limit => limit
            .and_then(|limit| limit.parse().ok())
            .ok_or_else(|| Error::Kernel(format!("`{path}`: no limit of open files"))),
    }
}

/// Wasm memories of a process that runs V8, in pages of 64 KiB, smallest first.
///
/// V8 reserves 4 GiB and more of addresses for each memory and makes only its pages accessible: a writable mapping with
/// a far larger inaccessible one right behind it. What is not laid out like that is not found.
pub fn wasm_memory_pages(pid: u32) -> Result<Vec<u64>, Error> {
    let path = format!("/proc/{pid}/maps");
    let text = fs::read_to_string(&path).map_err(Error::io(format!("cannot read `{path}`")))?;
    let mappings: Vec<Mapping> = text.lines().filter_map(Mapping::read).collect();
    let behind = mappings.iter().zip(mappings.iter().skip(1));
    let memories = behind.filter(|(memory, guard)| memory.is_wasm_memory(guard));
    let mut pages: Vec<u64> = memories.map(|(memory, _)| memory.size() / WASM_PAGE).collect();
    pages.sort_unstable();
    Ok(pages)
}

/// A page of a wasm memory, in bytes.
pub const WASM_PAGE: u64 = 65_536;
const RESERVED: u64 = 2 << 30;

struct Mapping {
    start: u64,
    end: u64,
    access: String,
}

impl Mapping {
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (start, end) = words.next()?.split_once('-')?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        Some(Self { start: number(start)?, end: number(end)?, access: words.next()?.to_owned() })
    }

    fn size(&self) -> u64 {
        self.end - self.start
    }

    fn is_wasm_memory(&self, guard: &Self) -> bool {
        self.access == "rw-p"
            && guard.access == "---p"
            && guard.start == self.end
            && guard.size() > RESERVED
            && self.size().is_multiple_of(WASM_PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_as_cpu_time_of_this_process() {
        let pid = std::process::id();
        let before = cpu_nanos(pid).expect("this process is there");
        let busy = std::time::Instant::now();
        while busy.elapsed().as_millis() < 50 {}
        std::thread::sleep(std::time::Duration::from_millis(1));
        let used = cpu_nanos(pid).expect("this process is there").saturating_sub(before);
        assert!((1_000_000..5_000_000_000).contains(&used), "{used} ns");
        assert!(resident_bytes(pid).expect("this process is there") > 100_000);
    }

    #[test]
    fn this_process_may_have_files_open() {
        assert!(open_files_limit().expect("the limit is there") > 10);
    }

    fn check(lines: [&str; 2], expected: bool) {
        let mappings: Vec<Mapping> = lines.iter().filter_map(|line| Mapping::read(line)).collect();
        assert_eq!(mappings[0].is_wasm_memory(&mappings[1]), expected, "{lines:?}");
    }

    #[test]
    fn a_wasm_memory_is_pages_before_a_wide_guard() {
        check(
            ["3a0000000000-3a0000120000 rw-p 00000000 00:00 0", "3a0000120000-3a0200000000 ---p 0 00:00 0"],
            true,
        );
        check(
            ["3a0000000000-3a0000120000 rw-p 00000000 00:00 0", "3a0000120000-3a0000130000 ---p 0 00:00 0"],
            false,
        );
        check(
            ["3a0000000000-3a0000001000 rw-p 00000000 00:00 0", "3a0000001000-3a0200000000 ---p 0 00:00 0"],
            false,
        );
    }
}
