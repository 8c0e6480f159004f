//! Alerts: what went past a threshold, for those who watch.
//!
//! Whoever notices raises an [`Alert`] with [`Alerts::raise`], as often as it is noticed: what is known already costs one look-up.
//! What is raised waits here for the adapter's next tick.

mod agents;
mod body;
mod budgets;
mod destination;
mod sender;
mod table;
mod template;

pub(crate) use agents::Finding;
pub use destination::Destination;
pub use sender::{AlertAnswer, AlertCall, AlertNews, AlertSender, Fate};

use crate::stats::OTHER;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use tollgate_policy::ConfigError;
use tollgate_record::Timestamp;

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
    /// What was passed, as the configuration has it: `80` percent of a quota, a factor of 4. Empty where it has nothing of the kind.
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

impl AlertKind {
    /// All of them, in the order in which they are stored.
    pub(crate) const ALL: [Self; 6] = [
        Self::BudgetWarning,
        Self::BudgetExhausted,
        Self::BudgetProjected,
        Self::Guard,
        Self::Loop,
        Self::Retries,
    ];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BudgetWarning => "budget_warning",
            Self::BudgetExhausted => "budget_exhausted",
            Self::BudgetProjected => "budget_projected",
            Self::Guard => "guard",
            Self::Loop => "loop",
            Self::Retries => "retries",
        }
    }
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

impl Severity {
    /// All of them by name, in the order in which they are stored.
    const NAMES: [(&str, Self); 3] =
        [("info", Self::Info), ("warning", Self::Warning), ("critical", Self::Critical)];

    const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Whether an alert holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Firing,
    Resolved,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl Alert {
    /// What tells it from others: the same in all workers, and in all processes.
    #[inline(never)]
    fn fingerprint(&self) -> u64 {
        // No value has a control character in it that could stand for the end of another.
        let mut text = [self.kind.name(), self.severity.name(), &self.rule, &self.threshold].join("\u{1f}");
        text.extend(["\u{1f}", &self.window_start.unwrap_or(0).to_string()]);
        for (name, value) in &self.labels {
            text.extend(["\u{1f}", name, "=", value]);
        }
        let digest = Sha256::digest(text.as_bytes());
        digest.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    /// `team=search, model=gpt-4o`.
    #[inline(never)]
    fn labels_text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.labels {
            text.push_str(if text.is_empty() { "" } else { ", " });
            text.push_str(name);
            text.push('=');
            text.push_str(value);
        }
        text
    }

    /// Stands for all further keys of its rule from now on.
    fn fold(&mut self) {
        for (_, value) in &mut self.labels {
            OTHER.clone_into(value);
        }
        self.value = None;
        self.summary = format!("more keys of {} passed {}", self.rule, self.threshold);
    }
}

#[inline(never)]
fn instant(seconds: i64) -> String {
    Timestamp::from_unix_nanos(seconds.saturating_mul(1_000_000_000)).to_string()
}

/// What waits to be told. One configuration's, in one worker.
#[derive(Debug, Default)]
pub struct Alerts {
    destinations: Vec<Destination>,
    raised: RefCell<Raised>,
}

#[derive(Debug, Default)]
struct Raised {
    /// What was raised -> when raising it again is news.
    known: HashMap<u64, i64>,
    waiting: Vec<Waiting>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Waiting {
    /// It was raised, by this worker for the first time.
    First(Alert),
    /// It was raised before.
    Again(Alert),
    /// What a quota with this name raised for these labels is over.
    Over(String, Vec<(String, String)>),
}

/// What is known is raised again after so long, so that those who watch hear of it with its new value.
const AGAIN_AFTER_S: i64 = 30;
/// So many are told apart; past that all are forgotten, and known again when they are raised the next time.
const MOST_KNOWN: usize = 16_384;
/// So many wait for a tick. What does not fit is not known, and so raised again by the next call that is about it.
const MOST_WAITING: usize = 1024;

impl Alerts {
    /// Reads the `alerts` of a configuration; `None` if there are none.
    pub(crate) fn compile(value: &Value) -> Result<Option<Self>, ConfigError> {
        let destinations = destination::destinations(value)?;
        Ok((!destinations.is_empty()).then(|| Self { destinations, ..Self::default() }))
    }

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
        let again_at = alert.ends_at.min(now.saturating_add(AGAIN_AFTER_S));
        let known = raised.known.insert(identity, again_at).is_some();
        raised.waiting.push(if known { Waiting::Again(alert) } else { Waiting::First(alert) });
    }

    /// What a quota has raised for a counter is over: it has more room from now on. What still holds is raised by the next call.
    pub(crate) fn end_budget(&self, rule: &str, labels: Vec<(String, String)>) {
        if let Ok(mut raised) = self.raised.try_borrow_mut() {
            raised.known.clear();
            raised.waiting.push(Waiting::Over(rule.to_owned(), labels));
        }
    }

    /// What was raised since the last time it was told. For tests and other hosts: [`AlertSender`] takes it by itself.
    pub fn raised(&self) -> Vec<Alert> {
        let alert = |waiting| match waiting {
            Waiting::First(alert) | Waiting::Again(alert) => Some(alert),
            Waiting::Over(..) => None,
        };
        self.take_waiting().into_iter().filter_map(alert).collect()
    }

    fn take_waiting(&self) -> Vec<Waiting> {
        self.raised.try_borrow_mut().map(|mut raised| std::mem::take(&mut raised.waiting)).unwrap_or_default()
    }

    /// Has it wait for another time.
    fn put_back(&self, mut waiting: Vec<Waiting>) {
        if let Ok(mut raised) = self.raised.try_borrow_mut() {
            waiting.append(&mut raised.waiting);
            raised.waiting = waiting;
        }
    }
}

#[cfg(test)]
mod tests;
