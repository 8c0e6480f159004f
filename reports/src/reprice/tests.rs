use super::*;
use crate::line::{Line, LineReader};

/// A call of gpt-4.1 with 1,200 input tokens, 1,000 of them cached, and 300 output tokens: 0.0033 USD in the catalogue.
const CALL: &str = r#"{"tollgate.schema":1,"tollgate.id":"1-1-1","tollgate.time":"2026-11-20T12:00:00Z","gen_ai.provider.name":"openai","gen_ai.request.model":"gpt-4.1","gen_ai.usage.input_tokens":1200,"gen_ai.usage.cache_read.input_tokens":1000,"gen_ai.usage.output_tokens":300,"tollgate.cost.status":"priced","tollgate.cost.usd":"0.001","tollgate.cost.list_usd":"0.001"}"#;

const CANDIDATE: &str = r#"{"provider":"openai","models":[{"name":"gpt-4.1","source":"an offer","checked":"2026-11-21","lists":[{"rates":{"input":"1","cache_read":"0.1","output":"4"}}]}]}"#;

fn check(name: &str, prices: &str, line: &str, expected: Result<Option<&str>, &str>) {
    let book = Book::parse(prices).unwrap();
    let Line::Call(call) = LineReader::new(None).read(line.as_bytes()) else { panic!("{name}: no call") };
    let cost =
        book.cost(&call.row).map(|cost| cost.map(|usd| usd.to_string())).map_err(|why| why.to_string());
    assert_eq!(cost, expected.map(|usd| usd.map(str::to_owned)).map_err(str::to_owned), "{name}");
}

fn with(from: &str, to: &str) -> String {
    assert!(CALL.contains(from));
    CALL.replace(from, to)
}

#[test]
fn a_call_is_priced_anew_from_its_record() {
    check("the catalogue", "[]", CALL, Ok(Some("0.0033")));
    check("a file in front of it", CANDIDATE, CALL, Ok(Some("0.0015")));
    check(
        "wrapped by Envoy",
        CANDIDATE,
        &format!(r#"{{"status":200,"tollgate":{{"value":{CALL}}}}}"#),
        Ok(Some("0.0015")),
    );
    check("in a line of text", CANDIDATE, &format!("INFO call {CALL} end"), Ok(Some("0.0015")));
    let discount =
        with(r#""tollgate.cost.usd""#, r#""tollgate.cost.adjustments":["-50"],"tollgate.cost.usd""#);
    check("a discount stays", CANDIDATE, &discount, Ok(Some("0.00075")));
    let parts = with(
        r#""tollgate.cost.usd""#,
        r#""tollgate.parts":[{"gen_ai.usage.input_tokens":1000000},{"model":"gpt-4.1-mini","gen_ai.usage.input_tokens":1000000}],"tollgate.cost.usd""#,
    );
    check("each part at its own model", CANDIDATE, &parts, Ok(Some("1.4")));
}

#[test]
fn what_is_not_priced_says_why() {
    for status in ["not_sent", "not_billed", "no_usage", "reported", "free"] {
        check(status, "[]", &with("priced", status), Ok(None));
    }
    let strange = with(r#""gpt-4.1""#, r#""nobody-knows""#);
    check("an unknown model", "[]", &strange, Err("unknown model `openai nobody-knows`"));
    let unit = with(r#""tollgate.cost.usd""#, r#""tollgate.units":{"parsecs":"12"},"tollgate.cost.usd""#);
    check("a unit of a later version", "[]", &unit, Err("unknown unit or quantity `parsecs: 12`"));
    let row = Row { status: CostStatus::Priced, ..Row::default() };
    assert_eq!(Book::parse("[]").unwrap().cost(&row), Err(Unpriceable::NoRecord));
}

#[test]
fn a_file_that_is_wrong_is_refused_with_its_place() {
    for (json, expected) in [
        ("{", "EOF while parsing"),
        (r#"{"provider":"p","models":[],"modles":[]}"#, "unknown field `modles`"),
        (&CANDIDATE.replace("\"4\"", "\"-4\""), "models[0]"),
    ] {
        let why = Book::parse(json).map(|_| ()).unwrap_err();
        assert!(why.starts_with(expected), "{why}");
    }
}

#[test]
fn a_line_is_about_a_model_and_its_snapshots() {
    let book = Book::of_lines(["openai/gpt-4.1 input=1"]).unwrap();
    for (model, expected) in [
        ("gpt-4.1", true),
        ("gpt-4.1-2025-04-14", true),
        ("gpt-4.1-mini", false),
        ("gpt-4.1-mini-2025-04-14", false),
    ] {
        assert_eq!(book.find("openai", model).unwrap().own, expected, "{model}");
    }
    assert_eq!(Book::of_lines(["a/b input=1", "a/b input=2"]).unwrap_err(), "`a/b` has two prices");
}
