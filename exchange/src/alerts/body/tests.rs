use super::*;
use crate::alerts::table::Table;
use crate::alerts::tests::alert;
use crate::alerts::{Alert, Alerts};
use serde_json::{Value, json};

fn told(alert: Alert, status: Status) -> (Status, Row) {
    let mut table = Table::default();
    table.merge(alert);
    (status, table.rows.remove(0))
}

fn said(destination: Value, told: &[(Status, Row)]) -> Value {
    let alerts = Alerts::compile(&json!([destination])).unwrap().unwrap();
    let told: Vec<_> = told.iter().map(|(status, row)| (*status, row)).collect();
    serde_json::from_str(&body(&alerts.destinations[0], "a b/c", &told, 200)).unwrap()
}

#[test]
fn alertmanager_gets_labels_that_identify_and_annotations_that_explain() {
    let odd = Alert {
        labels: vec![
            ("rule".into(), "x\"\n".into()),
            ("cost-center".into(), "7".into()),
            ("9".into(), "".into()),
        ],
        window_start: None,
        value: None,
        ..alert("calls", "")
    };
    let destination = json!({"name": "am", "cluster": "am", "format": "alertmanager", "labels": {"site": "eu", "severity": "page"}});
    let notices = [told(alert("calls", "search"), Status::Firing), told(odd, Status::Resolved)];
    let expected = json!([
        {
            "labels": {
                "alertname": "TollgateBudgetWarning", "tollgate_namespace": "a b/c", "rule": "calls", "severity": "page",
                "threshold": "80", "window_start": "1970-01-01T00:00:00.000Z", "team": "search", "site": "eu",
            },
            "annotations": {
                "summary": "warning firing: calls (team=search): quota calls is used to 81 percent",
                "value": "8.1", "limit": "10", "unit": "usd",
            },
            "startsAt": "1970-01-01T00:01:40.000Z",
            "endsAt": "1970-01-01T00:07:20.000Z",
        },
        {
            "labels": {
                "alertname": "TollgateBudgetWarning", "tollgate_namespace": "a b/c", "rule": "calls", "severity": "page",
                "threshold": "80", "tag_rule": "x\"\n", "cost_center": "7", "site": "eu",
            },
            "annotations": {
                "summary": "warning resolved: calls (rule=x\"\n, cost-center=7, 9=): quota calls is used to 81 percent",
                "limit": "10", "unit": "usd",
            },
            "startsAt": "1970-01-01T00:01:40.000Z",
            "endsAt": "1970-01-01T00:07:20.000Z",
        },
    ]);
    assert_eq!(said(destination, &notices), expected);
}

#[test]
fn slack_gets_a_line_for_each_and_no_value_calls_a_channel() {
    let destination = json!({"name": "s", "cluster": "s", "format": "slack", "path": "/x", "template": "*{label.team}* <{rule}>"});
    let notices = [told(alert("a&b", "<!channel>"), Status::Firing), told(alert("c", "d"), Status::Firing)];
    let expected = json!({"text": "*&lt;!channel&gt;* <a&amp;b>\n*d* <c>"});
    assert_eq!(said(destination, &notices), expected);
}

#[test]
fn an_event_has_the_same_id_whoever_tells_it_and_another_for_each_episode() {
    let destination = || json!({"name": "e", "cluster": "e", "format": "cloudevents", "path": "/", "labels": {"site": "eu"}});
    let event = said(destination(), &[told(alert("calls", "search"), Status::Firing)]);
    let expected = json!({
        "specversion": "1.0", "type": "tollgate.alert.budget_warning", "source": "/tollgate/a%20b%2Fc",
        "id": event["id"], "time": "1970-01-01T00:01:40.000Z", "subject": "calls", "datacontenttype": "application/json",
        "data": {
            "kind": "budget_warning", "status": "firing", "severity": "warning", "namespace": "a b/c", "rule": "calls",
            "threshold": "80", "value": "8.1", "limit": "10", "unit": "usd", "window_start": "1970-01-01T00:00:00.000Z",
            "starts_at": "1970-01-01T00:01:40.000Z", "ends_at": "1970-01-01T01:00:00.000Z",
            "fingerprint": event["data"]["fingerprint"],
            "text": "warning firing: calls (team=search): quota calls is used to 81 percent",
            "labels": {"team": "search", "site": "eu"},
        },
    });
    assert_eq!(event, expected);
    let id =
        |alert: Alert, status| said(destination(), &[told(alert, status)])["id"].as_str().unwrap().to_owned();
    let later = |window_start| Alert { window_start, starts_at: 150, ..alert("calls", "search") };
    assert_eq!(event["id"], id(later(Some(0)), Status::Firing), "in one window it is one event");
    assert_eq!(id(later(None), Status::Firing).strip_suffix("-150-firing").map(str::len), Some(16));
    let all = [
        id(later(Some(0)), Status::Firing),
        id(later(Some(0)), Status::Resolved),
        id(later(Some(60)), Status::Firing),
        id(later(None), Status::Firing),
        id(Alert { starts_at: 151, ..later(None) }, Status::Firing),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "{all:?}");
}
