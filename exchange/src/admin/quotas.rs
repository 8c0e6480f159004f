//! `quotas`: how much of each quota is used and reserved, by counter.

use super::json::{list, quoted};
use super::{Asked, json_reply, mistake};
use crate::reply::LocalReply;
use tollgate_policy::{Change, Entry, Mode, QuotaRule, StoreRef};
use tollgate_record::Timestamp;

/// So many counters of a quota are shown.
const MOST_COUNTERS: u64 = 1000;

pub(super) fn reply(asked: &Asked<'_>) -> LocalReply {
    if let Some(name) = asked.query.unknown(&["token"]) {
        return mistake(&format!("unknown parameter `{name}`, expected none"));
    }
    let quotas: Vec<_> = asked.rules.quotas.iter().map(|rule| quota(rule, asked)).collect();
    json_reply(200, format!(r#"{{"now":"{}","quotas":{}}}"#, asked.now, list(&quotas)))
}

fn quota(rule: &QuotaRule, asked: &Asked<'_>) -> String {
    let now = asked.now.unix_seconds();
    let budget = rule.op(&asked.rules.namespace, "", Change::Reset).budget;
    let (keys, count) = budget.keys(asked.store, MOST_COUNTERS);
    let prefix = format!("{}/v", rule.base(&asked.rules.namespace));
    let counter = |key: &String| {
        let (bytes, _) = asked.store.read(key).ok().flatten()?;
        let entry = Entry::from_bytes(&bytes).ok()?;
        let shown = |amount: i128| quoted(&rule.limit.charge.shown(amount));
        let name = key.strip_prefix(&prefix).unwrap_or(key).trim_start_matches('/');
        Some(format!(
            r#"{{"key":{},"used":{},"reserved":{}}}"#,
            quoted(name),
            shown(entry.used(rule.window, now)),
            shown(entry.open(now))
        ))
    };
    let counters: Vec<_> = keys.iter().filter_map(counter).collect();
    let reset = Timestamp::from_unix_nanos(rule.window.span(now).1.saturating_mul(1_000_000_000));
    format!(
        r#"{{"name":{},"unit":"{}","limit":{},"mode":"{}","scope":"{}","resets_at":"{reset}","counters":{},"counters_in_all":{count}}}"#,
        quoted(&rule.name),
        rule.limit.charge.name(),
        quoted(&rule.limit.charge.shown(rule.limit.amount)),
        if rule.mode == Mode::Shadow { "shadow" } else { "enforce" },
        if rule.store == StoreRef::Local { "process" } else { "store" },
        list(&counters),
    )
}
