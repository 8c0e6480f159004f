//! CPU time per call: rounds in which every filter takes its turn at every workload.

use std::io::Write;
use std::net::SocketAddr;

use crate::args::Args;
use crate::envoy::Envoy;
use crate::error::Error;
use crate::figures::Cell;
use crate::filter::{self, Filter};
use crate::load::Client;
use crate::process;
use crate::workload::Workload;

/// What all measurements need.
pub struct Bench<'a> {
    /// What was asked for.
    pub args: &'a Args,
    /// Where the stand-in listens.
    pub upstream: SocketAddr,
}

/// The figures, by filter and workload.
pub struct Table {
    /// One row for each workload: its name, what it consists of, calls per sample, and a cell for each filter.
    pub rows: Vec<Row>,
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
}

/// An Envoy under test and a connection to it.
pub struct Running {
    /// The Envoy; it ends when this is dropped.
    pub envoy: Envoy,
    client: Client,
}

impl Running {
    /// Microseconds of the Envoy's CPU time per call.
    fn sample(&mut self, workload: &Workload) -> Result<f64, Error> {
        let before = process::cpu_nanos(self.envoy.pid())?;
        self.client.calls(workload, workload.calls)?;
        let used = process::cpu_nanos(self.envoy.pid())?.saturating_sub(before);
        Ok(used as f64 / 1000.0 / f64::from(workload.calls))
    }

    /// Makes the calls of some samples unmeasured, so that V8 has compiled what is hot, and says whether the filter read them.
    fn warm_up(&mut self, filter: &Filter, workload: &Workload) -> Result<Option<bool>, Error> {
        let calls = workload.calls * WARM_UP_SAMPLES;
        let counted = |envoy: &Envoy| filter.proof.map(|proof| envoy.counters(proof)).transpose();
        let before = counted(&self.envoy)?;
        self.client.calls(workload, calls)?;
        let after = counted(&self.envoy)?;
        Ok(before.zip(after).map(|(before, after)| after.saturating_sub(before) >= u64::from(calls)))
    }
}

const WARM_UP_SAMPLES: u32 = 5;

/// Measures all filters on all workloads.
pub fn compare(bench: &Bench, workloads: &[Workload]) -> Result<Table, Error> {
    let workloads: Vec<&Workload> =
        workloads.iter().filter(|workload| bench.args.wants(workload.name)).collect();
    let mut envoys = Vec::new();
    for filter in filter::ALL {
        progress(&format!("starting Envoy: {}", filter.name));
        envoys.push((filter, bench.start(filter, 1)?));
    }
    let mut table = Table { rows: workloads.iter().map(|workload| empty_row(workload)).collect() };
    warm_up(&mut envoys, &workloads, &mut table)?;
    for round in 0..bench.args.rounds {
        for (workload, row) in workloads.iter().zip(&mut table.rows) {
            progress(&format!("round {} of {}: {}", round + 1, bench.args.rounds, workload.name));
            turn(&mut envoys, workload, row, round as usize)?;
        }
    }
    progress("");
    Ok(table)
}

fn empty_row(workload: &Workload) -> Row {
    let cells = filter::ALL.iter().map(|_| Cell::default()).collect();
    Row { workload: workload.name, about: workload.about, calls: workload.calls, cells }
}

fn warm_up(
    envoys: &mut [(&Filter, Running)],
    workloads: &[&Workload],
    table: &mut Table,
) -> Result<(), Error> {
    for (workload, row) in workloads.iter().zip(&mut table.rows) {
        let cells = envoys.iter_mut().zip(&mut row.cells);
        for ((filter, running), cell) in cells.filter(|((filter, _), _)| filter.takes(workload)) {
            progress(&format!("warming up: {}, {}", workload.name, filter.name));
            cell.read = running.warm_up(filter, workload).map_err(|error| error.of(filter.name))?;
        }
    }
    Ok(())
}

/// One sample of each filter. Who is first changes from round to round.
fn turn(
    envoys: &mut [(&Filter, Running)],
    workload: &Workload,
    row: &mut Row,
    round: usize,
) -> Result<(), Error> {
    let count = envoys.len();
    let mut order: Vec<_> = envoys.iter_mut().zip(&mut row.cells).collect();
    order.rotate_left(round % count.max(1));
    for ((filter, running), cell) in order.into_iter().filter(|((filter, _), _)| filter.takes(workload)) {
        let micros = running.sample(workload).map_err(|error| error.of(filter.name))?;
        cell.micros.push(micros);
    }
    Ok(())
}

/// One line that is written over and over; an empty one wipes it out.
pub fn progress(text: &str) {
    eprint!("\r\x1b[K{text}");
    // Where nobody reads the progress, nobody misses it.
    let _ = std::io::stderr().flush();
}
