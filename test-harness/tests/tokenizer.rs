//! What counting tokens can cost a call at most, whatever its texts are: by counts, which do not depend on the machine.
//!
//! `TOLLGATE_ESTIMATE_WASM` is the path of the plugin with vocabularies in it; `cargo xtask test` sets it.
#![cfg(feature = "host")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::given;
use tollgate_test_harness::envoy::config::Plugin;
use tollgate_test_harness::host::{Compiled, Host, Route};
use tollgate_test_harness::http::{Reply, Request};
use tollgate_test_harness::scenario::Engine;

fn host(compiled: &Compiled, configuration: &Value) -> Host {
    let route = Route {
        prefix: "/v1/".to_owned(),
        cluster: Some("openai".to_owned()),
        name: "openai".to_owned(),
        filtered: true,
        ..Route::default()
    };
    Host::start(compiled, &Plugin::Text(configuration.to_string()), vec![route]).unwrap()
}

/// The fuel of a call whose request and answer have that text; the answer reports nothing.
fn fuel(host: &mut Host, text: &str) -> u64 {
    let ask = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]});
    let request = Request {
        path: "/v1/chat/completions".to_owned(),
        headers: [("host", "api.openai.com"), ("content-type", "application/json")].into_iter().collect(),
        body: ask.to_string().into_bytes(),
        ..Request::default()
    };
    let said = json!({"model": "gpt-4o", "choices": [{"index": 0, "message": {"content": text}}]});
    let outcome = host.call(&request, &Reply::json(said.to_string())).unwrap();
    assert_eq!(outcome.log["tollgate"]["value"]["tollgate.usage.source"], "estimated");
    outcome.costs.unwrap().fuel
}

/// That many bytes of a text, made of pieces in turn.
fn filled(bytes: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < bytes {
        text.push_str(&piece(number));
        number += 1;
    }
    text
}

fn words(number: usize) -> String {
    let words = ["the", "budget", "of", "a", "team", "reservation", "is", "measured", "by", "throughput"];
    format!("{} ", words[number * 7 % 10])
}

/// Digits and letters without a pattern, as keys and pictures in base64 have them.
fn noise(number: usize) -> String {
    let mixed = number.wrapping_mul(2_654_435_761) >> 7;
    format!("{mixed:x}Zq{}", mixed % 89)
}

#[test]
fn counting_costs_no_text_much_more_than_prose() {
    let Some(wasm) = given("TOLLGATE_ESTIMATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    let mut reckoning = host(&compiled, &json!({"estimate": "bytes"}));
    let mut counting = host(&compiled, &json!({}));
    // A tick after the first call builds the vocabulary.
    fuel(&mut counting, "hello");
    counting.pass(Duration::from_secs(1)).unwrap();
    let texts = [
        ("prose", filled(9_000, words)),
        ("one letter", "a".repeat(9_000)),
        ("spaces", " ".repeat(9_000)),
        ("line ends", "\n".repeat(9_000)),
        ("noise", filled(9_000, noise)),
        ("another script", "今日はとても良い天気です".repeat(250)),
        ("pictures", "😀🎉".repeat(1_125)),
        ("prose of 900 KB", filled(900_000, words)),
    ];
    let mut all = Vec::new();
    for (name, text) in &texts {
        let cost = fuel(&mut counting, text).saturating_sub(fuel(&mut reckoning, text));
        println!("{name}: {cost} of fuel to count 16 KiB");
        all.push(cost);
    }
    let prose = all[0];
    for ((name, _), cost) in texts.iter().zip(&all) {
        assert!(*cost <= prose * MOST_TIMES_PROSE, "{name}: {cost} of fuel, prose takes {prose}");
    }
}

/// `docs/estimates.md` states it.
const MOST_TIMES_PROSE: u64 = 16;
