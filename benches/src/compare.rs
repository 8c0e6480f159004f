//! CPU time per call: rounds in which every filter takes its turn at every workload.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::args::{Args, Pace};
use crate::envoy::Envoy;
use crate::error::Error;
use crate::figures::Cell;
use crate::filter::{self, Filter};
use crate::load::Client;
use crate::pinned::Pinned;
use crate::process;
use crate::upstream::Told;
use crate::workload::Workload;

/// What all measurements need.
pub struct Bench<'a> {
    /// What was asked for.
    pub args: &'a Args,
    /// Where the stand-in listens.
    pub upstream: SocketAddr,
    /// What the stand-in was told as a store.
    pub told: Arc<Told>,
}

/// The figures, by filter and workload.
#[derive(Default)]
pub struct Table {
    /// One row for each workload.
    pub rows: Vec<Row>,
    /// How many rounds were made.
    pub rounds: u32,
}

/// The figures of one workload.
pub struct Row {
    /// The workload's name.
    pub workload: &'static str,
    /// What it consists of.
    pub about: &'static str,
    /// Calls in one sample.
    pub calls: u32,
    cells: Vec<Cell>,
}

impl Row {
    /// The figures of a filter.
    pub fn cell(&self, filter: &str) -> Option<&Cell> {
        let at = filter::ALL.iter().position(|one| one.name == filter)?;
        self.cells.get(at)
    }

    /// A row whose cells are filled by what is given for each filter.
    #[cfg(test)]
    pub fn of(workload: &'static str, micros: &[(&str, f64)]) -> Self {
        let cell = |filter: &Filter| {
            let given = micros.iter().filter(|(name, _)| *name == filter.name).map(|(_, micros)| *micros);
            Cell { micros: given.collect(), ..Cell::default() }
        };
        Self { workload, about: "", calls: 1, cells: filter::ALL.iter().map(cell).collect() }
    }
}

impl Table {
    /// A workload's row.
    pub fn row(&self, workload: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.workload == workload)
    }
}

impl Bench<'_> {
    /// Starts an Envoy with that filter.
    pub fn start(&self, filter: &Filter, workers: u32) -> Result<Running, Error> {
        let bootstrap = filter.bootstrap(&self.args.wasm, self.upstream);
        let envoy = Envoy::start(&self.args.envoy, &bootstrap, workers).map_err(|e| e.of(filter.name))?;
        let client = Client::connect(envoy.address())?;
        Ok(Running { envoy, client })
    }

    /// One of two sizes.
    pub fn sized(&self, full: u32, quick: u32) -> u32 {
        if self.args.pace == Pace::Full { full } else { quick }
    }
}

/// An Envoy under test and a connection to it.
pub struct Running {
    /// The Envoy; it ends when this is dropped.
    pub envoy: Envoy,
    client: Client,
}

impl Running {
    /// An error, with whose it is and what its Envoy says.
    fn told(&self, filter: &Filter, error: Error) -> Error {
        error.of(filter.name).after(&self.envoy.last_words())
    }

    /// Makes a call of each of these users.
    pub fn calls_of(&mut self, workload: &Workload, users: impl Iterator<Item = u32>) -> Result<(), Error> {
        self.client.calls_of(workload, users)
    }

    /// Measures one sample.
    fn sample(&mut self, workload: &Workload, cell: &mut Cell) -> Result<(), Error> {
        let before = process::cpu_nanos(self.envoy.pid())?;
        self.client.timed_calls(workload, workload.calls, &mut cell.waits)?;
        let used = process::cpu_nanos(self.envoy.pid())?.saturating_sub(before);
        cell.micros.push(used as f64 / 1000.0 / f64::from(workload.calls));
        Ok(())
    }

    /// Makes the calls of some samples unmeasured, so that V8 has compiled what is hot, and says whether the filter read them.
    fn warm_up(&mut self, filter: &Filter, workload: &Workload, samples: u32) -> Result<Option<bool>, Error> {
        if filter.is_estimating() {
            self.client.calls(workload, 1)?;
            std::thread::sleep(VOCABULARY_IS_BUILT);
        }
        let calls = workload.calls * samples;
        let counted = |envoy: &Envoy| filter.proof.map(|proof| envoy.counters(proof)).transpose();
        let before = counted(&self.envoy)?;
        self.client.calls(workload, calls)?;
        // What Tollgate counted reaches Envoy by tick, four times a second.
        if filter.proof.is_some() {
            std::thread::sleep(TOLD_BY);
        }
        let after = counted(&self.envoy)?;
        Ok(before.zip(after).map(|(before, after)| after.saturating_sub(before) >= u64::from(calls)))
    }
}

const TOLD_BY: Duration = Duration::from_millis(400);

/// By a tick after the first call, 250 ms apart, in some 0.1 s; on a loaded machine in more.
const VOCABULARY_IS_BUILT: Duration = Duration::from_secs(2);

/// Measures all filters on all workloads, until the rounds are done, the time is over or the user wants to end. What was measured by
/// then stays in the table.
pub fn compare(bench: &Bench, workloads: &[Workload], table: &mut Table) -> Result<(), Error> {
    let workloads: Vec<&Workload> =
        workloads.iter().filter(|workload| bench.args.wants(workload.name)).collect();
    let needed = |filter: &&Filter| {
        filter.is_here(&bench.args.wasm) && workloads.iter().any(|workload| filter.takes(workload))
    };
    let _pinned = Pinned::to_one()?;
    let mut envoys = Vec::new();
    for filter in filter::ALL.iter().filter(needed) {
        progress(&format!("starting Envoy: {}", filter.name));
        envoys.push((filter, bench.start(filter, 1)?));
    }
    table.rows = workloads.iter().map(|workload| empty_row(workload)).collect();
    warm_up(&mut envoys, &workloads, table, bench.sized(5, 1))?;
    let until = Instant::now() + bench.args.time;
    while table.rounds < bench.args.rounds && Instant::now() < until {
        for (workload, row) in workloads.iter().zip(&mut table.rows) {
            progress(&format!("round {} of {}: {}", table.rounds + 1, bench.args.rounds, workload.name));
            turn(&mut envoys, workload, row)?;
        }
        table.rounds += 1;
    }
    progress("");
    Ok(())
}

fn empty_row(workload: &Workload) -> Row {
    let cells = filter::ALL.iter().map(|_| Cell::default()).collect();
    Row { workload: workload.name, about: workload.about, calls: workload.calls, cells }
}

fn warm_up(
    envoys: &mut [(&Filter, Running)],
    workloads: &[&Workload],
    table: &mut Table,
    samples: u32,
) -> Result<(), Error> {
    for (workload, row) in workloads.iter().zip(&mut table.rows) {
        for (filter, running) in envoys.iter_mut().filter(|(filter, _)| filter.takes(workload)) {
            progress(&format!("warming up: {}, {}", workload.name, filter.name));
            let read =
                running.warm_up(filter, workload, samples).map_err(|error| running.told(filter, error))?;
            if let Some(cell) = cell(&mut row.cells, filter) {
                cell.read = read;
            }
        }
    }
    Ok(())
}

/// One sample of each filter. Who is first changes from turn to turn.
fn turn(envoys: &mut [(&Filter, Running)], workload: &Workload, row: &mut Row) -> Result<(), Error> {
    envoys.rotate_left(envoys.len().min(1));
    for (filter, running) in envoys.iter_mut().filter(|(filter, _)| filter.takes(workload)) {
        if let Some(cell) = cell(&mut row.cells, filter) {
            running.sample(workload, cell).map_err(|error| running.told(filter, error))?;
        }
    }
    Ok(())
}

fn cell<'a>(cells: &'a mut [Cell], filter: &Filter) -> Option<&'a mut Cell> {
    let at = filter::ALL.iter().position(|one| one.name == filter.name)?;
    cells.get_mut(at)
}

/// One line that is written over and over; an empty one wipes it out.
pub fn progress(text: &str) {
    eprint!("\r\x1b[K{text}");
    // Where nobody reads the progress, nobody misses it.
    let _ = std::io::stderr().flush();
}
