//! What guards cost a call while ten thousand keys are live, with what is done by tick.

use std::time::Duration;

use crate::compare::{Bench, Running, progress};
use crate::error::Error;
use crate::figures::Spread;
use crate::filter::{Filter, GUARDED, UNGUARDED};
use crate::process;
use crate::workload::{JSON, USERS, Workload};

/// Samples end after a tick, which comes four times a second, so that what calls leave to it is measured with them.
const TICKED: Duration = Duration::from_millis(300);

/// No two calls of a round are of the same key: worse than what gateways see, whose keys differ in size.
const STRIDE: u32 = 7919;

/// What four guards add to a call, in microseconds of CPU, round by round.
pub fn measure(bench: &Bench, workloads: &[Workload]) -> Result<Option<Spread>, Error> {
    let Some(workload) = workloads.iter().find(|workload| workload.name == JSON) else { return Ok(None) };
    let (keys, calls) = (bench.sized(USERS, 200), bench.sized(1000, 50));
    let start = |filter: &Filter| -> Result<Running, Error> {
        progress(&format!("{keys} keys: {}", filter.name));
        let mut running = bench.start(filter, 1)?;
        running.calls_of(workload, (0..keys).map(user))?;
        std::thread::sleep(TICKED);
        match filter.proof.map(|proof| running.envoy.counters(proof)).transpose()? {
            Some(read) if read < u64::from(keys) => {
                Err(Error::Envoy(format!("{}: {read} of {keys} calls were read", filter.name)))
            }
            _ => Ok(running),
        }
    };
    let (mut without, mut with) = (start(&UNGUARDED)?, start(&GUARDED)?);
    let rounds = bench.sized(20, 1);
    let mut over = Vec::new();
    for round in 0..rounds {
        progress(&format!("guards, round {} of {rounds}", round + 1));
        let users = round * calls..(round + 1) * calls;
        let bare = sample(&mut without, workload, users.clone())?;
        over.push(sample(&mut with, workload, users)? - bare);
    }
    Ok(Spread::of(over))
}

fn user(call: u32) -> u32 {
    call.wrapping_mul(STRIDE) % USERS
}

/// Microseconds of CPU a call.
fn sample(running: &mut Running, workload: &Workload, calls: std::ops::Range<u32>) -> Result<f64, Error> {
    let count = calls.len() as f64;
    let before = process::cpu_nanos(running.envoy.pid())?;
    running.calls_of(workload, calls.map(user))?;
    std::thread::sleep(TICKED);
    let used = process::cpu_nanos(running.envoy.pid())?.saturating_sub(before);
    Ok(used as f64 / 1000.0 / count)
}
