//! Warnings that a quota will be passed if its window goes on as it began: when, how often, and that they are told.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test that meets what it does not expect fails"
)]

mod support;

use std::rc::Rc;
use support::{NOON, OwnStore, head};
use tollgate_exchange::{AlertKind, Alerts, AnsweredBy, Exchange, Finish, HeaderPairs, Rules, Start, Step};
use tollgate_policy::{ReservationId, perform};
use tollgate_record::{Action, Timestamp};
use tollgate_wire::Ended;

fn rules(quota: &str) -> Rc<Rules> {
    let json = format!(
        r#"{{"emit":{{"response_headers":["decision"]}},"quotas":[{{"name":"q","limit":{{"requests":100}},"window":"1h",{quota}}}]}}"#
    );
    let mut rules = Rules::compile(json.as_bytes()).unwrap();
    rules.alerts = Some(Rc::new(Alerts::default()));
    Rc::new(rules)
}

/// What became of a call at that second after noon, and its warning. It is answered at once.
fn call(rules: &Rc<Rules>, store: &OwnStore, second: i64) -> (Action, Option<String>) {
    let seconds = NOON + second;
    let now = Timestamp::from_unix_nanos(seconds * 1_000_000_000);
    let id = || ReservationId { process: 1, worker: 2, sequence: 3 };
    let Start::Begin(mut exchange, _, mut step) = Exchange::start(rules, &head(&[]), id, now) else {
        panic!("not seen as an LLM call")
    };
    loop {
        step = match step {
            Step::Ask => {
                let ops = exchange.pending().unwrap().ops();
                exchange.resume(perform(store, &ops, seconds))
            }
            Step::Recall => exchange.recall(store, now),
            Step::Pass => break,
            other => panic!("{other:?}"),
        }
    }
    let edits = exchange.response_head(&HeaderPairs::from_pairs([(":status", &b"200"[..])]));
    let warning = edits.iter().find_map(|edit| match edit {
        tollgate_exchange::HeaderEdit::Set("x-tollgate-warning", text) => Some(text.clone()),
        _ => None,
    });
    let settled = exchange.settle(Finish { now, ended: Ended::Complete, answered_by: AnsweredBy::Upstream });
    settled.bookings.iter().for_each(|(_, ops)| {
        perform(store, ops, seconds).unwrap();
    });
    (settled.record.decision.action(), warning)
}

fn count_warnings(rules: &Rc<Rules>, store: &OwnStore, seconds: impl Iterator<Item = i64>) -> usize {
    seconds.filter(|second| call(rules, store, *second).0 == Action::Warn).count()
}

#[test]
fn a_window_warns_once_and_the_next_one_again() {
    let (rules, store) = (rules(r#""warn_when_projected":100"#), OwnStore::default());
    assert_eq!(count_warnings(&rules, &store, 0..20), 0, "in its first tenth nothing is said");
    let (action, warning) = call(&rules, &store, 400);
    assert_eq!(action, Action::Warn);
    assert_eq!(
        warning.as_deref(),
        Some("quota q comes to 189 percent by 2026-11-20T13:00:00.000Z at this rate")
    );
    assert_eq!(count_warnings(&rules, &store, 401..450), 0, "it was said");
    assert_eq!(count_warnings(&rules, &store, (3600..3640).chain(4000..4010)), 1, "another window");
}

#[test]
fn who_uses_no_more_than_the_window_allows_is_not_warned() {
    let (rules, store) = (rules(r#""warn_when_projected":100"#), OwnStore::default());
    assert_eq!(count_warnings(&rules, &store, (0..3600).step_by(45)), 0, "80 calls in an hour of 100");
}

#[test]
fn the_alert_is_told_and_is_the_same_one_all_the_time() {
    let (rules, store) = (rules(r#""warn_when_projected":50"#), OwnStore::default());
    let _calls = count_warnings(&rules, &store, (0..30).chain(400..420));
    let raised = rules.alerts.as_ref().unwrap().raised();
    let [alert] = raised.as_slice() else { panic!("{raised:?}") };
    assert_eq!(
        (alert.kind, alert.threshold.as_str(), alert.rule.as_str()),
        (AlertKind::BudgetProjected, "50", "q")
    );
    assert_eq!((alert.window_start, alert.ends_at), (Some(NOON), NOON + 3600));
    assert_eq!(alert.summary, "at this rate 279 of 100 requests will be used (279 %)");
}

#[test]
fn a_quota_that_does_not_ask_for_it_says_nothing() {
    let (rules, store) = (rules(r#""mode":"enforce""#), OwnStore::default());
    assert_eq!(count_warnings(&rules, &store, (0..20).chain(400..420)), 0);
    assert!(!store.entries().keys().any(|key| key.contains("warned")), "and keeps nothing");
}
