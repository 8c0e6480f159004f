//! What six tags cost a call: in the wasm host by counts, which gate; in a real Envoy by CPU time, which is reported.
//!
//! `ENVOY` and `TOLLGATE_WASM` are paths; `cargo xtask test` sets both.
#![cfg(feature = "host")]

mod support;

use serde_json::{Value, json};
use support::{Given, call, cpu_nanos, given, hosted, llm};
use tollgate_test_harness::costs::Costs;
use tollgate_test_harness::envoy::Envoy;
use tollgate_test_harness::host::Compiled;
use tollgate_test_harness::http::{Headers, Request};
use tollgate_test_harness::load::{Call, Load};
use tollgate_test_harness::scenario::Engine;

const TAGS: [&str; 6] = ["team", "feature", "customer", "workflow", "environment", "experiment"];

/// Six tags out of headers, each with a view of its own besides the one that is always there; or none.
fn plugin(tags: &[&str]) -> Value {
    let tag = |name: &&str| ((*name).to_owned(), json!({"from": [{"header": format!("x-{name}")}]}));
    json!({"tags": tags.iter().map(tag).collect::<serde_json::Map<_, _>>()})
}

/// The same request for both, so that headers themselves cost neither more.
fn tagged() -> Call {
    let mut call = call("", "search");
    let names = ["x-feature", "x-customer", "x-workflow", "x-environment", "x-experiment"];
    call.headers.extend(names.map(|name| (name, format!("value-of-{name}"))));
    call
}

/// What a call costs once its series are known.
fn warm_costs(compiled: &Compiled, tags: &[&str]) -> Costs {
    let mut host = hosted::host(compiled, &plugin(tags));
    let template = tagged();
    let headers: Headers = template.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let request =
        Request { path: template.path.to_owned(), headers, body: template.body, ..Request::default() };
    let mut cost = || host.call(&request, &hosted::usual_reply()).unwrap().costs.unwrap();
    (0..3).for_each(|_| drop(cost()));
    cost()
}

#[test]
fn six_tags_cost_few_host_calls_and_little_work() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    let (without, with) = (warm_costs(&compiled, &[]), warm_costs(&compiled, &TAGS));
    let fuel = with.fuel - without.fuel;
    println!("six tags: {fuel} fuel more than {}", without.fuel);
    println!("host calls without {:?}\nhost calls with    {:?}", without.calls, with.calls);
    assert_eq!(with.calls, without.calls, "tags are read out of what was read anyway, and counted by tick");
    assert!(fuel <= MAX_FUEL, "{fuel} fuel for six tags, at most {MAX_FUEL}");
}

/// A third more than measured when this was written.
const MAX_FUEL: u64 = 43_000;

#[test]
fn six_tags_cost_a_few_microseconds_of_cpu_in_envoy() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let upstream = llm();
    let start = |tags: &[&str]| {
        let given = Given {
            config: "quickstart/envoy.yaml",
            wasm: wasm.clone(),
            plugin: plugin(tags),
            upstream: upstream.address(),
            store: None,
        };
        given.start()
    };
    let Some((without, with)) = start(&[]).zip(start(&TAGS)) else { return };
    const CALLS: u64 = 100;
    let nanos_per_call = |envoy: &Envoy| {
        let before = cpu_nanos(envoy.pid());
        Load { to: vec![envoy.address()], connections: 1, calls: CALLS }.run(|_| tagged());
        (cpu_nanos(envoy.pid()) - before) as i64 / CALLS as i64
    };
    // Turn by turn, so that a busy machine slows both; the lowest of many rounds is what it costs when nobody else is in the way.
    let rounds: Vec<(i64, i64)> =
        (0..60).map(|_| (nanos_per_call(&without), nanos_per_call(&with))).collect();
    let lowest = |of: fn(&(i64, i64)) -> i64| rounds.iter().map(of).min().unwrap();
    let (without, with) = (lowest(|round| round.0), lowest(|round| round.1));
    let apart = with - without;
    println!(
        "six tags cost {apart} ns of CPU a call: {with} instead of {without}, the lowest of {} rounds",
        rounds.len()
    );
    // The clock is reported; this only catches what has gone badly wrong.
    assert!(apart < 100_000, "{apart} ns");
}
