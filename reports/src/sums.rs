//! Sums over calls. What does not fit is said, and what is not known is counted apart: never as zero.

use tollgate_pricing::PicoUsd;
use tollgate_record::CostStatus;

use crate::row::Row;

/// Something that adds up calls.
pub trait Sum: Default {
    /// Adds a call.
    fn add(&mut self, row: &Row<'_>);
    /// Adds what another one added up.
    fn merge(&mut self, other: &Self);
}

/// A sum of money that remembers whether it left the range of the exact integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    sum: PicoUsd,
    too_large: bool,
}

impl Money {
    /// Adds an amount.
    pub fn add(&mut self, amount: PicoUsd) {
        match self.sum.checked_add(amount) {
            Some(sum) => self.sum = sum,
            None => self.too_large = true,
        }
    }

    /// The sum; `None` if it did not fit.
    pub fn get(self) -> Option<PicoUsd> {
        (!self.too_large).then_some(self.sum)
    }

    /// The sum, which is the part that fitted where not all did.
    pub fn amount(self) -> PicoUsd {
        self.sum
    }

    /// Adds another sum.
    pub(crate) fn merge(&mut self, other: Self) {
        self.add(other.sum);
        self.too_large |= other.too_large;
    }
}

/// What calls used and cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// All calls, refused ones too.
    pub calls: u64,
    /// Refused before they were sent.
    pub refused: u64,
    /// Sent, and nobody knows what they cost.
    pub unknown: u64,
    /// Sent, and nobody knows what they used.
    pub uncounted: u64,
    /// What the others cost.
    pub cost: Money,
    /// What reads from caches would have cost more as plain input.
    pub saved: Money,
    /// All input tokens.
    pub input: u128,
    /// Those that were read from a cache.
    pub cache_read: u128,
    /// Those that were written to one.
    pub cache_write: u128,
    /// All output tokens.
    pub output: u128,
    /// Those that were reasoning.
    pub reasoning: u128,
}

impl Sum for Sums {
    fn add(&mut self, row: &Row<'_>) {
        let one = |yes: bool| u64::from(yes);
        let sent = row.status != CostStatus::NotSent;
        self.calls = self.calls.saturating_add(1);
        self.refused = self.refused.saturating_add(one(!sent));
        self.unknown = self.unknown.saturating_add(one(row.cost_is_unknown()));
        let counted = row.tokens.input.is_some() || row.tokens.output.is_some() || !row.units.is_empty();
        let billed = sent && row.status != CostStatus::NotBilled;
        self.uncounted = self.uncounted.saturating_add(one(billed && !counted));
        row.usd.into_iter().for_each(|usd| self.cost.add(usd));
        row.saved_by_cache.into_iter().for_each(|usd| self.saved.add(usd));
        for (sum, count) in [
            (&mut self.input, row.tokens.input),
            (&mut self.cache_read, row.tokens.cache_read),
            (&mut self.cache_write, row.tokens.cache_creation),
            (&mut self.output, row.tokens.output),
            (&mut self.reasoning, row.tokens.reasoning),
        ] {
            // 2^64 counts of 2^64 each fit.
            *sum = sum.saturating_add(count.map_or(0, u128::from));
        }
    }

    fn merge(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.calls, other.calls),
            (&mut self.refused, other.refused),
            (&mut self.unknown, other.unknown),
            (&mut self.uncounted, other.uncounted),
        ] {
            *sum = sum.saturating_add(more);
        }
        for (sum, more) in [
            (&mut self.input, other.input),
            (&mut self.cache_read, other.cache_read),
            (&mut self.cache_write, other.cache_write),
            (&mut self.output, other.output),
            (&mut self.reasoning, other.reasoning),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.cost.merge(other.cost);
        self.saved.merge(other.saved);
    }
}

impl Sums {
    /// The sum of several.
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        all.into_iter().fold(Self::default(), |mut sum, one| {
            sum.merge(one);
            sum
        })
    }
}
