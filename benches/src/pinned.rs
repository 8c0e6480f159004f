//! One CPU for all that is measured: where two processes land on several, and whether a CPU sleeps between two calls, makes a call
//! cost half or double for as long as the scheduler pleases.

use std::fs;
use std::process::Command;

use crate::error::Error;

/// This process, and what it starts, run on one CPU until this is dropped.
pub struct Pinned {
    before: String,
}

impl Pinned {
    /// Takes the last CPU that this process may use.
    ///
    /// # Errors
    /// If the kernel does not say which, or `taskset` (of util-linux) is not there.
    pub fn to_one() -> Result<Self, Error> {
        let path = "/proc/self/status";
        let status = fs::read_to_string(path).map_err(Error::io(format!("cannot read `{path}`")))?;
        let before = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let before = before.ok_or_else(|| Error::Kernel(format!("`{path}`: no Cpus_allowed_list")))?.trim();
        let last = before.rsplit([',', '-']).next().unwrap_or(before);
        run_on(last)?;
        Ok(Self { before: before.to_owned() })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Err(error) = run_on(&self.before) {
            eprintln!("what follows is measured on one CPU: {error}");
        }
    }
}

/// All threads of this process are to run on these CPUs. A thread that ends meanwhile makes `taskset` fail: it is asked again.
fn run_on(cpus: &str) -> Result<(), Error> {
    let pid = std::process::id().to_string();
    let mut why = String::new();
    for _ in 0..ATTEMPTS {
        let output = Command::new("taskset").args(["-a", "-c", "-p", cpus, &pid]).output();
        let output = output.map_err(Error::io("cannot run `taskset`"))?;
        if output.status.success() {
            return Ok(());
        }
        why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    }
    Err(Error::Kernel(format!("taskset: {why}")))
}

const ATTEMPTS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> String {
        let status = fs::read_to_string("/proc/self/status").expect("the kernel says");
        status.lines().find(|line| line.starts_with("Cpus_allowed_list:")).expect("a line").to_owned()
    }

    #[test]
    fn a_process_runs_on_one_cpu_and_then_where_it_did_before() {
        let before = allowed();
        let pinned = Pinned::to_one().expect("util-linux is there");
        assert!(!allowed().contains([',', '-']), "{}", allowed());
        drop(pinned);
        assert_eq!(allowed(), before);
    }
}
