//! Envoy's own rate-limit filter fed by Tollgate's token counts, as `envoy-config/ratelimit` has it, on a real Envoy. The rate-limit service is
//! a stand-in that speaks its protocol and keeps to its rule: a descriptor is over its limit once more than that was added.
//!
//! `ENVOY` and `TOLLGATE_WASM` are paths; `cargo xtask test` sets both.

mod support;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::proto::{at, varints};
use support::{Given, call, given, llm, records};
use tollgate_test_harness::envoy::Envoy;
use tollgate_test_harness::http::{Framing, Headers, Reply, Seen};
use tollgate_test_harness::load::{Call, Load};
use tollgate_test_harness::upstream::Upstream;

/// Each team may use so many tokens; a call of the stand-in LLM uses 13.
const LIMIT: u64 = 30;

/// What the service was asked: the team, and by how much its counter was raised.
type Asked = Arc<Mutex<Vec<(String, u64)>>>;

#[test]
fn a_rate_limit_service_is_fed_with_tokens() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let (llm, asked) = (llm(), Asked::default());
    let service = service(&asked);
    let given = Given {
        config: "ratelimit/envoy.yaml",
        wasm,
        plugin: Value::Null,
        upstream: llm.address(),
        store: Some(("ratelimit", service.address())),
    };
    let Some(envoy) = given.start() else { return };
    for (number, (call, status, hits)) in [
        (call("", "search"), 200, Some(13)),
        (call("stream", "search"), 200, Some(13)),
        // An error of the upstream uses nothing.
        (call("error", "search"), 500, None),
        (call("", "search"), 200, Some(13)),
        (call("", "search"), 429, None),
        (call("stream", "ads"), 200, Some(13)),
        // Refused by Tollgate: the service is not even asked.
        (call("", ""), 400, None),
    ]
    .into_iter()
    .enumerate()
    {
        let team = call.headers.iter().find(|(name, _)| *name == "x-team").unwrap().1.clone();
        assert_eq!(one(&envoy, &call), status, "call {number}");
        let peeked = (!team.is_empty()).then(|| (team.clone(), 0));
        let expected: Vec<_> = peeked.into_iter().chain(hits.map(|hits| (team, hits))).collect();
        assert_eq!(settled(&asked, expected.len()), expected, "call {number}");
    }
    let refused =
        records(&envoy, 7).into_iter().find(|record| record["tollgate.http.status"] == 429.0).unwrap();
    assert_eq!(
        refused["tollgate.cost.usd"],
        Value::Null,
        "what the service refuses is in the records: {refused}"
    );
}

/// What the service was asked since the last time, once it is as much as expected and nothing more comes.
fn settled(asked: &Asked, expected: usize) -> Vec<(String, u64)> {
    let until = Instant::now() + Duration::from_secs(20);
    while asked.lock().unwrap().len() < expected && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(200));
    std::mem::take(&mut *asked.lock().unwrap())
}

fn one(envoy: &Envoy, call: &Call) -> u16 {
    let tally = Load { to: vec![envoy.address()], connections: 1, calls: 1 }.run(|_| call.clone());
    tally.statuses.into_keys().next().unwrap_or(0)
}

/// `RateLimitRequest`: descriptors 2, of which entries 1 (key 1, value 2) and `hits_addend` 3 (a number in a message, 1); `hits_addend` 3 for
/// all that have none.
fn service(asked: &Asked) -> Upstream {
    let (asked, used) = (Arc::clone(asked), Mutex::new(BTreeMap::<String, u64>::new()));
    Upstream::start(move |seen: &Seen| {
        // The script is asked a first time before the body is there. A message of gRPC has five bytes before it.
        let Some(message) = seen.body.get(5..) else { return answer(1) };
        let mut over = false;
        for descriptor in at(message, &[2]) {
            let team = String::from_utf8(at(&descriptor, &[1, 2]).concat()).unwrap();
            let own =
                at(&descriptor, &[3]).first().map(|number| varints(number, 1).first().copied().unwrap_or(0));
            let hits = own.unwrap_or_else(|| varints(message, 3).first().copied().unwrap_or(1).max(1));
            asked.lock().unwrap().push((team.clone(), hits));
            let mut used = used.lock().unwrap();
            let used = used.entry(team).or_default();
            *used += hits;
            over |= *used > LIMIT;
        }
        answer(if over { 2 } else { 1 })
    })
    .unwrap()
}

/// `RateLimitResponse`: `overall_code` 1, which is 1 for OK, 2 for OVER_LIMIT.
fn answer(code: u8) -> Reply {
    Reply {
        headers: Headers::from_iter([("content-type", "application/grpc")]),
        body: vec![0, 0, 0, 0, 2, 0x08, code],
        framing: Framing::Chunked,
        trailers: Headers::from_iter([("grpc-status", "0")]),
        ..Reply::default()
    }
}
