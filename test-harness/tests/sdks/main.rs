//! What users of the openai and anthropic Python SDKs see of Tollgate in a real Envoy: each refusal as the error that their SDK has for it,
//! calls that are let through as ever, streams that are cut as an error that ends them; and how often an SDK comes back by itself.
//!
//! `ENVOY` and `TOLLGATE_WASM` are paths, `TOLLGATE_SDKS` is a folder for `PYTHONPATH`; `cargo xtask test` sets them.

mod llm;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use llm::{CLAUDE, ENDLESS, GPT, answer};
use serde_json::{Value, json};
use support::{Given, given};
use tollgate_test_harness::envoy::Envoy;
use tollgate_test_harness::http::{Seen, Version};
use tollgate_test_harness::upstream::Upstream;

/// A refusal, by the team that gets it.
struct Refused {
    team: &'static str,
    model: &'static str,
    status: u16,
    /// A class that the error has in both SDKs.
    error: &'static str,
    /// The `code` of OpenAI's errors.
    code: &'static str,
    /// The `type` of Anthropic's.
    kind: &'static str,
    /// How often the SDK asks, left to itself.
    asks: u64,
}

/// What the SDKs do without being told: one try and two more.
const PERSISTENT: u64 = 3;

const fn refused(team: &'static str, status: u16, error: &'static str, code: &'static str) -> Refused {
    let kind = match status {
        400 => "invalid_request_error",
        403 => "permission_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        _ => "api_error",
    };
    Refused { team, model: "", status, error, code, kind, asks: 1 }
}

const REFUSALS: [Refused; 11] = [
    refused("spent", 429, "RateLimitError", "insufficient_quota"),
    Refused { asks: PERSISTENT, ..refused("soon", 429, "RateLimitError", "rate_limit_exceeded") },
    Refused { asks: PERSISTENT, ..refused("paced", 429, "RateLimitError", "rate_limit_exceeded") },
    Refused { asks: PERSISTENT, ..refused("shared", 503, "InternalServerError", "budget_unavailable") },
    refused("", 400, "BadRequestError", "missing_required_tag"),
    refused("nobody", 400, "BadRequestError", "missing_required_tag"),
    Refused { model: "house-9", ..refused("fine", 400, "BadRequestError", "unknown_model") },
    refused("dear", 400, "BadRequestError", "request_too_expensive"),
    refused("support", 403, "PermissionDeniedError", "model_not_allowed"),
    refused("stray", 403, "PermissionDeniedError", "no_budget"),
    refused("bulky", 413, "APIStatusError", "request_too_large"),
];

fn plugin() -> Value {
    let teams =
        ["spent", "soon", "paced", "shared", "fine", "dear", "support", "stray", "bulky", "busy-*", "cut-*"];
    let of = |name: &str, limit: Value, window: &str| json!({"name": name, "when": {"team": name}, "limit": limit, "window": window});
    let with = |mut quota: Value, more: Value| {
        let more = more.as_object().cloned().unwrap_or_default();
        quota.as_object_mut().unwrap().extend(more);
        quota
    };
    json!({
        "tags": {"team": {"from": [{"header": "x-team"}], "required": "deny", "allow": teams}},
        "pricing": {"unknown_model": "deny"},
        "routes": [{"when": {"team": "support"}, "allow": "some-other-model"}],
        "limits": [
            {"when": {"team": "dear"}, "max_request_usd": "0.000001"},
            {"when": {"team": "bulky"}, "max_request_usd": "1", "max_body_bytes": 1000, "on_large_body": "deny"},
        ],
        "unbudgeted": "deny",
        "stores": {"away": {"cluster": "store", "protocol": "webdis", "timeout_ms": 500, "on_failure": "deny"}},
        "quotas": [
            of("spent", json!({"requests": 0}), "year"),
            of("soon", json!({"requests": 0}), "1s"),
            with(of("paced", json!({"requests": 1}), "1s"), json!({"steps": [{"at": 1, "do": "throttle"}]})),
            with(of("shared", json!({"requests": 1000}), "year"), json!({"store": "away"})),
            of("fine", json!({"usd": "100"}), "year"),
            {"name": "others", "when": {"team": ["dear", "support", "bulky"]}, "limit": {"usd": "100"}, "window": "year"},
            {"name": "busy", "per": ["team"], "when": {"team": "busy-*"}, "limit": {"in_flight": 1}},
            {"name": "cut", "per": ["team"], "when": {"team": "cut-*"}, "limit": {"output_tokens": 30}, "window": "year",
             "mid_stream": "cut", "reserve": {"output": 5}},
        ],
    })
}

/// What a case gives the SDK, `more` besides what all have.
fn case(name: &str, way: &str, team: &str, more: Value) -> Value {
    let model = if way == "claude" { CLAUDE } else { GPT };
    let mut case = json!({"name": name, "way": way, "team": team, "model": model});
    case.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    case
}

const WAYS: [&str; 3] = ["chat", "responses", "claude"];

/// Every refusal in every way, whole and streamed where it takes no waiting.
fn refusals() -> Vec<(Value, &'static Refused)> {
    let mut cases = Vec::new();
    for (way, refusal) in WAYS.iter().flat_map(|way| REFUSALS.iter().map(move |refusal| (way, refusal))) {
        for stream in [false, true] {
            if refusal.asks > 1 && (stream || *way == "responses") {
                continue;
            }
            let name = format!("{}-{}-{way}-{stream}", refusal.status, refusal.team);
            let text = if refusal.team == "bulky" { "word ".repeat(500) } else { "Hello".to_owned() };
            let mut case = case(&name, way, refusal.team, json!({"stream": stream, "text": text}));
            if !refusal.model.is_empty() {
                case["model"] = json!(refusal.model);
            }
            cases.push((case, refusal));
        }
    }
    cases
}

/// Calls that nothing is to be seen of.
fn passing() -> Vec<Value> {
    let ways = WAYS.iter().flat_map(|way| [false, true].map(|stream| (way, stream)));
    let name = |way, stream| format!("fine-{way}-{stream}");
    let mut cases: Vec<Value> =
        ways.map(|(way, stream)| case(&name(way, stream), way, "fine", json!({"stream": stream}))).collect();
    cases.push(case("fine-chat-usage", "chat", "fine", json!({"stream": true, "usage": true})));
    cases
}

/// While another call of the same team is open: a call that gives up, and one that does as its SDK thinks best.
fn busy() -> Vec<Value> {
    let all = BUSY_WAYS.map(|way| {
        let team = format!("busy-{way}");
        let impatient = case(&format!("impatient-{way}"), way, &team, json!({"retries": 0}));
        [impatient, case(&format!("patient-{way}"), way, &team, json!({"retries": 9}))]
    });
    all.into_iter().flatten().collect()
}

const BUSY_WAYS: [&str; 2] = ["chat", "claude"];

/// Calls that stay open for as long as these connections.
fn occupy(envoy: &Envoy, llm: &Upstream) -> Vec<TcpStream> {
    let open = BUSY_WAYS.map(|way| send_raw(envoy.address(), &format!("busy-{way}"), "never"));
    let (mut there, until) = (0, Instant::now() + Duration::from_secs(10));
    while there < open.len() && Instant::now() < until {
        there += llm.take_seen().len();
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(there, open.len(), "the calls that occupy their quotas did not arrive");
    open.into()
}

/// Ends them once each of the others was refused.
fn make_room(open: Vec<TcpStream>, envoy: &Envoy) {
    let until = Instant::now() + Duration::from_secs(60);
    let all_came = || {
        let asked = asked_so_far(envoy);
        busy().iter().all(|case| asked.contains_key(case["name"].as_str().unwrap()))
    };
    while !all_came() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(open);
}

/// Streams that pass what is left; the client goes on to use its connections.
fn cuts() -> Vec<Value> {
    let cut = |way: &&str| {
        let more = json!({"stream": true, "text": "endless", "max_tokens": 4000, "then": "fine"});
        case(&format!("cut-{way}"), way, &format!("cut-{way}"), more)
    };
    WAYS.iter().map(cut).collect()
}

/// What came of each case, and when it was told.
type Outcomes = BTreeMap<String, (Value, Instant)>;

fn run_sdks(packages: &Path, envoy: &Envoy, cases: &[Value]) -> Outcomes {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdks/calls.py");
    let mut child = Command::new("python3")
        .arg(script)
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // A proxy of the machine is none for this one.
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let given = json!({"base": format!("http://{}", envoy.address()), "cases": cases});
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let outcomes = lines.map(|line| {
        let outcome: Value = serde_json::from_str(&line.unwrap()).unwrap();
        (outcome["name"].as_str().unwrap().to_owned(), (outcome, Instant::now()))
    });
    let outcomes = outcomes.collect();
    assert!(child.wait().unwrap().success(), "tests/sdks/calls.py failed, see above");
    outcomes
}

/// How many requests of each case came to Envoy: the access log has their query.
fn asked_so_far(envoy: &Envoy) -> BTreeMap<String, u64> {
    let log = std::fs::read_to_string(envoy.access_log()).unwrap_or_default();
    let mut asked = BTreeMap::new();
    for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let path = line["path"].as_str().unwrap_or_default();
        let name = path.split_once("case=").map_or("", |(_, name)| name);
        *asked.entry(name.to_owned()).or_default() += 1;
    }
    asked
}

/// The same, once every case is there and Envoy writes no more.
fn asked(envoy: &Envoy, cases: &[Value]) -> BTreeMap<String, u64> {
    let (mut before, until) = (BTreeMap::new(), Instant::now() + Duration::from_secs(20));
    loop {
        let asked = asked_so_far(envoy);
        let all = cases.iter().all(|case| asked.contains_key(case["name"].as_str().unwrap()));
        if all && asked == before || Instant::now() > until {
            return asked;
        }
        before = asked;
        std::thread::sleep(Duration::from_millis(250));
    }
}

#[test]
fn users_of_sdks_see_their_own_errors_and_come_back_only_where_it_helps() {
    let Some(packages) = given("TOLLGATE_SDKS") else { return };
    let Some((envoy, llm)) = start(Version::Http1) else { return };
    let refusals = refusals();
    let cases: Vec<Value> = refusals.iter().map(|(case, _)| case.clone()).collect();
    let cases = [cases, passing(), busy(), cuts()].concat();
    let open = occupy(&envoy, &llm);
    let lateness = Lateness::watch();
    let outcomes = std::thread::scope(|scope| {
        scope.spawn(|| make_room(open, &envoy));
        run_sdks(&packages, &envoy, &cases)
    });
    assert_eq!(outcomes.len(), cases.len() + cuts().len());
    let asked = asked(&envoy, &cases);
    for (case, refusal) in &refusals {
        check_refusal(case, refusal, &outcomes, &asked);
    }
    for case in passing() {
        check_passing(&case, &outcomes, &asked);
    }
    check_busy(&outcomes, &asked);
    check_cuts(&outcomes, &asked, &llm.take_answered(Duration::from_secs(2)), lateness.margin());
    println!("{} cases, {} requests", cases.len(), asked.values().sum::<u64>());
}

fn start(upstream: Version) -> Option<(Envoy, Upstream)> {
    let wasm = given("TOLLGATE_WASM")?;
    let llm = Upstream::start(answer).unwrap();
    let given = Given {
        config: "quickstart/envoy.yaml",
        wasm,
        plugin: plugin(),
        upstream: llm.address(),
        store: Some(("store", nowhere())),
    };
    Some((given.start_with(upstream, &[])?, llm))
}

/// An address at which nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

fn has_class(outcome: &Value, class: &str) -> bool {
    outcome["error"].as_array().into_iter().flatten().any(|name| name == class)
}

fn check_refusal(case: &Value, refusal: &Refused, outcomes: &Outcomes, asked: &BTreeMap<String, u64>) {
    let name = case["name"].as_str().unwrap();
    let (outcome, _) = &outcomes[name];
    assert!(has_class(outcome, refusal.error), "{name}: {outcome}");
    assert_eq!(outcome["status"], refusal.status, "{name}: {outcome}");
    let body = &outcome["body"];
    match case["way"].as_str() {
        Some("claude") => assert_eq!(body["type"], refusal.kind, "{name}: {outcome}"),
        _ => assert_eq!(body["code"], refusal.code, "{name}: {outcome}"),
    }
    assert!(body["message"].as_str().is_some_and(|text| text.len() > 20), "{name}: {outcome}");
    assert_eq!(asked.get(name), Some(&refusal.asks), "{name}: how often the SDK asked");
    // Anthropic's SDK sleeps as long as `retry-after` says, be it months.
    assert!(outcome["seconds"].as_f64().unwrap() < 30.0, "{name}: {outcome}");
}

fn check_passing(case: &Value, outcomes: &Outcomes, asked: &BTreeMap<String, u64>) {
    let name = case["name"].as_str().unwrap();
    let (outcome, _) = &outcomes[name];
    assert_eq!(
        (&outcome["error"], &outcome["text"]),
        (&json!([]), &json!("some words")),
        "{name}: {outcome}"
    );
    let usage_shows = case["way"] != "chat" || case["stream"] == false || case["usage"] == true;
    let usage = if usage_shows { json!(2) } else { Value::Null };
    assert_eq!(outcome["usage"], usage, "{name}: {outcome}");
    assert_eq!(asked.get(name), Some(&1), "{name}");
}

fn check_busy(outcomes: &Outcomes, asked: &BTreeMap<String, u64>) {
    for way in BUSY_WAYS {
        let of = |what: &str| (&outcomes[&format!("{what}-{way}")].0, asked[&format!("{what}-{way}")]);
        let (impatient, asks) = of("impatient");
        assert!(has_class(impatient, "RateLimitError") && asks == 1, "{impatient}");
        let kind = if way == "claude" { &impatient["body"]["type"] } else { &impatient["body"]["code"] };
        assert!(["rate_limit_error", "rate_limit_exceeded"].iter().any(|known| kind == known), "{impatient}");
        let (patient, asks) = of("patient");
        assert_eq!(patient["error"], json!([]), "{patient}");
        assert!(asks > 1, "it was to be refused first: {patient}");
    }
}

/// The stream ends with an error of the SDK that is none of the connection, the connections go on, and the upstream stops at once, since
/// the SDKs hang up.
fn check_cuts(outcomes: &Outcomes, asked: &BTreeMap<String, u64>, seen: &[Seen], margin: Duration) {
    for way in WAYS {
        let name = format!("cut-{way}");
        let (outcome, told) = &outcomes[&name];
        assert!(has_class(outcome, "APIError") && !has_class(outcome, "APIConnectionError"), "{outcome}");
        assert!(outcome["message"].as_str().unwrap().contains("the quota `cut` is used up"), "{outcome}");
        let text = outcome["text"].as_str().unwrap();
        assert!(text.len() > 100 && text.len() < 1000 && ENDLESS.repeat(300).starts_with(text), "{outcome}");
        assert_eq!(asked[&name], 1, "{outcome}");
        let (then, _) = &outcomes[&format!("{name}, then")];
        assert_eq!(then["text"], "some words", "{then}");
        let sent = seen.iter().find(|seen| seen.path.ends_with(&format!("case={name}"))).unwrap();
        let (_, stopped) = sent.answered.unwrap();
        let late = stopped.saturating_duration_since(*told);
        println!("{name}: {} characters, the upstream stopped {late:?} later", text.len());
        assert!(
            late < STOPS_WITHIN + margin,
            "{name}: the upstream went on for {late:?}, {margin:?} are for a busy machine"
        );
    }
}

/// A second, a tick of 250 ms, and what the stand-in waits between two events: it notices at the second one that nobody takes it.
const STOPS_WITHIN: Duration = Duration::from_millis(1000 + 250 + 2 * 50);

/// How late threads of this machine wake up: the greatest of what was seen while something else was measured.
struct Lateness {
    done: Arc<AtomicBool>,
    watch: JoinHandle<Duration>,
}

impl Lateness {
    fn watch() -> Self {
        const NAP: Duration = Duration::from_millis(5);
        let done = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&done);
        let watch = std::thread::spawn(move || {
            let mut most = Duration::ZERO;
            while !ends.load(Ordering::Relaxed) {
                let begun = Instant::now();
                std::thread::sleep(NAP);
                most = most.max(begun.elapsed().saturating_sub(NAP));
            }
            most
        });
        Self { done, watch }
    }

    /// What is added to a bound: the client, two threads of the proxy and the upstream may each wake up so late.
    fn margin(self) -> Duration {
        self.done.store(true, Ordering::Relaxed);
        self.watch.join().unwrap() * 4
    }
}

/// A client that does not hang up when its stream ends with an error: the upstream is stopped all the same.
#[test]
fn the_upstream_of_a_cut_stream_stops_within_a_second_and_a_tick() {
    for upstream in [Version::Http1, Version::Http2] {
        let Some((envoy, llm)) = start(upstream) else { return };
        let lateness = Lateness::watch();
        let told = read_on_after_the_error(envoy.address());
        let seen = llm.take_answered(Duration::from_secs(5));
        let margin = lateness.margin();
        let (_, stopped) = seen.first().and_then(|seen| seen.answered).expect("the upstream still sends");
        let late = stopped.saturating_duration_since(told);
        println!(
            "{upstream:?}: the upstream stopped {late:?} after the client was told; allowed are {STOPS_WITHIN:?}, and {margin:?} since the machine is that busy"
        );
        assert!(late < STOPS_WITHIN + margin, "{upstream:?}: {late:?}");
    }
}

/// When the error came.
fn read_on_after_the_error(envoy: SocketAddr) -> Instant {
    let mut stream = send_raw(envoy, "cut-raw", "endless");
    let (mut read, mut buffer, mut told) = (Vec::new(), [0; 4096], None);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(some) => read.extend_from_slice(&buffer[..some]),
        }
        if told.is_none() && read.windows(12).any(|window| window == b"event: error") {
            told = Some(Instant::now());
        }
    }
    told.unwrap_or_else(|| panic!("no error came: {}", String::from_utf8_lossy(&read)))
}

/// A streaming call without an SDK.
fn send_raw(envoy: SocketAddr, team: &str, text: &str) -> TcpStream {
    let body =
        json!({"model": GPT, "stream": true, "messages": [{"role": "user", "content": text}]}).to_string();
    let mut stream = TcpStream::connect(envoy).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: llm.test\r\ncontent-type: application/json";
    let request = format!("{head}\r\nx-team: {team}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).unwrap();
    stream
}
