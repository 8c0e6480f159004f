//! Usage -> price -> decision -> ledger -> record.

use std::hint::black_box;
use std::rc::Rc;

use criterion::Criterion;
use serde_json::json;
use tollgate_exchange::{AnsweredBy, Exchange, Finish, Head, HeaderPairs, Rules, Settled, Start, Step};
use tollgate_policy::{Admission, Op, OwnStore, ReservationId, StoreFailure, book, perform};
use tollgate_pricing::{Situation, TokenKind, Usage, catalogue, quote};
use tollgate_record::Timestamp;
use tollgate_wire::{End, Ended};

use crate::bodies;

const NOON: Timestamp = Timestamp::from_unix_nanos(1_795_176_000_000_000_000);

pub fn bench(criterion: &mut Criterion) {
    price(criterion);
    decide(criterion);
    ledger(criterion);
    whole(criterion);
}

fn price(criterion: &mut Criterion) {
    let mut usage = Usage::default();
    for (kind, count) in [(TokenKind::Input, 1200), (TokenKind::CacheRead, 1000), (TokenKind::Output, 300)] {
        assert!(usage.tokens.add(kind, count).is_some());
    }
    let situation = Situation { time_unix_s: NOON.unix_seconds(), ..Situation::default() };
    criterion.bench_function("quote/find and quote gpt-4.1", |bencher| {
        bencher.iter(|| {
            let found = catalogue().find(black_box("openai"), black_box("gpt-4.1"));
            found.map(|found| quote(&found.card, &usage, &situation, &[]).is_ok())
        });
    });
}

/// Six tags, five quotas, as in the comparison with native filters.
fn rules() -> Rc<Rules> {
    let names = ["team", "feature", "customer", "workflow", "app", "user"];
    let tags: serde_json::Map<_, _> = names
        .iter()
        .map(|name| ((*name).to_owned(), json!({"from": [{"header": format!("x-{name}")}]})))
        .collect();
    let quota = |name: &&str| json!({"name": format!("per-{name}"), "per": [name], "limit": {"usd": "1000000.00"}, "window": "hour"});
    let quotas: Vec<_> = names.iter().take(5).map(quota).collect();
    let configuration = json!({"tags": tags, "quotas": quotas}).to_string();
    match Rules::compile(configuration.as_bytes()) {
        Ok(rules) => Rc::new(rules),
        Err(error) => panic!("{error}"),
    }
}

fn head() -> Head {
    let pairs: [(&str, &str); 10] = [
        (":method", "POST"),
        (":authority", "api.openai.com"),
        (":path", "/v1/chat/completions"),
        ("content-type", "application/json"),
        ("x-team", "search"),
        ("x-feature", "answers"),
        ("x-customer", "acme"),
        ("x-workflow", "wf-17"),
        ("x-app", "portal"),
        ("x-user", "u-4711"),
    ];
    let headers = HeaderPairs::from_pairs(pairs.map(|(name, value)| (name, value.as_bytes())));
    Head { headers, ..Head::default() }
}

fn start(rules: &Rc<Rules>, head: &Head) -> (Box<Exchange>, Step) {
    let id = || ReservationId { process: 1, worker: 1, sequence: 1 };
    match Exchange::start(rules, head, id, NOON) {
        Start::Begin(exchange, _, step) => (exchange, step),
        _ => panic!("not seen as an LLM call"),
    }
}

fn decide(criterion: &mut Criterion) {
    let (rules, head) = (rules(), head());
    assert_eq!(start(&rules, &head).1, Step::Ask);
    criterion.bench_function("decide/6 tags, 5 quotas", |bencher| {
        bencher.iter(|| start(&rules, black_box(&head)));
    });
}

fn admit(store: &OwnStore, ops: &[Op]) -> Admission {
    match perform(store, ops, NOON.unix_seconds()) {
        Ok(admission) => admission,
        Err(StoreFailure) => panic!("the store fails"),
    }
}

fn ledger(criterion: &mut Criterion) {
    let (rules, head, store) = (rules(), head(), OwnStore::default());
    criterion.bench_function("ledger/put aside and settle 5 counters", |bencher| {
        bencher.iter_batched(
            || {
                let (mut exchange, _) = start(&rules, &head);
                let ops = exchange.pending().map(tollgate_exchange::Batch::ops).unwrap_or_default();
                assert_eq!(ops.len(), 5);
                exchange.resume(Ok(admit(&store, &ops)));
                (ops, answered(exchange).bookings)
            },
            |(ops, bookings)| {
                black_box(admit(&store, &ops));
                // The setup has put the same aside, and is what is settled here.
                bookings.iter().for_each(|(_, ops)| drop(book(&store, ops, NOON.unix_seconds())));
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

/// Runs an admitted call to its end.
fn answered(mut exchange: Box<Exchange>) -> Settled {
    exchange.request_body(br#"{"model":"gpt-4o","messages":[]}"#, End::Last);
    let pairs = [(":status", "200"), ("content-type", "application/json")];
    exchange.response_head(&HeaderPairs::from_pairs(pairs.map(|(name, value)| (name, value.as_bytes()))));
    exchange.response_body(bodies::chat(4).to_string().as_bytes(), End::Last, || NOON);
    exchange.settle(Finish { now: NOON, ended: Ended::Complete, answered_by: AnsweredBy::Upstream })
}

fn whole(criterion: &mut Criterion) {
    let (rules, head, store) = (rules(), head(), OwnStore::default());
    criterion.bench_function("call/6 tags, 5 quotas, to its record", |bencher| {
        bencher.iter(|| {
            let (mut exchange, _) = start(&rules, &head);
            let ops = exchange.pending().map(tollgate_exchange::Batch::ops).unwrap_or_default();
            exchange.resume(Ok(admit(&store, &ops)));
            let settled = answered(exchange);
            settled.bookings.iter().for_each(|(_, ops)| drop(book(&store, ops, NOON.unix_seconds())));
            settled.record.to_protobuf()
        });
    });
}
