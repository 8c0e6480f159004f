//! What reports need of a record, borrowed from the line that it stands in.

mod cursor;
mod draft;
mod json;
mod scalar;
mod short;

use std::borrow::Cow;

use tollgate_pricing::PicoUsd;
use tollgate_record::{Action, Candidate, CostStatus, Timestamp, Tokens, UsageSource};

pub(crate) use json::{read_line, read_value};
pub(crate) use scalar::usd;
pub(crate) use short::read as read_short;

/// One call. It says what [`tollgate_record::Record`] says, of which it leaves out what no report asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row<'a> {
    /// `tollgate.id`; empty where the line has none, as logs of plain text.
    pub id: Cow<'a, str>,
    /// The instant whose prices applied.
    pub time: Timestamp,
    /// `gen_ai.operation.name`.
    pub operation: Cow<'a, str>,
    /// `gen_ai.provider.name`.
    pub provider: Cow<'a, str>,
    /// The model asked for.
    pub request_model: Option<Cow<'a, str>>,
    /// The model that answered.
    pub response_model: Option<Cow<'a, str>>,
    /// Token counts, inclusive; `None` is unknown.
    pub tokens: Tokens,
    /// Where the counts come from.
    pub usage_source: UsageSource,
    /// How the cost came about.
    pub status: CostStatus,
    /// What the call cost; `None` is unknown, or nothing was to be paid: the status says which.
    pub usd: Option<PicoUsd>,
    /// The same before adjustments.
    pub list_usd: Option<PicoUsd>,
    /// What reads from the provider's cache would have cost more as plain input.
    pub saved_by_cache: Option<PicoUsd>,
    /// Lines of the cost; they add up to `usd`.
    pub lines: Vec<(Cow<'a, str>, PicoUsd)>,
    /// What was of no use, by its reason; reasons overlap.
    pub waste: Vec<(Cow<'a, str>, PicoUsd)>,
    /// What a candidate configuration would have done otherwise.
    pub candidate: Option<Box<Candidate>>,
    /// Units other than tokens, as exact decimals.
    pub units: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Tag names and values.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The strongest of what policy did.
    pub action: Action,
    /// The rule that decided.
    pub rule: Option<Cow<'a, str>>,
    /// Whether the answer was streamed.
    pub stream: Option<bool>,
    /// The HTTP status that the client got.
    pub http_status: Option<u64>,
    /// Milliseconds from the request to the end.
    pub duration_ms: Option<u64>,
    /// The service tier as served.
    pub service_tier: Option<Cow<'a, str>>,
    /// The region as served.
    pub region: Option<Cow<'a, str>>,
    /// Digest of the prices.
    pub price_version: Cow<'a, str>,
    /// The JSON that the row was read from; empty where it was not read from JSON of its own.
    pub json: Cow<'a, [u8]>,
}

impl Row<'_> {
    /// The same row, with texts of its own.
    pub fn into_owned(self) -> Row<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let maybe = |text: Option<Cow<'_, str>>| text.map(own);
        let pairs =
            |pairs: Vec<(Cow<'_, str>, Cow<'_, str>)>| -> Vec<(Cow<'static, str>, Cow<'static, str>)> {
                pairs.into_iter().map(|(name, value)| (own(name), own(value))).collect()
            };
        Row {
            id: own(self.id),
            operation: own(self.operation),
            provider: own(self.provider),
            request_model: maybe(self.request_model),
            response_model: maybe(self.response_model),
            lines: self.lines.into_iter().map(|(name, amount)| (own(name), amount)).collect(),
            waste: self.waste.into_iter().map(|(reason, amount)| (own(reason), amount)).collect(),
            units: pairs(self.units),
            tags: pairs(self.tags),
            rule: maybe(self.rule),
            service_tier: maybe(self.service_tier),
            region: maybe(self.region),
            price_version: own(self.price_version),
            json: Cow::Owned(self.json.into_owned()),
            ..Row {
                time: self.time,
                tokens: self.tokens,
                usage_source: self.usage_source,
                status: self.status,
                usd: self.usd,
                list_usd: self.list_usd,
                saved_by_cache: self.saved_by_cache,
                candidate: self.candidate,
                action: self.action,
                stream: self.stream,
                http_status: self.http_status,
                duration_ms: self.duration_ms,
                ..Row::default()
            }
        }
    }

    /// The model as the record has it: that which answered, else that which was asked for.
    pub fn model(&self) -> &str {
        self.response_model.as_deref().or(self.request_model.as_deref()).unwrap_or("-")
    }

    /// The value of a tag, if the call carries it.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(tag, _)| tag == name).map(|(_, value)| value.as_ref())
    }

    /// Whether the provider was asked and is to be paid, but nobody knows how much.
    pub fn cost_is_unknown(&self) -> bool {
        let unknown = [CostStatus::Unpriced, CostStatus::UnknownModel, CostStatus::NoUsage];
        unknown.contains(&self.status) && (self.usd.is_none() || self.status == CostStatus::Unpriced)
    }
}
