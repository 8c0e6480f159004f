//! Agents in circles, with the openai and anthropic Python SDKs through a real Envoy; and that nothing of what a call says is kept, logged or
//! sent, with every rule that looks at it.
//!
//! `ENVOY` and `TOLLGATE_WASM` are paths, `TOLLGATE_SDKS` is a folder for `PYTHONPATH`; `cargo xtask test` sets them.

#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::{Given, given};
use tollgate_test_harness::client;
use tollgate_test_harness::envoy::Envoy;
use tollgate_test_harness::http::{Headers, Reply, Request, Seen};
use tollgate_test_harness::upstream::Upstream;

/// Every rule that looks at what a call says.
fn plugin() -> Value {
    json!({
        "tags": {"workflow": {"from": [{"header": "x-workflow-id"}]}, "team": {"from": [{"header": "x-team"}]}},
        "loops": [
            {"name": "agents", "per": ["workflow"], "max_same_turns": 2, "max_same_tool_calls": 3, "max_calls": 50, "max_input_growth": 50},
            {"name": "conversations", "per": ["conversation"], "max_same_turns": 100, "max_same_tool_calls": 100, "then": "alert"},
        ],
        "retries": {"max": 2},
        "waste": {"per": ["team"], "keep_turns": 1, "min_cached_tokens": 1},
        "admin": {"token_sha256": TOKEN_SHA256},
        "emit": {"response_headers": true, "properties": ["cost_usd", "total_tokens"]},
    })
}

const TOKEN: &str = "a token of tests";
const TOKEN_SHA256: &str = "f717cc288f8244cd16e83dac18a2583f289edb13c096663087f5436e18bde736";

/// A model that wants its tool to look for the same thing again and again, under another id each time.
fn stubborn(seen: &Seen) -> Reply {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = format!("call_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    if seen.headers.text("x-answer").as_deref() == Some("error") {
        return Reply { status: 500, ..Reply::json(r#"{"error":{"message":"no"}}"#) };
    }
    let body = if seen.path.starts_with("/v1/messages") {
        json!({
            "id": id, "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "stop_reason": "tool_use", "stop_sequence": null,
            "content": [{"type": "tool_use", "id": id, "name": "look", "input": {"for": "the report"}}],
            "usage": {"input_tokens": 5, "output_tokens": 2},
        })
    } else {
        let call = json!({"id": id, "type": "function", "function": {"name": "look", "arguments": "{\"for\": \"the report\"}"}});
        let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
        json!({
            "id": id, "object": "chat.completion", "created": 1, "model": "gpt-4.1-mini",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
        })
    };
    Reply::json(body.to_string())
}

fn start() -> Option<(Envoy, Upstream)> {
    let wasm = given("TOLLGATE_WASM")?;
    let llm = Upstream::start(stubborn).unwrap();
    let given = Given {
        config: "quickstart/envoy.yaml",
        wasm,
        plugin: plugin(),
        upstream: llm.address(),
        store: None,
    };
    Some((given.start()?, llm))
}

/// What the agents print.
fn run_agents(packages: &Path, envoy: &Envoy) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agents/agent.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(format!("http://{}", envoy.address())).env("PYTHONPATH", packages);
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_agent_in_a_circle_is_stopped_at_its_third_identical_turn_by_an_error_of_its_sdk() {
    let Some(packages) = given("TOLLGATE_SDKS") else { return };
    let Some((envoy, llm)) = start() else { return };
    let agents = run_agents(&packages, &envoy);
    assert_eq!(agents.len(), 2);
    for agent in &agents {
        println!("{agent}");
        // The first turn is the user's question; then come three with what the tool has found, which is nothing.
        assert_eq!(agent["turns"], 3, "{agent}");
        assert_eq!(agent["status"], 403, "{agent}");
        let classes: Vec<_> = agent["error"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(classes.contains(&"PermissionDeniedError"), "{agent}");
        let message = agent["message"].as_str().unwrap();
        assert!(message.contains("`agents` takes this call for an agent in a loop: its last message is the same as 2 times before"), "{agent}");
    }
    let sent = llm.take_answered(Duration::from_secs(1)).len();
    assert_eq!(sent, 6, "what was stopped is not sent, and no SDK repeats it");
}

/// Parts of prompts, tools' arguments and answers that must be found nowhere.
const MARKERS: [&str; 5] = [
    "marker-of-the-system",
    "marker-of-the-user",
    "marker-of-the-tool",
    "marker-of-its-answer",
    "marker-of-a-description",
];

fn marked(answer: &str, workflow: &str) -> Request {
    let body = json!({
        "model": "gpt-4.1-mini",
        "tools": [{"type": "function", "function": {"name": "look", "description": "marker-of-a-description"}}],
        "messages": [
            {"role": "system", "content": "marker-of-the-system"},
            {"role": "user", "content": "marker-of-the-user"},
            {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{\"for\":\"marker-of-the-tool\"}"}}]},
            {"role": "tool", "tool_call_id": "1", "content": "marker-of-its-answer"},
        ],
    });
    Request {
        path: "/v1/chat/completions".to_owned(),
        headers: Headers::from_iter([
            ("content-type", "application/json"),
            ("x-answer", answer),
            ("x-workflow-id", workflow),
            ("x-team", "search"),
        ]),
        body: body.to_string().into_bytes(),
        ..Request::default()
    }
}

/// Passes, repetitions that are refused, failures and retries that are refused: everything that has something to tell.
fn telling() -> Vec<Request> {
    let calls = [("", "w1", 4), ("error", "w2", 5)];
    calls.into_iter().flat_map(|(answer, workflow, times)| vec![marked(answer, workflow); times]).collect()
}

fn lacks_markers(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for marker in MARKERS {
        assert!(!text.contains(marker), "{what} has `{marker}`: {}", &text[..text.len().min(2000)]);
    }
}

#[test]
fn nothing_that_a_call_says_is_logged_counted_or_shown() {
    let Some((mut envoy, _llm)) = start() else { return };
    let mut refused = 0;
    for request in telling() {
        let response = client::call(envoy.address(), &request).unwrap();
        refused += u64::from(matches!(response.status, 403 | 429));
        lacks_markers("the answer", &response.body);
        lacks_markers("the answer's head", format!("{:?}", response.headers).as_bytes());
        lacks_markers("the access log", envoy.next_log_line().unwrap().to_string().as_bytes());
    }
    assert_eq!(refused, 4, "two repetitions and two retries");
    std::thread::sleep(Duration::from_millis(1500));
    for page in ["usage?by=model", "usage?by=workflow", "waste?by=team", "quotas", "inventory", ""] {
        let request = Request {
            method: "GET".to_owned(),
            path: format!("/.tollgate/{page}"),
            headers: Headers::from_iter([("authorization", format!("Bearer {TOKEN}"))]),
            ..Request::default()
        };
        let response = client::call(envoy.address(), &request).unwrap();
        assert_eq!(response.status, 200, "{page}");
        lacks_markers(page, &response.body);
    }
    let series: String = envoy.prometheus().unwrap().iter().map(|series| format!("{series}\n")).collect();
    lacks_markers("the stats", series.as_bytes());
    lacks_markers("Envoy's own log", envoy.log().as_bytes());
}

/// The same with guards of a day of two seconds, and three receivers of alerts.
#[cfg(feature = "host")]
fn plugin_that_alerts() -> Value {
    let guard = |name: &str, watch: &str| json!({"name": name, "per": ["team", "model"], "watch": watch, "factor": 1.5, "for": "1s", "then": "alert", "learn": "2s"});
    let mut plugin = plugin();
    plugin["guards"] =
        json!([guard("errs", "error_rate"), guard("dear", "cost_per_call"), guard("long", "input_tokens")]);
    plugin["alerts"] = json!([
        {"name": "am", "cluster": "alerts", "format": "alertmanager", "on": ["guard", "loop"]},
        {"name": "chat", "cluster": "alerts", "path": "/hook", "format": "slack", "on": ["guard", "loop"]},
        {"name": "bus", "cluster": "alerts", "path": "/events", "format": "cloudevents", "on": ["guard", "loop"]},
    ]);
    plugin
}

#[cfg(feature = "host")]
fn answer(input: u64) -> Reply {
    let usage = json!({"prompt_tokens": input, "completion_tokens": 2});
    Reply::json(json!({"model": "gpt-4.1-mini", "choices": [], "usage": usage}).to_string())
}

#[cfg(feature = "host")]
#[test]
fn nothing_that_a_call_says_is_in_shared_data_logs_or_alerts() {
    use tollgate_test_harness::host::{Compiled, Host};
    use tollgate_test_harness::scenario::Engine;

    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    let mut host = support::hosted::host(&compiled, &plugin_that_alerts());
    host.add_cluster(Some("alerts"), Reply { status: 200, ..Reply::default() });
    let call = |host: &mut Host, request: &Request, reply: &Reply| {
        let outcome = host.call(request, reply).unwrap();
        lacks_markers("the record", outcome.log.to_string().as_bytes());
        lacks_markers("the answer", &outcome.response.body);
    };
    // Two days of each key, and then each call is long, dear and fails.
    for day in 0..3 {
        for number in 0..60 {
            call(&mut host, &marked("", &format!("usual-{day}-{number}")), &answer(5));
        }
        host.pass(Duration::from_millis(2200)).unwrap();
    }
    let fails = Reply { status: 500, ..Reply::json(r#"{"error":{"message":"no"}}"#) };
    for number in 0..30 {
        call(&mut host, &marked("", &format!("long-{number}")), &answer(50_000));
        call(&mut host, &marked("error", &format!("fails-{number}")), &fails);
    }
    let usual = answer(5);
    for request in telling() {
        let failing = request.headers.text("x-answer").as_deref() == Some("error");
        call(&mut host, &request, if failing { &fails } else { &usual });
    }
    let alerts = host.take_store_calls().unwrap();
    for rule in ["errs", "dear", "long", "agents"] {
        for path in ["/api/v2/alerts", "/hook", "/events"] {
            let told = |alert: &&String| alert.starts_with(&format!("POST {path}")) && alert.contains(rule);
            assert!(alerts.iter().any(|alert| told(&alert)), "{path} was told of `{rule}`: {alerts:#?}");
        }
    }
    alerts.iter().for_each(|alert| lacks_markers("an alert", alert.as_bytes()));
    host.pass(Duration::from_secs(3)).unwrap();
    let shared = host.shared_data();
    for kind in ["/loops/", "/retries/", "/said/", "/waste/", "/pasts/", "/guards", "tg/1/secret"] {
        assert!(shared.iter().any(|(key, _)| String::from_utf8_lossy(key).contains(kind)), "{kind} is there");
    }
    for (key, value) in shared {
        lacks_markers("a key of shared data", &key);
        lacks_markers("a value of shared data", &value);
    }
    let log = host.log().join("\n");
    assert!(log.contains("guard errs: error_rate of team search"), "{log}");
    lacks_markers("the host's log", log.as_bytes());
}
