//! Recorded exchanges through a real Envoy: the record in the access log has the expected counts.
//!
//! The recordings are no part of the project; where they are absent the test says so and passes. `ENVOY` and
//! `TOLLGATE_WASM` name an Envoy and the plugin; `cargo xtask test` sets both. The same cases run through the core, in every cut,
//! in `wire/tests/conformance.rs`, which also lists the expectations that are set aside and why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tollgate_test_harness::chunking::Chunking;
use tollgate_test_harness::client;
use tollgate_test_harness::envoy::config::{Places, Plugin, read};
use tollgate_test_harness::envoy::{Envoy, Setup};
use tollgate_test_harness::http::{Framing, Headers, Reply, Request, Version};
use tollgate_test_harness::scenario::on_envoy::envoy_config;
use tollgate_test_harness::upstream::Upstream;

/// Set aside in `wire/tests/conformance.rs`, with the reason; and 0151, the results of a batch, which are metered when they are
/// fetched where the expectation has them not read at all.
const SET_ASIDE: [&str; 7] = ["0151", "0872", "1059", "1154", "1160", "1204", "1846"];

#[test]
fn recorded_exchanges_give_the_expected_counts_in_a_real_envoy() {
    let (Some(binary), Some(wasm)) = (path("ENVOY"), path("TOLLGATE_WASM")) else {
        println!("skipped: ENVOY and TOLLGATE_WASM are not set, run `cargo xtask test`");
        return;
    };
    let Some(cases) = recorded() else {
        println!("skipped: no recorded exchanges here");
        return;
    };
    let upstream = Upstream::start(|_| Reply::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut envoy = Envoy::start(&Setup {
        binary,
        config: everything_is_metered(folder.path()),
        workers: 1,
        places: Places {
            wasm,
            upstream: upstream.address(),
            upstream_version: Version::Http1,
            extra_cluster: None,
            access_log: PathBuf::new(),
            folder: PathBuf::new(),
            plugin: Some(Plugin::Text("{}".to_owned())),
        },
    })
    .unwrap();
    let (mut tally, mut wrong) = (BTreeMap::<String, (usize, usize)>::new(), Vec::new());
    for case in &cases {
        let problems = replay(case, &mut envoy, &upstream);
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let row = format!("{:24} {:20} {:16}", text("provider"), text("endpoint"), text("streaming"));
        let row = tally.entry(row).or_default();
        *row = (row.0 + usize::from(problems.is_empty()), row.1 + 1);
        wrong.extend(problems.into_iter().map(|p| format!("{} {}: {p}", text("case"), text("url"))));
    }
    tally.iter().for_each(|(row, (right, all))| println!("{row} {right:4} / {all}"));
    println!("fixtures in Envoy: {} cases, {} wrong", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// The quickstart, with the filter on for every path.
fn everything_is_metered(folder: &Path) -> PathBuf {
    let mut config = read(&envoy_config().join("quickstart/envoy.yaml")).unwrap();
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let routes = config.pointer_mut(&format!("{manager}/route_config/virtual_hosts/0/routes")).unwrap();
    let metered = routes[0]["typed_per_filter_config"].clone();
    let route = json!({"cluster": "openai", "timeout": "0s"});
    *routes = json!([{"match": {"prefix": "/"}, "route": route, "typed_per_filter_config": metered}]);
    let file = folder.join("envoy.json");
    std::fs::write(&file, config.to_string()).unwrap();
    file
}

/// Cases that were answered well, in order.
fn recorded() -> Option<Vec<Value>> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/cases");
    let folder = path("TOLLGATE_FIXTURES").unwrap_or_else(beside);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let load = |file: &PathBuf| serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).unwrap();
    let cases = files.iter().map(load).filter(|case| {
        case["response_status"] == 200 && !SET_ASIDE.contains(&case["case"].as_str().unwrap_or_default())
    });
    Some(cases.collect()).filter(|cases: &Vec<Value>| !cases.is_empty())
}

fn replay(case: &Value, envoy: &mut Envoy, upstream: &Upstream) -> Vec<String> {
    upstream.reply_with(Reply {
        headers: headers(&case["response_headers"]),
        body: bytes(case, "response_body"),
        framing: Framing::Chunked,
        chunks: Chunking::Size(1000),
        ..Reply::default()
    });
    let url = case["url"].as_str().unwrap().split_once("://").unwrap().1;
    let (host, path) = url.split_once('/').unwrap_or((url, ""));
    let mut asked = headers(&case["request_headers"]);
    asked.push("host", host);
    let request = Request {
        method: case["method"].as_str().unwrap().to_owned(),
        path: format!("/{}", path.split('#').next().unwrap_or_default()),
        headers: asked,
        body: bytes(case, "request_body"),
        ..Request::default()
    };
    let response = client::call(envoy.address(), &request).unwrap();
    let log = envoy.next_log_line().unwrap();
    let mut problems = differences(case, &log["tollgate"]["value"]);
    if response.body != bytes(case, "response_body") {
        problems.push(format!("the body changed: status {}, log {log}", response.status));
    }
    problems
}

/// What of recorded headers can be sent again: framing and encoding are not what they were.
fn headers(recorded: &Value) -> Headers {
    const LEFT_OUT: [&str; 7] = [
        "content-length",
        "transfer-encoding",
        "content-encoding",
        "connection",
        "host",
        "accept-encoding",
        "keep-alive",
    ];
    let pairs = recorded
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)));
    let plain = |(name, value): &(&str, &str)| {
        !LEFT_OUT.contains(&name.to_ascii_lowercase().as_str()) && !value.contains("REDACTED")
    };
    pairs.filter(plain).collect()
}

fn bytes(case: &Value, key: &str) -> Vec<u8> {
    let text = case[key].as_str().unwrap_or_default();
    if case[format!("{key}_encoding")] == "base64" { from_base64(text) } else { text.as_bytes().to_vec() }
}

fn from_base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values = text.bytes().filter_map(|b| DIGITS.iter().position(|d| *d == b));
    let (mut bits, mut count, mut out) = (0_usize, 0, Vec::new());
    for value in values {
        (bits, count) = ((bits << 6 | value) & 0xffff, count + 6);
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}

const KEYS: [(&str, &str); 7] = [
    ("gen_ai.usage.input_tokens", "input_total"),
    ("gen_ai.usage.output_tokens", "output_total"),
    ("gen_ai.usage.cache_read.input_tokens", "cache_read"),
    ("gen_ai.usage.cache_creation.input_tokens", "cache_write"),
    ("gen_ai.usage.reasoning.output_tokens", "reasoning"),
    ("gen_ai.usage.audio.input_tokens", "input_audio"),
    ("gen_ai.usage.audio.output_tokens", "output_audio"),
];

fn differences(case: &Value, record: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for (ours, theirs) in KEYS {
        let (got, expected) =
            (record[ours].as_f64().map(|n| n as u64), expected(&case["expected"]["usage"], theirs));
        // The reading fills some counts up with 0, and leaves out a few that are reported as 0.
        if got.unwrap_or(0) != expected.unwrap_or(0) {
            problems.push(format!("{ours} should be {expected:?}, is {got:?}"));
        }
    }
    let model = case["expected"]["model_response"].as_str();
    if model.is_some() && !record.is_null() && record["gen_ai.response.model"].as_str() != model {
        problems.push(format!("the model should be {model:?}, is {}", record["gen_ai.response.model"]));
    }
    problems
}

fn expected(usage: &Value, key: &str) -> Option<u64> {
    // Iterations are billed one by one: the sum over them counts.
    if let Some(models) =
        usage["iterations_by_model"].as_object().filter(|m| m.values().any(|m| m.get(key).is_some()))
    {
        return Some(models.values().filter_map(|model| model[key].as_u64()).sum());
    }
    let count = usage[key].as_u64()?;
    let apart = key == "output_total" && usage["reasoning_outside_output"] == true;
    Some(if apart { count + usage["reasoning"].as_u64()? } else { count })
}
