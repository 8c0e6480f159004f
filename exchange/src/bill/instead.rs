//! What a call would have cost with other tokens.

use super::{Pricing, find};
use crate::exchange::Exchange;
use tollgate_pricing::{Factor, PicoUsd, TokenCounts, Usage, quote};
use tollgate_wire::Reported;

impl Exchange {
    /// What the call would have cost with these tokens instead of its own, after adjustments. `None` if something of it has no
    /// price, or an amount does not fit.
    #[cold]
    #[inline(never)]
    pub(crate) fn cost_with(&self, reported: &Reported, tokens: TokenCounts) -> Option<PicoUsd> {
        let found = find(self, reported.model.as_deref())?;
        let adjustments = self.rules.adjustments(&self.facts());
        let factors: Vec<Factor> = adjustments.iter().map(|adjustment| adjustment.factor).collect();
        let pricing = Pricing { exchange: self, reported, factors: &factors };
        let usage = Usage { tokens, units: reported.usage.as_ref()?.units };
        let quote = quote(&found.entry.card, &usage, &pricing.situation(), &factors).ok()?;
        quote.unpriced.is_empty().then_some(quote.total)
    }
}
