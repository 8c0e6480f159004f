//! Warnings that a quota will be passed if its window goes on as it began: one for each counter and window, over all workers.

use super::empty_at;
use crate::exchange::{Exchange, Step};
use crate::plan::Standing;
use tollgate_policy::{Projection, QuotaRule, SharedStore, Slot, warned};
use tollgate_record::{Action, Timestamp};
use tollgate_wire::PrintKey;

impl Exchange {
    /// Notes what a counter comes to, if that is to be warned of.
    #[cold]
    #[inline(never)]
    pub(super) fn project(&mut self, rule: &QuotaRule, standing: Standing) {
        let now = self.started.unix_seconds();
        let projection = rule.projected(standing.with_this(), standing.limit, now);
        if let Some(projection) = projection {
            self.raise_projected(rule, &standing, &projection);
            self.plan.projected.push((standing, projection));
        }
    }

    /// Warns of what nobody was warned of in this window, and lets the call go on.
    #[cold]
    #[inline(never)]
    pub(crate) fn warn_of_projected(&mut self, store: &dyn SharedStore) -> Step {
        let rules = std::rc::Rc::clone(&self.rules);
        for (standing, projection) in std::mem::take(&mut self.plan.projected) {
            let Some(rule) = rules.quotas.get(standing.rule) else { continue };
            if self.is_news(store, &standing, &projection) {
                self.note(Action::Warn, &rule.name);
                self.plan.warning = Some(text(rule, &standing, &projection));
                let empty_at = empty_at(rule, &standing, self.started);
                self.decision.empty_at = self.decision.empty_at.into_iter().chain(empty_at).min();
            }
        }
        Step::Pass
    }

    /// Whether this counter was not warned of in this window, and is from now on. Where the store fails it is not: it is counted, and the
    /// next call tries again.
    fn is_news(&mut self, store: &dyn SharedStore, standing: &Standing, projection: &Projection) -> bool {
        let lease = self.leases.iter().find(|(quota, ..)| quota.rule == standing.rule);
        let Some((quota, ..)) = lease else { return false };
        // What it is for is no secret: it is a part of keys anyway.
        let slot = PrintKey([0; 16]).print(quota.op.key.as_bytes());
        let begun = u64::try_from(projection.begun).unwrap_or(0);
        let halves = [begun & 0xffff_ffff, begun >> 32].map(|half| u32::try_from(half).unwrap_or(0));
        let now_s = u32::try_from(self.started.unix_seconds()).unwrap_or(u32::MAX);
        let mut news = false;
        let written = warned(&self.rules.namespace).change(store, slot, now_s, &mut |words| {
            news = *words != halves;
            words.iter_mut().zip(halves).for_each(|(word, half)| *word = half);
            if news { Slot::Written } else { Slot::Kept }
        });
        if written.is_err() {
            self.errors.push("store");
        }
        news && written.is_ok()
    }
}

fn text(rule: &QuotaRule, standing: &Standing, projection: &Projection) -> String {
    let percent = projection.amount.saturating_mul(100).checked_div(standing.limit).unwrap_or(100);
    let ends = Timestamp::from_unix_nanos(projection.ends.saturating_mul(1_000_000_000));
    format!("quota {} comes to {percent} percent by {ends} at this rate", rule.name)
}
