//! What a call costs does not depend on how many counters its quotas have: hundreds of thousands of agents' workflows in bounded memory,
//! and one of them that runs on and on is stopped at its cap.
//!
//! `TOLLGATE_WASM` is a path; `cargo xtask test` sets it.
#![cfg(feature = "host")]

mod support;

use std::time::Duration;

use serde_json::json;
use support::{full_size, given, hosted};
use tollgate_test_harness::costs::Costs;
use tollgate_test_harness::host::{Compiled, Host};
use tollgate_test_harness::scenario::Engine;

/// Workflows that call once: a soak has them all.
fn workflows() -> u64 {
    if full_size(1) > 1 { 300_000 } else { 30_000 }
}

/// How often a workflow may call.
const CAP: u64 = 40;

/// The loop calls after so many others.
const LOOP_EVERY: u64 = 500;

/// What a counter may take in shared data, its share of its page's key included.
const MOST_BYTES: usize = 120;

fn host(compiled: &Compiled) -> Host {
    let quotas = json!([
        {"name": "calls", "per": ["workflow"], "limit": {"requests": CAP}, "window": "year"},
        {"name": "money", "per": ["workflow"], "limit": {"usd": "1000"}, "window": "year"},
    ]);
    let plugin = json!({
        "tags": {"workflow": {"from": [{"header": "x-workflow-id"}]}}, "quotas": quotas, "emit": {"views": []},
    });
    hosted::host(compiled, &plugin)
}

/// An id such as frameworks make them.
fn id(number: u64) -> String {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{:08x}-0000-4000-8000-{number:012x}", spread >> 32)
}

fn call(host: &mut Host, workflow: &str) -> (u16, Costs) {
    let body = json!({"model": "gpt-4o-mini", "max_tokens": 5, "messages": []});
    let outcome = hosted::chat(host, ("x-workflow-id", workflow), &body);
    (outcome.response.status, outcome.costs.unwrap())
}

/// Costs of calls of workflows that are known: the greatest of a few.
fn known(host: &mut Host) -> (u64, u64, u64) {
    // By then nothing is in hand, and the proxy was told all that was counted.
    host.pass(Duration::from_secs(2)).unwrap();
    let workflows = (0..20).map(|n| id(n * 7));
    // Stats look up where a call is counted at the first of a while.
    workflows.clone().for_each(|workflow| drop(call(host, &workflow)));
    host.pass(Duration::from_secs(2)).unwrap();
    let costs: Vec<Costs> = workflows.map(|workflow| call(host, &workflow).1).collect();
    let most = |of: fn(&Costs) -> u64| costs.iter().map(of).max().unwrap();
    (most(|c| c.fuel), most(Costs::host_calls), most(|c| c.bytes_in + c.bytes_out))
}

/// Bytes of keys and values of the quotas in shared data.
fn bytes(host: &Host) -> usize {
    let of_quotas = |key: &[u8]| key.windows(7).any(|part| part == b"/quota/");
    let shared = host.shared_data();
    shared.iter().filter(|(key, _)| of_quotas(key)).map(|(key, value)| key.len() + value.len()).sum()
}

#[test]
fn a_call_costs_the_same_among_a_thousand_workflows_and_hundreds_of_thousands_and_a_loop_ends_at_its_cap() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    let mut host = host(&compiled);
    let (workflows, mut passed, mut refused) = (workflows(), 0, 0);
    let mut few = (0, 0, 0);
    for number in 0..workflows {
        if number == 1_000 || number == 100_000 {
            let costs = known(&mut host);
            println!("{number} workflows: {costs:?}, {} bytes each", bytes(&host) as u64 / (2 * number));
            few = if number == 1_000 { costs } else { few };
        }
        if number % LOOP_EVERY == 0 {
            match call(&mut host, "loop").0 {
                200 => passed += 1,
                429 => refused += 1,
                status => panic!("{status}"),
            }
        }
        assert_eq!(call(&mut host, &id(number)).0, 200, "{number}");
    }
    let many = known(&mut host);
    let each = bytes(&host) / (2 * workflows as usize);
    println!(
        "{workflows} workflows: {each} bytes a counter, {} of memory in the VM",
        call(&mut host, "x").1.memory_bytes
    );
    println!("fuel, host calls and bytes of a call among 1,000 {few:?}, among {workflows} {many:?}");
    assert_eq!((passed, refused), (CAP, workflows / LOOP_EVERY - CAP), "calls of the loop");
    assert!(many.0 * 100 <= few.0 * 120, "fuel: {} -> {}", few.0, many.0);
    assert!(many.1 * 100 <= few.1 * 120, "host calls: {} -> {}", few.1, many.1);
    assert!(each <= MOST_BYTES, "{each} bytes");
    let crowded = host.series().unwrap().into_iter().filter(|s| s.name == "tollgate_quota_crowded");
    assert_eq!(crowded.map(|s| s.value).sum::<f64>(), 0.0, "there is room for all");
}
