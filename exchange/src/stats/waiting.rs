//! Settled calls that are counted a few at a time.
//!
//! What a processor runs once a call has left its caches by the next one. Of a few calls in a row only the first fetches it again.

use super::{MetricSink, SeriesPlaces, Stats};
use crate::config::Rules;
use crate::settle::Settled;
use std::mem;
use std::rc::Rc;

/// Calls of one configuration, with the rules that each was made under.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<(Rc<Rules>, Settled)>);

/// So many calls wait at most: more of them save little more, and take memory in every worker.
const MOST_WAITING: usize = 8;

impl Stats {
    /// Takes a settled call to be counted soon: with those that come, or when [`Self::count_waiting`] is called.
    pub fn note(
        &mut self,
        rules: Rc<Rules>,
        settled: Settled,
        places: &impl SeriesPlaces,
        sink: &mut impl MetricSink,
    ) {
        self.waiting.0.reserve_exact(MOST_WAITING.saturating_sub(self.waiting.0.len()));
        self.waiting.0.push((rules, settled));
        if self.waiting.0.len() >= MOST_WAITING {
            self.count_waiting(places, sink);
        }
    }

    /// Counts the calls that wait. To be called by tick, and when the configuration goes.
    #[inline(never)]
    pub fn count_waiting(&mut self, places: &impl SeriesPlaces, sink: &mut impl MetricSink) {
        let mut waiting = mem::take(&mut self.waiting.0);
        for (rules, settled) in waiting.drain(..) {
            self.count(&rules, &settled, places, sink);
        }
        self.waiting.0 = waiting;
    }
}
