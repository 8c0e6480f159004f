//! Waste: what of a call's cost one remedy or other would have saved.

use crate::bill::Bill;
use crate::exchange::Exchange;
use crate::settle::{Aids, Finish};
use tollgate_policy::WasteRule;
use tollgate_record::{CostStatus, Waste, WasteReason};
use tollgate_wire::{Ended, Operation, Reported};

/// How the providers say that an answer ended where its length was limited.
const TOO_LONG: [&str; 8] = [
    "length",
    "max_tokens",
    "MAX_TOKENS",
    "max_output_tokens",
    "max_length",
    "model_length",
    "model_context_window_exceeded",
    "ERROR_LIMIT",
];

impl Exchange {
    /// What of the call was wasted, where the configuration looks for that.
    #[cold]
    #[inline(never)]
    pub(crate) fn wasted(
        &self,
        rule: &WasteRule,
        reported: &Reported,
        bill: &Bill,
        finish: &Finish,
        aids: Aids<'_>,
    ) -> Vec<Waste> {
        let paid = !matches!(bill.cost.status, CostStatus::NotSent | CostStatus::NotBilled);
        if !paid || !rule.when.matches(&self.facts()) {
            return Vec::new();
        }
        let whole = |reason| Waste { reason, usd: bill.cost.usd, tokens: None };
        let mut waste = Vec::new();
        if self.was_abandoned(finish, aids) {
            waste.push(whole(WasteReason::Abandoned));
        }
        if reported.finish_reasons.iter().any(|reason| TOO_LONG.contains(&reason.as_str())) {
            waste.push(whole(WasteReason::CutByLength));
        }
        waste
    }

    /// Whether the client went away when the provider had the whole request, and before the answer was over.
    fn was_abandoned(&self, finish: &Finish, aids: Aids<'_>) -> bool {
        let working = self.status.is_some() || !self.reader.wants_more();
        finish.ended == Ended::Cut && working && !self.is_cut() && (aids.client_left)()
    }

    /// Whether the call went upstream without any bound on its answer, although it could have had one.
    pub(crate) fn has_no_output_limit(&self, rule: &WasteRule) -> bool {
        let writes = matches!(
            self.target.call.operation(),
            Operation::Chat | Operation::TextCompletion | Operation::GenerateContent
        );
        let facts = self.reader.facts();
        let named = facts.max_output_tokens.is_some() || self.plan.output_limit.is_some();
        let read = !self.reader.wants_more() && !facts.malformed;
        writes
            && read
            && !named
            && self.was_sent()
            && self.target.call.takes_output_limit()
            && rule.when.matches(&self.facts())
    }
}
