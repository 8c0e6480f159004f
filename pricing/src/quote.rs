//! Usage x rate card -> exact money, line by line.

use crate::card::RateCard;
use crate::class::Class;
use crate::error::QuoteError;
use crate::money::{Exact, Factor, PicoUsd, Rate};
use crate::situation::Situation;
use crate::tables::{Effect, Row, Section, Tables};
use crate::tokens::{TokenCounts, TokenKind};
use crate::units::{Quantity, UnitKind, Units};
use alloc::vec::Vec;

/// What a call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens, in disjoint classes.
    pub tokens: TokenCounts,
    /// Everything else.
    pub units: Units,
}

/// The price of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quote {
    /// The sum of the lines' amounts.
    pub total: PicoUsd,
    /// The sum of the lines' list prices.
    pub list: PicoUsd,
    /// One line for each rate that applied.
    pub lines: Vec<Line>,
    /// Classes that were used and have no rate: if there are any, the total is not the whole price.
    pub unpriced: Vec<&'static str>,
}

/// What one rate makes of the counts that are billed at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The class whose rate applied: `input`, `cache_read`, `output`, `web_search`.
    pub name: &'static str,
    /// At list price, rounded once.
    pub list: PicoUsd,
    /// After all adjustments, rounded once.
    pub amount: PicoUsd,
}

/// Prices a usage. Each line is rounded once, half to even, to one pico-dollar; the totals are the
/// sums of the lines. `adjustments` multiply every line, in order.
///
/// # Errors
/// An amount that leaves the range of the exact integers.
pub fn quote(
    card: &RateCard<'_>,
    usage: &Usage,
    situation: &Situation<'_>,
    adjustments: &[Factor],
) -> Result<Quote, QuoteError> {
    if card.is_free() {
        return Ok(Quote::default());
    }
    let all = usage.tokens.input_total().ok_or(QuoteError::Overflow("input"))?;
    let input = situation.prompt_tokens.unwrap_or(all);
    let prices = InForce::of(card, situation, input);
    let mut bill = Bill { prices, adjustments, quote: Quote::default() };
    bill.tokens(usage)?;
    bill.units(&usage.units)?;
    bill.sum()
}

/// Places for the number of every class (`Class::code`).
const PLACES: usize = 64;
const NO_RATE: u16 = u16::MAX;

/// The rates and uplifts that count in one situation.
struct InForce<'a> {
    tables: Tables<'a>,
    /// For each class the place of its rate, or `NO_RATE`.
    rates: [u16; PLACES],
    uplifts: Vec<Factor>,
}

impl<'a> InForce<'a> {
    fn of(card: &RateCard<'a>, situation: &Situation<'_>, input: u64) -> InForce<'a> {
        let mut prices = InForce { tables: card.tables, rates: [NO_RATE; PLACES], uplifts: Vec::new() };
        let sections = card.tables.sections_of(card.card);
        let lists = || sections.iter().filter(|section| section.effect == Effect::List);
        let list = lists().rfind(|section| situation.meets(&card.tables, **section)).or(lists().next());
        // Of several variants the first one counts, so they are laid over the list last to first.
        let variants = sections
            .iter()
            .rev()
            .filter(|section| section.effect == Effect::Variant && situation.meets(&card.tables, **section));
        list.into_iter().chain(variants).for_each(|section| prices.lay(*section, input));
        prices.uplifts = card.uplifts(situation).collect();
        prices
    }

    /// Lays a section's rates over those that are there. A class that the section names takes no
    /// tier from below, so that a flat rate of a variant replaces all tiers of the list.
    fn lay(&mut self, section: Section, input: u64) {
        let rows = self.tables.rows_of(section);
        for row in rows {
            let reached = self.tables.tiers.get(usize::from(row.tier)).is_some_and(|start| input > *start);
            if is_base(self.tables, row) || reached {
                self.put(row);
            }
        }
    }

    fn put(&mut self, row: &Row) {
        if let Some(place) = self.rates.get_mut(usize::from(row.class)) {
            *place = row.rate;
        }
    }

    fn rate(&self, class: Class) -> Option<Rate> {
        let place = self.rates.get(usize::from(class.code())).filter(|place| **place != NO_RATE)?;
        self.tables.rates.get(usize::from(*place)).copied()
    }
}

/// A rate above 0 input tokens is the one from the start, also for a call without input.
fn is_base(tables: Tables<'_>, row: &Row) -> bool {
    tables.tiers.get(usize::from(row.tier)) == Some(&0)
}

impl<'a> RateCard<'a> {
    fn uplifts(&self, situation: &Situation<'_>) -> impl Iterator<Item = Factor> {
        let sections = self.tables.sections_of(self.card).iter();
        let uplifts = sections.filter(|section| section.effect == Effect::Uplift);
        let in_force = uplifts.filter(|section| situation.meets(&self.tables, **section));
        in_force.filter_map(|section| self.tables.factors.get(usize::from(section.first)).copied())
    }
}

struct Bill<'a> {
    prices: InForce<'a>,
    adjustments: &'a [Factor],
    quote: Quote,
}

impl Bill<'_> {
    fn tokens(&mut self, usage: &Usage) -> Result<(), QuoteError> {
        let mut billed = TokenCounts::default();
        for (kind, count) in usage.tokens.iter() {
            if kind == TokenKind::InputAudio && self.bills_audio_by_the_second(&usage.units) {
                continue;
            }
            let priced =
                kind.billed_as().iter().find(|kind| self.prices.rate(Class::Token(**kind)).is_some());
            match priced {
                Some(class) => billed.add(*class, count).ok_or(QuoteError::Overflow(class.name()))?,
                None => self.quote.unpriced.push(kind.name()),
            }
        }
        billed.iter().try_for_each(|(kind, count)| self.token_line(kind, count))
    }

    /// Mistral counts audio in tokens, too, and bills its seconds alone.
    #[cold]
    fn bills_audio_by_the_second(&self, units: &Units) -> bool {
        let seconds = units.get(UnitKind::AudioSeconds).is_some_and(|seconds| seconds.micros() > 0);
        let rate = |class| self.prices.rate(class);
        seconds
            && rate(Class::Token(TokenKind::InputAudio)).is_none()
            && rate(Class::Unit(UnitKind::AudioSeconds)).is_some()
    }

    fn token_line(&mut self, kind: TokenKind, count: u64) -> Result<(), QuoteError> {
        let Some(rate) = self.prices.rate(Class::Token(kind)) else { return Ok(()) };
        let mut uplifts = self.prices.uplifts.iter();
        let exact = uplifts.try_fold(Exact::of(count, rate), |exact, factor| exact.times(*factor));
        self.line(kind.name(), exact)
    }

    fn units(&mut self, units: &Units) -> Result<(), QuoteError> {
        let tokens_priced = !self.quote.lines.is_empty();
        self.requests(units)?;
        let others = units.iter().filter(|(kind, _)| *kind != UnitKind::Requests);
        for (kind, quantity) in others.filter(|(_, quantity)| quantity.micros() > 0) {
            let rate = kind
                .billed_as()
                .iter()
                .find_map(|kind| Some((kind.name(), self.prices.rate(Class::Unit(*kind))?)));
            match rate {
                Some((name, rate)) => self.unit_line(name, quantity, rate)?,
                None if tokens_priced && kind.measures_content() => {}
                None => self.quote.unpriced.push(kind.name()),
            }
        }
        Ok(())
    }

    /// A call is one request unless the usage says otherwise; most cards do not price requests.
    fn requests(&mut self, units: &Units) -> Result<(), QuoteError> {
        let Some(rate) = self.prices.rate(Class::Unit(UnitKind::Requests)) else { return Ok(()) };
        let quantity = units.get(UnitKind::Requests).or(Quantity::from_whole(1));
        let quantity = quantity.ok_or(QuoteError::Overflow("requests"))?;
        self.unit_line(UnitKind::Requests.name(), quantity, rate)
    }

    fn unit_line(&mut self, name: &'static str, quantity: Quantity, rate: Rate) -> Result<(), QuoteError> {
        self.line(name, Some(Exact::of_micros(quantity.micros(), rate)))
    }

    fn line(&mut self, name: &'static str, list: Option<Exact>) -> Result<(), QuoteError> {
        let overflow = QuoteError::Overflow(name);
        let exact = list.ok_or(overflow)?;
        let adjusted = self.adjustments.iter().try_fold(exact, |exact, factor| exact.times(*factor));
        let list = exact.round().ok_or(overflow)?;
        let amount = adjusted.and_then(Exact::round).ok_or(overflow)?;
        self.quote.lines.push(Line { name, list, amount });
        Ok(())
    }

    fn sum(mut self) -> Result<Quote, QuoteError> {
        let overflow = QuoteError::Overflow("total");
        let lines = &self.quote.lines;
        self.quote.total = PicoUsd::try_sum(lines.iter().map(|line| line.amount)).ok_or(overflow)?;
        self.quote.list = PicoUsd::try_sum(lines.iter().map(|line| line.list)).ok_or(overflow)?;
        Ok(self.quote)
    }
}
