//! What filters cost in an Envoy with several workers that calls keep busy: the model of a fleet takes from here whether single calls
//! tell the truth.

use crate::compare::{Bench, Running, progress};
use crate::error::Error;
use crate::figures::Spread;
use crate::filter::{self, Filter, NATIVE, NATIVE_PARSING, NO_OP, PLAIN, TAGS_QUOTAS, TOLLGATE};
use crate::load;
use crate::process;
use crate::workload::{JSON, SSE_BURST, Workload};

/// What a call costs under load.
pub struct Loaded {
    /// The filter's name.
    pub filter: &'static str,
    /// The workload's name.
    pub workload: &'static str,
    /// What the filter adds to a call, in microseconds of CPU.
    pub micros: Spread,
}

/// Workers of the Envoy under load.
pub const WORKERS: u32 = 2;
/// Connections, each with one call at a time.
pub const CONNECTIONS: u32 = 16;
/// The workloads.
pub const WORKLOADS: [&str; 2] = [JSON, SSE_BURST];

const FILTERS: [&str; 5] = [NO_OP, TOLLGATE, TAGS_QUOTAS, NATIVE, NATIVE_PARSING];

/// Loads the plain Envoy and those with a filter in turn.
pub fn measure(bench: &Bench, workloads: &[Workload], loaded: &mut Vec<Loaded>) -> Result<(), Error> {
    let start = |name: &str| -> Result<Option<(&Filter, Running)>, Error> {
        let Some(filter) = filter::named(name) else { return Ok(None) };
        Ok(Some((filter, bench.start(filter, WORKERS)?)))
    };
    let Some((_, plain)) = start(PLAIN)? else { return Ok(()) };
    let running =
        FILTERS.into_iter().filter_map(|name| start(name).transpose()).collect::<Result<Vec<_>, _>>()?;
    for workload in workloads.iter().filter(|workload| WORKLOADS.contains(&workload.name)) {
        let calls = bench.sized(if workload.name == JSON { 100 } else { 30 }, 5);
        // The first round warms up.
        let rounds = bench.sized(20, 1) + 1;
        let mut over: Vec<Vec<f64>> = vec![Vec::new(); running.len()];
        for round in 0..rounds {
            progress(&format!("load, round {} of {rounds}: {}", round + 1, workload.name));
            let without = sample(&plain, workload, calls)?;
            for ((_, running), over) in running.iter().zip(&mut over) {
                over.push(sample(running, workload, calls)? - without);
            }
        }
        for ((filter, _), over) in running.iter().zip(over) {
            let measured = Spread::of(over.into_iter().skip(1));
            let row = |micros| Loaded { filter: filter.name, workload: workload.name, micros };
            loaded.extend(measured.map(row));
        }
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
