//! Gauges of quotas: how much each counter has used, and its limit.

use super::labels::tame;
use super::{MetricKind, MetricSink, SeriesPlaces};
use crate::config::Rules;
use std::collections::HashMap;
use tollgate_policy::{Change, Charge, QuotaRule, SharedStore, StoreRef, Swap};
use tollgate_record::Timestamp;

/// How often gauges are set, in seconds.
const EVERY_S: i64 = 2;
/// So many counters of a quota have gauges: the proxy never forgets a name.
const MOST_COUNTERS: usize = 1000;
/// New counters are looked for in so many pages of a quota.
const MOST_PAGES: usize = 1000;

/// Gauges of the quotas that count in this process. All workers know all counters, so one of them sets the gauges: the first
/// that comes by in a slot of time.
#[derive(Debug, Default)]
pub struct Gauges {
    slot: i64,
    /// The counters that have gauges, by their keys.
    known: HashMap<String, Pair>,
}

/// The proxy's numbers of two gauges.
#[derive(Clone, Copy, Debug)]
struct Pair {
    used: Option<u32>,
    limit: Option<u32>,
}

impl Gauges {
    /// Sets all gauges, if it is time and nobody else has.
    pub fn set(
        &mut self,
        rules: &Rules,
        store: &impl SharedStore,
        now: Timestamp,
        sink: &mut impl MetricSink,
    ) {
        let slot = now.unix_seconds().div_euclid(EVERY_S);
        let local = || rules.quotas.iter().filter(|rule| rule.store == StoreRef::Local);
        if slot == self.slot || local().next().is_none() {
            return;
        }
        self.slot = slot;
        if wins(rules, store, slot) {
            local().for_each(|rule| self.set_quota(rule, rules, store, now, sink));
        }
    }

    fn set_quota(
        &mut self,
        rule: &QuotaRule,
        rules: &Rules,
        store: &impl SharedStore,
        now: Timestamp,
        sink: &mut impl MetricSink,
    ) {
        let prefix = format!("{}/v", rule.base(&rules.namespace));
        let mut values: Vec<(String, Pair)> = Vec::new();
        for (key, pair) in &self.known {
            let of_rule = key.strip_prefix(&prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
            values.extend(of_rule.map(|rest| (rest.to_owned(), *pair)));
        }
        if values.len() < MOST_COUNTERS {
            self.look_for_new(&mut values, rule, rules, store, sink);
        }
        let seconds = now.unix_seconds();
        for (values, pair) in values {
            // A counter that made room for others has used nothing as far as is known here.
            let Ok(entry) = rule.op(&rules.namespace, &values, Change::Reset).entry(store) else { continue };
            let entry = entry.unwrap_or_default();
            let used = match rule.limit.charge {
                Charge::InFlight => entry.open(seconds),
                _ => entry.used(rule.window, seconds),
            };
            let limit = rule.limit_of(rules.tags.names(), &values);
            for (id, amount) in [(pair.used, used), (pair.limit, limit)] {
                if let Some(id) = id {
                    sink.put(MetricKind::Gauge, id, scaled(rule.limit.charge, amount));
                }
            }
        }
    }

    /// Gives gauges to counters that have none, as long as there are places.
    fn look_for_new(
        &mut self,
        known: &mut Vec<(String, Pair)>,
        rule: &QuotaRule,
        rules: &Rules,
        store: &impl SharedStore,
        sink: &mut impl MetricSink,
    ) {
        let (base, view) = (rule.base(&rules.namespace), format!("quota/{}/{}", rules.namespace, rule.name));
        for (values, _) in rule.counters(&rules.namespace, store, MOST_PAGES).counters {
            let key = format!("{base}/v{values}");
            if self.known.contains_key(&key) {
                continue;
            }
            if known.len() >= MOST_COUNTERS || !store.take(&view, &values, MOST_COUNTERS) {
                return;
            }
            let name = if values.is_empty() { "all" } else { values.trim_start_matches('/') };
            let labels = format!(";quota={};key={};scope=process", tame(&rule.name), tame(name));
            let mut define =
                |what: &str| sink.define(MetricKind::Gauge, &format!("tollgate_quota_{what}{labels}"));
            let pair = Pair { used: define("used"), limit: define("limit") };
            self.known.insert(key, pair);
            known.push((values, pair));
        }
    }
}

/// Whether this worker is the first to come by in a slot of time.
fn wins(rules: &Rules, store: &impl SharedStore, slot: i64) -> bool {
    let key = format!("tg/1/{}/gauges", rules.namespace);
    let Ok(found) = store.read(&key) else { return false };
    let last = found.as_ref().and_then(|(bytes, _)| bytes.first_chunk::<8>()).map(|b| i64::from_le_bytes(*b));
    if last == Some(slot) {
        return false;
    }
    store.swap(&key, &slot.to_le_bytes(), found.map(|(_, cas)| cas)) == Ok(Swap::Done)
}

/// Money in nano-USD, rounded down; everything else as it is counted. Less than nothing is nothing: a gauge has no sign.
fn scaled(charge: Charge, amount: i128) -> u64 {
    let amount = if charge == Charge::Usd { amount.div_euclid(1000) } else { amount };
    u64::try_from(amount.max(0)).unwrap_or(u64::MAX)
}
