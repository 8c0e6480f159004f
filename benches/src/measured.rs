//! Everything that was measured, part by part.

use std::sync::Arc;

use crate::args::{Args, GUARDS, LOAD, MEMORY, STORES, STREAMS};
use crate::compare::{self, Bench, Table};
use crate::core::{self, Timing};
use crate::error::Error;
use crate::figures::Spread;
use crate::filter::PLAIN;
use crate::guarded::{self, Guards};
use crate::loaded::{self, Loaded};
use crate::memory::{self, Weight};
use crate::stores::{self, Traffic};
use crate::streams::{self, Held};
use crate::{upstream, workload};

/// Everything that was measured. What was not, or not yet, is empty.
#[derive(Default)]
pub struct Measured {
    /// CPU time and waits by filter and workload.
    pub table: Table,
    /// Memory by filter.
    pub memory: Vec<Weight>,
    /// Memory of open streams by coding.
    pub streams: Vec<Held>,
    /// CPU time under load.
    pub loaded: Vec<Loaded>,
    /// What four guards add to a call while ten thousand keys are live.
    pub guards: Option<Guards>,
    /// What stores are told.
    pub stores: Option<Traffic>,
    /// What the core costs by itself, as criterion has it.
    pub core: Vec<Timing>,
    /// Why it ended before its end, if it did.
    pub stopped: Option<String>,
}

impl Measured {
    /// Measures what was asked for. Where the user ends it, or something breaks, there is what was measured by then.
    pub fn take(args: &Args) -> Self {
        let mut measured = Self { core: core::timings(args), ..Self::default() };
        measured.stopped = measured.fill(args).err().map(|error| error.to_string());
        measured
    }

    fn fill(&mut self, args: &Args) -> Result<(), Error> {
        let (workloads, open) = (workload::all(), workload::left_open());
        let all = Arc::new(workload::all().into_iter().chain(workload::left_open()).collect());
        let told = Arc::default();
        let upstream =
            upstream::start(all, Arc::clone(&told)).map_err(Error::io("cannot start the upstream"))?;
        let bench = Bench { args, upstream, told };
        if args.wants(STORES) {
            self.stores = stores::measure(&bench, &workloads)?;
        }
        if args.wants(MEMORY) {
            memory::weigh(&bench, &workloads, &mut self.memory)?;
        }
        if args.wants(STREAMS) {
            streams::open(&bench, &open, &mut self.streams)?;
        }
        if args.wants(LOAD) {
            loaded::measure(&bench, &workloads, &mut self.loaded)?;
        }
        if args.wants(GUARDS) {
            self.guards = guarded::measure(&bench, &workloads)?;
        }
        compare::compare(&bench, &workloads, &mut self.table)
    }

    /// What a filter adds to a call of that workload.
    pub fn over(&self, filter: &str, workload: &str) -> Option<Spread> {
        let row = self.table.row(workload)?;
        row.cell(filter)?.over(row.cell(PLAIN)?)
    }

    /// The same in the middle of the rounds; `None` where it drowns in the noise.
    pub fn added(&self, filter: &str, workload: &str) -> Option<f64> {
        self.over(filter, workload).map(|over| over.median).filter(|median| *median > 0.0)
    }

    /// What one filter adds over another one, round by round.
    pub fn between(&self, filter: &str, other: &str, workload: &str) -> Option<Spread> {
        let row = self.table.row(workload)?;
        row.cell(filter)?.over(row.cell(other)?)
    }

    /// What one filter adds as a multiple of what another one adds.
    pub fn times(&self, filter: &str, other: &str, workload: &str) -> Option<f64> {
        Some(self.over(filter, workload)?.median / self.added(other, workload)?)
    }

    /// What a filter adds to a call under load.
    pub fn under_load(&self, filter: &str, workload: &str) -> Option<Spread> {
        let mut rows = self.loaded.iter();
        Some(rows.find(|row| row.filter == filter && row.workload == workload)?.micros)
    }

    /// What one filter adds under load as a multiple of what another one adds; `None` where either drowns in the noise.
    pub fn times_under_load(&self, filter: &str, other: &str, workload: &str) -> Option<f64> {
        let added =
            |name| self.under_load(name, workload).map(|micros| micros.median).filter(|micros| *micros > 0.0);
        Some(added(filter)? / added(other)?)
    }

    /// What is known of a filter's weight.
    pub fn weight(&self, filter: &str) -> Option<&Weight> {
        self.memory.iter().find(|weight| weight.filter == filter)
    }
}
