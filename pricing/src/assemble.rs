//! Writing rows: parts of cards go in, flat tables without repetitions come out. The build uses it
//! for the catalogue, the run time for users' own cards.

use crate::class::Class;
use crate::error::PriceError;
use crate::money::{Factor, Rate};
use crate::situation::DIMENSIONS;
use crate::tables::{Card, EVERY_DAY, Effect, Fact, Row, Section, Span, Tables, Terms, When};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const DAY_S: u32 = 86_400;

/// One section of a card before it is written down.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub effect: Effect,
    pub period: (i64, i64),
    pub hours: (u32, u32),
    /// A bit for each day of the week on which it counts.
    pub days: u8,
    pub facts: Vec<(u8, String)>,
    pub rates: Vec<(Class, u64, Rate)>,
    pub factor: Option<Factor>,
}

impl Default for Part {
    fn default() -> Part {
        Part {
            effect: Effect::List,
            period: (i64::MIN, i64::MAX),
            hours: (0, 0),
            days: EVERY_DAY,
            facts: Vec::new(),
            rates: Vec::new(),
            factor: None,
        }
    }
}

impl Part {
    pub fn fact(&mut self, dimension: &str, value: &str) -> Result<(), PriceError> {
        let place = DIMENSIONS.iter().position(|name| *name == dimension);
        let number = place.and_then(|place| u8::try_from(place).ok());
        let number = number.ok_or_else(|| PriceError::UnknownDimension(dimension.into()))?;
        self.facts.push((number, value.into()));
        Ok(())
    }

    pub fn period(&mut self, from: i64, until: i64) -> Result<(), PriceError> {
        if from >= until {
            return Err(PriceError::Period(format!("{from} to {until}").into()));
        }
        self.period = (from, until);
        Ok(())
    }

    pub fn hours(&mut self, from: u32, until: u32) -> Result<(), PriceError> {
        if from >= DAY_S || until > DAY_S {
            return Err(PriceError::Period(format!("{from} to {until}").into()));
        }
        self.hours = (from, until);
        Ok(())
    }
}

/// Tables on the heap.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnTables {
    pub text: String,
    pub rates: Vec<Rate>,
    pub factors: Vec<Factor>,
    pub tiers: Vec<u64>,
    pub rows: Vec<Row>,
    pub facts: Vec<Fact>,
    pub whens: Vec<When>,
    pub sections: Vec<Section>,
    pub cards: Vec<Card>,
}

impl OwnTables {
    pub fn view(&self) -> Tables<'_> {
        Tables {
            text: &self.text,
            rates: &self.rates,
            factors: &self.factors,
            tiers: &self.tiers,
            rows: &self.rows,
            facts: &self.facts,
            whens: &self.whens,
            sections: &self.sections,
            cards: &self.cards,
        }
    }
}

/// Tables in the making, with what was written before, so that nothing is written twice.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    tables: OwnTables,
    texts: BTreeMap<String, Span>,
    rates: BTreeMap<(u64, u64), u16>,
    rows: BTreeMap<Vec<(u8, u8, u16)>, u16>,
    sections: BTreeMap<Vec<(u8, u16, u16, u8)>, u16>,
}

impl Assembly {
    /// Writes a card down and answers its row.
    pub fn card(&mut self, parts: &[Part], terms: Terms) -> Result<Card, PriceError> {
        let sections = parts.iter().map(|part| self.section(part)).collect::<Result<Vec<_>, _>>()?;
        let key = sections.iter().map(|s| (s.effect as u8, s.when, s.first, s.len)).collect();
        let first = match self.sections.get(&key) {
            Some(first) => *first,
            None => {
                let first = place(self.tables.sections.len(), "sections")?;
                self.tables.sections.extend(&sections);
                self.sections.insert(key, first);
                first
            }
        };
        Ok(Card { first, len: place(sections.len(), "sections of a card")?, terms })
    }

    pub fn finish(self) -> OwnTables {
        self.tables
    }

    /// Writes a text down once. A text that ends with another one (`openai/gpt-4o`) serves both if
    /// it came first.
    pub fn text(&mut self, text: &str) -> Result<Span, PriceError> {
        if let Some(span) = self.texts.get(text) {
            return Ok(*span);
        }
        let too_long = || PriceError::TooMany(format!("text: `{text}`").into());
        let start = self.tables.text.len();
        self.tables.text.push_str(text);
        for (skipped, _) in text.char_indices().filter(|(at, _)| starts_name(text, *at)) {
            let tail = text.get(skipped..).ok_or_else(too_long)?;
            let start = start.checked_add(skipped).ok_or_else(too_long)?;
            let span = Span::new(start, tail.len()).ok_or_else(too_long)?;
            self.texts.entry(tail.into()).or_insert(span);
        }
        Span::new(start, text.len()).ok_or_else(too_long)
    }

    fn section(&mut self, part: &Part) -> Result<Section, PriceError> {
        let when = self.when(part)?;
        let (first, len) = match part.factor {
            Some(factor) => (self.factor(factor)?, 1),
            None => self.rows(part)?,
        };
        Ok(Section { effect: part.effect, len, when, first })
    }

    fn when(&mut self, part: &Part) -> Result<u16, PriceError> {
        let facts = part.facts.iter().map(|(dimension, value)| {
            let value = self.text(value)?;
            Ok(Fact { dimension: *dimension, value })
        });
        let facts = facts.collect::<Result<Vec<_>, PriceError>>()?;
        let first = intern_run(&mut self.tables.facts, &facts, "facts")?;
        let when = When {
            from: part.period.0,
            until: part.period.1,
            day_from: part.hours.0,
            day_until: part.hours.1,
            days: part.days,
            first,
            len: place(facts.len(), "facts")?,
        };
        intern(&mut self.tables.whens, when, "conditions")
    }

    fn factor(&mut self, factor: Factor) -> Result<u16, PriceError> {
        intern(&mut self.tables.factors, factor, "factors")
    }

    fn rows(&mut self, part: &Part) -> Result<(u16, u8), PriceError> {
        let mut sorted = part.rates.clone();
        sorted.sort_by_key(|(class, above, _)| (class.code(), *above));
        let twice = sorted.iter().zip(sorted.iter().skip(1)).find(|(a, b)| (a.0, a.1) == (b.0, b.1));
        if let Some(((class, above, _), _)) = twice {
            return Err(PriceError::Duplicate(format!("{} above {above}", class.name()).into()));
        }
        let rows = sorted.into_iter().map(|(class, above, rate)| {
            let tier = place(usize::from(intern(&mut self.tables.tiers, above, "tiers")?), "tiers")?;
            Ok(Row { class: class.code(), tier, rate: self.rate(rate)? })
        });
        let rows = rows.collect::<Result<Vec<_>, PriceError>>()?;
        Ok((self.rows_once(&rows)?, place(rows.len(), "rows of a section")?))
    }

    fn rows_once(&mut self, rows: &[Row]) -> Result<u16, PriceError> {
        let key = rows.iter().map(|row| (row.class, row.tier, row.rate)).collect();
        if let Some(first) = self.rows.get(&key) {
            return Ok(*first);
        }
        let first = place(self.tables.rows.len(), "rows")?;
        self.tables.rows.extend(rows);
        self.rows.insert(key, first);
        Ok(first)
    }

    fn rate(&mut self, rate: Rate) -> Result<u16, PriceError> {
        let key = (rate.pico(), rate.per().get());
        if let Some(known) = self.rates.get(&key) {
            return Ok(*known);
        }
        let number = place(self.tables.rates.len(), "rates")?;
        self.tables.rates.push(rate);
        self.rates.insert(key, number);
        Ok(number)
    }
}

fn starts_name(text: &str, at: usize) -> bool {
    at == 0 || text.get(..at).is_some_and(|before| before.ends_with(['/', '.']))
}

fn place<T: TryFrom<usize>>(number: usize, what: &str) -> Result<T, PriceError> {
    T::try_from(number).map_err(|_| PriceError::TooMany(what.into()))
}

fn intern<T: PartialEq>(known: &mut Vec<T>, item: T, what: &str) -> Result<u16, PriceError> {
    let number = known.iter().position(|other| *other == item).unwrap_or(known.len());
    if number == known.len() {
        known.push(item);
    }
    place(number, what)
}

fn intern_run<T: PartialEq + Copy>(known: &mut Vec<T>, items: &[T], what: &str) -> Result<u16, PriceError> {
    if items.is_empty() {
        return Ok(0);
    }
    let number = known.windows(items.len()).position(|run| run == items).unwrap_or(known.len());
    if number == known.len() {
        known.extend(items);
    }
    place(number, what)
}
