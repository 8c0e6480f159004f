//! The metrics of one label set, and which of them a call adds to.

use super::labels::{model_label, tame};
use super::otel::Otel;
use super::{MetricKind, MetricSink};
use crate::settle::Settled;
use std::collections::HashMap;
use tollgate_pricing::PicoUsd;
use tollgate_record::{Action, UsageSource, WasteReason};

/// A metric whose number is asked for once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Metric(Option<u32>);

impl Metric {
    pub(super) fn put(
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

/// The metrics of one label set. The lists are as short as the words of their labels are few.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: String,
    pub(super) requests: Vec<((Action, UsageSource), Metric)>,
    pub(super) tokens: Vec<(&'static str, Metric)>,
    pub(super) cost: Money,
    /// Nothing until waste is looked for.
    pub(super) waste: Vec<(WasteReason, Metric, Money)>,
    pub(super) unlimited: Metric,
}

/// Where the calls that have the same labels everywhere are counted.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// One place in `Stats::series` for each view.
    pub(super) series: Vec<usize>,
    /// The views in which there was no place left.
    pub(super) overflowed: Vec<usize>,
    pub(super) duration: Metric,
    pub(super) ttft: Metric,
    pub(super) tokens: Metric,
    pub(super) per_token: Metric,
    /// Where the configuration asks for it.
    pub(super) otel: Option<Box<Otel>>,
}

/// A counter of nano-USD that carries what is smaller, so that many small calls are not lost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Money {
    pub(super) metric: Metric,
    pub(super) rest: PicoUsd,
}

impl Money {
    pub(super) fn add(&mut self, sink: &mut impl MetricSink, cost: PicoUsd, name: impl FnOnce() -> String) {
        let Some(total) = self.rest.checked_add(cost) else { return };
        let (nanos, rest) = total.split_nanos();
        let Ok(nanos) = u64::try_from(nanos) else { return };
        self.metric.put(sink, MetricKind::Counter, nanos, name);
        self.rest = PicoUsd::from_pico(rest);
    }
}

impl Seat {
    pub(super) fn sample(&mut self, settled: &Settled, sink: &mut impl MetricSink) {
        let record = &settled.record;
        let total = match (record.tokens.input, record.tokens.output) {
            (None, None) => None,
            (input, output) => input.unwrap_or_default().checked_add(output.unwrap_or_default()),
        };
        let samples = [
            ("tollgate_duration_milliseconds", &mut self.duration, record.duration_ms),
            ("tollgate_ttft_milliseconds", &mut self.ttft, record.ttft_ms),
            ("tollgate_request_tokens", &mut self.tokens, total),
            ("tollgate_time_per_output_token_microseconds", &mut self.per_token, time_per_token(settled)),
        ];
        for (name, metric, value) in samples {
            let Some(value) = value else { continue };
            metric.put(sink, MetricKind::Histogram, value, || {
                let (provider, model) = (tame(&record.provider), model_label(settled));
                format!("{name};provider={provider};model={model};operation={}", record.operation)
            });
        }
    }
}

/// How long each output token of a stream took after the first, in microseconds.
fn time_per_token(settled: &Settled) -> Option<u64> {
    let record = &settled.record;
    record.stream.filter(|streams| *streams)?;
    let millis = record.duration_ms?.checked_sub(record.ttft_ms?)?;
    millis.checked_mul(1000)?.checked_div(record.tokens.output?.checked_sub(1)?)
}

impl Series {
    pub(super) fn new(labels: &str) -> Self {
        Self {
            labels: labels.to_owned(),
            requests: Vec::new(),
            tokens: Vec::new(),
            cost: Money::default(),
            waste: Vec::new(),
            unlimited: Metric::default(),
        }
    }

    /// Counts a call with these tokens.
    pub(super) fn count(
        &mut self,
        settled: &Settled,
        tokens: &[(&'static str, u64)],
        sink: &mut impl MetricSink,
    ) {
        let (record, labels) = (&settled.record, &self.labels);
        let (decision, source) = (record.decision.action(), record.usage_source);
        put_own(&mut self.requests, (decision, source), sink, 1, || {
            let (decision, source) = (decision.as_str(), source.as_str());
            format!("tollgate_requests{labels};decision={decision};usage_source={source}")
        });
        for (kind, count) in tokens {
            put_own(&mut self.tokens, *kind, sink, *count, || format!("tollgate_tokens{labels};kind={kind}"));
        }
        if let Some(cost) = record.cost.usd {
            self.cost.add(sink, cost, || format!("tollgate_cost_nanousd{labels}"));
        }
        if settled.counts.unlimited_output || !record.waste.is_empty() {
            self.count_waste(settled, sink);
        }
    }

    #[cold]
    #[inline(never)]
    fn count_waste(&mut self, settled: &Settled, sink: &mut impl MetricSink) {
        let labels = &self.labels;
        if settled.counts.unlimited_output {
            let name = || format!("tollgate_unlimited_output_requests{labels}");
            self.unlimited.put(sink, MetricKind::Counter, 1, name);
        }
        for one in &settled.record.waste {
            let place = self.waste.iter().position(|(reason, ..)| *reason == one.reason);
            let place = place.unwrap_or_else(|| {
                self.waste.push((one.reason, Metric::default(), Money::default()));
                self.waste.len().saturating_sub(1)
            });
            let Some((reason, requests, money)) = self.waste.get_mut(place) else { continue };
            let name = |what: &str| format!("tollgate_wasted_{what}{labels};reason={}", reason.as_str());
            requests.put(sink, MetricKind::Counter, 1, || name("requests"));
            if let Some(usd) = one.usd {
                money.add(sink, usd, || name("nanousd"));
            }
        }
    }
}

/// Adds to the counter of that key, a new one if there is none.
fn put_own<K: PartialEq>(
    metrics: &mut Vec<(K, Metric)>,
    key: K,
    sink: &mut impl MetricSink,
    value: u64,
    name: impl FnOnce() -> String,
) {
    match metrics.iter_mut().find(|(known, _)| *known == key) {
        Some((_, metric)) => metric.put(sink, MetricKind::Counter, value, name),
        None => {
            let mut metric = Metric::default();
            metric.put(sink, MetricKind::Counter, value, name);
            metrics.push((key, metric));
        }
    }
}

/// The `kind` label of a token class. Classes that have no label of their own count as the one that contains them.
pub(super) const fn kind_label(kind: tollgate_pricing::TokenKind) -> &'static str {
    use tollgate_pricing::TokenKind as K;
    match kind {
        K::CacheRead | K::CacheReadAudio | K::CacheReadImage | K::CacheReadVideo => "cache_read",
        K::CacheWrite | K::CacheWrite1h | K::CacheWriteAudio => "cache_write",
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

pub(super) fn put(
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
