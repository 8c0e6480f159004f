//! Runs the project's own exchanges: each dialect in its usual and its odd shapes, whole, in cuts, and
//! compressed.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may panic"
)]

#[path = "support/frames.rs"]
mod frames;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use tollgate_wire::{
    Call, End, Ended, Injection, Reported, ReportedUsage, RequestFacts, RequestHead, RequestReader,
    ResponseHead, ResponseReader, Source, Traffic, classify,
};

#[test]
fn own_exchanges_give_what_they_should() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = ["openai", "relatives", "anthropic", "gemini", "others"];
    let mut ran = 0;
    for file in files {
        let text = std::fs::read(folder.join(format!("{file}.json"))).unwrap();
        let cases: Vec<Value> = serde_json::from_slice(&text).unwrap();
        cases.iter().for_each(check);
        ran += cases.len();
    }
    println!("{ran} own exchanges in {} files", files.len());
}

fn check(case: &Value) {
    let name = case["name"].as_str().unwrap();
    let call = call(case);
    let facts = ask(&call, case);
    let body = body(case);
    let whole = answer(&call, &facts, case, &[&body]);
    assert_eq!(told(&call, &facts, &whole, &case["expected"]), case["expected"], "{name}");
    let bytewise: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(answer(&call, &facts, case, &bytewise), whole, "{name}, byte by byte");
    for cut in 0..body.len() {
        let (left, right) = body.split_at(cut);
        assert_eq!(answer(&call, &facts, case, &[left, right]), whole, "{name}, cut at {cut}");
    }
}

fn call(case: &Value) -> Call {
    let (_, rest) = case["url"].as_str().unwrap().split_once("://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let path = format!("/{path}");
    let content_type = case["content_type"].as_str().or(Some("application/json"));
    let head = RequestHead {
        method: case["method"].as_str().unwrap_or("POST"),
        host,
        path: &path,
        content_type,
        content_encoding: None,
        upgrade: None,
    };
    match classify(&head, None) {
        Traffic::Llm(call) => call,
        other => panic!("{}: {other:?}", case["name"]),
    }
}

fn ask(call: &Call, case: &Value) -> RequestFacts {
    let request = match &case["request"] {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let mut reader = RequestReader::new(call, Injection::Off);
    for chunk in request.as_bytes().chunks(3) {
        assert_eq!(reader.feed(chunk, End::Open), None);
    }
    assert_eq!(reader.feed(b"", End::Last), None);
    assert!(!reader.facts().malformed, "{}", case["name"]);
    reader.facts().clone()
}

fn body(case: &Value) -> Vec<u8> {
    let list = |key: &str| case[key].as_array().unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if case["json"].is_object() {
        case["json"].to_string().into_bytes()
    } else if case["sse"].is_array() {
        list("sse")
            .iter()
            .map(|event| format!("event: x\r\ndata: {}\r\n\r\n", text(event)))
            .collect::<String>()
            .into_bytes()
    } else if case["lines"].is_array() {
        list("lines").iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
    } else if case["array"].is_array() {
        case["array"].to_string().into_bytes()
    } else if case["frames"].is_array() {
        let payload = |event: &Value| match case["packed"] == true {
            true => json!({"bytes": frames::base64(event.to_string().as_bytes()), "p": "abcd"}).to_string(),
            false => event.to_string(),
        };
        list("frames").iter().flat_map(|event| frames::frame(payload(event).as_bytes())).collect()
    } else {
        case["text"].as_str().unwrap().as_bytes().to_vec()
    }
}

fn answer(call: &Call, facts: &RequestFacts, case: &Value, parts: &[&[u8]]) -> Reported {
    let headers: BTreeMap<String, &str> = case["headers"]
        .as_object()
        .map(|headers| {
            headers.iter().map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap())).collect()
        })
        .unwrap_or_default();
    let pairs: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let head = ResponseHead {
        status: case["status"].as_u64().unwrap_or(200).try_into().unwrap(),
        content_type: headers.get("content-type").copied(),
        content_encoding: None,
        headers: &pairs,
    };
    let mut reader = ResponseReader::new(call, facts, &head);
    for part in parts {
        assert_eq!(reader.feed(part, End::Open), None);
    }
    assert_eq!(reader.feed(b"", End::Last), None);
    reader.finish(Ended::Complete)
}

/// What was found, in the words of `expected`; the model asked for only where that has it.
fn told(call: &Call, facts: &RequestFacts, reported: &Reported, expected: &Value) -> Value {
    let mut told = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            told.insert(key.to_owned(), value);
        }
    };
    put("provider", json!(call.provider()));
    put("operation", json!(call.operation().as_str()));
    if !expected["asked_model"].is_null() {
        put("asked_model", json!(facts.model));
    }
    put("model", json!(reported.model));
    put("id", json!(reported.id));
    put("tier", json!(reported.service_tier));
    put("region", json!(reported.region));
    put("speed", json!(reported.speed));
    put("stream", if reported.stream { json!(true) } else { Value::Null });
    let source = match reported.source {
        Source::Reported => "reported",
        Source::Partial => "partial",
        Source::Estimated => "estimated",
        Source::None => "none",
    };
    put("source", json!(source));
    put("cost", json!(reported.cost.map(|cost| cost.to_string())));
    put("usage", reported.usage.as_ref().map_or(Value::Null, counts));
    let filled = |value: Value| if value == json!([]) || value == json!({}) { Value::Null } else { value };
    put("finish", filled(json!(reported.finish_reasons)));
    put("problems", filled(reported.problems.iter().map(|problem| problem.as_str()).collect()));
    put(
        "cost_lines",
        filled(reported.cost_lines.iter().map(|(name, cost)| (*name, cost.to_string())).collect()),
    );
    let units = reported.usage.iter().flat_map(|usage| usage.units.iter());
    put("units", filled(units.map(|(kind, quantity)| (kind.name(), quantity.to_string())).collect()));
    let parts = reported.parts.iter().map(|part| {
        let mut counts = counts(&part.usage);
        counts["model"] = json!(part.model);
        counts
    });
    put("parts", filled(parts.collect()));
    Value::Object(told)
}

fn counts(usage: &ReportedUsage) -> Value {
    let all = json!({
        "input": usage.input, "output": usage.output, "cache_read": usage.cache_read,
        "cache_write": usage.cache_write, "cache_write_1h": usage.cache_write_1h,
        "reasoning": usage.reasoning, "input_audio": usage.input_audio, "input_image": usage.input_image,
        "input_video": usage.input_video, "cache_read_audio": usage.cache_read_audio,
        "cache_read_image": usage.cache_read_image, "output_audio": usage.output_audio,
        "output_image": usage.output_image, "output_video": usage.output_video, "citation": usage.citation,
    });
    all.as_object()
        .unwrap()
        .iter()
        .filter(|(_, count)| !count.is_null())
        .map(|(key, count)| (key.clone(), count.clone()))
        .collect()
}
