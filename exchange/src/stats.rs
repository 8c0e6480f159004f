//! A record -> counters and histograms, in a bounded number of series.
//!
//! Names follow one grammar: `tollgate_<metric>;label=value;label=value`. A `;` or a control character in a value is
//! replaced, so that no value reaches into another label.

use crate::config::{Label, Rules, View};
use crate::settle::Settled;
use std::collections::HashMap;
use tollgate_policy::{KeyBudget, SharedStore, claim_place};
use tollgate_pricing::PicoUsd;
use tollgate_record::Record;

/// What a metric is to the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// It only goes up.
    Counter,
    /// It takes samples.
    Histogram,
}

/// The adapter's side: metrics by name, defined once.
pub trait MetricSink {
    /// The proxy's number of a metric; `None` if it cannot be defined.
    fn define(&mut self, kind: MetricKind, name: &str) -> Option<u32>;
    /// Adds to a counter, or records a sample.
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
        let budget = KeyBudget { key: format!("tg/1/series/{view}/count"), max, overflow_key: String::new() };
        claim_place(self, &key, &budget)
    }
}

/// A metric whose number is asked for once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Metric(Option<u32>);

impl Metric {
    fn put(
        &mut self,
        sink: &mut impl MetricSink,
        kind: MetricKind,
        value: u64,
        name: impl FnOnce() -> String,
    ) {
        if self.0.is_none() {
            self.0 = sink.define(kind, &name());
        }
        if let Some(id) = self.0 {
            sink.put(kind, id, value);
        }
    }
}

/// All series of one configuration. The numbers are valid as long as the configuration is: the proxy may give
/// others to the same names later.
#[derive(Debug, Default)]
pub struct Stats {
    /// One table a view: label values, joined -> series.
    views: Vec<HashMap<String, Series>>,
    plain: HashMap<String, Metric>,
    /// Calls that go by unmetered: host and reason.
    unmetered: HashMap<String, Metric>,
    /// By provider and model.
    drift: HashMap<String, Money>,
    untagged: HashMap<String, Money>,
    fully_tagged: Money,
}

/// The metrics of one label set.
#[derive(Debug, Default)]
struct Series {
    requests: HashMap<(&'static str, &'static str), Metric>,
    tokens: HashMap<&'static str, Metric>,
    cost: Money,
}

/// A counter of nano-USD that carries what is smaller, so that many small calls are not lost.
#[derive(Clone, Copy, Debug, Default)]
struct Money {
    metric: Metric,
    rest: PicoUsd,
}

impl Money {
    fn add(&mut self, sink: &mut impl MetricSink, cost: PicoUsd, name: impl FnOnce() -> String) {
        let Some(total) = self.rest.checked_add(cost) else { return };
        let (nanos, rest) = total.split_nanos();
        let Ok(nanos) = u64::try_from(nanos) else { return };
        self.metric.put(sink, MetricKind::Counter, nanos, name);
        self.rest = PicoUsd::from_pico(rest);
    }
}

/// Past this length a label's value is cut: names of metrics live as long as the proxy.
const MAX_LABEL_BYTES: usize = 128;
/// How many hosts have an unmetered series of their own.
const MAX_HOSTS: usize = 256;
/// The label value of all label sets past `max_series`.
const OTHER: &str = "__other__";
/// The label value of a model that neither catalogue nor configuration knows.
const UNKNOWN: &str = "__unknown__";

impl Stats {
    /// Counts one settled call.
    pub fn count(
        &mut self,
        rules: &Rules,
        settled: &Settled,
        places: &impl SeriesPlaces,
        sink: &mut impl MetricSink,
    ) {
        self.views.resize_with(rules.views.len(), HashMap::new);
        for (view, table) in rules.views.iter().zip(&mut self.views) {
            let (labels, reserved) = labels(view, rules, settled);
            let own =
                reserved || table.contains_key(&labels) || places.take(&view.name, &labels, rules.max_series);
            let key = if own { labels } else { other(view, settled) };
            count_in_series(table, key, settled, sink);
            if !own {
                let name = format!("tollgate_series_overflow;view={}", view.name);
                put(&mut self.plain, sink, MetricKind::Counter, 1, name);
            }
        }
        self.count_tagging(settled, sink);
        self.count_trouble(settled, sink);
        self.sample(settled, sink);
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
        use tollgate_record::CostStatus::{NoUsage, UnknownModel, Unpriced};
        if matches!(settled.record.cost.status, NoUsage | UnknownModel | Unpriced) {
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

    fn sample(&mut self, settled: &Settled, sink: &mut impl MetricSink) {
        let record = &settled.record;
        let labels = || {
            let (provider, model) = (tame(&record.provider), model_label(settled));
            format!(";provider={provider};model={model};operation={}", record.operation)
        };
        let total = match (record.tokens.input, record.tokens.output) {
            (None, None) => None,
            (input, output) => input.unwrap_or_default().checked_add(output.unwrap_or_default()),
        };
        let samples = [
            ("tollgate_duration_milliseconds", record.duration_ms),
            ("tollgate_ttft_milliseconds", record.ttft_ms),
            ("tollgate_request_tokens", total),
        ];
        for (name, value) in samples {
            if let Some(value) = value {
                put(&mut self.plain, sink, MetricKind::Histogram, value, format!("{name}{}", labels()));
            }
        }
    }
}

fn put(
    table: &mut HashMap<String, Metric>,
    sink: &mut impl MetricSink,
    kind: MetricKind,
    value: u64,
    name: String,
) {
    match table.get_mut(&name) {
        Some(metric) => metric.put(sink, kind, value, || name),
        None => {
            let mut metric = Metric::default();
            metric.put(sink, kind, value, || name.clone());
            table.insert(name, metric);
        }
    }
}

/// `;view=...` and the view's labels; the second value says whether the label set is one that nobody can invent.
fn labels(view: &View, rules: &Rules, settled: &Settled) -> (String, bool) {
    let mut text = format!(";view={}", view.name);
    let mut reserved = true;
    for label in &view.labels {
        let (name, value, known) = label_value(*label, rules, settled);
        reserved &= known;
        text.extend([";", name, "=", &value]);
    }
    (text, reserved)
}

fn label_value<'a>(label: Label, rules: &'a Rules, settled: &Settled) -> (&'a str, String, bool) {
    let record = &settled.record;
    match label {
        Label::Provider => ("provider", tame(&record.provider), true),
        Label::Operation => ("operation", record.operation.clone(), true),
        Label::Model => ("model", model_label(settled), true),
        Label::Tag(index) => {
            let value = record.tags.get(index).map_or(tollgate_policy::UNTAGGED, |(_, value)| value.as_str());
            let tag = rules.tags.tags().get(index);
            let known = value == tollgate_policy::UNTAGGED || tag.is_some_and(|t| t.names_value(value));
            (tag.map_or("tag", |t| t.name.as_str()), tame(value), known)
        }
    }
}

fn model_label(settled: &Settled) -> String {
    settled.counts.model.as_deref().map_or_else(|| UNKNOWN.to_owned(), tame)
}

fn count_in_series(
    table: &mut HashMap<String, Series>,
    key: String,
    settled: &Settled,
    sink: &mut impl MetricSink,
) {
    match table.get_mut(&key) {
        Some(series) => series.count(&key, settled, sink),
        None => {
            let mut series = Series::default();
            series.count(&key, settled, sink);
            table.insert(key, series);
        }
    }
}

/// The series that all label sets past the bound share; it keeps the view's labels, so that sums stay right.
fn other(view: &View, settled: &Settled) -> String {
    let name = |label: &Label| match label {
        Label::Provider => "provider",
        Label::Operation => "operation",
        Label::Model => "model",
        Label::Tag(index) => settled.record.tags.get(*index).map_or("tag", |(name, _)| name.as_str()),
    };
    view.labels
        .iter()
        .fold(format!(";view={}", view.name), |text, label| text + ";" + name(label) + "=" + OTHER)
}

impl Series {
    fn count(&mut self, labels: &str, settled: &Settled, sink: &mut impl MetricSink) {
        let record = &settled.record;
        let (decision, source) = (record.decision.action().as_str(), record.usage_source.as_str());
        let name = || format!("tollgate_requests{labels};decision={decision};usage_source={source}");
        self.requests.entry((decision, source)).or_default().put(sink, MetricKind::Counter, 1, name);
        self.count_tokens(labels, settled, sink);
        if let Some(cost) = record.cost.usd {
            self.cost.add(sink, cost, || format!("tollgate_cost_nanousd{labels}"));
        }
    }

    fn count_tokens(&mut self, labels: &str, settled: &Settled, sink: &mut impl MetricSink) {
        for (kind, count) in settled.counts.tokens.iter().filter(|(_, count)| *count > 0) {
            let kind = kind_label(kind);
            let name = || format!("tollgate_tokens{labels};kind={kind}");
            self.tokens.entry(kind).or_default().put(sink, MetricKind::Counter, count, name);
        }
    }
}

/// The `kind` label of a token class. Classes that have no label of their own count as the one that contains them.
const fn kind_label(kind: tollgate_pricing::TokenKind) -> &'static str {
    use tollgate_pricing::TokenKind as K;
    match kind {
        K::CacheRead | K::CacheReadAudio | K::CacheReadImage => "cache_read",
        K::CacheWrite | K::CacheWrite1h => "cache_write",
        K::InputAudio => "audio_input",
        K::InputImage => "image_input",
        K::Output => "output",
        K::Reasoning => "reasoning",
        K::OutputAudio => "audio_output",
        K::OutputImage => "image_output",
        kind if kind.is_input() => "input",
        _ => "output",
    }
}

/// A value as it may stand in a metric's name.
fn tame(value: &str) -> String {
    let end = (0..=MAX_LABEL_BYTES).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0);
    let cut = value.get(..end).unwrap_or(value);
    let plain = |c: char| if c == ';' || c.is_control() { '_' } else { c };
    let tidy: String = cut.chars().map(plain).collect();
    // A trailing dot would be lost by the proxy.
    if tidy.ends_with('.') { tidy + "_" } else { tidy }
}

/// Which parts of a record are also set as plain strings.
pub(crate) fn property_text(record: &Record, property: crate::Property) -> Option<String> {
    use crate::Property as P;
    match property {
        P::CostUsd => record.cost.usd.map(|usd| usd.to_string()),
        P::CostStatus => Some(record.cost.status.as_str().to_owned()),
        P::InputTokens => record.tokens.input.map(|n| n.to_string()),
        P::OutputTokens => record.tokens.output.map(|n| n.to_string()),
        P::TotalTokens => match (record.tokens.input, record.tokens.output) {
            (None, None) => None,
            (input, output) => {
                input.unwrap_or_default().checked_add(output.unwrap_or_default()).map(|n| n.to_string())
            }
        },
        P::Model => record.response_model.clone().or_else(|| record.request_model.clone()),
        P::Decision => Some(record.decision.action().as_str().to_owned()),
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
