//! Reports of AWS Bedrock. Cached tokens are outside the input everywhere.

use super::reading::{Reading, Tally};
use super::{Overlay, openai, plus};
use crate::json::{Count, Value};

/// The report of Converse, and of Amazon's own models under InvokeModel.
pub(super) fn read_converse(value: &Value<'_>) -> Reading {
    let mut reading = Reading::default();
    let mut tally = Tally::new(value);
    let usage = &mut reading.usage;
    usage.cache_read = tally.first(&[&["cacheReadInputTokens"], &["cacheReadInputTokenCount"]]);
    usage.cache_write = tally.first(&[&["cacheWriteInputTokens"], &["cacheWriteInputTokenCount"]]);
    usage.input = tally.one(&["inputTokens"]);
    usage.output = tally.one(&["outputTokens"]);
    usage.cache_write_1h = kept_for_an_hour(value);
    usage.inconsistent |= tally.odd;
    add_cached(&mut reading);
    reading
}

/// The vendor's own report under InvokeModel: Amazon's, OpenAI's or Anthropic's shape.
pub(super) fn read_invoke(value: &Value<'_>) -> Reading {
    if *value.at(&["inputTokens"]) != Value::Null {
        read_converse(value)
    } else if *value.at(&["prompt_tokens"]) != Value::Null {
        openai::read(value)
    } else {
        Overlay::of(value).reading()
    }
}

/// AWS's measurement at the end of a stream.
pub(super) fn read_metrics(value: &Value<'_>) -> Reading {
    let mut reading = Reading::default();
    let mut tally = Tally::new(value);
    let usage = &mut reading.usage;
    usage.cache_read = tally.one(&["cacheReadInputTokenCount"]);
    usage.cache_write = tally.one(&["cacheWriteInputTokenCount"]);
    usage.input = tally.one(&["inputTokenCount"]);
    usage.output = tally.one(&["outputTokenCount"]);
    usage.inconsistent |= tally.odd;
    add_cached(&mut reading);
    reading
}

/// Makes the input inclusive.
pub(crate) fn add_cached(reading: &mut Reading) {
    let usage = &mut reading.usage;
    if usage.input.is_some() {
        usage.input = plus(usage.input, plus(usage.cache_read, usage.cache_write));
    }
}

/// What is written to the cache for an hour, over all checkpoints.
fn kept_for_an_hour(value: &Value<'_>) -> Option<u64> {
    let mut sum = None;
    for entry in value.at(&["cacheDetails"]).list() {
        if let (Some("1h"), Count::Whole(count)) = (entry.text(&["ttl"]), entry.count(&["inputTokens"])) {
            sum = plus(sum, Some(count));
        }
    }
    sum
}
