//! What holds for every file of `envoy-config/` without running it. The scenarios run them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tollgate_test_harness::envoy::config::read;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy-config")
}

/// All YAML files by their path under `envoy-config/`.
fn files() -> BTreeMap<String, Value> {
    let folders =
        fs::read_dir(folder()).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()));
    let yaml = files.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    yaml.map(|path| (path.strip_prefix(folder()).unwrap().display().to_string(), read(&path).unwrap()))
        .collect()
}

/// Every object in a value, the value itself included.
fn objects(value: &Value) -> Vec<&Value> {
    let inner: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    let this = value.is_object().then_some(value);
    this.into_iter().chain(inner.into_iter().flat_map(objects)).collect()
}

fn wasm_filters(config: &Value) -> Vec<&Value> {
    let is_wasm =
        |object: &&Value| object["@type"].as_str().is_some_and(|name| name.ends_with("wasm.v3.Wasm"));
    objects(config).into_iter().filter(is_wasm).collect()
}

#[test]
fn every_bootstrap_has_the_stats_part_of_the_bootstrap_folder() {
    let files = files();
    let stats = &files["bootstrap/stats.yaml"]["stats_config"];
    assert!(stats.is_object());
    for (name, config) in files.iter().filter(|(_, config)| config["static_resources"].is_object()) {
        assert_eq!(config["stats_config"], *stats, "{name} differs from bootstrap/stats.yaml");
    }
}

#[test]
fn every_filter_reloads_after_a_crash_and_may_hold_a_request() {
    let files = files();
    let filters: Vec<(&String, &Value)> = files
        .iter()
        .flat_map(|(name, config)| wasm_filters(config).into_iter().map(move |filter| (name, filter)))
        .collect();
    assert!(filters.len() >= 2);
    for (name, filter) in filters {
        let config = &filter["config"];
        assert_eq!(config["failure_policy"], "FAIL_RELOAD", "{name}");
        assert!(config["reload_config"]["backoff"]["base_interval"].is_string(), "{name}");
        assert_eq!(config["allow_on_headers_stop_iteration"], true, "{name}");
    }
}

#[test]
fn the_filters_configuration_is_json() {
    for (name, config) in &files() {
        for filter in wasm_filters(config) {
            let text = filter["config"]["configuration"]["value"].as_str().unwrap();
            serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

/// The quickstart comes in two forms; what is not about the filter's configuration must not drift.
#[test]
fn the_two_quickstarts_differ_only_in_where_the_filter_is_configured() {
    let mut files = files();
    let filter = wasm_filters(&files["quickstart/tollgate.yaml"])[0].clone();
    let plain = files.remove("quickstart/envoy.yaml").unwrap();
    let mut ecds = files.remove("quickstart/ecds.yaml").unwrap();
    let inlined = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0";
    assert_eq!(plain.pointer(inlined).unwrap()["typed_config"], filter);
    *ecds.pointer_mut(inlined).unwrap() = plain.pointer(inlined).unwrap().clone();
    ecds.as_object_mut().unwrap().remove("node");
    assert_eq!(ecds, plain);
}
