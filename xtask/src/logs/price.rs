//! A record's list price, from what stands in the record alone.

use std::fmt;
use std::path::Path;

use tollgate_exchange::{Rules, UnknownModel};
use tollgate_pricing::{
    Found, PicoUsd, PriceBook, Quantity, Quote, Situation, UnitKind, Units, Usage, quote,
};
use tollgate_record::{CostStatus, Record, Tokens};
use tollgate_wire::ReportedUsage;

/// The prices of the working tree, with those of a configuration if one was given.
pub struct Book {
    prices: PriceBook,
    /// Whose price unknown models have.
    stand_in: Option<String>,
}

/// Why a record cannot be priced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unpriceable {
    /// There is nothing to price: the record says why.
    NoCost(CostStatus),
    /// No entry for the model.
    UnknownModel(String),
    /// A unit that this version does not know, or a quantity that is none.
    Unit(String),
    /// The amount does not fit.
    TooLarge,
}

impl fmt::Display for Unpriceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCost(status) => write!(f, "no cost by their status `{}`", status.as_str()),
            Self::UnknownModel(model) => write!(f, "unknown model `{model}`"),
            Self::Unit(unit) => write!(f, "unknown unit or quantity `{unit}`"),
            Self::TooLarge => f.write_str("amount too large"),
        }
    }
}

impl Book {
    /// The catalogue, and the overrides of the configuration (JSON) if there is one.
    ///
    /// # Errors
    /// A configuration that cannot be read or is refused.
    pub fn load(config: Option<&Path>) -> Result<Self, String> {
        let Some(path) = config else { return Ok(Self::of(PriceBook::new(Vec::new()))) };
        let told = |why: &dyn fmt::Display| format!("`{}`: {why}", path.display());
        let json = std::fs::read(path).map_err(|error| told(&error))?;
        let rules = Rules::compile(&json).map_err(|error| told(&error))?;
        let stand_in = match rules.unknown_model {
            UnknownModel::PriceAs(model) => Some(model),
            UnknownModel::Record | UnknownModel::Deny => None,
        };
        Ok(Self { prices: rules.prices, stand_in })
    }

    /// These prices alone.
    pub fn of(prices: PriceBook) -> Self {
        Self { prices, stand_in: None }
    }

    /// What stands in a record as `tollgate.price.version` if it was priced with these prices.
    pub fn version(&self) -> &str {
        self.prices.version()
    }

    /// What the call costs at list price. Mirrors how the filter prices a call: one quote for each part, or one for
    /// the whole; the model that answered, else the one asked for.
    ///
    /// # Errors
    /// Why there is no price.
    pub fn list_price(&self, record: &Record) -> Result<PicoUsd, Unpriceable> {
        if matches!(record.cost.status, CostStatus::NotSent | CostStatus::NotBilled | CostStatus::NoUsage) {
            return Err(Unpriceable::NoCost(record.cost.status));
        }
        if record.parts.is_empty() {
            let usage = Usage { tokens: counts(&record.tokens).counts(), units: units(record)? };
            return Ok(self.quote(record, None, &usage)?.list);
        }
        record.parts.iter().try_fold(PicoUsd::ZERO, |sum, part| {
            let usage = Usage { tokens: counts(&part.tokens).counts(), units: Units::default() };
            let list = self.quote(record, part.model.as_deref(), &usage)?.list;
            sum.checked_add(list).ok_or(Unpriceable::TooLarge)
        })
    }

    fn quote(&self, record: &Record, part: Option<&str>, usage: &Usage) -> Result<Quote, Unpriceable> {
        let found = self.find(record, part)?;
        quote(&found.card, usage, &situation(record), &[]).map_err(|_| Unpriceable::TooLarge)
    }

    fn find(&self, record: &Record, part: Option<&str>) -> Result<Found<'_>, Unpriceable> {
        let served = part.or(record.response_model.as_deref());
        let names = [served, record.request_model.as_deref(), self.stand_in.as_deref()].into_iter().flatten();
        let mut known = names.filter_map(|model| self.prices.find(&record.provider, model));
        known
            .next()
            .ok_or_else(|| Unpriceable::UnknownModel(format!("{} {}", record.provider, model(record))))
    }
}

/// The model as the record has it: that which answered, else that which was asked for.
pub fn model(record: &Record) -> &str {
    record.response_model.as_deref().or(record.request_model.as_deref()).unwrap_or("-")
}

fn situation(record: &Record) -> Situation<'_> {
    Situation {
        time_unix_s: record.time.unix_seconds(),
        service_tier: record.service_tier.as_deref(),
        region: record.region.as_deref(),
        speed: record.speed.as_deref(),
        ..Situation::default()
    }
}

/// The counts as the wire room had them, which knows how to make disjoint classes of them.
fn counts(tokens: &Tokens) -> ReportedUsage {
    ReportedUsage {
        input: tokens.input,
        output: tokens.output,
        cache_read: tokens.cache_read,
        cache_write: tokens.cache_creation,
        cache_write_1h: tokens.cache_creation_1h,
        reasoning: tokens.reasoning,
        input_audio: tokens.audio_input,
        output_audio: tokens.audio_output,
        input_image: tokens.image_input,
        output_image: tokens.image_output,
        ..ReportedUsage::default()
    }
}

fn units(record: &Record) -> Result<Units, Unpriceable> {
    let mut units = Units::default();
    for (name, quantity) in &record.units {
        let unknown = || Unpriceable::Unit(format!("{name}: {quantity}"));
        let kind = UnitKind::from_name(name).ok_or_else(unknown)?;
        units.set(kind, micros(quantity).map(Quantity::from_micros).ok_or_else(unknown)?);
    }
    Ok(units)
}

/// The millionths in a decimal of at most six places.
fn micros(text: &str) -> Option<u64> {
    let amount = text.parse::<PicoUsd>().ok()?.pico();
    u64::try_from(amount / 1_000_000).ok().filter(|_| amount % 1_000_000 == 0)
}
