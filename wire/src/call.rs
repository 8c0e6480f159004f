//! Who is called, and in which dialect: decided from the request's head alone.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::dialect::{Dialect, UsageOption};
use crate::providers::{self, Habit, Provider};
use crate::routes::{self, Route, Streams};

/// What a request's head says, as it came from the client.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method, `POST` for nearly all LLM calls.
    pub method: &'a str,
    /// `:authority` or `host` as sent. The port and the case of letters are ignored.
    pub host: &'a str,
    /// `:path` as sent, with the query.
    pub path: &'a str,
    /// `content-type` of the request, parameters included.
    pub content_type: Option<&'a str>,
    /// `content-encoding` of the request.
    pub content_encoding: Option<&'a str>,
    /// `upgrade` (HTTP/1) or `:protocol` (extended CONNECT): the call leaves HTTP.
    pub upgrade: Option<&'a str>,
}

/// What the configuration says about an upstream. The caller has already matched it to the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The provider's name, in OpenTelemetry's spelling or of one's own.
    pub provider: String,
    /// How it talks; `None` leaves that to host and path.
    pub dialect: Option<DialectName>,
    /// Whether `stream_options.include_usage` may be added.
    pub include_usage: IncludeUsage,
}

/// The values of `upstreams[].include_usage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeUsage {
    /// A table of providers that are known to take the option decides.
    #[default]
    Auto,
    /// Added to every OpenAI-style stream.
    Always,
    /// Never added.
    Never,
}

/// The values of `upstreams[].dialect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialectName {
    /// OpenAI's chat completions, completions, embeddings, Responses, images and audio.
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's generateContent.
    Gemini,
    /// AWS Bedrock's Converse and InvokeModel.
    Bedrock,
    /// Cohere v1 and v2.
    Cohere,
    /// Ollama's own API; its OpenAI-compatible paths are recognised too.
    Ollama,
    /// Voyage's embeddings and rerank.
    Voyage,
    /// A JSON shape that the configuration describes.
    Custom,
}

impl DialectName {
    /// Every name that a configuration may use.
    pub const ALL: [Self; 8] = [
        Self::OpenAi,
        Self::Anthropic,
        Self::Gemini,
        Self::Bedrock,
        Self::Cohere,
        Self::Ollama,
        Self::Voyage,
        Self::Custom,
    ];

    /// The name as the configuration spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
            Self::Cohere => "cohere",
            Self::Ollama => "ollama",
            Self::Voyage => "voyage",
            Self::Custom => "custom",
        }
    }
}

/// A dialect's name that is none of [`DialectName::ALL`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDialect(String);

impl fmt::Display for UnknownDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown dialect `{}`", self.0)
    }
}

impl std::error::Error for UnknownDialect {}

impl FromStr for DialectName {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        let known = Self::ALL.into_iter().find(|dialect| dialect.as_str() == name);
        known.ok_or_else(|| UnknownDialect(name.to_owned()))
    }
}

/// What a request is to the meter.
#[derive(Clone, Debug)]
pub enum Traffic {
    /// A call that can be metered.
    Llm(Call),
    /// An LLM host or a configured upstream is called, but in a way that nothing can be metered.
    Unmetered(Reason),
    /// No LLM call as far as can be told: never held, parsed or changed.
    Other,
}

/// Why a call to an LLM host is not metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The path belongs to none of the operations that report usage.
    UnknownPath,
    /// The call leaves HTTP (WebSocket and the like).
    Upgrade,
    /// The request is no `POST`: listings, deletions, downloads.
    Method,
    /// The configured dialect cannot be read.
    Dialect,
}

impl Reason {
    /// The value of the `reason` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown_path",
            Self::Upgrade => "upgrade",
            Self::Method => "method",
            Self::Dialect => "dialect",
        }
    }
}

/// The kind of work that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Chat completions, Messages, Responses, Converse.
    Chat,
    /// A prompt is completed: the older completions APIs.
    TextCompletion,
    /// Vectors for texts or images.
    Embeddings,
    /// Gemini's generateContent and interactions.
    GenerateContent,
    /// Pictures are made or edited.
    ImageGeneration,
    /// Text becomes speech.
    Speech,
    /// Speech becomes text.
    Transcription,
    /// Documents are ordered by relevance.
    Rerank,
    /// Content is classified.
    Moderation,
    /// Pages are read into text.
    Ocr,
}

impl Operation {
    /// The value of `gen_ai.operation.name`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::TextCompletion => "text_completion",
            Self::Embeddings => "embeddings",
            Self::GenerateContent => "generate_content",
            Self::ImageGeneration => "image_generation",
            Self::Speech => "speech",
            Self::Transcription => "transcription",
            Self::Rerank => "rerank",
            Self::Moderation => "moderation",
            Self::Ocr => "ocr",
        }
    }
}

/// The shape of an error body that the client's SDK understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorDialect {
    /// `{"error": {"message", "type", "param", "code"}}`
    OpenAi,
    /// `{"type": "error", "error": {"type", "message"}}`
    Anthropic,
    /// `{"error": {"code", "message", "status"}}`
    Gemini,
    /// `{"message"}` and the header `x-amzn-errortype`.
    Bedrock,
    /// `{"message"}`
    Cohere,
    /// `{"error": "message"}`
    Ollama,
}

/// One LLM call: whom it is made to and how its bodies are to be read.
#[derive(Clone, Debug)]
pub struct Call {
    provider: Cow<'static, str>,
    route: &'static Route,
    path_model: Option<String>,
    injects: bool,
    pub(crate) body: RequestBody,
}

/// How a request's body is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestBody {
    Json,
    /// A form; this is its boundary.
    Form(String),
    /// It is encoded, or of no kind that we read.
    Closed,
}

impl Call {
    /// The provider's name in OpenTelemetry's spelling, or as the configuration has it.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What kind of work is asked for.
    pub fn operation(&self) -> Operation {
        self.route.operation
    }

    /// How a refusal has to look.
    pub fn error_dialect(&self) -> ErrorDialect {
        self.route.dialect.errors
    }

    /// The model where the path names it, percent-decoded.
    pub fn path_model(&self) -> Option<&str> {
        self.path_model.as_deref()
    }

    /// Whether the answer is streamed, where the path says so.
    pub fn path_stream(&self) -> Option<bool> {
        match self.route.streams {
            Streams::Always => Some(true),
            Streams::Never => Some(false),
            Streams::AsAsked | Streams::ByDefault => None,
        }
    }

    /// Whether `stream_options.include_usage` may be added to the body.
    pub fn may_inject(&self) -> bool {
        self.injects
    }

    pub(crate) fn dialect(&self) -> &'static Dialect {
        self.route.dialect
    }

    /// What `stream` is where neither path nor body say it.
    pub(crate) fn streams_by_default(&self) -> Option<bool> {
        (self.route.streams == Streams::ByDefault).then_some(true)
    }
}

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
        DialectName::OpenAi | DialectName::Anthropic | DialectName::Voyage | DialectName::Custom => &[],
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

impl RequestBody {
    fn new(head: &RequestHead<'_>) -> Self {
        if head.content_encoding.is_some_and(|coding| !matches!(coding.trim(), "" | "identity")) {
            return Self::Closed;
        }
        let kind = head.content_type.unwrap_or_default().trim();
        let form = kind.get(..19).is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data"));
        if !form {
            return Self::Json;
        }
        let boundary = kind.split(';').skip(1).find_map(|part| {
            let (name, value) = part.trim().split_once('=')?;
            name.eq_ignore_ascii_case("boundary").then(|| value.trim_matches('"').to_owned())
        });
        boundary.filter(|boundary| !boundary.is_empty()).map_or(Self::Closed, Self::Form)
    }
}

impl ErrorDialect {
    /// The provider that speaks it, where nothing else tells one.
    const fn default_provider(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gcp.gemini",
            Self::Bedrock => "aws.bedrock",
            Self::Cohere => "cohere",
            Self::Ollama => "ollama",
        }
    }
}
