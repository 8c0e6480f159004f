//! What retries and fallbacks cost, and what cheaper models saved.

use super::series::{Money, put};
use super::{MetricKind, MetricSink, Stats};
use crate::settle::Settled;
use std::collections::HashMap;
use tollgate_pricing::PicoUsd;
use tollgate_record::Action;

impl Stats {
    /// Counts a call that was sent again, or whose model was replaced.
    #[cold]
    #[inline(never)]
    pub(super) fn count_agents(&mut self, settled: &Settled, sink: &mut impl MetricSink) {
        let record = &settled.record;
        if let Some(retry) = &record.retry {
            let kind = retry.kind.as_str();
            put(
                &mut self.plain,
                sink,
                MetricKind::Counter,
                1,
                format!("tollgate_retry_requests;kind={kind}"),
            );
            if let Some(cost) = record.cost.usd {
                let name = format!("tollgate_retry_cost_nanousd;kind={kind}");
                add(&mut self.agents, cost, name, sink);
            }
        }
        if let Some(saved) = record.cost.saved_by_rewrite_usd {
            let replaced = |action: &&Action| matches!(action, Action::Rewrite | Action::Downgrade);
            let action = record.decision.actions.iter().filter(replaced).max();
            let action = action.copied().unwrap_or(Action::Rewrite).as_str();
            // Counters only go up: what a dearer model costs more has a counter of its own.
            let (name, amount) = match saved.pico().checked_neg().filter(|more| *more > 0) {
                Some(more) => ("tollgate_spent_more_nanousd", PicoUsd::from_pico(more)),
                None => ("tollgate_saved_nanousd", saved),
            };
            add(&mut self.agents, amount, format!("{name};action={action}"), sink);
        }
    }
}

#[inline(never)]
pub(super) fn add(
    moneys: &mut HashMap<String, Money>,
    amount: PicoUsd,
    name: String,
    sink: &mut impl MetricSink,
) {
    let money = moneys.entry(name.clone()).or_default();
    money.add(sink, amount, || name);
}
