//! Paths: which call they are, and which model they name.

use crate::call::Operation::{
    self, BackgroundResults, BatchResults, Chat, Embeddings, GenerateContent, ImageGeneration, Moderation,
    Ocr, Rerank, Speech, TextCompletion, Transcription,
};
use crate::dialect::{
    self, CHAT, COHERE as COHERE_DIALECT, COMPLETIONS, CONVERSATIONS, CONVERSE, Dialect, GEMINI, IMAGES,
    INTERACTIONS, INVOKE, MESSAGES, NATIVE, OLLAMA as OLLAMA_DIALECT, PLAIN, PREDICT, RESPONSES, SPEECH,
    TRANSCRIPTION,
};

/// One kind of path.
#[derive(Debug)]
pub(crate) struct Route {
    path: Pattern,
    pub(crate) dialect: &'static Dialect,
    pub(crate) operation: Operation,
    /// Whether such a path says that the answer is, or is not, a stream.
    pub(crate) streams: Streams,
}

/// What a path says about streaming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// Nothing: the body tells.
    AsAsked,
    Always,
    Never,
    /// Unless the body says otherwise (Ollama).
    ByDefault,
}

/// How a path is recognised. Empty segments do not count, so that `//openai/` is `/openai/`.
#[derive(Debug)]
enum Pattern {
    /// It ends with these segments.
    Ends(&'static [&'static str]),
    /// It ends with these segments, and what stands between them and this one is the model.
    Model(&'static str, &'static [&'static str]),
    /// Its last segment is the model, a colon and this verb.
    Verb(&'static str),
    /// The same, after `publishers/anthropic/models`.
    AnthropicVerb(&'static str),
    /// It ends with this segment, one that begins so, and that last one.
    Around(&'static str, &'static str, &'static str),
    /// It ends with this segment and one more, a name.
    Named(&'static str),
}

use Pattern::{AnthropicVerb, Around, Ends, Model, Named, Verb};
use Streams::{Always, AsAsked, ByDefault, Never};

const fn asked(path: Pattern, dialect: &'static Dialect, operation: Operation) -> Route {
    Route { path, dialect, operation, streams: AsAsked }
}

const fn fixed(path: Pattern, dialect: &'static Dialect, operation: Operation, streams: Streams) -> Route {
    Route { path, dialect, operation, streams }
}

/// Paths that mean the same everywhere: OpenAI's, which many providers took over, and Anthropic's.
pub(crate) static EVERYWHERE: &[Route] = &[
    asked(Model("deployments", &["chat", "completions"]), &CHAT, Chat),
    asked(Ends(&["chat", "completions"]), &CHAT, Chat),
    asked(Model("deployments", &["completions"]), &COMPLETIONS, TextCompletion),
    asked(Ends(&["completions"]), &COMPLETIONS, TextCompletion),
    asked(Model("deployments", &["embeddings"]), &PLAIN, Embeddings),
    asked(Ends(&["embeddings"]), &PLAIN, Embeddings),
    asked(Ends(&["responses"]), &RESPONSES, Chat),
    asked(Ends(&["responses", "compact"]), &RESPONSES, Chat),
    asked(Ends(&["v1", "messages"]), &MESSAGES, Chat),
    asked(Ends(&["v1", "complete"]), &MESSAGES, TextCompletion),
    asked(Model("deployments", &["images", "generations"]), &IMAGES, ImageGeneration),
    asked(Model("deployments", &["images", "edits"]), &IMAGES, ImageGeneration),
    asked(Ends(&["images", "generations"]), &IMAGES, ImageGeneration),
    asked(Ends(&["images", "edits"]), &IMAGES, ImageGeneration),
    asked(Ends(&["images", "variations"]), &IMAGES, ImageGeneration),
    asked(Model("deployments", &["audio", "transcriptions"]), &TRANSCRIPTION, Transcription),
    asked(Model("deployments", &["audio", "translations"]), &TRANSCRIPTION, Transcription),
    asked(Ends(&["audio", "transcriptions"]), &TRANSCRIPTION, Transcription),
    asked(Ends(&["audio", "translations"]), &TRANSCRIPTION, Transcription),
    asked(Model("deployments", &["audio", "speech"]), &SPEECH, Speech),
    asked(Ends(&["audio", "speech"]), &SPEECH, Speech),
    asked(Ends(&["moderations"]), &PLAIN, Moderation),
    asked(Ends(&["v1", "rerank"]), &PLAIN, Rerank),
    asked(Ends(&["ocr"]), &dialect::OCR, Ocr),
];

/// Paths of Gemini and Vertex. Their names are so peculiar that they count on unknown hosts too.
pub(crate) static GOOGLE: &[Route] = &[
    fixed(Verb("generateContent"), &GEMINI, GenerateContent, Never),
    fixed(Verb("streamGenerateContent"), &GEMINI, GenerateContent, Always),
    fixed(Verb("embedContent"), &GEMINI, Embeddings, Never),
    fixed(Verb("batchEmbedContents"), &GEMINI, Embeddings, Never),
    fixed(AnthropicVerb("rawPredict"), &MESSAGES, Chat, AsAsked),
    fixed(AnthropicVerb("streamRawPredict"), &MESSAGES, Chat, Always),
    fixed(Verb("rawPredict"), &CHAT, Chat, AsAsked),
    fixed(Verb("streamRawPredict"), &CHAT, Chat, Always),
    fixed(Verb("predict"), &PREDICT, Embeddings, Never),
    asked(Ends(&["interactions"]), &INTERACTIONS, GenerateContent),
];

/// Paths of Bedrock. They count on unknown hosts too.
pub(crate) static BEDROCK: &[Route] = &[
    fixed(Model("model", &["converse"]), &CONVERSE, Chat, Never),
    fixed(Model("model", &["converse-stream"]), &CONVERSE, Chat, Always),
    fixed(Model("model", &["invoke"]), &INVOKE, Chat, Never),
    fixed(Model("model", &["invoke-with-response-stream"]), &INVOKE, Chat, Always),
];

/// Paths of Cohere.
pub(crate) static COHERE: &[Route] = &[
    asked(Ends(&["v1", "chat"]), &COHERE_DIALECT, Chat),
    asked(Ends(&["v2", "chat"]), &COHERE_DIALECT, Chat),
    asked(Ends(&["generate"]), &COHERE_DIALECT, TextCompletion),
    asked(Ends(&["embed"]), &COHERE_DIALECT, Embeddings),
    asked(Ends(&["rerank"]), &COHERE_DIALECT, Rerank),
    asked(Ends(&["classify"]), &COHERE_DIALECT, Moderation),
];

/// Paths of Ollama.
pub(crate) static OLLAMA: &[Route] = &[
    fixed(Ends(&["api", "chat"]), &OLLAMA_DIALECT, Chat, ByDefault),
    fixed(Ends(&["api", "generate"]), &OLLAMA_DIALECT, TextCompletion, ByDefault),
    fixed(Ends(&["api", "embed"]), &OLLAMA_DIALECT, Embeddings, Never),
    fixed(Ends(&["api", "embeddings"]), &OLLAMA_DIALECT, Embeddings, Never),
];

/// Paths of Writer.
pub(crate) static WRITER: &[Route] = &[asked(Ends(&["v1", "chat"]), &CHAT, Chat)];

/// Paths of Voyage.
pub(crate) static VOYAGE: &[Route] = &[
    asked(Ends(&["multimodalembeddings"]), &PLAIN, Embeddings),
    asked(Ends(&["contextualizedembeddings"]), &PLAIN, Embeddings),
];

/// Paths of Mistral: a conversation is begun, goes on, and goes on from an earlier turn.
pub(crate) static MISTRAL: &[Route] = &[
    asked(Ends(&["conversations"]), &CONVERSATIONS, Chat),
    asked(Around("conversations", "", "restart"), &CONVERSATIONS, Chat),
    asked(Named("conversations"), &CONVERSATIONS, Chat),
];

/// Paths of Alibaba's own API.
pub(crate) static ALIBABA: &[Route] = &[
    asked(Ends(&["text-generation", "generation"]), &NATIVE, Chat),
    asked(Ends(&["multimodal-generation", "generation"]), &NATIVE, Chat),
    asked(Ends(&["text-embedding", "text-embedding"]), &PLAIN, Embeddings),
    asked(Ends(&["text-rerank", "text-rerank"]), &PLAIN, Rerank),
];

/// Paths of MiniMax's own API.
pub(crate) static MINIMAX: &[Route] = &[asked(Ends(&["text", "chatcompletion_v2"]), &NATIVE, Chat)];

/// Paths of Snowflake's Cortex.
pub(crate) static SNOWFLAKE: &[Route] = &[asked(Ends(&["inference:complete"]), &CHAT, Chat)];

/// Paths of IBM's watsonx.
pub(crate) static WATSONX: &[Route] = &[
    fixed(Ends(&["text", "chat"]), &CHAT, Chat, Never),
    fixed(Ends(&["text", "chat_stream"]), &CHAT, Chat, Always),
];

/// Paths of Databricks: an endpoint's name stands where others have the model.
pub(crate) static DATABRICKS: &[Route] = &[asked(Model("serving-endpoints", &["invocations"]), &CHAT, Chat)];

/// Paths under which results of batches and background responses are fetched, with `GET`. The names of files are OpenAI's: others
/// have such paths too.
pub(crate) static RESULTS: &[Route] = &[
    fixed(Around("files", "file", "content"), &dialect::BATCH_FILE, BatchResults, Never),
    fixed(Around("batches", "msgbatch", "results"), &dialect::BATCH_MESSAGES, BatchResults, Never),
    asked(Named("responses"), &RESPONSES, BackgroundResults),
];

/// Every path of an upstream whose shape the configuration describes.
pub(crate) static CUSTOM: &[Route] = &[asked(Ends(&[]), &dialect::CUSTOM, Chat)];

/// The first route that fits, and the model that the path names.
pub(crate) fn find(routes: &'static [Route], segments: &[&str]) -> Option<(&'static Route, Option<String>)> {
    routes.iter().find_map(|route| route.path.matches(segments).map(|model| (route, model)))
}

impl Pattern {
    /// Whether the path fits, and the model in it.
    fn matches(&self, segments: &[&str]) -> Option<Option<String>> {
        match self {
            Ends(tail) => segments.ends_with(tail).then_some(None),
            Model(anchor, tail) => model_between(segments, anchor, tail).map(Some),
            Verb(verb) => model_before(segments, verb).map(Some),
            Around(before, start, after) => match segments {
                [.., one, id, last] if one == before && last == after && id.starts_with(start) => Some(None),
                _ => None,
            },
            Named(before) => matches!(segments, [.., one, _] if one == before).then_some(None),
            AnthropicVerb(verb) => {
                let publisher = segments.windows(2).any(|pair| pair == ["publishers", "anthropic"]);
                publisher.then(|| model_before(segments, verb)).flatten().map(Some)
            }
        }
    }
}

#[cfg(test)]
impl Route {
    /// The path as a page for people writes it.
    pub(crate) fn written(&self) -> String {
        match self.path {
            Ends(tail) => ["…"].iter().chain(tail).copied().collect::<Vec<_>>().join("/"),
            Model(anchor, tail) => format!("…/{anchor}/{{model}}/{}", tail.join("/")),
            Verb(verb) => format!("…/{{model}}:{verb}"),
            Around(before, start, after) => format!("…/{before}/{start}…/{after}"),
            Named(before) => format!("…/{before}/…"),
            AnthropicVerb(verb) => format!("…/publishers/anthropic/models/{{model}}:{verb}"),
        }
    }
}

/// The model between `anchor` and `tail`. An ARN may carry slashes of its own.
fn model_between(segments: &[&str], anchor: &str, tail: &[&str]) -> Option<String> {
    let rest = segments.strip_suffix(tail)?;
    let place = rest.iter().position(|segment| *segment == anchor)?;
    let model = rest.get(place.checked_add(1)?..)?;
    // Only Bedrock's `model` takes ARNs; a deployment's name is one segment.
    let model = if anchor == "model" { model } else { model.get(..1)? };
    (!model.is_empty()).then(|| percent_decoded(&model.join("/")))
}

/// The model before a colon and `verb`, with `tunedModels/` where it is one.
fn model_before(segments: &[&str], verb: &str) -> Option<String> {
    let (last, before) = segments.split_last()?;
    let model = percent_decoded(last).strip_suffix(verb)?.strip_suffix(':')?.to_owned();
    let tuned = before.last() == Some(&"tunedModels");
    // Where Vertex counts Anthropic's tokens, which costs nothing, it has a verb in the model's place.
    (!model.is_empty() && model != "count-tokens")
        .then(|| if tuned { format!("tunedModels/{model}") } else { model })
}

/// Takes percent escapes out. What is no escape stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = tail.split_at_checked(2).filter(|_| *first == b'%');
        let decoded = escape.and_then(|(digits, tail)| Some((hex(digits)?, tail)));
        let (byte, tail) = decoded.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digits: &[u8]) -> Option<u8> {
    let text =
        str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(text, 16).ok()
}
