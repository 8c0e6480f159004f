//! OpenAI's report and its relatives. The spellings differ, the places hardly do: WIRE formats of some
//! forty providers were compared.

mod plain;

use std::array;

use tollgate_pricing::{PicoUsd, UnitKind};

use super::gemini;
use super::plus;
use super::reading::{Reading, Tally, usd};
use crate::draft::LONGEST_NAME;
use crate::json::{Value, bits};

/// One tick of xAI's cost is 1e-10 USD.
const PICO_PER_TICK: i128 = 100;

const INPUT: &[&[&str]] = &[&["prompt_tokens"], &["input_tokens"]];
const OUTPUT: &[&[&str]] = &[&["completion_tokens"], &["output_tokens"]];
const CACHE_READ: &[&[&str]] = &[
    &["prompt_tokens_details", "cached_tokens"],
    &["input_tokens_details", "cached_tokens"],
    &["prompt_token_details", "cached_tokens"],
    &["prompt_cache_hit_tokens"],
    &["num_cached_tokens"],
    &["cached_tokens"],
    &["cache_read_input_tokens"],
];
const CACHE_WRITE: &[&[&str]] = &[
    &["prompt_tokens_details", "cache_write_tokens"],
    &["input_tokens_details", "cache_write_tokens"],
    &["prompt_tokens_details", "cache_creation_tokens"],
    // Alibaba's explicit cache (Model Studio, "Context cache").
    &["prompt_tokens_details", "cache_creation_input_tokens"],
    &["cache_creation_input_tokens"],
];
const REASONING: &[&[&str]] = &[
    &["completion_tokens_details", "reasoning_tokens"],
    &["output_tokens_details", "reasoning_tokens"],
    &["completion_token_details", "reasoning_tokens"],
    &["reasoning_tokens"],
];

const INPUT_DETAILS: [&str; 4] =
    ["prompt_tokens_details", "input_tokens_details", "input_token_details", "prompt_token_details"];
const OUTPUT_DETAILS: [&str; 4] = [
    "completion_tokens_details",
    "output_tokens_details",
    "output_token_details",
    "completion_token_details",
];

/// A report that is spelled as most are, without a tree; `None` if it is not.
pub(super) fn read_plain(raw: &[u8]) -> Option<Reading> {
    plain::read(raw)
}

/// Not inlined: it is called from several places.
#[inline(never)]
pub(super) fn read(value: &Value<'_>) -> Reading {
    let mut reading = Reading::default();
    let mut tally = Tally::new(value);
    let usage = &mut reading.usage;
    usage.input = tally.first(INPUT);
    usage.output = tally.first(OUTPUT);
    usage.cache_read = tally.first(CACHE_READ);
    usage.cache_write = tally.first(CACHE_WRITE);
    usage.cache_write_1h = tally.one(&["cache_creation", "ephemeral_1h_input_tokens"]);
    usage.reasoning = tally.first(REASONING);
    let input = details(value, &INPUT_DETAILS);
    let output = details(value, &OUTPUT_DETAILS);
    if input.iter().chain(&output).any(|details| details.may_have(PARTS)) {
        let cached = input.map(|details| details.at(&["cached_tokens_details"]));
        usage.input_audio = tally.within(&input, "audio_tokens");
        usage.input_image = tally.within(&input, "image_tokens");
        usage.input_video = tally.within(&input, "video_tokens");
        usage.output_audio = tally.within(&output, "audio_tokens");
        usage.output_image = tally.within(&output, "image_tokens");
        usage.cache_read_audio = tally.within(&cached, "audio_tokens");
        usage.cache_read_image = tally.within(&cached, "image_tokens");
    }
    let total = tally.one(&["total_tokens"]);
    settle_total(&mut reading, total);
    if value.may_have(RARE) {
        read_rare(&mut reading, &mut tally, value);
    }
    reading.usage.inconsistent |= tally.odd;
    reading
}

/// Keys of what details split tokens into.
const PARTS: u64 = bits(&["audio_tokens", "image_tokens", "video_tokens", "cached_tokens_details"]);

/// The objects that stand under these names, then nulls; hardly ever is there more than one.
fn details<'v, 'a>(value: &'v Value<'a>, names: &[&str; 4]) -> [&'v Value<'a>; 4] {
    let mut there = names.iter().map(|name| value.at(&[name])).filter(|details| !details.is_null());
    array::from_fn(|_| there.next().unwrap_or(&Value::Null))
}

/// The keys that [`read_rare`] looks for: OpenAI itself and most others have none of them.
const RARE: u64 = bits(&[
    "citation_tokens",
    "connector_tokens",
    "connectors",
    "cost",
    "cost_details",
    "cost_in_usd_ticks",
    "extra_properties",
    "image_pixels",
    "is_byok",
    "num_search_queries",
    "prompt_audio_seconds",
    "search_context_size",
    "seconds",
    "server_side_tool_usage_details",
    "server_tool_use_details",
]);

fn read_rare(reading: &mut Reading, tally: &mut Tally<'_, '_>, value: &Value<'_>) {
    reading.usage.citation = tally.one(&["citation_tokens"]);
    add_connectors(reading, tally);
    count_units(reading, tally);
    let size = value.text(&["search_context_size"]).filter(|size| size.len() <= LONGEST_NAME);
    reading.search_context_size = size.map(str::to_owned);
    // Vertex's OpenAI-compatible endpoint.
    let traffic = value.text(&["extra_properties", "google", "traffic_type"]);
    reading.tier = traffic.and_then(gemini::tier_of_traffic);
    read_cost(reading, value);
}

/// What Mistral's own tools put before the model stands beside the prompt, and their runs are billed apart
/// (docs.mistral.ai, Agents & Conversations, usage).
fn add_connectors(reading: &mut Reading, tally: &mut Tally<'_, '_>) {
    let usage = &mut reading.usage;
    if let Some(tokens) = tally.one(&["connector_tokens"]) {
        usage.input = plus(usage.input, Some(tokens));
        reading.unexplained = reading.unexplained.filter(|beyond| *beyond != tokens);
    }
    let searches: [&[&str]; 2] = [&["connectors", "web_search"], &["connectors", "web_search_premium"]];
    usage.note(UnitKind::WebSearch, tally.first(&searches));
    for (kind, key) in
        [(UnitKind::CodeExecution, "code_interpreter"), (UnitKind::FileSearch, "document_library")]
    {
        usage.note(kind, tally.one(&["connectors", key]));
    }
}

/// Mistral's OCR counts pages.
pub(super) fn read_pages(value: &Value<'_>) -> Reading {
    let mut reading = Reading::default();
    let mut tally = Tally::new(value);
    reading.usage.note(UnitKind::Pages, tally.one(&["pages_processed"]));
    reading.usage.note(UnitKind::AnnotatedPages, tally.one(&["pages_processed_annotation"]));
    reading.usage.inconsistent |= tally.odd;
    reading
}

/// Puts right what the total proves: some providers leave reasoning out of the output, or audio out of the
/// input, and the total then is the sum of all of them. A total alone is input (Voyage).
fn settle_total(reading: &mut Reading, total: Option<u64>) {
    let usage = &mut reading.usage;
    let (Some(total), Some(input)) = (total, usage.input) else {
        if usage.input.is_none() && usage.output.is_none() {
            usage.input = total;
        }
        return;
    };
    let Some(beyond) = plus(Some(input), usage.output).and_then(|sum| total.checked_sub(sum)) else { return };
    if beyond == 0 {
        return;
    }
    if Some(beyond) == usage.reasoning {
        usage.output = plus(usage.output, usage.reasoning);
        reading.reasoning_added = true;
    } else if Some(beyond) == usage.input_audio {
        usage.input = plus(usage.input, usage.input_audio);
    } else {
        reading.unexplained = Some(beyond);
    }
}

fn count_units(reading: &mut Reading, tally: &mut Tally<'_, '_>) {
    let usage = &mut reading.usage;
    let searches: [&[&str]; 3] = [
        &["server_tool_use_details", "web_search_requests"],
        &["server_side_tool_usage_details", "web_search_calls"],
        &["num_search_queries"],
    ];
    usage.note(UnitKind::WebSearch, tally.first(&searches));
    let calls = [
        (UnitKind::SocialSearch, "x_search_calls"),
        (UnitKind::CodeExecution, "code_interpreter_calls"),
        (UnitKind::FileSearch, "file_search_calls"),
    ];
    for (kind, key) in calls {
        usage.note(kind, tally.one(&["server_side_tool_usage_details", key]));
    }
    usage.note(UnitKind::Pixels, tally.one(&["image_pixels"]));
}

fn read_cost(reading: &mut Reading, value: &Value<'_>) {
    let seconds = value.decimal(&["prompt_audio_seconds"]).or_else(|| value.decimal(&["seconds"]));
    reading.usage.note_decimal(UnitKind::AudioSeconds, seconds);
    // Nobody is paid for calling: such a figure would give budgets back.
    let cost = cost(value);
    reading.usage.inconsistent |= cost.is_some_and(|cost| cost < PicoUsd::ZERO);
    reading.cost = cost.filter(|cost| *cost >= PicoUsd::ZERO);
    let lines = [
        ("input", ["cost", "input_tokens_cost"]),
        ("output", ["cost", "output_tokens_cost"]),
        ("reasoning", ["cost", "reasoning_tokens_cost"]),
        ("citation", ["cost", "citation_tokens_cost"]),
        ("web_search", ["cost", "search_queries_cost"]),
        ("requests", ["cost", "request_cost"]),
    ];
    let told = lines.iter().filter_map(|(name, path)| Some((*name, usd(value, path)?)));
    reading.cost_lines = told.collect();
}

/// What the provider says the call costs. A call with one's own key costs what the provider behind bills.
pub(super) fn cost(value: &Value<'_>) -> Option<PicoUsd> {
    if *value.at(&["is_byok"]) == Value::Bool(true) {
        return usd(value, &["cost_details", "upstream_inference_cost"]);
    }
    let ticks = || {
        let ticks = value.decimal(&["cost_in_usd_ticks"])?.scaled(0)?;
        ticks.checked_mul(PICO_PER_TICK).map(PicoUsd::from_pico)
    };
    usd(value, &["cost"]).or_else(|| usd(value, &["cost", "total_cost"])).or_else(ticks)
}
