//! What guards cost a call, with ten thousand live keys: in the wasm host by counts, which gate.
//!
//! `TOLLGATE_WASM` is a path; `cargo xtask test` sets it.
#![cfg(feature = "host")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{given, hosted};
use tollgate_test_harness::costs::Costs;
use tollgate_test_harness::host::{Compiled, Host};
use tollgate_test_harness::scenario::Engine;

const KEYS: u64 = 10_000;
/// Calls between two ticks of the plugin: what a worker does by tick for each key is shared by so many.
const CALLS: u64 = 100;

/// The four usual guards, or none.
fn host(compiled: &Compiled, watches: &[&str]) -> Host {
    let guard = |watch: &&str| json!({"name": watch, "per": ["team"], "watch": watch});
    let guards: Vec<Value> = watches.iter().map(guard).collect();
    let plugin = json!({
        "tags": {"team": {"from": [{"header": "x-team"}]}},
        "guards": guards,
        "emit": {"views": [["model"]]},
    });
    hosted::host(compiled, &plugin)
}

fn call(host: &mut Host, key: u64) -> Costs {
    let body = json!({"model": "gpt-4o-mini", "messages": []});
    hosted::chat(host, ("x-team", &format!("team-{key:05}")), &body).costs.unwrap()
}

/// What a call costs once ten thousand keys are known: by itself, and with its share of what is done by tick.
fn known(host: &mut Host) -> (Costs, u64) {
    for key in 0..KEYS {
        call(host, key);
        if key % CALLS == 0 {
            host.pass(Duration::from_millis(300)).unwrap();
        }
    }
    host.pass(Duration::from_secs(2)).unwrap();
    let calls: Vec<Costs> = (0..CALLS).map(|number| call(host, number * 97)).collect();
    host.pass(Duration::from_millis(300)).unwrap();
    let fuel = calls.iter().map(|costs| costs.fuel).sum::<u64>() + host.costs_since_the_last_call().fuel;
    (calls.into_iter().max_by_key(|costs| costs.fuel).unwrap(), fuel / CALLS)
}

#[test]
fn four_guards_with_ten_thousand_keys_cost_a_call_no_host_call_and_little_work() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    let usual = ["spend_rate", "cost_per_call", "input_tokens", "error_rate"];
    let (without, all_without) = known(&mut host(&compiled, &[]));
    let (with, all_with) = known(&mut host(&compiled, &usual));
    let (own, all) = (with.fuel - without.fuel, all_with - all_without);
    println!("four guards: {own} fuel more than {}; {all} with what is done by tick", without.fuel);
    assert_eq!(with.calls, without.calls, "pasts are read and written by tick");
    assert!(own <= MAX_FUEL, "{own} fuel of the call, at most {MAX_FUEL}");
    assert!(all <= MAX_FUEL_IN_ALL, "{all} fuel with what is done by tick, at most {MAX_FUEL_IN_ALL}");
}

/// A third more than measured when this was written. By tick each call here has a key of its own, whose pasts are read and written
/// for it alone: the worst case.
const MAX_FUEL: u64 = 5_600;
const MAX_FUEL_IN_ALL: u64 = 58_000;
