//! What past calls would have cost at other prices: those of the catalogue as it is now, or of a file in front of it.

mod own;
mod recompute;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use tollgate_pricing::file::ProviderFile;
use tollgate_pricing::{
    Factor, Found, Override, PicoUsd, PriceBook, Quantity, Quote, Refreshed, Situation, UnitKind, Units,
    Usage, price_names, quote,
};
use tollgate_record::{CostStatus, Part, Record};

use crate::counts::disjoint;
use crate::row::Row;

pub use own::own_price;
pub use recompute::Recomputed;

/// Prices to try.
#[derive(Clone, Debug)]
pub struct Book {
    prices: PriceBook,
    /// Whose price unknown models have.
    stand_in: Option<String>,
    /// Whether a price of one's own is that of a model's snapshots, too: people name a model as reports do.
    with_snapshots: bool,
}

/// Why a call cannot be priced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unpriceable {
    /// There is nothing to price: the record says why.
    NoCost(CostStatus),
    /// No entry for the model.
    UnknownModel(String),
    /// A unit that this version does not know, or a quantity that is none.
    Unit(String),
    /// A class that was used and has no rate.
    NoRate(&'static str),
    /// An adjustment that is no percentage.
    Adjustment(String),
    /// The amount does not fit.
    TooLarge,
    /// The line holds no whole record, as plain text.
    NoRecord,
}

/// What a call costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Priced {
    /// Before adjustments.
    pub list: PicoUsd,
    /// After the adjustments that the record names.
    pub usd: PicoUsd,
    /// The amounts after adjustments, by class.
    pub lines: BTreeMap<String, PicoUsd>,
    /// Classes that were used and have no rate.
    pub unpriced: Vec<&'static str>,
}

impl fmt::Display for Unpriceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCost(status) => write!(f, "no cost by their status `{}`", status.as_str()),
            Self::UnknownModel(model) => write!(f, "unknown model `{model}`"),
            Self::Unit(unit) => write!(f, "unknown unit or quantity `{unit}`"),
            Self::NoRate(class) => write!(f, "no rate for `{class}`"),
            Self::Adjustment(percent) => write!(f, "unknown adjustment `{percent}`"),
            Self::TooLarge => f.write_str("amount too large"),
            Self::NoRecord => f.write_str("no whole record in their line"),
        }
    }
}

impl Book {
    /// These prices; unknown models have the price of `stand_in`.
    pub fn new(prices: PriceBook, stand_in: Option<String>) -> Self {
        Self { prices, stand_in, with_snapshots: false }
    }

    /// The catalogue's prices alone.
    pub fn of_catalogue() -> Self {
        Self::new(PriceBook::new(Vec::new()), None)
    }

    /// The prices of a file before those of the catalogue. The file has the form of `pricing.refresh`: one provider's prices, or a
    /// list of them.
    ///
    /// # Errors
    /// With the place of what is wrong.
    pub fn parse(json: &str) -> Result<Self, String> {
        Self::of_catalogue().with_file(json)
    }

    /// The same with a file's prices before those of the catalogue.
    ///
    /// # Errors
    /// With the place of what is wrong.
    pub fn with_file(self, json: &str) -> Result<Self, String> {
        let is_list = json.trim_start().starts_with('[');
        let files: Vec<ProviderFile> = match is_list {
            true => serde_json::from_str(json),
            false => serde_json::from_str(json).map(|file| vec![file]),
        }
        .map_err(|error| error.to_string())?;
        let refreshed = Refreshed::new(&files).map_err(|error| format!("{}: {}", error.path, error.why))?;
        Ok(Self { prices: self.prices.refreshed(Arc::new(refreshed)), ..self })
    }

    /// The catalogue with prices before it that stand in a line each: see [`own_price`].
    ///
    /// # Errors
    /// The first line that is none, or a model that is named twice.
    pub fn of_lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut own: Vec<Override> = Vec::new();
        let mut names = BTreeSet::new();
        for line in lines {
            let name = line.split_whitespace().next().unwrap_or_default();
            if !names.insert(name) {
                return Err(format!("`{name}` has two prices"));
            }
            own.push(own_price(line)?);
        }
        Ok(Self { with_snapshots: true, ..Self::new(PriceBook::new(own), None) })
    }

    /// The price of a model of a provider.
    pub fn find(&self, provider: &str, model: &str) -> Option<Found<'_>> {
        let found = self.prices.find(provider, model)?;
        if found.own || !self.with_snapshots {
            return Some(found);
        }
        let family = self.prices.find(provider, found.name).filter(|family| family.own);
        Some(family.unwrap_or(found))
    }

    /// The same where the model may name another provider: `anthropic/claude-haiku-4-5`.
    pub fn find_elsewhere(&self, provider: &str, model: &str) -> Option<Found<'_>> {
        let other = model.split_once('/').and_then(|(provider, model)| self.find(provider, model));
        other.or_else(|| self.find(provider, model))
    }

    /// What stands in a record as `tollgate.price.version` if it was priced with these prices.
    pub fn version(&self) -> &str {
        self.prices.version()
    }

    /// What the call of a row costs; `None` where it is not to be priced: nothing was to be paid, or the provider's own figure is
    /// the cost.
    ///
    /// # Errors
    /// Why there is no price, or not a whole one.
    pub fn cost(&self, row: &Row<'_>) -> Result<Option<PicoUsd>, Unpriceable> {
        use CostStatus::{Free, NoUsage, NotBilled, NotSent, Reported};
        if matches!(row.status, NotSent | NotBilled | NoUsage | Reported | Free) {
            return Ok(None);
        }
        let record = record_of(&row.json).ok_or(Unpriceable::NoRecord)?;
        let priced = self.price(&record)?;
        match priced.unpriced.first() {
            Some(class) => Err(Unpriceable::NoRate(class)),
            None => Ok(Some(priced.usd)),
        }
    }

    /// What the call costs. Mirrors how the filter prices a call: one quote for each part, or one for the whole; the model that
    /// answered, else the one asked for.
    ///
    /// # Errors
    /// Why there is no price.
    pub fn price(&self, record: &Record) -> Result<Priced, Unpriceable> {
        if matches!(record.cost.status, CostStatus::NotSent | CostStatus::NotBilled | CostStatus::NoUsage) {
            return Err(Unpriceable::NoCost(record.cost.status));
        }
        let factors = record.cost.adjustments.iter().map(|percent| {
            Factor::from_percent(percent).map_err(|_| Unpriceable::Adjustment(percent.clone()))
        });
        let factors = factors.collect::<Result<Vec<_>, _>>()?;
        let mut priced = Priced::default();
        if record.parts.is_empty() {
            let usage = Usage { tokens: disjoint(&record.tokens), units: quantities(&record.units)? };
            priced.add(&self.quote(record, &Part::default(), &usage, &factors)?)?;
        }
        for part in &record.parts {
            let usage = Usage { tokens: disjoint(&part.tokens), units: quantities(&part.units)? };
            priced.add(&self.quote(record, part, &usage, &factors)?)?;
        }
        Ok(priced)
    }

    fn quote(
        &self,
        record: &Record,
        part: &Part,
        usage: &Usage,
        factors: &[Factor],
    ) -> Result<Quote, Unpriceable> {
        let found = self.find_served(record, part.model.as_deref())?;
        let situation = Situation { prompt_tokens: part.longest_prompt, ..situation(record) };
        quote(&found.card, usage, &situation, factors).map_err(|_| Unpriceable::TooLarge)
    }

    fn find_served(&self, record: &Record, part: Option<&str>) -> Result<Found<'_>, Unpriceable> {
        let (asked, answered) = (record.request_model.as_deref(), record.response_model.as_deref());
        let names = match part {
            Some(part) => [Some(part), asked],
            None => price_names(&record.provider, asked, answered),
        };
        let stand_in = condition(record, "price_as").or(self.stand_in.as_deref());
        let names = names.into_iter().chain([stand_in]).flatten();
        let mut known = names.filter_map(|model| self.find(&record.provider, model));
        known
            .next()
            .ok_or_else(|| Unpriceable::UnknownModel(format!("{} {}", record.provider, model(record))))
    }
}

impl Priced {
    fn add(&mut self, quote: &Quote) -> Result<(), Unpriceable> {
        let sum = |sum: PicoUsd, more| sum.checked_add(more).ok_or(Unpriceable::TooLarge);
        self.list = sum(self.list, quote.list)?;
        self.usd = sum(self.usd, quote.total)?;
        for line in &quote.lines {
            let total = self.lines.entry(line.name.to_owned()).or_default();
            *total = sum(*total, line.amount)?;
        }
        self.unpriced.extend(&quote.unpriced);
        Ok(())
    }
}

/// The model as the record has it: that which answered, else that which was asked for.
pub fn model(record: &Record) -> &str {
    record.response_model.as_deref().or(record.request_model.as_deref()).unwrap_or("-")
}

/// Keys that a whole record has and a price does not depend on, with what stands in where a line lacks them.
const BESIDE_PRICE: [(&str, &str); 4] = [
    ("gen_ai.operation.name", ""),
    ("tollgate.usage.source", "none"),
    ("tollgate.price.version", ""),
    ("tollgate.config.version", ""),
];

/// The whole record of a row: its JSON, or the first field of it that is one.
fn record_of(json: &[u8]) -> Option<Record> {
    // Behind a record in a line of text anything may stand.
    let line: Value = serde_json::Deserializer::from_slice(json).into_iter().next()?.ok()?;
    let fields = line.as_object()?.values();
    let is_record = |value: &&Value| value.get("tollgate.schema").is_some();
    let inside =
        |value| Some(value).filter(is_record).or_else(|| Value::get(value, "value").filter(is_record));
    let mut record = std::iter::once(&line).chain(fields).find_map(inside)?.as_object()?.clone();
    for (key, stand_in) in BESIDE_PRICE {
        record.entry(key).or_insert_with(|| stand_in.into());
    }
    Record::parse(&Value::Object(record)).ok()
}

fn situation(record: &Record) -> Situation<'_> {
    Situation {
        time_unix_s: record.time.unix_seconds(),
        service_tier: record.service_tier.as_deref(),
        region: record.region.as_deref(),
        speed: record.speed.as_deref(),
        search_context_size: condition(record, "search_context_size"),
        image_size: condition(record, "image_size"),
        image_quality: condition(record, "image_quality"),
        ..Situation::default()
    }
}

fn condition<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.conditions.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn quantities(recorded: &[(String, String)]) -> Result<Units, Unpriceable> {
    let mut units = Units::default();
    for (name, quantity) in recorded {
        let unknown = || Unpriceable::Unit(format!("{name}: {quantity}"));
        let kind = UnitKind::from_name(name).ok_or_else(unknown)?;
        units.set(kind, micros(quantity).map(Quantity::from_micros).ok_or_else(unknown)?);
    }
    Ok(units)
}

/// The millionths in a decimal of at most six places.
fn micros(text: &str) -> Option<u64> {
    const PICO: i128 = 1_000_000;
    let amount = text.parse::<PicoUsd>().ok()?.pico();
    let is_whole = amount.checked_rem(PICO) == Some(0);
    amount.checked_div(PICO).filter(|_| is_whole).and_then(|micros| u64::try_from(micros).ok())
}

#[cfg(test)]
mod tests;
