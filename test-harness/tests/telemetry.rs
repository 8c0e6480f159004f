//! The forms of `envoy-config/telemetry` against a small OTLP receiver: JSON, text and OTLP logs and the spans of one real Envoy tell the
//! same cost, and routes that are no LLM's stay out of the text and OTLP logs.
//!
//! `ENVOY` and `TOLLGATE_WASM` are paths; `cargo xtask test` sets both.

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;
use support::proto::at;
use support::{Given, call, given, llm_or};
use tollgate_test_harness::client;
use tollgate_test_harness::http::{Headers, Reply, Request, Seen};

/// The string value of an attribute out of a list of OTLP's `KeyValue` (key 1, value 2, of which string is 1).
fn attribute(all: &[Vec<u8>], key: &str) -> Option<String> {
    let found = all.iter().find(|one| at(one, &[1]).concat() == key.as_bytes())?;
    Some(String::from_utf8(at(found, &[2, 1]).concat()).unwrap())
}

/// What the receiver got on a path of OTLP over HTTP.
fn received(seen: &[Seen], path: &str) -> Vec<Vec<u8>> {
    seen.iter().filter(|seen| seen.path == path).map(|seen| seen.body.clone()).collect()
}

/// OTLP's messages: resource 1, scope 2, records or spans 2.
const EACH: [u64; 3] = [1, 2, 2];

#[test]
fn logs_and_spans_in_every_form_tell_the_same_cost() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    // One server is the LLM and the collector.
    let upstream = llm_or(|seen| {
        let collects = matches!(seen.path.as_str(), "/v1/logs" | "/v1/traces");
        collects.then(|| Reply {
            headers: Headers::from_iter([("content-type", "application/x-protobuf")]),
            ..Reply::default()
        })
    });
    let started = Given {
        config: "telemetry/envoy.yaml",
        wasm,
        plugin: Value::Null,
        upstream: upstream.address(),
        store: None,
    };
    let Some(mut envoy) = started.start() else { return };
    let template = call("", "search");
    let headers: Headers = template.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let request =
        Request { path: template.path.to_owned(), headers, body: template.body, ..Request::default() };
    assert_eq!(client::call(envoy.address(), &request).unwrap().status, 200);
    let elsewhere = Request { method: "GET".to_owned(), path: "/elsewhere".to_owned(), ..Request::default() };
    assert_eq!(client::call(envoy.address(), &elsewhere).unwrap().status, 404);

    let line = envoy.next_log_line().unwrap();
    let record = &line["tollgate"]["value"];
    assert_eq!(record["tollgate.cost.usd"], "0.0000033", "{line}");
    assert_eq!(envoy.next_log_line().unwrap()["tollgate"], Value::Null, "the JSON log has every request");

    let (mut logs, mut spans, until) = (Vec::new(), Vec::new(), Instant::now() + Duration::from_secs(15));
    while (logs.is_empty() || spans.len() < 2) && Instant::now() < until {
        let seen = upstream.take_ended(Duration::from_secs(1));
        logs.extend(received(&seen, "/v1/logs").iter().flat_map(|body| at(body, &EACH)));
        spans.extend(received(&seen, "/v1/traces").iter().flat_map(|body| at(body, &EACH)));
        std::thread::sleep(Duration::from_millis(50));
    }
    check_text(&envoy.log());
    check_log(&logs, record);
    check_span(&spans);
}

fn check_text(log: &str) {
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(" usd=")).collect();
    let expected = "200 team=search model=gpt-4o-mini tokens=13 usd=0.0000033 decision=allow";
    assert!(lines.len() == 1 && lines[0].ends_with(expected), "{lines:?}");
}

/// A log record of OTLP: body 5, attributes 6.
fn check_log(logs: &[Vec<u8>], record: &Value) {
    assert_eq!(logs.len(), 1, "only the LLM's route");
    let attributes = at(&logs[0], &[6]);
    for (key, value) in [
        ("gen_ai.usage.cost.amount", "0.0000033"),
        ("gen_ai.response.model", "gpt-4o-mini"),
        ("tollgate.total_tokens", "13"),
        ("tollgate.tags.team", "search"),
        ("tollgate.decision.action", "allow"),
        ("http.response.status_code", "200"),
    ] {
        assert_eq!(attribute(&attributes, key).as_deref(), Some(value), "{key}");
    }
    let body = String::from_utf8(at(&logs[0], &[5, 1]).concat()).unwrap();
    let mut body: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let body = if body["value"].is_object() { body["value"].take() } else { body };
    assert_eq!(body, *record, "the body is the whole record");
}

/// A span of OTLP: attributes 9.
fn check_span(spans: &[Vec<u8>]) {
    let costs = spans.iter().filter_map(|span| attribute(&at(span, &[9]), "gen_ai.usage.cost.amount"));
    assert_eq!(costs.filter(|cost| cost != "-").collect::<Vec<_>>(), ["0.0000033"], "{} spans", spans.len());
    let of_call = spans
        .iter()
        .map(|span| at(span, &[9]))
        .find(|all| attribute(all, "gen_ai.usage.cost.amount").is_some_and(|cost| cost == "0.0000033"))
        .unwrap();
    for (key, value) in [
        ("gen_ai.response.model", "gpt-4o-mini"),
        ("tollgate.total_tokens", "13"),
        ("tollgate.tags.team", "search"),
    ] {
        assert_eq!(attribute(&of_call, key).as_deref(), Some(value), "{key}");
    }
}
