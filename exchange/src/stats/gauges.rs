//! Gauges of quotas: how much each counter has used, and its limit.

use super::labels::tame;
use super::{MetricKind, MetricSink};
use crate::config::Rules;
use std::collections::HashMap;
use tollgate_policy::{Change, Charge, Entry, QuotaRule, SharedStore, StoreRef, Swap};
use tollgate_record::Timestamp;

/// How often gauges are set, in seconds.
const EVERY_S: i64 = 2;
/// So many counters of a quota have gauges: the proxy never forgets a name.
const MOST_COUNTERS: u64 = 1000;

/// Gauges of the quotas that count in this process. All workers know all counters, so one of them sets the gauges: the first
/// that comes by in a slot of time.
#[derive(Debug, Default)]
pub struct Gauges {
    slot: i64,
    ids: HashMap<String, Option<u32>>,
}

impl Gauges {
    /// Sets all gauges, if it is time and nobody else has.
    pub fn set(
        &mut self,
        rules: &Rules,
        store: &dyn SharedStore,
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
        store: &dyn SharedStore,
        now: Timestamp,
        sink: &mut impl MetricSink,
    ) {
        let budget = rule.op(&rules.namespace, "", Change::Reset).budget;
        let prefix = format!("{}/v", rule.base(&rules.namespace));
        for key in budget.keys(store, MOST_COUNTERS).0 {
            let Some((bytes, _)) = store.read(&key).ok().flatten() else { continue };
            let Ok(entry) = Entry::from_bytes(&bytes) else { continue };
            let seconds = now.unix_seconds();
            let used = match rule.limit.charge {
                Charge::InFlight => entry.open(seconds),
                _ => entry.used(rule.window, seconds),
            };
            let values = key.strip_prefix(&prefix).unwrap_or(&key);
            let name = if values.is_empty() { "all" } else { values.trim_start_matches('/') };
            let labels = format!(";quota={};key={};scope=process", tame(&rule.name), tame(name));
            self.put(format!("tollgate_quota_used{labels}"), scaled(rule.limit.charge, used), sink);
            let limit = rule.limit_of(rules.tags.names(), values);
            self.put(format!("tollgate_quota_limit{labels}"), scaled(rule.limit.charge, limit), sink);
        }
    }

    fn put(&mut self, name: String, value: u64, sink: &mut impl MetricSink) {
        let id = match self.ids.get(&name) {
            Some(id) => *id,
            None => {
                let id = sink.define(MetricKind::Gauge, &name);
                self.ids.insert(name, id);
                id
            }
        };
        if let Some(id) = id {
            sink.put(MetricKind::Gauge, id, value);
        }
    }
}

/// Whether this worker is the first to come by in a slot of time.
fn wins(rules: &Rules, store: &dyn SharedStore, slot: i64) -> bool {
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
