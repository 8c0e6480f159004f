//! The names that configurations, records and counters use.

use std::fmt;
use std::str::FromStr;

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

impl DialectName {
    /// The errors that its SDKs understand.
    pub(super) const fn errors(self) -> ErrorDialect {
        match self {
            Self::Anthropic => ErrorDialect::Anthropic,
            Self::Gemini => ErrorDialect::Gemini,
            Self::Bedrock => ErrorDialect::Bedrock,
            Self::Cohere => ErrorDialect::Cohere,
            Self::Ollama => ErrorDialect::Ollama,
            Self::OpenAi | Self::Voyage | Self::Custom => ErrorDialect::OpenAi,
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
    /// The results of a batch are fetched.
    BatchResults,
    /// A response that was made in the background is fetched.
    BackgroundResults,
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
            Self::BatchResults => "batch_results",
            Self::BackgroundResults => "background_results",
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

impl ErrorDialect {
    /// The provider that speaks it, where nothing else tells one.
    pub(super) const fn default_provider(self) -> &'static str {
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
