//! What one worker's calls showed since the last tick, and how it comes into the pasts that all workers share.

use super::{Guarded, seconds, verdicts_key};
use crate::alerts::{Alert, AlertKind, Severity};
use crate::config::Rules;
use tollgate_policy::{Episode, GuardRule, Mode, Past, SharedStore, Size, Slot, Swap, Then, Verdict, Watch};
use tollgate_pricing::PicoUsd;
use tollgate_record::Timestamp;

/// What one worker's calls showed since the last flush, in their order.
#[derive(Debug, Default)]
pub struct GuardBatch {
    seen: Vec<Guarded>,
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

/// What one guard saw of one key.
struct SeenOf<'a> {
    number: u64,
    key: &'a str,
    samples: Vec<Size>,
}

/// What there is to say of a key.
struct Judged {
    episode: Option<Episode>,
    verdict: Option<Verdict>,
    shown: (u64, u64),
}

/// So much of what guards saw is kept until the next tick, four times a second; what is past that is not judged.
const MOST_SEEN: usize = 65_536;
/// Tries to write the verdicts this often: each failure means that another worker went ahead.
const ATTEMPTS: usize = 16;

impl GuardBatch {
    /// Adds what the guards saw of a call.
    pub fn add(&mut self, guarded: &[Guarded]) {
        if self.seen.len() < MOST_SEEN {
            self.seen.extend_from_slice(guarded);
        }
    }

    /// Takes all that is here into the pasts, notes what departs from them, and reads what other workers noted.
    #[cold]
    #[inline(never)]
    pub fn flush(&mut self, rules: &Rules, store: &dyn SharedStore, now: Timestamp) -> Flushed {
        let mut flushed = Flushed::default();
        let Some(guards) = rules.guards.as_deref() else { return flushed };
        let now_s = seconds(now);
        let seen = std::mem::take(&mut self.seen);
        let mut news = Vec::new();
        for (guard, rule) in guards.rules.iter().enumerate() {
            for keys in by_page(&seen, guard).iter().filter(|keys| !keys.is_empty()) {
                let Some(judged) = judge(rule, rules, keys, store, now_s) else {
                    let lost = u64::try_from(keys.len()).unwrap_or(u64::MAX);
                    flushed.failures = flushed.failures.saturating_add(lost);
                    continue;
                };
                for (one, judged) in keys.iter().zip(judged) {
                    let verdict = judged.as_ref().and_then(|judged| judged.verdict);
                    let told = judged.and_then(|judged| tell(rule, rules, one.key, &judged, now_s));
                    flushed.departed.extend(told);
                    if verdict.is_some() || !guards.is_calm() && guards.verdict(rule, one.key, 0).is_some() {
                        news.push((rule.name.as_str(), one.key, verdict));
                    }
                }
            }
        }
        if !news.is_empty() && !note(rules, &news, store, now_s) {
            flushed.failures = flushed.failures.saturating_add(1);
        }
        flushed.changed = guards.refresh(&rules.namespace, store);
        flushed
    }
}

/// What a guard saw, by the page and the key, in the order in which it was seen: pages are long, so each is to be read and written once.
#[inline(never)]
fn by_page(seen: &[Guarded], guard: usize) -> Vec<Vec<SeenOf<'_>>> {
    let mut pages: Vec<Vec<SeenOf<'_>>> = Vec::new();
    pages.resize_with(GuardRule::PAGES, Vec::new);
    for one in seen.iter().filter(|one| one.guard == guard) {
        let Some(keys) = pages.get_mut(GuardRule::page(one.number)) else { continue };
        match keys.iter_mut().find(|of| of.number == one.number) {
            Some(of) => of.samples.extend(one.sample),
            None => {
                let samples = one.sample.into_iter().collect();
                keys.push(SeenOf { number: one.number, key: &one.key, samples });
            }
        }
    }
    pages
}

/// Takes what was seen of keys into their pasts, which are of one page. For each key: what there is to say. `None` if the store fails.
#[inline(never)]
fn judge(
    rule: &GuardRule,
    rules: &Rules,
    keys: &[SeenOf<'_>],
    store: &dyn SharedStore,
    now_s: u32,
) -> Option<Vec<Option<Judged>>> {
    let numbers: Vec<u64> = keys.iter().map(|of| of.number).collect();
    let mut judged = Vec::with_capacity(keys.len());
    let change = &mut |index: usize, words: &mut [u32]| {
        let samples = keys.get(index).map_or(&[][..], |of| &of.samples);
        let mut past = Past::read(&rule.judge, words, now_s);
        let episode = past.absorb(&rule.judge, now_s, samples);
        past.write(words);
        // Where another worker wrote first, all of the page is done again.
        judged.truncate(index);
        judged.push(say(rule, &past, episode, now_s));
        Slot::Written
    };
    rule.pages(&rules.namespace).change_all(store, &numbers, now_s, change).ok()?;
    Some(judged)
}

/// What there is to say of a key with this past.
fn say(rule: &GuardRule, past: &Past, episode: Option<Episode>, now_s: u32) -> Option<Judged> {
    let until_s = past.last_s.saturating_add(rule.judge.cool_down_s);
    let goes_on = past.fired_s > 0 && until_s > now_s;
    (goes_on || episode.is_some()).then(|| {
        let excess = past.excess(&rule.judge, now_s);
        let verdict = goes_on.then_some(Verdict { since_s: past.fired_s, until_s, excess });
        Judged { episode, verdict, shown: past.shown(&rule.judge, now_s) }
    })
}

/// Raises an alert about a key. `Some` is worth a line in the log.
#[inline(never)]
fn tell(rule: &GuardRule, rules: &Rules, key: &str, judged: &Judged, now_s: u32) -> Option<Departed> {
    raise(rule, rules, key, judged, now_s);
    let episode = judged.episode?;
    Some(Departed { guard: rule.name.clone(), text: text(rule, rules, key, judged), episode })
}

/// Brings verdicts into the table that all workers read. `false` if the store would not.
#[inline(never)]
fn note(rules: &Rules, news: &[(&str, &str, Option<Verdict>)], store: &dyn SharedStore, now_s: u32) -> bool {
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

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
