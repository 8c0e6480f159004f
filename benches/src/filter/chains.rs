//! Filters as Envoy's configuration spells them.

use std::path::Path;

use serde_json::{Value, json};

use super::Parsing;

/// An address of this machine.
pub fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

/// An HTTP filter.
pub fn extension(name: &str, kind: &str, configuration: Value) -> Value {
    let kind = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}"));
    json!({"name": name, "typed_config": with(configuration, "@type", kind)})
}

/// The object with one member more.
pub fn with(mut object: Value, name: &str, member: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), member);
    }
    object
}

/// A wasm filter.
pub fn wasm(file: &Path, configuration: &Value) -> Value {
    extension(
        "wasm",
        "wasm.v3.Wasm",
        json!({"config": {
            "vm_config": {"runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": file}}},
            "failure_policy": "FAIL_RELOAD",
            "allow_on_headers_stop_iteration": true,
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": configuration.to_string()
            }
        }}),
    )
}

/// The native filter that is the mark.
pub const NATIVE_NAME: &str = "envoy.filters.http.ai_protocol_manager";

/// The limit for JSON bodies is raised to the highest that it takes, so that it reads the large ones too.
pub fn ai_protocol_manager(parsing: &Parsing) -> Value {
    let configuration = json!({"response_handling": {"token_usage": {
        "include_unconfigured_routes": true, "limits": {"max_json_body_size": 10_485_760}}}});
    let configuration = match parsing {
        Parsing::Response => configuration,
        Parsing::BestEffort => {
            with(configuration, "request_handling", json!({"parse_unconfigured_routes": true}))
        }
    };
    extension(NATIVE_NAME, "ai_protocol_manager.v3.AiProtocolManager", configuration)
}

/// Counts of JSON.
pub fn json_to_metadata() -> Value {
    let rule = |(path, kind): &(&[&str], &str)| {
        json!({"selectors": selectors(path), "on_present": {
            "metadata_namespace": "usage", "key": path.last(), "type": kind}})
    };
    let rules: Vec<Value> = WANTED.iter().map(rule).collect();
    extension(
        "envoy.filters.http.json_to_metadata",
        "json_to_metadata.v3.JsonToMetadata",
        json!({"response_rules": {"rules": rules}}),
    )
}

/// Counts of streams.
pub fn sse_to_metadata() -> Value {
    let rule = |(path, kind): &(&[&str], &str)| {
        json!({"rule": {"selectors": selectors(path), "on_present": {
            "metadata_namespace": "usage", "key": path.last(), "type": kind}}})
    };
    let rules: Vec<Value> = WANTED.iter().map(rule).collect();
    let parser = json!({
        "@type": "type.googleapis.com/envoy.extensions.content_parsers.json.v3.JsonContentParser",
        "rules": rules
    });
    extension(
        "envoy.filters.http.sse_to_metadata",
        "sse_to_metadata.v3.SseToMetadata",
        json!({"response_rules": {"content_parser": {"name": "envoy.content_parsers.json", "typed_config": parser}}}),
    )
}

/// What the metadata filters are asked for.
const WANTED: &[(&[&str], &str)] = &[
    (&["usage", "prompt_tokens"], "NUMBER"),
    (&["usage", "completion_tokens"], "NUMBER"),
    (&["usage", "total_tokens"], "NUMBER"),
    (&["model"], "STRING"),
];

fn selectors(path: &[&str]) -> Vec<Value> {
    path.iter().map(|key| json!({"key": key})).collect()
}

/// A script.
pub fn lua() -> Value {
    extension("envoy.filters.http.lua", "lua.v3.Lua", json!({"default_source_code": {"inline_string": LUA}}))
}

const LUA: &str = r#"
function envoy_on_response(handle)
  for chunk in handle:bodyChunks() do
    local tokens = string.match(chunk:getBytes(0, chunk:length()), '"total_tokens":%s*(%d+)')
    if tokens then
      handle:streamInfo():dynamicMetadata():set("usage", "total_tokens", tokens)
    end
  end
end
"#;
