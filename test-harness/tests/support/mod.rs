//! What the tests of budgets share: Envoys in front of a stand-in LLM, loads of calls, sums over access logs.
#![allow(dead_code, reason = "each test file uses a part of it")]

#[cfg(feature = "host")]
pub mod hosted;
pub mod proto;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
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
        self.start_with(Version::Http1, &[])
    }

    /// The same with another HTTP towards the upstreams, and more of Envoy's own flags.
    pub fn start_with(self, upstream_version: Version, flags: &[&str]) -> Option<Envoy> {
        let setup = Setup {
            binary: given("ENVOY")?,
            config: envoy_config().join(self.config),
            workers: 2,
            places: Places {
                wasm: self.wasm,
                upstream: self.upstream,
                upstream_version,
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
    let mut records = Vec::new();
    each_record(envoy, at_least, |record| records.push(record));
    records
}

/// Hands over the records in an access log one by one, once it has so many: a long log does not fit into memory as values.
pub fn each_record(envoy: &Envoy, at_least: u64, act: impl FnMut(Value)) {
    let until = Instant::now() + Duration::from_secs(20);
    let there = || lines(envoy).filter(|line| line.contains("\"tollgate\":{")).count();
    while there() < at_least as usize && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    let record = |line: String| serde_json::from_str::<Value>(&line).unwrap()["tollgate"]["value"].take();
    lines(envoy).map(record).filter(Value::is_object).for_each(act);
}

/// The whole lines of an access log: one that Envoy is still writing has no end yet.
fn lines(envoy: &Envoy) -> impl Iterator<Item = String> {
    let file = std::fs::File::open(envoy.access_log()).into_iter();
    file.flat_map(|file| {
        let mut file = std::io::BufReader::new(file);
        std::iter::from_fn(move || {
            let mut line = String::new();
            file.read_line(&mut line).ok().filter(|_| line.ends_with('\n')).map(|_| line)
        })
    })
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
        let mut sum = Self::default();
        records.into_iter().for_each(|record| sum.add(record));
        sum
    }

    /// Adds what one call used.
    pub fn add(&mut self, record: &Value) {
        if record["tollgate.cost.status"] != "not_sent" {
            self.calls += 1;
            self.tokens +=
                number(record, "gen_ai.usage.input_tokens") + number(record, "gen_ai.usage.output_tokens");
            self.pico += record["tollgate.cost.usd"].as_str().map_or(0, pico);
        }
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
    let mut ids = Ids::default();
    records.iter().for_each(|record| ids.add(record));
    ids.check();
}

/// The ids of records, by worker.
#[derive(Default)]
pub struct Ids(BTreeMap<String, BTreeSet<u64>>);

impl Ids {
    /// One more, which may not be there yet.
    pub fn add(&mut self, record: &Value) {
        let id = record["tollgate.id"].as_str().unwrap();
        let (worker, sequence) = id.rsplit_once('-').unwrap();
        let sequence = u64::from_str_radix(sequence, 16).unwrap();
        assert!(self.0.entry(worker.to_owned()).or_default().insert(sequence), "{id} stands twice");
    }

    /// Each worker's sequence has no gap.
    pub fn check(&self) {
        for (worker, sequences) in &self.0 {
            assert_eq!(sequences.last().copied(), Some(sequences.len() as u64), "{worker} has gaps");
        }
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
