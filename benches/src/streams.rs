//! What streams hold that are open at the same time, each after a chunk of 1 MiB.

use crate::compare::{Bench, progress};
use crate::error::Error;
use crate::filter;
use crate::load::Client;
use crate::process;
use crate::workload::Workload;

/// What open streams hold in one Envoy with one worker.
pub struct Held {
    /// The workload's name.
    pub workload: &'static str,
    /// How many are open.
    pub streams: u32,
    /// What a stream adds to the resident memory of Envoy without a filter, in bytes.
    pub plain: u64,
    /// The same with Tollgate.
    pub tollgate: u64,
    /// What all of them add to the VM's memory.
    pub vm: u64,
}

impl Held {
    /// What a stream adds to the VM's memory, in bytes.
    pub fn vm_each(&self) -> u64 {
        self.vm.checked_div(u64::from(self.streams)).unwrap_or_default()
    }
}

/// The first ones make room that the others use too: buffers, tables.
const FIRST: u32 = 20;

/// A file for each end of two connections a stream, and some more.
const FILES_FOR_THE_REST: u64 = 200;

/// Opens streams of each coding.
pub fn open(bench: &Bench, workloads: &[Workload], held: &mut Vec<Held>) -> Result<(), Error> {
    let streams = bench.sized(1000, 50);
    let needed = 2 * u64::from(streams + FIRST) + FILES_FOR_THE_REST;
    let files = process::open_files_limit()?;
    if files < needed {
        println!(
            "open streams are left out: {files} files may be open, {needed} are needed; `ulimit -n {needed}` helps"
        );
        return Ok(());
    }
    for workload in workloads {
        let (plain, _) = one(bench, filter::PLAIN, workload, streams)?;
        let (tollgate, vm) = one(bench, filter::TOLLGATE, workload, streams)?;
        held.push(Held { workload: workload.name, streams, plain, tollgate, vm });
    }
    Ok(())
}

/// Resident bytes a stream, and bytes that all add to the VM's memory.
fn one(bench: &Bench, name: &str, workload: &Workload, streams: u32) -> Result<(u64, u64), Error> {
    let Some(filter) = filter::named(name) else { return Ok((0, 0)) };
    progress(&format!("{streams} open streams, {}: {name}", workload.name));
    let running = bench.start(filter, 1)?;
    let pid = running.envoy.pid();
    let mut clients = Vec::new();
    let mut more = |count: u32| -> Result<(u64, u64), Error> {
        for _ in 0..count {
            let mut client = Client::connect(running.envoy.address())?;
            client.open(workload)?;
            clients.push(client);
        }
        let pages: u64 = process::wasm_memory_pages(pid)?.iter().sum();
        Ok((process::resident_bytes(pid)?, pages * process::WASM_PAGE))
    };
    let (before, after) = (more(FIRST)?, more(streams)?);
    let resident = after.0.saturating_sub(before.0) / u64::from(streams);
    Ok((resident, after.1.saturating_sub(before.1)))
}
