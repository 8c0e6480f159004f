//! Who is called, and in which dialect: decided from the request's head alone.

mod classify;
mod custom;
mod names;
mod region;

use std::borrow::Cow;

pub use classify::classify;
pub use custom::{Custom, CustomShape, StreamCounts};
pub use names::{DialectName, ErrorDialect, IncludeUsage, Operation, Reason, UnknownDialect};
pub use region::region_of;

use crate::dialect::{Dialect, UsageKind};
use crate::routes::{Route, Streams};
use crate::stream::json_fields::Wants;

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
    /// Where the model and the counts stand under [`DialectName::Custom`]; without it such calls are unmetered.
    /// Other dialects do not look at it.
    pub custom: Option<Custom>,
}

impl Upstream {
    /// How a refusal has to look where no call could be made out of the request: as the configured dialect has
    /// it, else as OpenAI does.
    pub fn error_dialect(&self) -> ErrorDialect {
        self.dialect.map_or(ErrorDialect::OpenAi, DialectName::errors)
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

/// One LLM call: whom it is made to and how its bodies are to be read.
#[derive(Clone, Debug)]
pub struct Call {
    provider: Cow<'static, str>,
    route: &'static Route,
    path_model: Option<String>,
    injects: bool,
    pub(crate) body: RequestBody,
    /// The shape that the configuration describes, under that dialect alone.
    custom: Option<Custom>,
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

/// What the names of models that make pictures have in them.
const PICTURES: [&str; 3] = ["image", "nova-canvas", "stability."];

impl Call {
    /// The provider's name in OpenTelemetry's spelling, or as the configuration has it.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What kind of work is asked for.
    pub fn operation(&self) -> Operation {
        match self.route.dialect.usage {
            UsageKind::Invoke | UsageKind::Bare => self.operation_of_model(),
            _ => self.route.operation,
        }
    }

    /// InvokeModel's path, and Vertex's `:predict`, are the same for all kinds of models; the names of some tell the kind.
    #[cold]
    #[inline(never)]
    fn operation_of_model(&self) -> Operation {
        match self.path_model().unwrap_or_default() {
            model if model.contains("embed") => Operation::Embeddings,
            model if model.contains("rerank") => Operation::Rerank,
            model if PICTURES.iter().any(|name| model.contains(name)) => Operation::ImageGeneration,
            _ => self.route.operation,
        }
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

    /// Whether the answer holds the results of many calls, made earlier, one a line.
    pub fn is_batch(&self) -> bool {
        self.route.operation == Operation::BatchResults
    }

    /// Whether it only fetches what was made earlier.
    pub fn is_fetch(&self) -> bool {
        matches!(self.route.operation, Operation::BatchResults | Operation::BackgroundResults)
    }

    pub(crate) fn dialect(&self) -> &'static Dialect {
        self.route.dialect
    }

    /// The places that are wanted in the request's body.
    pub(crate) fn request_wants(&self) -> Wants {
        self.custom.as_ref().map_or(Wants::Fixed(self.dialect().request), |custom| custom.request.clone())
    }

    /// The places that are wanted in the response's body.
    pub(crate) fn response_wants(&self) -> Wants {
        self.custom.as_ref().map_or(Wants::Fixed(self.dialect().response), |custom| custom.response.clone())
    }

    /// What the counts that stand alone mean in a stream.
    pub(crate) fn stream_counts(&self) -> StreamCounts {
        self.custom.as_ref().map_or(StreamCounts::Sum, |custom| custom.counts)
    }

    /// What `stream` is where neither path nor body say it.
    pub(crate) fn streams_by_default(&self) -> Option<bool> {
        (self.route.streams == Streams::ByDefault).then_some(true)
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
