//! A store in memory, and calls that are admitted by it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test that meets what it does not expect fails"
)]

use std::rc::Rc;
use tollgate_exchange::{Exchange, Head, HeaderPairs, Rules, Start, Step};
pub use tollgate_policy::OwnStore;
use tollgate_policy::{ReservationId, perform};
use tollgate_record::Timestamp;

pub const NOON: i64 = 1_795_176_000;

/// The head of an OpenAI call without a body.
pub fn head(headers: &[(&str, &str)]) -> Head {
    let fixed = [
        (":method", "POST"),
        (":authority", "api.openai.com"),
        (":path", "/v1/chat/completions"),
        ("content-type", "application/json"),
    ];
    let pairs = fixed.iter().chain(headers).map(|(name, value)| (*name, value.as_bytes()));
    Head { headers: HeaderPairs::from_pairs(pairs), ends: true, ..Head::default() }
}

/// What becomes of a call at that second of the epoch, until it would be sent.
pub fn admit(rules: &Rc<Rules>, head: &Head, store: &OwnStore, seconds: i64) -> Step {
    let now = Timestamp::from_unix_nanos(seconds * 1_000_000_000);
    let id = || ReservationId { process: 1, worker: 2, sequence: 3 };
    let Start::Begin(mut exchange, _, mut step) = Exchange::start(rules, head, id, now) else {
        panic!("not seen as an LLM call")
    };
    while step == Step::Ask {
        let ops = exchange.pending().unwrap().ops();
        step = exchange.resume(perform(store, &ops, seconds));
    }
    step
}
