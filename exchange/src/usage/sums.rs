//! What calls came to, added up.

use crate::settle::Settled;
use tollgate_pricing::{PicoUsd, TokenKind};
use tollgate_record::{Action, CostStatus, Waste};

/// What calls came to. Counts are of what is known: `unpriced` says how many calls have more to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    /// LLM calls, refused ones too.
    pub calls: u64,
    /// Of these, refused by a rule.
    pub denied: u64,
    /// Of these, with a cost that is not known, or not all of it.
    pub unpriced: u64,
    /// Tokens, what came out of a cache included.
    pub input: u64,
    /// Of these, read from the provider's cache.
    pub cache_read: u64,
    /// Tokens, hidden thinking included.
    pub output: u64,
    /// What is known of the cost.
    pub cost: PicoUsd,
}

impl Sums {
    /// Of one settled call.
    pub(crate) fn of(settled: &Settled) -> Self {
        let record = &settled.record;
        let status = record.cost.status;
        let unpriced =
            matches!(status, CostStatus::NoUsage | CostStatus::UnknownModel | CostStatus::Unpriced);
        Self {
            calls: 1,
            denied: u64::from(record.decision.action() == Action::Deny),
            unpriced: u64::from(unpriced),
            input: record.tokens.input.unwrap_or_default(),
            cache_read: settled.counts.tokens.get(TokenKind::CacheRead),
            output: record.tokens.output.unwrap_or_default(),
            cost: record.cost.usd.unwrap_or(PicoUsd::ZERO),
        }
    }

    /// Of what was wasted of a call.
    pub(crate) fn of_waste(waste: &Waste) -> Self {
        Self {
            calls: 1,
            unpriced: u64::from(waste.usd.is_none()),
            input: waste.tokens.unwrap_or_default(),
            cost: waste.usd.unwrap_or(PicoUsd::ZERO),
            ..Self::default()
        }
    }

    /// Both together; `None` if a sum does not fit.
    fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            calls: self.calls.checked_add(other.calls)?,
            denied: self.denied.checked_add(other.denied)?,
            unpriced: self.unpriced.checked_add(other.unpriced)?,
            input: self.input.checked_add(other.input)?,
            cache_read: self.cache_read.checked_add(other.cache_read)?,
            output: self.output.checked_add(other.output)?,
            cost: self.cost.checked_add(other.cost)?,
        })
    }

    /// Both together; what does not fit, which is past any proxy's life, stays out.
    pub(crate) fn plus_known(self, other: Self) -> Self {
        self.plus(other).unwrap_or(self)
    }

    /// The counts in the order in which they are stored.
    pub(super) const fn counts(&self) -> [u64; 6] {
        [self.calls, self.denied, self.unpriced, self.input, self.cache_read, self.output]
    }

    /// From counts in that order.
    pub(super) const fn from_counts(counts: [u64; 6], cost: PicoUsd) -> Self {
        let [calls, denied, unpriced, input, cache_read, output] = counts;
        Self { calls, denied, unpriced, input, cache_read, output, cost }
    }
}
