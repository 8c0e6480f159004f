//! Tollgate's configurations in the comparison.

use serde_json::{Map, Value, json};

use super::chains::with;

/// What meters and prices, and does nothing else.
pub fn bare() -> Value {
    json!({})
}

/// The same without the vocabulary.
pub fn by_length() -> Value {
    json!({"estimate": "bytes"})
}

/// A route that no call takes and that must know every call's model.
pub fn body_rule() -> Value {
    json!({"routes": [{"when": {"model": "nobody-asks-for-this"}, "deny": "*"}]})
}

/// Each of six tags out of a header of its own.
pub fn six_tags() -> Value {
    let tags = [
        ("team", "x-team"),
        ("feature", "x-feature"),
        ("customer", "x-customer-id"),
        ("workflow", "x-workflow-id"),
        ("app", "x-app"),
        ("user", "x-user"),
    ];
    let tag = |(name, header): &(&str, &str)| ((*name).to_owned(), json!({"from": [{"header": header}]}));
    json!({"tags": tags.iter().map(tag).collect::<Map<_, _>>()})
}

/// A tag, which is no label of any series.
pub fn one_tag() -> Value {
    json!({"tags": {"user": {"from": [{"header": "x-user"}]}}, "emit": {"views": [["provider", "model"]]}})
}

/// What each user spends, in all and by the call, sends and fails at is compared with its past.
pub fn one_tag_four_guards() -> Value {
    let guard = |watch: &&str| json!({"name": watch, "per": ["user"], "watch": watch});
    let guards = ["spend_rate", "cost_per_call", "input_tokens", "error_rate"].iter().map(guard);
    with(one_tag(), "guards", guards.collect())
}

/// Limits that no run reaches, counted in this process.
pub fn six_tags_five_quotas() -> Value {
    with(six_tags(), "quotas", quotas("local"))
}

/// The same, counted in a store.
pub fn stored(mode: &str) -> Value {
    let mode = if mode == "cached" { json!({"cached": {"sync_ms": 200}}) } else { json!(mode) };
    let store = json!({"cluster": "store", "protocol": "webdis", "timeout_ms": 1000, "mode": mode});
    with(with(six_tags(), "quotas", quotas("fleet")), "stores", json!({"fleet": store}))
}

fn quotas(store: &str) -> Value {
    let quota = |(index, per): (usize, &&str)| {
        json!({"name": format!("quota-{index}"), "per": [per], "store": store,
            "limit": {"usd": "1000000.00"}, "window": "hour"})
    };
    ["team", "feature", "customer", "app", "user"].iter().enumerate().map(quota).collect()
}
