//! What a call would have cost with other tokens.

use super::{Found, Pricing, find};
use crate::exchange::Exchange;
use tollgate_policy::Facts;
use tollgate_pricing::{Factor, PicoUsd, TokenCounts, TokenKind, Usage, quote};
use tollgate_wire::Reported;

impl Exchange {
    /// What the call would have cost with these tokens instead of its own, after adjustments. `None` if something of it has no
    /// price, or an amount does not fit.
    #[cold]
    #[inline(never)]
    pub(crate) fn cost_with(&self, reported: &Reported, tokens: TokenCounts) -> Option<PicoUsd> {
        self.cost_of(reported, find(self, reported.model.as_deref())?.entry, self.model(), tokens)
    }

    /// What it would have cost with another model, and with so much output at most. `None` as above.
    #[cold]
    #[inline(never)]
    pub(crate) fn cost_as(
        &self,
        reported: &Reported,
        model: Option<&str>,
        most_output: Option<u64>,
    ) -> Option<PicoUsd> {
        let found = match model {
            Some(model) => self.rules.prices.find(self.target.call.provider(), model)?,
            None => find(self, reported.model.as_deref())?.entry,
        };
        let mut tokens = reported.usage.as_ref()?.counts();
        if let Some(most) = most_output {
            shorten(&mut tokens, most)?;
        }
        self.cost_of(reported, found, model.or_else(|| self.model()), tokens)
    }

    fn cost_of(
        &self,
        reported: &Reported,
        found: Found<'_>,
        model: Option<&str>,
        tokens: TokenCounts,
    ) -> Option<PicoUsd> {
        let adjustments = self.rules.adjustments(&Facts { model, ..self.facts() });
        let factors: Vec<Factor> = adjustments.iter().map(|adjustment| adjustment.factor).collect();
        let pricing = Pricing { exchange: self, reported, factors: &factors };
        let usage = Usage { tokens, units: reported.usage.as_ref()?.units };
        let quote = quote(&found.card, &usage, &pricing.situation(), &factors).ok()?;
        quote.unpriced.is_empty().then_some(quote.total)
    }
}

/// Takes output tokens away until there are so many: of what is said first, then of what is thought. `None` if others are too many.
fn shorten(tokens: &mut TokenCounts, most: u64) -> Option<()> {
    let mut excess = tokens.output_total()?.saturating_sub(most);
    for kind in [TokenKind::Output, TokenKind::Reasoning] {
        let count = tokens.get(kind);
        let taken = count.min(excess);
        tokens.set(kind, count.checked_sub(taken)?);
        excess = excess.checked_sub(taken)?;
    }
    (excess == 0).then_some(())
}
