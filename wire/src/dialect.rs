//! The dialects: which fields matter in a request and a response, and what kind of report they carry.
//!
//! A dialect is one row of data. What differs in reading a report is [`UsageKind`]; what differs between
//! providers of one dialect is [`crate::providers::Habit`].

mod fields;

use crate::call::ErrorDialect;
use crate::stream::json_fields::Table;

/// One dialect of one kind of call.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// Names the row in debug output.
    pub(crate) name: &'static str,
    pub(crate) request: &'static Table,
    pub(crate) response: &'static Table,
    pub(crate) usage: UsageKind,
    pub(crate) errors: ErrorDialect,
    pub(crate) finishes: Finishes,
    pub(crate) option: UsageOption,
    /// Bytes by which an event that carries generated content is known.
    pub(crate) content: &'static [u8],
    /// Keys under which generated text stands; none where there is none to count.
    pub(crate) texts: &'static [&'static str],
    /// The same for answers that are no streams, where those differ.
    pub(crate) whole_texts: Option<&'static [&'static str]>,
}

/// How a report is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UsageKind {
    /// OpenAI's two spellings and their many relatives; cached tokens are inside the input.
    OpenAi,
    /// Anthropic: cached tokens are outside the input; the reports of a stream overlay each other.
    Anthropic,
    /// Gemini: thoughts and tool prompts are outside; the last report of a stream counts.
    Gemini,
    /// Gemini's interactions.
    Interactions,
    /// Bedrock Converse: cached tokens are outside the input.
    Converse,
    /// Bedrock InvokeModel: whatever the vendor's body says, else AWS's own counts.
    Invoke,
    /// Cohere: billed units.
    Cohere,
    /// Mistral's OCR.
    Pages,
    /// Counts that stand alone, added up.
    Bare,
}

/// Whether the ends that the events of a stream tell are added or replace each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finishes {
    /// Each choice ends once.
    Add,
    /// Every event may tell them all.
    Replace,
}

/// Whether a stream reports usage only if `stream_options.include_usage` asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UsageOption {
    /// The dialect has the option.
    Takes,
    /// It has no such option.
    Unknown,
}

const OPENAI: Dialect = Dialect {
    name: "openai",
    request: &Table::of(fields::CHAT_REQUEST),
    response: &Table::of(fields::CHAT),
    usage: UsageKind::OpenAi,
    errors: ErrorDialect::OpenAi,
    finishes: Finishes::Add,
    option: UsageOption::Unknown,
    content: b"\"choices\"",
    texts: &[],
    whole_texts: None,
};

/// OpenAI's chat completions and completions.
pub(crate) static CHAT: Dialect = Dialect {
    name: "chat",
    option: UsageOption::Takes,
    texts: &["content", "reasoning_content", "reasoning", "name", "arguments", "refusal"],
    ..OPENAI
};

/// Chats of Alibaba and MiniMax in their own words: usage stands where OpenAI has it, and is never asked for.
pub(crate) static NATIVE: Dialect = Dialect {
    name: "native",
    request: &Table::of(fields::NATIVE_REQUEST),
    response: &Table::of(fields::NATIVE),
    finishes: Finishes::Replace,
    texts: &["text", "content", "reasoning_content", "name", "arguments"],
    ..OPENAI
};

/// The older completions.
pub(crate) static COMPLETIONS: Dialect = Dialect { texts: &["text"], ..CHAT };

/// OpenAI's embeddings, moderations and other calls with one plain answer.
pub(crate) static PLAIN: Dialect = Dialect { name: "plain", content: b"{", ..OPENAI };

/// OpenAI's Responses.
pub(crate) static RESPONSES: Dialect = Dialect {
    name: "responses",
    request: &Table::of(fields::RESPONSES_REQUEST),
    response: &Table::of(fields::RESPONSES),
    finishes: Finishes::Replace,
    content: b".delta\"",
    // Later events repeat what the deltas said.
    texts: &["delta"],
    whole_texts: Some(&["text", "name", "arguments"]),
    ..OPENAI
};

/// OpenAI's images.
pub(crate) static IMAGES: Dialect = Dialect {
    name: "images",
    request: &Table::of(fields::IMAGES_REQUEST),
    response: &Table::of(fields::IMAGES),
    content: b"b64_json",
    ..OPENAI
};

/// OpenAI's speech: the request's text is what is billed.
pub(crate) static SPEECH: Dialect =
    Dialect { name: "speech", request: &Table::of(fields::SPEECH_REQUEST), content: b"", ..OPENAI };

/// OpenAI's transcriptions and translations.
pub(crate) static TRANSCRIPTION: Dialect = Dialect {
    name: "transcription",
    response: &Table::of(fields::TRANSCRIPTION),
    content: b"text",
    ..OPENAI
};

/// The output file of OpenAI's batches: any of its calls, one a line.
pub(crate) static BATCH_FILE: Dialect = Dialect {
    name: "batch_file",
    request: &Table::of(&[]),
    response: &Table::of(fields::BATCH_FILE),
    content: b"",
    ..OPENAI
};

/// The results of Anthropic's batches.
pub(crate) static BATCH_MESSAGES: Dialect = Dialect {
    name: "batch_messages",
    request: &Table::of(&[]),
    response: &Table::of(fields::BATCH_MESSAGES),
    usage: UsageKind::Anthropic,
    errors: ErrorDialect::Anthropic,
    content: b"",
    ..OPENAI
};

/// Mistral's conversations: its agents' turns, which name their model in each output.
pub(crate) static CONVERSATIONS: Dialect = Dialect {
    name: "conversations",
    response: &Table::of(fields::CONVERSATIONS),
    content: b"message.output",
    texts: &["content", "name", "arguments"],
    ..OPENAI
};

/// Mistral's OCR.
pub(crate) static OCR: Dialect = Dialect {
    name: "ocr",
    response: &Table::of(fields::OCR),
    usage: UsageKind::Pages,
    content: b"pages",
    ..OPENAI
};

/// Anthropic's Messages.
pub(crate) static MESSAGES: Dialect = Dialect {
    name: "messages",
    request: &Table::of(fields::MESSAGES_REQUEST),
    response: &Table::of(fields::MESSAGES),
    usage: UsageKind::Anthropic,
    errors: ErrorDialect::Anthropic,
    content: b"content_block_delta",
    texts: &["text", "thinking", "partial_json", "completion", "name", "input"],
    ..OPENAI
};

/// Gemini's generateContent and streamGenerateContent.
pub(crate) static GEMINI: Dialect = Dialect {
    name: "gemini",
    request: &Table::of(fields::GEMINI_REQUEST),
    response: &Table::of(fields::GEMINI),
    usage: UsageKind::Gemini,
    errors: ErrorDialect::Gemini,
    finishes: Finishes::Replace,
    content: b"\"candidates\"",
    texts: &["text", "name", "args"],
    ..OPENAI
};

/// Gemini's interactions.
pub(crate) static INTERACTIONS: Dialect = Dialect {
    name: "interactions",
    response: &Table::of(fields::INTERACTIONS),
    usage: UsageKind::Interactions,
    errors: ErrorDialect::Gemini,
    finishes: Finishes::Replace,
    content: b"delta",
    texts: &["text", "args"],
    ..OPENAI
};

/// Vertex's `:predict`.
pub(crate) static PREDICT: Dialect = Dialect {
    name: "predict",
    response: &Table::of(fields::PREDICT),
    usage: UsageKind::Bare,
    errors: ErrorDialect::Gemini,
    content: b"predictions",
    ..OPENAI
};

/// Bedrock's Converse.
pub(crate) static CONVERSE: Dialect = Dialect {
    name: "converse",
    request: &Table::of(fields::CONVERSE_REQUEST),
    response: &Table::of(fields::CONVERSE),
    usage: UsageKind::Converse,
    errors: ErrorDialect::Bedrock,
    content: b"contentBlockDelta",
    texts: &["text", "name", "input"],
    ..OPENAI
};

/// Bedrock's InvokeModel.
pub(crate) static INVOKE: Dialect = Dialect {
    name: "invoke",
    request: &Table::of(fields::INVOKE_REQUEST),
    response: &Table::of(fields::INVOKE),
    usage: UsageKind::Invoke,
    errors: ErrorDialect::Bedrock,
    content: b"chunk",
    texts: &["text", "thinking", "partial_json", "completion", "generation", "outputText", "content"],
    ..OPENAI
};

/// Cohere, both versions, and its rerank and embed.
pub(crate) static COHERE: Dialect = Dialect {
    name: "cohere",
    response: &Table::of(fields::COHERE),
    usage: UsageKind::Cohere,
    errors: ErrorDialect::Cohere,
    content: b"text",
    texts: &["text", "thinking", "arguments"],
    ..OPENAI
};

/// Ollama's own API.
pub(crate) static OLLAMA: Dialect = Dialect {
    name: "ollama",
    request: &Table::of(fields::OLLAMA_REQUEST),
    response: &Table::of(fields::OLLAMA),
    usage: UsageKind::Bare,
    errors: ErrorDialect::Ollama,
    content: b"{",
    texts: &["content", "thinking", "response"],
    ..OPENAI
};

/// A shape that the configuration describes: the wanted places come with the call.
pub(crate) static CUSTOM: Dialect = Dialect {
    name: "custom",
    request: &Table::of(fields::CUSTOM_REQUEST),
    response: &Table::of(&[]),
    usage: UsageKind::Bare,
    content: b"",
    texts: &["content", "text"],
    ..OPENAI
};
