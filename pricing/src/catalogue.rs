//! The prices that are compiled in.

use crate::card::RateCard;
use crate::index::{Entry, Index, Provider};
use crate::tables::{Card, Terms};
use alloc::format;

/// The catalogue: every model of every provider that we have a price for.
#[derive(Debug)]
pub struct Catalogue {
    index: Index<'static>,
    version: &'static str,
}

/// A model that was found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The model's name in the catalogue (or the pattern of the user's override).
    pub name: &'a str,
    /// The provider whose price it is, in OpenTelemetry's spelling.
    pub provider: &'a str,
    /// Its prices.
    pub card: RateCard<'a>,
    /// The day (since the Unix epoch) on which the provider takes the model away, if it said so.
    pub retires_day: Option<u16>,
    /// The user wrote it: it is an override.
    pub own: bool,
}

/// The catalogue that was compiled in.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: Catalogue = Catalogue { index: data::INDEX, version: data::VERSION };
    &CATALOGUE
}

impl Catalogue {
    /// The price of a model. `provider` is OpenTelemetry's spelling (`openai`, `gcp.gemini`,
    /// `aws.bedrock`) or a name of the sources; `model` is as it stood on the wire: a name, a dated
    /// snapshot, an alias, a fine-tune, with a region or path before it.
    pub fn find(&self, provider: &str, model: &str) -> Option<Found<'static>> {
        self.index.find(provider, model)
    }

    /// The price of a model that is named whole; no rules, no families of snapshots.
    pub(crate) fn find_whole(&self, provider: &str, model: &str) -> Option<Found<'static>> {
        self.index.find_whole(provider, model)
    }

    /// Whether the provider is one of ours, in any spelling.
    pub fn provider_known(&self, provider: &str) -> bool {
        self.index.place(provider).is_some()
    }

    /// A digest of all data of the catalogue, 32 hexadecimal digits.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// How many models there are.
    pub fn len(&self) -> usize {
        self.index.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.entries.is_empty()
    }

    /// How many bytes of static data the tables take. They hold numbers alone, so it is the same on every platform.
    pub fn size_bytes(&self) -> usize {
        let (index, tables) = (&self.index, &self.index.tables);
        let own = [
            size_of_val(index.providers),
            size_of_val(index.spellings),
            size_of_val(index.fallbacks),
            size_of_val(index.entries),
            size_of_val(index.names),
            size_of_val(index.rules),
        ];
        let of_cards = [
            tables.text.len(),
            size_of_val(tables.rates),
            size_of_val(tables.factors),
            size_of_val(tables.tiers),
            size_of_val(tables.rows),
            size_of_val(tables.facts),
            size_of_val(tables.whens),
            size_of_val(tables.sections),
            size_of_val(tables.cards),
        ];
        own.into_iter().chain(of_cards).sum()
    }

    /// The canonical names of all models, with their providers.
    pub fn models(&self) -> impl Iterator<Item = Found<'static>> + '_ {
        self.index.owned().map(|(provider, entry)| self.index.found(provider, entry))
    }
}

impl<'a> Index<'a> {
    /// The price of a model, by ever looser readings of its name.
    pub(crate) fn find(&self, provider: &str, model: &str) -> Option<Found<'a>> {
        let (place, model) = self.seller(provider, model)?;
        self.search(place, model).map(|(provider, entry)| self.found(provider, entry))
    }

    /// The price of a model that is named whole.
    pub(crate) fn find_whole(&self, provider: &str, model: &str) -> Option<Found<'a>> {
        let (place, model) = self.seller(provider, model)?;
        self.search_whole(place, model).map(|(provider, entry)| self.found(provider, entry))
    }

    /// Hugging Face's router has no prices of its own; `model:groq` is sold by `huggingface_groq`.
    fn seller<'m>(&self, provider: &str, model: &'m str) -> Option<(u16, &'m str)> {
        if let Some(place) = self.place(provider) {
            return Some((place, model));
        }
        let (model, seller) = model.rsplit_once(':')?;
        Some((self.place(&format!("{provider}_{seller}"))?, model))
    }

    fn found(&self, provider: &Provider, entry: &Entry) -> Found<'a> {
        Found {
            name: self.tables.text(entry.name),
            provider: self.tables.text(provider.name),
            card: self.card(entry),
            retires_day: Some(entry.retires).filter(|day| *day > 0),
            own: false,
        }
    }

    /// The prices of an entry.
    pub(crate) fn card(&self, entry: &Entry) -> RateCard<'a> {
        let none = Card { first: 0, len: 0, terms: Terms::Priced };
        let card = self.tables.cards.get(usize::from(entry.card)).copied().unwrap_or(none);
        RateCard { tables: self.tables, card }
    }
}

/// The tables that `build.rs` made of `catalogue/*.json`.
mod data {
    use crate::index::{Entry, Fit, Index, Name, Provider, Rule};
    use crate::money::{Factor, Rate};
    use crate::tables::{Card, Effect, Fact, Row, Section, Span, Tables, Terms, When};
    use core::num::NonZeroU64;

    include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

    pub(super) const INDEX: Index<'static> = Index {
        tables: Tables {
            text: TEXT,
            rates: &RATES,
            factors: &FACTORS,
            tiers: &TIERS,
            rows: &ROWS,
            facts: &FACTS,
            whens: &WHENS,
            sections: &SECTIONS,
            cards: &CARDS,
        },
        providers: &PROVIDERS,
        spellings: &SPELLINGS,
        fallbacks: &FALLBACKS,
        entries: &ENTRIES,
        names: &NAMES,
        rules: &RULES,
    };

    const fn rate(pico: u64, per: u64) -> Rate {
        Rate::new(pico, nonzero(per))
    }

    const fn factor(up: u64, down: u64) -> Factor {
        Factor::new(up, nonzero(down))
    }

    /// The build has refused fractions over zero, so that the other arm is never taken.
    const fn nonzero(number: u64) -> NonZeroU64 {
        match NonZeroU64::new(number) {
            Some(number) => number,
            None => NonZeroU64::MIN,
        }
    }
}
