//! A record's list price, from what stands in the record alone.

use std::fmt;
use std::path::Path;

use std::collections::BTreeMap;

use tollgate_exchange::{Rules, UnknownModel, parse_catalogue};
use tollgate_pricing::{
    Factor, Found, PicoUsd, PriceBook, Quantity, Quote, Situation, UnitKind, Units, Usage, quote,
};
use tollgate_record::{CostStatus, Part, Record, Tokens};
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
    /// An adjustment that is no percentage.
    Adjustment(String),
    /// The amount does not fit.
    TooLarge,
}

/// What a record's call costs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Priced {
    /// Before adjustments.
    pub list: PicoUsd,
    /// After the adjustments that the record names.
    pub usd: PicoUsd,
    /// The amounts after adjustments, by class.
    pub lines: BTreeMap<String, PicoUsd>,
}

impl fmt::Display for Unpriceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCost(status) => write!(f, "no cost by their status `{}`", status.as_str()),
            Self::UnknownModel(model) => write!(f, "unknown model `{model}`"),
            Self::Unit(unit) => write!(f, "unknown unit or quantity `{unit}`"),
            Self::Adjustment(percent) => write!(f, "unknown adjustment `{percent}`"),
            Self::TooLarge => f.write_str("amount too large"),
        }
    }
}

impl Book {
    /// The catalogue, the overrides of the configuration (JSON) if there is one, and the prices of a file as a filter
    /// takes it while it runs.
    ///
    /// # Errors
    /// A file that cannot be read or is refused.
    pub fn load(config: Option<&Path>, catalogue: Option<&Path>) -> Result<Self, String> {
        let mut book = Self::of(PriceBook::new(Vec::new()));
        if let Some(path) = config {
            let rules = read(path, Rules::compile)?;
            book.prices = rules.prices;
            if let UnknownModel::PriceAs(model) = rules.unknown_model {
                book.stand_in = Some(model);
            }
        }
        if let Some(path) = catalogue {
            book.prices = book.prices.refreshed(read(path, parse_catalogue)?.into());
        }
        Ok(book)
    }

    /// These prices alone.
    pub fn of(prices: PriceBook) -> Self {
        Self { prices, stand_in: None }
    }

    /// What stands in a record as `tollgate.price.version` if it was priced with these prices.
    pub fn version(&self) -> &str {
        self.prices.version()
    }

    /// What the call costs. Mirrors how the filter prices a call: one quote for each part, or one for
    /// the whole; the model that answered, else the one asked for.
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
            let usage = usage(&record.tokens, &record.units)?;
            priced.add(&self.quote(record, &Part::default(), &usage, &factors)?)?;
        }
        for part in &record.parts {
            let usage = usage(&part.tokens, &part.units)?;
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
        let found = self.find(record, part.model.as_deref())?;
        let situation = Situation { prompt_tokens: part.longest_prompt, ..situation(record) };
        quote(&found.card, usage, &situation, factors).map_err(|_| Unpriceable::TooLarge)
    }

    fn find(&self, record: &Record, part: Option<&str>) -> Result<Found<'_>, Unpriceable> {
        let served = part.or(record.response_model.as_deref());
        let stand_in = condition(record, "price_as").or(self.stand_in.as_deref());
        let names = [served, record.request_model.as_deref(), stand_in].into_iter().flatten();
        let mut known = names.filter_map(|model| self.prices.find(&record.provider, model));
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
        Ok(())
    }
}

fn read<T, E: fmt::Display>(path: &Path, parse: impl FnOnce(&[u8]) -> Result<T, E>) -> Result<T, String> {
    let told = |why: &dyn fmt::Display| format!("`{}`: {why}", path.display());
    let bytes = std::fs::read(path).map_err(|error| told(&error))?;
    parse(&bytes).map_err(|error| told(&error))
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
        search_context_size: condition(record, "search_context_size"),
        image_size: condition(record, "image_size"),
        image_quality: condition(record, "image_quality"),
        ..Situation::default()
    }
}

fn condition<'a>(record: &'a Record, name: &str) -> Option<&'a str> {
    record.conditions.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn usage(tokens: &Tokens, units: &[(String, String)]) -> Result<Usage, Unpriceable> {
    Ok(Usage { tokens: counts(tokens).counts(), units: quantities(units)? })
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
        input_video: tokens.video_input,
        output_video: tokens.video_output,
        cache_read_audio: tokens.cache_read_audio,
        cache_read_image: tokens.cache_read_image,
        cache_read_video: tokens.cache_read_video,
        citation: tokens.citation,
        ..ReportedUsage::default()
    }
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
    let amount = text.parse::<PicoUsd>().ok()?.pico();
    u64::try_from(amount / 1_000_000).ok().filter(|_| amount % 1_000_000 == 0)
}
