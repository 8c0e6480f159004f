//! What a worker has seen since its last tick outlives the configuration, also on a host that gives the root that is there another one.
//!
//! `TOLLGATE_WASM` is a path; `cargo xtask test` sets it.
#![cfg(feature = "host")]

mod support;

use std::path::PathBuf;

use serde_json::{Value, json};
use support::{given, hosted};
use tollgate_test_harness::envoy::Reload;
use tollgate_test_harness::envoy::config::Plugin;
use tollgate_test_harness::host::{Compiled, Host};
use tollgate_test_harness::http::{Headers, Reply, Request};
use tollgate_test_harness::scenario::Engine;

/// A guard that remembers, and a page that shows what was spent.
fn plugin(limit: &str) -> Value {
    json!({
        "tags": {"team": {"from": [{"header": "x-team"}]}},
        "guards": [{"name": "errors", "per": ["team"], "watch": "error_rate"}],
        "limits": [{"max_request_usd": limit}],
        "candidate": {"name": "next", "quotas": []},
        // SHA-256 of `secret`.
        "admin": {"token_sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"},
    })
}

fn page(host: &mut Host, path: &str) -> Value {
    let request = Request {
        method: "GET".to_owned(),
        path: format!("/.tollgate/{path}"),
        headers: Headers::from_iter([("authorization", "Bearer secret")]),
        ..Request::default()
    };
    serde_json::from_slice(&host.call(&request, &Reply::default()).unwrap().response.body).unwrap()
}

#[test]
fn what_was_seen_since_the_last_tick_is_kept() {
    let Some(wasm): Option<PathBuf> = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    let mut host = hosted::host(&compiled, &plugin("2.00"));
    let body = json!({"model": "gpt-4o-mini", "messages": []});
    for (limit, expected) in
        [("3.00", Reload::Accepted), ("three", Reload::Rejected), ("4.00", Reload::Accepted)]
    {
        hosted::chat(&mut host, ("x-team", "search"), &body);
        let configured = host.configure_again(&Plugin::Text(plugin(limit).to_string())).unwrap();
        assert_eq!(configured, expected, "{limit}");
    }
    let usage = page(&mut host, "usage?by=team");
    assert_eq!(usage["current"]["total"]["calls"], 3, "{usage}");
    let candidate = page(&mut host, "candidate");
    assert_eq!(candidate["calls"], 3, "{candidate}");
    let series = host.series().unwrap();
    let counted: f64 = series.iter().filter(|s| s.name == "tollgate_requests").map(|s| s.value).sum();
    assert!(counted >= 3.0, "{series:?}");
}
