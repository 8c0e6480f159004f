//! What stands in the path: one row for each Envoy of the comparison.

mod chains;
mod configurations;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::workload::{EMBEDDINGS, JSON, REQUEST_100K, SSE_BR, SSE_GZIP, SSE_ZSTD, UNREPORTED, Workload};
use chains::{NATIVE_NAME, address, extension};
use configurations::{
    bare, body_rule, by_length, one_tag, one_tag_four_guards, six_tags, six_tags_five_quotas, stored,
};

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
    takes: Takes,
}

enum Chain {
    Empty,
    NoOp,
    Inflate,
    Tollgate(fn() -> Value),
    /// With vocabularies in it.
    Estimating(fn() -> Value),
    AiProtocolManager(Parsing),
    ToMetadata,
    Lua,
}

enum Parsing {
    /// Usage of responses alone.
    Response,
    /// Requests are parsed too, as best it can, and go on as they came.
    BestEffort,
}

/// Which workloads a filter is measured on.
enum Takes {
    /// All.
    All,
    /// These alone, since it says nothing about others.
    Only(&'static [&'static str]),
    /// All but these, which it breaks or does not read.
    AllBut(&'static [&'static str]),
}

/// The wasm files.
pub struct Wasm {
    /// `tollgate.wasm`.
    pub tollgate: PathBuf,
    /// `tollgate_noop.wasm`.
    pub noop: PathBuf,
    /// `tollgate_inflate.wasm`.
    pub inflate: PathBuf,
    /// `tollgate-estimate.wasm`, where there is one.
    pub estimate: Option<PathBuf>,
}

pub const PLAIN: &str = "plain";
pub const NO_OP: &str = "no-op wasm";
pub const TOLLGATE: &str = "tollgate";
pub const TAGS: &str = "tollgate, 6 tags";
pub const TAGS_QUOTAS: &str = "tollgate, 6 tags, 5 quotas";
pub const BODY_RULE: &str = "tollgate, a rule on the body";
pub const NATIVE: &str = "ai_protocol_manager";
pub const NATIVE_PARSING: &str = "ai_protocol_manager + request";
pub const INFLATE: &str = "inflation alone";
pub const BY_LENGTH: &str = "tollgate-estimate, by length";
pub const VOCABULARY: &str = "tollgate-estimate";

const TOLLGATE_PROOF: &str =
    "wasmcustom.tollgate_requests.*view=provider[^;]*model[^;]*;.*usage_source=reported.*";
const ESTIMATE_PROOF: &str =
    "wasmcustom.tollgate_requests.*view=provider[^;]*model[^;]*;.*usage_source=estimated.*";
const NATIVE_PROOF: &str = ".*ai_protocol_manager.*token_usage_found";
const ENCODED: &[&str] = &[SSE_GZIP, SSE_BR, SSE_ZSTD];

/// All filters, the plain path first.
pub const ALL: &[Filter] = &[
    Filter {
        name: PLAIN,
        about: "Envoy with the router alone",
        chain: Chain::Empty,
        proof: None,
        takes: Takes::All,
    },
    Filter {
        name: NO_OP,
        about: "a wasm filter with all callbacks that sets a property and a histogram",
        chain: Chain::NoOp,
        proof: None,
        takes: Takes::All,
    },
    Filter {
        name: TOLLGATE,
        about: "Tollgate with the configuration `{}`",
        chain: Chain::Tollgate(bare),
        proof: Some(TOLLGATE_PROOF),
        takes: Takes::All,
    },
    Filter {
        name: TAGS,
        about: "Tollgate with six tags from headers",
        chain: Chain::Tollgate(six_tags),
        proof: Some(TOLLGATE_PROOF),
        takes: Takes::Only(&[JSON]),
    },
    Filter {
        name: TAGS_QUOTAS,
        about: "Tollgate with six tags from headers and five quotas in the local store",
        chain: Chain::Tollgate(six_tags_five_quotas),
        proof: Some(TOLLGATE_PROOF),
        takes: Takes::AllBut(&[UNREPORTED]),
    },
    Filter {
        name: BODY_RULE,
        about: "Tollgate with a route that goes by the model, for which requests are held until their bodies were read",
        chain: Chain::Tollgate(body_rule),
        proof: Some(TOLLGATE_PROOF),
        takes: Takes::Only(&[JSON, REQUEST_100K]),
    },
    Filter {
        name: NATIVE,
        about: "native C++: usage of responses",
        chain: Chain::AiProtocolManager(Parsing::Response),
        proof: Some(NATIVE_PROOF),
        takes: Takes::AllBut(&[UNREPORTED]),
    },
    Filter {
        name: NATIVE_PARSING,
        about: "native C++: the same, and requests parsed as `parse_unconfigured_routes` does, its cheapest way",
        chain: Chain::AiProtocolManager(Parsing::BestEffort),
        proof: Some(NATIVE_PROOF),
        takes: Takes::AllBut(&[UNREPORTED]),
    },
    Filter {
        name: "json + sse to metadata",
        about: "native C++: json_to_metadata and sse_to_metadata, three token counts and the model",
        chain: Chain::ToMetadata,
        proof: Some(".*to_metadata.resp.*(success|metadata_added)"),
        // It holds the whole response, and Envoy answers 500 past its buffer limit of 1 MiB.
        takes: Takes::AllBut(&[EMBEDDINGS, UNREPORTED]),
    },
    Filter {
        name: "lua",
        about: "Lua: each chunk searched for a token count by string.match",
        chain: Chain::Lua,
        proof: None,
        takes: Takes::AllBut(&[UNREPORTED]),
    },
    Filter {
        name: INFLATE,
        about: "a wasm filter that inflates responses with Tollgate's own crates and looks at nothing",
        chain: Chain::Inflate,
        proof: None,
        takes: Takes::Only(ENCODED),
    },
    Filter {
        name: BY_LENGTH,
        about: "tollgate-estimate.wasm with `estimate: bytes`: tokens that nobody reports are reckoned by the length of texts",
        chain: Chain::Estimating(by_length),
        proof: Some(ESTIMATE_PROOF),
        takes: Takes::Only(&[UNREPORTED]),
    },
    Filter {
        name: VOCABULARY,
        about: "tollgate-estimate.wasm: they are counted with OpenAI's vocabulary",
        chain: Chain::Estimating(bare),
        proof: Some(ESTIMATE_PROOF),
        takes: Takes::Only(&[UNREPORTED]),
    },
];

/// Tollgate with five quotas in a store that is asked before each call.
pub const STRICT: Filter = Filter {
    name: "strict",
    about: "five quotas in a store that is asked before each call",
    chain: Chain::Tollgate(|| stored("strict")),
    proof: None,
    takes: Takes::All,
};

/// Tollgate with five quotas in a store that is told of them five times a second.
pub const CACHED: Filter = Filter {
    name: "cached",
    about: "five quotas in a store that is told of them every 200 ms",
    chain: Chain::Tollgate(|| stored("cached")),
    proof: None,
    takes: Takes::All,
};

/// Tollgate with four guards, each of which tells users apart.
pub const GUARDED: Filter = Filter {
    name: "tollgate, 4 guards",
    about: "a tag from a header and four guards that tell its values apart",
    chain: Chain::Tollgate(one_tag_four_guards),
    proof: Some(TOLLGATE_PROOF),
    takes: Takes::Only(&[JSON]),
};

/// The same without the guards.
pub const UNGUARDED: Filter = Filter {
    name: "the same without them",
    about: "a tag from a header",
    chain: Chain::Tollgate(one_tag),
    proof: Some(TOLLGATE_PROOF),
    takes: Takes::Only(&[JSON]),
};

/// A filter by its name.
pub fn named(name: &str) -> Option<&'static Filter> {
    ALL.iter().find(|filter| filter.name == name)
}

impl Filter {
    /// Whether this is Tollgate without vocabularies, with whatever configuration.
    pub fn is_tollgate(&self) -> bool {
        matches!(self.chain, Chain::Tollgate(_))
    }

    /// Whether it has to build a vocabulary before it does what it is measured for.
    pub fn is_estimating(&self) -> bool {
        matches!(self.chain, Chain::Estimating(_))
    }

    /// Whether its files are there.
    pub fn is_here(&self, wasm: &Wasm) -> bool {
        !self.is_estimating() || wasm.estimate.is_some()
    }

    /// Whether it is measured on that workload.
    pub fn takes(&self, workload: &Workload) -> bool {
        match self.takes {
            Takes::All => true,
            Takes::Only(names) => names.contains(&workload.name),
            Takes::AllBut(names) => !names.contains(&workload.name),
        }
    }

    /// Envoy's bootstrap with this filter in the path. The upstream stands in for a store too.
    pub fn bootstrap(&self, wasm: &Wasm, upstream: SocketAddr) -> Value {
        let router = extension("envoy.filters.http.router", "router.v3.Router", json!({}));
        let mut chain = self.http_filters(wasm);
        chain.push(router);
        let cluster = |name: &str| {
            json!({"name": name, "type": "STATIC", "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(upstream.port())}}]}]}})
        };
        json!({
            "admin": {"address": address(FREE)},
            "static_resources": {
                "listeners": [{"name": "calls", "address": address(FREE), "filter_chains": [{"filters": [
                    {"name": "http", "typed_config": self.connection_manager(chain)}]}]}],
                "clusters": [cluster("upstream"), cluster("store")]
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
        let nowhere = Path::new("");
        match &self.chain {
            Chain::Empty => Vec::new(),
            Chain::NoOp => vec![chains::wasm(&wasm.noop, &json!({}))],
            Chain::Inflate => vec![chains::wasm(&wasm.inflate, &json!({}))],
            Chain::Tollgate(configuration) => vec![chains::wasm(&wasm.tollgate, &configuration())],
            Chain::Estimating(configuration) => {
                vec![chains::wasm(wasm.estimate.as_deref().unwrap_or(nowhere), &configuration())]
            }
            Chain::AiProtocolManager(parsing) => vec![chains::ai_protocol_manager(parsing)],
            Chain::ToMetadata => vec![chains::json_to_metadata(), chains::sse_to_metadata()],
            Chain::Lua => vec![chains::lua()],
        }
    }

    fn on_chat_route(&self) -> Value {
        if !matches!(self.chain, Chain::AiProtocolManager(Parsing::Response)) {
            return json!({});
        }
        json!({NATIVE_NAME: {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ai_protocol_manager.v3.AiProtocolManagerPerRoute",
            "response": {"llm_protocol": "OPENAI_CHAT_COMPLETIONS"}
        }})
    }
}

/// The port that stands for any free one.
const FREE: u16 = 0;
