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
    if upstream.is_some_and(|upstream| upstream.dialect == Some(DialectName::Custom)) {
        return Traffic::Unmetered(Reason::Dialect);
    }
    let path = head.path.split_once(['?', '#']).map_or(head.path, |(path, _)| path);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let Some((route, path_model)) = route(&host, known, upstream, &segments) else {
        let reason = if head.method == "POST" { Reason::UnknownPath } else { Reason::Method };
        return unmetered(reason, is_llm);
    };
    if head.method != "POST" {
        return unmetered(Reason::Method, is_llm);
    }
    let provider = provider_name(&host, known, upstream, route);
    let body = RequestBody::new(head);
    let injects = body == RequestBody::Json && takes_option(head, upstream, route, &provider);
    Traffic::Llm(Call { provider, route, path_model, injects, body })
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
        DialectName::OpenAi | DialectName::Anthropic | DialectName::Custom => &[],
    }
}

fn provider_name(
    host: &HostName,
    known: Option<&'static Provider>,
    upstream: Option<&Upstream>,
    route: &Route,
) -> Cow<'static, str> {
    match (upstream, known) {
        (Some(upstream), _) => Cow::Owned(upstream.provider.clone()),
        (None, Some(provider)) => Cow::Borrowed(provider.name),
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
