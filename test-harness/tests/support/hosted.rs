//! The plugin in the wasm host, where what a call costs is counted.

use serde_json::Value;
use tollgate_test_harness::envoy::config::Plugin;
use tollgate_test_harness::host::{Compiled, Host, Route};
use tollgate_test_harness::http::{Headers, Reply, Request};
use tollgate_test_harness::scenario::{Engine, Outcome};

/// A host with this configuration and one route, to OpenAI. Tollgate's own pages stand under it, too.
pub fn host(compiled: &Compiled, plugin: &Value) -> Host {
    let route = Route {
        prefix: "/".to_owned(),
        exact: false,
        cluster: Some("openai".to_owned()),
        name: "openai".to_owned(),
        filtered: true,
    };
    Host::start(compiled, &Plugin::Text(plugin.to_string()), vec![route]).unwrap()
}

/// A chat, which uses 13 tokens.
pub fn chat(host: &mut Host, tag: (&str, &str), body: &Value) -> Outcome {
    let headers = [("content-type", "application/json"), ("host", "api.openai.com"), tag];
    let request = Request {
        path: "/v1/chat/completions".to_owned(),
        headers: Headers::from_iter(headers),
        body: body.to_string().into_bytes(),
        ..Request::default()
    };
    host.call(&request, &usual_reply()).unwrap()
}

/// What the LLM answers.
pub fn usual_reply() -> Reply {
    let usage = r#"{"prompt_tokens":10,"completion_tokens":3,"total_tokens":13}"#;
    Reply::json(format!(r#"{{"model":"gpt-4o-mini","choices":[],"usage":{usage}}}"#))
}
