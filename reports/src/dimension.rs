//! By what calls can be grouped and chosen: what they are, when they were, and any tag.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use tollgate_policy::UNTAGGED;
use tollgate_pricing::catalogue;

use crate::row::Row;
use crate::zone::{Zone, day_text};

/// Something by which calls differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// Who served the call.
    Provider,
    /// The catalogue's name of the model that answered, else the name as it came.
    Model,
    /// The model asked for, as it came.
    RequestModel,
    /// The model that answered, as it came.
    ResponseModel,
    /// Chat, embeddings ...
    Operation,
    /// How the cost came about.
    Status,
    /// Where the counts come from.
    UsageSource,
    /// What policy did.
    Decision,
    /// The rule that decided.
    Rule,
    /// The HTTP status that the client got.
    HttpStatus,
    /// Whether the answer was streamed.
    Stream,
    /// The service tier as served.
    ServiceTier,
    /// The region as served.
    Region,
    /// Digest of the prices.
    PriceVersion,
    /// The hour of the local clock.
    Hour,
    /// The local day.
    Day,
    /// The local week, by its Monday.
    Week,
    /// The local month.
    Month,
    /// A tag's value.
    Tag(String),
}

const NAMES: [(&str, Dimension); 18] = [
    ("provider", Dimension::Provider),
    ("model", Dimension::Model),
    ("request_model", Dimension::RequestModel),
    ("response_model", Dimension::ResponseModel),
    ("operation", Dimension::Operation),
    ("status", Dimension::Status),
    ("usage_source", Dimension::UsageSource),
    ("decision", Dimension::Decision),
    ("rule", Dimension::Rule),
    ("http_status", Dimension::HttpStatus),
    ("stream", Dimension::Stream),
    ("service_tier", Dimension::ServiceTier),
    ("region", Dimension::Region),
    ("price_version", Dimension::PriceVersion),
    ("hour", Dimension::Hour),
    ("day", Dimension::Day),
    ("week", Dimension::Week),
    ("month", Dimension::Month),
];

impl Dimension {
    /// Reads a name. What is none of the fixed ones is a tag; `tag:day` is a tag in any case.
    pub fn parse(name: &str) -> Self {
        if let Some(tag) = name.strip_prefix("tag:") {
            return Self::Tag(tag.to_owned());
        }
        let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, dimension)| dimension.clone());
        known.unwrap_or_else(|| Self::Tag(name.to_owned()))
    }

    /// The name as in a column's head.
    pub fn name(&self) -> &str {
        match self {
            Self::Tag(name) => name,
            _ => NAMES.iter().find(|(_, known)| known == self).map_or("", |(name, _)| name),
        }
    }

    /// The fixed names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether it is a span of time.
    pub fn is_time(&self) -> bool {
        matches!(self, Self::Hour | Self::Day | Self::Week | Self::Month)
    }
}

/// What dimensions need beside the row. One for each thread.
#[derive(Clone, Debug, Default)]
pub struct Lens {
    zone: Zone,
    models: HashMap<String, Models, RandomState>,
    /// The last hour that was written, counted from 1970 on the local clock: most calls are of the same as the one before.
    hour: i64,
    /// `2026-11-20T14:00`.
    hour_text: String,
}

type Models = HashMap<String, Option<&'static str>, RandomState>;

/// How many names of models are remembered: clients may invent any number of them.
const MAX_MODELS: usize = 20_000;

impl Lens {
    /// Times are read in this zone.
    pub fn new(zone: Zone) -> Self {
        Self { zone, ..Self::default() }
    }

    /// The zone.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Appends the row's value of a dimension. A tag that the call does not carry is `untagged`, anything else that is
    /// absent is `-`.
    pub fn write(&mut self, dimension: &Dimension, row: &Row<'_>, out: &mut String) {
        match dimension {
            Dimension::Provider => out.push_str(&row.provider),
            Dimension::Model => out.push_str(self.model(&row.provider, row)),
            Dimension::RequestModel => out.push_str(row.request_model.as_deref().unwrap_or("-")),
            Dimension::ResponseModel => out.push_str(row.response_model.as_deref().unwrap_or("-")),
            Dimension::Operation => out.push_str(&row.operation),
            Dimension::Status => out.push_str(row.status.as_str()),
            Dimension::UsageSource => out.push_str(row.usage_source.as_str()),
            Dimension::Decision => out.push_str(row.action.as_str()),
            Dimension::Rule => out.push_str(row.rule.as_deref().unwrap_or("-")),
            Dimension::HttpStatus => {
                out.push_str(&row.http_status.map_or_else(|| "-".to_owned(), |code| code.to_string()))
            }
            Dimension::Stream => out.push_str(match row.stream {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            }),
            Dimension::ServiceTier => out.push_str(row.service_tier.as_deref().unwrap_or("-")),
            Dimension::Region => out.push_str(row.region.as_deref().unwrap_or("-")),
            Dimension::PriceVersion => out.push_str(&row.price_version),
            Dimension::Tag(name) => out.push_str(row.tag(name).unwrap_or(UNTAGGED)),
            Dimension::Hour | Dimension::Day | Dimension::Week | Dimension::Month => {
                self.time(dimension, row, out)
            }
        }
    }

    /// The value as a text of its own.
    pub fn value(&mut self, dimension: &Dimension, row: &Row<'_>) -> String {
        let mut text = String::new();
        self.write(dimension, row, &mut text);
        text
    }

    fn time(&mut self, dimension: &Dimension, row: &Row<'_>, out: &mut String) {
        let seconds = self.zone.local_seconds(row.time);
        if *dimension == Dimension::Week {
            let day = seconds.div_euclid(86_400);
            // The epoch was a Thursday: Mondays are those days whose number is 4 beyond a multiple of 7.
            return out.push_str(&day_text(day.saturating_sub(day.saturating_sub(4).rem_euclid(7))));
        }
        let hour = seconds.div_euclid(3600);
        if hour != self.hour || self.hour_text.is_empty() {
            self.hour = hour;
            self.hour_text = format!("{}T{:02}:00", day_text(hour.div_euclid(24)), hour.rem_euclid(24));
        }
        let text = self.hour_text.as_str();
        out.push_str(match dimension {
            Dimension::Month => text.get(..7).unwrap_or(text),
            Dimension::Day => text.get(..10).unwrap_or(text),
            _ => text,
        });
    }

    fn model<'r>(&mut self, provider: &str, row: &'r Row<'_>) -> &'r str {
        let raw = row.model();
        let served = self.catalogue_name(provider, raw);
        let asked = || row.request_model.as_deref().filter(|asked| *asked != raw);
        let found = served.or_else(|| asked().and_then(|asked| self.catalogue_name(provider, asked)));
        found.unwrap_or(raw)
    }

    fn catalogue_name(&mut self, provider: &str, model: &str) -> Option<&'static str> {
        if let Some(known) = self.models.get(provider).and_then(|models| models.get(model)) {
            return *known;
        }
        let found = catalogue().find(provider, model).map(|found| found.name);
        let size = self.models.values().map(HashMap::len).sum::<usize>();
        if size < MAX_MODELS {
            self.models.entry(provider.to_owned()).or_default().insert(model.to_owned(), found);
        }
        found
    }
}
