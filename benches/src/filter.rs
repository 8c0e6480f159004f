//! What stands in the path: one row for each Envoy of the comparison.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::workload::{EMBEDDINGS, Workload};

/// What stands in the path.
pub struct Filter {
    /// Names it in the tables.
    pub name: &'static str,
    /// Whose work it is, for the tables.
    pub about: &'static str,
    /// The HTTP filters before the router.
    chain: Chain,
    /// A pattern of the names of stats that count calls whose usage was read; nothing where a filter counts none.
    pub proof: Option<&'static str>,
    /// Workloads that it breaks.
    pub breaks: &'static [&'static str],
}

enum Chain {
    Empty,
    NoOp,
    Tollgate(fn() -> Value),
    AiProtocolManager(Parsing),
    ToMetadata,
    Lua,
}

enum Parsing {
    /// Usage of responses alone.
    Response,
    /// Requests are parsed too, as best it can, and go on as they came.
    BestEffort,
    /// The route is declared, so a bad request is refused, and both bodies are written anew.
    Declared,
}

/// The wasm files.
pub struct Wasm {
    /// `tollgate.wasm`.
    pub tollgate: PathBuf,
    /// `tollgate_noop.wasm`.
    pub noop: PathBuf,
}

pub const PLAIN: &str = "plain";
pub const NO_OP: &str = "no-op wasm";
pub const TOLLGATE: &str = "tollgate";
pub const NATIVE: &str = "ai_protocol_manager";
pub const NATIVE_PARSING: &str = "ai_protocol_manager + request";

const TOLLGATE_PROOF: &str =
    "wasmcustom.tollgate_requests.*view=provider[^;]*model[^;]*;.*usage_source=reported.*";
const NATIVE_PROOF: &str = ".*ai_protocol_manager.*token_usage_found";

/// All filters, the plain path first.
pub const ALL: &[Filter] = &[
    Filter {
        name: PLAIN,
        about: "Envoy with the router alone",
        chain: Chain::Empty,
        proof: None,
        breaks: &[],
    },
    Filter {
        name: NO_OP,
        about: "a wasm filter with all callbacks that sets a property and a histogram",
        chain: Chain::NoOp,
        proof: None,
        breaks: &[],
    },
    Filter {
        name: TOLLGATE,
        about: "Tollgate with the configuration `{}`",
        chain: Chain::Tollgate(|| json!({})),
        proof: Some(TOLLGATE_PROOF),
        breaks: &[],
    },
    Filter {
        name: "tollgate, 6 tags",
        about: "Tollgate with six tags from headers",
        chain: Chain::Tollgate(six_tags),
        proof: Some(TOLLGATE_PROOF),
        breaks: &[],
    },
    Filter {
        name: "tollgate, 6 tags, 5 quotas",
        about: "the same with five quotas in the local store",
        chain: Chain::Tollgate(six_tags_five_quotas),
        proof: Some(TOLLGATE_PROOF),
        breaks: &[],
    },
    Filter {
        name: NATIVE,
        about: "native C++: usage of responses",
        chain: Chain::AiProtocolManager(Parsing::Response),
        proof: Some(NATIVE_PROOF),
        breaks: &[],
    },
    Filter {
        name: NATIVE_PARSING,
        about: "native C++: the same, and requests parsed as `parse_unconfigured_routes` does, its cheapest way",
        chain: Chain::AiProtocolManager(Parsing::BestEffort),
        proof: Some(NATIVE_PROOF),
        breaks: &[],
    },
    Filter {
        name: "ai_protocol_manager + declared request",
        about: "native C++: the same on a route whose requests are declared and therefore refused where malformed",
        chain: Chain::AiProtocolManager(Parsing::Declared),
        proof: Some(NATIVE_PROOF),
        breaks: &[],
    },
    Filter {
        name: "json + sse to metadata",
        about: "native C++: json_to_metadata and sse_to_metadata, three token counts and the model",
        chain: Chain::ToMetadata,
        proof: Some(".*to_metadata.resp.*(success|metadata_added)"),
        // It holds the whole response, and Envoy answers 500 past its buffer limit of 1 MiB.
        breaks: &[EMBEDDINGS],
    },
    Filter {
        name: "lua",
        about: "Lua: each chunk searched for a token count by string.match",
        chain: Chain::Lua,
        proof: None,
        breaks: &[],
    },
];

/// The filter of that name.
pub fn named(name: &str) -> Option<&'static Filter> {
    ALL.iter().find(|filter| filter.name == name)
}

impl Filter {
    /// Whether this is Tollgate, with whatever configuration.
    pub fn is_tollgate(&self) -> bool {
        matches!(self.chain, Chain::Tollgate(_))
    }

    /// Whether calls of that kind get through.
    pub fn takes(&self, workload: &Workload) -> bool {
        !self.breaks.contains(&workload.name)
    }

    /// Envoy's bootstrap with this filter in the path.
    pub fn bootstrap(&self, wasm: &Wasm, upstream: SocketAddr) -> Value {
        let router = extension("envoy.filters.http.router", "router.v3.Router", json!({}));
        let mut chain = self.http_filters(wasm);
        chain.push(router);
        json!({
            "admin": {"address": address(FREE)},
            "static_resources": {
                "listeners": [{"name": "calls", "address": address(FREE), "filter_chains": [{"filters": [
                    {"name": "http", "typed_config": self.connection_manager(chain)}]}]}],
                "clusters": [{"name": "upstream", "type": "STATIC", "load_assignment": {
                    "cluster_name": "upstream",
                    "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream.port())}}]}]}}]
            }
        })
    }

    fn connection_manager(&self, chain: Vec<Value>) -> Value {
        let to_upstream = json!({"cluster": "upstream", "timeout": "0s"});
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "bench",
            "http_filters": chain,
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"path": "/v1/chat/completions"}, "route": to_upstream,
                    "typed_per_filter_config": self.on_chat_route()},
                {"match": {"prefix": "/"}, "route": to_upstream}]}]}
        })
    }

    fn http_filters(&self, wasm: &Wasm) -> Vec<Value> {
        match &self.chain {
            Chain::Empty => Vec::new(),
            Chain::NoOp => vec![wasm_filter(&wasm.noop, &json!({}))],
            Chain::Tollgate(configuration) => vec![wasm_filter(&wasm.tollgate, &configuration())],
            Chain::AiProtocolManager(parsing) => vec![ai_protocol_manager(parsing)],
            Chain::ToMetadata => vec![json_to_metadata(), sse_to_metadata()],
            Chain::Lua => vec![lua()],
        }
    }

    fn on_chat_route(&self) -> Value {
        let declared = match &self.chain {
            Chain::AiProtocolManager(Parsing::Response) => "response",
            Chain::AiProtocolManager(Parsing::Declared) => "request",
            _ => return json!({}),
        };
        json!({NATIVE_NAME: {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ai_protocol_manager.v3.AiProtocolManagerPerRoute",
            declared: {"llm_protocol": "OPENAI_CHAT_COMPLETIONS"}
        }})
    }
}

/// The port that stands for any free one.
const FREE: u16 = 0;

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn extension(name: &str, kind: &str, configuration: Value) -> Value {
    let kind = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}"));
    json!({"name": name, "typed_config": with(configuration, "@type", kind)})
}

/// The object with one member more.
fn with(mut object: Value, name: &str, member: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), member);
    }
    object
}

fn wasm_filter(file: &Path, configuration: &Value) -> Value {
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

const NATIVE_NAME: &str = "envoy.filters.http.ai_protocol_manager";

/// The limit for JSON bodies is raised to the highest that it takes, so that it reads the large ones too.
fn ai_protocol_manager(parsing: &Parsing) -> Value {
    let configuration = json!({"response_handling": {"token_usage": {
        "include_unconfigured_routes": true, "limits": {"max_json_body_size": 10_485_760}}}});
    let configuration = match parsing {
        Parsing::Response => configuration,
        Parsing::BestEffort => {
            with(configuration, "request_handling", json!({"parse_unconfigured_routes": true}))
        }
        Parsing::Declared => with(configuration, "request_handling", json!({})),
    };
    extension(NATIVE_NAME, "ai_protocol_manager.v3.AiProtocolManager", configuration)
}

fn json_to_metadata() -> Value {
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

fn sse_to_metadata() -> Value {
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

fn lua() -> Value {
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

fn six_tags() -> Value {
    let tags = [
        ("team", "x-team"),
        ("feature", "x-feature"),
        ("customer", "x-customer-id"),
        ("workflow", "x-workflow-id"),
        ("app", "x-app"),
        ("user", "x-user"),
    ];
    let tag = |(name, header): &(&str, &str)| ((*name).to_owned(), json!({"from": [{"header": header}]}));
    json!({"tags": tags.iter().map(tag).collect::<serde_json::Map<_, _>>()})
}

/// Limits that no run reaches.
fn six_tags_five_quotas() -> Value {
    let quota = |(index, per): (usize, &&str)| {
        json!({"name": format!("quota-{index}"), "per": [per],
            "limit": {"usd": "1000000.00"}, "window": "hour"})
    };
    let per = ["team", "feature", "customer", "app", "user"];
    with(six_tags(), "quotas", per.iter().enumerate().map(quota).collect())
}
