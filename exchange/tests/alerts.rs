//! What quotas raise while calls are admitted.
#![expect(clippy::unwrap_used, reason = "a test that meets what it does not expect fails")]

mod support;

use std::rc::Rc;
use support::{NOON, OwnStore, admit, head};
use tollgate_exchange::{Alert, AlertKind, Alerts, Rules, Severity, Step};

fn rules(quotas: &str) -> Rc<Rules> {
    let json = format!(r#"{{"tags":{{"team":{{"from":[{{"header":"x-team"}}]}}}},"quotas":[{quotas}]}}"#);
    let mut rules = Rules::compile(json.as_bytes()).unwrap();
    rules.alerts = Some(Rc::new(Alerts::default()));
    Rc::new(rules)
}

/// What so many calls of a team raise, at one second.
fn raised(rules: &Rc<Rules>, store: &OwnStore, team: &str, calls: usize) -> Vec<Alert> {
    for _ in 0..calls {
        let _admitted_or_not = admit(rules, &head(&[("x-team", team)]), store, NOON);
    }
    rules.alerts.as_ref().unwrap().raised()
}

#[test]
fn each_step_and_the_refusal_are_raised_once_for_each_counter() {
    let rules = rules(
        r#"{"name":"calls","per":["team"],"limit":{"requests":10},"window":"hour","steps":[{"at":50,"do":"warn"},{"at":80,"do":"warn"}]}"#,
    );
    let store = OwnStore::default();
    let said = |alerts: Vec<Alert>| {
        alerts.iter().map(|a| format!("{:?} {} {}", a.kind, a.threshold, a.summary)).collect::<Vec<_>>()
    };
    assert_eq!(said(raised(&rules, &store, "a/b", 4)), Vec::<String>::new());
    assert_eq!(
        said(raised(&rules, &store, "a/b", 6)),
        [
            "BudgetWarning 50 5 of 10 requests are used (50 %)",
            "BudgetWarning 80 8 of 10 requests are used (80 %)"
        ]
    );
    let alerts = raised(&rules, &store, "a/b", 3);
    assert_eq!(
        said(alerts.clone()),
        ["BudgetExhausted 100 quota calls refuses calls; 10 of 10 requests are used (100 %)"]
    );
    let expected = Alert {
        kind: AlertKind::BudgetExhausted,
        rule: "calls".to_owned(),
        labels: vec![("team".to_owned(), "a/b".to_owned())],
        threshold: "100".to_owned(),
        window_start: Some(NOON),
        ends_at: NOON + 3600,
        starts_at: NOON,
        value: Some("10".to_owned()),
        limit: "10".to_owned(),
        unit: "requests".to_owned(),
        severity: Severity::Critical,
        summary: "quota calls refuses calls; 10 of 10 requests are used (100 %)".to_owned(),
    };
    assert_eq!(alerts, [expected]);
    assert_eq!(raised(&rules, &store, "c", 10).len(), 2, "another counter has alerts of its own");
}

#[test]
fn a_quota_on_trial_raises_without_alarm_and_one_of_calls_in_flight_has_no_window() {
    let store = OwnStore::default();
    let trial = rules(r#"{"name":"calls","limit":{"requests":1},"window":"day","mode":"shadow"}"#);
    let alerts = raised(&trial, &store, "a", 2);
    assert_eq!(alerts.iter().map(|a| a.severity).collect::<Vec<_>>(), [Severity::Info]);
    assert!(alerts.iter().all(|alert| alert.labels.is_empty() && alert.summary.contains("would refuse")));

    let running = rules(r#"{"name":"running","per":["team"],"limit":{"in_flight":1}}"#);
    let alerts = raised(&running, &store, "a", 3);
    let about = |alert: &Alert| (alert.window_start, alert.ends_at - alert.starts_at);
    assert_eq!(alerts.iter().map(about).collect::<Vec<_>>(), [(None, 60)]);
}

#[test]
fn without_alerts_the_same_calls_end_the_same() {
    let quota = r#"{"name":"calls","limit":{"requests":1},"window":"day","steps":[{"at":50,"do":"warn"}]}"#;
    let json = format!(r#"{{"quotas":[{quota}]}}"#);
    let plain = Rc::new(Rules::compile(json.as_bytes()).unwrap());
    for rules in [plain, rules(quota)] {
        let store = OwnStore::default();
        let steps = [0, 1].map(|_| admit(&rules, &head(&[]), &store, NOON));
        assert!(matches!(steps, [Step::Pass, Step::Reply(_)]), "{steps:?}");
    }
}
