use super::*;
use crate::config::Rules;
use crate::settle::{Counts, Settled};
use std::collections::BTreeMap;
use tollgate_policy::OwnStore;
use tollgate_pricing::PicoUsd;
use tollgate_record::{Cost, CostStatus, Record, Timestamp, Tokens};

fn rules() -> Rules {
    let tags = r#"{"tags":{"team":{"from":[{"header":"x-team"}],"allow":["search","*"]}}}"#;
    Rules::compile(tags.as_bytes()).unwrap()
}

pub(crate) fn call(team: &str, usd: &str) -> Settled {
    let record = Record {
        provider: "openai".into(),
        tags: vec![("team".into(), team.into())],
        tokens: Tokens { input: Some(10), output: Some(3), ..Tokens::default() },
        cost: Cost { status: CostStatus::Priced, usd: Some(usd.parse().unwrap()), ..Cost::default() },
        ..Record::default()
    };
    let counts = Counts { model: Some("gpt-4.1".to_owned()), ..Counts::default() };
    Settled { record, bookings: Vec::new(), counts }
}

const HOUR: i64 = 500_000;

fn at(hour: i64, second: i64) -> Timestamp {
    Timestamp::from_unix_nanos((hour * 3600 + second) * 1_000_000_000)
}

fn by_team(rules: &Rules, shared: &OwnStore, window: Window, index: i64) -> BTreeMap<String, Sums> {
    let table = load(rules, Subject::Usage, window, index, shared);
    grouped(&table, &["team"]).into_iter().map(|(values, sums)| (values[0].clone(), sums)).collect()
}

fn grouped(table: &Table, by: &[&str]) -> Vec<(Vec<String>, Sums)> {
    let columns: Vec<_> = by.iter().map(|name| table.column(name)).collect();
    let values = |key: &[u16]| columns.iter().zip(key).map(|(c, p)| table.value(*c, *p).to_owned()).collect();
    table.grouped(&columns).into_iter().map(|group| (values(&group.key), group.sums)).collect()
}

fn total(groups: &BTreeMap<String, Sums>) -> Sums {
    groups.values().fold(Sums::default(), |total, sums| total.plus_known(*sums))
}

#[test]
fn workers_add_to_the_same_tables_and_conflicts_lose_nothing() {
    let (rules, shared) = (rules(), OwnStore::default());
    let mut workers = [UsageBatch::default(), UsageBatch::default()];
    for round in 0..50 {
        for worker in &mut workers {
            let _none = worker.add(&rules, &call("search", "0.000001"), at(HOUR, round), &shared);
            shared.conflict_next(20);
            assert_eq!(worker.flush(&rules, &shared), 0);
        }
    }
    workers.iter_mut().for_each(|worker| assert_eq!(worker.flush(&rules, &shared), 0));
    for window in Window::ALL {
        let sums = by_team(&rules, &shared, window, window.index(at(HOUR, 0)))["search"];
        assert_eq!((sums.calls, sums.input, sums.output), (100, 1000, 300), "{window:?}");
        assert_eq!(sums.cost, "0.0001".parse().unwrap());
    }
    assert_eq!(shared.entries().len(), 2);
}

#[test]
fn a_window_becomes_the_previous_one_and_then_gives_its_place_away() {
    let (rules, shared, mut batch) = (rules(), OwnStore::default(), UsageBatch::default());
    for hour in 0..5 {
        let _none = batch.add(&rules, &call(&format!("t{hour}"), "0.5"), at(HOUR + hour, 7), &shared);
    }
    assert_eq!(batch.flush(&rules, &shared), 0);
    let teams = |hour| by_team(&rules, &shared, Window::Hour, HOUR + hour).into_keys().collect::<Vec<_>>();
    assert_eq!((teams(4), teams(3), teams(2)), (vec!["t4".to_owned()], vec!["t3".to_owned()], vec![]));
    assert_eq!(shared.entries().keys().filter(|key| key.contains("/hour/")).count(), 2);
}

#[test]
fn ten_thousand_invented_values_stay_bounded_and_sums_exact() {
    let (rules, shared, mut batch) = (rules(), OwnStore::default(), UsageBatch::default());
    for index in 0..10_000 {
        let _none =
            batch.add(&rules, &call(&format!("team-{index}"), "0.000000000007"), at(HOUR, 0), &shared);
    }
    let _none = batch.add(&rules, &call("search", "0.25"), at(HOUR, 1), &shared);
    assert_eq!(batch.flush(&rules, &shared), 0);
    let groups = by_team(&rules, &shared, Window::Hour, HOUR);
    assert!(groups.len() <= 1001, "{}", groups.len());
    assert_eq!(groups["search"].calls, 1, "a value that `allow` names has a place of its own");
    assert_eq!(total(&groups).calls, 10_001);
    assert_eq!(total(&groups).cost.pico(), 10_000 * 7 + 250_000_000_000);
    let bytes: usize = shared.entries().values().map(|(bytes, _)| bytes.len()).sum();
    assert!(bytes < 200_000, "{bytes}");
}

#[test]
fn a_dimension_of_countless_values_does_not_take_the_place_of_the_others() {
    let mut table = Table::new(1);
    let columns = table.columns(["trace", "customer", "feature"]);
    for index in 0..40_000 {
        let values = [format!("trace{index}"), format!("c{}", index % 900), format!("f{}", index / 4000)];
        table.add(&columns, values.iter().map(|v| (v.as_str(), false)), Sums { calls: 1, ..Sums::default() });
    }
    let features = grouped(&table, &["feature"]);
    let calls: u64 = features.iter().map(|(_, sums)| sums.calls).sum();
    assert_eq!(calls, 40_000);
    let named: u64 = features.iter().filter(|(v, _)| v[0].starts_with('f')).map(|(_, s)| s.calls).sum();
    assert_eq!(named, 40_000, "{features:?}");
    let pairs = grouped(&table, &["feature", "customer"]);
    assert_eq!(pairs.iter().map(|(_, sums)| sums.calls).sum::<u64>(), 40_000);
    let told = pairs.iter().filter(|(v, _)| v[0].starts_with('f')).map(|(_, s)| s.calls).sum::<u64>();
    assert!(told >= 20_000, "{told} of pairs name the feature");
    assert!(table.to_bytes().len() < 400_000, "{}", table.to_bytes().len());
    assert_eq!(Table::from_bytes(&table.to_bytes()), Some(table));
}

#[test]
fn a_tag_that_a_new_configuration_brings_is_untagged_in_earlier_rows() {
    let (old, shared, mut batch) = (rules(), OwnStore::default(), UsageBatch::default());
    let _none = batch.add(&old, &call("search", "1"), at(HOUR, 0), &shared);
    let _none = batch.flush(&old, &shared);
    let json = r#"{"tags":{"feature":{"from":[{"header":"x-f"}]},"team":{"from":[{"header":"x-team"}]}}}"#;
    let new = Rules::compile(json.as_bytes()).unwrap();
    let mut settled = call("search", "2");
    settled.record.tags.insert(0, ("feature".into(), "answers".into()));
    let _none = batch.add(&new, &settled, at(HOUR, 0), &shared);
    let _none = batch.flush(&new, &shared);
    let table = load(&new, Subject::Usage, Window::Hour, HOUR, &shared);
    let mut groups = grouped(&table, &["team", "feature"]);
    groups.sort_by_key(|(values, _)| values.clone());
    let cost = |usd: &str| usd.parse::<PicoUsd>().unwrap();
    assert_eq!(
        groups[0],
        (vec!["search".to_owned(), "answers".to_owned()], Sums { cost: cost("2"), ..groups[0].1 })
    );
    assert_eq!(
        groups[1],
        (vec!["search".to_owned(), "untagged".to_owned()], Sums { cost: cost("1"), ..groups[1].1 })
    );
}

#[test]
fn damaged_tables_are_read_without_harm() {
    let mut table = Table::new(9);
    let columns = table.columns(["team"]);
    table.add(&columns, [("search", false)].into_iter(), Sums { calls: 300, ..Sums::default() });
    let bytes = table.to_bytes();
    assert_eq!(Table::from_bytes(&bytes), Some(table));
    for cut in 0..bytes.len() {
        assert_eq!(Table::from_bytes(&bytes[..cut]), None, "{cut}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_break_a_table(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _any = Table::from_bytes(&[&[1], &bytes[..]].concat());
    }
}

#[test]
fn what_was_wasted_has_tables_of_its_own_by_reason() {
    use tollgate_record::{Waste, WasteReason};
    let (rules, shared, mut batch) = (rules(), OwnStore::default(), UsageBatch::default());
    let mut wasted = call("search", "2");
    wasted.record.waste = vec![
        Waste { reason: WasteReason::Abandoned, usd: None, tokens: None },
        Waste { reason: WasteReason::CutByLength, usd: Some("2".parse().unwrap()), tokens: None },
    ];
    wasted.counts.unlimited_output = true;
    for settled in [&wasted, &wasted, &call("ads", "5")] {
        let _none = batch.add(&rules, settled, at(HOUR, 0), &shared);
    }
    let _none = batch.flush(&rules, &shared);
    let table = load(&rules, Subject::Waste, Window::Day, Window::Day.index(at(HOUR, 0)), &shared);
    let mut groups = grouped(&table, &[REASON, "team"]);
    groups.sort_by_key(|(values, _)| values.clone());
    let found: Vec<_> = groups
        .iter()
        .map(|(values, s)| (values[0].as_str(), values[1].as_str(), s.calls, s.unpriced, s.cost.to_string()))
        .collect();
    assert_eq!(
        found,
        [
            ("abandoned", "search", 2, 2, "0".to_owned()),
            ("cut_by_length", "search", 2, 0, "4".to_owned()),
            ("unlimited_output", "search", 2, 0, "0".to_owned()),
        ]
    );
    let usage = by_team(&rules, &shared, Window::Hour, HOUR);
    assert_eq!((usage["search"].calls, usage["ads"].calls), (2, 1), "and usage stays as it is");
}
