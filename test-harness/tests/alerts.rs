//! Alerts as those who are told see them: a real Alertmanager, and the SDK of CloudEvents; two workers, restarts, a flood.
//!
//! `ENVOY`, `TOLLGATE_WASM`, `ALERTMANAGER` and `TOLLGATE_CLOUDEVENTS` are paths; `cargo xtask test` sets them.

mod support;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Given, call, full_size, given, llm, resident_kib};
use tollgate_test_harness::alertmanager::Alertmanager;
use tollgate_test_harness::envoy::Envoy;
use tollgate_test_harness::http::{Reply, Seen};
use tollgate_test_harness::load::Load;
use tollgate_test_harness::stats::{self, Series};
use tollgate_test_harness::upstream::Upstream;

fn quotas(requests: u64) -> Value {
    json!({
        "tags": {"team": {"from": [{"header": "x-team"}]}},
        "quotas": [{"name": "team-day", "per": ["team"], "limit": {"requests": requests}, "window": "day", "steps": [{"at": 50, "do": "warn"}]}],
        "alerts": [{"name": "ops", "cluster": "alertmanager", "format": "alertmanager", "repeat": "2s"}],
    })
}

fn counted(envoy: &Envoy, what: &str) -> u64 {
    let series = Series::from_wire_name(&format!("tollgate_alerts_{what};destination=ops"), 0.0);
    stats::sum(&envoy.prometheus().unwrap(), &series) as u64
}

/// Looks until `enough`, for a while.
fn wait<T>(look: impl Fn() -> T, enough: impl Fn(&T) -> bool) -> T {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let found = look();
        if enough(&found) || Instant::now() > until {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn names(alerts: &[Value]) -> Vec<(String, String)> {
    let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap_or_default().to_owned();
    let mut names: Vec<_> =
        alerts.iter().map(|alert| (label(alert, "alertname"), label(alert, "team"))).collect();
    names.sort();
    names
}

#[test]
fn a_real_alertmanager_shows_each_alert_once_from_two_workers_and_again_after_its_restart() {
    let Some(program) = given("ALERTMANAGER") else { return };
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let (upstream, mut alertmanager) = (llm(), Alertmanager::start(&program).unwrap());
    let store = Some(("alertmanager", alertmanager.address()));
    let given = Given {
        config: "quickstart/envoy.yaml",
        wasm,
        plugin: quotas(10),
        upstream: upstream.address(),
        store,
    };
    let Some(envoy) = given.start() else { return };
    let load = Load { to: vec![envoy.address()], connections: 8, calls: 120 };
    load.run(|number| call("", &format!("t{}", number % 3)));

    let teams = ["t0", "t1", "t2"];
    let kinds = ["TollgateBudgetExhausted", "TollgateBudgetWarning"];
    let expected: Vec<_> =
        kinds.iter().flat_map(|kind| teams.map(|team| ((*kind).to_owned(), team.to_owned()))).collect();
    let shown = wait(|| alertmanager.alerts(), |alerts| alerts.len() >= 6);
    assert_eq!(names(&shown), expected);
    for alert in &shown {
        assert_eq!(alert["status"]["state"], "active", "{alert}");
        assert_eq!(alert["annotations"]["limit"], "10", "{alert}");
    }
    // Calls go on, by both workers, and so do the alerts.
    load.run(|number| call("", &format!("t{}", number % 3)));
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(names(&alertmanager.alerts()), expected);
    assert_eq!((counted(&envoy, "sent"), counted(&envoy, "dropped")), (6, 0));

    alertmanager.restart().unwrap();
    assert_eq!(alertmanager.alerts(), Vec::<Value>::new(), "it has forgotten them");
    let again = wait(|| alertmanager.alerts(), |alerts| alerts.len() >= 6);
    assert_eq!(names(&again), expected, "and shows them again");
    let ids = |alerts: &[Value]| alerts.iter().map(|a| a["fingerprint"].to_string()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&again), ids(&shown), "as the same ones");
    assert_eq!(counted(&envoy, "sent"), 6);
}

/// Keys that call once: a soak has ten thousand.
fn keys() -> u64 {
    if full_size(1) > 1 { 10_000 } else { 3_000 }
}

#[test]
fn thousands_of_keys_fill_neither_the_alertmanager_nor_the_memory() {
    let Some(program) = given("ALERTMANAGER") else { return };
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let (upstream, alertmanager) = (llm(), Alertmanager::start(&program).unwrap());
    let mut grown = Vec::new();
    for told in [false, true] {
        let mut plugin = quotas(2);
        if !told {
            plugin.as_object_mut().unwrap().remove("alerts");
        }
        let store = Some(("alertmanager", alertmanager.address()));
        let wasm = wasm.clone();
        let given = Given { config: "alerts/envoy.yaml", wasm, plugin, upstream: upstream.address(), store };
        let Some(envoy) = given.start() else { return };
        Load { to: vec![envoy.address()], connections: 8, calls: 100 }.run(|_| call("", "first"));
        let before = resident_kib(envoy.pid());
        let tally = Load { to: vec![envoy.address()], connections: 16, calls: keys() }
            .run(|number| call("", &format!("key{number}")));
        assert_eq!(tally.of(200), keys());
        grown.push(resident_kib(envoy.pid()).saturating_sub(before));
        if told {
            wait(|| alertmanager.alerts(), |alerts| alerts.len() >= 201);
            // Time for what must not come.
            std::thread::sleep(Duration::from_millis(2500));
            let shown = alertmanager.alerts();
            // Two of the first key, which is warned of and refused, and of the rule's others as many as there is room for.
            let named = |team: &str| shown.iter().filter(|a| a["labels"]["team"] == team).count();
            assert!((201..=203).contains(&shown.len()), "{}", shown.len());
            assert_eq!((named("__other__"), named("first")), (1, 2));
            let others = keys() - 199;
            let dropped = wait(|| counted(&envoy, "dropped"), |dropped| *dropped >= others);
            assert_eq!(dropped, others, "each of the others once");
        }
    }
    let more = grown[1].saturating_sub(grown[0]);
    assert!(more < 4096, "alerts took {more} KiB more: {grown:?}");
}

/// Bodies and types of what a receiver got.
type Got = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

#[test]
fn events_are_such_as_the_sdk_of_cloudevents_takes() {
    let Some(sdk) = given("TOLLGATE_CLOUDEVENTS") else { return };
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let got: Got = Arc::default();
    let log = Arc::clone(&got);
    let receiver = Upstream::start(move |seen: &Seen| {
        // The script is asked a first time before the body is there.
        if !seen.body.is_empty() {
            let kind = seen.headers.text("content-type").unwrap_or_default();
            log.lock().unwrap().push((kind, seen.body.clone()));
        }
        Reply { status: 204, ..Reply::default() }
    });
    let (receiver, upstream) = (receiver.unwrap(), llm());
    let mut plugin = quotas(2);
    plugin["alerts"] = json!([{"name": "ops", "cluster": "ops", "format": "cloudevents", "path": "/events", "send_resolved": true}]);
    plugin["quotas"][0]["window"] = json!("3s");
    let store = Some(("ops", receiver.address()));
    let given = Given { config: "quickstart/envoy.yaml", wasm, plugin, upstream: upstream.address(), store };
    let Some(envoy) = given.start() else { return };
    Load { to: vec![envoy.address()], connections: 4, calls: 8 }.run(|_| call("", "s\u{e4}arch \"1\""));
    let count = || got.lock().unwrap().len();
    // Firing and resolved of each; the calls may fall into two windows.
    wait(count, |count| *count >= 4);
    std::thread::sleep(Duration::from_millis(1500));
    let got = got.lock().unwrap().clone();
    let script = r#"
import json, sys
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
for line in sys.stdin:
    kind, body = json.loads(line)
    event = from_http_event(HTTPMessage({"content-type": kind}, body.encode()))
    print(json.dumps([event.get_id(), event.get_type(), event.get_source(), event.get_data()["status"], event.get_data()["labels"]["team"]]))
"#;
    let lines: String = got
        .iter()
        .map(|(kind, body)| json!([kind, String::from_utf8_lossy(body)]).to_string() + "\n")
        .collect();
    let mut child = Command::new("python3")
        .args(["-c", script])
        .env("PYTHONPATH", sdk)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.len() >= 4 && events.len() == got.len(), "{events:?}");
    let ids: BTreeSet<String> = events.iter().map(|event| event[0].to_string()).collect();
    assert_eq!(ids.len(), events.len(), "each once: {events:?}");
    for event in &events {
        assert_eq!((&event[2], &event[4]), (&json!("/tollgate/default"), &json!("s\u{e4}arch \"1\"")));
    }
    let with = |status: &str| events.iter().filter(|event| event[3] == status).count();
    assert_eq!(with("firing"), with("resolved"), "{events:?}");
}
