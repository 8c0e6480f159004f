//! A request that was held goes on as if it had been read only then.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

use std::rc::Rc;
use tollgate_exchange::{AnsweredBy, BodyChange, Exchange, Finish, Head, HeaderPairs, Rules, Start, Step};
use tollgate_policy::ReservationId;
use tollgate_record::Timestamp;
use tollgate_wire::{End, Ended};

const NOON: Timestamp = Timestamp::from_unix_nanos(1_795_176_000_000_000_000);

/// A rule that needs the body, and changes none of these.
const NEEDS_BODY: &str = r#"{"tags":{"team":{"from":[{"body":"/team"}]}},"routes":[{"when":{"model":"gpt-3*"},"to":{"model":"gpt-4o"}}]}"#;

fn begin(configuration: &str, length: usize) -> Box<Exchange> {
    let rules = Rc::new(Rules::compile(configuration.as_bytes()).unwrap());
    let fixed = [(":method", "POST"), (":authority", "api.openai.com"), (":path", "/v1/chat/completions")];
    let length = length.to_string();
    let pairs = fixed.into_iter().chain([("content-length", length.as_str())]);
    let headers = HeaderPairs::from_pairs(pairs.map(|(name, value)| (name, value.as_bytes())));
    let id = || ReservationId { process: 1, worker: 1, sequence: 1 };
    match Exchange::start(&rules, &Head { headers, ..Head::default() }, id, NOON) {
        Start::Begin(exchange, _, Step::NeedBody) => exchange,
        _ => panic!("the request is not held"),
    }
}

/// Feeds all pieces of a body, and lets it go.
fn hold(exchange: &mut Exchange, body: &[u8], piece: usize) {
    let mut left = body.len();
    for part in body.chunks(piece) {
        left = left.saturating_sub(part.len());
        let step = exchange.held_body(part, if left == 0 { End::Last } else { End::Open });
        assert_eq!(step, (left == 0).then_some(Step::Pass), "{} bytes are left", left);
    }
}

fn record(mut exchange: Box<Exchange>) -> String {
    let pairs = [(":status", &b"200"[..]), ("content-type", b"application/json")];
    exchange.response_head(&HeaderPairs::from_pairs(pairs));
    exchange.response_body(br#"{"usage":{"prompt_tokens":3}}"#, End::Last, || NOON);
    let finish = Finish { now: NOON, ended: Ended::Complete, answered_by: AnsweredBy::Upstream };
    exchange.settle(finish).record.to_json()
}

/// `reads` is how often the body is read: what need not be changed is read once.
fn check(name: &str, body: &str, reads: usize) {
    let body = body.as_bytes();
    for piece in [body.len(), 7] {
        let begin = || begin(NEEDS_BODY, body.len());
        let (mut once, mut again) = (begin(), begin());
        hold(&mut once, body, piece);
        hold(&mut again, body, piece);
        let seen = once.release_seen(body.len(), End::Last);
        assert_eq!(if seen.is_some() { 1 } else { 2 }, reads, "{name}");
        let expected = again.release_body(body, End::Last);
        let change = seen.unwrap_or_else(|| once.release_body(body, End::Last));
        assert_eq!(matches!(change, BodyChange::Instead(_)), reads > 1, "{name}");
        assert_eq!(change.of(body), expected.of(body), "{name}: what goes upstream");
        assert_eq!(record(once), record(again), "{name}: what is recorded");
    }
}

#[test]
fn a_held_body_is_read_once_unless_something_in_it_changes() {
    let plain = r#"{"messages":[{"content":"a\"]"}],"model":"gpt-4o","team":"a"}  "#;
    check("of known length it is filled up", plain, 1);
    check(
        "a stream that asks for its usage",
        &plain.replace("\"team\"", "\"stream\":true,\"stream_options\":{\"include_usage\":true},\"team\""),
        1,
    );
    check(
        "a stream that is made to report its usage",
        &plain.replace("\"team\"", "\"stream\":true,\"team\""),
        2,
    );
    check("what is no JSON", r#"{"model":"gpt-4o",,"#, 1);
    check("what breaks off", r#"{"model":"gpt-4o","messages":[""#, 1);
}
