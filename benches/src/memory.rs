//! What a filter weighs in Envoy's memory, for the process and for each worker.

use crate::compare::{Bench, progress};
use crate::error::Error;
use crate::filter::{self, Filter};
use crate::load::Client;
use crate::process;
use crate::workload::{JSON, SSE_BURST, Workload};

/// What a filter weighs.
pub struct Weight {
    /// The filter's name.
    pub filter: &'static str,
    /// Resident bytes of an Envoy with one worker.
    pub one_worker: u64,
    /// Resident bytes that each further worker adds.
    pub per_worker: u64,
    /// Wasm memories found in the Envoy with many workers, in pages of 64 KiB.
    pub pages: Vec<u64>,
}

const MANY_WORKERS: u32 = 9;
/// The kernel spreads connections over the workers by chance: with so many, each worker gets some.
const CONNECTIONS_PER_WORKER: u32 = 16;
const FILTERS: &[&str] = &[filter::PLAIN, filter::NO_OP, filter::TOLLGATE];

/// Weighs the filters that run in a VM, and the plain Envoy.
pub fn weigh(bench: &Bench, workloads: &[Workload]) -> Result<Vec<Weight>, Error> {
    FILTERS
        .iter()
        .filter_map(|name| filter::named(name))
        .map(|filter| one(bench, filter, workloads))
        .collect()
}

fn one(bench: &Bench, filter: &'static Filter, workloads: &[Workload]) -> Result<Weight, Error> {
    let (one_worker, _) = resident(bench, filter, workloads, 1)?;
    let (many, pages) = resident(bench, filter, workloads, MANY_WORKERS)?;
    let per_worker = many.saturating_sub(one_worker) / u64::from(MANY_WORKERS - 1);
    Ok(Weight { filter: filter.name, one_worker, per_worker, pages })
}

/// Resident bytes and wasm pages after every worker has had calls.
fn resident(
    bench: &Bench,
    filter: &Filter,
    workloads: &[Workload],
    workers: u32,
) -> Result<(u64, Vec<u64>), Error> {
    progress(&format!("memory of {workers} workers: {}", filter.name));
    let running = bench.start(filter, workers)?;
    for _ in 0..workers * CONNECTIONS_PER_WORKER {
        let mut client = Client::connect(running.envoy.address())?;
        for workload in workloads.iter().filter(|workload| [JSON, SSE_BURST].contains(&workload.name)) {
            client.calls(workload, 4)?;
        }
    }
    let pid = running.envoy.pid();
    Ok((process::resident_bytes(pid)?, process::wasm_memory_pages(pid)?))
}
