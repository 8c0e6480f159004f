//! Reads a request's body as it passes, and adds `stream_options.include_usage` on the way.

mod change;
mod edits;
mod form;
mod json;
mod rewrite;

use std::fmt;

pub use change::BodyChange;
pub use rewrite::{Rewrite, Unrewritable};

use form::FormReader;
use json::JsonReader;

use crate::End;
use crate::call::{Call, Operation, RequestBody};
use crate::dialect::Dialect;
use crate::estimate::Texts;
use crate::pointer::Pointers;

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
    /// The model as on the wire: from the path where that names one, else from the body.
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
    /// The texts and numbers at the places of [`RequestReader::with_pointers`], in their order, numbers as they
    /// are written; `None` where there is nothing, something else, or over 512 bytes. Of equal keys, and of the
    /// elements of a list, the last one counts.
    pub captured: Vec<Option<String>>,
    /// Whether the body was not what its dialect allows.
    pub malformed: bool,
}

/// Push reader over a request's body. Memory does not grow with the body.
pub struct RequestReader {
    dialect: &'static Dialect,
    facts: RequestFacts,
    body: Body,
    /// The texts, where they are to be counted.
    texts: Option<Box<Texts>>,
    injection: Injection,
    /// How many bytes came.
    came: u64,
    /// How many bytes went on.
    went: u64,
    /// By how many bytes the body may still grow.
    room: u64,
    padded: bool,
}

enum Body {
    Json(Box<JsonReader>),
    Form(Box<FormReader>),
    Closed,
}

impl RequestReader {
    /// A reader for the body of `call`. `injection` is honoured even where nothing may be injected: under
    /// [`Injection::Length`] the body is then only filled up.
    pub fn new(call: &Call, injection: Injection) -> Self {
        Self::with_pointers(call, injection, &Pointers::default())
    }

    /// A reader that also captures what stands at `pointers`. Forms have no such places.
    pub fn with_pointers(call: &Call, injection: Injection, pointers: &Pointers) -> Self {
        let facts = RequestFacts {
            captured: vec![None; pointers.wants().len()],
            model: call.path_model().map(str::to_owned),
            stream: call.path_stream().or(call.streams_by_default()),
            ..RequestFacts::default()
        };
        let injects = call.may_inject() && injection != Injection::Off;
        let body = match &call.body {
            RequestBody::Json => Body::Json(Box::new(JsonReader::new(call, injects, pointers))),
            RequestBody::Form(boundary) => Body::Form(Box::new(FormReader::new(boundary))),
            RequestBody::Closed => Body::Closed,
        };
        let room = match injection {
            Injection::Length(_) => INJECTION_ROOM,
            Injection::Off | Injection::Chunked => u64::MAX,
        };
        Self {
            dialect: call.dialect(),
            facts,
            body,
            texts: None,
            injection,
            came: 0,
            went: 0,
            room,
            padded: false,
        }
    }

    /// From here on the texts are looked at, so that tokens can be counted that nobody reports.
    pub fn estimating(mut self, call: &Call) -> Self {
        use Operation::{Chat, Embeddings, GenerateContent, TextCompletion};
        let counts = matches!(call.operation(), Chat | Embeddings | GenerateContent | TextCompletion);
        if counts && matches!(self.body, Body::Json(_)) {
            self.texts = Some(Box::new(Texts::of_request()));
        }
        self
    }

    /// The texts that were seen.
    pub(crate) fn texts(&self) -> Option<&Texts> {
        self.texts.as_deref()
    }

    /// Takes the next bytes. `Some` is what must go on in their place.
    pub fn feed(&mut self, chunk: &[u8], end: End) -> Option<Vec<u8>> {
        self.pass(chunk, end).of(chunk)
    }

    /// Takes the next bytes, and says what must become of them. Bytes that go on are never copied.
    pub fn pass(&mut self, chunk: &[u8], end: End) -> BodyChange {
        if let Some(texts) = &mut self.texts {
            texts.feed(chunk);
        }
        let changed = match &mut self.body {
            Body::Json(reader) => reader.feed(chunk, end, &mut self.room, &mut self.facts),
            Body::Form(reader) => {
                reader.feed(chunk, &mut self.facts);
                None
            }
            Body::Closed => None,
        };
        self.came = self.came.saturating_add(length(chunk));
        self.went = self.went.saturating_add(length(changed.as_deref().unwrap_or(chunk)));
        self.fill_up(changed.map_or(BodyChange::Nothing, BodyChange::Instead))
    }

    /// Adds white space once all announced bytes have come, so that the raised length is met.
    fn fill_up(&mut self, change: BodyChange) -> BodyChange {
        let Injection::Length(announced) = self.injection else { return change };
        if self.padded || self.came < announced {
            return change;
        }
        self.padded = true;
        let promised = self.came.saturating_add(INJECTION_ROOM);
        let missing = promised.checked_sub(self.went).and_then(|missing| usize::try_from(missing).ok());
        change.fill_up(missing.unwrap_or_default())
    }

    /// Whether later bytes still matter; if not, they need not be fed.
    pub fn wants_more(&self) -> bool {
        let fills = matches!(self.injection, Injection::Length(_)) && !self.padded;
        fills || self.learns_more()
    }

    /// Whether later bytes may still say something.
    pub fn learns_more(&self) -> bool {
        match &self.body {
            Body::Json(reader) => reader.wants_more(),
            Body::Form(reader) => reader.wants_more(),
            Body::Closed => false,
        }
    }

    /// Whether the body says anything that matters once the request has gone on. Where the path names the model, and the option is not
    /// added, there are only bounds on the answer, and a tier: they are for what is decided beforehand.
    pub fn matters_later(&self) -> bool {
        let alone = self.texts.is_none() && self.injection == Injection::Off;
        !alone
            || matches!(&self.body, Body::Json(reader) if reader.matters_later())
            || matches!(self.body, Body::Form(_))
    }

    /// What is known so far.
    pub fn facts(&self) -> &RequestFacts {
        &self.facts
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

impl fmt::Debug for RequestReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestReader").field("dialect", &self.dialect.name).finish_non_exhaustive()
    }
}
