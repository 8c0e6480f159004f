//! What one worker's calls showed since the last tick, and how it comes into the pasts that all workers share.

use super::{Guarded, seconds, verdicts_key};
use crate::alerts::{Alert, AlertKind, Severity};
use crate::config::Rules;
use tollgate_policy::{Episode, GuardRule, Mode, Past, SharedStore, Size, Slot, Swap, Then, Verdict, Watch};
use tollgate_pricing::PicoUsd;
use tollgate_record::Timestamp;

/// One worker's samples since the last flush.
#[derive(Debug, Default)]
pub struct GuardBatch {
    /// By guard and key.
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    guard: usize,
    key: String,
    samples: Vec<Size>,
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
    /// Pasts that the store would not take.
    pub failures: u64,
    /// Whether other keys depart from their past than before.
    pub changed: bool,
}

/// What a key's past makes of its samples.
struct Judged {
    episode: Option<Episode>,
    verdict: Option<Verdict>,
    shown: (u64, u64),
}

/// So many samples of a key are kept until the next tick; of what is past that, the first are what it showed.
const MOST_SAMPLES: usize = 512;
/// Tries to write the verdicts this often: each failure means that another worker went ahead.
const ATTEMPTS: usize = 16;

impl GuardBatch {
    /// Adds what the guards saw of a call.
    pub fn add(&mut self, guarded: &[Guarded]) {
        for one in guarded {
            let order = |row: &Row| row.guard.cmp(&one.guard).then_with(|| row.key.cmp(&one.key));
            let place = self.rows.binary_search_by(order).unwrap_or_else(|place| {
                self.rows.insert(place, Row { guard: one.guard, key: one.key.clone(), samples: Vec::new() });
                place
            });
            if let Some(row) = self.rows.get_mut(place).filter(|row| row.samples.len() < MOST_SAMPLES) {
                row.samples.extend(one.sample);
            }
        }
    }

    /// Takes all that is here into the pasts, notes what departs from them, and reads what other workers noted.
    #[cold]
    #[inline(never)]
    pub fn flush(&mut self, rules: &Rules, store: &dyn SharedStore, now: Timestamp) -> Flushed {
        let mut flushed = Flushed::default();
        let Some(guards) = rules.guards.as_deref() else { return flushed };
        let now_s = seconds(now);
        let mut news = Vec::new();
        for Row { guard, key, samples } in std::mem::take(&mut self.rows) {
            let Some(rule) = guards.rules.get(guard) else { continue };
            let Some(judged) = judge(rule, rules, &key, &samples, store, now_s) else {
                flushed.failures = flushed.failures.saturating_add(1);
                continue;
            };
            raise(rule, rules, &key, &judged, now_s);
            if let Some(episode) = judged.episode {
                let text = text(rule, rules, &key, &judged);
                flushed.departed.push(Departed { guard: rule.name.clone(), text, episode });
            }
            let known = guards.verdict(rule, &key, 0);
            if judged.verdict.is_some() || known.is_some() {
                news.push((rule.name.as_str(), key, judged.verdict));
            }
        }
        if !news.is_empty() && !note(rules, &news, store, now_s) {
            flushed.failures = flushed.failures.saturating_add(1);
        }
        flushed.changed = guards.refresh(&rules.namespace, store);
        flushed
    }
}

/// Takes samples into a key's past. `None` if the store fails.
#[inline(never)]
fn judge(
    rule: &GuardRule,
    rules: &Rules,
    key: &str,
    samples: &[Size],
    store: &dyn SharedStore,
    now_s: u32,
) -> Option<Judged> {
    let mut judged = None;
    let change = &mut |words: &mut [u32]| {
        let mut past = Past::read(&rule.judge, words, now_s);
        let episode = past.absorb(&rule.judge, now_s, samples);
        let until_s = past.last_s.saturating_add(rule.judge.cool_down_s);
        let goes_on = past.fired_s > 0 && until_s > now_s;
        let excess = past.excess(&rule.judge, now_s);
        let verdict = goes_on.then_some(Verdict { since_s: past.fired_s, until_s, excess });
        judged = Some(Judged { episode, verdict, shown: past.shown(&rule.judge, now_s) });
        past.write(words);
        Slot::Written
    };
    let place = number(key);
    rule.pages(&rules.namespace).change(store, place, now_s, change).ok()?;
    judged
}

/// Brings verdicts into the table that all workers read. `false` if the store would not.
#[inline(never)]
fn note(
    rules: &Rules,
    news: &[(&str, String, Option<Verdict>)],
    store: &dyn SharedStore,
    now_s: u32,
) -> bool {
    let key = verdicts_key(&rules.namespace);
    (0..ATTEMPTS).any(|_| {
        let Ok(found) = store.read(&key) else { return false };
        let (bytes, cas) = found.map_or((Vec::new(), None), |(bytes, cas)| (bytes, Some(cas)));
        let mut verdicts = tollgate_policy::Verdicts::from_bytes(&bytes);
        let noted = news.iter().filter(|(guard, key, verdict)| verdicts.note(guard, key, *verdict, now_s));
        if noted.count() == 0 {
            return true;
        }
        store.swap(&key, &verdicts.to_bytes(), cas) == Ok(Swap::Done)
    })
}

/// Raises an alert as long as a key departs from its past. It is the same one for all workers, from its beginning on.
#[inline(never)]
fn raise(rule: &GuardRule, rules: &Rules, key: &str, judged: &Judged, now_s: u32) {
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
        threshold: tenths(u64::from(rule.judge.factor_256), 256),
        window_start: Some(i64::from(verdict.since_s)),
        ends_at: i64::from(verdict.until_s),
        starts_at: i64::from(verdict.since_s),
        value: Some(amount(rule.judge.watch, judged.shown.0)),
        limit: amount(rule.judge.watch, judged.shown.1),
        unit: rule.judge.watch.unit().to_owned(),
        severity,
        summary: text(rule, rules, key, judged),
    });
}

/// What has happened, in a sentence.
#[inline(never)]
fn text(rule: &GuardRule, rules: &Rules, key: &str, judged: &Judged) -> String {
    let labels = rule.labels(rules.tags.names(), key);
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let whose = if labels.is_empty() { "all calls".to_owned() } else { labels.join(", ") };
    let (watch, factor) = (rule.judge.watch, tenths(u64::from(rule.judge.factor_256), 256));
    let (value, usual) = (amount(watch, judged.shown.0), amount(watch, judged.shown.1));
    let (name, unit) = (watch.name(), watch.unit());
    let what = match (judged.episode, watch) {
        (Some(Episode::Ended), _) => "is back to normal".to_owned(),
        (_, Watch::SpendRate) => {
            format!("is over {factor} times what is usual, {usual} USD a minute, by {value} USD so far")
        }
        _ => format!("is over {factor} times what is usual, {usual} {unit}; {value} on average today"),
    };
    format!("guard {}: {name} of {whose} {what}", rule.name)
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

/// Where a key's past is.
fn number(key: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
