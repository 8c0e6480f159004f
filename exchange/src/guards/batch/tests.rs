use super::*;
use crate::alerts::Alerts;
use std::rc::Rc;
use tollgate_policy::{NoStore, OwnStore, PastPage, Sample, Size};

const DAY: i64 = 86_400;
const MONDAY: i64 = 20_000 * DAY;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_nanos(seconds * 1_000_000_000)
}

fn rules(more: &str) -> Rules {
    let json = format!(
        r#"{{"tags":{{"team":{{"from":[{{"header":"x-team"}}]}}}},"guards":[{{"name":"g","per":["team"],"watch":"cost_per_call"{more}}}]}}"#
    );
    let mut rules = Rules::compile(json.as_bytes()).unwrap();
    rules.alerts = Some(Rc::new(Alerts::default()));
    rules
}

fn saw(team: &str, pico: u64) -> Guarded {
    Guarded::new(0, &format!("/{team}"), Some(Size::of(pico).into()))
}

/// Two workers that take turns for three days of a call a minute.
fn live(rules: &Rules, shared: &OwnStore) -> [GuardBatch; 2] {
    let mut workers = [GuardBatch::default(), GuardBatch::default()];
    for minute in 0..3 * 1440 {
        let worker = &mut workers[usize::from(minute % 2 == 0)];
        worker.add(&[saw("search", 1_000_000), saw("ads%2Feu", 5_000)]);
        let flushed = worker.flush(rules, shared, at(MONDAY + minute * 60));
        assert_eq!((flushed.departed, flushed.failures, flushed.changed), (vec![], 0, false), "{minute}");
    }
    workers
}

#[test]
fn what_two_workers_see_together_is_told_to_both_and_alerted_as_one() {
    let (ours, theirs) = (rules(""), rules(""));
    let shared = OwnStore::default();
    let mut workers = live(&ours, &shared);
    let start = MONDAY + 3 * DAY;
    let mut departed = Vec::new();
    for second in 0..20 {
        let worker = &mut workers[usize::from(second % 2 == 0)];
        worker.add(&[saw("ads%2Feu", 40_000), saw("search", 1_000_000)]);
        departed.extend(worker.flush(&ours, &shared, at(start + second)).departed);
    }
    let said: Vec<_> = departed.iter().map(|departed| departed.text.as_str()).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0]
            .starts_with("guard g: cost_per_call of team ads/eu is over 2 times what is usual, 0.000000004"),
        "{said:?}"
    );
    let alerts = ours.alerts.as_ref().unwrap().raised();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let alert = &alerts[0];
    assert_eq!(
        (alert.kind, alert.labels.as_slice()),
        (AlertKind::Guard, [("team".to_owned(), "ads/eu".to_owned())].as_slice())
    );
    assert_eq!(
        (alert.threshold.as_str(), alert.unit.as_str(), alert.severity),
        ("2", "usd", Severity::Warning)
    );
    assert_eq!((alert.window_start, alert.ends_at - alert.starts_at >= 600), (Some(alert.starts_at), true));

    let guards = theirs.guards.as_ref().unwrap();
    assert!(guards.refresh("default", &shared) && !guards.refresh("default", &shared));
    let now = u32::try_from(start).unwrap();
    assert!(guards.verdict(&guards.rules[0], "/ads%2Feu", now).is_some());
    assert!(guards.verdict(&guards.rules[0], "/search", now).is_none());
    assert_eq!((guards.count("g"), guards.count("h")), (1, 0));

    let over = at(start + 20 + 600);
    assert!(workers[0].flush(&ours, &shared, over).changed, "nobody has called since");
    assert!(ours.guards.as_ref().unwrap().is_calm() && !guards.is_calm());
    assert!(workers[1].flush(&theirs, &shared, over).changed && guards.is_calm());
    assert!(!workers[0].flush(&ours, &shared, over).changed);
}

/// The usual guards, with what more is to be watched.
fn usual(more: &str) -> Rules {
    let json = format!(
        r#"{{"guards":[{more}
        {{"name":"spend","watch":"spend_rate"}},{{"name":"cost","watch":"cost_per_call"}},
        {{"name":"prompt","watch":"input_tokens"}},{{"name":"errors","watch":"error_rate"}}]}}"#
    );
    Rules::compile(json.as_bytes()).unwrap()
}

/// What four guards saw of a call of a team.
fn seen(team: u32) -> [Guarded; 4] {
    [0, 1, 2, 3].map(|guard| Guarded::new(guard, &format!("/team-{team}"), Some(Sample(1))))
}

#[test]
fn ten_thousand_live_keys_of_the_usual_guards_fit_into_four_mebibytes() {
    let (rules, shared, mut batch) = (usual(""), OwnStore::default(), GuardBatch::default());
    (0..10_000).for_each(|team| batch.add(&seen(team)));
    assert_eq!(batch.flush(&rules, &shared, at(MONDAY)).failures, 0);
    let bytes: usize = shared.entries().iter().map(|(key, (bytes, _))| key.len() + bytes.len()).sum();
    assert!((3_800_000..4 << 20).contains(&bytes), "{bytes} bytes");
    let slots: usize = shared.entries().values().map(|(bytes, _)| bytes.len() / (248 + 3 * 48)).sum();
    assert_eq!(slots, 10_000, "none is forgotten");

    let before = shared.accesses();
    (0..400).for_each(|team| batch.add(&seen(team)));
    batch.flush(&rules, &shared, at(MONDAY + 1));
    let accesses = shared.accesses() - before;
    assert!(accesses <= 2 * 400 + 1, "four guards share what is read and written: {accesses} accesses");
}

/// How many calls of a team the pasts of these guards know.
fn known(rules: &Rules, shared: &OwnStore, team: u32) -> Vec<u32> {
    let guards = rules.guards.as_deref().unwrap();
    let pasts = Pasts::new(&rules.namespace, guards.rules.len());
    let number = seen(team)[0].number;
    let mut calls = Vec::new();
    let read = &mut |page: &mut PastPage| {
        let samples = |rule: &GuardRule| u32::from_le_bytes(page.words(rule.past_id(number))[6]);
        calls = guards.rules.iter().map(samples).collect();
    };
    pasts.change(shared, Pasts::page(number), read).unwrap();
    calls
}

#[test]
fn what_guards_know_outlives_a_reload_that_adds_moves_or_removes_others() {
    let (before, shared, mut batch) = (usual(""), OwnStore::default(), GuardBatch::default());
    for second in 0..3 {
        batch.add(&seen(7));
        batch.flush(&before, &shared, at(MONDAY + second));
    }
    let more = usual(r#"{"name":"new","watch":"spend_rate"},{"name":"price","watch":"cost_per_token"},"#);
    assert_eq!(known(&more, &shared, 7), [0, 0, 3, 3, 3, 3]);
    assert_eq!(known(&before, &shared, 7), [3, 3, 3, 3]);
}

#[test]
fn calls_of_a_page_are_taken_in_once_and_in_their_order_whoever_writes_meanwhile() {
    let (rules, shared, mut batch) = (usual(""), OwnStore::default(), GuardBatch::default());
    for round in 1..4 {
        for team in [1, 2, 1, 3, 1] {
            batch.add(&seen(team));
        }
        shared.conflict_next(3);
        assert_eq!(batch.flush(&rules, &shared, at(MONDAY + i64::from(round))).failures, 0);
        assert_eq!(
            [1, 2, 3].map(|team| known(&rules, &shared, team)),
            [3, 1, 1].map(|calls| vec![calls * round; 4])
        );
    }
}

#[test]
fn a_store_that_fails_is_counted_and_nothing_waits_for_it() {
    let mut batch = GuardBatch::default();
    batch.add(&[saw("search", 7)]);
    assert_eq!(batch.flush(&rules(""), &NoStore, at(MONDAY)).failures, 1);
    assert_eq!(batch.flush(&rules(""), &NoStore, at(MONDAY)).failures, 0);
}

#[test]
fn what_there_is_no_room_for_until_the_next_tick_is_counted() {
    let (rules, shared, mut batch) = (usual(""), OwnStore::default(), GuardBatch::default());
    let more = 3;
    (0..MOST_SEEN / 4 + more).for_each(|_| batch.add(&seen(7)));
    assert_eq!(batch.flush(&rules, &shared, at(MONDAY)).failures, 4 * more as u64);
    let kept = u32::try_from(MOST_SEEN / 4).unwrap();
    assert_eq!(known(&rules, &shared, 7), [kept; 4]);
    batch.add(&seen(7));
    assert_eq!(batch.flush(&rules, &shared, at(MONDAY + 1)).failures, 0);
}

#[test]
fn a_key_writes_no_lines_into_a_log() {
    let rules = usual("");
    let rule = Rules::compile(br#"{"guards":[{"name":"g","per":["model"],"watch":"error_rate"}]}"#).unwrap();
    let rule = &rule.guards.as_deref().unwrap().rules[0];
    let judged =
        Judged { rule, key: "/m\r\n[error] all is lost", episode: None, verdict: None, shown: (1, 1) };
    let text = text(&rules, &judged);
    assert!(text.starts_with("guard g: error_rate of model m__[error] all is lost is over"), "{text}");
}

#[test]
fn an_alert_names_the_factor_where_a_guard_has_one() {
    for (guard, shown) in [
        (r#"{"name":"g","watch":"error_rate","factor":2.5}"#, "2.5"),
        (r#"{"name":"g","watch":"steady_growth"}"#, ""),
    ] {
        let rules = Rules::compile(format!(r#"{{"guards":[{guard}]}}"#).as_bytes()).unwrap();
        assert_eq!(threshold(&rules.guards.as_deref().unwrap().rules[0].judge), shown, "{guard}");
    }
}

#[test]
fn numbers_are_shown_with_one_decimal_where_they_have_one() {
    for (value, shown) in [(256, "1"), (384, "1.5"), (1024, "4"), (281, "1.1"), (2_560, "10")] {
        assert_eq!(tenths(value, 256), shown);
    }
}
