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

/// What calls cost once ten thousand keys are known.
struct Known {
    /// The middle one of them, by itself.
    call: Costs,
    /// A call's share of all that was done, with what was done by tick.
    fuel: u64,
    /// A call's share of what was done by tick.
    tick: Tick,
}

/// What a call leaves to the next tick.
struct Tick {
    host_calls: u64,
    bytes: u64,
}

fn known(host: &mut Host) -> Known {
    for key in 0..KEYS {
        call(host, key);
        if key % CALLS == 0 {
            host.pass(Duration::from_millis(300)).unwrap();
        }
    }
    host.pass(Duration::from_secs(2)).unwrap();
    let mut calls: Vec<Costs> = (0..CALLS).map(|number| call(host, number * 97)).collect();
    host.pass(Duration::from_millis(300)).unwrap();
    let ticked = host.costs_since_the_last_call();
    let fuel = calls.iter().map(|costs| costs.fuel).sum::<u64>() + ticked.fuel;
    calls.sort_by_key(|costs| costs.fuel);
    Known {
        call: calls.swap_remove(calls.len() / 2),
        fuel: fuel / CALLS,
        tick: Tick {
            host_calls: ticked.host_calls() / CALLS,
            bytes: (ticked.bytes_in + ticked.bytes_out) / CALLS,
        },
    }
}

#[test]
fn four_guards_with_ten_thousand_keys_cost_a_call_no_host_call_and_little_work() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    let usual = ["spend_rate", "cost_per_call", "input_tokens", "error_rate"];
    let without = known(&mut host(&compiled, &[]));
    let with = known(&mut host(&compiled, &usual));
    let (own, all) = (with.call.fuel - without.call.fuel, with.fuel - without.fuel);
    let host_calls = with.tick.host_calls - without.tick.host_calls;
    let bytes = with.tick.bytes - without.tick.bytes;
    println!("four guards: {own} fuel more than {}; {all} with what is done by tick", without.call.fuel);
    println!("by tick: {host_calls} host calls for each call, and {bytes} bytes copied");
    assert_eq!(with.call.calls, without.call.calls, "pasts are read and written by tick");
    for (figure, name, most) in [
        (own, "fuel of the call", MAX_FUEL),
        (all, "fuel with what is done by tick", MAX_FUEL_IN_ALL),
        (host_calls, "host calls by tick", MAX_HOST_CALLS),
        (bytes, "bytes copied by tick", MAX_BYTES),
    ] {
        assert!(figure <= most, "{figure} {name}, at most {most}");
    }
}

/// A third more than measured when this was written. By tick each call here has a key of its own, whose pasts are read and written
/// for it alone: the worst case.
const MAX_FUEL: u64 = 3_900;
const MAX_FUEL_IN_ALL: u64 = 21_000;
/// One page is read and one written.
const MAX_HOST_CALLS: u64 = 2;
const MAX_BYTES: u64 = 5_800;
