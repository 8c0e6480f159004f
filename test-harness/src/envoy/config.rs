//! Turns a configuration of `envoy-config/` into one for a test. The file stays what the user runs; only
//! addresses, paths and flush times change.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Error;
use crate::http::Version;

/// Reads a YAML or JSON file.
///
/// # Errors
/// Where it cannot be read or parsed.
pub fn read(path: &Path) -> Result<Value, Error> {
    let text = fs::read_to_string(path).map_err(Error::io(format!("cannot read `{}`", path.display())))?;
    serde_saphyr::from_str(&text).map_err(|error| Error::File(format!("`{}`: {error}", path.display())))
}

/// What a test puts in the place of the user's addresses and paths.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where `tollgate.wasm` is.
    pub wasm: PathBuf,
    /// Where every cluster finds its upstream.
    pub upstream: SocketAddr,
    /// What Envoy speaks with the upstream.
    pub upstream_version: Version,
    /// A cluster that leads elsewhere; the configuration's file need not have it.
    pub extra_cluster: Option<(String, SocketAddr)>,
    /// What `/dev/stdout` of an access log becomes.
    pub access_log: PathBuf,
    /// The folder of the configuration, which its relative paths of other files (ECDS) stand in.
    pub folder: PathBuf,
    /// The filter's configuration, where it is not the file's own.
    pub plugin: Option<Plugin>,
}

/// The filter's configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Plugin {
    /// Passed as a `StringValue`, as it stands.
    Text(String),
    /// Passed as a `Struct`.
    Struct(Value),
}

impl Plugin {
    fn message(&self) -> Value {
        match self {
            Self::Text(text) => {
                json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text})
            }
            Self::Struct(value) => {
                json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": value})
            }
        }
    }
}

/// The configuration with `places` put in, listeners on free ports, and stats flushed at once.
pub fn place(mut config: Value, places: &Places) -> Value {
    for (name, part) in config.as_object_mut().into_iter().flatten() {
        if name != "static_resources" {
            walk(part, places);
        }
    }
    for (name, part) in config["static_resources"].as_object_mut().into_iter().flatten() {
        match (name.as_str(), part.as_array_mut()) {
            ("clusters", Some(clusters)) => {
                clusters.iter_mut().for_each(|cluster| place_cluster(cluster, places))
            }
            _ => walk(part, places),
        }
    }
    if let (Some((name, address)), Some(clusters)) =
        (&places.extra_cluster, config["static_resources"]["clusters"].as_array_mut())
    {
        match clusters.iter_mut().find(|cluster| cluster["name"] == **name) {
            Some(cluster) => lead_to(cluster, *address),
            None => clusters.push(plain_cluster(name, *address)),
        }
    }
    config["stats_flush_interval"] = json!("0.1s");
    config["admin"]["address"] = free_port();
    config
}

fn free_port() -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}})
}

/// All clusters lead to the stand-in, without TLS and name look-ups.
fn place_cluster(cluster: &mut Value, places: &Places) {
    let Some(fields) = cluster.as_object_mut() else { return };
    fields.remove("transport_socket");
    fields.remove("dns_lookup_family");
    fields.insert("type".to_owned(), json!("STATIC"));
    if places.upstream_version == Version::Http2 {
        fields.insert("typed_extension_protocol_options".to_owned(), http2_options());
    }
    lead_to(cluster, places.upstream);
}

fn lead_to(cluster: &mut Value, address: SocketAddr) {
    each_object(cluster, &mut |object| {
        if object.contains_key("port_value") {
            object.insert("address".to_owned(), json!(address.ip().to_string()));
            object.insert("port_value".to_owned(), json!(address.port()));
        }
    });
}

fn plain_cluster(name: &str, address: SocketAddr) -> Value {
    let address =
        json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}});
    let endpoints = json!([{"lb_endpoints": [{"endpoint": {"address": address}}]}]);
    json!({"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}})
}

fn http2_options() -> Value {
    json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}}
    }})
}

fn walk(part: &mut Value, places: &Places) {
    each_object(part, &mut |object| {
        if object.contains_key("port_value") {
            object.insert("port_value".to_owned(), json!(0));
        }
        for (name, value) in object.iter_mut() {
            let replaced = value.as_str().and_then(|text| place_text(name, text, places));
            *value = replaced.unwrap_or_else(|| value.take());
        }
        let is_wasm =
            object.get("@type").and_then(Value::as_str).is_some_and(|name| name.ends_with("wasm.v3.Wasm"));
        if let (true, Some(plugin), Some(config)) = (is_wasm, &places.plugin, object.get_mut("config")) {
            config["configuration"] = plugin.message();
        }
    });
}

fn place_text(name: &str, text: &str, places: &Places) -> Option<Value> {
    match name {
        "filename" if text.ends_with("/tollgate.wasm") => Some(json!(places.wasm)),
        "path" if text == "/dev/stdout" => Some(json!(places.access_log)),
        "path" if text.starts_with("envoy-config/") => {
            Some(json!(places.folder.join(Path::new(text).file_name().unwrap_or_default())))
        }
        _ => None,
    }
}

fn each_object(value: &mut Value, act: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            act(object);
            object.values_mut().for_each(|inner| each_object(inner, act));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, act)),
        _ => {}
    }
}

/// Takes the static listeners out into a discovery response of their own, so that a test can change them
/// while Envoy runs, and says in `config` where they now are.
pub fn split_listeners(config: &mut Value, file: &Path) -> Value {
    let listeners = config["static_resources"]["listeners"].take();
    let resources = listeners.as_array().cloned().unwrap_or_default().into_iter().map(|mut listener| {
        listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        listener
    });
    let resources: Vec<Value> = resources.collect();
    config["static_resources"]["listeners"] = json!([]);
    config["node"] = json!({"id": "test", "cluster": "test"});
    config["dynamic_resources"]["lds_config"] = json!({"path_config_source": {"path": file}});
    json!({"resources": resources})
}

/// The same for a file of resources that an ECDS configuration names.
pub fn place_extension(extension: &mut Value, places: &Places) {
    walk(extension, places);
}
