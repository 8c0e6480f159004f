//! A record while it is read: its keys, and what becomes of their values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use serde::de::IgnoredAny;
use tollgate_pricing::PicoUsd;
use tollgate_record::{Action, Candidate, CostStatus, SCHEMA, Timestamp, Tokens, UsageSource};

use super::Row;
use super::scalar::{Scalar, usd};
use crate::problem::Problem;

/// A key of the record, and what its value is.
#[derive(Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub field: Field,
}

/// Where a value goes.
#[derive(Clone, Copy)]
pub enum Field {
    Schema,
    Id,
    Time,
    Provider,
    Status,
    UsageSource,
    Action,
    Stream,
    Amounts(Slot),
    Name(for<'r, 'a> fn(&'r mut Row<'a>) -> &'r mut Cow<'a, str>),
    Text(for<'r, 'a> fn(&'r mut Row<'a>) -> &'r mut Option<Cow<'a, str>>),
    Pairs(for<'r, 'a> fn(&'r mut Row<'a>) -> &'r mut Pairs<'a>),
    Usd(for<'r, 'a> fn(&'r mut Row<'a>) -> &'r mut Option<PicoUsd>),
    Whole(for<'r, 'a> fn(&'r mut Row<'a>) -> &'r mut Option<u64>),
    Count(fn(&mut Tokens) -> &mut Option<u64>),
    Trial(for<'a> fn(&mut Candidate, Scalar<'a>) -> Option<()>),
    /// Written by this version, and read by no report.
    Unread,
}

type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;
type Amounts<'a> = Vec<(Cow<'a, str>, PicoUsd)>;
/// Where a list of amounts goes.
pub type Slot = for<'r, 'a> fn(&'r mut Row<'a>) -> &'r mut Amounts<'a>;

/// What reports read.
const READ: [(&str, Field); 46] = [
    ("tollgate.schema", Field::Schema),
    ("tollgate.id", Field::Id),
    ("tollgate.time", Field::Time),
    ("gen_ai.operation.name", Field::Name(|row| &mut row.operation)),
    ("gen_ai.provider.name", Field::Provider),
    ("gen_ai.request.model", Field::Text(|row| &mut row.request_model)),
    ("gen_ai.response.model", Field::Text(|row| &mut row.response_model)),
    ("gen_ai.usage.input_tokens", Field::Count(|tokens| &mut tokens.input)),
    ("gen_ai.usage.output_tokens", Field::Count(|tokens| &mut tokens.output)),
    ("gen_ai.usage.cache_read.input_tokens", Field::Count(|tokens| &mut tokens.cache_read)),
    ("gen_ai.usage.cache_creation.input_tokens", Field::Count(|tokens| &mut tokens.cache_creation)),
    ("tollgate.usage.cache_creation_1h_tokens", Field::Count(|tokens| &mut tokens.cache_creation_1h)),
    ("gen_ai.usage.reasoning.output_tokens", Field::Count(|tokens| &mut tokens.reasoning)),
    ("gen_ai.usage.audio.input_tokens", Field::Count(|tokens| &mut tokens.audio_input)),
    ("gen_ai.usage.audio.output_tokens", Field::Count(|tokens| &mut tokens.audio_output)),
    ("gen_ai.usage.image.input_tokens", Field::Count(|tokens| &mut tokens.image_input)),
    ("gen_ai.usage.image.output_tokens", Field::Count(|tokens| &mut tokens.image_output)),
    ("tollgate.usage.video_input_tokens", Field::Count(|tokens| &mut tokens.video_input)),
    ("tollgate.usage.video_output_tokens", Field::Count(|tokens| &mut tokens.video_output)),
    ("tollgate.usage.cache_read_audio_tokens", Field::Count(|tokens| &mut tokens.cache_read_audio)),
    ("tollgate.usage.cache_read_image_tokens", Field::Count(|tokens| &mut tokens.cache_read_image)),
    ("tollgate.usage.cache_read_video_tokens", Field::Count(|tokens| &mut tokens.cache_read_video)),
    ("tollgate.usage.citation_tokens", Field::Count(|tokens| &mut tokens.citation)),
    ("tollgate.units", Field::Pairs(|row| &mut row.units)),
    ("tollgate.usage.source", Field::UsageSource),
    ("tollgate.cost.status", Field::Status),
    ("tollgate.cost.usd", Field::Usd(|row| &mut row.usd)),
    ("tollgate.cost.list_usd", Field::Usd(|row| &mut row.list_usd)),
    ("tollgate.cost.saved_by_cache_usd", Field::Usd(|row| &mut row.saved_by_cache)),
    ("tollgate.cost.lines", Field::Amounts(|row| &mut row.lines)),
    ("tollgate.waste.usd", Field::Amounts(|row| &mut row.waste)),
    ("tollgate.tags", Field::Pairs(|row| &mut row.tags)),
    ("tollgate.decision.action", Field::Action),
    ("tollgate.decision.rule", Field::Text(|row| &mut row.rule)),
    ("tollgate.stream", Field::Stream),
    ("tollgate.duration_ms", Field::Whole(|row| &mut row.duration_ms)),
    ("tollgate.http.status", Field::Whole(|row| &mut row.http_status)),
    ("tollgate.service_tier", Field::Text(|row| &mut row.service_tier)),
    ("tollgate.region", Field::Text(|row| &mut row.region)),
    ("tollgate.candidate.name", Field::Trial(|would, value| set(&mut would.name, value.text()?.into()))),
    (
        "tollgate.candidate.action",
        Field::Trial(|would, value| set(&mut would.action, Action::from_word(&value.text()?)?)),
    ),
    (
        "tollgate.candidate.rule",
        Field::Trial(|would, value| set(&mut would.rule, Some(value.text()?.into()))),
    ),
    (
        "tollgate.candidate.model",
        Field::Trial(|would, value| set(&mut would.model, Some(value.text()?.into()))),
    ),
    (
        "tollgate.candidate.cost_usd",
        Field::Trial(|would, value| set(&mut would.cost_usd, Some(value.usd()?))),
    ),
    (
        "tollgate.candidate.estimated_usd",
        Field::Trial(|would, value| set(&mut would.estimated_usd, Some(value.usd()?))),
    ),
    ("tollgate.price.version", Field::Name(|row| &mut row.price_version)),
];

/// Every key that this version writes, by its length: those that no report reads are in the record's golden line.
static KEYS: LazyLock<Vec<Vec<Key>>> = LazyLock::new(|| {
    let golden: HashMap<&'static str, IgnoredAny> =
        serde_json::from_str(include_str!("../../../record/src/golden.json")).unwrap_or_default();
    let mut keys: Vec<Vec<Key>> = Vec::new();
    for (name, field) in READ.into_iter().chain(golden.into_keys().map(|name| (name, Field::Unread))) {
        keys.resize(keys.len().max(name.len().saturating_add(1)), Vec::new());
        if let Some(same) = keys.get_mut(name.len()).filter(|same| same.iter().all(|key| key.name != name)) {
            same.push(Key { name, field });
        }
    }
    keys
});

/// Whether a key has one of our names, known or not.
pub fn is_ours(key: &str) -> bool {
    key.starts_with("tollgate.") || key.starts_with("gen_ai.")
}

/// The key of this name, if this version writes it.
pub fn find(name: &str) -> Option<Key> {
    KEYS.get(name.len())?.iter().find(|key| key.name == name).copied()
}

/// A record while it is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft<'a> {
    schema: Option<u64>,
    id: Option<Cow<'a, str>>,
    time: Option<Timestamp>,
    provider: Option<Cow<'a, str>>,
    status: Option<CostStatus>,
    row: Row<'a>,
    wrong: Option<&'static str>,
    /// A key under our names that this version does not know.
    pub unknown_key: Option<Cow<'a, str>>,
}

impl<'a> Draft<'a> {
    /// Takes the value of a key, whatever it is.
    pub fn take(&mut self, name: Cow<'a, str>, value: Scalar<'a>) {
        // A formatter may write null for what is absent.
        if value == Scalar::Null {
            return;
        }
        match find(&name) {
            None => self.unknown_key = Some(name),
            Some(key) if self.put(key.field, value).is_none() => self.wrong = Some(key.name),
            Some(_) => {}
        }
    }

    /// Takes the value of a field; `None` if it is of another kind.
    pub fn put(&mut self, field: Field, value: Scalar<'a>) -> Option<()> {
        let row = &mut self.row;
        match field {
            Field::Schema => self.schema = Some(value.whole()?),
            Field::Id => self.id = Some(value.text()?),
            Field::Time => self.time = Some(value.text()?.parse().ok()?),
            Field::Provider => self.provider = Some(value.text()?),
            Field::Status => self.status = Some(CostStatus::from_word(&value.text()?)?),
            Field::UsageSource => row.usage_source = UsageSource::from_word(&value.text()?)?,
            Field::Action => row.action = Action::from_word(&value.text()?)?,
            Field::Stream => row.stream = Some(value.flag()?),
            Field::Amounts(slot) => *slot(row) = amounts(value)?,
            Field::Name(slot) => *slot(row) = value.text()?,
            Field::Text(slot) => *slot(row) = Some(value.text()?),
            Field::Pairs(slot) => *slot(row) = value.pairs()?,
            Field::Usd(slot) => *slot(row) = Some(value.usd()?),
            Field::Whole(slot) => *slot(row) = Some(value.whole()?),
            Field::Count(slot) => *slot(&mut row.tokens) = Some(value.whole()?),
            Field::Trial(put) => put(row.candidate.get_or_insert_default(), value)?,
            Field::Unread => {}
        }
        Some(())
    }

    /// Takes a list of amounts.
    pub fn put_amounts(&mut self, slot: Slot, amounts: Amounts<'a>) {
        *slot(&mut self.row) = amounts;
    }

    /// Whether it says what it was written by, as every record does.
    pub fn is_record(&self) -> bool {
        self.schema.is_some()
    }

    /// The row, if everything is there that a row must have.
    pub fn finish(mut self, json: &'a [u8]) -> Result<Row<'a>, Problem> {
        match self.schema {
            None => return Err(Problem::Missing("tollgate.schema")),
            Some(newer) if newer > SCHEMA => return Err(Problem::NewerSchema(newer)),
            Some(_) => {}
        }
        if let Some(key) = self.wrong {
            return Err(Problem::Wrong(key));
        }
        self.row.id = self.id.ok_or(Problem::Missing("tollgate.id"))?;
        self.row.time = self.time.ok_or(Problem::Missing("tollgate.time"))?;
        self.row.provider = self.provider.ok_or(Problem::Missing("gen_ai.provider.name"))?;
        self.row.status = self.status.ok_or(Problem::Missing("tollgate.cost.status"))?;
        self.row.json = Cow::Borrowed(json);
        Ok(self.row)
    }
}

fn set<T>(place: &mut T, value: T) -> Option<()> {
    *place = value;
    Some(())
}

fn amounts<'a>(value: Scalar<'a>) -> Option<Vec<(Cow<'a, str>, PicoUsd)>> {
    value.pairs()?.into_iter().map(|(name, text)| Some((name, usd(&text)?))).collect()
}
