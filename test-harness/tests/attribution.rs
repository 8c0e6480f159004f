//! Attribution in one real Envoy with two workers, under 64 connections: the access log, the live view and the stats tell the same, and
//! what clients invent bounds nothing but themselves.
//!
//! `ENVOY` is the path of an Envoy and `TOLLGATE_WASM` that of the plugin; `cargo xtask test` sets both.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{call, check_ids, envoy, full_size, pico, records, resident_kib};
use tollgate_test_harness::client;
use tollgate_test_harness::envoy::Envoy;
use tollgate_test_harness::http::{Headers, Request};
use tollgate_test_harness::load::{Call, Load};
use tollgate_test_harness::stats::Series;

/// Its digest is the SHA-256 of `secret`.
const DIGEST: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
const MAX_SERIES: u64 = 500;
const WORKERS: u64 = 2;

fn plugin() -> Value {
    json!({
        "tags": {
            "team": {"from": [{"header": "x-team"}]},
            "feature": {"from": [{"header": "x-feature"}], "required": "deny"},
            "customer": {"from": [{"header": "x-customer"}]},
        },
        // An odd discount, so that costs have fractions of a nano-USD that counters must carry.
        "pricing": {"adjustments": [{"percent": "-12.34567"}]},
        "emit": {
            "views": [["provider", "model", "operation"], ["team"], ["feature"], ["customer"], ["team", "feature"]],
            "max_series": MAX_SERIES,
        },
        "admin": {"token_sha256": DIGEST},
    })
}

/// One call in 40 lacks the feature and is refused, one in 20 lacks the team, and 10,000 customers take turns.
fn attributed(number: u64) -> Call {
    let answer = match number % 40 {
        5 => "error",
        n if n % 3 == 0 => "stream",
        _ => "",
    };
    let mut call = call(answer, &format!("t{}", number % 7));
    call.headers.push(("x-customer", format!("customer-{}", number % 10_000)));
    if number % 40 != 7 {
        call.headers.push(("x-feature", format!("f{}", number % 11)));
    }
    if number % 20 == 9 {
        call.headers.retain(|(name, _)| *name != "x-team");
    }
    call
}

/// Calls, refused calls, input and output tokens, pico-USD.
type Sums = [i128; 5];

fn add(to: &mut Sums, more: Sums) {
    to.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

fn count(value: &Value) -> i128 {
    value.as_f64().map_or(0, |count| count as i128)
}

fn of_record(record: &Value) -> Sums {
    let denied = record["tollgate.decision.action"] == "deny";
    let tokens = |kind: &str| count(&record[format!("gen_ai.usage.{kind}_tokens")]);
    let cost = record["tollgate.cost.usd"].as_str().map_or(0, pico);
    [1, denied.into(), tokens("input"), tokens("output"), cost]
}

fn of_row(row: &Value) -> Sums {
    let cost = pico(row["cost_usd"].as_str().unwrap());
    [
        count(&row["calls"]),
        count(&row["denied"]),
        count(&row["input_tokens"]),
        count(&row["output_tokens"]),
        cost,
    ]
}

/// The records' sums by the values of some dimensions.
fn logged(records: &[Value], by: &[&str]) -> BTreeMap<Vec<String>, Sums> {
    let mut groups = BTreeMap::new();
    for record in records {
        let value = |name: &&str| match *name {
            "provider" => record["gen_ai.provider.name"].as_str().unwrap_or("-").to_owned(),
            // The model that answered, else the one asked for; the body of a refused call was read by nobody.
            "model" => ["gen_ai.response.model", "gen_ai.request.model"]
                .iter()
                .find_map(|key| record[*key].as_str())
                .unwrap_or("__unknown__")
                .to_owned(),
            tag => record["tollgate.tags"][tag].as_str().unwrap().to_owned(),
        };
        add(groups.entry(by.iter().map(value).collect()).or_default(), of_record(record));
    }
    groups
}

fn usage(envoy: &Envoy, query: &str) -> Value {
    let headers = Headers::from_iter([("authorization", "Bearer secret")]);
    let path = format!("/.tollgate/usage?{query}");
    let request = Request { method: "GET".to_owned(), path, headers, ..Request::default() };
    let response = client::call(envoy.address(), &request).unwrap();
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    serde_json::from_slice(&response.body).unwrap()
}

/// The live view once every worker has brought its calls into it, which takes a second.
fn settled_usage(envoy: &Envoy, query: &str, calls: u64) -> Value {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let usage = usage(envoy, query);
        let seen = count(&usage["current"]["total"]["calls"]) + count(&usage["previous"]["total"]["calls"]);
        if seen == i128::from(calls) || Instant::now() > until {
            return usage;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Rows of both windows: a test may run past the full hour.
fn rows(usage: &Value, by: &[&str]) -> BTreeMap<Vec<String>, Sums> {
    let mut groups = BTreeMap::new();
    for part in ["current", "previous"] {
        for row in usage[part]["rows"].as_array().unwrap() {
            let labels = by.iter().map(|name| row["labels"][name].as_str().unwrap().to_owned()).collect();
            add(groups.entry(labels).or_default(), of_row(row));
        }
    }
    groups
}

fn total(groups: &BTreeMap<Vec<String>, Sums>) -> Sums {
    groups.values().fold(Sums::default(), |mut total, sums| {
        add(&mut total, *sums);
        total
    })
}

fn in_view<'a>(series: &'a [Series], metric: &'a str, view: &'a str) -> impl Iterator<Item = &'a Series> {
    let of = move |s: &&Series| s.name == metric && s.labels.get("view").is_some_and(|name| name == view);
    series.iter().filter(of)
}

/// Stats come with Envoy's next flush.
fn settled_series(envoy: &Envoy, calls: u64) -> Vec<Series> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let series = envoy.prometheus().unwrap();
        let counted: f64 = in_view(&series, "tollgate_requests", "team").map(|s| s.value).sum();
        if counted as u64 == calls || Instant::now() > until {
            return series;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_log_the_live_view_and_the_stats_tell_the_same_under_load() {
    let Some((envoy, _llm)) = envoy(&plugin()) else { return };
    let calls = full_size(20_000);
    let load = |calls| Load { to: vec![envoy.address()], connections: 64, calls };
    let begun = Instant::now();
    let mut tally = load(calls / 2).run(attributed);
    let half = resident_kib(envoy.pid());
    tally.add(&load(calls / 2).run(|number| attributed(number + calls / 2)));
    let grown = resident_kib(envoy.pid()).saturating_sub(half);
    println!("{calls} calls in {:?}; the second half grew Envoy by {grown} KiB", begun.elapsed());
    assert_eq!((tally.of(400), tally.of(500), tally.cut), (calls / 40, calls / 40, 0), "{tally:?}");

    let records = records(&envoy, calls);
    assert_eq!(records.len() as u64, calls);
    check_ids(&records);
    check_live_view(&envoy, &records);
    check_stats(&envoy, &records);
    assert!(grown < 48 * 1024, "the second half, with no new value in it, grew Envoy by {grown} KiB");
}

fn check_live_view(envoy: &Envoy, records: &[Value]) {
    let calls = records.len() as u64;
    for by in [&["team"][..], &["feature"], &["provider"], &["model"], &["team", "feature"]] {
        let usage = settled_usage(envoy, &format!("by={}&window=day&top=1000", by.join(",")), calls);
        assert_eq!(rows(&usage, by), logged(records, by), "{by:?}");
    }
    let usage = settled_usage(envoy, "by=customer&top=1000", calls);
    let (mut shown, all) = (rows(&usage, &["customer"]), logged(records, &["customer"]));
    let rest = ["current", "previous"].map(|part| of_row(&usage[part]["rest"]));
    rest.into_iter().for_each(|rest| add(shown.entry(Vec::new()).or_default(), rest));
    assert_eq!(total(&shown), total(&all), "10,000 customers: the sum is exact");
    let named = shown.iter().filter(|(customer, _)| all.contains_key(*customer));
    let (wrong, right): (Vec<_>, Vec<_>) = named.partition(|(customer, sums)| **sums != all[*customer]);
    assert!(wrong.is_empty() && right.len() > 200, "{} right, wrong: {wrong:?}", right.len());
}

/// CONTRACT: a counter differs from the log's sum by less than 1 nano-USD per series and worker.
fn check_stats(envoy: &Envoy, records: &[Value]) {
    let series = settled_series(envoy, records.len() as u64);
    let sums = total(&logged(records, &["team"]));
    for view in ["provider_model_operation", "team", "feature", "customer", "team_feature"] {
        let sum = |metric| in_view(&series, metric, view).map(|s| s.value as i128).sum::<i128>();
        let count = in_view(&series, "tollgate_cost_nanousd", view).count();
        assert_eq!(sum("tollgate_requests"), sums[0], "{view}");
        assert_eq!(sum("tollgate_tokens"), sums[2] + sums[3], "{view}");
        let short = sums[4] - sum("tollgate_cost_nanousd") * 1000;
        let bound = 1000 * count as i128 * i128::from(WORKERS);
        assert!((0..bound).contains(&short), "{view}: {short} pico-USD short, at most {bound}");
        assert!(count as u64 <= MAX_SERIES + 1, "{view}: {count} series");
    }
    let teams = logged(records, &["team"]);
    for one in in_view(&series, "tollgate_cost_nanousd", "team") {
        let short = teams[&vec![one.labels["team"].clone()]][4] - one.value as i128 * 1000;
        assert!((0..2000).contains(&short), "{one}: {short} pico-USD short");
    }
    // Two workers that see a new value at once take a place each, and refused calls have no cost.
    let customers = in_view(&series, "tollgate_cost_nanousd", "customer").count() as u64;
    assert!(customers > MAX_SERIES * 8 / 10, "of 10,000 customers only {customers} have series");
}

/// Values that somebody might send to break out of a label, a log line or a page.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("another label", b"a;team=b;kind=output".to_vec()),
        ("quotes and braces", br#"a"} 1 tollgate_requests{team="x"#.to_vec()),
        ("escapes", br#"a\nb\"c\\"#.to_vec()),
        ("equals", b"=a==b=".to_vec()),
        ("a script", b"<script>alert(1)</script>".to_vec()),
        ("a tab", b"a\tb".to_vec()),
        ("control characters", b"a\x01\x02\x7fb".to_vec()),
        ("a line break", b"a\nx-other: b".to_vec()),
        ("a zero", b"a\0b".to_vec()),
        ("not UTF-8", b"\xff\xfe\xc3".to_vec()),
        ("a cut character", b"abc\xe2\x82".to_vec()),
        ("no ASCII", "日本語".repeat(60).into_bytes()),
        ("right to left", "a\u{202e}b".as_bytes().to_vec()),
        ("our own words", b"__other__".to_vec()),
        ("no value", b"untagged".to_vec()),
        ("only spaces", b"   ".to_vec()),
        ("a trailing dot", b"v1.".to_vec()),
        ("50,000 bytes", vec![b'x'; 50_000]),
        ("65,536 bytes", vec![b'y'; 65_536]),
        ("percent and slash", b"a/b%2Fc%".to_vec()),
        ("the joint of our keys", b"a\x1fb".to_vec()),
    ]
}

#[test]
fn no_value_of_a_header_breaks_out_of_its_label_its_field_or_its_row() {
    let Some((mut envoy, _llm)) = envoy(&plugin()) else { return };
    let (mut expected, mut refused) = (BTreeMap::<String, i128>::new(), Vec::new());
    for (name, value) in hostile() {
        for repeats in [1, 2] {
            let mut headers = Headers::from_iter([("x-feature", "f"), ("content-type", "application/json")]);
            (0..repeats).for_each(|_| headers.push("x-team", value.clone()));
            let template = call("", "");
            let request = Request {
                path: template.path.to_owned(),
                headers,
                body: template.body,
                ..Request::default()
            };
            let response = client::call(envoy.address(), &request).unwrap();
            let line = envoy.next_log_line().unwrap();
            let record = &line["tollgate"]["value"];
            match (response.status, record["tollgate.tags"]["team"].as_str()) {
                (200, Some(team)) => {
                    assert!(team.len() <= 256 && !team.contains(char::is_control), "{name}: {team:?}");
                    *expected.entry(team.to_owned()).or_default() += 1;
                }
                // Envoy itself refuses what is no header.
                (400 | 431, None) => refused.push(name),
                other => panic!("{name}: {other:?}, {line}"),
            }
        }
    }
    println!("Envoy refused {refused:?}");
    let calls: i128 = expected.values().sum();
    assert!(calls >= 28, "{expected:?}");
    let usage = settled_usage(&envoy, "by=team&top=1000", calls as u64);
    let shown = rows(&usage, &["team"]).into_iter().map(|(team, sums)| (team.concat(), sums[0]));
    assert_eq!(shown.collect::<BTreeMap<_, _>>(), expected);
    check_labels(&settled_series(&envoy, calls as u64), calls);
}

fn check_labels(series: &[Series], calls: i128) {
    let ours = series.iter().filter(|s| s.name.starts_with("tollgate_requests"));
    let names: BTreeSet<&str> = ours.flat_map(|s| s.labels.keys().map(String::as_str)).collect();
    let known =
        ["view", "provider", "model", "operation", "team", "feature", "customer", "decision", "usage_source"];
    assert!(names.iter().all(|name| known.contains(name) || name.starts_with("envoy_")), "{names:?}");
    for view in ["team", "feature", "customer", "team_feature", "provider_model_operation"] {
        let counted: f64 = in_view(series, "tollgate_requests", view).map(|s| s.value).sum();
        assert_eq!(counted as i128, calls, "{view}");
    }
}
