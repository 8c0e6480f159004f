//! What a call costs does not depend on how many counters its quotas have.
//!
//! `TOLLGATE_WASM` is a path; `cargo xtask test` sets it.
#![cfg(feature = "host")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{full_size, given};
use tollgate_test_harness::costs::Costs;
use tollgate_test_harness::envoy::config::Plugin;
use tollgate_test_harness::host::{Compiled, Host, Route};
use tollgate_test_harness::http::{Headers, Reply, Request};
use tollgate_test_harness::scenario::Engine;

/// Counters of a quota have places of their own up to this number; further values share one.
const PLACES: u64 = 10_000;

fn host(compiled: &Compiled) -> Host {
    let quota =
        json!({"name": "user", "per": ["user"], "limit": {"requests": 1_000_000_000}, "window": "1h"});
    let plugin =
        json!({"tags": {"user": {"from": [{"header": "x-user"}]}}, "quotas": [quota], "emit": {"views": []}});
    let route = Route {
        prefix: "/v1/".to_owned(),
        exact: false,
        cluster: Some("openai".to_owned()),
        name: "openai".to_owned(),
        filtered: true,
    };
    Host::start(compiled, &Plugin::Text(plugin.to_string()), vec![route]).unwrap()
}

fn call(host: &mut Host, user: u64) -> Costs {
    let headers =
        [("content-type", "application/json"), ("host", "api.openai.com")].map(|(n, v)| (n, v.to_owned()));
    let headers = Headers::from_iter(headers.into_iter().chain([("x-user", format!("user-{user:08}"))]));
    let body = json!({"model": "gpt-4o-mini", "max_tokens": 5, "messages": []}).to_string().into_bytes();
    let request = Request { path: "/v1/chat/completions".to_owned(), headers, body, ..Request::default() };
    let usage = r#"{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13}"#;
    let reply = Reply::json(format!(r#"{{"model":"gpt-4o-mini","choices":[],"usage":{usage}}}"#));
    host.call(&request, &reply).unwrap().costs.unwrap()
}

/// Costs of calls of users that are known: the greatest of a few.
fn known(host: &mut Host) -> (u64, u64, u64) {
    // By then nothing is in hand, and the proxy was told all that was counted.
    host.pass(Duration::from_secs(2)).unwrap();
    let users = (0..20).map(|n| n * 7);
    // Stats look up where a user's calls are counted at the first of a while.
    users.clone().for_each(|user| drop(call(host, user)));
    host.pass(Duration::from_secs(2)).unwrap();
    let costs: Vec<Costs> = users.map(|user| call(host, user)).collect();
    let most = |of: fn(&Costs) -> u64| costs.iter().map(of).max().unwrap();
    (most(|c| c.fuel), most(Costs::host_calls), most(|c| c.bytes_in + c.bytes_out))
}

#[test]
fn a_call_costs_the_same_with_a_thousand_counters_and_with_all_places_taken() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    let mut host = host(&compiled);
    (0..1_000).for_each(|user| drop(call(&mut host, user)));
    let few = known(&mut host);
    let values = full_size(PLACES + 2_000).max(PLACES + 2_000);
    (1_000..values).for_each(|user| drop(call(&mut host, user)));
    let many = known(&mut host);
    println!("with 1,000 counters {few:?} of fuel, host calls and bytes; after {values} values {many:?}");
    assert!(many.0 * 100 <= few.0 * 120, "fuel: {} -> {}", few.0, many.0);
    assert_eq!(many.1, few.1, "host calls");
    assert!(many.2 * 100 <= few.2 * 120, "bytes copied: {} -> {}", few.2, many.2);
    // A value past the places looks for its own counter, is told that there is none left, and takes the shared one.
    call(&mut host, values + 1);
    host.pass(Duration::from_secs(2)).unwrap();
    let late = call(&mut host, values + 1);
    println!("a value without a place of its own: {} host calls", late.host_calls());
    assert!(late.host_calls() <= many.1 + 6, "{:?}", late.calls);
}
