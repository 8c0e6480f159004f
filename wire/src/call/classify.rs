//! Matches a request's head with the tables.

use std::borrow::Cow;

use super::{Call, DialectName, IncludeUsage, Reason, RequestBody, RequestHead, Traffic, Upstream};
use crate::dialect::UsageOption;
use crate::providers::{self, Habit, Provider};
use crate::routes::{self, Route};

/// Decides who is called. A configured upstream wins over what host and path look like.
pub fn classify(head: &RequestHead<'_>, upstream: Option<&Upstream>) -> Traffic {
    let host = HostName::new(head.host);
    let known = providers::by_host(&host.name);
    let is_llm = known.is_some() || upstream.is_some();
    if head.upgrade.is_some_and(|protocol| !protocol.is_empty()) || head.method == "CONNECT" {
        return unmetered(Reason::Upgrade, is_llm);
    }
    let described = upstream.filter(|upstream| upstream.dialect == Some(DialectName::Custom));
    let custom = described.and_then(|upstream| upstream.custom.clone());
    if described.is_some() && custom.is_none() {
        return Traffic::Unmetered(Reason::Dialect);
    }
    let path = head.path.split_once(['?', '#']).map_or(head.path, |(path, _)| path);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if head.method == "GET"
        && is_llm
        && let Some((route, _)) = routes::find(routes::RESULTS, &segments)
    {
        let provider = provider_name(&host, known, upstream, route, &segments);
        let body = RequestBody::Closed;
        return Traffic::Llm(Call { provider, route, path_model: None, injects: false, body, custom: None });
    }
    let Some((route, path_model)) = route(&host, known, upstream, &segments) else {
        let reason = if head.method == "POST" { Reason::UnknownPath } else { Reason::Method };
        return unmetered(reason, is_llm);
    };
    if head.method != "POST" {
        return unmetered(Reason::Method, is_llm);
    }
    let provider = provider_name(&host, known, upstream, route, &segments);
    let body = RequestBody::new(head);
    let injects = body == RequestBody::Json && takes_option(head, upstream, route, &provider);
    Traffic::Llm(Call { provider, route, path_model, injects, body, custom })
}

fn unmetered(reason: Reason, is_llm: bool) -> Traffic {
    if is_llm { Traffic::Unmetered(reason) } else { Traffic::Other }
}

/// A host without its port, in lower case.
struct HostName {
    name: String,
    /// Ollama is known by its port alone: it usually runs on a host of one's own.
    is_ollama: bool,
}

impl HostName {
    fn new(authority: &str) -> Self {
        let (name, port) = match authority.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
            _ => (authority, ""),
        };
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        Self { name, is_ollama: port == "11434" }
    }
}

type Routed = (&'static Route, Option<String>);

fn route(
    host: &HostName,
    known: Option<&'static Provider>,
    upstream: Option<&Upstream>,
    segments: &[&str],
) -> Option<Routed> {
    let everywhere = || routes::find(routes::EVERYWHERE, segments);
    let dialect = upstream.and_then(|upstream| upstream.dialect);
    if let Some(dialect) = dialect {
        return routes::find(own_routes(dialect), segments).or_else(everywhere);
    }
    let own = known.map_or(&[][..], |provider| provider.routes);
    let ollama = if host.is_ollama { routes::OLLAMA } else { &[] };
    let found = [own, ollama].into_iter().find_map(|routes| routes::find(routes, segments));
    // On a host that nobody named, only paths count that no other kind of service has.
    let peculiar = || {
        [routes::BEDROCK, routes::GOOGLE]
            .into_iter()
            .find_map(|table| routes::find(table, segments).filter(|_| known.is_none()))
    };
    let versioned = known.is_some() || upstream.is_some() || is_versioned(segments);
    found.or_else(|| everywhere().filter(|_| versioned)).or_else(peculiar)
}

/// Whether a path carries a version or ends as only LLM calls do.
fn is_versioned(segments: &[&str]) -> bool {
    segments.contains(&"v1") || segments.ends_with(&["chat", "completions"])
}

fn own_routes(dialect: DialectName) -> &'static [Route] {
    match dialect {
        DialectName::Gemini => routes::GOOGLE,
        DialectName::Bedrock => routes::BEDROCK,
        DialectName::Cohere => routes::COHERE,
        DialectName::Ollama => routes::OLLAMA,
        DialectName::Voyage => routes::VOYAGE,
        DialectName::Custom => routes::CUSTOM,
        DialectName::OpenAi | DialectName::Anthropic => &[],
    }
}

fn provider_name(
    host: &HostName,
    known: Option<&'static Provider>,
    upstream: Option<&Upstream>,
    route: &Route,
    segments: &[&str],
) -> Cow<'static, str> {
    match (upstream, known) {
        (Some(upstream), _) => Cow::Owned(upstream.provider.clone()),
        (None, Some(provider)) => Cow::Borrowed(provider.name_under(segments)),
        (None, None) if host.is_ollama => Cow::Borrowed("ollama"),
        (None, None) => Cow::Borrowed(route.dialect.errors.default_provider()),
    }
}

fn takes_option(head: &RequestHead<'_>, upstream: Option<&Upstream>, route: &Route, provider: &str) -> bool {
    if route.dialect.option != UsageOption::Takes {
        return false;
    }
    match upstream.map(|upstream| upstream.include_usage).unwrap_or_default() {
        IncludeUsage::Always => true,
        IncludeUsage::Never => false,
        IncludeUsage::Auto => providers::habits(provider).iter().any(|habit| match habit {
            Habit::TakesIncludeUsage => true,
            Habit::TakesIncludeUsageByVersion => azure_takes_option(head.path),
            _ => false,
        }),
    }
}

/// Azure refuses the option before the API version of 2024-09-01; the paths of `/openai/v1` have none.
fn azure_takes_option(path: &str) -> bool {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    match query.split('&').find_map(|pair| pair.strip_prefix("api-version=")) {
        Some(version) => version >= "2024-09-01",
        None => path.contains("/v1/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(method: &str, url: &str, upstream: Option<(&str, Option<DialectName>)>) -> String {
        let (host, path) = url.split_once('/').unwrap_or((url, ""));
        let path = format!("/{path}");
        let head = RequestHead {
            method,
            host,
            path: &path,
            content_type: None,
            content_encoding: None,
            upgrade: None,
        };
        let include_usage = IncludeUsage::Auto;
        let upstream = upstream.map(|(name, dialect)| Upstream {
            provider: name.to_owned(),
            dialect,
            include_usage,
            custom: None,
        });
        match classify(&head, upstream.as_ref()) {
            Traffic::Llm(call) => {
                let model = call.path_model().unwrap_or("-");
                format!("{} {} {model}", call.provider(), call.operation().as_str())
            }
            Traffic::Unmetered(reason) => format!("unmetered: {}", reason.as_str()),
            Traffic::Other => "other".to_owned(),
        }
    }

    #[test]
    fn hosts_and_paths_tell_the_call() {
        let cases = [
            ("POST", "API.OpenAI.com:443/v1/chat/completions?x=1", "openai chat -"),
            ("POST", "api.openai.com/v1/fine_tuning/jobs", "unmetered: unknown_path"),
            ("GET", "api.openai.com/v1/models", "unmetered: method"),
            ("GET", "api.openai.com/v1/files/file-1/content", "openai batch_results -"),
            ("GET", "api.openai.com/v1/files/file-1", "unmetered: method"),
            ("GET", "api.openai.com/v1/responses/resp_1?stream=true", "openai background_results -"),
            ("GET", "api.openai.com/v1/responses/resp_1/input_items", "unmetered: method"),
            ("DELETE", "api.openai.com/v1/responses/resp_1", "unmetered: method"),
            ("GET", "shop.example/v1/responses/resp_1", "other"),
            ("GET", "api.anthropic.com/v1/messages/batches/msgbatch_1/results", "anthropic batch_results -"),
            ("GET", "files.example/v1/files/file-1/content", "other"),
            ("POST", "api.anthropic.com/v1/messages", "anthropic chat -"),
            ("POST", "api.anthropic.com/v1/messages/count_tokens", "unmetered: unknown_path"),
            (
                "POST",
                "res.openai.azure.com//openai/deployments/d%201/embeddings",
                "azure.ai.openai embeddings d 1",
            ),
            (
                "POST",
                "generativelanguage.googleapis.com/v1/models/g:generateContent",
                "gcp.gemini generate_content g",
            ),
            ("POST", "generativelanguage.googleapis.com/v1/models/g:countTokens", "unmetered: unknown_path"),
            (
                "POST",
                "us-x-aiplatform.googleapis.com/v1/publishers/anthropic/models/c@1:rawPredict",
                "gcp.vertex_ai chat c@1",
            ),
            (
                "POST",
                "us-x-aiplatform.googleapis.com/v1/publishers/anthropic/models/count-tokens:rawPredict",
                "unmetered: unknown_path",
            ),
            (
                "POST",
                "bedrock-runtime.us-east-1.amazonaws.com/model/a.b%3A0/converse",
                "aws.bedrock chat a.b:0",
            ),
            (
                "POST",
                "bedrock-runtime.us-east-1.amazonaws.com/model/arn:x/y/invoke",
                "aws.bedrock chat arn:x/y",
            ),
            ("POST", "api.cohere.com/v2/rerank", "cohere rerank -"),
            ("POST", "127.0.0.1:11434/api/generate", "ollama text_completion -"),
            ("POST", "127.0.0.1:8080/api/generate", "other"),
            ("POST", "gpu.corp/v1/chat/completions", "openai chat -"),
            ("POST", "gpu.corp/v1/messages", "anthropic chat -"),
            ("POST", "gpu.corp/v1/models/g:generateContent", "gcp.gemini generate_content g"),
            ("POST", "shop.example/moderations", "other"),
            ("POST", "shop.example/v1/orders", "other"),
            ("GET", "shop.example/v1/chat/completions", "other"),
            ("POST", "router.huggingface.co/nebius/v1/chat/completions", "huggingface_nebius chat -"),
            ("POST", "", "other"),
        ];
        for (method, url, expected) in cases {
            assert_eq!(told(method, url, None), expected, "{method} {url}");
        }
    }

    #[test]
    fn a_configured_upstream_wins() {
        let cases = [
            ("llm.corp/v1/embeddings", None, "ours embeddings -"),
            ("llm.corp/any/chat", Some(DialectName::Cohere), "unmetered: unknown_path"),
            ("llm.corp/any/v2/chat", Some(DialectName::Cohere), "ours chat -"),
            ("llm.corp/api/chat", Some(DialectName::Ollama), "ours chat -"),
            ("api.openai.com/v1/chat/completions", Some(DialectName::OpenAi), "ours chat -"),
            ("llm.corp/v1/chat/completions", Some(DialectName::Custom), "unmetered: dialect"),
        ];
        for (url, dialect, expected) in cases {
            assert_eq!(told("POST", url, Some(("ours", dialect))), expected, "{url}");
        }
    }

    #[test]
    fn the_option_is_added_where_it_is_known_to_be_taken() {
        use IncludeUsage::{Always, Auto, Never};
        let cases = [
            ("OpenAI takes it", "openai", "/v1/chat/completions", None, Auto, true),
            ("but not under Responses", "openai", "/v1/responses", None, Always, false),
            ("nor where the body is encoded", "openai", "/v1/chat/completions", Some("gzip"), Auto, false),
            ("identity is no encoding", "openai", "/v1/chat/completions", Some("identity"), Auto, true),
            ("nor where it is forbidden", "openai", "/v1/chat/completions", None, Never, false),
            ("a stranger is not asked", "ours", "/v1/chat/completions", None, Auto, false),
            ("unless it is told", "ours", "/v1/chat/completions", None, Always, true),
            (
                "Azure takes it of late",
                "azure.ai.openai",
                "/x/chat/completions?api-version=2024-10-21",
                None,
                Auto,
                true,
            ),
            (
                "not before",
                "azure.ai.openai",
                "/x/chat/completions?api-version=2024-02-01",
                None,
                Auto,
                false,
            ),
            (
                "and under its newest paths",
                "azure.ai.openai",
                "/openai/v1/chat/completions",
                None,
                Auto,
                true,
            ),
        ];
        for (name, provider, path, content_encoding, include_usage, expected) in cases {
            let head = RequestHead {
                method: "POST",
                host: "h",
                path,
                content_type: None,
                content_encoding,
                upgrade: None,
            };
            let upstream =
                Upstream { provider: provider.to_owned(), dialect: None, include_usage, custom: None };
            let traffic = classify(&head, Some(&upstream));
            assert!(matches!(traffic, Traffic::Llm(call) if call.may_inject() == expected), "{name}");
        }
    }

    #[test]
    fn upgrades_are_never_metered() {
        let head = |host| RequestHead {
            method: "GET",
            host,
            path: "/v1/realtime",
            content_type: None,
            content_encoding: None,
            upgrade: Some("websocket"),
        };
        assert!(matches!(classify(&head("api.openai.com"), None), Traffic::Unmetered(Reason::Upgrade)));
        assert!(matches!(classify(&head("chat.example"), None), Traffic::Other));
    }
}
