//! Compares what came of a call with what must. Every difference is a line of text; none is a pass.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Outcome;
use super::expect::{BodyExpect, Expect, UpstreamExpect};
use crate::http::{Headers, Reply, Request, Seen};

/// The differences, worst first.
pub fn differences(expect: &Expect, outcome: &Outcome, request: &Request, reply: &Reply) -> Vec<String> {
    let mut found = Vec::new();
    let response = &outcome.response;
    differ(&mut found, "status", expect.status, response.status);
    differ(&mut found, "end", expect.end, response.end);
    body(&mut found, "body", expect.body.as_ref(), &response.body, &reply.encoded_body());
    headers(&mut found, "header", &expect.headers, &response.headers);
    headers(&mut found, "trailer", &expect.trailers, &response.trailers);
    fields(&mut found, "log", &expect.log, &outcome.log);
    record(&mut found, expect, &outcome.log);
    costs(&mut found, expect, outcome);
    match (&expect.upstream, &outcome.seen, expect.not_sent) {
        (_, Some(seen), true) => found.push(format!("the upstream got {} {}", seen.method, seen.path)),
        (Some(_), None, _) => found.push("nothing reached the upstream".to_owned()),
        (Some(expect), Some(seen), _) => upstream(&mut found, expect, seen, request, outcome),
        (None, _, _) => {}
    }
    found
}

fn differ<T: PartialEq + std::fmt::Debug>(found: &mut Vec<String>, what: &str, expected: Option<T>, got: T) {
    if expected.as_ref().is_some_and(|expected| *expected != got) {
        found.push(format!("{what}: {got:?}, expected {:?}", expected.expect("it was just looked at")));
    }
}

fn costs(found: &mut Vec<String>, expect: &Expect, outcome: &Outcome) {
    if let (Some(most), Some(costs)) = (expect.host_calls_at_most, &outcome.costs)
        && costs.host_calls() > most
    {
        found.push(format!("{} host calls, at most {most} expected: {:?}", costs.host_calls(), costs.calls));
    }
}

fn record(found: &mut Vec<String>, expect: &Expect, log: &Value) {
    let record = &log["tollgate"];
    if expect.no_record && !record.is_null() {
        found.push(format!("there is a record: {record}"));
    }
    if !expect.record.is_empty() && record.is_null() {
        found.push(format!("there is no record: {log}"));
        return;
    }
    // Envoy puts the message's type beside its content.
    let content = if record["value"].is_object() { &record["value"] } else { record };
    fields(found, "record", &expect.record, content);
}

fn fields(found: &mut Vec<String>, what: &str, expected: &BTreeMap<String, Value>, object: &Value) {
    for (key, value) in expected {
        let got = field(object, key);
        if !matches(value, got) {
            let got = got.map_or_else(|| "absent".to_owned(), Value::to_string);
            found.push(format!("{what}: `{key}` is {got}, expected {value}"));
        }
    }
}

/// A field by its whole name, or by its dots as a path.
pub fn field<'a>(object: &'a Value, key: &str) -> Option<&'a Value> {
    object.get(key).or_else(|| {
        let dots = key.match_indices('.').map(|(at, _)| at);
        dots.filter_map(|at| field(object.get(&key[..at])?, &key[at + 1..])).next()
    })
}

/// `null`: absent; `"*"`: there; an object: at least these fields; a list: exactly; else: equal.
fn matches(expected: &Value, got: Option<&Value>) -> bool {
    match (expected, got) {
        (Value::Null, got) => got.is_none_or(Value::is_null),
        (_, None) => false,
        (Value::String(star), Some(got)) if star == "*" => !got.is_null(),
        (Value::Object(fields), Some(got)) => fields.iter().all(|(key, value)| matches(value, got.get(key))),
        (Value::Number(a), Some(Value::Number(b))) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| matches(a, Some(b)))
        }
        (expected, Some(got)) => expected == got,
    }
}

fn body(found: &mut Vec<String>, what: &str, expect: Option<&BodyExpect>, got: &[u8], same: &[u8]) {
    let text = String::from_utf8_lossy(got);
    let wrong = match expect {
        None => None,
        Some(BodyExpect::Same) => (got != same).then(|| first_difference(got, same)),
        Some(BodyExpect::SameThenSpaces) => {
            let rest = got.strip_prefix(same);
            let spaces = rest.is_some_and(|rest| rest.iter().all(|&byte| byte == b' '));
            (!spaces).then(|| first_difference(got, same))
        }
        Some(BodyExpect::Text(expected)) => (text != *expected).then(|| format!("expected `{expected}`")),
        Some(BodyExpect::Json(expected)) => {
            let got: Value = serde_json::from_slice(got).unwrap_or_default();
            (!matches(expected, Some(&got))).then(|| format!("expected at least {expected}"))
        }
        Some(BodyExpect::Contains(parts)) => {
            parts.iter().find(|part| !text.contains(part.as_str())).map(|part| format!("lacks `{part}`"))
        }
        Some(BodyExpect::Lacks(parts)) => {
            parts.iter().find(|part| text.contains(part.as_str())).map(|part| format!("contains `{part}`"))
        }
    };
    if let Some(wrong) = wrong {
        let shown: String = text.chars().take(400).collect();
        found.push(format!("{what}: {wrong}; got {} bytes: {shown}", got.len()));
    }
}

fn first_difference(got: &[u8], same: &[u8]) -> String {
    let at = got.iter().zip(same).take_while(|(a, b)| a == b).count();
    format!("differs from the {} bytes sent at offset {at}", same.len())
}

fn headers(found: &mut Vec<String>, what: &str, expected: &BTreeMap<String, Option<String>>, got: &Headers) {
    for (name, value) in expected {
        let is = got.text(name);
        let right = match value.as_deref() {
            Some("*") => is.is_some(),
            value => is.as_deref() == value,
        };
        if !right {
            found.push(format!("{what} `{name}`: {is:?}, expected {value:?}"));
        }
    }
}

fn upstream(
    found: &mut Vec<String>,
    expect: &UpstreamExpect,
    seen: &Seen,
    request: &Request,
    outcome: &Outcome,
) {
    differ(found, "path at the upstream", expect.path.clone(), seen.path.clone());
    differ(found, "end at the upstream", expect.end.map(Some), seen.end);
    body(found, "body at the upstream", expect.body.as_ref(), &seen.body, &request.body);
    headers(found, "header at the upstream", &expect.headers, &seen.headers);
    headers(found, "trailer at the upstream", &expect.trailers, &seen.trailers);
    if expect.first_byte_early {
        let early =
            seen.first_byte_at.zip(outcome.response.sent_at).is_some_and(|(first, last)| first < last);
        if !early {
            found.push("the upstream got its first byte only after the client's last".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_match_by_the_rules_of_the_scenario_files() {
        let got = json!({"a.b": 1, "c": {"d": {"e": "x"}}, "f": [1, 2], "g": null});
        let check = |key: &str, expected: Value, holds: bool| {
            assert_eq!(matches(&expected, field(&got, key)), holds, "{key} {expected}");
        };
        check("a.b", json!(1.0), true);
        check("a.b", json!(2), false);
        check("a.b", json!("1"), false);
        check("c.d.e", json!("x"), true);
        check("c.d", json!({"e": "*"}), true);
        check("c.d", json!({"e": "x", "z": null}), true);
        check("c.d", json!({"z": 1}), false);
        check("f", json!([1, 2]), true);
        check("f", json!([1]), false);
        check("g", json!(null), true);
        check("h", json!(null), true);
        check("h", json!("*"), false);
        check("c", json!(null), false);
    }
}
