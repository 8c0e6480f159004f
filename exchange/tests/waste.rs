//! What of calls was wasted is never more than they cost, whatever they say and whatever is reported of them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test that meets what it does not expect fails"
)]

mod support;

use proptest::prelude::*;
use std::rc::Rc;
use support::{NOON, OwnStore};
use tollgate_exchange::{
    Aids, AnsweredBy, Exchange, Finish, Head, HeaderPairs, PrintKey, Rules, Settled, Start,
};
use tollgate_policy::ReservationId;
use tollgate_record::{Record, Timestamp};
use tollgate_wire::{End, Ended, NoVocabulary};

fn rules() -> Rc<Rules> {
    let json = r#"{
        "waste": {"keep_turns": 1, "min_cached_tokens": 1},
        "pricing": {"adjustments": [{"when": {}, "percent": "-12.5"}]}
    }"#;
    let rules = Rules::compile(json.as_bytes()).unwrap();
    rules.waste.as_ref().unwrap().set_print_key(PrintKey([7; 16]));
    Rc::new(rules)
}

fn settle(
    rules: &Rc<Rules>,
    store: &OwnStore,
    second: i64,
    path: &str,
    request: &str,
    reply: &str,
    ended: Ended,
) -> Settled {
    let at = |second: i64| Timestamp::from_unix_nanos((NOON + second) * 1_000_000_000);
    let headers = [
        (":method", "POST"),
        (":authority", "api.openai.com"),
        (":path", path),
        ("content-type", "application/json"),
    ];
    let head = Head {
        headers: HeaderPairs::from_pairs(headers.map(|(name, value)| (name, value.as_bytes()))),
        ..Head::default()
    };
    let id = || ReservationId { process: 1, worker: 2, sequence: 3 };
    let Start::Begin(mut exchange, ..) = Exchange::start(rules, &head, id, at(second)) else {
        panic!("no LLM call")
    };
    exchange.request_body(request.as_bytes(), End::Last);
    exchange.response_head(&HeaderPairs::from_pairs([
        (":status", &b"200"[..]),
        ("content-type", b"application/json"),
    ]));
    exchange.response_body(reply.as_bytes(), End::Last, || at(second));
    let aids = Aids { vocabulary: &NoVocabulary, first_time: &|_| true, store, client_left: &|| true };
    exchange.settle_with(Finish { now: at(second), ended, answered_by: AnsweredBy::Upstream }, aids)
}

fn holds(record: &Record) -> Result<(), TestCaseError> {
    for waste in &record.waste {
        prop_assert!(
            waste.usd.is_none_or(|usd| Some(usd) <= record.cost.usd),
            "{waste:?} of {:?}",
            record.cost.usd
        );
        prop_assert!(waste.usd.is_none_or(|usd| usd.pico() >= 0), "{waste:?}");
        prop_assert!(waste.tokens.is_none_or(|tokens| Some(tokens) <= record.tokens.input), "{waste:?}");
    }
    let mut reasons: Vec<_> = record.waste.iter().map(|waste| waste.reason).collect();
    reasons.sort();
    reasons.dedup();
    prop_assert_eq!(reasons.len(), record.waste.len(), "each reason once");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn waste_is_never_more_than_the_cost(
        said in prop::collection::vec("[a-c]{0,40}", 1..9), turns in prop::collection::vec(1_usize..9, 1..6),
        input in 0_u64..2_000_000, cached in 0_u64..2_000_000, output in 0_u64..10_000, cut: bool,
    ) {
        let (rules, store) = (rules(), OwnStore::default());
        let reply = format!(
            r#"{{"model":"gpt-4.1","choices":[{{"finish_reason":"length"}}],"usage":{{"prompt_tokens":{input},"completion_tokens":{output},"prompt_tokens_details":{{"cached_tokens":{cached}}}}}}}"#
        );
        for (second, turn) in (0..).zip(turns) {
            let roles = ["user", "assistant"].into_iter().cycle();
            let messages: Vec<_> = said.iter().take(turn).zip(roles).map(|(text, role)| serde_json::json!({"role": role, "content": text})).collect();
            let request = serde_json::json!({"model": "gpt-4.1", "messages": messages}).to_string();
            let ended = if cut { Ended::Cut } else { Ended::Complete };
            holds(&settle(&rules, &store, second, "/v1/chat/completions", &request, &reply, ended).record)?;
            let request = serde_json::json!({"model": "text-embedding-3-small", "input": said.iter().take(turn).collect::<Vec<_>>()}).to_string();
            let reply = format!(r#"{{"model":"text-embedding-3-small","usage":{{"prompt_tokens":{input}}}}}"#);
            holds(&settle(&rules, &store, second, "/v1/embeddings", &request, &reply, Ended::Complete).record)?;
        }
    }
}

#[test]
fn a_conversation_of_five_turns_shows_what_stands_in_the_docs() {
    let (rules, store) = (Rc::new(Rules::compile(br#"{"waste":{}}"#).unwrap()), OwnStore::default());
    rules.waste.as_ref().unwrap().set_print_key(PrintKey([7; 16]));
    let (mut messages, mut lines) =
        (vec![serde_json::json!({"role": "system", "content": "s".repeat(8000)})], Vec::new());
    for turn in 0..5_i64 {
        messages.push(serde_json::json!({"role": "user", "content": "q".repeat(2000)}));
        let request =
            serde_json::json!({"model": "gpt-4.1", "max_tokens": 9, "messages": messages}).to_string();
        let reply = format!(
            r#"{{"model":"gpt-4.1","usage":{{"prompt_tokens":{},"completion_tokens":500}}}}"#,
            2500 + 1000 * turn
        );
        let record =
            settle(&rules, &store, turn, "/v1/chat/completions", &request, &reply, Ended::Complete).record;
        let waste = record.waste.first().map(|waste| (waste.tokens.unwrap(), waste.usd.unwrap().to_string()));
        lines.push((record.tokens.input.unwrap(), record.cost.usd.unwrap().to_string(), waste));
        messages.push(serde_json::json!({"role": "assistant", "content": "a".repeat(2000)}));
    }
    let wasted = |tokens: u64, usd: &str| Some((tokens, usd.to_owned()));
    assert_eq!(
        lines,
        [
            (2500, "0.009".to_owned(), None),
            (3500, "0.011".to_owned(), wasted(2494, "0.003741")),
            (4500, "0.013".to_owned(), wasted(3495, "0.0052425")),
            (5500, "0.015".to_owned(), wasted(4496, "0.006744")),
            (6500, "0.017".to_owned(), wasted(5497, "0.0082455")),
        ]
    );
}
