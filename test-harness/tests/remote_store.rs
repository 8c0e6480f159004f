//! A store outside the process that answers late, never, with garbage or not at all: the call goes on as
//! `on_failure` says, nothing hangs longer than its time-out, and settlements reach the store once it is back.
//!
//! `ENVOY` is the path of an Envoy and `TOLLGATE_WASM` that of the plugin; `cargo xtask test` sets both.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_test_harness::client;
use tollgate_test_harness::envoy::config::{Places, Plugin};
use tollgate_test_harness::envoy::{Envoy, Setup};
use tollgate_test_harness::http::{Reply, Request, Response, Seen, Version};
use tollgate_test_harness::scenario::on_envoy::envoy_config;
use tollgate_test_harness::store::naming_the_call;
use tollgate_test_harness::upstream::Upstream;

/// An Envoy whose store shares the stand-in upstream: what it is asked there is a `POST /`.
struct Bench {
    envoy: Envoy,
    _upstream: Upstream,
    /// Bodies that the store got.
    asked: Arc<Mutex<Vec<String>>>,
    /// What it answers to admissions and to settlements.
    answers: Arc<Mutex<Answers>>,
}

#[derive(Clone, Default)]
struct Answers {
    admit: Reply,
    settle: Reply,
}

/// Admissions sweep what has expired, settlements do not.
fn settles(asked: &str) -> bool {
    !asked.contains("ZRANGEBYSCORE")
}

fn webdis(body: &str) -> Reply {
    Reply { status: 200, body: body.as_bytes().to_vec(), ..Reply::default() }
}

fn granted() -> Answers {
    Answers { admit: webdis(r#"{"EVAL":["<id>",-1]}"#), settle: webdis(r#"{"EVAL":["<id>",1]}"#) }
}

fn chat() -> Reply {
    let body = json!({"model": "gpt-4o-mini", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2}});
    let headers = [("content-type", "application/json")].into_iter().collect();
    Reply { status: 200, headers, body: body.to_string().into_bytes(), ..Reply::default() }
}

fn given() -> Option<(PathBuf, PathBuf)> {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    let given = path("ENVOY").zip(path("TOLLGATE_WASM"));
    if given.is_none() {
        println!("skipped: ENVOY and TOLLGATE_WASM are not set, run `cargo xtask test`");
    }
    given
}

/// Calls wait for the store for so long.
const TIMEOUT: Duration = Duration::from_millis(1000);
/// A store that takes this long is not waited for, however busy the machine is.
const SLOW: Duration = Duration::from_secs(8);

impl Bench {
    fn start(on_failure: &str, answers: Answers) -> Option<Self> {
        Self::start_with(on_failure, answers, json!([]))
    }

    fn start_with(on_failure: &str, answers: Answers, per: Value) -> Option<Self> {
        let quota =
            json!({"name": "day", "per": per, "limit": {"requests": 5}, "window": "day", "store": "budget"});
        Self::start_under(on_failure, answers, quota)
    }

    fn start_under(on_failure: &str, answers: Answers, quota: Value) -> Option<Self> {
        let (binary, wasm) = given()?;
        let (asked, answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(answers)));
        let (log, script) = (Arc::clone(&asked), Arc::clone(&answers));
        let upstream = Upstream::start(move |seen: &Seen| {
            if seen.path != "/" {
                return chat();
            }
            let body = String::from_utf8_lossy(&seen.body).into_owned();
            let answers = script.lock().unwrap().clone();
            let settles = settles(&body);
            let answers = Answers {
                admit: naming_the_call(&answers.admit, &seen.body),
                settle: naming_the_call(&answers.settle, &seen.body),
            };
            // The script is asked a first time before the body is there.
            if !body.is_empty() {
                log.lock().unwrap().push(body);
            }
            if settles { answers.settle } else { answers.admit }
        });
        let upstream = upstream.unwrap();
        let plugin = json!({
            "stores": {"budget": {"cluster": "openai", "protocol": "webdis", "timeout_ms": TIMEOUT.as_millis() as u64, "on_failure": on_failure}},
            "quotas": [quota],
        });
        let envoy = Envoy::start(&Setup {
            binary,
            config: envoy_config().join("quickstart/envoy.yaml"),
            workers: 1,
            places: Places {
                wasm,
                upstream: upstream.address(),
                upstream_version: Version::Http1,
                extra_cluster: None,
                access_log: PathBuf::new(),
                folder: PathBuf::new(),
                plugin: Some(Plugin::Text(plugin.to_string())),
            },
        });
        Some(Self { envoy: envoy.unwrap(), _upstream: upstream, asked, answers })
    }

    fn call(&mut self) -> (Response, Value, Duration) {
        let request = Request {
            path: "/v1/chat/completions".to_owned(),
            headers: [("content-type", "application/json")].into_iter().collect(),
            body: json!({"model": "gpt-4o-mini", "messages": []}).to_string().into_bytes(),
            ..Request::default()
        };
        let begun = Instant::now();
        let response = client::call(self.envoy.address(), &request).unwrap();
        let took = begun.elapsed();
        let log = self.envoy.next_log_line().unwrap();
        (response, log["tollgate"]["value"].clone(), took)
    }

    fn answer(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }

    /// Waits until the store got so many settlements.
    fn settlements(&self, at_least: usize) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(12);
        loop {
            let all = self.asked.lock().unwrap().clone();
            let settled: Vec<_> = all.into_iter().filter(|body| settles(body)).collect();
            if settled.len() >= at_least || Instant::now() > until {
                return settled;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_store_that_grants_lets_the_call_pass_and_hears_of_its_end() {
    let Some(mut bench) = Bench::start("deny", granted()) else { return };
    let (response, record, _) = bench.call();
    assert_eq!((response.status, &record["tollgate.decision.action"]), (200, &json!("allow")));
    let settled = bench.settlements(1);
    let id = record["tollgate.id"].as_str().unwrap();
    assert!(
        settled.iter().all(|body| body.contains(&format!("settled%2Fbudget%2F{id}"))) && settled.len() == 1,
        "{settled:?}"
    );
}

#[test]
fn a_store_that_refuses_refuses_the_call() {
    let refusing = Answers { admit: webdis(r#"{"EVAL":["<id>",0]}"#), ..granted() };
    let Some(mut bench) = Bench::start("allow", refusing) else { return };
    let (response, record, _) = bench.call();
    assert_eq!((response.status, &record["tollgate.decision.rule"]), (429, &json!("day")));
    assert_eq!(record["tollgate.cost.status"], json!("not_sent"));
}

#[test]
fn a_store_that_fails_in_any_way_is_survived_as_configured() {
    let slow = Reply { wait: SLOW, ..webdis(r#"{"EVAL":["<id>",-1]}"#) };
    let late = Reply { wait: TIMEOUT / 5, ..webdis(r#"{"EVAL":["<id>",-1]}"#) };
    let cut = Reply { cut_after: Some(3), ..webdis(r#"{"EVAL":["<id>",-1]}"#) };
    let cases = [
        ("late but in time", late, true),
        ("never", slow, false),
        ("cut", cut, false),
        ("garbage", webdis("\u{fffd}<html>"), false),
        ("empty", webdis(""), false),
        ("another shape", webdis(r#"{"EVAL":[false,"ERR"]}"#), false),
        ("a place that no quota has", webdis(r#"{"EVAL":["<id>",7]}"#), false),
        ("another call's answer", webdis(r#"{"EVAL":["1-1-1",-1]}"#), false),
        ("a call that has ended", webdis(r#"{"EVAL":["<id>",-2]}"#), false),
        ("an error", Reply { status: 503, ..webdis(r#"{"EVAL":["<id>",-1]}"#) }, false),
    ];
    for on_failure in ["allow", "deny"] {
        let Some(mut bench) = Bench::start(on_failure, granted()) else { return };
        for (name, admit, usable) in cases.clone() {
            bench.answer(Answers { admit, ..granted() });
            let (response, record, took) = bench.call();
            let expected = if usable || on_failure == "allow" { 200 } else { 503 };
            assert_eq!(response.status, expected, "{name}, {on_failure}: {record}");
            assert!(took < SLOW / 2, "{name}: {took:?}");
        }
        let errors = bench.envoy.stat("wasmcustom.tollgate_errors;kind=store").unwrap();
        assert!(errors >= 9, "{errors}");
    }
}

#[test]
fn a_settlement_is_sent_again_until_the_store_takes_it() {
    let deaf = Answers { settle: Reply { status: 500, ..Reply::default() }, ..granted() };
    let Some(mut bench) = Bench::start("deny", deaf) else { return };
    assert_eq!(bench.call().0.status, 200);
    let tried = bench.settlements(3);
    assert!(tried.len() >= 3 && tried.iter().all(|body| *body == tried[0]), "{tried:?}");
    bench.answer(granted());
    let taken = bench.settlements(tried.len() + 1).len();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(bench.settlements(0).len() <= taken + 1, "it goes on after it was taken");
}

#[test]
fn a_client_that_goes_away_while_the_store_is_asked_is_settled_as_not_sent() {
    let slow = Answers {
        admit: Reply { wait: Duration::from_millis(300), ..webdis(r#"{"EVAL":["<id>",-1]}"#) },
        ..granted()
    };
    let Some(mut bench) = Bench::start("allow", slow) else { return };
    let request = Request {
        path: "/v1/chat/completions".to_owned(),
        body: br#"{"model":"gpt-4o-mini"}"#.repeat(10),
        abort_after: Some(20),
        ..Request::default()
    };
    let _gone = client::call(bench.envoy.address(), &request);
    let log = bench.envoy.next_log_line().unwrap();
    assert_eq!(log["tollgate"]["value"]["tollgate.cost.status"], json!("not_sent"), "{log}");
    // The store may have put something aside without being heard: it is told that the call is over.
    let id = log["tollgate"]["value"]["tollgate.id"].as_str().unwrap().to_owned();
    let settled = bench.settlements(1);
    assert!(settled.len() == 1 && settled[0].contains(&id), "{settled:?}");
}

#[test]
fn a_store_is_asked_once_a_held_body_has_named_the_model() {
    let Some(mut bench) = Bench::start_with("deny", granted(), json!(["model"])) else { return };
    let (response, record, took) = bench.call();
    assert_eq!((response.status, &record["gen_ai.request.model"]), (200, &json!("gpt-4o-mini")));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(bench.settlements(1)[0].contains("gpt-4o-mini"));
}

#[test]
fn a_settlement_outlives_the_configuration_that_admitted_its_call() {
    let Some(mut bench) = Bench::start("deny", granted()) else { return };
    assert_eq!(bench.call().0.status, 200);
    bench.envoy.reconfigure(Plugin::Text("{}".to_owned())).unwrap();
    assert_eq!(bench.settlements(1).len(), 1);
}

/// What an admission asks for: behind the keys stand id, time and end of the lease, then the first counter's amount.
fn asked_for(admission: &str) -> u64 {
    let parts: Vec<&str> = admission.split('/').collect();
    let keys: usize = parts[2].parse().unwrap();
    parts[3 + keys + 3].parse().unwrap()
}

#[test]
fn what_is_usual_is_learned_here_and_put_aside_in_the_store() {
    let quota = json!({"name": "words", "per": ["model"], "limit": {"output_tokens": 1_000_000}, "window": "day", "store": "budget"});
    let Some(mut bench) = Bench::start_under("deny", granted(), quota) else { return };
    for _ in 0..21 {
        assert_eq!(bench.call().0.status, 200);
    }
    let asked = bench.asked.lock().unwrap().clone();
    let amounts: Vec<u64> = asked.iter().filter(|body| !settles(body)).map(|body| asked_for(body)).collect();
    let usual = [vec![1024; 20], vec![2]].concat();
    assert_eq!(amounts, usual, "the first twenty answers tell what is usual");
}
