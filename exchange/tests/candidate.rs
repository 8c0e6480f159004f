//! A candidate that is the same as the active configuration never differs from it, and its counters come to the same.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect fails"
)]

mod support;

use std::rc::Rc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use support::{NOON, OwnStore};
use tollgate_exchange::{
    Aids, AnsweredBy, Exchange, Finish, Head, HeaderPairs, PrintKey, Rules, Settled, Start, Step,
};
use tollgate_policy::{ReservationId, book, perform};
use tollgate_record::{Action, Timestamp};
use tollgate_wire::{End, Ended, NoVocabulary};

/// One call, and how it goes.
#[derive(Clone, Debug)]
struct Call {
    team: Option<&'static str>,
    feature: Option<&'static str>,
    model: &'static str,
    max_tokens: Option<u64>,
    text: u64,
    last: u8,
    /// Where the body is cut, in percent.
    cut: usize,
    length_is_announced: bool,
    status: u16,
    output: u64,
    /// The client goes away before the body is over.
    leaves: bool,
    nobody_answers: bool,
    /// How many other calls begin before it ends.
    open_for: usize,
    /// Seconds since the one before.
    after: i64,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let teams = prop::sample::select(vec![None, Some("a"), Some("b"), Some("nobody")]);
    let features = prop::sample::select(vec![None, Some("x"), Some("y")]);
    let models = prop::sample::select(vec!["gpt-4o", "gpt-4o-mini", "o3", "gpt-4.1", "nobody-knows"]);
    let request = (teams, features, models, prop::option::of(1_u64..3000), 0_u64..4000, 0_u8..3);
    let statuses = prop::sample::select(vec![200_u16, 200, 200, 429, 500]);
    let way = (0_usize..100, any::<bool>(), statuses, 0_u64..2000, 0_u8..12, 0_usize..4, 0_i64..40);
    let call = (request, way).prop_map(|((team, feature, model, max_tokens, text, last), way)| {
        let (cut, length_is_announced, status, output, ill, open_for, after) = way;
        let (leaves, nobody_answers) = (ill == 0, ill == 1);
        Call {
            team,
            feature,
            model,
            max_tokens,
            text,
            last,
            cut,
            length_is_announced,
            status,
            output,
            leaves,
            nobody_answers,
            open_for,
            after,
        }
    });
    prop::collection::vec(call, 1..24)
}

/// The members that a candidate may have; each is taken or left.
fn members() -> Vec<(&'static str, Value)> {
    let tags = |required: &str| {
        json!({
            "team": {"from": [{"header": "x-team"}], "required": required, "allow": ["a", "b"]},
            "feature": {"from": [{"body": "/metadata/feature"}, {"header": "x-feature"}], "required": "report"},
        })
    };
    vec![
        ("tags", tags("deny")),
        ("tags", tags("report")),
        (
            "routes",
            json!([
                {"when": {"model": "o3"}, "deny": "o3"},
                {"when": {"model": "gpt-4.1", "max_input_tokens": 500}, "to": {"model": "gpt-4o-mini"}},
                {"when": {"model": "gpt-4o", "percent": 30}, "to": {"model": "gpt-4.1"}},
            ]),
        ),
        (
            "limits",
            json!([{"max_request_usd": "0.01"}, {"max_output_tokens": 900, "max_body_bytes": 3000, "on_large_body": "deny"}]),
        ),
        (
            "loops",
            json!([{"name": "loop", "per": ["team"], "max_same_turns": 1, "max_calls": 6, "within": "1h", "then": "deny"}]),
        ),
        ("retries", json!({"within": "5m", "max": 1})),
        (
            "quotas",
            json!([
                {"name": "calls", "per": ["team"], "limit": {"requests": 6}, "window": "1m", "steps": [{"at": 50, "do": "warn"}]},
                {"name": "money", "limit": {"usd": "0.02"}, "window": "hour", "steps": [{"at": 30, "do": {"downgrade": {"to": "gpt-4o-mini"}}}, {"at": 60, "do": {"clamp": {"min_output_tokens": 16}}}]},
                {"name": "tokens", "per": ["model"], "limit": {"tokens": 4000}, "window": {"sliding": "5m"}, "reserve": {"output": "requested", "cap": 700}},
                {"name": "trial", "limit": {"output_tokens": 600}, "window": "day", "mode": "shadow"},
            ]),
        ),
        (
            "quotas",
            json!([
                {"name": "busy", "per": ["feature"], "limit": {"in_flight": 2}},
                {"name": "pace", "when": {"team": "a"}, "limit": {"requests": 5}, "window": "1h", "steps": [{"at": 20, "do": "throttle"}], "warn_when_projected": 80},
            ]),
        ),
        ("unbudgeted", json!("deny")),
        ("hold", json!("body")),
        ("hold", json!("never")),
    ]
}

const SECRET: PrintKey = PrintKey([7; 16]);

fn rules(taken: &[bool], names_all: bool) -> Rc<Rules> {
    let mut active = json!({"tags": {"team": {"from": [{"header": "x-team"}]}, "feature": {"from": [{"header": "x-feature"}]}}});
    for ((name, value), _) in members().into_iter().zip(taken).filter(|(_, taken)| **taken) {
        active[name] = value;
    }
    let mut candidate = if names_all { active.clone() } else { json!({"name": "same"}) };
    candidate.as_object_mut().unwrap().remove("hold");
    active["candidate"] = candidate;
    let rules =
        Rules::compile(active.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}: {active}"));
    let own = rules.candidate.as_ref().and_then(|candidate| candidate.rules.agents.as_ref());
    rules.agents.iter().chain(own).for_each(|agents| agents.set_print_key(SECRET));
    Rc::new(rules)
}

fn play(exchange: &mut Exchange, store: &OwnStore, now: Timestamp) {
    exchange.try_candidate(store, &|| now, &|ops, at| perform(store, ops, at.unix_seconds()));
}

fn decide(exchange: &mut Exchange, mut step: Step, store: &OwnStore, now: Timestamp) -> Step {
    loop {
        step = match step {
            Step::Ask => {
                let ops = exchange.pending().unwrap().ops();
                exchange.resume(perform(store, &ops, now.unix_seconds()))
            }
            Step::Recall => exchange.recall(store, now),
            other => return other,
        }
    }
}

/// Begins a call and sends what its client sends, as an adapter does it. `None`: it was answered here.
fn send(
    rules: &Rc<Rules>,
    call: &Call,
    number: u64,
    store: &OwnStore,
    now: Timestamp,
) -> (Box<Exchange>, bool) {
    let turn = format!("turn {}{}", call.last, "x".repeat(usize::try_from(call.text).unwrap()));
    let mut body = json!({"model": call.model, "messages": [{"role": "user", "content": turn}]});
    if let Some(most) = call.max_tokens {
        body["max_tokens"] = json!(most);
    }
    if call.after % 2 == 0 {
        body["metadata"] = json!({"feature": "z"});
    }
    let body = body.to_string().into_bytes();
    let length = body.len().to_string();
    let mut headers = vec![
        (":method", "POST"),
        (":authority", "api.openai.com"),
        (":path", "/v1/chat/completions"),
        ("content-type", "application/json"),
    ];
    headers.extend(call.team.map(|team| ("x-team", team)));
    headers.extend(call.feature.map(|feature| ("x-feature", feature)));
    headers.extend(call.length_is_announced.then_some(("content-length", length.as_str())));
    let pairs = headers.into_iter().map(|(name, value)| (name, value.as_bytes()));
    let head = Head { headers: HeaderPairs::from_pairs(pairs), ..Head::default() };
    let id = || ReservationId { process: 1, worker: 2, sequence: number };
    let Start::Begin(mut exchange, _, step) = Exchange::start(rules, &head, id, now) else {
        panic!("not seen as an LLM call")
    };
    let mut step = decide(&mut exchange, step, store, now);
    play(&mut exchange, store, now);
    let (one, two) = body.split_at(body.len() * call.cut / 100);
    let mut held = Vec::new();
    for (piece, end) in [(one, End::Open), (two, End::Last)] {
        if matches!(step, Step::Reply(_)) || (call.leaves && end == End::Last) {
            break;
        }
        if step == Step::NeedBody {
            held.extend(piece);
            let Some(next) = exchange.held_body(piece, end) else { continue };
            step = decide(&mut exchange, next, store, now);
            if step == Step::Pass && exchange.release_seen(held.len(), end).is_none() {
                let changed = exchange.rewrite(&held, end).map(|rewritten| rewritten.body);
                exchange.release_body(changed.as_deref().unwrap_or(&held), end);
            }
        } else if exchange.wants_request() {
            exchange.request_body(piece, end);
        }
        play(&mut exchange, store, now);
    }
    (exchange, step == Step::Pass)
}

fn end(mut exchange: Box<Exchange>, call: &Call, sent: bool, store: &OwnStore, now: Timestamp) -> Settled {
    let answered = sent && !call.nobody_answers && !call.leaves;
    if answered {
        let status = call.status.to_string();
        let head = [(":status", status.as_bytes()), ("content-type", b"application/json")];
        exchange.response_head(&HeaderPairs::from_pairs(head));
        let body = json!({"model": call.model, "usage": {"prompt_tokens": call.text / 4 + 9, "completion_tokens": call.output}});
        exchange.response_body(body.to_string().as_bytes(), End::Last, || now);
    }
    exchange.end_candidate();
    play(&mut exchange, store, now);
    let answered_by = if sent && call.nobody_answers { AnsweredBy::Nobody } else { AnsweredBy::Upstream };
    let ended = if answered { Ended::Complete } else { Ended::Cut };
    let aids = Aids { vocabulary: &NoVocabulary, first_time: &|_| true, store, client_left: &|| false };
    let settled = exchange.settle_with(Finish { now, ended, answered_by }, aids);
    settled.bookings.iter().for_each(|(_, ops)| assert!(book(store, ops, now.unix_seconds()).is_empty()));
    settled
}

/// What stands under a namespace, by the rest of its keys.
fn counters(store: &OwnStore, namespace: &str) -> Vec<(String, Vec<u8>)> {
    let entries = store.entries();
    let own = |(key, (bytes, _)): (&String, &(Vec<u8>, u32))| {
        let rest = key.strip_prefix("tg/1/")?.strip_prefix(namespace)?.strip_prefix('/')?;
        // Which page knows of a warning goes by the counter's whole key.
        let rest = Some(rest).filter(|rest| !rest.starts_with("warned/"))?;
        Some((rest.to_owned(), bytes.clone()))
    };
    let mut all: Vec<_> = entries.iter().filter_map(own).collect();
    all.sort();
    all
}

/// What becomes of calls, in the order in which they end.
fn settled(rules: &Rc<Rules>, calls: &[Call], store: &OwnStore) -> Vec<Settled> {
    let (mut open, mut over) = (Vec::new(), Vec::new());
    let mut clock = NOON;
    for (number, call) in calls.iter().enumerate() {
        clock += call.after;
        let now = Timestamp::from_unix_nanos(clock * 1_000_000_000);
        let (exchange, sent) = send(rules, call, u64::try_from(number).unwrap(), store, now);
        open.push((number + call.open_for, call, exchange, sent));
        let (ended, still): (Vec<_>, Vec<_>) = open.into_iter().partition(|(until, ..)| *until <= number);
        open = still;
        over.extend(ended.into_iter().map(|(_, call, exchange, sent)| end(exchange, call, sent, store, now)));
    }
    let now = Timestamp::from_unix_nanos(clock * 1_000_000_000);
    over.extend(open.into_iter().map(|(_, call, exchange, sent)| end(exchange, call, sent, store, now)));
    over
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_candidate_that_is_the_same_never_differs(
        taken in prop::collection::vec(any::<bool>(), 11),
        names_all in any::<bool>(),
        calls in calls(),
    ) {
        let (rules, store) = (rules(&taken, names_all), OwnStore::default());
        let over = settled(&rules, &calls, &store);
        for settled in &over {
            prop_assert_eq!(&settled.record.candidate, &None, "{:?}", settled.record);
        }
        let tried = over.iter().filter(|settled| settled.counts.tried).count();
        let gone = calls.iter().filter(|call| call.leaves).count();
        prop_assert!(tried + gone >= calls.len(), "{} of {} calls were judged", tried, calls.len());
        let own = &rules.candidate.as_ref().unwrap().rules.namespace;
        let (theirs, ours) = (counters(&store, own), counters(&store, "default"));
        let apart = theirs.iter().zip(&ours).filter(|(one, other)| one != other);
        let apart: Vec<_> = apart.map(|((one, _), (other, _))| (one, other)).collect();
        prop_assert!(theirs.len() == ours.len() && apart.is_empty(), "{:?}", apart);
    }
}

/// So that the property above is about something: all that rules can do is done to some of its calls.
#[test]
fn the_calls_above_meet_every_action() {
    let mut runner = TestRunner::deterministic();
    let strategy = (prop::collection::vec(any::<bool>(), 11), calls());
    let mut met: Vec<Action> = Vec::new();
    for _ in 0..200 {
        let (taken, calls) = strategy.new_tree(&mut runner).unwrap().current();
        let over = settled(&rules(&taken, false), &calls, &OwnStore::default());
        met.extend(over.iter().flat_map(|settled| settled.record.decision.actions.iter().copied()));
    }
    for action in Action::ALL.iter().filter(|action| !matches!(action, Action::Allow | Action::Cut)) {
        assert!(met.contains(action), "no call met `{}`", action.as_str());
    }
}

/// A candidate's tags may read other properties of the host than the active ones; these come behind those.
#[test]
fn its_tags_read_properties_of_their_own() {
    let tag =
        |property: &str| json!({"team": {"from": [{"property": ["node", property]}], "required": "deny"}});
    let check = |candidate: &str, expected: &[&str], given: &[Option<&str>], refuses: bool| {
        let configuration = json!({"tags": tag("id"), "candidate": {"tags": tag(candidate)}});
        let rules = Rc::new(Rules::compile(configuration.to_string().as_bytes()).unwrap());
        let asked: Vec<_> = rules.properties_of_host().map(|path| path.join(".")).collect();
        assert_eq!(asked, expected);
        let head = support::head(&[]);
        let properties = given.iter().map(|value| value.map(|value| value.as_bytes().to_vec())).collect();
        let head = Head { properties, ..head };
        let (now, store) = (Timestamp::from_unix_nanos(NOON * 1_000_000_000), OwnStore::default());
        let Start::Begin(mut exchange, _, Step::Pass) =
            Exchange::start(&rules, &head, ReservationId::default, now)
        else {
            panic!("the call does not pass")
        };
        play(&mut exchange, &store, now);
        let finish = Finish { now, ended: Ended::Complete, answered_by: AnsweredBy::Upstream };
        let verdict = exchange.settle(finish).record.candidate;
        assert_eq!(verdict.is_some_and(|verdict| verdict.action == Action::Deny), refuses, "{candidate}");
    };
    check("id", &["node.id"], &[Some("a")], false);
    check("cluster", &["node.id", "node.cluster"], &[Some("a"), Some("b")], false);
    check("cluster", &["node.id", "node.cluster"], &[Some("a"), None], true);
}
