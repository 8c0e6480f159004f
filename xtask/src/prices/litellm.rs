//! litellm's data, normalised.

use super::amount::shifted;
use super::file::{Model, Prices, Uplift};
use super::off_peak;
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands in `source`.
pub const SOURCE: &str = "litellm 1.106.2";

/// Its price keys for tokens, and our classes. The price is per token.
const TOKENS: &[(&str, &str)] = &[
    ("input_cost_per_token", "input"),
    ("output_cost_per_token", "output"),
    ("cache_read_input_token_cost", "cache_read"),
    ("cache_creation_input_token_cost", "cache_write"),
    ("cache_creation_input_token_cost_above_1hr", "cache_write_1h"),
    ("output_cost_per_reasoning_token", "reasoning"),
    ("input_cost_per_audio_token", "input_audio"),
    ("output_cost_per_audio_token", "output_audio"),
    ("input_cost_per_image_token", "input_image"),
    ("output_cost_per_image_token", "output_image"),
    ("input_cost_per_video_token", "input_video"),
    ("output_cost_per_video_token", "output_video"),
    ("cache_read_input_audio_token_cost", "cache_read_audio"),
    ("cache_read_input_image_token_cost", "cache_read_image"),
    ("cache_creation_input_audio_token_cost", "cache_write_audio"),
    ("citation_cost_per_token", "citation"),
];

/// Its price keys for units, the modes of models in which they mean that (none: any), and our
/// classes. The price is per unit.
const UNITS: &[(&str, &[&str], &str)] = &[
    ("output_cost_per_image", &[], "images"),
    ("input_cost_per_image", &["image_generation", "image_edit"], "images"),
    ("input_cost_per_image", &[], "input_images"),
    ("input_cost_per_pixel", &["image_generation", "image_edit"], "output_pixels"),
    ("output_cost_per_pixel", &[], "output_pixels"),
    ("input_cost_per_character", &[], "characters"),
    ("output_cost_per_character", &[], "output_characters"),
    ("input_cost_per_second", &["audio_transcription"], "audio_seconds"),
    ("input_cost_per_second", &["chat", "embedding", "completion", "rerank"], "seconds"),
    ("output_cost_per_second", &["video_generation"], "output_video_seconds"),
    ("output_cost_per_second", &["audio_speech"], "output_audio_seconds"),
    ("cost_per_second", &[], "seconds"),
    ("input_cost_per_audio_per_second", &[], "audio_seconds"),
    ("input_cost_per_video_per_second", &[], "video_seconds"),
    ("output_cost_per_video_per_second", &[], "output_video_seconds"),
    ("input_cost_per_query", &["rerank"], "search_units"),
    ("input_cost_per_query", &["search", "vector_store"], "requests"),
    ("input_cost_per_request", &[], "requests"),
    ("input_cost_per_text_message", &[], "text_messages"),
    ("ocr_cost_per_page", &[], "pages"),
    ("annotation_cost_per_page", &[], "annotated_pages"),
    ("code_interpreter_cost_per_session", &[], "code_execution"),
    ("google_maps_grounding_cost_per_query", &[], "map_search"),
];

/// Endings of keys that narrow the price to a situation.
const ENDINGS: &[(&str, &str, &str)] = &[
    ("_batches", "service_tier", "batch"),
    ("_priority", "service_tier", "priority"),
    ("_flex", "service_tier", "flex"),
    ("_balanced", "service_tier", "balanced"),
    ("_ultrafast", "service_tier", "ultrafast"),
    ("_480p", "resolution", "480p"),
    ("_720p", "resolution", "720p"),
    ("_768p", "resolution", "768p"),
    ("_1080p", "resolution", "1080p"),
    ("_2k", "resolution", "2k"),
    ("_4k", "resolution", "4k"),
    ("_0.5K", "image_size", "0.5K"),
    ("_1K", "image_size", "1K"),
    ("_2K", "image_size", "2K"),
    ("_4K", "image_size", "4K"),
    ("_512", "image_size", "512"),
    ("_1024", "image_size", "1024"),
    ("_1536", "image_size", "1536"),
];

/// A model, or one situation (a region, a size of images) of it.
pub struct Item {
    pub provider: String,
    pub model: Model,
    /// What the name said besides the model.
    pub when: BTreeMap<String, String>,
}

/// All items that have a price.
pub fn items(raw: &Value, checked: &str) -> Result<Vec<Item>, String> {
    let entries = raw.as_object().ok_or("litellm: not an object")?;
    let entries = entries.iter().filter(|(name, _)| *name != "sample_spec");
    let items = entries
        .map(|(name, entry)| item(name, entry, checked).map_err(|why| format!("litellm: {name}: {why}")));
    Ok(items.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn item(name: &str, entry: &Value, checked: &str) -> Result<Option<Item>, String> {
    let (Some(provider), Some(fields)) = (entry["litellm_provider"].as_str(), entry.as_object()) else {
        return Ok(None);
    };
    let Some((bare, when)) = split_name(name, provider) else { return Ok(None) };
    let mut prices = Collected::default();
    for (key, value) in fields {
        // Perplexity's is a fee on every request, which its own decisions state.
        if provider == "perplexity" && key == "search_context_cost_per_query" {
            continue;
        }
        prices.take(key, value, entry["mode"].as_str().unwrap_or_default())?;
    }
    if prices.is_placeholder() {
        return Ok(None);
    }
    let mut model = prices.model();
    model.name = bare;
    model.source = SOURCE.into();
    model.checked = checked.into();
    model.retires = date(&entry["deprecation_date"]);
    model.variants.extend(off_peak::variants(&entry["off_peak_pricing"])?);
    Ok(Some(Item { provider: provider.into(), model, when }))
}

fn date(value: &Value) -> Option<String> {
    value.as_str().filter(|text| text.len() == 10 && text.starts_with("20")).map(str::to_string)
}

/// The model's own name, without the provider, a region and the size and quality of images.
/// None for what is bought by the month.
fn split_name(name: &str, provider: &str) -> Option<(String, BTreeMap<String, String>)> {
    let mut when = BTreeMap::new();
    let mut rest = name.to_lowercase();
    let family = provider.split("_ai-").next().map_or(provider, |family| family);
    let marks = [
        provider,
        family,
        "vertex_ai",
        "azure",
        "azure_ai",
        "bedrock",
        "fireworks_ai",
        "text-completion-openai",
    ];
    for mark in marks.iter().chain(&["amazon-nova", "bedrock_mantle"]) {
        if provider.starts_with(mark) || ["amazon-nova"].contains(mark) {
            rest = rest.strip_prefix(&format!("{mark}/")).map_or(rest.clone(), str::to_string);
        }
    }
    if rest.contains("-commitment/") || rest.contains("-steps/") {
        return None;
    }
    while let Some((first, tail)) = rest.split_once('/') {
        match situation(first) {
            Some((_, "")) => {}
            Some((dimension, value)) => drop(when.insert(dimension.to_string(), value.replace("-x-", "x"))),
            None => break,
        }
        rest = tail.to_string();
    }
    Some((rest, when))
}

/// A part of a name that says where or in which size, not which model.
fn situation(part: &str) -> Option<(&'static str, &str)> {
    let is_region = part.split('-').count() == 3
        && ["us-", "eu-", "ap-", "ca-", "sa-", "me-", "af-", "il-", "mx-"]
            .iter()
            .any(|area| part.starts_with(area));
    let is_size =
        part.split_once("-x-").is_some_and(|(a, b)| (a.to_string() + b).bytes().all(|c| c.is_ascii_digit()));
    match part {
        "us" | "eu" => Some(("region", part)),
        "global" | "global-standard" | "max-x-max" => Some(("region", "")),
        "low" | "medium" | "high" | "standard" | "hd" => Some(("image_quality", part)),
        _ if is_region || part.starts_with("us-gov-") => Some(("region", part)),
        _ if is_size => Some(("image_size", part)),
        _ => None,
    }
}

/// The rates of an entry, the list's under no situation.
#[derive(Default)]
struct Collected {
    rates: BTreeMap<Option<(&'static str, String)>, BTreeMap<String, String>>,
    uplifts: Vec<Uplift>,
}

impl Collected {
    fn take(&mut self, key: &str, value: &Value, mode: &str) -> Result<(), String> {
        match key {
            "tiered_pricing" => return self.ranges(value, mode),
            "search_context_cost_per_query" => return self.searches(value),
            "regional_processing_uplift_multiplier_eu" => self.uplift("region", "eu", value)?,
            "regional_processing_uplift_multiplier_us" => self.uplift("region", "us", value)?,
            "regional_endpoint_uplift_multiplier" => self.uplift("region", "!global", value)?,
            "provider_specific_entry" => {
                self.uplift("region", "us", &value["us"])?;
                self.uplift("speed", "fast", &value["fast"])?;
            }
            _ => {}
        }
        let Some(usd) = number(value) else { return Ok(()) };
        let (key, fact) = narrowed(key);
        let (key, above) = tier(key);
        if let Some((class, usd)) = self.priced(key, mode, &usd)? {
            self.put(fact.map(|(dimension, value)| (dimension, value.to_string())), class, above, usd);
        }
        Ok(())
    }

    fn priced(&self, key: &str, mode: &str, usd: &str) -> Result<Option<(&'static str, String)>, String> {
        if let Some(class) = token_class(key) {
            return Ok(Some((class, shifted(usd, 6)?)));
        }
        let unit =
            UNITS.iter().find(|(name, modes, _)| *name == key && (modes.is_empty() || modes.contains(&mode)));
        unit.map(|(_, _, class)| Ok((*class, shifted(usd, 0)?))).transpose()
    }

    fn put(&mut self, fact: Option<(&'static str, String)>, class: &str, above: u64, usd: String) {
        let key = if above == 0 { class.to_string() } else { format!("{class}>{above}") };
        self.rates.entry(fact).or_default().entry(key).or_insert(usd);
    }

    fn ranges(&mut self, value: &Value, mode: &str) -> Result<(), String> {
        for range in value.as_array().into_iter().flatten() {
            // Some ranges are of search results, not of input tokens; we have no such price.
            let Some(start) = number(&range["range"][0]) else { continue };
            let start =
                shifted(&start, 0)?.parse().map_err(|_| format!("a price range starts at `{start}`"))?;
            for (key, value) in range.as_object().into_iter().flatten() {
                let Some(usd) = number(value) else { continue };
                if let Some((class, usd)) = self.priced(key, mode, &usd)? {
                    self.put(None, class, start, usd);
                }
            }
        }
        Ok(())
    }

    /// The middle size is what a call that does not say gets.
    fn searches(&mut self, value: &Value) -> Result<(), String> {
        for size in ["medium", "low", "high"] {
            let Some(usd) = number(&value[format!("search_context_size_{size}")]) else { continue };
            let usd = shifted(&usd, 0)?;
            let list = self.rates.entry(None).or_default();
            if list.entry("web_search".into()).or_insert_with(|| usd.clone()) != &usd {
                self.put(Some(("search_context_size", size.into())), "web_search", 0, usd);
            }
        }
        Ok(())
    }

    fn uplift(&mut self, dimension: &str, value: &str, factor: &Value) -> Result<(), String> {
        let Some(factor) = number(factor) else { return Ok(()) };
        let when = BTreeMap::from([(dimension.to_string(), value.to_string())]);
        self.uplifts.push(Uplift { when, factor: shifted(&factor, 0)? });
        Ok(())
    }

    /// Nothing, or only zeros: this source writes zeros for prices that it does not know.
    fn is_placeholder(&self) -> bool {
        self.rates.values().flat_map(BTreeMap::values).all(|usd| usd == "0")
    }

    fn model(self) -> Model {
        let mut model = Model { uplifts: self.uplifts, ..Model::default() };
        for (fact, rates) in self.rates {
            let rates = without_echoes(rates);
            match fact {
                None => model.lists.push(Prices { rates, ..Prices::default() }),
                Some((dimension, value)) => {
                    let when = BTreeMap::from([(dimension.to_string(), value)]);
                    model.variants.push(Prices { when, rates, ..Prices::default() });
                }
            }
        }
        model
    }
}

fn without_echoes(rates: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let all = rates.clone();
    rates.into_iter().filter(|(class, usd)| !is_echo(class, usd, &all)).collect()
}

/// Whether a class costs what its parent costs in the list. It needs no rate then, and with one it
/// would stay at the list's price where a service tier changes the parent's.
pub fn is_echo(class: &str, usd: &str, list: &BTreeMap<String, String>) -> bool {
    let parent = match class {
        "input_audio" | "input_image" | "input_video" => "input",
        "output_audio" | "output_image" | "output_video" | "reasoning" => "output",
        "cache_read_audio" | "cache_read_image" => "cache_read",
        _ => return false,
    };
    list.get(parent).is_some_and(|parent| parent == usd)
}

fn narrowed(key: &str) -> (&str, Option<(&'static str, &'static str)>) {
    let ending = ENDINGS
        .iter()
        .find_map(|(ending, dimension, value)| Some((key.strip_suffix(ending)?, Some((*dimension, *value)))));
    ending.unwrap_or((key, None))
}

fn tier(key: &str) -> (&str, u64) {
    let split = key.strip_suffix("k_tokens").and_then(|key| key.rsplit_once("_above_"));
    let tier = split.and_then(|(key, thousands)| Some((key, thousands.parse::<u64>().ok()? * 1000)));
    tier.unwrap_or((key, 0))
}

/// Our class of a price key for tokens.
pub fn token_class(key: &str) -> Option<&'static str> {
    TOKENS.iter().find(|(name, _)| *name == key).map(|(_, class)| *class)
}

/// A price per token as one per million.
pub fn per_million(value: &Value) -> Result<String, String> {
    shifted(&number(value).ok_or_else(|| format!("not a price: {value}"))?, 6)
}

fn number(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if text.starts_with(|c: char| c.is_ascii_digit()) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
