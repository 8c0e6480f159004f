//! Prices that arrive while calls are under way, and as many as there are.
#![expect(clippy::panic, reason = "a test that meets what it does not expect fails")]

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tollgate_exchange::{
    AnsweredBy, Exchange, Finish, Head, HeaderPairs, PolicyFile, Rules, Start, parse_catalogue,
};
use tollgate_policy::ReservationId;
use tollgate_record::{Record, Timestamp};
use tollgate_wire::{End, Ended};

const CONFIGURATION: &[u8] = br#"{"pricing":{"refresh":{"cluster":"c","path":"/p"}}}"#;
const NOON: Timestamp = Timestamp::from_unix_nanos(1_795_176_000_000_000_000);

fn begin(rules: &Rc<Rules>) -> Box<Exchange> {
    let pairs = [(":method", "POST"), (":authority", "api.openai.com"), (":path", "/v1/chat/completions")];
    let headers = HeaderPairs::from_pairs(pairs.map(|(name, value)| (name, value.as_bytes())));
    let id = || ReservationId { process: 1, worker: 1, sequence: 1 };
    match Exchange::start(rules, &Head { headers, ..Head::default() }, id, NOON) {
        Start::Begin(exchange, _, _) => exchange,
        _ => panic!("not seen as an LLM call"),
    }
}

fn end(mut exchange: Box<Exchange>) -> Record {
    exchange.request_body(br#"{"model":"gpt-4.1-mini"}"#, End::Last);
    let headers = [(":status", "200"), ("content-type", "application/json")];
    exchange.response_head(&HeaderPairs::from_pairs(headers.map(|(name, value)| (name, value.as_bytes()))));
    let body = br#"{"model":"gpt-4.1-mini","usage":{"prompt_tokens":1000,"completion_tokens":0}}"#;
    exchange.response_body(body, End::Last, || NOON);
    let finish = Finish { now: NOON, ended: Ended::Complete, answered_by: AnsweredBy::Upstream };
    exchange.settle(finish).record
}

#[test]
fn a_call_under_way_keeps_the_prices_that_it_began_with() {
    let file = br#"{"provider":"openai","models":[{"name":"gpt-4.1-mini","source":"s","checked":"2026-11-22",
        "lists":[{"rates":{"input":"0.30","output":"1"}}]}]}"#;
    let compile = || Rules::compile(CONFIGURATION).unwrap();
    let (before, under_way) = (Rc::new(compile()), begin(&Rc::new(compile())));
    let prices = Arc::new(parse_catalogue(file).unwrap());
    let after = Rc::new(compile().with_prices(&prices));
    let (old, new) = (end(under_way), end(begin(&after)));
    let usd = |record: &Record| record.cost.usd.map(|usd| usd.to_string());
    assert_eq!((usd(&old).as_deref(), usd(&new).as_deref()), (Some("0.0004"), Some("0.0003")));
    assert_eq!((&old.price_version, &new.price_version), (&before.price_version, &after.price_version));
    assert_ne!(old.price_version, new.price_version);
    assert_eq!(old.config_version, new.config_version, "the configuration is the same");
}

/// A policy is checked against the configuration that it arrives for, and its rules stand in the place of the configured ones.
#[test]
fn a_policy_is_compiled_as_if_it_were_configured() {
    let configuration = br#"{
        "tags": {"team": {"from": [{"header": "x-team"}]}},
        "quotas": [{"name": "old", "limit": {"requests": 1}, "window": "day"}],
        "limits": [{"max_output_tokens": 5}]
    }"#;
    let compile = |policy: &str| {
        let file = PolicyFile::parse(policy.as_bytes()).unwrap();
        Rules::compile_with(configuration, Some(&file)).map_err(|error| error.to_string())
    };
    let quota = |per: &str| {
        format!(r#"{{"quotas":[{{"name":"new","per":["{per}"],"limit":{{"requests":2}},"window":"day"}}]}}"#)
    };
    let (before, after) = (Rules::compile(configuration).unwrap(), compile(&quota("team")).unwrap());
    let names = |rules: &Rules| rules.quotas.iter().map(|quota| quota.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&before), names(&after)), (vec!["old".to_owned()], vec!["new".to_owned()]));
    assert_eq!((after.limits.len(), before.version == after.version), (1, false));
    let none = compile(r#"{"quotas":[],"limits":[]}"#).unwrap();
    assert!(none.quotas.is_empty() && none.limits.is_empty());
    let error = compile(&quota("tenant")).map(|_| ()).unwrap_err();
    assert!(error.starts_with("quotas[0].per[0]: unknown tag `tenant`, expected one of "), "{error}");
}

#[test]
fn the_whole_catalogue_may_arrive() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pricing/catalogue");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = files.filter_map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        text.starts_with("{\"provider\"").then_some(text)
    });
    let all = format!("[{}]", texts.collect::<Vec<_>>().join(","));
    let begun = Instant::now();
    let prices = parse_catalogue(all.as_bytes()).unwrap();
    println!("{} bytes, {} models, {} ms", all.len(), prices.len(), begun.elapsed().as_millis());
    assert!(prices.len() > 4000, "{} models", prices.len());
}
