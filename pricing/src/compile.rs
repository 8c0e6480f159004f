//! Files -> tables: checks every value and writes it down. The build makes the compiled-in catalogue with it, a filter
//! the prices that arrive while it runs.

use crate::assemble::{Assembly, OwnTables, Part};
use crate::class::Class;
use crate::date;
use crate::error::{CatalogueError, PriceError};
use crate::file::{Matches, Model, Prices, ProviderFile, Uplift};
use crate::index::{Entry, Fit, Index, Name, Provider, Rule};
use crate::money::{Factor, Rate};
use crate::tables::{Card, Effect, Span, Terms};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const DAY_S: i64 = 86_400;

/// A whole look-up on the heap.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnIndex {
    pub cards: OwnTables,
    pub providers: Vec<Provider>,
    pub spellings: Vec<Name>,
    pub fallbacks: Vec<u16>,
    pub entries: Vec<Entry>,
    pub names: Vec<Name>,
    pub rules: Vec<Rule>,
}

impl OwnIndex {
    pub fn view(&self) -> Index<'_> {
        Index {
            tables: self.cards.view(),
            providers: &self.providers,
            spellings: &self.spellings,
            fallbacks: &self.fallbacks,
            entries: &self.entries,
            names: &self.names,
            rules: &self.rules,
        }
    }
}

/// A catalogue in the making.
#[derive(Debug, Default)]
pub(crate) struct Compiler {
    assembly: Assembly,
    cards: BTreeMap<(u16, u8, bool), u16>,
    index: OwnIndex,
    spellings: BTreeMap<String, u16>,
    /// Which providers each provider falls back to, by name.
    fallbacks: Vec<Vec<String>>,
}

impl Compiler {
    /// Adds a provider's file.
    pub fn add(&mut self, file: &ProviderFile) -> Result<(), CatalogueError> {
        let number = count(self.index.providers.len(), "providers")?;
        for spelling in [&file.provider].into_iter().chain(&file.spellings) {
            if self.spellings.insert(spelling.clone(), number).is_some() {
                return Err(at("provider", PriceError::NamedTwice(spelling.as_str().into())));
            }
        }
        let mut names = BTreeMap::new();
        let first_rule = count(self.index.rules.len(), "rules")?;
        each("models", &file.models, |model| self.model(model, &mut names))?;
        let first_name = count(self.index.names.len(), "names")?;
        for (text, entry) in &names {
            let text = self.assembly.text(text)?;
            self.index.names.push(Name { text, entry: *entry });
        }
        let last_rule: u16 = count(self.index.rules.len(), "rules")?;
        self.index.providers.push(Provider {
            name: self.assembly.text(&file.provider)?,
            first_name,
            names: count(names.len(), "names")?,
            first_rule,
            rules: last_rule.saturating_sub(first_rule),
            first_fallback: 0,
            fallbacks: 0,
        });
        self.fallbacks.push(file.fallbacks.clone());
        Ok(())
    }

    /// The finished tables. `elsewhere` says whether a provider that no file is about is known in another catalogue.
    pub fn finish(mut self, elsewhere: impl Fn(&str) -> bool) -> Result<OwnIndex, CatalogueError> {
        let fallbacks = core::mem::take(&mut self.fallbacks);
        for (provider, others) in self.index.providers.iter_mut().zip(&fallbacks) {
            provider.first_fallback = count(self.index.fallbacks.len(), "fallbacks")?;
            for other in others {
                match self.spellings.get(other) {
                    Some(number) => self.index.fallbacks.push(*number),
                    None if elsewhere(other) => {}
                    None => return Err(at("fallbacks", PriceError::UnknownProvider(other.as_str().into()))),
                }
            }
            let after: u16 = count(self.index.fallbacks.len(), "fallbacks")?;
            provider.fallbacks = after.saturating_sub(provider.first_fallback);
        }
        for (name, entry) in &self.spellings {
            let text = self.assembly.text(name)?;
            self.index.spellings.push(Name { text, entry: *entry });
        }
        let cards = core::mem::take(&mut self.index.cards.cards);
        self.index.cards = OwnTables { cards, ..self.assembly.finish() };
        Ok(self.index)
    }

    fn model(&mut self, model: &Model, names: &mut BTreeMap<String, u16>) -> Result<(), CatalogueError> {
        let entry = count(self.index.entries.len(), "models")?;
        let card = self.card(model)?;
        let retires = retires(model).map_err(|why| at("retires", why))?;
        for name in [&model.name].into_iter().chain(&model.matches.equals) {
            let name = name.to_ascii_lowercase();
            if name.is_empty() || names.insert(name.clone(), entry).is_some() {
                return Err(at("name", PriceError::NamedTwice(name.into())));
            }
        }
        self.rules(&model.matches, entry).map_err(|why| at("matches", why))?;
        let name = self.assembly.text(&model.name)?;
        self.index.entries.push(Entry { name, card, retires });
        Ok(())
    }

    fn rules(&mut self, matches: &Matches, entry: u16) -> Result<(), PriceError> {
        let unless = match &matches.unless {
            Some(unless) => self.assembly.text(&unless.to_ascii_lowercase())?,
            None => Span::default(),
        };
        let all = [
            (Fit::Prefix, &matches.prefix),
            (Fit::Suffix, &matches.suffix),
            (Fit::Contains, &matches.contains),
            (Fit::Numbered, &matches.numbered),
            (Fit::Dated, &matches.dated),
        ];
        for (fit, text) in all.iter().flat_map(|(fit, texts)| texts.iter().map(|text| (*fit, text))) {
            // Every name begins and ends with nothing.
            if text.is_empty() {
                return Err(PriceError::Pattern("".into()));
            }
            let text = self.assembly.text(&text.to_ascii_lowercase())?;
            self.index.rules.push(Rule { fit, text, unless, entry });
        }
        Ok(())
    }

    fn card(&mut self, model: &Model) -> Result<u16, CatalogueError> {
        let mut parts = each("lists", &model.lists, |prices| part(Effect::List, prices))?;
        parts.extend(each("variants", &model.variants, |prices| part(Effect::Variant, prices))?);
        parts.extend(each("uplifts", &model.uplifts, uplift)?);
        let terms = if model.free { Terms::Free } else { Terms::Priced };
        let card = self.assembly.card(&parts, terms)?;
        self.place(card).map_err(CatalogueError::from)
    }

    /// The place of a card, written down once.
    fn place(&mut self, card: Card) -> Result<u16, PriceError> {
        let key = (card.first, card.len, card.terms == Terms::Free);
        if let Some(place) = self.cards.get(&key) {
            return Ok(*place);
        }
        let place = count(self.index.cards.cards.len(), "cards")?;
        self.index.cards.cards.push(card);
        self.cards.insert(key, place);
        Ok(place)
    }
}

fn retires(model: &Model) -> Result<u16, PriceError> {
    let Some(date) = &model.retires else { return Ok(0) };
    u16::try_from(date::day(date)?).map_err(|_| PriceError::Date(date.as_str().into()))
}

fn part(effect: Effect, prices: &Prices) -> Result<Part, CatalogueError> {
    let mut part = Part { effect, ..Part::default() };
    let start = |date: &String| date::day(date).map(|day| day.saturating_mul(DAY_S));
    let from = prices.from.as_ref().map_or(Ok(i64::MIN), start).map_err(|why| at("from", why))?;
    let until = prices.until.as_ref().map_or(Ok(i64::MAX), start).map_err(|why| at("until", why))?;
    part.period(from, until).map_err(|why| at("until", why))?;
    if let Some((from, until)) = &prices.daily {
        hours(&mut part, from, until).map_err(|why| at("daily", why))?;
    }
    if !prices.weekdays.is_empty() {
        part.days = days(&prices.weekdays).map_err(|why| at("weekdays", why))?;
    }
    facts(&mut part, &prices.when)?;
    for (key, price) in &prices.rates {
        part.rates.push(rate(key, price).map_err(|why| at(&format!("rates.{key}"), why))?);
    }
    Ok(part)
}

fn hours(part: &mut Part, from: &str, until: &str) -> Result<(), PriceError> {
    part.hours(date::second(from)?, date::second(until)?)
}

fn days(names: &[String]) -> Result<u8, PriceError> {
    names.iter().try_fold(0, |days, name| Ok(days | date::weekday(name)?))
}

fn facts(part: &mut Part, when: &BTreeMap<String, String>) -> Result<(), CatalogueError> {
    let mut facts = when.iter();
    facts.try_for_each(|(dimension, value)| part.fact(dimension, value)).map_err(|why| at("when", why))
}

fn uplift(uplift: &Uplift) -> Result<Part, CatalogueError> {
    let factor = Factor::from_decimal(&uplift.factor).map_err(|why| at("factor", why))?;
    let mut part = Part { effect: Effect::Uplift, factor: Some(factor), ..Part::default() };
    facts(&mut part, &uplift.when)?;
    Ok(part)
}

fn rate(key: &str, price: &str) -> Result<(Class, u64, Rate), PriceError> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| PriceError::Number(text.into()));
    let (class, above) = match key.split_once('>') {
        Some((class, above)) => (class, number(above)?),
        None => (key, 0),
    };
    let class = Class::from_name(class).ok_or_else(|| PriceError::UnknownClass(class.into()))?;
    let (usd, per) = match price.split_once('/') {
        Some((usd, per)) => (usd, number(per)?),
        None => (price, class.written_per()),
    };
    Ok((class, above, Rate::from_usd_per(usd, per)?))
}

/// Makes one thing of each item; an error says which item it was.
fn each<T, U>(
    field: &str,
    items: &[T],
    mut make: impl FnMut(&T) -> Result<U, CatalogueError>,
) -> Result<Vec<U>, CatalogueError> {
    // A loop weighs less in the plugin than what collects results, of which there would be one for each kind of item.
    let mut made = Vec::with_capacity(items.len());
    for (number, item) in items.iter().enumerate() {
        made.push(make(item).map_err(|error| error.within(&format!("{field}[{number}]")))?);
    }
    Ok(made)
}

fn at(path: &str, why: PriceError) -> CatalogueError {
    CatalogueError::from(why).within(path)
}

fn count<T: TryFrom<usize>>(number: usize, what: &str) -> Result<T, PriceError> {
    T::try_from(number).map_err(|_| PriceError::TooMany(what.into()))
}
