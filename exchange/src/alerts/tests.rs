use super::*;

pub(crate) fn alert(rule: &str, key: &str) -> Alert {
    Alert {
        kind: AlertKind::BudgetWarning,
        rule: rule.to_owned(),
        labels: vec![("team".to_owned(), key.to_owned())],
        threshold: "80".to_owned(),
        window_start: Some(0),
        ends_at: 3600,
        starts_at: 100,
        value: Some("8.1".to_owned()),
        limit: "10".to_owned(),
        unit: "usd".to_owned(),
        severity: Severity::Warning,
        summary: format!("quota {rule} is used to 81 percent"),
    }
}

#[test]
fn what_is_known_is_not_made_again_before_half_a_minute_or_its_end() {
    let alerts = Alerts::default();
    for (now, raised) in [(100, 1), (100, 0), (129, 0), (130, 1), (3599, 1), (3600, 1), (3601, 1)] {
        alerts.raise(&("a", 0), now, || alert("a", "x"));
        assert_eq!(alerts.raised().len(), raised, "at {now}");
    }
    alerts.raise(&("b", 0), 3601, || alert("b", "x"));
    assert_eq!(alerts.raised().len(), 1, "another one is news");
}

#[test]
fn what_does_not_fit_is_raised_by_the_next_call() {
    let alerts = Alerts::default();
    let raise_all = || (0..1500).for_each(|key| alerts.raise(&key, 100, || alert("a", &key.to_string())));
    raise_all();
    assert_eq!(alerts.raised().len(), MOST_WAITING);
    raise_all();
    assert_eq!(alerts.raised().len(), 1500 - MOST_WAITING);
}
