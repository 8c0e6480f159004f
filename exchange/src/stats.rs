//! A record -> counters and histograms, in a bounded number of series.
//!
//! Names follow one grammar: `tollgate_<metric>;label=value;label=value`. A `;` or a control character in a value is
//! replaced, so that no value reaches into another label.

mod agents;
mod candidate;
mod gauges;
mod guards;
mod labels;
mod otel;
mod series;
mod waiting;

use crate::alerts::{AlertNews, Fate};
use crate::config::{Rules, is_candidates};
use crate::settle::Settled;
pub use gauges::Gauges;
pub(crate) use labels::{OTHER, UNKNOWN};
use labels::{labels, model_label, other, put_key, tame};
use series::{Metric, Money, Seat, Series, kind_label, put};
use std::collections::HashMap;
use tollgate_policy::{KeyBudget, SharedStore, claim_place};
use waiting::Waiting;

/// What a metric is to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// It only goes up.
    Counter,
    /// It is set to what is.
    Gauge,
    /// It takes samples.
    Histogram,
}

/// The adapter's side: metrics by name, defined once.
pub trait MetricSink {
    /// The proxy's number of a metric; `None` if it cannot be defined.
    fn define(&mut self, kind: MetricKind, name: &str) -> Option<u32>;
    /// Adds to a counter, sets a gauge, or records a sample.
    fn put(&mut self, kind: MetricKind, id: u32, value: u64);
}

/// Who says which label sets of a view get series of their own. The proxy never forgets a metric's name, so the bound is one for
/// all workers, and over reloads.
pub trait SeriesPlaces {
    /// Whether this label set has, or now takes, one of at most `max` places of the view.
    fn take(&self, view: &str, labels: &str, max: usize) -> bool;
}

impl<S: SharedStore> SeriesPlaces for S {
    fn take(&self, view: &str, labels: &str, max: usize) -> bool {
        let key = format!("tg/1/series/{view}/v/{labels}");
        let max = u64::try_from(max).unwrap_or(u64::MAX);
        let budget = KeyBudget { key: format!("tg/1/series/{view}/count"), max };
        claim_place(self, &key, &budget)
    }
}

/// All series of one configuration. The numbers are valid as long as the configuration is: the proxy may give
/// others to the same names later.
#[derive(Debug, Default)]
pub struct Stats {
    /// One table a view: labels -> place in `series`.
    views: Vec<HashMap<String, usize>>,
    series: Vec<Series>,
    /// What tells calls apart in any label -> place in `seats`: no name is put together for the second call of its kind.
    kinds: HashMap<Box<[u8]>, usize>,
    seats: Vec<Seat>,
    /// Room for a key of `kinds`.
    key: Vec<u8>,
    /// Room for the token counts of a call by the label of their class, which all views add up.
    tokens: Vec<(&'static str, u64)>,
    plain: HashMap<String, Metric>,
    /// Calls that go by unmetered: host and reason.
    unmetered: HashMap<String, Metric>,
    /// By provider and model.
    drift: HashMap<String, Money>,
    untagged: HashMap<String, Money>,
    fully_tagged: Money,
    /// What calls cost that a quota on trial would have refused.
    budgets: HashMap<String, Money>,
    /// What calls cost that no quota is about.
    unbudgeted: Money,
    /// What retries cost, and what other models or a candidate would have saved.
    agents: HashMap<String, Money>,
    waiting: Waiting,
}

/// Seats are forgotten past this number: tags may bring ever new values, but the calls of a while have few.
const MAX_SEATS: usize = 4096;

/// How many hosts have an unmetered series of their own.
const MAX_HOSTS: usize = 256;

impl Stats {
    /// Counts one settled call.
    pub fn count(
        &mut self,
        rules: &Rules,
        settled: &Settled,
        places: &impl SeriesPlaces,
        sink: &mut impl MetricSink,
    ) {
        put_key(&mut self.key, settled);
        let seat = match self.kinds.get(&*self.key) {
            Some(seat) => *seat,
            None => self.take_seat(rules, settled, places),
        };
        self.tokens.clear();
        let counts = settled.counts.tokens.iter().filter(|(_, count)| *count > 0);
        self.tokens.extend(counts.map(|(kind, count)| (kind_label(kind), count)));
        if let Some(seat) = self.seats.get_mut(seat) {
            for place in &seat.series {
                if let Some(series) = self.series.get_mut(*place) {
                    series.count(settled, &self.tokens, sink);
                }
            }
            for view in seat.overflowed.iter().filter_map(|view| rules.views.get(*view)) {
                let name = format!("tollgate_series_overflow;view={}", view.name);
                put(&mut self.plain, sink, MetricKind::Counter, 1, name);
            }
            seat.sample(settled, sink);
            if let Some(otel) = &mut seat.otel {
                otel.count(settled, sink);
            }
        }
        self.count_tagging(settled, sink);
        self.count_trouble(settled, sink);
        if settled.record.retry.is_some() || settled.record.cost.saved_by_rewrite_usd.is_some() {
            self.count_agents(settled, sink);
        }
        if settled.record.candidate.is_some() {
            self.count_candidate(settled, sink);
        }
    }

    /// Finds where calls like this one, whose key is at hand, are counted.
    fn take_seat(&mut self, rules: &Rules, settled: &Settled, places: &impl SeriesPlaces) -> usize {
        self.views.resize_with(rules.views.len(), HashMap::new);
        let mut seat = Seat { otel: rules.otel.then(Box::default), ..Seat::default() };
        for (index, (view, table)) in rules.views.iter().zip(&mut self.views).enumerate() {
            let (labels, reserved) = labels(view, rules, settled);
            let own =
                reserved || table.contains_key(&labels) || places.take(&view.name, &labels, rules.max_series);
            let labels = if own { labels } else { other(view, settled) };
            let place = table.entry(labels).or_insert_with_key(|labels| {
                self.series.push(Series::new(labels));
                self.series.len().saturating_sub(1)
            });
            seat.series.push(*place);
            seat.overflowed.extend((!own).then_some(index));
        }
        if self.seats.len() >= MAX_SEATS {
            self.kinds.clear();
            self.seats.clear();
        }
        let place = self.seats.len();
        self.kinds.insert(self.key.as_slice().into(), place);
        self.seats.push(seat);
        place
    }

    /// Counts a call to an LLM host that goes by unmetered.
    pub fn count_unmetered(&mut self, host: &str, reason: &str, sink: &mut impl MetricSink) {
        let name = |host: &str| format!("tollgate_unmetered_requests;host={};reason={reason}", tame(host));
        // Hosts come from clients: past a bound they share one series.
        let known = self.unmetered.contains_key(&name(host)) || self.unmetered.len() < MAX_HOSTS;
        put(&mut self.unmetered, sink, MetricKind::Counter, 1, name(if known { host } else { OTHER }));
    }

    /// Counts trouble that belongs to no call.
    pub fn count_error(&mut self, kind: &str, sink: &mut impl MetricSink) {
        put(&mut self.plain, sink, MetricKind::Counter, 1, format!("tollgate_errors;kind={kind}"));
    }

    /// Counts that another worker went ahead at the counter of a quota, by the counter's key.
    pub fn count_conflict(&mut self, key: &str, sink: &mut impl MetricSink) {
        self.count_quota("conflicts", key, 1, sink);
    }

    /// Counts a refusal for what running calls have put aside and may not use.
    pub fn count_transient(&mut self, key: &str, sink: &mut impl MetricSink) {
        self.count_quota("refused_while_reserved", key, 1, sink);
    }

    /// Counts counters of a quota that were forgotten or shared since their page was full.
    pub fn count_crowd(&mut self, key: &str, counters: u32, sink: &mut impl MetricSink) {
        self.count_quota("crowded", key, u64::from(counters), sink);
    }

    fn count_quota(&mut self, what: &str, key: &str, by: u64, sink: &mut impl MetricSink) {
        if is_candidates(key) {
            return;
        }
        // The name stands escaped in the key; as a label it may stay so.
        let quota = key.split('/').nth(4).unwrap_or_default();
        let name = format!("tollgate_quota_{what};quota={}", tame(quota));
        put(&mut self.plain, sink, MetricKind::Counter, by, name);
    }

    /// Counts what became of alerts.
    pub fn count_alerts(&mut self, news: &AlertNews, sink: &mut impl MetricSink) {
        for (destination, fate, count) in &news.fates {
            let fate = match fate {
                Fate::Sent => "sent",
                Fate::Failed => "failed",
                Fate::Dropped => "dropped",
            };
            let name = format!("tollgate_alerts_{fate};destination={}", tame(destination));
            put(&mut self.plain, sink, MetricKind::Counter, *count, name);
        }
    }

    fn count_tagging(&mut self, settled: &Settled, sink: &mut impl MetricSink) {
        let absent = &settled.counts.absent_tags;
        if let (true, Some(cost)) = (absent.is_empty(), settled.record.cost.usd) {
            self.fully_tagged.add(sink, cost, || "tollgate_fully_tagged_cost_nanousd".to_owned());
        }
        for tag in &settled.counts.tag_conflicts {
            put(&mut self.plain, sink, MetricKind::Counter, 1, format!("tollgate_tag_conflicts;tag={tag}"));
        }
        for tag in absent {
            put(
                &mut self.plain,
                sink,
                MetricKind::Counter,
                1,
                format!("tollgate_untagged_requests;tag={tag}"),
            );
            if let Some(cost) = settled.record.cost.usd {
                let money = self.untagged.entry(tag.clone()).or_default();
                money.add(sink, cost, || format!("tollgate_untagged_cost_nanousd;tag={tag}"));
            }
        }
    }

    fn count_trouble(&mut self, settled: &Settled, sink: &mut impl MetricSink) {
        use tollgate_record::CostStatus::{NoUsage, Priced, UnknownModel, Unpriced};
        let status = settled.record.cost.status;
        if let Some((host, reason)) = &settled.counts.unmetered {
            self.count_unmetered(host, reason, sink);
        }
        if status != Priced {
            let name = format!("tollgate_cost_status_requests;reason={}", status.as_str());
            put(&mut self.plain, sink, MetricKind::Counter, 1, name);
        }
        if matches!(status, NoUsage | UnknownModel | Unpriced) {
            let (provider, model) = (tame(&settled.record.provider), model_label(settled));
            let name = format!("tollgate_unpriced_requests;provider={provider};model={model}");
            put(&mut self.plain, sink, MetricKind::Counter, 1, name);
        }
        self.count_prices(settled, sink);
        for kind in &settled.counts.errors {
            self.count_error(kind, sink);
        }
        for rule in &settled.record.shadow {
            let name = format!("tollgate_quota_shadow_blocked;quota={}", tame(rule));
            put(&mut self.plain, sink, MetricKind::Counter, 1, name);
            if let Some(cost) = settled.record.cost.usd {
                let money = self.budgets.entry(rule.clone()).or_default();
                let name = || format!("tollgate_quota_shadow_blocked_nanousd;quota={}", tame(rule));
                money.add(sink, cost, name);
            }
        }
        if settled.counts.unbudgeted {
            put(&mut self.plain, sink, MetricKind::Counter, 1, "tollgate_unbudgeted_requests".to_owned());
            if let Some(cost) = settled.record.cost.usd {
                self.unbudgeted.add(sink, cost, || "tollgate_unbudgeted_cost_nanousd".to_owned());
            }
        }
        if let Some(rule) = &settled.record.decision.rule {
            put(
                &mut self.plain,
                sink,
                MetricKind::Counter,
                1,
                format!("tollgate_rule_matches;rule={}", tame(rule)),
            );
        }
    }

    /// Models that the provider takes away, and how far its figures are from ours.
    fn count_prices(&mut self, settled: &Settled, sink: &mut impl MetricSink) {
        if settled.counts.retires {
            let name = format!("tollgate_deprecated_model_requests;model={}", model_label(settled));
            put(&mut self.plain, sink, MetricKind::Counter, 1, name);
        }
        if let Some(drift) = settled.counts.drift {
            let labels =
                format!(";provider={};model={}", tame(&settled.record.provider), model_label(settled));
            let money = self.drift.entry(labels.clone()).or_default();
            money.add(sink, drift, || format!("tollgate_price_drift_nanousd{labels}"));
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
