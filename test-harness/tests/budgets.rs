//! Budgets in one real Envoy with two workers, under 64 connections: never more than the limit, and a ledger that is the sum of the
//! access log.
//!
//! `ENVOY` is the path of an Envoy, `TOLLGATE_WASM` that of the plugin and `TOLLGATE_TRAP_WASM` that of one that traps when asked to;
//! `cargo xtask test` sets them.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Given, Ids, Sum, call, each_record, envoy, full_size, given, llm, records, team, usd};
use tollgate_test_harness::envoy::config::Plugin;
use tollgate_test_harness::envoy::{Envoy, Reload};
use tollgate_test_harness::load::{Call, Load, Tally};
use tollgate_test_harness::stats::{self, Series};

const CONNECTIONS: usize = 64;

fn load(envoy: &Envoy, calls: u64) -> Load {
    Load { to: vec![envoy.address()], connections: CONNECTIONS, calls }
}

fn with_quotas(quotas: Value) -> Value {
    json!({"tags": {"team": {"from": [{"header": "x-team"}]}}, "quotas": quotas})
}

#[test]
fn a_limit_of_calls_admits_exactly_that_many() {
    let quotas = json!([{"name": "calls", "per": [], "limit": {"requests": 400}, "window": "year"}]);
    let Some((envoy, _llm)) = envoy(&with_quotas(quotas)) else { return };
    let tally = load(&envoy, 1200).run(|_| call("", "t0"));
    assert_eq!((tally.of(200), tally.of(429), tally.cut), (400, 800, 0), "{tally:?}");
}

/// What a candidate would have admitted is exact over both workers, too, and it refuses nobody.
#[test]
fn a_candidate_would_have_admitted_exactly_what_its_limit_allows() {
    let quotas = json!([{"name": "calls", "per": [], "limit": {"requests": 400}, "window": "year"}]);
    let candidate = json!({"candidate": {"quotas": quotas}});
    let Some((envoy, _llm)) = envoy(&candidate) else { return };
    let tally = load(&envoy, 1200).run(|_| call("", "t0"));
    assert_eq!((tally.of(200), tally.cut), (1200, 0), "{tally:?}");
    let records = records(&envoy, 1200);
    let refused: Vec<_> =
        records.into_iter().filter(|record| record["tollgate.candidate.action"] == "deny").collect();
    let saved = Sum::of(&refused).pico;
    assert_eq!((refused.len(), saved), (800, 800 * COST_PICO));
    let name = "tollgate_candidate_requests;action=deny;decision=allow";
    // Each worker tells by its own tick; what is counted too often comes with the next one.
    let until = Instant::now() + Duration::from_secs(15);
    let counted = || envoy.stat(&format!("wasmcustom.{name}")).unwrap_or(0);
    while counted() < 800 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(counted(), 800);
}

/// Contention may refuse a call that would have fitted; what it had put aside is given back, so that calls that come later get all.
#[test]
fn several_quotas_at_once_never_admit_more_and_lose_no_place() {
    let quotas = json!([
        {"name": "all", "per": [], "limit": {"requests": 300}, "window": "year"},
        {"name": "by-team", "per": ["team"], "limit": {"requests": 90}, "window": "year"},
        {"name": "t0", "per": [], "when": {"team": "t0"}, "limit": {"requests": 20}, "window": "year"},
    ]);
    let Some((envoy, _llm)) = envoy(&with_quotas(quotas)) else { return };
    let tally = load(&envoy, 1000).run(|number| call("", &team(number)));
    let under_load = tally.of(200);
    assert!(under_load <= 300 && tally.of(200) + tally.of(429) == 1000, "{tally:?}");
    let mut one_by_one = Load { connections: 1, ..load(&envoy, 600) };
    one_by_one.calls = 600;
    let after = one_by_one.run(|number| call("", &team(number)));
    let admitted = records(&envoy, 1600).into_iter().filter(|r| r["tollgate.decision.action"] != "deny");
    let of_t0 = admitted.filter(|record| record["tollgate.tags"]["team"] == "t0").count();
    assert_eq!((under_load + after.of(200), of_t0), (300, 20), "{under_load} under load");
    let transient = envoy.stat("wasmcustom.tollgate_quota_refused_while_reserved;quota=all").unwrap_or(0);
    println!(
        "{} of 300 were refused under load for contention alone; {transient} refusals while others' places were put aside",
        300 - under_load
    );
}

/// A call of the stand-in costs 3.3 micro-USD.
const COST_PICO: i128 = 3_300_000;

/// Under `requested` all that a call can cost is put aside, so a budget is passed by nothing; `typical` puts aside what is usual, which
/// here is what every call costs.
#[test]
fn a_budget_in_money_is_never_passed() {
    for reserve in ["requested", "typical"] {
        let limit = COST_PICO * 500;
        let quota = json!({"name": "money", "per": [], "limit": {"usd": usd(limit)}, "window": "year", "reserve": {"output": reserve}});
        let Some((envoy, _llm)) = envoy(&with_quotas(json!([quota]))) else { return };
        let tally = load(&envoy, 1500).run(|_| call("", "t0"));
        let spent = Sum::of(&records(&envoy, 1500)).pico;
        assert!(
            limit / 2 < spent && spent <= limit && tally.of(429) > 0,
            "{reserve}: {spent} of {limit}: {tally:?}"
        );
        println!("under `{reserve}` a budget of {limit} pico-USD ended at {spent}");
    }
}

/// The ledger's counters are found out by limits: a limit that is reached refuses, one that is a single unit higher admits.
fn check_ledger(sum: &Sum, counters: &[&str], mut verdict: impl FnMut(Value) -> u16) {
    let limits = [
        ("calls", json!({"requests": sum.calls}), json!({"requests": sum.calls + 1})),
        ("money", json!({"usd": usd(sum.pico)}), json!({"usd": usd(sum.pico + 1)})),
    ];
    for (name, reached, one_more) in limits.into_iter().filter(|(name, ..)| counters.contains(name)) {
        let quota = |limit: Value| json!([{"name": name, "per": [], "limit": limit, "window": "year"}]);
        assert_eq!(verdict(quota(reached)), 429, "{name}: the ledger has less than the log's {sum:?}");
        assert_eq!(verdict(quota(one_more)), 404, "{name}: the ledger has more than the log's {sum:?}");
    }
}

/// Gauges are set every two seconds, and reach a reader with Envoy's next flush.
fn check_used(envoy: &Envoy, gauge: &Series, expected: i128) {
    let until = Instant::now() + Duration::from_secs(15);
    let used = || stats::sum(&envoy.prometheus().unwrap(), gauge) as i128;
    while used() != expected && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(used(), expected, "{}", gauge.name);
}

/// A call that reserves one place and no money, since its model is free. Its upstream bills nothing.
fn probe() -> Call {
    let body = json!({"model": "probe", "max_tokens": 1, "messages": []});
    Call { body: body.to_string().into_bytes(), ..call("missing", "t0") }
}

fn free_probe(quotas: Value) -> Value {
    let mut plugin = with_quotas(quotas);
    plugin["pricing"] = json!({"overrides": [{"provider": "openai", "model": "probe", "free": true}]});
    plugin
}

fn one(envoy: &Envoy, call: &Call) -> u16 {
    let tally = Load { connections: 1, ..load(envoy, 1) }.run(|_| call.clone());
    tally.statuses.into_keys().next().unwrap_or(0)
}

fn three_quotas() -> Value {
    json!([
        {"name": "calls", "per": [], "limit": {"requests": 10_000_000}, "window": "year"},
        {"name": "output", "per": [], "limit": {"output_tokens": 10_000_000_000_u64}, "window": "year"},
        {"name": "money", "per": [], "limit": {"usd": "1000000"}, "window": "year"},
        {"name": "by-team", "per": ["team"], "limit": {"usd": "1000000"}, "window": "year"},
    ])
}

/// Whole answers, streams, streams that the upstream or the client cuts, errors.
fn mixed(number: u64) -> Call {
    let answer = match number % 40 {
        3 => "cut",
        5 | 25 => "error",
        n if n % 2 == 0 => "stream",
        _ => "",
    };
    let hang_up_after = (number % 40 == 2).then_some(60);
    Call { hang_up_after, ..call(answer, &team(number)) }
}

#[test]
fn the_ledger_is_the_sum_of_the_log_through_cuts_and_reloads() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    for config in ["quickstart/envoy.yaml", "quickstart/ecds.yaml"] {
        // Both together: 10,000 in `test`, 200,000 in `soak`.
        let (llm, calls) = (llm(), if full_size(1) > 1 { 100_000 } else { 5_000 });
        let plugin = free_probe(three_quotas());
        let given = Given { config, wasm: wasm.clone(), plugin, upstream: llm.address(), store: None };
        let Some(mut envoy) = given.start() else { return };
        let tally = load_while_reloading(&mut envoy, config, calls);
        let (mut sum, mut ids, mut logged) = (Sum::default(), Ids::default(), 0);
        each_record(&envoy, calls, |record| {
            sum.add(&record);
            ids.add(&record);
            logged += 1;
        });
        assert_eq!((logged, tally.of(0)), (calls, 0), "{config}: {tally:?}");
        ids.check();
        println!("{config}: the log of {logged} calls adds up to {sum:?}; now the ledger");
        check_ledger(&sum, &["calls", "money"], |quotas| {
            reload(&mut envoy, config, &free_probe(quotas));
            one(&envoy, &probe())
        });
    }
}

fn reload(envoy: &mut Envoy, config: &str, plugin: &Value) {
    let plugin = Plugin::Text(plugin.to_string());
    let verdict = match config {
        "quickstart/ecds.yaml" => envoy.reconfigure_extension("tollgate.yaml", plugin),
        _ => envoy.reconfigure(plugin),
    };
    assert_eq!(verdict.unwrap(), Reload::Accepted);
}

/// A listener's update moves it to another port, so the load follows in parts; the calls that are open go on on the old one.
fn load_while_reloading(envoy: &mut Envoy, config: &str, calls: u64) -> Tally {
    const PARTS: u64 = 4;
    let (mut all, mut reloads, begun) = (Tally::default(), 0, Instant::now());
    let progress = |number: u64| {
        if number > 0 && number.is_multiple_of(10_000) {
            println!("{config}: {number} of {calls} calls, {} s", begun.elapsed().as_secs());
        }
        mixed(number)
    };
    for part in 0..PARTS {
        let (load, done) = (load(envoy, calls / PARTS), AtomicBool::new(false));
        let tally = std::thread::scope(|scope| {
            let running = scope.spawn(|| {
                let tally = load.run(|number| progress(part * calls / PARTS + number));
                done.store(true, Ordering::Relaxed);
                tally
            });
            while !done.load(Ordering::Relaxed) {
                let mut plugin = free_probe(three_quotas());
                reloads += 1;
                // Envoy does not look at a file that says what it said before.
                plugin["emit"] = json!({"max_series": 1000 + reloads});
                reload(envoy, config, &plugin);
                if config == "quickstart/envoy.yaml" {
                    break;
                }
                std::thread::sleep(Duration::from_millis(300));
            }
            running.join().unwrap()
        });
        all.add(&tally);
    }
    println!("{config}: {reloads} reloads, {all:?}");
    all
}

/// Envoy makes a new VM at the first call after its back-off. How many probes passed until all of them did.
fn probe_until_all_are_back(envoy: &Envoy) -> u64 {
    let (mut passed, until) = (0, Instant::now() + Duration::from_secs(10));
    loop {
        let tally = load(envoy, CONNECTIONS as u64).run(|_| probe());
        passed += tally.of(404);
        if tally.of(404) == CONNECTIONS as u64 {
            return passed;
        }
        assert!(Instant::now() < until, "the worker did not come back: {tally:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The calls that a trap ends have no record and are not booked; their reservations stay until they expire. Every other call, those of the
/// worker's next VM included, is in the ledger.
#[test]
fn a_trap_loses_nothing_but_the_calls_open_on_its_worker() {
    let Some(wasm) = given("TOLLGATE_TRAP_WASM") else { return };
    let (llm, calls) = (llm(), full_size(1_000));
    let config = "quickstart/envoy.yaml";
    let given =
        Given { config, wasm, plugin: free_probe(three_quotas()), upstream: llm.address(), store: None };
    let Some(envoy) = given.start() else { return };
    let trap = Call { headers: vec![("x-trap", "now".to_owned())], ..call("", "t0") };
    let tally =
        load(&envoy, calls).run(|number| if number % 200 == 100 { trap.clone() } else { mixed(number) });
    let probes = probe_until_all_are_back(&envoy);
    let after = load(&envoy, 200).run(mixed);
    assert_eq!(after.of(0) + after.of(503), 0, "the worker did not come back: {after:?}");
    let all = records(&envoy, after.of(200) + after.of(500) + probes + 1);
    let lost = calls + 200 + probes - all.len() as u64;
    println!("{lost} calls without a record; {tally:?}; {after:?}");
    assert!(0 < lost && lost <= 5 * CONNECTIONS as u64 + tally.of(503), "{lost}");
    let sum = Sum::of(&all);
    // What the lost calls had reserved stands until it expires. What is used, and shown, is what was settled.
    check_used(&envoy, &Series::from_wire_name("tollgate_quota_used;quota=money", 0.0), sum.pico / 1000);
    check_used(&envoy, &Series::from_wire_name("tollgate_quota_used;quota=calls", 0.0), sum.calls);
}
