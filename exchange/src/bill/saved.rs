//! What it saved to send another model than asked for.

use super::Pricing;
use tollgate_pricing::{PicoUsd, Usage};
use tollgate_record::{Cost, CostStatus};

impl Pricing<'_> {
    /// What the model that the client asked for would have cost more for the same usage, at list price. `None` if none was
    /// replaced, or one of both has no price.
    #[cold]
    #[inline(never)]
    pub(super) fn saved_by_rewrite(&self, usage: &Usage, cost: &Cost) -> Option<PicoUsd> {
        let asked = self.exchange.plan.asked.as_deref()?;
        let real =
            cost.list_usd.filter(|_| cost.status == CostStatus::Priced && self.reported.parts.is_empty())?;
        let found = self.exchange.rules.prices.find(self.exchange.target.call.provider(), asked)?;
        let quote = self.quote(&found, usage, None).quote.filter(|quote| quote.unpriced.is_empty())?;
        quote.list.checked_sub(real)
    }
}
