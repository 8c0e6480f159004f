//! OpenTelemetry's own families, for dashboards that know them (`emit.otel`).
//!
//! `gen_ai_client_token_usage` is its histogram of tokens a call, `gen_ai_client_inference_usage_*` counters of the same. Labels are its
//! attributes with `_` for the dots. The model is the catalogue's name of the one that answered: what clients ask for has no bound.

use super::labels::{model_label, tame};
use super::series::Metric;
use super::{MetricKind, MetricSink};
use crate::settle::Settled;

/// One label set's metrics.
#[derive(Debug, Default)]
pub(super) struct Otel {
    sizes: [Metric; 2],
    counts: [Metric; 5],
}

impl Otel {
    pub(super) fn count(&mut self, settled: &Settled, sink: &mut impl MetricSink) {
        let tokens = &settled.record.tokens;
        for (metric, (kind, size)) in
            self.sizes.iter_mut().zip([("input", tokens.input), ("output", tokens.output)])
        {
            let Some(size) = size else { continue };
            metric.put(sink, MetricKind::Histogram, size, || {
                format!("gen_ai_client_token_usage{};gen_ai_token_type={kind}", labels(settled))
            });
        }
        let counts = [
            ("input_tokens", tokens.input),
            ("output_tokens", tokens.output),
            ("cache_read_input_tokens", tokens.cache_read),
            ("cache_write_input_tokens", tokens.cache_creation),
            ("reasoning_output_tokens", tokens.reasoning),
        ];
        for (metric, (kind, count)) in self.counts.iter_mut().zip(counts) {
            let Some(count) = count.filter(|count| *count > 0) else { continue };
            metric.put(sink, MetricKind::Counter, count, || {
                format!("gen_ai_client_inference_usage_{kind}{}", labels(settled))
            });
        }
    }
}

fn labels(settled: &Settled) -> String {
    let record = &settled.record;
    format!(
        ";gen_ai_operation_name={};gen_ai_provider_name={};gen_ai_response_model={}",
        record.operation,
        tame(&record.provider),
        model_label(settled)
    )
}
