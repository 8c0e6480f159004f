//! What a filter weighs in Envoy's memory, for the process and for each worker.

use std::time::{Duration, Instant};

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
    /// Resident bytes of Envoys, by their number of workers.
    pub resident: Vec<(u32, u64)>,
    /// Wasm memories found in the Envoy with the most workers, in pages of 64 KiB, smallest first.
    pub pages: Vec<u64>,
}

impl Weight {
    /// Resident bytes that each further worker adds.
    pub fn per_worker(&self) -> Option<u64> {
        let ((few, light), (many, heavy)) = (self.resident.first()?, self.resident.last()?);
        heavy.saturating_sub(*light).checked_div(u64::from(many.saturating_sub(*few)))
    }

    /// Resident bytes with one worker.
    pub fn one_worker(&self) -> Option<u64> {
        self.resident.first().map(|(_, bytes)| *bytes)
    }
}

/// The kernel spreads connections over the workers by chance: with so many, each worker gets some.
const CONNECTIONS_PER_WORKER: u32 = 16;
const FILTERS: &[&str] = &[filter::PLAIN, filter::NO_OP, filter::TOLLGATE, filter::VOCABULARY];

/// Weighs the filters that run in a VM, and the plain Envoy.
pub fn weigh(bench: &Bench, workloads: &[Workload], weights: &mut Vec<Weight>) -> Result<(), Error> {
    let most = bench.sized(32, 2);
    let here = |filter: &&Filter| filter.is_here(&bench.args.wasm);
    for filter in FILTERS.iter().filter_map(|name| filter::named(name)).filter(here) {
        let mut weight = Weight { filter: filter.name, resident: Vec::new(), pages: Vec::new() };
        for workers in
            [1, 8, 32].into_iter().filter(|workers| *workers <= most).chain((most == 2).then_some(2))
        {
            let (resident, pages) = one(bench, filter, workloads, workers)?;
            weight.resident.push((workers, resident));
            weight.pages = pages;
        }
        weights.push(weight);
    }
    Ok(())
}

/// Resident bytes and wasm pages after every worker has had calls.
fn one(
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
    if filter.is_estimating() {
        wait_until_still(pid)?;
    }
    Ok((process::resident_bytes(pid)?, process::wasm_memory_pages(pid)?))
}

/// Vocabularies are built by ticks: waits until no VM has grown for two seconds.
fn wait_until_still(pid: u32) -> Result<(), Error> {
    let until = Instant::now() + Duration::from_secs(60);
    let mut last = process::wasm_memory_pages(pid)?;
    let mut since = Instant::now();
    while since.elapsed() < Duration::from_secs(2) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(200));
        let now = process::wasm_memory_pages(pid)?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(())
}
