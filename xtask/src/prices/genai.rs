//! genai-prices' data, normalised.

use super::amount::shifted;
use super::file::{Matches, Model, Prices, ProviderFile};
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands in `source`.
pub const SOURCE: &str = "genai-prices 0.2.3";

/// Its price keys: our class and for how many things the price stands (1 is left out: per million
/// tokens is our own measure).
const CLASSES: &[(&str, &str, u64)] = &[
    ("input_mtok", "input", 1),
    ("output_mtok", "output", 1),
    ("cache_read_mtok", "cache_read", 1),
    ("cache_write_mtok", "cache_write", 1),
    ("cache_write_1h_mtok", "cache_write_1h", 1),
    ("input_audio_mtok", "input_audio", 1),
    ("output_audio_mtok", "output_audio", 1),
    ("cache_audio_read_mtok", "cache_read_audio", 1),
    ("input_image_mtok", "input_image", 1),
    ("output_image_mtok", "output_image", 1),
    ("cache_image_read_mtok", "cache_read_image", 1),
    ("input_video_mtok", "input_video", 1),
    ("output_video_mtok", "output_video", 1),
    ("output_reasoning_mtok", "reasoning", 1),
    ("output_citation_mtok", "citation", 1),
    ("web_searches_kcount", "web_search", 1000),
    ("social_searches_kcount", "social_search", 1000),
    ("storage_searches_kcount", "file_search", 1000),
    ("code_executions_kcount", "code_execution", 1000),
    ("requests_kcount", "requests", 1000),
    ("rerank_searches_kcount", "search_units", 1000),
    ("input_mchars", "characters", 1_000_000),
    ("input_text_messages_kcount", "text_messages", 1000),
    ("audio_hours", "audio_seconds", 3600),
    ("input_audio_hours", "audio_seconds", 3600),
    ("output_audio_hours", "output_audio_seconds", 3600),
    ("input_gpixels", "pixels", 1_000_000_000),
    ("input_document_kpages", "pages", 1000),
    ("input_annotated_document_kpages", "annotated_pages", 1000),
];

/// One provider of the dump, named as the source names it.
pub fn provider(raw: &Value, checked: &str) -> Result<ProviderFile, String> {
    let id = text(raw, "id")?;
    let models = list(raw, "models")
        .iter()
        .map(|model| read_model(model, checked).map_err(|why| format!("{id}: {}: {why}", model["id"])));
    Ok(ProviderFile {
        provider: id.clone(),
        fallbacks: strings(raw, "fallback_model_providers"),
        pricing_urls: strings(raw, "pricing_urls"),
        models: models.collect::<Result<_, String>>()?,
        ..ProviderFile::default()
    })
}

fn read_model(raw: &Value, checked: &str) -> Result<Model, String> {
    let name = text(raw, "id")?.to_lowercase();
    let mut matches = Matches::default();
    clause(&raw["match"], &mut matches)?;
    matches.equals.retain(|equal| *equal != name);
    let lists = match &raw["prices"] {
        Value::Array(conditional) => conditional.iter().map(priced).collect::<Result<_, _>>()?,
        single => vec![Prices { rates: rates(single)?, ..Prices::default() }],
    };
    let lists: Vec<Prices> = lists.into_iter().filter(|prices| !prices.rates.is_empty()).collect();
    let variants = list(raw, "price_variants").iter().map(variant).collect::<Result<Vec<_>, _>>()?;
    Ok(Model {
        free: lists.is_empty() && name.ends_with(":free"),
        name,
        source: SOURCE.into(),
        checked: checked.into(),
        matches,
        lists,
        variants: variants.into_iter().filter(|prices| !prices.rates.is_empty()).collect(),
        ..Model::default()
    })
}

fn clause(raw: &Value, into: &mut Matches) -> Result<(), String> {
    let of = |key| text(raw, key).map(|text| text.to_lowercase());
    match raw["_"].as_str() {
        Some("ClauseEquals") => into.equals.push(of("equals")?),
        Some("ClauseStartsWith") => into.prefix.push(of("starts_with")?),
        Some("ClauseEndsWith") => into.suffix.push(of("ends_with")?),
        Some("ClauseContains") => into.contains.push(of("contains")?),
        Some("ClauseRegex") => regex(&text(raw, "regex")?, into)?,
        Some("ClauseOr") => list(raw, "or_").iter().try_for_each(|part| clause(part, into))?,
        Some("ClauseAnd") => list(raw, "and_").iter().try_for_each(|part| clause(part, into))?,
        _ => return Err(format!("unknown match rule {raw}")),
    }
    Ok(())
}

/// The source uses expressions only for a few forms; any other one stops the import, so that a new
/// form is looked at by a person.
fn regex(pattern: &str, into: &mut Matches) -> Result<(), String> {
    if pattern == r"^(?!.*-[tT][tT][sS](?:$|-))" {
        into.unless = Some("-tts".into());
        return Ok(());
    }
    let anchored = pattern.strip_prefix('^').ok_or_else(|| format!("unknown expression `{pattern}`"))?;
    // `^(vendor/)?name(-\d{8})?$` is four forms in one.
    if let Some((vendor, rest)) = anchored.strip_prefix('(').and_then(|rest| rest.split_once(")?")) {
        let name =
            rest.strip_suffix(r"(-\d{8})?$").ok_or_else(|| format!("unknown expression `{pattern}`"))?;
        for name in [literal(name)?, literal(&format!("{vendor}{name}"))?] {
            into.equals.push(name.clone());
            into.dated.push(name);
        }
        return Ok(());
    }
    let dates = [r"-\d{8}$", r"[-@]\d{8}$", r"-\d{4}-\d{2}-\d{2}$"];
    if let Some(name) = dates.iter().find_map(|date| anchored.strip_suffix(date)) {
        into.dated.push(literal(name)?);
    } else if let Some(name) = anchored.strip_suffix(r"\d") {
        into.numbered.push(literal(name)?);
    } else if let Some(name) = anchored.strip_suffix('$') {
        into.equals.push(literal(name)?);
    } else {
        return Err(format!("unknown expression `{pattern}`"));
    }
    Ok(())
}

fn literal(pattern: &str) -> Result<String, String> {
    let plain = pattern.replace(r"\.", "\u{1}").replace(r"\[", "\u{2}").replace(r"\]", "\u{3}");
    if plain.contains(['\\', '.', '*', '+', '?', '(', '[', '|', '{', '^', '$']) {
        return Err(format!("unknown expression `{pattern}`"));
    }
    Ok(plain.replace('\u{1}', ".").replace('\u{2}', "[").replace('\u{3}', "]").to_lowercase())
}

fn priced(raw: &Value) -> Result<Prices, String> {
    let mut prices = Prices { rates: rates(&raw["prices"])?, ..Prices::default() };
    constrain(&mut prices, &raw["constraint"])?;
    Ok(prices)
}

fn variant(raw: &Value) -> Result<Prices, String> {
    let mut prices = priced(raw)?;
    let when = raw["when"].as_object().ok_or("a variant without `when`")?;
    for (key, value) in when {
        let key = if key == "processing" { "service_tier" } else { key };
        prices.when.insert(key.into(), value.as_str().unwrap_or_default().into());
    }
    Ok(prices)
}

fn constrain(prices: &mut Prices, constraint: &Value) -> Result<(), String> {
    let numbers =
        |value: &Value| -> Vec<u64> { list(value, "args").iter().filter_map(Value::as_u64).collect() };
    match constraint["_"].as_str() {
        None => {}
        Some("StartDateConstraint") => match numbers(&constraint["start_date"])[..] {
            [year, month, day] => prices.from = Some(format!("{year:04}-{month:02}-{day:02}")),
            _ => return Err(format!("unknown date {constraint}")),
        },
        Some("TimeOfDateConstraint") => {
            let time = |key: &str| match numbers(&constraint[key])[..] {
                [hour, minute] => Ok(format!("{hour:02}:{minute:02}")),
                _ => Err(format!("unknown time {constraint}")),
            };
            prices.daily = Some((time("start_time")?, time("end_time")?));
        }
        Some(other) => return Err(format!("unknown condition `{other}`")),
    }
    Ok(())
}

fn rates(raw: &Value) -> Result<BTreeMap<String, String>, String> {
    let mut rates = BTreeMap::new();
    for (key, value) in raw.as_object().into_iter().flatten() {
        if key == "_" || key == "args" {
            continue;
        }
        let row = CLASSES.iter().find(|(name, _, _)| name == key);
        let (_, class, per) = row.ok_or_else(|| format!("unknown price `{key}`"))?;
        let base = value.as_str().or_else(|| value["base"].as_str());
        rates.insert((*class).into(), rate(base.ok_or_else(|| format!("no price in `{key}`"))?, *per)?);
        for tier in list(value, "tiers") {
            let price = rate(tier["price"].as_str().ok_or("a tier without price")?, *per)?;
            rates.insert(format!("{class}>{}", tier["start"]), price);
        }
    }
    Ok(rates)
}

fn rate(text: &str, per: u64) -> Result<String, String> {
    let usd = shifted(text, 0)?;
    Ok(if per == 1 { usd } else { format!("{usd}/{per}") })
}

fn text(raw: &Value, key: &str) -> Result<String, String> {
    raw[key].as_str().map(str::to_string).ok_or_else(|| format!("`{key}` is not there"))
}

fn list<'a>(raw: &'a Value, key: &str) -> &'a [Value] {
    raw[key].as_array().map_or(&[], Vec::as_slice)
}

fn strings(raw: &Value, key: &str) -> Vec<String> {
    list(raw, key).iter().filter_map(Value::as_str).map(str::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_read_from_every_form_of_rule() {
        let cases = [
            (r"^gpt-6-sol-\d{4}-\d{2}-\d{2}$", "dated gpt-6-sol"),
            (r"^claude-opus-5[-@]\d{8}$", "dated claude-opus-5"),
            (r"^gemini-3\.5-flash-\d", "numbered gemini-3.5-flash-"),
            (r"^grok-4\.7\[fast=true\]$", "equals grok-4.7[fast=true]"),
            (r"^(?!.*-[tT][tT][sS](?:$|-))", "unless -tts"),
        ];
        for (pattern, expected) in cases {
            let mut matches = Matches::default();
            assert_eq!(regex(pattern, &mut matches), Ok(()), "{pattern}");
            assert_eq!(shown(&matches), expected, "{pattern}");
        }
    }

    #[test]
    fn unknown_forms_stop_the_import() {
        for pattern in ["gpt", "^gpt-(4|5)$", r"^gpt-\w+$", "^gpt.$"] {
            assert!(regex(pattern, &mut Matches::default()).is_err(), "{pattern}");
        }
        assert!(rates(&json!({"input_gtok": "1"})).is_err());
        assert!(constrain(&mut Prices::default(), &json!({"_": "WeekdayConstraint"})).is_err());
    }

    #[test]
    fn prices_keep_the_measure_of_the_source() {
        let tiered = json!({"base": "1.250", "tiers": [{"start": 200000, "price": "2.5"}]});
        let raw = json!({"_": "ModelPrice", "input_mtok": tiered, "audio_hours": "0.04"});
        let rates =
            rates(&raw).map(|rates| rates.into_iter().map(|(k, v)| format!("{k} {v}")).collect::<Vec<_>>());
        assert_eq!(
            rates,
            Ok(vec!["audio_seconds 0.04/3600".into(), "input 1.25".into(), "input>200000 2.5".into()])
        );
    }

    fn shown(matches: &Matches) -> String {
        let all = [("equals", &matches.equals), ("dated", &matches.dated), ("numbered", &matches.numbered)];
        let unless = matches.unless.iter().map(|unless| format!("unless {unless}"));
        all.iter()
            .flat_map(|(kind, names)| names.iter().map(move |name| format!("{kind} {name}")))
            .chain(unless)
            .collect()
    }
}
