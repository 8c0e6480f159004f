//! Whether an Envoy with several workers under load costs what single calls cost: what the model of a fleet takes for granted.

use crate::compare::{Bench, Running, progress};
use crate::error::Error;
use crate::figures::Spread;
use crate::filter::{self, PLAIN, TAGS_QUOTAS};
use crate::load;
use crate::process;
use crate::workload::{JSON, SSE_BURST, Workload};

/// What a call costs under load.
pub struct Loaded {
    /// The workload's name.
    pub workload: &'static str,
    /// What Tollgate adds to a call, in microseconds of CPU.
    pub micros: Spread,
}

/// Workers of the Envoy under load.
pub const WORKERS: u32 = 2;
/// Connections, each with one call at a time.
pub const CONNECTIONS: u32 = 16;

/// Loads the plain Envoy and the one with Tollgate in turn.
pub fn measure(bench: &Bench, workloads: &[Workload], loaded: &mut Vec<Loaded>) -> Result<(), Error> {
    let start = |name: &str| -> Result<Option<Running>, Error> {
        filter::named(name).map(|filter| bench.start(filter, WORKERS)).transpose()
    };
    let (Some(plain), Some(tollgate)) = (start(PLAIN)?, start(TAGS_QUOTAS)?) else { return Ok(()) };
    for workload in workloads.iter().filter(|workload| [JSON, SSE_BURST].contains(&workload.name)) {
        let calls = bench.sized(if workload.name == JSON { 100 } else { 30 }, 5);
        // The first round warms up.
        let rounds = bench.sized(10, 1) + 1;
        let mut over = Vec::new();
        for round in 0..rounds {
            progress(&format!("load, round {} of {rounds}: {}", round + 1, workload.name));
            let without = sample(&plain, workload, calls)?;
            over.push(sample(&tollgate, workload, calls)? - without);
        }
        let measured = Spread::of(over.into_iter().skip(1));
        loaded.extend(measured.map(|micros| Loaded { workload: workload.name, micros }));
    }
    Ok(())
}

/// Microseconds of CPU a call.
fn sample(running: &Running, workload: &Workload, calls: u32) -> Result<f64, Error> {
    let before = process::cpu_nanos(running.envoy.pid())?;
    load::at_once(running.envoy.address(), workload, CONNECTIONS, calls)?;
    let used = process::cpu_nanos(running.envoy.pid())?.saturating_sub(before);
    Ok(used as f64 / 1000.0 / f64::from(CONNECTIONS * calls))
}
