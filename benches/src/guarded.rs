//! What guards cost a call while ten thousand keys are live, with what is done by tick.
//!
//! Two Envoys on one CPU, one with guards and one without, are compared in two ways. *Calls*: they take turns of a few calls, in the order
//! without, with, with, without, and the next time the other way round; so what the machine does meanwhile hits both, whoever comes
//! after the other's turn finds cold caches as often as the other does, and a tick, which is in one turn of a hundred, moves no median.
//! *Ticks*: right after a tick comes a burst of calls that ends before the next one, and what the process uses from the burst's end to
//! past that tick is what these calls left to it. Each call is counted once in both, so their sum is what guards add to it.

use std::time::{Duration, Instant};

use crate::compare::{Bench, Running, progress};
use crate::error::Error;
use crate::figures::Likely;
use crate::filter::{Filter, GUARDED, UNGUARDED};
use crate::pinned::Pinned;
use crate::process;
use crate::workload::{JSON, USERS, Workload};

/// What four guards add to a call, in microseconds of CPU.
#[derive(Clone, Copy, Debug)]
pub struct Guards {
    /// While it runs.
    pub calls: Likely,
    /// By tick.
    pub ticks: Likely,
}

impl Guards {
    /// In all.
    pub fn sum(&self) -> Likely {
        self.calls.and(self.ticks)
    }
}

/// Calls of a turn: some 3 ms.
const TURN: u32 = 10;
/// Calls between two ticks, 250 ms apart: fewer share more of the pages that are read and written, and more take too long.
pub const BURST: u32 = 400;
/// A burst that takes longer may have a tick in it.
const SHORT: Duration = Duration::from_millis(220);
/// Past the next tick.
const TICKED: Duration = Duration::from_millis(300);
/// A tick that is not seen by then does not come.
const LATEST: Duration = Duration::from_secs(5);
/// No two calls of a burst are of the same key: worse than what gateways see, whose keys differ in size.
const STRIDE: u32 = 7919;
/// Pairs of Envoys one after another: where a process lies in memory makes it faster or slower for as long as it lives.
const PAIRS: u32 = 4;
/// How long each pair's calls are measured, and its ticks.
const EACH: [Duration; 2] = [Duration::from_secs(7), Duration::from_secs(5)];

/// Measures guards.
///
/// # Errors
/// As starting an Envoy and making calls do, and where ticks do not come or the machine is too slow for a burst.
pub fn measure(bench: &Bench, workloads: &[Workload]) -> Result<Option<Guards>, Error> {
    let Some(workload) = workloads.iter().find(|workload| workload.name == JSON) else { return Ok(None) };
    let _pinned = Pinned::to_one()?;
    let pairs = bench.sized(PAIRS, 1);
    let [of_calls, of_ticks] = EACH.map(|time| time * bench.sized(1, 0));
    let (mut calls, mut ticks) = (Vec::new(), Vec::new());
    for number in 1..=pairs {
        let mut pair = Pair::start(bench, workload)?;
        progress(&format!("guards, pair {number} of {pairs}: calls"));
        fill(&mut calls, of_calls, || pair.turns())?;
        progress(&format!("guards, pair {number} of {pairs}: ticks"));
        fill(&mut ticks, of_ticks, || pair.bursts())?;
    }
    let none =
        || Error::Envoy(format!("{BURST} calls always took longer than {SHORT:?}: the machine is too busy"));
    let ticks = Likely::of(ticks).ok_or_else(none)?;
    Ok(Likely::of(calls).map(|calls| Guards { calls, ticks }))
}

/// Takes samples for so long, and one at least.
fn fill(
    samples: &mut Vec<f64>,
    time: Duration,
    mut sample: impl FnMut() -> Result<Option<f64>, Error>,
) -> Result<(), Error> {
    let until = Instant::now() + time;
    loop {
        samples.extend(sample()?);
        if Instant::now() >= until {
            return Ok(());
        }
    }
}

/// Two Envoys, the first without guards, that know the same keys.
struct Pair<'a> {
    envoys: [Timed<'a>; 2],
    turned: bool,
}

impl<'a> Pair<'a> {
    fn start(bench: &Bench, workload: &'a Workload) -> Result<Self, Error> {
        let keys = bench.sized(USERS, 200);
        let envoys = [
            Timed::start(bench, workload, &UNGUARDED, keys)?,
            Timed::start(bench, workload, &GUARDED, keys)?,
        ];
        Ok(Self { envoys, turned: false })
    }

    /// Who comes first and who second, the other way round each time, and what the second's excess counts.
    fn order(&mut self) -> (&mut Timed<'a>, &mut Timed<'a>, f64) {
        self.turned = !self.turned;
        let [without, with] = &mut self.envoys;
        if self.turned { (without, with, 1.0) } else { (with, without, -1.0) }
    }

    /// How much more a call with guards costs while it runs.
    fn turns(&mut self) -> Result<Option<f64>, Error> {
        let (first, second, sign) = self.order();
        let begun = first.turn()?;
        let between = second.turn()? + second.turn()?;
        Ok(Some(sign * (between - begun - first.turn()?) / 2.0))
    }

    /// How much more it leaves to ticks.
    fn bursts(&mut self) -> Result<Option<f64>, Error> {
        let (first, second, sign) = self.order();
        let of_both = first.burst()?.zip(second.burst()?);
        Ok(of_both.map(|(first, second)| sign * (second - first)))
    }
}

/// An Envoy whose CPU time is read.
struct Timed<'a> {
    running: Running,
    workload: &'a Workload,
    proof: &'static str,
    /// How many calls it was sent.
    made: u32,
}

impl<'a> Timed<'a> {
    fn start(bench: &Bench, workload: &'a Workload, filter: &Filter, keys: u32) -> Result<Self, Error> {
        progress(&format!("{keys} keys: {}", filter.name));
        let proof = filter.proof.unwrap_or_default();
        let mut timed = Self { running: bench.start(filter, 1)?, workload, proof, made: 0 };
        timed.calls(keys)?;
        std::thread::sleep(TICKED);
        match timed.running.envoy.counters(proof)? {
            read if read < u64::from(keys) => {
                Err(Error::Envoy(format!("{}: {read} of {keys} calls were read", filter.name)))
            }
            _ => Ok(timed),
        }
    }

    fn calls(&mut self, count: u32) -> Result<(), Error> {
        let users = (self.made..self.made + count).map(|call| call.wrapping_mul(STRIDE) % USERS);
        self.made += count;
        self.running.calls_of(self.workload, users)
    }

    fn used(&self) -> Result<u64, Error> {
        process::cpu_nanos(self.running.envoy.pid())
    }

    /// Microseconds that a call of a turn costs.
    fn turn(&mut self) -> Result<f64, Error> {
        let before = self.used()?;
        self.calls(TURN)?;
        Ok(micros(before, self.used()?, TURN))
    }

    /// Microseconds that a call of a burst leaves to the next tick; `None` if a tick may have come too early.
    fn burst(&mut self) -> Result<Option<f64>, Error> {
        self.wait_for_tick()?;
        let begun = Instant::now();
        self.calls(BURST)?;
        if begun.elapsed() > SHORT {
            return Ok(None);
        }
        let before = self.used()?;
        std::thread::sleep(TICKED);
        Ok(Some(micros(before, self.used()?, BURST)))
    }

    /// Waits until a tick has come: what a call counts reaches Envoy by it.
    fn wait_for_tick(&mut self) -> Result<(), Error> {
        let counted = |running: &Running| running.envoy.counters(self.proof);
        let before = counted(&self.running)?;
        self.calls(1)?;
        let until = Instant::now() + LATEST;
        while self.running.envoy.counters(self.proof)? == before {
            if Instant::now() > until {
                return Err(Error::Envoy("what calls count has not reached Envoy".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn micros(before: u64, after: u64, calls: u32) -> f64 {
    after.saturating_sub(before) as f64 / 1000.0 / f64::from(calls)
}
