//! Alerts: what went past a threshold, for those who watch.
//!
//! Whoever notices raises an [`Alert`] with [`Alerts::raise`], as often as it is noticed: what is known already costs one look-up.
//! What is raised waits here for the adapter's next tick.

mod agents;
mod budgets;

pub(crate) use agents::Finding;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Something went past a threshold. Alerts with the same kind, rule, labels, threshold and window are one and the same, whichever
/// worker raises them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What happened.
    pub kind: AlertKind,
    /// The quota, guard or other rule, by its name in the configuration.
    pub rule: String,
    /// Whom it is about: names and values of what the rule counts by. Never a part of a prompt or an answer.
    pub labels: Vec<(String, String)>,
    /// What was passed, as the configuration has it: `80` percent of a quota, a factor of 4.
    pub threshold: String,
    /// When the window that it is about began, in seconds since the Unix epoch; `None` where it is about no fixed window.
    pub window_start: Option<i64>,
    /// Until when it holds if nobody raises it again, in seconds since the Unix epoch.
    pub ends_at: i64,
    /// When it was noticed, in seconds since the Unix epoch.
    pub starts_at: i64,
    /// How much there is, as shown; `None` if nobody says.
    pub value: Option<String>,
    /// How much is allowed, or usual, as shown.
    pub limit: String,
    /// What both are counted in: `usd`, `tokens` and so on.
    pub unit: String,
    /// How bad it is.
    pub severity: Severity,
    /// The same in a sentence.
    pub summary: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertKind {
    /// A quota's step before its limit is reached.
    BudgetWarning,
    /// A quota refuses calls.
    BudgetExhausted,
    /// If the window goes on as it began, a quota will be passed.
    BudgetProjected,
    /// A guard saw something unusual.
    Guard,
    /// An agent runs in circles.
    Loop,
    /// The same request is sent over and over.
    Retries,
}

/// How bad an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing was done: the rule is on trial.
    Info,
    /// Somebody should look.
    Warning,
    /// Calls are refused.
    Critical,
}

/// What waits to be told. One configuration's, in one worker.
#[derive(Debug, Default)]
pub struct Alerts {
    raised: RefCell<Raised>,
}

#[derive(Debug, Default)]
struct Raised {
    /// What was raised -> when raising it again is news.
    known: HashMap<u64, i64>,
    waiting: Vec<Alert>,
}

/// What is known is raised again after so long, so that those who watch hear of it with its new value.
const AGAIN_AFTER_S: i64 = 30;
/// So many are told apart; past that all are forgotten, and known again when they are raised the next time.
const MOST_KNOWN: usize = 16_384;
/// So many wait for a tick. What does not fit is not known, and so raised again by the next call that is about it.
const MOST_WAITING: usize = 1024;

impl Alerts {
    /// Raises an alert. `identity` is whatever tells it from others, its window included; `alert` is only made if it is news, or
    /// if nobody has raised it for a while.
    pub fn raise(&self, identity: &impl Hash, now: i64, alert: impl FnOnce() -> Alert) {
        let Ok(mut raised) = self.raised.try_borrow_mut() else { return };
        let mut hasher = DefaultHasher::new();
        identity.hash(&mut hasher);
        let identity = hasher.finish();
        let rests = raised.known.get(&identity).is_some_and(|again_at| now < *again_at);
        if rests || raised.waiting.len() >= MOST_WAITING {
            return;
        }
        if raised.known.len() >= MOST_KNOWN {
            raised.known.clear();
        }
        let alert = alert();
        raised.known.insert(identity, alert.ends_at.min(now.saturating_add(AGAIN_AFTER_S)));
        raised.waiting.push(alert);
    }

    /// Takes what was raised since the last time.
    pub fn take_raised(&self) -> Vec<Alert> {
        self.raised.try_borrow_mut().map(|mut raised| std::mem::take(&mut raised.waiting)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
