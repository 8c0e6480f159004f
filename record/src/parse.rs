//! A record out of its JSON, as it stands in an access log.

use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;
use tollgate_pricing::PicoUsd;

use crate::schema::{
    Action, Candidate, Cost, CostStatus, Decision, Part, Record, Retry, RetryKind, SCHEMA, Tokens,
    UsageSource, Waste, WasteReason, Workflow,
};
use crate::time::Timestamp;

/// Why a JSON value is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// It is no JSON object.
    NotAnObject,
    /// It has no `tollgate.schema`, so it is something else.
    NoSchema,
    /// It was written by a newer version.
    NewerSchema(u64),
    /// A key that every record has is missing.
    Missing(&'static str),
    /// A key has a value of the wrong kind.
    Wrong(&'static str),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("not a JSON object"),
            Self::NoSchema => f.write_str("no `tollgate.schema`"),
            Self::NewerSchema(n) => {
                write!(f, "schema `{n}` is newer than `{SCHEMA}`, the newest that this version reads")
            }
            Self::Missing(key) => write!(f, "`{key}` is missing"),
            Self::Wrong(key) => write!(f, "`{key}` has a value of the wrong kind"),
        }
    }
}

impl std::error::Error for ParseError {}

impl Record {
    /// Reads a record from JSON: the bare object, or Envoy's `{"@type": ..., "value": {...}}` around it.
    ///
    /// Keys that this version does not know are left out: they come from a later version of the same schema.
    pub fn parse(json: &Value) -> Result<Self, ParseError> {
        let outer = json.as_object().ok_or(ParseError::NotAnObject)?;
        let inner = outer.get("value").and_then(Value::as_object);
        let keys = Keys(inner.filter(|_| outer.contains_key("@type")).unwrap_or(outer));
        match keys.count("tollgate.schema")? {
            None => Err(ParseError::NoSchema),
            Some(newer) if newer > SCHEMA => Err(ParseError::NewerSchema(newer)),
            Some(_) => keys.record(),
        }
    }
}

struct Keys<'a>(&'a Map<String, Value>);

impl<'a> Keys<'a> {
    fn record(&self) -> Result<Record, ParseError> {
        Ok(Record {
            id: self.required("tollgate.id")?,
            time: self.instant("tollgate.time")?,
            operation: self.required("gen_ai.operation.name")?,
            provider: self.required("gen_ai.provider.name")?,
            request_model: self.text("gen_ai.request.model")?,
            asked_model: self.text("tollgate.request.model")?,
            response_model: self.text("gen_ai.response.model")?,
            response_id: self.text("gen_ai.response.id")?,
            finish_reasons: self.texts("gen_ai.response.finish_reasons")?,
            tokens: self.tokens()?,
            units: self.units("tollgate.units")?,
            parts: self.parts("tollgate.parts")?,
            usage_source: self.word("tollgate.usage.source", UsageSource::from_word)?,
            inconsistent: self.flag("tollgate.usage.inconsistent")?.unwrap_or(false),
            cost: self.cost()?,
            tags: self.pairs("tollgate.tags")?,
            missing_tags: self.texts("tollgate.missing_tags")?,
            decision: self.decision()?,
            shadow: self.texts("tollgate.shadow")?,
            candidate: self.candidate()?,
            reserved: self.usd("tollgate.reserved.usd")?,
            workflow: self.workflow()?,
            retry: self.retry()?,
            waste: self.waste()?,
            stream: self.flag("tollgate.stream")?,
            ttft_ms: self.count("tollgate.ttft_ms")?,
            duration_ms: self.count("tollgate.duration_ms")?,
            http_status: self.status("tollgate.http.status")?,
            service_tier: self.text("tollgate.service_tier")?,
            region: self.text("tollgate.region")?,
            speed: self.text("tollgate.speed")?,
            conditions: self.pairs("tollgate.price.conditions")?,
            price_version: self.required("tollgate.price.version")?,
            config_version: self.required("tollgate.config.version")?,
        })
    }

    fn tokens(&self) -> Result<Tokens, ParseError> {
        Ok(Tokens {
            input: self.count("gen_ai.usage.input_tokens")?,
            output: self.count("gen_ai.usage.output_tokens")?,
            cache_read: self.count("gen_ai.usage.cache_read.input_tokens")?,
            cache_creation: self.count("gen_ai.usage.cache_creation.input_tokens")?,
            cache_creation_1h: self.count("tollgate.usage.cache_creation_1h_tokens")?,
            reasoning: self.count("gen_ai.usage.reasoning.output_tokens")?,
            audio_input: self.count("gen_ai.usage.audio.input_tokens")?,
            audio_output: self.count("gen_ai.usage.audio.output_tokens")?,
            image_input: self.count("gen_ai.usage.image.input_tokens")?,
            image_output: self.count("gen_ai.usage.image.output_tokens")?,
            video_input: self.count("tollgate.usage.video_input_tokens")?,
            video_output: self.count("tollgate.usage.video_output_tokens")?,
            cache_read_audio: self.count("tollgate.usage.cache_read_audio_tokens")?,
            cache_read_image: self.count("tollgate.usage.cache_read_image_tokens")?,
            cache_read_video: self.count("tollgate.usage.cache_read_video_tokens")?,
            citation: self.count("tollgate.usage.citation_tokens")?,
        })
    }

    fn cost(&self) -> Result<Cost, ParseError> {
        const LINES: &str = "tollgate.cost.lines";
        let amount = |text: &str| PicoUsd::from_str(text).map_err(|_| ParseError::Wrong(LINES));
        let lines = self.pairs(LINES)?.into_iter().map(|(name, text)| Ok((name, amount(&text)?)));
        Ok(Cost {
            status: self.word("tollgate.cost.status", CostStatus::from_word)?,
            usd: self.usd("tollgate.cost.usd")?,
            list_usd: self.usd("tollgate.cost.list_usd")?,
            lines: lines.collect::<Result<_, _>>()?,
            unpriced: self.texts("tollgate.cost.unpriced")?,
            adjustments: self.texts("tollgate.cost.adjustments")?,
            reported_usd: self.usd("tollgate.cost.reported_usd")?,
            saved_by_cache_usd: self.usd("tollgate.cost.saved_by_cache_usd")?,
            saved_by_rewrite_usd: self.usd("tollgate.cost.saved_by_rewrite_usd")?,
        })
    }

    fn candidate(&self) -> Result<Option<Box<Candidate>>, ParseError> {
        let Some(name) = self.text("tollgate.candidate.name")? else { return Ok(None) };
        Ok(Some(Box::new(Candidate {
            name,
            action: self.word("tollgate.candidate.action", Action::from_word)?,
            rule: self.text("tollgate.candidate.rule")?,
            model: self.text("tollgate.candidate.model")?,
            cost_usd: self.usd("tollgate.candidate.cost_usd")?,
            estimated_usd: self.usd("tollgate.candidate.estimated_usd")?,
        })))
    }

    fn workflow(&self) -> Result<Option<Box<Workflow>>, ParseError> {
        let Some(calls) = self.count("tollgate.workflow.calls")? else { return Ok(None) };
        let usd = self.usd("tollgate.workflow.usd")?.ok_or(ParseError::Missing("tollgate.workflow.usd"))?;
        let input_growth_percent =
            self.read("tollgate.workflow.input_growth", |v| hundredths(v.as_str()?))?;
        Ok(Some(Box::new(Workflow { calls, usd, input_growth_percent })))
    }

    fn retry(&self) -> Result<Option<Retry>, ParseError> {
        let Some(attempt) = self.count("tollgate.retry.attempt")? else { return Ok(None) };
        Ok(Some(Retry { attempt, kind: self.word("tollgate.retry.kind", RetryKind::from_word)? }))
    }

    fn waste(&self) -> Result<Vec<Waste>, ParseError> {
        const REASONS: &str = "tollgate.waste.reasons";
        const USD: &str = "tollgate.waste.usd";
        const TOKENS: &str = "tollgate.waste.tokens";
        let (usd, tokens) = (self.pairs(USD)?, self.units(TOKENS)?);
        let of = |pairs: &[(String, String)], reason: &str| {
            pairs.iter().find(|(name, _)| name == reason).map(|(_, text)| text.clone())
        };
        let one = |word: String| {
            let amount = of(&usd, &word).map(|text| text.parse().map_err(|_| ParseError::Wrong(USD)));
            let count = of(&tokens, &word).map(|text| text.parse().map_err(|_| ParseError::Wrong(TOKENS)));
            let reason = WasteReason::from_word(&word).ok_or(ParseError::Wrong(REASONS))?;
            Ok(Waste { reason, usd: amount.transpose()?, tokens: count.transpose()? })
        };
        self.texts(REASONS)?.into_iter().map(one).collect()
    }

    fn decision(&self) -> Result<Decision, ParseError> {
        const ACTIONS: &str = "tollgate.decision.actions";
        let action = |word: String| Action::from_word(&word).ok_or(ParseError::Wrong(ACTIONS));
        let actions = self.texts(ACTIONS)?.into_iter().map(action).collect::<Result<_, _>>()?;
        let empty_at = self.read("tollgate.decision.empty_at", |v| v.as_str()?.parse().ok())?;
        Ok(Decision { actions, rule: self.text("tollgate.decision.rule")?, empty_at })
    }

    fn read<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ParseError> {
        self.0.get(key).map(|v| read(v).ok_or(ParseError::Wrong(key))).transpose()
    }

    fn text(&self, key: &'static str) -> Result<Option<String>, ParseError> {
        self.read(key, |v| v.as_str().map(ToString::to_string))
    }

    fn required(&self, key: &'static str) -> Result<String, ParseError> {
        self.text(key)?.ok_or(ParseError::Missing(key))
    }

    fn word<T>(&self, key: &'static str, from: impl Fn(&str) -> Option<T>) -> Result<T, ParseError> {
        self.read(key, |v| from(v.as_str()?))?.ok_or(ParseError::Missing(key))
    }

    fn count(&self, key: &'static str) -> Result<Option<u64>, ParseError> {
        self.read(key, whole)
    }

    fn status(&self, key: &'static str) -> Result<Option<u16>, ParseError> {
        self.read(key, |v| u16::try_from(whole(v)?).ok())
    }

    fn flag(&self, key: &'static str) -> Result<Option<bool>, ParseError> {
        self.read(key, Value::as_bool)
    }

    fn usd(&self, key: &'static str) -> Result<Option<PicoUsd>, ParseError> {
        self.read(key, |v| PicoUsd::from_str(v.as_str()?).ok())
    }

    fn instant(&self, key: &'static str) -> Result<Timestamp, ParseError> {
        self.read(key, |v| v.as_str()?.parse().ok())?.ok_or(ParseError::Missing(key))
    }

    fn texts(&self, key: &'static str) -> Result<Vec<String>, ParseError> {
        let read = |v: &Value| v.as_array()?.iter().map(|t| t.as_str().map(ToString::to_string)).collect();
        Ok(self.read(key, read)?.unwrap_or_default())
    }

    fn pairs(&self, key: &'static str) -> Result<Vec<(String, String)>, ParseError> {
        let pair = |(k, v): (&String, &Value)| Some((k.clone(), v.as_str()?.to_string()));
        Ok(self.read(key, |v| v.as_object()?.iter().map(pair).collect())?.unwrap_or_default())
    }

    fn units(&self, key: &'static str) -> Result<Vec<(String, String)>, ParseError> {
        let quantity =
            |v: &Value| v.as_str().map(ToString::to_string).or_else(|| whole(v).map(|n| n.to_string()));
        let pair = |(k, v): (&String, &Value)| Some((k.clone(), quantity(v)?));
        Ok(self.read(key, |v| v.as_object()?.iter().map(pair).collect())?.unwrap_or_default())
    }

    fn parts(&self, key: &'static str) -> Result<Vec<Part>, ParseError> {
        let read = |v: &Value| {
            let keys = Keys(v.as_object()?);
            Some(Part {
                model: keys.text("model").ok()?,
                tokens: keys.tokens().ok()?,
                units: keys.units("units").ok()?,
                usd: keys.usd("usd").ok()?,
                longest_prompt: keys.count("longest_prompt_tokens").ok()?,
            })
        };
        Ok(self.read(key, |v| v.as_array()?.iter().map(read).collect())?.unwrap_or_default())
    }
}

/// `3.25` -> 325.
fn hundredths(text: &str) -> Option<u64> {
    let (whole, rest) = text.split_once('.').filter(|(_, rest)| rest.len() == 2)?;
    whole.parse::<u64>().ok()?.checked_mul(100)?.checked_add(rest.parse().ok()?)
}

/// A whole number, also where it was spelled as a double: 1e16 comes back from Envoy as `1e+16`.
fn whole(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|f| *f >= 0.0 && f.fract() == 0.0 && *f < 1.8e19).map(|f| f as u64))
}
