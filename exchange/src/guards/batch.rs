//! What one worker's calls showed since the last tick, and how it comes into the pasts that all workers share.

mod pages;

use super::{Guarded, seconds, verdicts_key};
use crate::alerts::{Alert, AlertKind, Severity};
use crate::config::Rules;
use pages::{ByPage, Pages};
use tollgate_policy::{Episode, GuardRule, Judge, Mode, Pasts, SharedStore, Swap, Then, Verdict, Watch};
use tollgate_pricing::PicoUsd;
use tollgate_record::Timestamp;

/// What one worker's calls showed since the last flush, in their order.
#[derive(Debug, Default)]
pub struct GuardBatch {
    seen: Vec<Guarded>,
    /// How much there was no room for.
    left_out: u64,
}

/// A key that has begun to depart from its past, or is back to normal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departed {
    /// The guard.
    pub guard: String,
    /// For the log: names and values of the key, what it shows, and what is usual.
    pub text: String,
    /// Whether it begins.
    pub episode: Episode,
}

/// What a flush came to.
#[derive(Debug, Default)]
pub struct Flushed {
    /// What is worth a line in the log.
    pub departed: Vec<Departed>,
    /// What guards saw that the store would not take, or that there was no room for until now.
    pub failures: u64,
    /// Whether other keys depart from their past than before.
    pub changed: bool,
}

/// What there is to say of a key.
struct Judged<'a> {
    rule: &'a GuardRule,
    key: &'a str,
    episode: Option<Episode>,
    verdict: Option<Verdict>,
    shown: (u64, u64),
}

/// So much of what guards saw is kept until the next tick, four times a second; what is past that is not judged, and counted as lost.
const MOST_SEEN: usize = 65_536;
/// Tries to write the verdicts this often: each failure means that another worker went ahead.
const ATTEMPTS: usize = 16;

impl GuardBatch {
    /// Adds what the guards saw of a call.
    pub fn add(&mut self, guarded: &[Guarded]) {
        if self.seen.len() < MOST_SEEN {
            self.seen.extend_from_slice(guarded);
        } else {
            self.left_out = self.left_out.saturating_add(u64::try_from(guarded.len()).unwrap_or(u64::MAX));
        }
    }

    /// Takes all that is here into the pasts, notes what departs from them, and reads what other workers noted.
    #[cold]
    #[inline(never)]
    pub fn flush(&mut self, rules: &Rules, store: &dyn SharedStore, now: Timestamp) -> Flushed {
        let mut flushed = Flushed { failures: std::mem::take(&mut self.left_out), ..Flushed::default() };
        let Some(guards) = rules.guards.as_deref() else { return flushed };
        let now_s = seconds(now);
        let seen = std::mem::take(&mut self.seen);
        let pages = Pages {
            guards,
            pasts: Pasts::new(&rules.namespace, guards.rules.len()),
            is_calm: guards.is_calm(),
            store,
            now_s,
        };
        let mut news = Vec::new();
        pages.judge(&ByPage::of(&seen), &mut flushed.failures, &mut |judged| {
            flushed.departed.extend(tell(rules, &judged, now_s));
            news.push((judged.rule.name.as_str(), judged.key, judged.verdict));
        });
        // Of a key that makes no calls any more nobody has news.
        let any = !news.is_empty() || guards.has_run_out(now_s);
        if any && !note(rules, &news, store, now_s) {
            flushed.failures = flushed.failures.saturating_add(1);
        }
        flushed.changed = guards.refresh(&rules.namespace, store);
        flushed
    }
}

/// Raises an alert about a key. `Some` is worth a line in the log.
#[inline(never)]
fn tell(rules: &Rules, judged: &Judged<'_>, now_s: u32) -> Option<Departed> {
    raise(rules, judged, now_s);
    let episode = judged.episode?;
    Some(Departed { guard: judged.rule.name.clone(), text: text(rules, judged), episode })
}

/// Brings verdicts into the table that all workers read, and takes out those that have run out. `false` if the store would not.
#[inline(never)]
fn note(rules: &Rules, news: &[(&str, &str, Option<Verdict>)], store: &dyn SharedStore, now_s: u32) -> bool {
    let key = verdicts_key(&rules.namespace);
    (0..ATTEMPTS).any(|_| {
        let Ok(found) = store.read(&key) else { return false };
        let (bytes, cas) = found.map_or((Vec::new(), None), |(bytes, cas)| (bytes, Some(cas)));
        let mut verdicts = tollgate_policy::Verdicts::from_bytes(&bytes);
        let forgot = verdicts.forget(now_s);
        let noted = news.iter().filter(|(guard, key, verdict)| verdicts.note(guard, key, *verdict, now_s));
        if noted.count() == 0 && !forgot {
            return true;
        }
        store.swap(&key, &verdicts.to_bytes(), cas) == Ok(Swap::Done)
    })
}

/// Raises an alert as long as a key departs from its past. It is the same one for all workers, from its beginning on.
#[inline(never)]
fn raise(rules: &Rules, judged: &Judged<'_>, now_s: u32) {
    let (rule, key) = (judged.rule, judged.key);
    let (Some(alerts), Some(verdict)) = (&rules.alerts, judged.verdict) else { return };
    let severity = match (rule.mode, &rule.then) {
        (Mode::Shadow, _) => Severity::Info,
        (Mode::Enforce, Then::Alert) => Severity::Warning,
        (Mode::Enforce, _) => Severity::Critical,
    };
    let identity = (AlertKind::Guard, &rule.name, key, verdict.since_s, severity);
    alerts.raise(&identity, i64::from(now_s), || Alert {
        kind: AlertKind::Guard,
        rule: rule.name.clone(),
        labels: rule.labels(rules.tags.names(), key),
        threshold: threshold(&rule.judge),
        window_start: Some(i64::from(verdict.since_s)),
        ends_at: i64::from(verdict.until_s),
        starts_at: i64::from(verdict.since_s),
        value: Some(amount(rule.judge.watch, judged.shown.0)),
        limit: amount(rule.judge.watch, judged.shown.1),
        unit: rule.judge.watch.unit().to_owned(),
        severity,
        summary: text(rules, judged),
    });
}

/// What has happened, in a sentence.
#[inline(never)]
fn text(rules: &Rules, judged: &Judged<'_>) -> String {
    let rule = judged.rule;
    let labels = rule.labels(rules.tags.names(), judged.key);
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let whose = if labels.is_empty() { "all calls".to_owned() } else { labels.join(", ") };
    let (watch, factor) = (rule.judge.watch, threshold(&rule.judge));
    let (value, usual) = (amount(watch, judged.shown.0), amount(watch, judged.shown.1));
    let (name, unit) = (watch.name(), watch.unit());
    let what = match (judged.episode, watch) {
        (Some(Episode::Ended), _) => "is back to normal".to_owned(),
        (_, Watch::SpendRate) => {
            format!("is over {factor} times what is usual, {usual} USD a minute, by {value} USD so far")
        }
        (_, Watch::SteadyGrowth) => format!(
            "is that of a loop: answers of one length, and inputs that grow by the same number of tokens; usually {usual} {unit} of calls have it"
        ),
        _ => format!("is over {factor} times what is usual, {usual} {unit}; {value} on average today"),
    };
    // Whoever names a model must not write lines into a log.
    format!("guard {}: {name} of {whose} {what}", rule.name).replace(char::is_control, "_")
}

/// The factor; empty where a guard goes by none.
fn threshold(judge: &Judge) -> String {
    match judge.watch {
        Watch::SteadyGrowth => String::new(),
        _ => tenths(u64::from(judge.factor_256), 256),
    }
}

fn amount(watch: Watch, value: u64) -> String {
    match watch.unit() {
        "usd" => PicoUsd::from_pico(value.into()).to_string(),
        _ => value.to_string(),
    }
}

/// A quotient with one decimal, where it has one.
fn tenths(value: u64, of: u64) -> String {
    let tenths = value.saturating_mul(10).saturating_add(of / 2).checked_div(of).unwrap_or(0);
    match tenths.checked_rem(10) {
        Some(0) | None => (tenths / 10).to_string(),
        Some(rest) => format!("{}.{rest}", tenths / 10),
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
