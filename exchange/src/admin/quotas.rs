//! `quotas`: how much of each quota is used and reserved, by counter, and when it will be empty.

use super::json::{Object, instant, list};
use super::{Asked, json_reply, mistake};
use crate::reply::LocalReply;
use tollgate_policy::{Change, Entry, QuotaRule, StoreRef};

/// So many counters of a quota are shown.
const MOST_COUNTERS: u64 = 1000;

pub(super) fn reply(asked: &Asked<'_>) -> LocalReply {
    if let Some(name) = asked.query.unknown(&["token"]) {
        return mistake(&format!("unknown parameter `{name}`, expected none"));
    }
    let quotas: Vec<_> = asked.rules.quotas.iter().map(|rule| quota(rule, asked)).collect();
    let mut page = Object::new();
    page.text("now", Some(&asked.now.to_string()));
    page.put("quotas", &list(&quotas));
    json_reply(200, page.end())
}

fn quota(rule: &QuotaRule, asked: &Asked<'_>) -> String {
    let now = asked.now.unix_seconds();
    let (keys, count) =
        rule.op(&asked.rules.namespace, "", Change::Reset).budget.keys(asked.store, MOST_COUNTERS);
    let shown = |key: &String| {
        let (bytes, _) = asked.store.read(key).ok().flatten()?;
        let entry = Entry::from_bytes(&bytes).ok()?;
        Some(counter(rule, asked, rule.values_of(&asked.rules.namespace, key), &entry))
    };
    let counters: Vec<_> = keys.iter().filter_map(shown).collect();
    let mut page = Object::new();
    page.text("name", Some(&rule.name));
    page.text("unit", Some(rule.limit.charge.name()));
    page.text("limit", Some(&rule.limit.charge.shown(rule.limit.amount)));
    page.text("mode", Some(rule.mode.name()));
    page.text("scope", Some(if rule.store == StoreRef::Local { "process" } else { "store" }));
    page.text("resets_at", Some(&instant(rule.window.span(now).1).to_string()));
    // A store outside has counters of its own, and a limit of zero never makes one.
    let known = rule.store == StoreRef::Local && rule.limit.amount > 0;
    page.put(
        "matched",
        if !known {
            "null"
        } else if count > 0 {
            "true"
        } else {
            "false"
        },
    );
    page.put("counters", &list(&counters));
    page.put("counters_in_all", &count.to_string());
    page.end()
}

/// One counter, by the values in its key.
pub(super) fn counter(rule: &QuotaRule, asked: &Asked<'_>, values: &str, entry: &Entry) -> String {
    let (now, charge) = (asked.now.unix_seconds(), rule.limit.charge);
    let (used, reserved) = (entry.used(rule.window, now), entry.open(now));
    let limit = rule.limit_of(asked.rules.tags.names(), &format!("/{values}"));
    let mut shown = Object::new();
    shown.text("key", Some(values));
    shown.text("used", Some(&charge.shown(used)));
    shown.text("reserved", Some(&charge.shown(reserved)));
    shown.text("limit", Some(&charge.shown(limit)));
    let seconds = rule.empty_in(used, limit, now).map(|seconds| seconds.to_string());
    shown.put("seconds_to_empty", seconds.as_deref().unwrap_or("null"));
    shown.end()
}
