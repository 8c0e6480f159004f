//! What happens to streams that are open for long: a reload in their middle, a body that never comes, a client that goes away,
//! an upstream that breaks off.
//!
//! `ENVOY` and `TOLLGATE_WASM` name an Envoy and the plugin; `cargo xtask test` sets both.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_test_harness::chunking::Chunking;
use tollgate_test_harness::client;
use tollgate_test_harness::envoy::config::{Places, Plugin};
use tollgate_test_harness::envoy::{Envoy, Reload, Setup};
use tollgate_test_harness::http::{End, Framing, Reply, Request, Version};
use tollgate_test_harness::scenario::on_envoy::envoy_config;
use tollgate_test_harness::upstream::Upstream;

fn start(upstream: &Upstream, plugin: &Value) -> Option<Envoy> {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let Some((binary, wasm)) = path("ENVOY").zip(path("TOLLGATE_WASM")) else {
        println!("skipped: ENVOY and TOLLGATE_WASM are not set, run `cargo xtask test`");
        return None;
    };
    let places = Places {
        wasm,
        upstream: upstream.address(),
        upstream_version: Version::Http1,
        extra_cluster: None,
        access_log: PathBuf::new(),
        folder: PathBuf::new(),
        plugin: Some(Plugin::Text(plugin.to_string())),
    };
    let config = envoy_config().join("quickstart/ecds.yaml");
    Some(Envoy::start(&Setup { binary, config, workers: 1, places }).unwrap())
}

const STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"m1","model":"claude-haiku-4-5","usage":{"input_tokens":40,"output_tokens":1}}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":12}}

event: message_stop
data: {"type":"message_stop"}

"#;

fn streamed() -> Reply {
    Reply {
        headers: [("content-type", "text/event-stream")].into_iter().collect(),
        body: STREAM.as_bytes().to_vec(),
        framing: Framing::Chunked,
        chunks: Chunking::Events,
        ..Reply::default()
    }
}

fn ask() -> Request {
    Request {
        path: "/v1/messages".to_owned(),
        headers: [("content-type", "application/json"), ("x-team", "search")].into_iter().collect(),
        body: json!({"model": "claude-haiku-4-5", "stream": true, "messages": []}).to_string().into_bytes(),
        ..Request::default()
    }
}

fn record(envoy: &mut Envoy) -> Value {
    envoy.next_log_line().unwrap()["tollgate"]["value"].clone()
}

#[test]
fn a_stream_keeps_the_rules_that_admitted_it_over_a_reload() {
    let slow = Reply { pause: Duration::from_millis(400), ..streamed() };
    let (asked, asking) = (Arc::new(AtomicBool::new(false)), Instant::now());
    let seen = Arc::clone(&asked);
    let upstream = Upstream::start(move |_| {
        seen.store(true, Ordering::SeqCst);
        slow.clone()
    });
    let upstream = upstream.unwrap();
    let old = json!({"tags": {"team": {"from": [{"header": "x-team"}]}}});
    let Some(mut envoy) = start(&upstream, &old) else { return };
    let address = envoy.address();
    let open = std::thread::spawn(move || client::call(address, &ask()).unwrap());
    // What has come to the upstream was admitted.
    while !asked.load(Ordering::SeqCst) {
        assert!(asking.elapsed() < Duration::from_secs(60), "the call never came to the upstream");
        std::thread::sleep(Duration::from_millis(10));
    }
    let new = json!({"tags": {"squad": {"from": [{"header": "x-team"}]}}});
    let reload = envoy.reconfigure_extension("tollgate.yaml", Plugin::Text(new.to_string())).unwrap();
    assert_eq!(reload, Reload::Accepted);
    assert_eq!(open.join().unwrap().body, STREAM.as_bytes());
    let first = record(&mut envoy);
    client::call(address, &ask()).unwrap();
    let second = record(&mut envoy);
    assert_eq!(
        (&first["tollgate.tags"], &second["tollgate.tags"]),
        (&json!({"team": "search"}), &json!({"squad": "search"}))
    );
    assert_ne!(first["tollgate.config.version"], second["tollgate.config.version"]);
    assert_eq!(first["gen_ai.usage.output_tokens"], second["gen_ai.usage.output_tokens"]);
    // Claude Haiku 4.5: 1 USD input, 5 USD output per million tokens.
    assert_eq!(first["tollgate.cost.usd"], json!("0.0001"));
}

#[test]
fn a_request_whose_body_stops_coming_is_let_go() {
    let upstream = Upstream::start(|_| streamed()).unwrap();
    let per_model =
        json!({"quotas": [{"name": "m", "per": ["model"], "limit": {"requests": 9}, "window": "year"}]});
    let Some(mut envoy) = start(&upstream, &per_model) else { return };
    let body = br#"{"messages":[],"model":"claude-haiku-4-5"}"#.to_vec();
    // The second piece, which names the model, comes only after the hold's limit of 10 s.
    let request =
        Request { body, chunks: Chunking::At(vec![10]), pause: Duration::from_millis(6_000), ..ask() };
    let begun = Instant::now();
    let response = client::call(envoy.address(), &request).unwrap();
    assert_eq!((response.status, response.end), (200, End::Complete));
    assert!(begun.elapsed() > Duration::from_secs(11), "{:?}", begun.elapsed());
    let seen = upstream.take_ended(Duration::from_secs(1)).pop().unwrap();
    assert_eq!(seen.body, request.body);
    let early = seen.first_byte_at.unwrap() < seen.last_byte_at.unwrap();
    assert!(early, "the request was held to its end");
    assert_eq!(record(&mut envoy)["gen_ai.request.model"], json!("claude-haiku-4-5"));
    assert_eq!(envoy.stat("wasmcustom.tollgate_errors;kind=limit").unwrap(), 1);
}

#[test]
fn a_request_whose_body_stops_coming_is_refused_where_a_required_tag_may_be_missing() {
    let upstream = Upstream::start(|_| streamed()).unwrap();
    let required = json!({"tags": {"team": {"from": [{"body": "/metadata/team"}], "required": "deny"}}});
    let Some(mut envoy) = start(&upstream, &required) else { return };
    let body = br#"{"model":"claude-haiku-4-5","metadata":{"team":"search"},"messages":[]}"#.to_vec();
    let request =
        Request { body, chunks: Chunking::At(vec![10]), pause: Duration::from_millis(6_000), ..ask() };
    let response = client::call(envoy.address(), &request).unwrap();
    assert_eq!(response.status, 413);
    let refusal: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(refusal["error"]["type"], json!("request_too_large"), "{refusal}");
    assert!(upstream.take_ended(Duration::from_secs(1)).is_empty(), "nothing is sent upstream");
    assert_eq!(record(&mut envoy)["tollgate.decision.rule"], json!("tags.team"));
}

#[test]
fn a_client_that_goes_away_leaves_a_record_of_what_was_seen() {
    let slow = Reply { pause: Duration::from_millis(200), ..streamed() };
    let upstream = Upstream::start(move |_| slow.clone()).unwrap();
    let Some(mut envoy) = start(&upstream, &json!({})) else { return };
    let request = Request { hang_up_after: Some(100), ..ask() };
    assert_eq!(client::call(envoy.address(), &request).unwrap().end, End::HungUp);
    let record = record(&mut envoy);
    assert_eq!(record["tollgate.usage.source"], json!("partial"), "{record}");
    assert_eq!(record["gen_ai.usage.input_tokens"], json!(40));
    assert_eq!(record["tollgate.cost.status"], json!("priced"));
}

#[test]
fn an_upstream_that_breaks_off_leaves_a_record_of_what_was_seen() {
    let cut = Reply { cut_after: Some(200), ..streamed() };
    let upstream = Upstream::start(move |_| cut.clone()).unwrap();
    let Some(mut envoy) = start(&upstream, &json!({})) else { return };
    assert_eq!(client::call(envoy.address(), &ask()).unwrap().end, End::Cut);
    assert_eq!(record(&mut envoy)["tollgate.usage.source"], json!("partial"));
}

#[test]
fn ids_run_without_gaps() {
    let upstream = Upstream::start(|_| streamed()).unwrap();
    let Some(mut envoy) = start(&upstream, &json!({})) else { return };
    let mut last = Vec::new();
    for _ in 0..20 {
        client::call(envoy.address(), &ask()).unwrap();
        last.push(record(&mut envoy)["tollgate.id"].as_str().unwrap().to_owned());
    }
    let sequence = |id: &String| u64::from_str_radix(id.rsplit('-').next().unwrap(), 16).unwrap();
    let numbers: Vec<_> = last.iter().map(sequence).collect();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
}
