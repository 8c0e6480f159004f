//! What the tests of budgets share: Envoys in front of a stand-in LLM, loads of calls, sums over access logs.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod proto;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tollgate_test_harness::envoy::config::{Places, Plugin};
use tollgate_test_harness::envoy::{Envoy, Setup};
use tollgate_test_harness::http::{Reply, Seen, Version};
use tollgate_test_harness::load::Call;
use tollgate_test_harness::scenario::on_envoy::envoy_config;
use tollgate_test_harness::upstream::Upstream;

/// The path in a variable of the environment; where it is missing, says that the test is skipped.
pub fn given(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    if path.is_none() {
        println!("skipped: {name} is not set, run `cargo xtask test`");
    }
    path
}

/// How many calls a load has: `cargo xtask soak` makes it ten times as many.
pub fn full_size(calls: u64) -> u64 {
    if std::env::var_os("TOLLGATE_SOAK").is_some() { calls * 10 } else { calls }
}

/// What an Envoy of a test is made of.
pub struct Given {
    pub config: &'static str,
    pub wasm: PathBuf,
    /// The filter's configuration; null: the file's own.
    pub plugin: Value,
    pub upstream: SocketAddr,
    /// The store's cluster, and where it is.
    pub store: Option<(&'static str, SocketAddr)>,
}

impl Given {
    /// The quickstart with two workers.
    pub fn start(self) -> Option<Envoy> {
        self.start_with(&[])
    }

    /// The same with more of Envoy's own flags.
    pub fn start_with(self, flags: &[&str]) -> Option<Envoy> {
        let setup = Setup {
            binary: given("ENVOY")?,
            config: envoy_config().join(self.config),
            workers: 2,
            places: Places {
                wasm: self.wasm,
                upstream: self.upstream,
                upstream_version: Version::Http1,
                extra_cluster: self.store.map(|(name, address)| (name.to_owned(), address)),
                access_log: PathBuf::new(),
                folder: PathBuf::new(),
                plugin: (!self.plugin.is_null()).then(|| Plugin::Text(self.plugin.to_string())),
            },
        };
        Some(Envoy::start_with(&setup, flags).unwrap())
    }
}

/// An Envoy with the plugin, and the LLM that it leads to.
pub fn envoy(plugin: &Value) -> Option<(Envoy, Upstream)> {
    let wasm = given("TOLLGATE_WASM")?;
    let upstream = llm();
    let given = Given {
        config: "quickstart/envoy.yaml",
        wasm,
        plugin: plugin.clone(),
        upstream: upstream.address(),
        store: None,
    };
    Some((given.start()?, upstream))
}

/// A stand-in LLM. The request's header `x-answer` says what it answers: nothing for a JSON answer, `stream`, `cut` for a stream that it
/// resets, `error`, or `slow` for an answer after a second.
pub fn llm() -> Upstream {
    llm_or(|_| None)
}

/// The same, where `first` has no answer of its own.
pub fn llm_or(first: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Upstream {
    Upstream::start(move |seen: &Seen| first(seen).unwrap_or_else(|| answer(seen))).unwrap()
}

fn answer(seen: &Seen) -> Reply {
    match seen.headers.text("x-answer").as_deref() {
        Some("stream") => stream(),
        Some("cut") => Reply { cut_after: Some(150), ..stream() },
        Some("error") => Reply { status: 500, ..Reply::json(r#"{"error":{"message":"no"}}"#) },
        Some("missing") => Reply { status: 404, ..Reply::json(r#"{"error":{"message":"none"}}"#) },
        Some("slow") => Reply { wait: Duration::from_secs(1), ..chat() },
        _ => chat(),
    }
}

const USAGE: &str = r#"{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13}"#;

fn chat() -> Reply {
    Reply::json(format!(r#"{{"model":"gpt-4o-mini","choices":[],"usage":{USAGE}}}"#))
}

fn stream() -> Reply {
    let piece = r#"data: {"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"word "}}]}"#;
    let usage = format!(r#"data: {{"model":"gpt-4o-mini","choices":[],"usage":{USAGE}}}"#);
    Reply::events(format!("{piece}\n\n{piece}\n\n{piece}\n\n{usage}\n\ndata: [DONE]\n\n"))
}

/// A call that the stand-in answers as `answer` says, of that team.
pub fn call(answer: &str, team: &str) -> Call {
    let streams = matches!(answer, "stream" | "cut");
    let body = json!({
        "model": "gpt-4o-mini", "stream": streams, "stream_options": {"include_usage": true}, "max_tokens": 3,
        "messages": [{"role": "user", "content": "hi"}],
    });
    Call {
        path: "/v1/chat/completions",
        headers: [("content-type", "application/json"), ("x-answer", answer), ("x-team", team)]
            .map(|(name, value)| (name, value.to_owned()))
            .into(),
        body: body.to_string().into_bytes(),
        hang_up_after: None,
    }
}

/// Teams `t0` to `t4`, in turn.
pub fn team(number: u64) -> String {
    format!("t{}", number % 5)
}

/// The records in an access log, once there are so many.
pub fn records(envoy: &Envoy, at_least: u64) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let text = std::fs::read_to_string(envoy.access_log()).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let records: Vec<Value> = lines
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["tollgate"]["value"].take())
            .filter(|record| record.is_object())
            .collect();
        if records.len() as u64 >= at_least || Instant::now() > until {
            return records;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the records say was used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Calls that went upstream.
    pub calls: i128,
    /// Input and output tokens.
    pub tokens: i128,
    /// Pico-USD.
    pub pico: i128,
}

impl Sum {
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Value>) -> Self {
        let sent = records.into_iter().filter(|record| record["tollgate.cost.status"] != "not_sent");
        sent.fold(Self::default(), |sum, record| Self {
            calls: sum.calls + 1,
            tokens: sum.tokens
                + number(record, "gen_ai.usage.input_tokens")
                + number(record, "gen_ai.usage.output_tokens"),
            pico: sum.pico + record["tollgate.cost.usd"].as_str().map_or(0, pico),
        })
    }
}

fn number(record: &Value, key: &str) -> i128 {
    record[key].as_f64().map_or(0, |number| number as i128)
}

/// USD as a decimal in pico-USD.
pub fn pico(usd: &str) -> i128 {
    let (whole, part) = usd.split_once('.').unwrap_or((usd, ""));
    format!("{whole}{part:0<12}").parse().unwrap()
}

/// Pico-USD as a decimal in USD.
pub fn usd(pico: i128) -> String {
    format!("{}.{:012}", pico / 1_000_000_000_000, pico % 1_000_000_000_000)
}

/// No id stands twice, and each worker's sequence has no gap.
pub fn check_ids(records: &[Value]) {
    let mut by_worker: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for record in records {
        let id = record["tollgate.id"].as_str().unwrap();
        let (worker, sequence) = id.rsplit_once('-').unwrap();
        let sequence = u64::from_str_radix(sequence, 16).unwrap();
        assert!(by_worker.entry(worker.to_owned()).or_default().insert(sequence), "{id} stands twice");
    }
    for (worker, sequences) in by_worker {
        assert_eq!(sequences.last().copied(), Some(sequences.len() as u64), "{worker} has gaps");
    }
}

/// How much memory a process holds, in KiB.
pub fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// CPU time of all threads of a process so far, in nanoseconds.
pub fn cpu_nanos(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let schedstat = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
    schedstat.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
}
