use super::*;
use crate::alerts::Alerts;
use crate::alerts::tests::alert;
use serde_json::json;

/// An Alertmanager and a webhook that hears of ends.
fn destinations() -> Vec<Destination> {
    let alerts = json!([
        {"name": "am", "cluster": "am", "format": "alertmanager"},
        {"name": "hook", "cluster": "hook", "format": "slack", "path": "/x", "send_resolved": true},
    ]);
    Alerts::compile(&alerts).unwrap().unwrap().destinations
}

fn claimed(table: &mut Table, to: &Destination, now: i64) -> Vec<Notice> {
    // As every worker has it: through the stored bytes.
    *table = Table::from_bytes(&table.to_bytes()).unwrap();
    table.claim(to, now, 10)
}

#[test]
fn an_alert_is_claimed_once_told_again_while_it_holds_and_over_in_the_end() {
    let (all, mut table) = (destinations(), Table::default());
    let [am, hook] = all.as_slice() else { panic!("two") };
    assert_eq!(table.merge(alert("calls", "a")), Merged::Kept);
    let notice = claimed(&mut table, am, 100).remove(0);
    assert_eq!(notice.status, Status::Firing);
    for (now, name) in [(100, "at once"), (109, "while the claim stands")] {
        assert_eq!(claimed(&mut table, am, now), [], "{name}");
    }
    assert_eq!(claimed(&mut table, am, 110).len(), 1, "nobody answered for the claim");
    assert!(table.answered(am, notice, Answer::Taken, 111), "the first time that it is taken");
    assert_eq!(claimed(&mut table, am, 170), []);
    assert_eq!(claimed(&mut table, am, 171).len(), 1, "a minute later it is told again");
    assert!(!table.answered(am, notice, Answer::Taken, 172), "which is nothing new");

    let firing = claimed(&mut table, hook, 100).remove(0);
    table.answered(hook, firing, Answer::Taken, 101);
    assert_eq!(claimed(&mut table, hook, 3599), [], "a webhook is told once");
    let ends: Vec<_> = all.iter().map(|to| claimed(&mut table, to, 3600).remove(0)).collect();
    assert!(ends.iter().all(|notice| notice.status == Status::Resolved));
    for (to, notice) in all.iter().zip(&ends) {
        assert!(table.answered(to, *notice, Answer::Taken, 3601));
    }
    assert_eq!((table.sweep(&all, 3601), table.rows.len()), (Vec::new(), 0));
}

#[test]
fn a_destination_that_takes_nothing_is_tried_with_growing_pauses_and_then_given_up() {
    let (all, mut table) = (destinations(), Table::default());
    table.merge(alert("calls", "a"));
    let (mut now, mut tried) = (100, Vec::new());
    while table.sweep(&all, now).is_empty() {
        for notice in claimed(&mut table, &all[0], now) {
            tried.push(now);
            table.answered(&all[0], notice, Answer::Refused { pause_s: 0 }, now);
        }
        now += 1;
    }
    assert_eq!(tried[..9], [100, 101, 103, 107, 115, 131, 163, 223, 283]);
    assert_eq!(now, 7200, "an hour after its end it is given up");
    let asked = Answer::Refused { pause_s: 300 };
    table.merge(alert("calls", "b"));
    let notice = table.claim(&all[0], 100, 1).remove(0);
    table.answered(&all[0], notice, asked, 100);
    assert_eq!((table.claim(&all[0], 399, 1).len(), table.claim(&all[0], 400, 1).len()), (0, 1));
}

#[test]
fn what_begins_anew_is_told_anew_though_another_has_not_heard_of_its_end() {
    let (all, mut table) = (destinations(), Table::default());
    table.merge(alert("calls", "a"));
    for now in [100, 3600] {
        let notice = claimed(&mut table, &all[0], now).remove(0);
        table.answered(&all[0], notice, Answer::Taken, now);
    }
    assert!(table.sweep(&all, 3700).is_empty() && table.rows.len() == 1, "the webhook was never told");
    assert_eq!(claimed(&mut table, &all[0], 3700), []);
    table.merge(Alert { starts_at: 3700, ends_at: 7200, ..alert("calls", "a") });
    let again = claimed(&mut table, &all[0], 3700);
    assert_eq!(again.iter().map(|notice| notice.status).collect::<Vec<_>>(), [Status::Firing]);
    assert_eq!(table.rows[0].alert.starts_at, 3700);
}

#[test]
fn what_is_raised_again_is_the_same_alert_with_its_new_value() {
    let mut table = Table::default();
    table.merge(alert("calls", "a"));
    let again = Alert { value: Some("9".to_owned()), ends_at: 50, starts_at: 200, ..alert("calls", "a") };
    table.merge(again);
    let found = &table.rows[0].alert;
    assert_eq!((table.rows.len(), found.value.as_deref()), (1, Some("9")));
    assert_eq!((found.starts_at, found.ends_at), (100, 3600), "it began when it began and ends when it ends");
    for other in [
        Alert { threshold: "90".to_owned(), ..alert("calls", "a") },
        Alert { window_start: Some(3600), ..alert("calls", "a") },
        Alert { kind: AlertKind::BudgetExhausted, ..alert("calls", "a") },
        Alert { rule: "other".to_owned(), ..alert("calls", "a") },
        alert("calls", "b"),
    ] {
        table.merge(other);
    }
    assert_eq!(table.rows.len(), 6);
}

#[test]
fn ten_thousand_keys_share_what_is_past_the_bound() {
    let mut table = Table::default();
    let mut counts = [0; 3];
    for number in 0..10_000 {
        counts[table.merge(alert(&format!("rule {}", number % 10), &number.to_string())) as usize] += 1;
    }
    assert_eq!(table.rows.len(), MOST_ROWS);
    assert_eq!(counts, [1000, 0, 9000], "ten rules of 100 keys fill the table");

    let mut table = Table::default();
    let merged: Vec<_> = (0..10_000).map(|number| table.merge(alert("one", &number.to_string()))).collect();
    assert_eq!(merged.iter().filter(|merged| **merged == Merged::Folded).count(), 10_000 - MOST_OF_RULE);
    let last = &table.rows.last().unwrap().alert;
    assert_eq!((table.rows.len(), last.labels_text()), (MOST_OF_RULE + 1, "team=__other__".to_owned()));
    assert!(table.to_bytes().len() < 40_000, "{} bytes", table.to_bytes().len());
}

#[test]
fn stored_bytes_say_when_the_next_is_due_and_nonsense_is_read_as_nothing() {
    let (all, mut table) = (destinations(), Table::default());
    let due = |table: &Table, now| Table::may_be_due(&table.to_bytes(), now);
    assert!(!due(&table, 1_000_000_000_000), "nothing is ever due");
    table.merge(alert("calls", "a"));
    assert!(due(&table, 0), "nobody was told yet");
    for to in &all {
        let notice = table.claim(to, 100, 1).remove(0);
        table.answered(to, notice, Answer::Taken, 100);
    }
    assert_eq!([159, 160].map(|now| due(&table, now)), [false, true]);
    let bytes = table.to_bytes();
    for end in 0..bytes.len() {
        assert_eq!(Table::from_bytes(&bytes[..end]), None, "{end}");
    }
    assert!(Table::from_bytes(&[2, 0, 0]).is_none() && Table::may_be_due(&[2, 0, 0], 0));
}
