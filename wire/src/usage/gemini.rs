//! Gemini's usageMetadata, and the report of its interactions.

use std::borrow::Cow;

use tollgate_pricing::UnitKind;

use super::plus;
use super::reading::{Reading, Tally};
use crate::json::{Count, Value, ascii};

pub(super) fn read(value: &Value<'_>) -> Reading {
    let mut reading = Reading::default();
    let mut tally = Tally::new(value);
    let usage = &mut reading.usage;
    usage.input = plus(tally.one(&["promptTokenCount"]), tally.one(&["toolUsePromptTokenCount"]));
    usage.reasoning = tally.one(&["thoughtsTokenCount"]);
    // The live API says `response` where the others say `candidates`.
    let made = tally.first(&[&["candidatesTokenCount"], &["responseTokenCount"]]);
    usage.output = plus(made, usage.reasoning);
    usage.cache_read = tally.one(&["cachedContentTokenCount"]);
    let input = ["promptTokensDetails", "promptTokenDetails", "toolUsePromptTokensDetails"];
    let output = ["candidatesTokensDetails", "responseTokensDetails"];
    let cached = ["cacheTokensDetails"];
    usage.input_audio = of_kind(value, &input, Modality::Audio);
    usage.input_image = of_kind(value, &input, Modality::Image);
    usage.input_video = of_kind(value, &input, Modality::Video);
    usage.cache_read_audio = of_kind(value, &cached, Modality::Audio);
    usage.cache_read_image = of_kind(value, &cached, Modality::Image);
    usage.cache_read_video = of_kind(value, &cached, Modality::Video);
    usage.output_audio = of_kind(value, &output, Modality::Audio);
    usage.output_image = of_kind(value, &output, Modality::Image);
    usage.output_video = of_kind(value, &output, Modality::Video);
    usage.inconsistent |= tally.odd;
    reading.tier = tier(value);
    reading
}

/// The report of an interaction.
pub(super) fn read_interaction(value: &Value<'_>) -> Reading {
    let mut reading = Reading::default();
    let mut tally = Tally::new(value);
    let usage = &mut reading.usage;
    usage.input = plus(tally.one(&["total_input_tokens"]), tally.one(&["total_tool_use_tokens"]));
    usage.reasoning = tally.one(&["total_thought_tokens"]);
    usage.output = plus(tally.one(&["total_output_tokens"]), usage.reasoning);
    usage.cache_read = tally.one(&["total_cached_tokens"]);
    let (input, output) = (["input_tokens_by_modality"], ["output_tokens_by_modality"]);
    usage.input_audio = of_kind(value, &input, Modality::Audio);
    usage.input_image = of_kind(value, &input, Modality::Image);
    usage.input_video = of_kind(value, &input, Modality::Video);
    usage.output_audio = of_kind(value, &output, Modality::Audio);
    usage.output_image = of_kind(value, &output, Modality::Image);
    usage.output_video = of_kind(value, &output, Modality::Video);
    let tools = value.at(&["grounding_tool_count"]).list();
    let search = tools.iter().find(|tool| tool.text(&["type"]) == Some("google_search"));
    usage.note(UnitKind::WebSearch, search.and_then(|tool| whole(tool, "count")));
    usage.inconsistent |= tally.odd;
    reading
}

/// Whether a prompt to that model costs one search, however many it makes. Google's "Grounding with Google Search": Gemini 3 is
/// billed by the search, "Gemini 2.5 or older models" by the prompt. The name may have a path before it.
pub(crate) fn bills_one_search(model: &str) -> bool {
    let name = model.rsplit_once('/').map_or(model, |(_, name)| name);
    name.strip_prefix("gemini-").is_some_and(|generation| generation.starts_with(['1', '2']))
}

/// A kind of content that may have a rate of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Modality {
    Image,
    Video,
    Audio,
}

impl Modality {
    /// Reads the name, or the number that clients get who ask for `enum-encoding=int`.
    fn of(entry: &Value<'_>) -> Option<Self> {
        let name = match entry.at(&["modality"]) {
            Value::Text(name) => Cow::Owned(name.to_ascii_uppercase()),
            Value::Number(number) => Cow::Borrowed(ascii(number)),
            _ => return None,
        };
        match &*name {
            "IMAGE" | "2" => Some(Self::Image),
            "VIDEO" | "3" => Some(Self::Video),
            "AUDIO" | "4" => Some(Self::Audio),
            _ => None,
        }
    }
}

/// The tokens of one kind, over all these lists. `None` if no list has such an entry.
fn of_kind(value: &Value<'_>, lists: &[&str], kind: Modality) -> Option<u64> {
    let entries = lists.iter().flat_map(|list| value.at(&[list]).list());
    let wanted = entries.filter(|entry| Modality::of(entry) == Some(kind));
    let counts = wanted.map(|entry| whole(entry, "tokenCount").or_else(|| whole(entry, "tokens")));
    counts.reduce(plus).flatten()
}

fn whole(value: &Value<'_>, key: &str) -> Option<u64> {
    match value.count(&[key]) {
        Count::Whole(count) => Some(count),
        _ => None,
    }
}

/// The tier that served the call, in the words that other providers use for theirs.
fn tier(value: &Value<'_>) -> Option<String> {
    if let Some(tier) = value.text(&["serviceTier"]) {
        return Some(tier.to_ascii_lowercase());
    }
    let traffic = match value.at(&["trafficType"]) {
        Value::Text(name) => name,
        Value::Number(number) => ascii(number),
        _ => return None,
    };
    tier_of_traffic(traffic)
}

/// The same, of Vertex's type of traffic.
pub(super) fn tier_of_traffic(traffic: &str) -> Option<String> {
    let tier = match traffic {
        "ON_DEMAND" | "1" => "on_demand",
        "PROVISIONED_THROUGHPUT" | "2" => "provisioned",
        "TRAFFIC_TYPE_UNSPECIFIED" | "0" => return None,
        other => return Some(other.trim_start_matches("ON_DEMAND_").to_ascii_lowercase()),
    };
    Some(tier.to_owned())
}
