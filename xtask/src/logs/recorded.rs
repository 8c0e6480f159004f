//! Recorded exchanges through the core: each record is priced anew from its text alone, so whatever a price depends on must
//! stand in it, and what two independent price tables agree on is what the record says. Needs `../shared/fixtures` beside the project, or `TOLLGATE_FIXTURES`.

use std::path::PathBuf;
use std::rc::Rc;

use serde_json::Value;
use tollgate_exchange::{AnsweredBy, Exchange, Finish, Head, HeaderPairs, Rules, Start};
use tollgate_policy::ReservationId;
use tollgate_record::{Record, Timestamp};
use tollgate_wire::{End, Ended};

use crate::Verdict;
use crate::price::Book;
use crate::requote::Report;

const NOON: Timestamp = Timestamp::from_unix_nanos(1_795_176_000_000_000_000);

/// Prices as they stand; and prices adjusted, our own quotes in the place of reported figures, a stand-in for unknown models.
const CONFIGURATIONS: [&str; 2] = [
    "{}",
    r#"{"pricing": {"adjustments": [{"percent": "-12.5"}, {"percent": "3"}], "trust_reported_cost": [],
        "unknown_model": {"price_as": "gpt-4o-mini"}}}"#,
];

#[test]
fn a_record_alone_recomputes_its_price() {
    let cases = cases();
    if cases.is_empty() {
        println!("no recorded fixtures, nothing compared");
        return;
    }
    for configuration in CONFIGURATIONS {
        let rules = Rc::new(Rules::compile(configuration.as_bytes()).unwrap());
        let mut report = Report::new(Book::of_catalogue());
        let mut records = 0;
        for case in &cases {
            let Some(mut record) = through_the_core(&rules, case) else { continue };
            record.id = case["case"].as_str().unwrap().to_owned();
            let json = serde_json::from_str(&record.to_json()).unwrap();
            report.add(&Record::parse(&json).unwrap());
            records += 1;
        }
        println!("{records} records\n{report}");
        assert!(records > 300, "{records} records");
        assert_eq!(report.verdict(), Verdict::Good, "{report}");
    }
}

/// Where both tables agree and our price is another one, or none, each with the reason.
const APART: &[(&str, &str)] = &[
    (
        "0498",
        "contains the fee of one file search, which the response shows and the agreed figure, of tokens alone, leaves out",
    ),
    ("0499", "as 0498"),
    ("0878", "contains the fee of one search by Google, likewise"),
    ("1502", "contains the fee of one web search, likewise"),
    ("1577", "as 1502"),
    ("1287", "contains the fee of the search that OpenAI's search models make for each answer"),
    ("1288", "as 1287"),
    ("1289", "as 1287"),
    ("1229", "both tables list 6.00 USD for audio tokens; the agreed figure took all input as text"),
    ("1871", "served as ON_DEMAND_FLEX, which both tables price at half; the agreed figure took the list"),
];

#[test]
fn what_both_price_tables_agree_on_is_in_the_record() {
    let rules = Rc::new(Rules::compile(br#"{"pricing": {"trust_reported_cost": []}}"#).unwrap());
    let (mut same, mut apart, mut wrong) = (0, 0, Vec::new());
    for case in cases().iter().filter(|case| case["expected"]["agreement"] == "both-agree") {
        let Some(record) = through_the_core(&rules, case) else { continue };
        let number = case["case"].as_str().unwrap();
        let ours = record.cost.list_usd.map(|usd| usd.pico() as f64 / 1e12);
        if ours.is_some_and(|ours| agreed(&case["expected"], ours)) {
            same += 1;
        } else if APART.iter().any(|(known, _)| *known == number) {
            apart += 1;
        } else {
            wrong.push(format!(
                "{number} {}: {:?}, expected {}",
                record.provider, record.cost, case["expected"]
            ));
        }
    }
    println!("{same} as both tables agree, {apart} apart for a reason, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of xAI every figure is ours too, to the last pico-dollar: it reports whole ticks of 1e-10 USD.
#[test]
fn xai_charges_what_the_record_says() {
    // An edit: 0.02 USD for the picture that was sent, for which neither table has a price.
    const BEYOND_THE_TABLES: [&str; 1] = ["1959"];
    let rules = Rc::new(Rules::compile(br#"{"pricing": {"trust_reported_cost": []}}"#).unwrap());
    let mut equal = 0;
    for case in cases() {
        let Some(record) = through_the_core(&rules, &case) else { continue };
        let apart = BEYOND_THE_TABLES.iter().any(|number| case["case"] == *number);
        if record.provider != "x_ai" || record.cost.reported_usd.is_none() || apart {
            continue;
        }
        assert_eq!(record.cost.list_usd, record.cost.reported_usd, "{} {record:?}", case["case"]);
        equal += 1;
    }
    println!("{equal} calls of xAI cost what it reports");
}

/// The context of a call (its service tier) and its iterations make the plain figures obsolete.
fn agreed(expected: &Value, ours: f64) -> bool {
    let best = ["adjusted_usd", "genai_prices_ctx_usd", "genai_prices_usd", "litellm_usd"];
    let wanted = best.iter().find_map(|key| expected[key].as_str()?.parse::<f64>().ok());
    wanted.is_some_and(|wanted| (wanted - ours).abs() <= wanted.abs() * 1e-9 + 1e-12)
}

fn cases() -> Vec<Value> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures"));
    let folder = std::env::var_os("TOLLGATE_FIXTURES").map_or_else(beside, PathBuf::from);
    let Ok(files) = std::fs::read_dir(folder.join("cases")) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

/// The record of a recorded exchange; `None` if it is not seen as an LLM call.
fn through_the_core(rules: &Rc<Rules>, case: &Value) -> Option<Record> {
    let (host, path) = case["url"].as_str()?.split_once("://")?.1.split_once('/')?;
    let path = format!("/{path}");
    let fixed = [(":method", case["method"].as_str()?), (":authority", host), (":path", &path)];
    let head = Head { headers: headers(&fixed, &case["request_headers"]), ..Head::default() };
    let id = || ReservationId { process: 1, worker: 1, sequence: 1 };
    let Start::Begin(mut exchange, _, _) = Exchange::start(rules, &head, id, NOON) else { return None };
    exchange.request_body(&body(case, "request"), End::Last);
    let status = case["response_status"].to_string();
    exchange.response_head(&headers(&[(":status", &status)], &case["response_headers"]));
    exchange.response_body(&body(case, "response"), End::Last, || NOON);
    Some(
        exchange
            .settle(Finish { now: NOON, ended: Ended::Complete, answered_by: AnsweredBy::Upstream })
            .record,
    )
}

fn body(case: &Value, of: &str) -> Vec<u8> {
    let text = case[format!("{of}_body")].as_str().unwrap_or_default();
    if case[format!("{of}_body_encoding")] == "base64" { base64(text) } else { text.as_bytes().to_vec() }
}

fn base64(text: &str) -> Vec<u8> {
    let place = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let sixes: Vec<u8> = text.bytes().filter_map(place).collect();
    let bytes = sixes.chunks(4).flat_map(|four| {
        let bits = four.iter().fold(0_u32, |bits, six| bits << 6 | u32::from(*six)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    });
    bytes.collect()
}

/// Bodies were recorded decoded.
fn headers(fixed: &[(&str, &str)], recorded: &Value) -> HeaderPairs {
    let pairs = recorded.as_array().into_iter().flatten();
    let pairs = pairs.filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)));
    let plain = pairs.filter(|(name, _)| !["content-encoding", "content-length"].contains(name));
    let all = fixed.iter().copied().chain(plain);
    HeaderPairs::from_pairs(all.map(|(name, value)| (name, value.as_bytes())))
}
