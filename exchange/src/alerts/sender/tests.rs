use super::*;
use crate::alerts::tests::alert;
use serde_json::{Value, json};
use tollgate_policy::{NoStore, OwnStore};

/// One worker: what it raises, and what it sends.
struct Worker {
    alerts: Alerts,
    sender: AlertSender,
    tokens: u32,
    sent: Vec<(u32, Value)>,
}

impl Worker {
    fn new(destinations: &Value) -> Self {
        let alerts = Alerts::compile(destinations).unwrap().unwrap();
        Self { alerts, sender: AlertSender::default(), tokens: 0, sent: Vec::new() }
    }

    fn raise(&self, key: &str, now: i64) {
        self.alerts.raise(&key, now, || alert("calls", key));
    }

    /// A tick; `reached` is whether the proxy knows the cluster.
    fn tick(&mut self, store: &OwnStore, now: i64, reached: Option<()>) -> AlertNews {
        let Self { alerts, sender, tokens, sent } = self;
        sender.flush(alerts, "default", store, now, &mut |call| {
            reached?;
            *tokens += 1;
            sent.push((*tokens, serde_json::from_str(&call.body).unwrap()));
            Some(*tokens)
        })
    }

    /// All that was sent is answered so.
    fn answer(&mut self, store: &OwnStore, now: i64, status: Option<u16>) -> Vec<AlertNews> {
        let answer = AlertAnswer { status, retry_after: None };
        let Self { alerts, sender, sent, .. } = self;
        sent.drain(..)
            .filter_map(|(token, _)| sender.answered(alerts, "default", store, now, token, answer))
            .collect()
    }
}

fn alertmanager() -> Value {
    json!([{"name": "am", "cluster": "am", "format": "alertmanager"}])
}

fn fates(news: &[AlertNews]) -> Vec<(Fate, u64)> {
    news.iter().flat_map(|news| news.fates.iter().map(|(_, fate, count)| (*fate, *count))).collect()
}

#[test]
fn two_workers_that_see_the_same_tell_it_once() {
    let store = OwnStore::default();
    let mut workers = [Worker::new(&alertmanager()), Worker::new(&alertmanager())];
    for now in 100..155 {
        for worker in &mut workers {
            worker.raise("a", now);
            worker.tick(&store, now, Some(()));
        }
    }
    let messages = |workers: &[Worker]| workers.iter().map(|worker| worker.sent.len()).sum::<usize>();
    // Nobody has answered, so the claim ran out every ten seconds.
    assert_eq!(messages(&workers), 6);
    let news: Vec<_> = workers.iter_mut().flat_map(|worker| worker.answer(&store, 155, Some(200))).collect();
    assert_eq!(fates(&news), [(Fate::Sent, 1)], "however often it was told");
    for now in 155..395 {
        for worker in &mut workers {
            worker.raise("a", now);
            worker.tick(&store, now, Some(()));
            worker.answer(&store, now, Some(200));
        }
    }
    let again = workers.iter().map(|worker| worker.tokens).sum::<u32>() - 6;
    assert_eq!(again, 3, "once a minute while it holds");
}

#[test]
fn what_is_not_taken_is_tried_again_counted_and_said_once() {
    let store = OwnStore::default();
    let mut worker = Worker::new(&alertmanager());
    worker.raise("a", 100);
    let news = worker.tick(&store, 100, None);
    assert_eq!(news.fates, [("am".to_owned(), Fate::Failed, 1)]);
    assert_eq!(
        news.trouble,
        ["alerts to `am` are not taken, and tried again: cluster `am` cannot be called"]
    );
    for (now, status) in [(101, Some(500)), (103, None), (107, Some(404)), (115, Some(200))] {
        assert_eq!(worker.tick(&store, now - 1, Some(())), AlertNews::default(), "not before its time");
        assert!(worker.tick(&store, now, Some(())).trouble.is_empty());
        let news = worker.answer(&store, now, status);
        let fate = if status == Some(200) { Fate::Sent } else { Fate::Failed };
        assert_eq!((fates(&news), news[0].trouble.len()), (vec![(fate, 1)], 0), "at {now}");
    }
    worker.raise("b", 200);
    worker.tick(&store, 200, Some(()));
    let news = worker.answer(&store, 200, Some(500));
    assert_eq!(
        news[0].trouble,
        ["alerts to `am` are not taken, and tried again: HTTP status 500"],
        "a new failure"
    );
    assert!(
        worker.sender.answered(&worker.alerts, "default", &store, 200, 99, AlertAnswer::default()).is_none()
    );
}

#[test]
fn a_worker_that_dies_with_an_alert_leaves_it_to_the_next() {
    let store = OwnStore::default();
    let mut first = Worker::new(&alertmanager());
    first.raise("a", 100);
    first.tick(&store, 100, Some(()));
    drop(first);
    let mut second = Worker::new(&alertmanager());
    assert_eq!(second.tick(&store, 109, Some(())), AlertNews::default());
    assert!(second.sent.is_empty());
    second.tick(&store, 110, Some(()));
    assert_eq!(second.sent[0].1[0]["labels"]["team"], "a");
}

#[test]
fn a_destination_that_a_reload_adds_hears_of_what_holds() {
    let store = OwnStore::default();
    let hook = |name: &str| json!({"name": name, "cluster": name, "format": "slack", "path": "/"});
    let mut before = Worker::new(&json!([hook("one")]));
    before.raise("a", 100);
    before.tick(&store, 100, Some(()));
    before.answer(&store, 100, Some(200));
    let mut after = Worker::new(&json!([hook("one"), hook("two")]));
    after.tick(&store, 200, Some(()));
    assert_eq!(after.sent.len(), 1, "the new one alone");
}

#[test]
fn a_flood_is_told_in_batches_and_what_does_not_fit_is_counted() {
    let store = OwnStore::default();
    let mut worker = Worker::new(&alertmanager());
    let mut dropped = 0;
    let mut told = std::collections::BTreeSet::new();
    for now in 100..130 {
        (0..10_000).for_each(|key| worker.raise(&key.to_string(), now));
        for _ in 0..4 {
            let news = worker.tick(&store, now, Some(()));
            dropped += fates(&[news]).iter().filter(|(fate, _)| *fate == Fate::Dropped).count();
            for (_, body) in &worker.sent {
                let alerts = body.as_array().unwrap();
                assert!(alerts.len() <= 64);
                told.extend(alerts.iter().map(|alert| alert["labels"]["team"].as_str().unwrap().to_owned()));
            }
            worker.answer(&store, now, Some(200));
        }
    }
    assert_eq!((told.len(), told.contains("__other__")), (201, true));
    assert_eq!(dropped, 10_000 - 200, "each key once, however often it was raised");
    let size: usize = store.entries().values().map(|(bytes, _)| bytes.len()).sum();
    assert!(size < 64_000, "{size} bytes of shared data");
}

#[test]
fn only_what_a_destination_wants_is_kept_for_it() {
    let store = OwnStore::default();
    for (filter, wanted) in [
        (json!({}), true),
        (json!({"on": ["budget_warning"]}), true),
        (json!({"on": ["budget_exhausted", "guard"]}), false),
        (json!({"rules": ["team-*", "cal*"]}), true),
        (json!({"rules": ["team-*"]}), false),
        (json!({"min_severity": "warning"}), true),
        (json!({"min_severity": "critical"}), false),
    ] {
        let mut destination = alertmanager();
        destination[0].as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        let mut worker = Worker::new(&destination);
        worker.raise(&filter.to_string(), 100);
        worker.tick(&store, 100, Some(()));
        assert_eq!(!worker.sent.is_empty(), wanted, "{filter}");
    }
}

#[test]
fn a_budget_that_gets_more_room_is_over_at_once_and_warned_of_anew() {
    let store = OwnStore::default();
    let mut worker = Worker::new(&alertmanager());
    let told = |worker: &mut Worker, now: i64| {
        worker.tick(&store, now, Some(()));
        let ends: Vec<Value> = worker
            .sent
            .iter()
            .flat_map(|(_, body)| body.as_array().unwrap())
            .map(|a| a["endsAt"].clone())
            .collect();
        worker.answer(&store, now, Some(200));
        ends
    };
    worker.raise("a", 100);
    worker.raise("b", 100);
    assert_eq!(told(&mut worker, 100).len(), 2);
    worker.alerts.end_budget("calls", vec![("team".to_owned(), "a".to_owned())]);
    assert_eq!(told(&mut worker, 110), ["1970-01-01T00:01:50.000Z"], "one of both is over now");
    worker.raise("a", 111);
    assert_eq!(told(&mut worker, 111).len(), 1, "the next call that passes it raises it again");
}

#[test]
fn a_store_that_fails_loses_nothing() {
    let mut worker = Worker::new(&alertmanager());
    worker.raise("a", 100);
    let news =
        worker.sender.flush(&worker.alerts, "default", &NoStore, 100, &mut |_| panic!("nothing is known"));
    assert_eq!(news, AlertNews::default());
    worker.tick(&OwnStore::default(), 101, Some(()));
    assert_eq!(worker.sent.len(), 1);
}
