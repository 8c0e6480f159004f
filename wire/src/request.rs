//! Reads a request's body as it passes, and adds `stream_options.include_usage` on the way.

use crate::End;
use crate::call::Call;

/// By how many bytes the announced content-length is raised beforehand under [`Injection::Length`].
pub const INJECTION_ROOM: u64 = 64;

/// Whether and how the option may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Injection {
    /// The body is not changed.
    Off,
    /// The body's length was not announced: it may grow freely.
    Chunked,
    /// The client announced this many bytes. [`INJECTION_ROOM`] more were announced upstream, and that is
    /// how many leave, whatever the body is.
    Length(u64),
}

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// The model as on the wire, from the body or the path.
    pub model: Option<String>,
    /// Whether a stream was asked for.
    pub stream: Option<bool>,
    /// `stream_options.include_usage` as the client sent it.
    pub asked_usage: Option<bool>,
    /// Whether we added or switched on `include_usage`.
    pub injected: bool,
    /// The bound on output tokens that the client set.
    pub max_output_tokens: Option<u64>,
    /// How many answers were asked for.
    pub choices: Option<u64>,
    /// The service tier that was asked for.
    pub service_tier: Option<String>,
    /// Size of the pictures asked for, as on the wire.
    pub image_size: Option<String>,
    /// Quality of the pictures asked for, as on the wire.
    pub image_quality: Option<String>,
    /// Characters of the text to be spoken (speech only).
    pub characters: Option<u64>,
    /// Whether the body was not what its dialect allows.
    pub malformed: bool,
}

/// Push reader over a request's body. Memory does not grow with the body.
#[derive(Debug)]
pub struct RequestReader {
    facts: RequestFacts,
}

impl RequestReader {
    /// A reader for the body of `call`.
    pub fn new(call: &Call, injection: Injection) -> Self {
        let _ = injection;
        let model = call.path_model().map(str::to_owned);
        Self { facts: RequestFacts { model, stream: call.path_stream(), ..RequestFacts::default() } }
    }

    /// Takes the next bytes. `Some` is what must go on in their place.
    pub fn feed(&mut self, chunk: &[u8], end: End) -> Option<Vec<u8>> {
        let _ = (chunk, end);
        None
    }

    /// Whether later bytes still matter; if not, they need not be fed.
    pub fn wants_more(&self) -> bool {
        false
    }

    /// What is known so far.
    pub fn facts(&self) -> &RequestFacts {
        &self.facts
    }
}
