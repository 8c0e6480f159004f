//! A row out of JSON: the record itself, or the field of an access log's line that holds it.
//!
//! The line is read once, front to back, and nothing is copied that stands in it unescaped.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::LazyLock;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tollgate_pricing::PicoUsd;
use tollgate_record::{Action, CostStatus, SCHEMA, Timestamp, Tokens, UsageSource};

use super::Row;
use super::scalar::{Scalar, Text, usd};
use crate::problem::Problem;

/// How deep a record may stand: in a field of the line, and there under Envoy's `value`.
const DEPTH: u8 = 2;

/// The first record in a JSON text. `None` if it holds none, as for traffic that is no LLM call.
pub fn read_line(json: &[u8]) -> Result<Option<Draft<'_>>, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let draft = Object { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|draft| deserializer.end().map(|()| draft))
        .map_err(|error| Problem::not_json(&error))?;
    match draft {
        Found::Record(draft) => Ok(Some(*draft)),
        Found::Nothing => Ok(None),
        Found::NoObject => Err(Problem::NotAnObject),
    }
}

/// The same where the record's JSON begins at the first byte and anything may follow it.
pub fn read_value(json: &[u8]) -> Option<Draft<'_>> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    match (Object { depth: 0 }).deserialize(&mut deserializer) {
        Ok(Found::Record(draft)) => Some(*draft),
        _ => None,
    }
}

/// A record while it is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft<'a> {
    schema: Option<u64>,
    id: Option<Cow<'a, str>>,
    time: Option<Timestamp>,
    operation: Option<Cow<'a, str>>,
    provider: Option<Cow<'a, str>>,
    request_model: Option<Cow<'a, str>>,
    response_model: Option<Cow<'a, str>>,
    tokens: Tokens,
    usage_source: Option<UsageSource>,
    status: Option<CostStatus>,
    usd: Option<PicoUsd>,
    list_usd: Option<PicoUsd>,
    saved_by_cache: Option<PicoUsd>,
    lines: Vec<(Cow<'a, str>, PicoUsd)>,
    units: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    action: Option<Action>,
    rule: Option<Cow<'a, str>>,
    stream: Option<bool>,
    http_status: Option<u64>,
    duration_ms: Option<u64>,
    service_tier: Option<Cow<'a, str>>,
    region: Option<Cow<'a, str>>,
    price_version: Option<Cow<'a, str>>,
    wrong: Option<&'static str>,
    /// A key under our names that this version does not know.
    pub unknown_key: Option<Cow<'a, str>>,
}

/// What became of a key.
enum Taken {
    Yes,
    /// The value is of another kind.
    Wrong(&'static str),
    /// It is none that reports read.
    No,
}

/// Keys of the record, as constants of the match below and of the messages about them.
macro_rules! take {
    ($slot:expr, $value:expr, $key:literal) => {
        match $value {
            Some(value) => {
                $slot = Some(value);
                Taken::Yes
            }
            None => Taken::Wrong($key),
        }
    };
}

impl<'a> Draft<'a> {
    /// Takes the value of a key that is one of the record's.
    fn take(&mut self, key: &str, value: Scalar<'a>) -> Taken {
        let rest = match key.strip_prefix("gen_ai.") {
            Some(rest) => return self.take_gen_ai(rest, value),
            None => key,
        };
        match rest {
            "tollgate.schema" => take!(self.schema, value.whole(), "tollgate.schema"),
            "tollgate.id" => take!(self.id, value.text(), "tollgate.id"),
            "tollgate.time" => {
                take!(self.time, value.text().and_then(|text| text.parse().ok()), "tollgate.time")
            }
            "tollgate.usage.source" => {
                take!(self.usage_source, word(value, UsageSource::from_word), "tollgate.usage.source")
            }
            "tollgate.usage.cache_creation_1h_tokens" => {
                take!(self.tokens.cache_creation_1h, value.whole(), "tollgate.usage.cache_creation_1h_tokens")
            }
            "tollgate.units" => take_list(&mut self.units, value.pairs(), "tollgate.units"),
            "tollgate.tags" => take_list(&mut self.tags, value.pairs(), "tollgate.tags"),
            "tollgate.decision.action" => {
                take!(self.action, word(value, Action::from_word), "tollgate.decision.action")
            }
            "tollgate.decision.rule" => take!(self.rule, value.text(), "tollgate.decision.rule"),
            "tollgate.stream" => take!(self.stream, value.flag(), "tollgate.stream"),
            "tollgate.http.status" => take!(self.http_status, value.whole(), "tollgate.http.status"),
            "tollgate.duration_ms" => take!(self.duration_ms, value.whole(), "tollgate.duration_ms"),
            "tollgate.service_tier" => take!(self.service_tier, value.text(), "tollgate.service_tier"),
            "tollgate.region" => take!(self.region, value.text(), "tollgate.region"),
            "tollgate.price.version" => take!(self.price_version, value.text(), "tollgate.price.version"),
            _ => self.take_cost(rest, value),
        }
    }

    fn take_cost(&mut self, key: &str, value: Scalar<'a>) -> Taken {
        match key {
            "tollgate.cost.status" => {
                take!(self.status, word(value, CostStatus::from_word), "tollgate.cost.status")
            }
            "tollgate.cost.usd" => take!(self.usd, value.usd(), "tollgate.cost.usd"),
            "tollgate.cost.list_usd" => take!(self.list_usd, value.usd(), "tollgate.cost.list_usd"),
            "tollgate.cost.saved_by_cache_usd" => {
                take!(self.saved_by_cache, value.usd(), "tollgate.cost.saved_by_cache_usd")
            }
            "tollgate.cost.lines" => take_list(&mut self.lines, amounts(value), "tollgate.cost.lines"),
            _ => self.take_tokens(key, value),
        }
    }

    /// Counts that OpenTelemetry has no names for.
    fn take_tokens(&mut self, key: &str, value: Scalar<'a>) -> Taken {
        let tokens = &mut self.tokens;
        match key {
            "tollgate.usage.video_input_tokens" => {
                take!(tokens.video_input, value.whole(), "tollgate.usage.video_input_tokens")
            }
            "tollgate.usage.video_output_tokens" => {
                take!(tokens.video_output, value.whole(), "tollgate.usage.video_output_tokens")
            }
            "tollgate.usage.cache_read_audio_tokens" => {
                take!(tokens.cache_read_audio, value.whole(), "tollgate.usage.cache_read_audio_tokens")
            }
            "tollgate.usage.cache_read_image_tokens" => {
                take!(tokens.cache_read_image, value.whole(), "tollgate.usage.cache_read_image_tokens")
            }
            "tollgate.usage.cache_read_video_tokens" => {
                take!(tokens.cache_read_video, value.whole(), "tollgate.usage.cache_read_video_tokens")
            }
            "tollgate.usage.citation_tokens" => {
                take!(tokens.citation, value.whole(), "tollgate.usage.citation_tokens")
            }
            _ => Taken::No,
        }
    }

    fn take_gen_ai(&mut self, key: &str, value: Scalar<'a>) -> Taken {
        let tokens = &mut self.tokens;
        match key {
            "operation.name" => take!(self.operation, value.text(), "gen_ai.operation.name"),
            "provider.name" => take!(self.provider, value.text(), "gen_ai.provider.name"),
            "request.model" => take!(self.request_model, value.text(), "gen_ai.request.model"),
            "response.model" => take!(self.response_model, value.text(), "gen_ai.response.model"),
            "usage.input_tokens" => take!(tokens.input, value.whole(), "gen_ai.usage.input_tokens"),
            "usage.output_tokens" => take!(tokens.output, value.whole(), "gen_ai.usage.output_tokens"),
            "usage.cache_read.input_tokens" => {
                take!(tokens.cache_read, value.whole(), "gen_ai.usage.cache_read.input_tokens")
            }
            "usage.cache_creation.input_tokens" => {
                take!(tokens.cache_creation, value.whole(), "gen_ai.usage.cache_creation.input_tokens")
            }
            "usage.reasoning.output_tokens" => {
                take!(tokens.reasoning, value.whole(), "gen_ai.usage.reasoning.output_tokens")
            }
            "usage.audio.input_tokens" => {
                take!(tokens.audio_input, value.whole(), "gen_ai.usage.audio.input_tokens")
            }
            "usage.audio.output_tokens" => {
                take!(tokens.audio_output, value.whole(), "gen_ai.usage.audio.output_tokens")
            }
            "usage.image.input_tokens" => {
                take!(tokens.image_input, value.whole(), "gen_ai.usage.image.input_tokens")
            }
            "usage.image.output_tokens" => {
                take!(tokens.image_output, value.whole(), "gen_ai.usage.image.output_tokens")
            }
            _ => Taken::No,
        }
    }

    /// The row, if everything is there that a row must have.
    pub fn finish(self, json: &'a [u8]) -> Result<Row<'a>, Problem> {
        match self.schema {
            None => return Err(Problem::Missing("tollgate.schema")),
            Some(newer) if newer > SCHEMA => return Err(Problem::NewerSchema(newer)),
            Some(_) => {}
        }
        if let Some(key) = self.wrong {
            return Err(Problem::Wrong(key));
        }
        Ok(Row {
            id: self.id.ok_or(Problem::Missing("tollgate.id"))?,
            time: self.time.ok_or(Problem::Missing("tollgate.time"))?,
            operation: self.operation.unwrap_or_default(),
            provider: self.provider.ok_or(Problem::Missing("gen_ai.provider.name"))?,
            request_model: self.request_model,
            response_model: self.response_model,
            tokens: self.tokens,
            usage_source: self.usage_source.unwrap_or_default(),
            status: self.status.ok_or(Problem::Missing("tollgate.cost.status"))?,
            usd: self.usd,
            list_usd: self.list_usd,
            saved_by_cache: self.saved_by_cache,
            lines: self.lines,
            units: self.units,
            tags: self.tags,
            action: self.action.unwrap_or_default(),
            rule: self.rule,
            stream: self.stream,
            http_status: self.http_status,
            duration_ms: self.duration_ms,
            service_tier: self.service_tier,
            region: self.region,
            price_version: self.price_version.unwrap_or_default(),
            json: Cow::Borrowed(json),
        })
    }
}

fn word<T>(value: Scalar<'_>, from: impl Fn(&str) -> Option<T>) -> Option<T> {
    value.text().and_then(|text| from(&text))
}

fn take_list<T>(slot: &mut Vec<T>, value: Option<Vec<T>>, key: &'static str) -> Taken {
    match value {
        Some(value) => {
            *slot = value;
            Taken::Yes
        }
        None => Taken::Wrong(key),
    }
}

fn amounts<'a>(value: Scalar<'a>) -> Option<Vec<(Cow<'a, str>, PicoUsd)>> {
    value.pairs()?.into_iter().map(|(name, text)| Some((name, usd(&text)?))).collect()
}

/// Every key that this version writes, those included that reports do not read: the record's golden line has them all.
static KEYS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let golden = serde_json::from_str(include_str!("../../../record/src/golden.json"));
    golden.map(|golden: HashMap<String, IgnoredAny>| golden.into_keys().collect()).unwrap_or_default()
});

/// What an object or another value turned out to hold.
enum Found<'a> {
    Record(Box<Draft<'a>>),
    Nothing,
    NoObject,
}

struct Object {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Object {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let mut draft: Option<Box<Draft<'de>>> = None;
        let mut nested = Found::Nothing;
        while let Some(Text(key)) = map.next_key()? {
            if key.starts_with("tollgate.") || key.starts_with("gen_ai.") {
                let draft = draft.get_or_insert_default();
                let value = map.next_value::<Scalar<'de>>()?;
                // A formatter may write null for what is absent.
                if value != Scalar::Null {
                    match draft.take(&key, value) {
                        Taken::Wrong(key) => draft.wrong = Some(key),
                        Taken::No if !KEYS.contains(key.as_ref()) => draft.unknown_key = Some(key),
                        Taken::Yes | Taken::No => {}
                    }
                }
            } else if self.depth < DEPTH && matches!(nested, Found::Nothing) {
                let inner = map.next_value_seed(Self { depth: self.depth.wrapping_add(1) })?;
                nested = if matches!(inner, Found::NoObject) { Found::Nothing } else { inner };
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(match draft {
            Some(draft) if draft.schema.is_some() => Found::Record(draft),
            _ => nested,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Found<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::NoObject)
    }

    fn visit_str<E>(self, _: &str) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }

    fn visit_unit<E>(self) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }
}
