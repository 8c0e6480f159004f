//! The steps of quotas on a call that is otherwise admitted, or that would be refused as it is.

mod projected;

use crate::admission::bought;
use crate::exchange::{Exchange, Phase, Step};
use crate::plan::Standing;
use crate::reply::Refusal;
use tollgate_policy::{Change, Do, Quota, QuotaRule};
use tollgate_record::{Action, Timestamp};

/// A call is changed at most so often: a cheaper model, a shorter answer, and once more for another quota.
const MOST_ROUNDS: u8 = 3;

/// Whoever is slowed down comes back after this long at the latest.
const LONGEST_THROTTLE_S: i64 = 60;

/// What the steps of all quotas come to.
#[derive(Default)]
struct Wanted {
    /// A cheaper model, and the quota that wants it.
    downgrade: Option<(String, String)>,
    /// So many output tokens for all answers together, and the quota that wants it.
    clamp: Option<(u64, u64, String)>,
}

impl Exchange {
    /// All stores have admitted the call: takes the steps that it reaches.
    pub(crate) fn judge(&mut self) -> Step {
        if self.plan.standings.is_empty() {
            self.phase = Phase::Passing;
            return Step::Pass;
        }
        let rules = std::rc::Rc::clone(&self.rules);
        let mut wanted = Wanted::default();
        self.plan.projected.clear();
        for standing in self.plan.standings.clone() {
            let Some(rule) = rules.quotas.get(standing.rule) else { continue };
            self.raise_steps(rule, &standing);
            if rule.warn_when_projected.is_some() {
                self.project(rule, standing);
            }
            for (begins, step) in rule.steps.reached(standing.with_this(), standing.limit) {
                match step {
                    Do::Warn => self.warn(rule, &standing),
                    Do::Throttle => {
                        if let Some(wait) = pace(rule, &standing, begins, self.started) {
                            return self.refuse(Refusal::throttled(rule, wait));
                        }
                    }
                    Do::Downgrade { to } => wanted.downgrade = Some((to.clone(), rule.name.clone())),
                    Do::Clamp { min_output_tokens } => {
                        wanted.clamp(self.buys(rule, &standing), *min_output_tokens, &rule.name);
                    }
                }
            }
        }
        if let Some(step) = wanted.downgrade.and_then(|(model, rule)| self.downgrade(&model, &rule)) {
            return step;
        }
        if let Some((tokens, least, rule)) = wanted.clamp
            && let Some(step) = self.clamp(tokens, least, &rule)
        {
            return step;
        }
        if rules.cuts {
            self.plan.cut = self.plan_cut();
        }
        self.phase = Phase::Passing;
        if self.plan.projected.is_empty() { Step::Pass } else { Step::Recall }
    }

    /// A quota would refuse the call as it is: tries what its steps allow.
    pub(crate) fn make_it_fit(
        &mut self,
        rule: &QuotaRule,
        quota: &Quota,
        standing: Standing,
    ) -> Option<Step> {
        if self.plan.rounds >= MOST_ROUNDS || standing.taken >= standing.limit {
            return None;
        }
        let reached: Vec<_> = rule.steps.reached(standing.with_this(), standing.limit).collect();
        let cheaper = reached.iter().rev().find_map(|(_, step)| match step {
            Do::Downgrade { to } => Some(to),
            _ => None,
        });
        if let Some(step) = cheaper.and_then(|model| self.downgrade(model, &rule.name)) {
            return Some(step);
        }
        let least = reached.iter().find_map(|(_, step)| match step {
            Do::Clamp { min_output_tokens } => Some(*min_output_tokens),
            _ => None,
        })?;
        let Change::Reserve { amount, limit } = quota.op.change else { return None };
        let room = limit.checked_sub(standing.taken)?;
        let tokens = bought(room, amount.fixed, amount.per_million)?;
        let each = tokens.checked_div(self.choices())?;
        if each < least || each == 0 || !self.can_limit_output() {
            return None;
        }
        self.note(Action::Clamp, &rule.name);
        self.limit_output(each);
        Some(self.ask_again())
    }

    fn warn(&mut self, rule: &QuotaRule, standing: &Standing) {
        self.note(Action::Warn, &rule.name);
        let percent = standing.with_this().saturating_mul(100).checked_div(standing.limit).unwrap_or(100);
        let mut text = format!("quota {} is used to {percent} percent", rule.name);
        if let Some(at) = empty_at(rule, standing, self.started) {
            text.push_str(&format!(", at this rate it is empty on {at}"));
            self.decision.empty_at = Some(self.decision.empty_at.map_or(at, |other| other.min(at)));
        }
        self.plan.warning = Some(text);
    }

    /// Sends a cheaper model, unless it is sent already.
    fn downgrade(&mut self, model: &str, rule: &str) -> Option<Step> {
        if self.model().is_none_or(|asked| asked == model) || self.plan.rounds >= MOST_ROUNDS {
            return None;
        }
        if !self.can_rewrite() {
            let refusal = self.unrewritable(rule)?;
            return Some(self.refuse(refusal));
        }
        self.note(Action::Downgrade, rule);
        self.send_model(model);
        Some(self.ask_again())
    }

    /// How many output tokens are left for this call, all answers together.
    fn buys(&self, rule: &QuotaRule, standing: &Standing) -> Option<u64> {
        let own = |quota: &&Quota| quota.rule == standing.rule;
        let quota = self.leases.iter().map(|(quota, _, _)| quota).find(own)?;
        let Change::Reserve { amount, limit } = quota.op.change else { return None };
        let room = limit.checked_sub(standing.taken)?;
        bought(room, amount.fixed, amount.per_million).filter(|_| rule.limit.charge.counts_output())
    }

    /// Bounds the answers by what is left, if that is less than they may have. `Some` refuses the call.
    fn clamp(&mut self, tokens: u64, least: u64, rule: &str) -> Option<Step> {
        let each = tokens.checked_div(self.choices())?;
        if self.output_bound().is_some_and(|bound| bound <= tokens) {
            return None;
        }
        if !self.can_limit_output() {
            let refusal = self.unrewritable(rule)?;
            return Some(self.refuse(refusal));
        }
        self.note(Action::Clamp, rule);
        self.limit_output(each.max(least));
        None
    }
}

impl Wanted {
    /// The tightest of several wins.
    fn clamp(&mut self, tokens: Option<u64>, least: u64, rule: &str) {
        let Some(tokens) = tokens else { return };
        if self.clamp.as_ref().is_none_or(|(tightest, _, _)| tokens < *tightest) {
            self.clamp = Some((tokens, least, rule.to_owned()));
        }
    }
}

/// How many seconds a call has to wait so that what lies between the step and the limit is used no faster than the window
/// passes; `None` if it need not.
fn pace(rule: &QuotaRule, standing: &Standing, begins: i128, now: Timestamp) -> Option<i64> {
    let now = now.unix_seconds();
    let (start, end) = rule.window.span(now);
    let length = i128::from(end.checked_sub(start)?);
    let (beyond, room) = (standing.with_this().checked_sub(begins)?, standing.limit.checked_sub(begins)?);
    let due = beyond.checked_mul(length)?.checked_div(room)?;
    let due = i64::try_from(due).ok().and_then(|due| start.checked_add(due))?;
    let wait = due.checked_sub(now).filter(|wait| *wait > 0)?;
    Some(wait.min(LONGEST_THROTTLE_S))
}

/// When the budget is empty if the window goes on as it began.
fn empty_at(rule: &QuotaRule, standing: &Standing, now: Timestamp) -> Option<Timestamp> {
    let seconds = now.unix_seconds();
    let until = rule.empty_in(standing.with_this(), standing.limit, seconds)?;
    Some(Timestamp::from_unix_nanos(seconds.checked_add(until)?.checked_mul(1_000_000_000)?))
}
