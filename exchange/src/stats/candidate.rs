//! Calls with which a candidate configuration would have done something else, and what that comes to.

use super::series::put;
use super::{MetricKind, MetricSink, Stats, agents};
use crate::settle::Settled;
use tollgate_record::Effect;

impl Stats {
    /// Counts a call that a candidate would have treated otherwise.
    #[cold]
    #[inline(never)]
    pub(super) fn count_candidate(&mut self, settled: &Settled, sink: &mut impl MetricSink) {
        let record = &settled.record;
        let Some(verdict) = &record.candidate else { return };
        let (would, was) = (verdict.action.as_str(), record.decision.action().as_str());
        let name = |what: &str| format!("tollgate_candidate_{what};action={would};decision={was}");
        put(&mut self.plain, sink, MetricKind::Counter, 1, name("requests"));
        // Counters only go up: each way has one of its own.
        let (what, usd) = match verdict.effect(record.cost.usd, record.cost.status) {
            Effect::Saves(usd) => ("saved_nanousd", usd),
            Effect::Adds(usd) => ("added_nanousd", usd),
            Effect::Estimated(usd) => ("estimated_nanousd", usd),
            Effect::Unknown => {
                return put(&mut self.plain, sink, MetricKind::Counter, 1, name("unknown_requests"));
            }
        };
        agents::add(&mut self.agents, usd, name(what), sink);
    }
}
