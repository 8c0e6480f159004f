//! What becomes of local budgets when a listener's update takes the filter away, all of its VMs end, and another update brings it back: they are
//! forgotten, unless a singleton service of the same `vm_id` keeps their shared data, as `envoy-config/singleton` has it.
//!
//! `ENVOY` and `TOLLGATE_WASM` are paths; `cargo xtask test` sets both.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Given, call, given, llm};
use tollgate_test_harness::envoy::{Envoy, Reload};
use tollgate_test_harness::http::Version;
use tollgate_test_harness::load::Load;

/// The service runs on the main thread, in a copy of a VM that Envoy keeps as its pattern.
const KEEPER: u64 = 2;

#[test]
fn budgets_outlive_the_filter_where_a_singleton_keeps_them() {
    check("singleton/envoy.yaml", KEEPER, 1);
}

#[test]
fn without_a_singleton_budgets_go_with_the_filter() {
    check("quickstart/envoy.yaml", 0, 4);
}

/// Uses three of four calls, takes the filter away, brings it back, and sees how many calls are left.
fn check(config: &'static str, kept_vms: u64, left: u64) {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let llm = llm();
    let quotas = json!([{"name": "calls", "limit": {"requests": 4}, "window": "year"}]);
    let plugin = json!({"namespace": "outlives", "quotas": quotas});
    let given = Given { config, wasm, plugin, upstream: llm.address(), store: None };
    // What a listener that went away still serves is cut off after a second, not after ten minutes.
    let Some(mut envoy) =
        given.start_with(Version::Http1, &["--drain-time-s", "1", "--drain-strategy", "immediate"])
    else {
        return;
    };
    assert_eq!(made(&envoy, 3), 3, "{config}");
    assert!(vms(&envoy) > kept_vms, "{config}: {} VMs", vms(&envoy));

    assert_eq!(envoy.change_listeners(take_the_filter_away).unwrap(), Reload::Accepted, "{config}");
    let until = Instant::now() + Duration::from_secs(20);
    while vms(&envoy) > kept_vms && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(vms(&envoy), kept_vms, "{config}: the filter's VMs are still there");
    assert_eq!(made(&envoy, 5), 5, "{config}: nobody counts these");

    assert_eq!(envoy.change_listeners(|_| ()).unwrap(), Reload::Accepted, "{config}");
    assert_eq!(made(&envoy, 6), left, "{config}");
}

/// How many of so many calls pass.
fn made(envoy: &Envoy, calls: u64) -> u64 {
    let tally = Load { to: vec![envoy.address()], connections: 1, calls }.run(|_| call("", "t0"));
    assert_eq!(tally.of(200) + tally.of(429), calls, "{tally:?}");
    tally.of(200)
}

fn vms(envoy: &Envoy) -> u64 {
    envoy.stat("wasm.envoy.wasm.runtime.v8.active").unwrap()
}

/// Out of the chain of filters, and out of the routes that switch it on.
fn take_the_filter_away(part: &mut Value) {
    match part {
        Value::Object(fields) => {
            fields.remove("typed_per_filter_config");
            if let Some(filters) = fields.get_mut("http_filters").and_then(Value::as_array_mut) {
                filters.retain(|filter| filter["name"] != "tollgate");
            }
            fields.values_mut().for_each(take_the_filter_away);
        }
        Value::Array(items) => items.iter_mut().for_each(take_the_filter_away),
        _ => {}
    }
}
