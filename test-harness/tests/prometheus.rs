//! A real Prometheus scrapes a real Envoy: the rules and alerts of `envoy-config/prometheus` load and pass their tests, what it stores adds
//! up to the log, and every query of the dashboard has an answer.
//!
//! `ENVOY`, `TOLLGATE_WASM`, `PROMETHEUS` and `PROMTOOL` are paths; `cargo xtask test` sets them.

mod support;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{call, envoy, given, pico, records};
use tempfile::TempDir;
use tollgate_test_harness::client;
use tollgate_test_harness::envoy::Envoy;
use tollgate_test_harness::envoy::config::read;
use tollgate_test_harness::http::Request;
use tollgate_test_harness::load::{Call, Load};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy-config/prometheus")
}

fn promtool(tool: &Path, args: &[&str]) {
    let output = Command::new(tool).args(args).current_dir(folder()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {args:?}: {}", String::from_utf8_lossy(&said));
}

#[test]
fn rules_and_alerts_are_valid_and_pass_their_tests() {
    let Some(tool) = given("PROMTOOL") else { return };
    promtool(&tool, &["check", "config", "prometheus.yaml"]);
    promtool(&tool, &["check", "rules", "rules.yaml", "alerts.yaml"]);
    promtool(&tool, &["test", "rules", "alerts_test.yaml"]);
}

/// A running Prometheus, killed on drop.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// With the configuration of the folder, but for the target and the intervals.
    fn start(binary: &Path, target: SocketAddr) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let mut config = read(&folder().join("prometheus.yaml")).unwrap();
        config["global"] =
            json!({"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "500ms"});
        config["scrape_configs"][0]["static_configs"] = json!([{"targets": [target.to_string()]}]);
        let files = ["rules.yaml", "alerts.yaml"].map(|file| folder().join(file));
        config["rule_files"] = json!(files);
        let file = scratch.path().join("prometheus.yaml");
        fs::write(&file, config.to_string()).unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let log = fs::File::create(scratch.path().join("log")).unwrap();
        let child = Command::new(binary)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", scratch.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let prometheus = Self { child, address, _folder: scratch };
        prometheus.wait("up", |found| found.iter().any(|one| one["value"][1] == "1"));
        prometheus
    }

    /// The result of an instant query; an error of the query is one of the test.
    fn query(&self, expression: &str) -> Option<Vec<Value>> {
        let escaped: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/api/v1/query?query={escaped}");
        let request = Request { method: "GET".to_owned(), path, ..Request::default() };
        let response = client::call(self.address, &request).ok()?;
        let answer: Value = serde_json::from_slice(&response.body).ok()?;
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().cloned()
    }

    fn wait(&self, expression: &str, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.query(expression).unwrap_or_default();
            if enough(&found) || Instant::now() > until {
                return found;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tags of all five views, and something of everything that a panel shows.
fn plugin() -> Value {
    let digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"
    json!({
        "tags": {
            "team": {"from": [{"header": "x-team"}]},
            "feature": {"from": [{"header": "x-feature"}], "required": "deny"},
            "customer": {"from": [{"header": "x-customer"}]},
            "workflow": {"from": [{"header": "x-workflow"}]},
        },
        "upstreams": [{"when": {"host": "llm.test"}, "provider": "openai", "dialect": "openai"}],
        "virtual_keys": {digest: {"team": "nightly"}},
        "waste": {"within": "1h"},
        "quotas": [{"name": "models", "per": ["model"], "limit": {"usd": "100"}, "window": "month"}],
        "emit": {"views": [["provider", "model", "operation"], ["team"], ["feature"], ["customer"], ["workflow"]]},
    })
}

/// Streams, cut streams that have no usage, refusals, calls that no reader knows, claims against a key, bodies that cannot be held.
fn mixed(number: u64) -> Call {
    let answer = match number % 10 {
        1 => "cut",
        n if n % 2 == 0 => "stream",
        _ => "",
    };
    let mut call = call(answer, if number % 10 == 3 { "" } else { "search" });
    call.headers.push(("x-customer", "acme".to_owned()));
    call.headers.push(("x-workflow", "digest".to_owned()));
    if number % 10 != 5 {
        call.headers.push(("x-feature", format!("f{}", number % 3)));
    }
    match number % 10 {
        6 => call.path = "/v1/some/other/thing",
        7 => call.headers.push(("authorization", "Bearer secret".to_owned())),
        8 => call.headers.push(("content-encoding", "gzip".to_owned())),
        _ => {}
    }
    call
}

fn value(results: &[Value]) -> f64 {
    let value = |one: &Value| one["value"][1].as_str().and_then(|text| text.parse::<f64>().ok());
    results.iter().filter_map(value).sum()
}

#[test]
fn a_real_prometheus_tells_the_logs_sums_and_answers_every_panel() {
    let Some(binary) = given("PROMETHEUS") else { return };
    let Some((envoy, _llm)) = envoy(&plugin()) else { return };
    let load = |calls| Load { to: vec![envoy.address()], connections: 8, calls };
    // Rates need a sample before and one after.
    load(100).run(mixed);
    let prometheus = Prometheus::start(&binary, envoy.admin_address());
    prometheus.wait("sum(tollgate_requests)", |found| value(found) > 0.0);
    for _ in 0..4 {
        load(100).run(mixed);
        std::thread::sleep(Duration::from_millis(600));
    }
    // One call in ten goes to a path that is none of an LLM's, and has no record.
    check_sums(&prometheus, &envoy, 450);
    check_rules(&prometheus);
    check_panels(&prometheus);
}

fn check_sums(prometheus: &Prometheus, envoy: &Envoy, calls: u64) {
    let records = records(envoy, calls);
    assert_eq!(records.len() as u64, calls);
    let logged: i128 = records.iter().filter_map(|r| r["tollgate.cost.usd"].as_str()).map(pico).sum();
    for view in ["provider_model_operation", "team", "feature", "customer", "workflow"] {
        let counted = prometheus.wait(&format!("sum(tollgate_requests{{view=\"{view}\"}})"), |found| {
            value(found) as u64 == calls
        });
        assert_eq!(value(&counted) as u64, calls, "{view}");
        let nanos =
            value(&prometheus.query(&format!("sum(tollgate_cost_nanousd{{view=\"{view}\"}})")).unwrap());
        assert_eq!(nanos as i128 * 1000, logged, "{view}: these calls cost whole nano-USD");
    }
}

/// Every recording rule gives something.
fn check_rules(prometheus: &Prometheus) {
    let rules = read(&folder().join("rules.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap();
    let names = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    let names: Vec<&str> = names.map(|rule| rule["record"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 14);
    for name in names {
        let found = prometheus.wait(name, |found| !found.is_empty());
        assert!(!found.is_empty(), "`{name}` gives nothing");
    }
}

/// Every query of the dashboard is one that Prometheus takes, and shows something.
fn check_panels(prometheus: &Prometheus) {
    let text = fs::read_to_string(folder().join("dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut empty = Vec::new();
    for (panel, target) in
        panels.iter().flat_map(|p| p["targets"].as_array().unwrap().iter().map(move |t| (p, t)))
    {
        let expression = target["expr"].as_str().unwrap();
        let placed =
            expression.replace("$__rate_interval", "1m").replace("$__range", "5m").replace("$instance", ".*");
        let found = prometheus.wait(&placed, |found| !found.is_empty());
        if found.is_empty() {
            empty.push(format!("{}: {expression}", panel["title"]));
        }
    }
    assert!(panels.len() >= 15 && empty.is_empty(), "{empty:#?}");
}
