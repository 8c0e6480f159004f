//! The manifests of `envoy-config/elsewhere`, as far as they can be checked without a cluster: kinds and fields are those that the platforms
//! document, the plugin compiles the configurations in them, and copies have not drifted.
#![cfg(feature = "host")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::given;
use tollgate_test_harness::envoy::config::{Plugin, read};
use tollgate_test_harness::host::{Compiled, Host};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy-config")
}

fn manifest(name: &str) -> Value {
    read(&folder().join("elsewhere").join(name)).unwrap()
}

/// File, version and kind, and where in it which fields may stand: <https://istio.io/latest/docs/reference/config/proxy_extensions/wasm-plugin/>,
/// <https://istio.io/latest/docs/reference/config/telemetry/>, <https://gateway.envoyproxy.io/docs/api/extension_types/>.
type Fields = &'static [(&'static str, &'static [&'static str])];
const MANIFESTS: [(&str, &str, &str, Fields); 5] = [
    (
        "istio-plugin.yaml",
        "extensions.istio.io/v1alpha1",
        "WasmPlugin",
        &[(
            "/spec",
            &[
                "selector",
                "targetRefs",
                "url",
                "sha256",
                "imagePullPolicy",
                "imagePullSecret",
                "pluginConfig",
                "pluginName",
                "phase",
                "priority",
                "failStrategy",
                "vmConfig",
                "match",
                "type",
            ],
        )],
    ),
    (
        "istio-telemetry.yaml",
        "telemetry.istio.io/v1",
        "Telemetry",
        &[("/spec", &["selector", "targetRefs", "accessLogging", "metrics", "tracing"])],
    ),
    (
        "istio-install.yaml",
        "install.istio.io/v1alpha1",
        "IstioOperator",
        &[
            ("/spec", &["meshConfig"]),
            ("/spec/meshConfig", &["extensionProviders", "defaultConfig"]),
            ("/spec/meshConfig/defaultConfig", &["proxyStatsMatcher", "extraStatTags"]),
            ("/spec/meshConfig/extensionProviders/0/envoyFileAccessLog", &["path", "logFormat"]),
        ],
    ),
    (
        "envoy-gateway-policy.yaml",
        "gateway.envoyproxy.io/v1alpha1",
        "EnvoyExtensionPolicy",
        &[
            ("/spec", &["targetRef", "targetRefs", "targetSelectors", "wasm", "extProc", "lua"]),
            ("/spec/wasm/0", &["name", "rootID", "code", "config", "failOpen", "env"]),
            ("/spec/wasm/0/code", &["type", "http", "image", "pullPolicy"]),
        ],
    ),
    (
        "envoy-gateway-proxy.yaml",
        "gateway.envoyproxy.io/v1alpha1",
        "EnvoyProxy",
        &[("/spec", &["telemetry", "bootstrap"]), ("/spec/bootstrap", &["type", "value", "jsonPatches"])],
    ),
];

#[test]
fn manifests_have_the_kinds_and_fields_that_the_platforms_know() {
    for (file, version, kind, fields) in MANIFESTS {
        let manifest = manifest(file);
        assert_eq!((&manifest["apiVersion"], &manifest["kind"]), (&version.into(), &kind.into()), "{file}");
        assert!(manifest["metadata"]["name"].is_string(), "{file}");
        for (place, known) in fields {
            let found = manifest
                .pointer(place)
                .and_then(Value::as_object)
                .unwrap_or_else(|| panic!("{file}: {place}"));
            let unknown: Vec<&String> = found.keys().filter(|name| !known.contains(&name.as_str())).collect();
            assert!(unknown.is_empty(), "{file}: {place} has {unknown:?}");
        }
    }
    let plugin = manifest("istio-plugin.yaml");
    assert!(["AUTHN", "AUTHZ", "STATS"].contains(&plugin["spec"]["phase"].as_str().unwrap()));
    assert!(
        ["FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD"]
            .contains(&plugin["spec"]["failStrategy"].as_str().unwrap())
    );
}

fn configurations() -> [(&'static str, Value); 2] {
    [("istio-plugin.yaml", "/spec/pluginConfig"), ("envoy-gateway-policy.yaml", "/spec/wasm/0/config")]
        .map(|(file, place)| (file, manifest(file).pointer(place).unwrap().clone()))
}

#[test]
fn the_plugin_compiles_the_configurations_in_the_manifests() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    for (file, configuration) in configurations() {
        assert_eq!(configuration["hold"], "body", "{file}: neither platform lets headers wait");
        for plugin in [Plugin::Struct(configuration.clone()), Plugin::Text(configuration.to_string())] {
            Host::start(&compiled, &plugin, Vec::new()).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    }
}

#[test]
fn copies_of_the_stats_part_and_of_labels_have_not_drifted() {
    let stats = read(&folder().join("bootstrap/stats.yaml")).unwrap();
    let proxy = manifest("envoy-gateway-proxy.yaml");
    let copy: Value = serde_saphyr::from_str(proxy["spec"]["bootstrap"]["value"].as_str().unwrap()).unwrap();
    assert_eq!(copy, stats);
    let install = manifest("istio-install.yaml");
    let labels = install["spec"]["meshConfig"]["defaultConfig"]["extraStatTags"].as_array().unwrap();
    let labels: BTreeSet<&str> = labels.iter().map(|label| label.as_str().unwrap()).collect();
    let [(_, istio), _] = configurations();
    let views = istio["emit"]["views"].as_array().unwrap().iter().flat_map(|view| view.as_array().unwrap());
    let missing: Vec<&Value> = views.filter(|label| !labels.contains(label.as_str().unwrap())).collect();
    assert!(missing.is_empty(), "views have labels that Istio is not told of: {missing:?}");
}

/// The image has the plugin where both platforms look for it.
#[test]
fn the_image_is_one_layer_with_the_plugin_in_its_root() {
    let text = std::fs::read_to_string(folder().join("elsewhere/Dockerfile")).unwrap();
    let steps: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(steps, ["FROM scratch", "COPY plugin.wasm ./plugin.wasm"]);
}
