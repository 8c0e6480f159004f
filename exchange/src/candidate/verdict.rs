//! What a candidate would have done with a call, beside what was done: in the record, in money, and in the candidate's own counters.

use super::Trial;
use crate::agents::Outcome;
use crate::bill::Bill;
use crate::exchange::{Exchange, Phase};
use crate::settle::{AnsweredBy, Finish};
use tollgate_policy::{Change, Charge, Op, SharedStore, Usage};
use tollgate_pricing::PicoUsd;
use tollgate_record::{Action, Candidate, CostStatus};
use tollgate_wire::Reported;

/// What a candidate comes to on a call that is over.
pub(crate) struct Tried {
    /// Whether it was decided what becomes of the call, here and there.
    pub both_decided: bool,
    /// Where it would have done something else.
    pub differs: Option<Box<Candidate>>,
    /// What its own counters are to book, in this process.
    pub ops: Vec<Op>,
}

/// What was done with a call, apart from how its stream ended.
#[derive(PartialEq, Eq)]
struct Done<'a> {
    action: Action,
    model: Option<&'a str>,
    output_limit: Option<u64>,
}

impl Exchange {
    /// Whether it was decided what becomes of the call.
    pub(crate) fn is_decided(&self) -> bool {
        matches!(self.phase, Phase::Passing | Phase::Replied)
    }

    fn done(&self) -> Done<'_> {
        let actions = self.decision.actions.iter().copied().filter(|action| *action != Action::Cut);
        let action = actions.max().unwrap_or_default();
        let sent = !matches!(action, Action::Throttle | Action::Deny);
        let model = self.plan.model.as_deref().filter(|_| sent);
        Done { action, model, output_limit: self.plan.output_limit.filter(|_| sent) }
    }

    /// Ends the candidate's part of a call of which this is what was reported and what it costs. Where the call ended before both had
    /// decided, nothing is said of it.
    #[cold]
    #[inline(never)]
    pub(crate) fn close_trial(
        &self,
        trial: Trial,
        (reported, bill): (&Reported, &Bill),
        finish: &Finish,
        store: &dyn SharedStore,
    ) -> Tried {
        let mut call = trial.call;
        let refused = self.done().action >= Action::Throttle;
        let both = call.is_decided() && (self.is_decided() || refused);
        let differs = both && self.done() != call.done();
        let passes = call.was_sent();
        if !both || (finish.answered_by == AnsweredBy::Nobody && !refused) {
            // It was never sent, so the candidate would have sent nothing either.
            call.phase = Phase::Replied;
        }
        let cost = if differs { self.cost_under(&call, reported, bill) } else { bill.cost.usd };
        let used = reported.usage.as_ref();
        let usage = Usage {
            cost,
            input: used.and_then(|usage| usage.input),
            output: used.and_then(|usage| usage.output),
        };
        let ops = match refused && call.was_sent() {
            true => call.as_reserved(),
            false => call.bookings(&usage).into_iter().flat_map(|(_, ops)| ops).collect(),
        };
        let reserved = call.reserved_usd().filter(|usd| refused && passes && *usd > PicoUsd::ZERO);
        let verdict = differs.then(|| self.told(&call, cost, reserved));
        if call.plan.watched.is_some() {
            let outcome = if call.was_sent() { self.outcome(finish) } else { Outcome::NotSent };
            // How another model would have fared is not known.
            call.status = self.status.filter(|_| call.plan.model == self.plan.model);
            let _told_elsewhere = call.close_watch(store, cost, outcome, finish);
        }
        Tried { both_decided: both, differs: verdict, ops }
    }

    /// What the call would have cost under the candidate: nothing if it is refused there, else the same tokens at the price of the model
    /// that would have been sent, no more output than would have been allowed.
    fn cost_under(&self, candidate: &Exchange, reported: &Reported, bill: &Bill) -> Option<PicoUsd> {
        if !candidate.was_sent() {
            return Some(PicoUsd::ZERO);
        }
        let other = self.other_model_of(candidate);
        let most = candidate.plan.output_limit.and_then(|limit| limit.checked_mul(self.choices()));
        let said = reported.usage.as_ref().and_then(|usage| usage.output);
        let most = most.filter(|most| said.is_some_and(|said| said > *most));
        match (other, most, bill.cost.usd) {
            (None, _, None) if bill.cost.status == CostStatus::NotBilled => Some(PicoUsd::ZERO),
            (None, None, cost) => cost,
            (_, _, None) => None,
            _ => self.cost_as(reported, other, most),
        }
    }

    /// The model that the candidate would have sent, where that is another one.
    fn other_model_of<'a>(&'a self, candidate: &'a Exchange) -> Option<&'a str> {
        let asked = self.plan.asked.as_deref().or_else(|| self.asked_model());
        let model = candidate.plan.model.as_deref().or(asked);
        model.filter(|model| self.model() != Some(model))
    }

    /// What is booked of a call that was refused: what the candidate had put aside for it, since nobody knows more.
    fn as_reserved(&self) -> Vec<Op> {
        let booked = |(quota, _, lease): &(tollgate_policy::Quota, _, tollgate_policy::Lease)| {
            let actual = if quota.charge == Charge::InFlight { 0 } else { lease.amount };
            Op { change: Change::Settle { lease: *lease, actual, output: None }, ..quota.op.clone() }
        };
        self.leases.iter().map(booked).collect()
    }

    fn told(&self, call: &Exchange, cost: Option<PicoUsd>, reserved: Option<PicoUsd>) -> Box<Candidate> {
        let name = self.rules.candidate.as_ref().map(|candidate| candidate.name.clone());
        let other = self.other_model_of(call).filter(|_| call.was_sent());
        Box::new(Candidate {
            name: name.unwrap_or_default(),
            action: call.done().action,
            rule: call.decision.rule.clone(),
            model: other.map(str::to_owned),
            cost_usd: cost,
            estimated_usd: reserved,
        })
    }
}
