//! What stores are told: messages and bytes, counted by the stand-in.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::compare::{Bench, progress};
use crate::error::Error;
use crate::filter::{CACHED, Filter, STRICT};
use crate::load::Client;
use crate::workload::{JSON, Workload};

/// What stores are told by one worker.
pub struct Traffic {
    /// Messages for each call, where each call asks.
    pub strict_messages_per_call: f64,
    /// Bytes of a message's body, likewise.
    pub strict_bytes: f64,
    /// Messages a second, where they are told every 200 ms.
    pub cached_messages_per_second: f64,
    /// Bytes of a message's body, likewise.
    pub cached_bytes: f64,
}

/// Settlements go out by tick.
const SETTLED: Duration = Duration::from_secs(1);

/// Makes calls with quotas in stores and counts what those hear.
pub fn measure(bench: &Bench, workloads: &[Workload]) -> Result<Option<Traffic>, Error> {
    let Some(workload) = workloads.iter().find(|workload| workload.name == JSON) else { return Ok(None) };
    let calls = bench.sized(1000, 50);
    let (messages, bytes, _) = told(bench, &STRICT, |client| client.calls(workload, calls))?;
    let strict_messages_per_call = messages / f64::from(calls);
    let strict_bytes = bytes / messages.max(1.0);
    let time = Duration::from_secs(u64::from(bench.sized(5, 2)));
    let (messages, bytes, seconds) = told(bench, &CACHED, |client| {
        let until = Instant::now() + time;
        while Instant::now() < until {
            client.calls(workload, 10)?;
        }
        Ok(())
    })?;
    Ok(Some(Traffic {
        strict_messages_per_call,
        strict_bytes,
        cached_messages_per_second: messages / seconds,
        cached_bytes: bytes / messages.max(1.0),
    }))
}

/// Messages, bytes and seconds.
fn told(
    bench: &Bench,
    filter: &Filter,
    calls: impl Fn(&mut Client) -> Result<(), Error>,
) -> Result<(f64, f64, f64), Error> {
    progress(&format!("what a store is told: {}", filter.name));
    let running = bench.start(filter, 1)?;
    let mut client = Client::connect(running.envoy.address())?;
    let count = || {
        let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed) as f64;
        (count(&bench.told.messages), count(&bench.told.bytes))
    };
    let (begun, before) = (Instant::now(), count());
    calls(&mut client)?;
    std::thread::sleep(SETTLED);
    let after = count();
    Ok((after.0 - before.0, after.1 - before.1, begun.elapsed().as_secs_f64()))
}
