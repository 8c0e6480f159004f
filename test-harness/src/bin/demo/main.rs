//! `cargo xtask demo`: a real Envoy with Tollgate, a stand-in LLM behind it, a little traffic, and what an
//! operator would read. Ends with an error if anything that should show does not.

mod agents;
mod money;
mod report;
mod reports;
mod stand_in;
mod traffic;
mod views;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_test_harness::Error;
use tollgate_test_harness::client;
use tollgate_test_harness::envoy::config::{Places, Plugin};
use tollgate_test_harness::envoy::{Envoy, Setup};
use tollgate_test_harness::http::{Response, Version};
pub use tollgate_test_harness::scenario::field;
use tollgate_test_harness::scenario::on_envoy::envoy_config;
use tollgate_test_harness::stats::Series;
use tollgate_test_harness::upstream::Upstream;

use stand_in::Usage;
use traffic::{AGENTS, AGENTS_USD, CALLS, Call, Outcome};

/// A call and what came of it.
pub struct Done {
    pub call: &'static Call,
    pub response: Response,
    pub log: Value,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let once = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--once"] => true,
        _ => return fail(&format!("unknown arguments `{}`, expected none or `--once`", args.join(" "))),
    };
    match demo(once) {
        Ok(missing) if missing.is_empty() => ExitCode::SUCCESS,
        Ok(missing) => fail(&format!("the demo did not show what it should:\n  {}", missing.join("\n  "))),
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::FAILURE
}

/// What was missing.
fn demo(once: bool) -> Result<Vec<String>, Error> {
    let interrupted = interruptions()?;
    let upstream = Upstream::start(stand_in::reply)?;
    let mut envoy = start_envoy(&upstream)?;
    println!(
        "Envoy with Tollgate listens on http://{}, its admin page is http://{}",
        envoy.address(),
        envoy.admin_address()
    );
    println!("Policy: {}", policy());
    let done = CALLS.iter().map(|call| send(call, &mut envoy)).collect::<Result<Vec<Done>, Error>>()?;
    report::calls(&done);
    done.first().into_iter().for_each(report::one_line);
    done.iter().filter(|one| one.response.status != 200).for_each(report::refusal);
    let series = settled_series(&envoy, &done)?;
    let mut missing: Vec<String> = done.iter().flat_map(missing_in_call).collect();
    missing.extend(views::report(&envoy, &series, &done)?);
    missing.extend(reports::report(&envoy, &series)?);
    missing.extend(agents::report(&mut envoy)?);
    if !once && missing.is_empty() {
        serve(&envoy, &interrupted);
    }
    Ok(missing)
}

fn start_envoy(upstream: &Upstream) -> Result<Envoy, Error> {
    Envoy::start(&Setup {
        binary: path("ENVOY")?,
        config: envoy_config().join("quickstart/envoy.yaml"),
        workers: 2,
        places: Places {
            wasm: path("TOLLGATE_WASM")?,
            upstream: upstream.address(),
            upstream_version: Version::Http1,
            extra_cluster: None,
            access_log: PathBuf::new(),
            folder: PathBuf::new(),
            plugin: Some(Plugin::Text(policy().to_string())),
        },
    })
}

fn path(variable: &str) -> Result<PathBuf, Error> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty());
    value
        .map(PathBuf::from)
        .ok_or_else(|| Error::File(format!("`{variable}` is not set; run `cargo xtask demo`")))
}

/// Like the quickstart's configuration, but nobody may call without naming the team that pays, and one team has a small budget.
fn policy() -> Value {
    json!({
        "tags": {
            "team": {"from": [{"header": "x-team"}], "required": "deny"},
            "feature": {"from": [{"header": "x-feature"}]},
            "customer": {"from": [{"header": "x-customer-id"}]},
            "workflow": {"from": [{"header": "x-workflow-id"}, {"baggage": "workflow"}]},
            "environment": {"value": "demo"}
        },
        "quotas": [{
            "name": "agents-month", "when": {"team": AGENTS}, "limit": {"usd": AGENTS_USD}, "window": "month", "scope": "process",
            "steps": [{"at": 50, "do": "warn"}, {"at": 90, "do": {"downgrade": {"to": "gpt-4.1-mini"}}}],
            "reserve": {"output": 60}
        }],
        "loops": agents::rules(),
        "emit": {
            "views": [["provider", "model", "operation"], ["team"], ["feature"], ["customer"], ["workflow"]]
        },
        "admin": {"token_sha256": views::TOKEN_SHA256}
    })
}

fn send(call: &'static Call, envoy: &mut Envoy) -> Result<Done, Error> {
    let response = client::call(envoy.address(), &call.request())?;
    Ok(Done { call, response, log: envoy.next_log_line()? })
}

/// The record in a line of the access log. Envoy puts the message's type beside its content.
pub fn record(log: &Value) -> &Value {
    let record = &log["tollgate"];
    if record["value"].is_object() { &record["value"] } else { record }
}

/// Stats of all calls, and the live view: they come with Envoy's next flush and Tollgate's next tick, within a second.
fn settled_series(envoy: &Envoy, done: &[Done]) -> Result<Vec<Series>, Error> {
    let until = Instant::now() + Duration::from_secs(5);
    let settled_since = Instant::now() + Duration::from_millis(1200);
    loop {
        let series = envoy.prometheus()?;
        let counted: f64 = series.iter().filter(|s| s.name == "tollgate_requests").map(|s| s.value).sum();
        let all = counted as usize == done.len() * VIEWS;
        if all && Instant::now() > settled_since || Instant::now() > until {
            return Ok(series);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How many label sets the policy has: each counts every call.
const VIEWS: usize = 5;

fn missing_in_call(done: &Done) -> Vec<String> {
    let record = record(&done.log);
    let (status, expected) = match done.call.outcome {
        Outcome::Answered { model, action } => (200, expected_of_answered(done, model, action)),
        Outcome::Refused { status } => {
            let denied = ("tollgate.decision.action", json!("deny"));
            (status, vec![denied, ("tollgate.cost.status", json!("not_sent"))])
        }
    };
    let what = format!("{} {}", done.call.model, done.call.question);
    let mut missing: Vec<String> = expected
        .iter()
        .filter(|(key, value)| !field(record, key).is_some_and(|got| same(got, value)))
        .map(|(key, value)| format!("{what}: `{key}` is {:?}, expected {value}", field(record, key)))
        .collect();
    if done.response.status != status {
        missing.push(format!("{what}: status {}, expected {status}", done.response.status));
    }
    if status == 200 && cost(done).is_none() {
        missing.push(format!("{what}: no exact cost"));
    }
    missing
}

fn expected_of_answered(done: &Done, model: &str, action: &str) -> Vec<(&'static str, Value)> {
    let usage = Usage::of(&done.call.body());
    vec![
        ("gen_ai.response.model", json!(model)),
        ("tollgate.decision.action", json!(action)),
        ("gen_ai.usage.input_tokens", json!(usage.input)),
        ("gen_ai.usage.output_tokens", json!(usage.output)),
        ("gen_ai.usage.cache_read.input_tokens", json!(usage.cached)),
        ("tollgate.cost.status", json!("priced")),
        ("tollgate.tags.team", json!(done.call.team)),
        ("tollgate.tags.feature", json!(done.call.feature)),
    ]
}

/// Numbers in a `Struct` are doubles.
fn same(got: &Value, expected: &Value) -> bool {
    got == expected || (got.is_number() && got.as_f64() == expected.as_f64())
}

fn cost(done: &Done) -> Option<u128> {
    money::pico(field(record(&done.log), "tollgate.cost.usd")?.as_str()?)
}

/// Ctrl-C and SIGTERM, from now on. They do not end the process: whoever does that early leaves an Envoy behind.
fn interruptions() -> Result<Receiver<()>, Error> {
    let (sender, receiver) = mpsc::channel();
    // Nobody listens any more after the first one, which is fine.
    let handler = move || sender.send(()).unwrap_or_default();
    ctrlc::set_handler(handler).map_err(|error| Error::File(format!("Ctrl-C: {error}")))?;
    Ok(receiver)
}

/// Waits for Ctrl-C.
fn serve(envoy: &Envoy, interrupted: &Receiver<()>) {
    let (address, admin) = (envoy.address(), envoy.admin_address());
    println!("\nTry it (the stand-in answers anything), then look at the stats:\n");
    println!(
        "  curl http://{address}/v1/chat/completions -H 'x-team: search' -H 'content-type: application/json' \\"
    );
    println!(
        "    -d '{{\"model\": \"gpt-4.1-mini\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'"
    );
    println!("  curl 'http://{admin}/stats?format=prometheus' | grep ^tollgate_");
    println!("  tail -f {}", envoy.access_log().display());
    println!("\nThe live view is http://{address}/.tollgate/?token={}", views::TOKEN);
    println!("\nServing until Ctrl-C.");
    let _ = std::io::stdout().flush();
    // The sender lives as long as the handler, so this ends by Ctrl-C alone.
    let _ = interrupted.recv();
}
