//! Recorded exchanges through the core, and each record priced anew from its text alone: whatever a price depends on must
//! stand in the record. Needs `../shared/fixtures` beside the project, or `TOLLGATE_FIXTURES`.

use std::path::PathBuf;
use std::rc::Rc;

use serde_json::Value;
use tollgate_exchange::{AnsweredBy, Exchange, Finish, Head, HeaderPairs, Rules, Start};
use tollgate_policy::ReservationId;
use tollgate_pricing::PriceBook;
use tollgate_record::{Record, Timestamp};
use tollgate_wire::{End, Ended};

use crate::Verdict;
use crate::price::Book;
use crate::requote::Report;

const NOON: Timestamp = Timestamp::from_unix_nanos(1_795_176_000_000_000_000);

#[test]
fn a_record_alone_recomputes_its_price() {
    let folder = std::env::var_os("TOLLGATE_FIXTURES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/fixtures")),
        PathBuf::from,
    );
    let Ok(cases) = std::fs::read_dir(folder.join("cases")) else {
        println!("no recorded fixtures, nothing compared");
        return;
    };
    let rules = Rc::new(Rules::compile(b"{}").unwrap());
    let mut report = Report::new(Book::of(PriceBook::new(Vec::new())));
    let mut records = 0;
    for case in cases {
        let text = std::fs::read(case.unwrap().path()).unwrap();
        let case: Value = serde_json::from_slice(&text).unwrap();
        let Some(mut record) = through_the_core(&rules, &case) else { continue };
        record.id = case["case"].as_str().unwrap().to_owned();
        let json = serde_json::from_str(&record.to_json()).unwrap();
        report.add(&Record::parse(&json).unwrap());
        records += 1;
    }
    println!("{records} records\n{report}");
    assert!(records > 300, "{records} records");
    assert_eq!(report.verdict(), Verdict::Good, "{report}");
}

/// The record of a recorded exchange; `None` if it is not seen as an LLM call, or its bodies are not text.
fn through_the_core(rules: &Rc<Rules>, case: &Value) -> Option<Record> {
    if case["response_body_encoding"] != "utf-8" || case["request_body_encoding"] != "utf-8" {
        return None;
    }
    let (host, path) = case["url"].as_str()?.split_once("://")?.1.split_once('/')?;
    let path = format!("/{path}");
    let fixed = [(":method", case["method"].as_str()?), (":authority", host), (":path", &path)];
    let head = Head { headers: headers(&fixed, &case["request_headers"]), ..Head::default() };
    let id = || ReservationId { process: 1, worker: 1, sequence: 1 };
    let Start::Begin(mut exchange, _, _) = Exchange::start(rules, &head, id, NOON) else { return None };
    exchange.request_body(case["request_body"].as_str()?.as_bytes(), End::Last);
    let status = case["response_status"].to_string();
    exchange.response_head(&headers(&[(":status", &status)], &case["response_headers"]));
    exchange.response_body(case["response_body"].as_str()?.as_bytes(), End::Last, || NOON);
    Some(
        exchange
            .settle(Finish { now: NOON, ended: Ended::Complete, answered_by: AnsweredBy::Upstream })
            .record,
    )
}

/// Bodies were recorded decoded.
fn headers(fixed: &[(&str, &str)], recorded: &Value) -> HeaderPairs {
    let pairs = recorded.as_array().into_iter().flatten();
    let pairs = pairs.filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)));
    let plain = pairs.filter(|(name, _)| !["content-encoding", "content-length"].contains(name));
    let all = fixed.iter().copied().chain(plain);
    HeaderPairs::from_pairs(all.map(|(name, value)| (name, value.as_bytes())))
}
