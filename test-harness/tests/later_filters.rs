//! Calls that Tollgate lets go and that never reach a provider: a later filter refuses them, there is no cluster or no healthy host, the
//! client goes away before one was picked. They are `not_sent`, cost nothing, and leave nothing in a budget.
//!
//! `ENVOY` and `TOLLGATE_WASM` are paths; `cargo xtask test` sets both.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Given, given, llm};
use tollgate_test_harness::client;
use tollgate_test_harness::envoy::{Envoy, Reload};
use tollgate_test_harness::http::Request;

/// Behind Tollgate: an authorization by header, faults by header, and a limit of so many calls in all.
fn filters() -> [Value; 3] {
    let http = "type.googleapis.com/envoy.extensions.filters.http";
    let always = json!({"default_value": {"numerator": 100, "denominator": "HUNDRED"}});
    let asks = json!({"header": {"name": "x-later", "string_match": {"exact": "rbac"}}});
    let deny = json!({"permissions": [asks], "principals": [{"any": true}]});
    [
        json!({"name": "later.rbac", "typed_config": {
            "@type": format!("{http}.rbac.v3.RBAC"), "rules": {"action": "DENY", "policies": {"deny": deny}}}}),
        json!({"name": "later.fault", "typed_config": {
            "@type": format!("{http}.fault.v3.HTTPFault"),
            "abort": {"header_abort": {}, "percentage": {"numerator": 100}},
            "delay": {"header_delay": {}, "percentage": {"numerator": 100}}}}),
        json!({"name": "later.limit", "typed_config": {
            "@type": format!("{http}.local_ratelimit.v3.LocalRateLimit"), "stat_prefix": "later",
            "token_bucket": {"max_tokens": PASS_THE_LIMIT, "fill_interval": "3600s"},
            "filter_enabled": always, "filter_enforced": always}}),
    ]
}

/// How many calls of the cases get as far as the limit before the one that it refuses.
const PASS_THE_LIMIT: u64 = 5;

fn add_filters(listeners: &mut Value) {
    match listeners {
        Value::Object(fields) => {
            if let Some(chain) = fields.get_mut("http_filters").and_then(Value::as_array_mut) {
                let router = chain.pop();
                chain.extend(filters().into_iter().chain(router));
            }
            if let Some(routes) = fields.get_mut("routes").and_then(Value::as_array_mut) {
                let metered = routes[0]["typed_per_filter_config"].clone();
                let route = |header: Value, to: (&str, Value)| json!({"match": {"prefix": "/v1/", "headers": [header]}, to.0: to.1, "typed_per_filter_config": metered});
                let direct = json!({"name": "x-later", "string_match": {"exact": "direct"}});
                routes.insert(0, route(direct, ("direct_response", json!({"status": 503}))));
                let by_header = json!({"name": "x-cluster", "present_match": true});
                routes.insert(0, route(by_header, ("route", json!({"cluster_header": "x-cluster"}))));
            }
            fields.values_mut().for_each(add_filters);
        }
        Value::Array(items) => items.iter_mut().for_each(add_filters),
        _ => {}
    }
}

struct Case {
    name: &'static str,
    header: (&'static str, &'static str),
    /// What the client gets; nothing if it goes away first.
    status: Option<u16>,
    cost: &'static str,
}

fn case(name: &'static str, header: (&'static str, &'static str), status: u16) -> Case {
    Case { name, header, status: Some(status), cost: "not_sent" }
}

fn cases() -> Vec<Case> {
    let plain = ("x-later", "no");
    vec![
        case("another filter's authorization", ("x-later", "rbac"), 403),
        case("another filter's own answer", ("x-envoy-fault-abort-request", "418"), 418),
        Case {
            status: None,
            ..case("a client that does not wait", ("x-envoy-fault-delay-request", "5000"), 0)
        },
        case("a route that answers itself", ("x-later", "direct"), 503),
        case("a cluster that is not there", ("x-cluster", "nowhere"), 503),
        Case { cost: "not_billed", ..case("an error of the provider", ("x-answer", "error"), 500) },
        Case { cost: "priced", ..case("an answer", plain, 200) },
        Case { cost: "priced", ..case("one more", plain, 200) },
        case("another filter's limit", plain, 429),
    ]
}

fn run(envoy: &mut Envoy, case: &Case) -> Value {
    let body = json!({"model": "gpt-4o-mini", "max_tokens": 5, "messages": []}).to_string();
    let headers = [("content-type", "application/json"), ("host", "api.openai.com"), case.header];
    let request = Request {
        path: "/v1/chat/completions".to_owned(),
        headers: headers.into_iter().collect(),
        abort_after: case.status.is_none().then_some(body.len()),
        body: body.into_bytes(),
        ..Request::default()
    };
    let response = client::call(envoy.address(), &request);
    if let Some(status) = case.status {
        assert_eq!(response.unwrap().status, status, "{}", case.name);
    }
    let line = envoy.next_log_line().unwrap();
    println!("{}: details {}, flags {}", case.name, line["details"], line["flags"]);
    line["tollgate"]["value"].clone()
}

fn quotas(envoy: &mut Envoy) -> Value {
    let request = Request {
        method: "GET".to_owned(),
        path: "/.tollgate/quotas".to_owned(),
        headers: [("authorization", "Bearer secret")].into_iter().collect(),
        ..Request::default()
    };
    let page = client::call(envoy.address(), &request).unwrap();
    envoy.next_log_line().unwrap();
    serde_json::from_slice(&page.body).unwrap()
}

#[test]
fn what_never_reaches_a_provider_is_not_sent_and_leaves_nothing_in_a_budget() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let llm = llm();
    let plugin = json!({
        "admin": {"token_sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"},
        "quotas": [
            {"name": "calls", "limit": {"requests": 100}, "window": "year", "scope": "process"},
            {"name": "money", "limit": {"usd": "9"}, "window": "year", "scope": "process", "reserve": {"output": "requested"}},
        ],
    });
    let given = Given { config: "quickstart/envoy.yaml", wasm, plugin, upstream: llm.address(), store: None };
    let Some(mut envoy) = given.start() else { return };
    assert_eq!(envoy.change_listeners(add_filters).unwrap(), Reload::Accepted);
    let mut sent = 0;
    for case in cases() {
        let record = run(&mut envoy, &case);
        assert_eq!(record["tollgate.cost.status"], case.cost, "{}: {record}", case.name);
        assert_eq!(record["tollgate.decision.action"], "allow", "{}", case.name);
        sent += u64::from(case.cost != "not_sent");
    }
    // What ended on another worker is shown within a tick, and what a worker has in hand for its next calls goes back within half a second.
    let (told, until) = (sent.to_string(), Instant::now() + Duration::from_secs(20));
    loop {
        let page = quotas(&mut envoy);
        let counter = |quota: usize| &page["quotas"][quota]["counters"][0];
        let is_told = counter(0)["used"] == told;
        if is_told && [0, 1].iter().all(|quota| counter(*quota)["reserved"] == "0") {
            return;
        }
        assert!(Instant::now() < until, "{page}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
