//! A rate card: the prices of one model, and the builder for one's own.

use crate::assemble::{Assembly, OwnTables, Part};
use crate::class::Class;
use crate::date;
use crate::digest::Digest;
use crate::error::PriceError;
use crate::money::{Factor, Rate};
use crate::tables::{Card, Effect, Tables, Terms};
use crate::units::UnitKind;
use alloc::vec::Vec;

/// The prices of one model: borrowed from the catalogue or from a user's own card.
#[derive(Clone, Copy, Debug)]
pub struct RateCard<'a> {
    pub(crate) tables: Tables<'a>,
    pub(crate) card: Card,
}

impl RateCard<'_> {
    /// Whether the model costs nothing by agreement (self-hosted), as opposed to having no price.
    pub fn is_free(&self) -> bool {
        self.card.terms == Terms::Free
    }

    /// Whether the card has a price for a kind of unit, under whatever condition.
    pub fn prices(&self, kind: UnitKind) -> bool {
        let sections = self.tables.sections_of(self.card).iter();
        let mut priced = sections.filter(|section| section.effect != Effect::Uplift);
        let code = Class::Unit(kind).code();
        priced.any(|section| self.tables.rows_of(*section).iter().any(|row| row.class == code))
    }

    /// Whether some price of the card begins or ends to count after an instant (in Unix seconds).
    pub fn changes_after(&self, unix_s: i64) -> bool {
        let sections = self.tables.sections_of(self.card).iter();
        let mut whens = sections.filter_map(|section| self.tables.whens.get(usize::from(section.when)));
        whens.any(|when| when.from > unix_s || (when.until > unix_s && when.until != i64::MAX))
    }

    /// Takes everything that makes a price into a digest.
    pub(crate) fn digest(&self, digest: Digest) -> Digest {
        let digest = digest.number(u64::from(self.is_free()));
        self.tables.sections_of(self.card).iter().fold(digest, |digest, section| {
            let digest = digest.number(section.effect as u64);
            let digest = self.tables.digest_when(*section, digest);
            self.tables.digest_prices(*section, digest)
        })
    }
}

/// A rate card that a user wrote.
#[derive(Clone, Debug)]
pub struct OwnCard {
    tables: OwnTables,
    card: Card,
}

impl OwnCard {
    /// A model that costs nothing.
    ///
    /// # Errors
    /// None in practice: an empty card fits every table.
    pub fn free() -> Result<OwnCard, PriceError> {
        OwnCard::of(&[], Terms::Free)
    }

    fn of(parts: &[Part], terms: Terms) -> Result<OwnCard, PriceError> {
        let mut assembly = Assembly::default();
        let card = assembly.card(parts, terms)?;
        Ok(OwnCard { tables: assembly.finish(), card })
    }

    /// The card to quote from.
    pub fn card(&self) -> RateCard<'_> {
        RateCard { tables: self.tables.view(), card: self.card }
    }
}

/// Writes a card: a price list, then variants and uplifts under conditions.
#[derive(Clone, Debug, Default)]
pub struct CardBuilder {
    parts: Vec<Part>,
}

impl CardBuilder {
    /// An empty card.
    pub fn new() -> CardBuilder {
        CardBuilder::default()
    }

    /// Adds a whole price list. Of several lists the last one in force counts.
    pub fn list(mut self, prices: Prices) -> CardBuilder {
        self.parts.push(prices.part(Effect::List));
        self
    }

    /// Adds prices that replace those of the list, class by class, while their condition holds.
    pub fn variant(mut self, prices: Prices) -> CardBuilder {
        self.parts.push(prices.part(Effect::Variant));
        self
    }

    /// Adds a factor on all token prices while the condition of `when` holds; its rates are not used.
    pub fn uplift(mut self, factor: Factor, when: Prices) -> CardBuilder {
        self.parts.push(Part { factor: Some(factor), ..when.part(Effect::Uplift) });
        self
    }

    /// The finished card.
    ///
    /// # Errors
    /// A class priced twice under one condition, or more parts than a table holds.
    pub fn build(&self) -> Result<OwnCard, PriceError> {
        OwnCard::of(&self.parts, Terms::Priced)
    }
}

/// Rates and the condition under which they count.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    part: Part,
}

impl Prices {
    /// No rates, no condition.
    pub fn new() -> Prices {
        Prices::default()
    }

    /// Adds a rate in US dollars: per 1,000,000 tokens, or per unit (`web_search`, `images`, ...).
    ///
    /// # Errors
    /// An unknown class, or a price that is no decimal, below zero or out of range.
    pub fn rate(self, class: &str, usd: &str) -> Result<Prices, PriceError> {
        self.rate_above(0, class, usd)
    }

    /// Adds a rate that counts for all tokens of a call whose total input (cached tokens included)
    /// is above `input_tokens`.
    ///
    /// # Errors
    /// As [`Prices::rate`].
    pub fn rate_above(self, input_tokens: u64, class: &str, usd: &str) -> Result<Prices, PriceError> {
        let class = Class::from_name(class).ok_or_else(|| PriceError::UnknownClass(class.into()))?;
        let rate = Rate::from_usd_per(usd, class.written_per())?;
        Ok(self.exact_rate(input_tokens, class, rate))
    }

    /// Adds a rate that is already exact.
    pub fn exact_rate(mut self, input_tokens: u64, class: Class, rate: Rate) -> Prices {
        self.part.rates.push((class, input_tokens, rate));
        self
    }

    /// Counts only where the call shows this: `service_tier` is `flex`.
    ///
    /// # Errors
    /// An unknown dimension.
    pub fn when(mut self, dimension: &str, value: &str) -> Result<Prices, PriceError> {
        self.part.fact(dimension, value)?;
        Ok(self)
    }

    /// Counts only from a Unix second on, and before another.
    ///
    /// # Errors
    /// A period that ends before it starts.
    pub fn between(mut self, from_unix_s: i64, until_unix_s: i64) -> Result<Prices, PriceError> {
        self.part.period(from_unix_s, until_unix_s)?;
        Ok(self)
    }

    /// Counts only at this time of the UTC day, in seconds since midnight; may run over midnight.
    ///
    /// # Errors
    /// A second that no day has.
    pub fn daily(mut self, from_s: u32, until_s: u32) -> Result<Prices, PriceError> {
        self.part.hours(from_s, until_s)?;
        Ok(self)
    }

    /// Counts only on these days of the week (UTC), `mon` to `sun`.
    ///
    /// # Errors
    /// A day that is none.
    pub fn weekdays(mut self, names: &[&str]) -> Result<Prices, PriceError> {
        self.part.days = names.iter().try_fold(0, |days, name| Ok(days | date::weekday(name)?))?;
        Ok(self)
    }

    fn part(self, effect: Effect) -> Part {
        Part { effect, ..self.part }
    }
}
