//! `guards`: which keys depart from their past right now.

use super::json::{list, quoted};
use super::{Asked, json_reply, mistake};
use crate::reply::LocalReply;
use tollgate_policy::{GuardRule, Mode, Then, Verdicts};
use tollgate_record::Timestamp;

pub(super) fn reply(asked: &Asked<'_>) -> LocalReply {
    if let Some(name) = asked.query.unknown(&["token"]) {
        return mistake(&format!("unknown parameter `{name}`, expected none"));
    }
    let verdicts = asked.rules.verdicts(asked.store);
    let rules = asked.rules.guards.as_ref().map(|guards| guards.rules.as_slice()).unwrap_or_default();
    let guards: Vec<_> = rules.iter().map(|rule| guard(rule, &verdicts, asked)).collect();
    json_reply(200, format!(r#"{{"now":"{}","guards":{}}}"#, asked.now, list(&guards)))
}

fn guard(rule: &GuardRule, verdicts: &Verdicts, asked: &Asked<'_>) -> String {
    let instant = |seconds: u32| Timestamp::from_unix_nanos(i64::from(seconds).saturating_mul(1_000_000_000));
    let own = verdicts.iter().filter(|(guard, _, verdict)| {
        *guard == rule.name && i64::from(verdict.until_s) > asked.now.unix_seconds()
    });
    let key = |(_, key, verdict): (&str, &str, &tollgate_policy::Verdict)| {
        let labels = rule.labels(asked.rules.tags.names(), key);
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
        let (since, until) = (instant(verdict.since_s), instant(verdict.until_s));
        format!(r#"{{"key":{{{}}},"since":"{since}","until":"{until}"}}"#, labels.join(","))
    };
    let keys: Vec<_> = own.map(key).collect();
    let then = match &rule.then {
        Then::Alert => "alert",
        Then::Throttle => "throttle",
        Then::Downgrade { .. } => "downgrade",
        Then::Deny => "deny",
    };
    format!(
        r#"{{"name":{},"watch":"{}","then":"{then}","mode":"{}","keys":{}}}"#,
        quoted(&rule.name),
        rule.judge.watch.name(),
        if rule.mode == Mode::Shadow { "shadow" } else { "enforce" },
        list(&keys)
    )
}
