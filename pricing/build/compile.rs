//! Files -> tables: checks every value and writes it down.

use crate::assemble::{Assembly, OwnTables, Part};
use crate::class::Class;
use crate::date;
use crate::file::{Matches, Model, Prices, ProviderFile, Uplift};
use crate::index::{Entry, Fit, Name, Provider, Rule};
use crate::money::{Factor, Rate};
use crate::tables::{Card, Effect, Span, Terms};
use std::collections::BTreeMap;

const DAY_S: i64 = 86_400;

/// All tables of the catalogue.
#[derive(Default)]
pub struct Tables {
    pub cards: OwnTables,
    pub providers: Vec<Provider>,
    pub spellings: Vec<Name>,
    pub fallbacks: Vec<u16>,
    pub entries: Vec<Entry>,
    pub names: Vec<Name>,
    pub rules: Vec<Rule>,
}

/// The catalogue in the making.
#[derive(Default)]
pub struct Catalogue {
    assembly: Assembly,
    cards: Vec<Card>,
    tables: Tables,
    spellings: BTreeMap<String, u16>,
    /// Which providers each provider falls back to, by name.
    fallbacks: Vec<Vec<String>>,
}

impl Catalogue {
    /// Adds a provider's file.
    pub fn add(&mut self, file: &ProviderFile) -> Result<(), String> {
        let number = count(self.tables.providers.len())?;
        for spelling in [&file.provider].into_iter().chain(&file.spellings) {
            if self.spellings.insert(spelling.clone(), number).is_some() {
                return Err(format!("provider named twice: `{spelling}`"));
            }
        }
        let mut names = BTreeMap::new();
        let first_rule = count(self.tables.rules.len())?;
        for model in &file.models {
            self.model(model, &mut names).map_err(|why| format!("model `{}`: {why}", model.name))?;
        }
        let first_name = count(self.tables.names.len())?;
        for (text, entry) in &names {
            let text = self.text(text)?;
            self.tables.names.push(Name { text, entry: *entry });
        }
        let name = self.text(&file.provider)?;
        self.tables.providers.push(Provider {
            name,
            first_name,
            names: count(names.len())?,
            first_rule,
            rules: since(self.tables.rules.len(), first_rule)?,
            first_fallback: 0,
            fallbacks: 0,
        });
        self.fallbacks.push(file.fallbacks.clone());
        Ok(())
    }

    /// The finished tables.
    pub fn finish(mut self) -> Result<Tables, String> {
        let fallbacks = core::mem::take(&mut self.fallbacks);
        for (provider, others) in self.tables.providers.iter_mut().zip(&fallbacks) {
            provider.first_fallback = count(self.tables.fallbacks.len())?;
            provider.fallbacks = count(others.len())?;
            for other in others {
                let number = self.spellings.get(other).ok_or_else(|| format!("no provider `{other}`"))?;
                self.tables.fallbacks.push(*number);
            }
        }
        let spellings = core::mem::take(&mut self.spellings);
        for (name, entry) in &spellings {
            let text = self.text(name)?;
            self.tables.spellings.push(Name { text, entry: *entry });
        }
        self.tables.cards = OwnTables { cards: self.cards, ..self.assembly.finish() };
        Ok(self.tables)
    }

    fn model(&mut self, model: &Model, names: &mut BTreeMap<String, u16>) -> Result<(), String> {
        let entry = count(self.tables.entries.len())?;
        let card = self.card(model)?;
        let retires = model.retires.as_deref().map_or(Ok(0), date::day)?;
        let retires = u16::try_from(retires).map_err(|_| "retires too late".to_string())?;
        for name in [&model.name].into_iter().chain(&model.matches.equals) {
            let name = name.to_ascii_lowercase();
            if let Some(other) = names.insert(name.clone(), entry) {
                return Err(format!("`{name}` is also a name of entry {other}"));
            }
        }
        self.rules(&model.matches, entry)?;
        let name = self.text(&model.name)?;
        self.tables.entries.push(Entry { name, card, retires });
        Ok(())
    }

    fn rules(&mut self, matches: &Matches, entry: u16) -> Result<(), String> {
        let unless = match &matches.unless {
            Some(unless) => self.text(&unless.to_ascii_lowercase())?,
            None => Span::default(),
        };
        let all = [
            (Fit::Prefix, &matches.prefix),
            (Fit::Suffix, &matches.suffix),
            (Fit::Contains, &matches.contains),
            (Fit::Numbered, &matches.numbered),
            (Fit::Dated, &matches.dated),
        ];
        for (fit, texts) in all {
            for text in texts {
                let text = self.text(&text.to_ascii_lowercase())?;
                self.tables.rules.push(Rule { fit, text, unless, entry });
            }
        }
        Ok(())
    }

    fn card(&mut self, model: &Model) -> Result<u16, String> {
        let lists = model.lists.iter().map(|prices| part(Effect::List, prices));
        let variants = model.variants.iter().map(|prices| part(Effect::Variant, prices));
        let uplifts = model.uplifts.iter().map(uplift);
        let parts = lists.chain(variants).chain(uplifts).collect::<Result<Vec<_>, _>>()?;
        let terms = if model.free { Terms::Free } else { Terms::Priced };
        let card = self.assembly.card(&parts, terms).map_err(|error| error.to_string())?;
        let number = self.cards.iter().position(|known| *known == card).unwrap_or(self.cards.len());
        if number == self.cards.len() {
            self.cards.push(card);
        }
        count(number)
    }

    fn text(&mut self, text: &str) -> Result<Span, String> {
        self.assembly.text(text).map_err(|error| error.to_string())
    }
}

fn part(effect: Effect, prices: &Prices) -> Result<Part, String> {
    let mut part = Part { effect, ..Part::default() };
    let start = |date: &String| date::day(date).map(|day| day.saturating_mul(DAY_S));
    let from = prices.from.as_ref().map_or(Ok(i64::MIN), start)?;
    let until = prices.until.as_ref().map_or(Ok(i64::MAX), start)?;
    part.period(from, until).map_err(|error| error.to_string())?;
    if let Some((from, until)) = &prices.daily {
        part.hours(date::second(from)?, date::second(until)?).map_err(|error| error.to_string())?;
    }
    for (dimension, value) in &prices.when {
        part.fact(dimension, value).map_err(|error| error.to_string())?;
    }
    for (key, price) in &prices.rates {
        part.rates.push(rate(key, price).map_err(|why| format!("`{key}`: {why}"))?);
    }
    Ok(part)
}

fn uplift(uplift: &Uplift) -> Result<Part, String> {
    let prices = Prices { when: uplift.when.clone(), ..Prices::default() };
    let factor = Factor::from_decimal(&uplift.factor).map_err(|error| error.to_string())?;
    Ok(Part { factor: Some(factor), ..part(Effect::Uplift, &prices)? })
}

fn rate(key: &str, price: &str) -> Result<(Class, u64, Rate), String> {
    let (class, above) = match key.split_once('>') {
        Some((class, above)) => (class, above.parse().map_err(|_| format!("not a number: `{above}`"))?),
        None => (key, 0),
    };
    let class = Class::from_name(class).ok_or_else(|| format!("unknown class `{class}`"))?;
    let (usd, per) = match price.split_once('/') {
        Some((usd, per)) => (usd, per.parse().map_err(|_| format!("not a number: `{per}`"))?),
        None => (price, class.written_per()),
    };
    Ok((class, above, Rate::from_usd_per(usd, per).map_err(|error| error.to_string())?))
}

fn count(number: usize) -> Result<u16, String> {
    u16::try_from(number).map_err(|_| format!("more than {} parts", u16::MAX))
}

fn since(number: usize, first: u16) -> Result<u16, String> {
    count(number)?.checked_sub(first).ok_or_else(|| "parts went away".to_string())
}
