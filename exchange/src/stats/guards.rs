//! How often guards began to see something, and for how many keys they see it now.

use super::labels::tame;
use super::series::put;
use super::{MetricKind, MetricSink, Stats};
use crate::config::Rules;
use crate::guards::Flushed;
use tollgate_policy::Episode;

impl Stats {
    /// Counts what a flush of the guards came to.
    pub fn count_guards(&mut self, rules: &Rules, flushed: &Flushed, sink: &mut impl MetricSink) {
        if flushed.changed || !flushed.departed.is_empty() {
            self.count_departed(rules, flushed, sink);
        }
    }

    #[cold]
    #[inline(never)]
    fn count_departed(&mut self, rules: &Rules, flushed: &Flushed, sink: &mut impl MetricSink) {
        for departed in flushed.departed.iter().filter(|departed| departed.episode == Episode::Began) {
            let name = format!("tollgate_guard_fired;guard={}", tame(&departed.guard));
            put(&mut self.plain, sink, MetricKind::Counter, 1, name);
        }
        let Some(guards) = &rules.guards else { return };
        for rule in &guards.rules {
            let name = format!("tollgate_guard_keys;guard={}", tame(&rule.name));
            put(&mut self.plain, sink, MetricKind::Gauge, guards.count(&rule.name), name);
        }
    }
}
