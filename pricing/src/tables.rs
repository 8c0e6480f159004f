//! Rate cards as flat tables of small numbers, so that the same rows can be static data of the
//! build or vectors made from a configuration.
//!
//! A card is a run of sections, a section is a run of rows under one condition. Rows, conditions
//! and texts are shared by all cards that need the same ones.

use crate::digest::Digest;
use crate::money::{Factor, Rate};
use core::ops::Range;

/// What a section does to the prices of its card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Effect {
    /// The whole price list. The last one in force counts; the first one if none is in force.
    List,
    /// Replaces single classes of the list. Of several in force the first counts, class by class.
    Variant,
    /// Multiplies all token prices.
    Uplift,
}

/// One rate: which class, above how many input tokens, and which rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    /// `Class::code`.
    pub class: u8,
    /// Place in `Tables::tiers` of the total input that must be exceeded.
    pub tier: u8,
    /// Place in `Tables::rates`.
    pub rate: u16,
}

/// Rows (or, for an uplift, the factor in place `first`) that count under one condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Section {
    pub effect: Effect,
    pub len: u8,
    /// Place in `Tables::whens`.
    pub when: u16,
    /// Place in `Tables::rows`, or in `Tables::factors`.
    pub first: u16,
}

/// `When::days` of what counts on every day.
pub(crate) const EVERY_DAY: u8 = 0x7f;

/// A condition: a period, a time of day, and facts about the call, all of which must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct When {
    /// In force from this Unix second on.
    pub from: i64,
    /// In force before this Unix second.
    pub until: i64,
    /// In force from this second of the UTC day on; with `day_until` before it, over midnight.
    pub day_from: u32,
    /// In force before this second of the UTC day. Both 0: all day.
    pub day_until: u32,
    /// In force on these days of the week (UTC): a bit for each, Monday's is the lowest.
    pub days: u8,
    /// Place in `Tables::facts`.
    pub first: u16,
    pub len: u8,
}

/// A fact that the call must show: `service_tier` is `flex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fact {
    pub dimension: u8,
    pub value: Span,
}

/// A piece of `Tables::text`, at most 255 bytes in the first 16 MiB: the place in the upper 24 bits,
/// the length in the lower 8. Half of the catalogue's size is spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Span(pub u32);

impl Span {
    /// None if the text lies too far back or is too long.
    pub fn new(start: usize, len: usize) -> Option<Span> {
        let start = u32::try_from(start).ok().filter(|start| *start < 1 << 24)?;
        let len = u8::try_from(len).ok()?;
        Some(Span(start << 8 | u32::from(len)))
    }

    const fn start(self) -> u32 {
        self.0 >> 8
    }

    const fn len(self) -> u32 {
        self.0 & 0xff
    }

    fn range(self) -> Range<usize> {
        let place = |number| usize::try_from(number).unwrap_or(usize::MAX);
        place(self.start())..place(self.start().saturating_add(self.len()))
    }
}

/// A run of sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Card {
    /// Place in `Tables::sections`.
    pub first: u16,
    pub len: u8,
    pub terms: Terms,
}

/// Whether a card takes money at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Terms {
    Priced,
    Free,
}

/// All that cards consist of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables<'a> {
    pub text: &'a str,
    pub rates: &'a [Rate],
    pub factors: &'a [Factor],
    pub tiers: &'a [u64],
    pub rows: &'a [Row],
    pub facts: &'a [Fact],
    pub whens: &'a [When],
    pub sections: &'a [Section],
    pub cards: &'a [Card],
}

/// The items `first .. first + len`; nothing if they are not all there.
pub(crate) fn run<T>(items: &[T], first: impl Into<usize>, len: impl Into<usize>) -> &[T] {
    let first = first.into();
    let end = first.checked_add(len.into());
    end.and_then(|end| items.get(first..end)).unwrap_or(&[])
}

impl<'a> Tables<'a> {
    /// The text of a span.
    pub fn text(&self, span: Span) -> &'a str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// The bytes of a span's text, which need no check where they are only compared.
    pub fn bytes(&self, span: Span) -> &'a [u8] {
        self.text.as_bytes().get(span.range()).unwrap_or_default()
    }

    pub fn sections_of(&self, card: Card) -> &'a [Section] {
        run(self.sections, card.first, card.len)
    }

    pub fn rows_of(&self, section: Section) -> &'a [Row] {
        run(self.rows, section.first, section.len)
    }

    pub fn facts_of(&self, when: &When) -> &'a [Fact] {
        run(self.facts, when.first, when.len)
    }

    /// Takes a section's condition into a digest.
    pub fn digest_when(&self, section: Section, digest: Digest) -> Digest {
        let Some(when) = self.whens.get(usize::from(section.when)) else { return digest };
        let period = [when.from.cast_unsigned(), when.until.cast_unsigned()];
        let hours = [when.day_from, when.day_until, u32::from(when.days)].map(u64::from);
        let digest = period.into_iter().chain(hours).fold(digest, Digest::number);
        self.facts_of(when).iter().fold(digest, |digest, fact| {
            digest.number(u64::from(fact.dimension)).field(self.bytes(fact.value))
        })
    }

    /// Takes a section's rates, or its factor, into a digest.
    pub fn digest_prices(&self, section: Section, digest: Digest) -> Digest {
        if section.effect == Effect::Uplift {
            let factor = self.factors.get(usize::from(section.first));
            return factor.map_or(digest, |factor| digest.number(factor.up()).number(factor.down().get()));
        }
        self.rows_of(section).iter().fold(digest, |digest, row| {
            let rate = self.rates.get(usize::from(row.rate)).copied().unwrap_or(Rate::ZERO);
            let above = self.tiers.get(usize::from(row.tier)).copied().unwrap_or(u64::MAX);
            let digest = digest.number(u64::from(row.class)).number(above);
            digest.number(rate.pico()).number(rate.per().get())
        })
    }
}
