//! A candidate configuration judges the calls that come, beside the active one: the same machine goes through the same call under the
//! other rules, with counters of its own, and nothing of what it decides is done.

mod table;
mod verdict;

pub use table::CandidateBatch;
pub(crate) use table::{Sums, add, load};

use crate::config::Candidate;
use crate::exchange::{Exchange, Phase, Step};
use crate::head::Head;
use std::rc::Rc;
use tollgate_policy::{Admission, Op, SharedStore, StoreFailure};
use tollgate_record::Timestamp;
use tollgate_wire::{End, Injection};

/// Performs reservations in this process.
pub type Reserve<'a> = dyn Fn(&[Op], Timestamp) -> Result<Admission, StoreFailure> + 'a;

/// A call under the candidate's rules.
pub(crate) struct Trial {
    call: Box<Exchange>,
    /// What it waits for.
    step: Step,
    /// How much it was shown of a body that is held.
    shown: usize,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trial").field("step", &self.step).finish_non_exhaustive()
    }
}

impl Trial {
    /// Whether the body has to be read for it.
    pub(crate) fn wants_body(&self) -> bool {
        self.call.is_holding() || self.call.rules.agents.is_some()
    }

    fn show(&mut self, piece: &[u8], end: End) {
        self.shown = self.shown.saturating_add(piece.len());
        if self.call.is_holding() {
            if let Some(step) = self.call.held_body(piece, end) {
                self.step = step;
            }
        } else if self.call.probe.is_none() && self.call.rules.agents.is_some() {
            let _nothing_is_sent = self.call.reader.pass(piece, end);
        }
    }
}

impl Exchange {
    /// Begins the same call under a candidate's rules. A body that these want is not held for them: they see it as it passes.
    #[cold]
    #[inline(never)]
    pub(crate) fn try_out(&mut self, candidate: &Candidate, head: &Head) {
        let own = candidate.asks_more.then(|| {
            let properties = head.properties.iter().skip(self.rules.tags.properties().len());
            Head { properties: properties.cloned().collect(), ..head.clone() }
        });
        let head = own.as_ref().unwrap_or(head);
        let (target, came) = (Rc::clone(&self.target), (self.id, self.started));
        let mut call = Self::new(&candidate.rules, head, target, came, Injection::Off);
        let step = call.decide(head);
        self.plan.trial = Some(Box::new(Trial { call, step, shown: 0 }));
    }

    /// Whether a candidate judges this call.
    pub fn has_candidate(&self) -> bool {
        self.plan.trial.is_some()
    }

    /// Has the candidate decide as far as it can be decided by now.
    #[cold]
    #[inline(never)]
    pub fn try_candidate(
        &mut self,
        store: &dyn SharedStore,
        now: &dyn Fn() -> Timestamp,
        reserve: &Reserve<'_>,
    ) {
        let Some(trial) = self.plan.trial.as_deref_mut() else { return };
        loop {
            let asked = trial.call.pending().map(|batch| batch.ops());
            trial.step = match (&trial.step, asked) {
                (Step::Ask, Some(ops)) => trial.call.resume(reserve(&ops, now())),
                (Step::Recall, _) => trial.call.recall(store, now()),
                _ => return,
            };
        }
    }

    /// The call is over. One that was refused before its body was seen is decided without it by the candidate, too.
    pub fn end_candidate(&mut self) {
        if matches!(self.phase, Phase::Replied) {
            self.tire_candidate();
        }
    }

    /// No more of the body comes than the candidate has seen: it decides without.
    #[cold]
    #[inline(never)]
    pub(crate) fn tire_candidate(&mut self) {
        if let Some(trial) = self.plan.trial.as_deref_mut().filter(|trial| trial.call.is_holding()) {
            trial.step = trial.call.give_up_waiting();
        }
    }

    /// The upstream has answered before the body was complete.
    #[cold]
    pub(crate) fn free_candidate(&mut self) {
        if let Some(trial) = self.plan.trial.as_deref_mut().filter(|trial| trial.call.is_holding()) {
            trial.call.phase = Phase::Passing;
        }
    }

    /// Shows a piece of the body, or its end, to the candidate.
    pub fn show_candidate(&mut self, piece: &[u8], end: End) {
        if let Some(trial) = &mut self.plan.trial {
            trial.show(piece, end);
        }
    }

    /// Shows of a body that was held what came of it while nobody looked.
    pub(crate) fn show_candidate_rest(&mut self, held: &[u8], end: End) {
        if let Some(trial) = &mut self.plan.trial
            && trial.wants_body()
        {
            let rest = held.get(trial.shown..).unwrap_or_default();
            trial.show(rest, end);
        }
    }
}
