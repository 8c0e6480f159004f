//! `quotas`: how much of each quota is used and reserved, by counter, and when it will be empty.

use super::json::{Object, instant, list};
use super::steer::outside;
use super::{Asked, json_reply, mistake};
use crate::reply::LocalReply;
use tollgate_policy::{Entry, Listed, QuotaRule, StoreRef};

/// So many counters of a quota are shown, those that are used most,
const MOST_COUNTERS: usize = 1000;

/// out of so many pages: reading all of a quota with hundreds of thousands of counters would hold up a worker.
const MOST_PAGES: usize = 2048;

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

pub(super) fn quota(rule: &QuotaRule, asked: &Asked<'_>) -> String {
    let now = asked.now.unix_seconds();
    let listed = match outside(rule, asked) {
        Some(_) => Listed::default(),
        None => rule.counters(&asked.rules.namespace, asked.store, MOST_PAGES),
    };
    let used: Vec<i128> = listed.counters.iter().map(|(_, entry)| entry.used(rule.window, now)).collect();
    let least = least_shown(&used);
    let shown = listed.counters.iter().zip(&used).filter(|(_, used)| **used >= least);
    let shown = shown.map(|(counter, _)| counter).take(MOST_COUNTERS);
    let mut counters: Vec<String> =
        shown.map(|(values, entry)| counter(rule, asked, values.trim_start_matches('/'), entry)).collect();
    // Each begins with its key.
    counters.sort();
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
        } else if listed.in_all > 0 {
            "true"
        } else {
            "false"
        },
    );
    page.put("counters", &list(&counters));
    page.put("counters_in_all", &listed.in_all.to_string());
    if listed.estimated {
        page.put("counters_in_all_estimated", "true");
    }
    page.end()
}

/// How much a counter must have used to be shown where there are too many: the greatest amount that enough have used. Which of those
/// that have used just that is left to chance.
fn least_shown(used: &[i128]) -> i128 {
    let (Some(least), Some(most)) = (used.iter().min(), used.iter().max()) else { return 0 };
    let (mut low, mut high) = (*least, most.saturating_add(1));
    // INVARIANT: enough have used `low`, or all have, and nobody `high`.
    // Their midpoint lies between them only as long as there is anything: below nothing it is rounded up.
    while low.saturating_add(1) < high {
        let middle = low.midpoint(high);
        match used.iter().filter(|used| **used >= middle).count() >= MOST_COUNTERS {
            true => low = middle,
            false => high = middle,
        }
    }
    low
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_counters_those_that_are_used_most_are_shown() {
        for (name, used, least) in [
            ("none", vec![], 0),
            ("all that there are", (5..500).collect(), 5),
            ("the thousand greatest", (0..5000).collect(), 4000),
            ("some of equal ones", vec![7; 3000], 7),
            ("grants count below nothing", [vec![-9; 10], vec![3; 1000]].concat(), 3),
            ("nothing but a grant", vec![-9], -9),
            ("nothing but grants, too many", (-3000..-1).collect(), -1001),
        ] {
            assert_eq!(least_shown(&used), least, "{name}");
        }
    }
}
