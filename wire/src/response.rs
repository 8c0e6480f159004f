//! Reads a response's body as it passes.

mod cutter;
mod events;
mod frames;
mod json;
mod markers;

use std::fmt;

use cutter::Cutter;
use events::EventReader;
use frames::FrameReader;
use json::JsonReader;
use memchr::memmem;

use crate::End;
use crate::call::{Call, ErrorDialect};
use crate::dialect::Dialect;
use crate::draft::{Draft, Whole};
use crate::estimate::{CountTokens, Seen, Texts};
use crate::inflate::{DecoderMemory, Fault, Inflater};
use crate::report::{Problem, Reported, Source};
use crate::request::{RequestFacts, RequestReader};
use crate::stream::json_fields::Wants;

/// What a response's head says.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `content-type`; a hint only, since streams come under any type.
    pub content_type: Option<&'a str>,
    /// `content-encoding`, all codings as sent.
    pub content_encoding: Option<&'a str>,
    /// All headers, or at least those whose name starts with `x-amzn-bedrock-`; names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
}

/// How a response came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The whole body was seen.
    Complete,
    /// The stream was reset, or the client went away.
    Cut,
}

/// Push reader over a response's body. Memory does not grow with the body.
pub struct ResponseReader {
    dialect: &'static Dialect,
    wants: Wants,
    body: Body,
    /// Takes the codings off, where there are any. The client gets the body as it is.
    inflater: Option<Inflater>,
    draft: Draft,
    stream_asked: bool,
    readable: bool,
    cuts: bool,
    /// Boxed: it is aligned to 16 bytes, and so would be whatever holds it.
    content: Option<Box<memmem::Finder<'static>>>,
    saw_content: bool,
}

/// What the body turned out to be.
enum Body {
    /// Nothing has come yet.
    Unknown,
    /// Nothing but white space has come, which matters only if events follow.
    Blank(Box<EventReader>),
    Events(Box<EventReader>),
    Frames(Box<FrameReader>),
    Json(Box<JsonReader>),
    /// It is not read: an error, an encoding, sound.
    Closed,
}

impl ResponseReader {
    /// A reader for the answer to `call`, whose request said `facts`.
    pub fn new(call: &Call, facts: &RequestFacts, head: &ResponseHead<'_>) -> Self {
        let dialect = call.dialect();
        let mut draft = Draft::new(call);
        let succeeded = (200..300).contains(&head.status);
        let readable = succeeded && !is_media(head.content_type.unwrap_or_default());
        let codings = head.content_encoding.unwrap_or_default();
        let inflater = Inflater::new(codings);
        let plain = inflater.as_ref().is_some_and(Inflater::is_identity);
        if succeeded {
            draft.spoken(facts.characters);
            draft.take_headers(head.headers);
        }
        if readable && inflater.is_none() {
            draft.problems.add(Problem::Encoded);
        }
        if facts.injected && !plain {
            draft.problems.add(Problem::UsageLeftIn);
        }
        Self {
            dialect,
            wants: call.response_wants(),
            body: if readable && inflater.is_some() { Body::Unknown } else { Body::Closed },
            inflater: inflater.filter(|_| !plain),
            draft,
            stream_asked: facts.stream == Some(true),
            readable,
            cuts: facts.injected && plain,
            content: None,
            saw_content: false,
        }
    }

    /// Takes the memory of its decoders out of one that others use too. Past its bound the body is not read.
    pub fn within(mut self, memory: &DecoderMemory) -> Self {
        if let Some(inflater) = &mut self.inflater {
            inflater.set_memory(memory);
        }
        self
    }

    /// From here on the texts are looked at, so that tokens can be counted that nobody reports.
    pub fn estimating(mut self) -> Self {
        let whole = self.dialect.whole_texts.filter(|_| !self.stream_asked);
        let keys = whole.unwrap_or(self.dialect.texts);
        if self.readable && !keys.is_empty() {
            self.draft.texts = Some(Box::new(Texts::of_response(keys)));
        }
        self
    }

    /// Takes the next bytes. `Some` is what must go on in their place: only ever where the usage chunk
    /// that we asked for is taken out.
    pub fn feed(&mut self, chunk: &[u8], end: End) -> Option<Vec<u8>> {
        let Some(mut inflater) = self.inflater.take() else { return self.read(chunk, end) };
        let outcome = inflater.feed(chunk, &mut |piece| {
            let _nothing_is_cut_out = self.read(piece, End::Open);
        });
        if let Err(fault) = outcome {
            self.draft.problems.add(match fault {
                Fault::Malformed => Problem::Malformed,
                Fault::Limit => Problem::Overlong,
            });
            self.draft.problems.add(Problem::Encoded);
            self.body = Body::Closed;
            // Nothing is read from here on, so what the decoder holds is given back now: it may be a window of megabytes.
            return None;
        }
        self.inflater = Some(inflater);
        None
    }

    /// Reads plain bytes.
    fn read(&mut self, chunk: &[u8], end: End) -> Option<Vec<u8>> {
        let begun = !matches!(self.body, Body::Unknown | Body::Blank(_));
        let (blank, chunk) = if begun { (&[][..], chunk) } else { self.sniff(chunk) };
        self.look_for_content(chunk);
        if !matches!(self.body, Body::Frames(_) | Body::Closed) {
            self.draft.see_texts(chunk);
        }
        match (&mut self.body, end) {
            (Body::Events(reader), _) => {
                let changed = match end {
                    End::Open => reader.feed(chunk, &mut self.draft),
                    End::Last => reader.finish(chunk, &mut self.draft),
                };
                changed.map(|bytes| [blank, &bytes].concat())
            }
            (Body::Frames(reader), _) => {
                reader.feed(chunk, &mut self.draft);
                None
            }
            (Body::Json(reader), _) => {
                reader.feed(chunk, &mut self.draft);
                None
            }
            (Body::Blank(reader), _) => {
                let _as_it_is = reader.feed(chunk, &mut self.draft);
                None
            }
            (Body::Unknown | Body::Closed, _) => None,
        }
    }

    /// A stream may say a lot before its first content, and a document that is not streamed is content from its first byte on.
    fn look_for_content(&mut self, chunk: &[u8]) {
        if self.saw_content || chunk.is_empty() {
            return;
        }
        self.saw_content = match self.body {
            Body::Json(_) if !self.stream_asked => true,
            Body::Unknown | Body::Blank(_) => false,
            _ => {
                let content = self.dialect.content;
                self.content
                    .get_or_insert_with(|| Box::new(memmem::Finder::new(content)))
                    .find(chunk)
                    .is_some()
            }
        };
    }

    /// How many bytes of text the model has said so far. Without [`ResponseReader::estimating`] nobody knows.
    pub fn text_bytes(&self) -> Option<u64> {
        self.draft.texts.as_ref().map(|texts| texts.bytes())
    }

    /// Whether it is a stream of server-sent events.
    pub fn is_event_stream(&self) -> bool {
        matches!(self.body, Body::Events(_))
    }

    /// Whether generated content has passed, for the time to the first token.
    pub fn saw_content(&self) -> bool {
        self.saw_content
    }

    /// What the response reported, and where it reported nothing what was seen of it and of `request`. Without
    /// [`ResponseReader::estimating`] and [`RequestReader::estimating`] nothing is seen.
    pub fn finish_counting(
        mut self,
        ended: Ended,
        request: &RequestReader,
        counter: &dyn CountTokens,
    ) -> Reported {
        let succeeded = self.readable && !self.draft.problems.has(Problem::Encoded);
        let said = self.draft.texts.take();
        let mut reported = self.finish(ended);
        let failed = reported.problems.has(Problem::ErrorInStream) && said.is_none();
        if succeeded && !failed && reported.source != Source::Reported {
            let model = reported.model.clone().or_else(|| request.facts().model.clone());
            let complete = ended == Ended::Complete && reported.source != Source::Partial;
            let seen =
                Seen { asked: request.texts(), said: said.as_deref(), model: model.as_deref(), complete };
            seen.fill(&mut reported, counter);
        }
        reported
    }

    /// What the response reported.
    pub fn finish(mut self, ended: Ended) -> Reported {
        let mut complete = ended == Ended::Complete && !self.draft.problems.has(Problem::Encoded);
        let mut stream = false;
        match &mut self.body {
            Body::Events(reader) => {
                reader.end(&mut self.draft);
                stream = true;
            }
            Body::Frames(reader) => {
                stream = true;
                self.draft.forget_running_counts();
                if complete && !reader.is_between() {
                    self.draft.problems.add(Problem::Malformed);
                }
            }
            Body::Json(reader) => {
                stream = self.draft.documents > 0 && self.stream_asked;
                let whole = reader.end(&mut self.draft);
                if complete && !whole {
                    self.draft.problems.add(Problem::Malformed);
                }
                complete |= !stream && self.draft.is_one_document();
            }
            Body::Unknown | Body::Blank(_) | Body::Closed => {}
        }
        let needs_end = stream && self.draft.begins_with_a_count();
        let whole = self.draft.is_finished() || (complete && !needs_end);
        let mut reported = self.draft.into_reported(if whole { Whole::Yes } else { Whole::No });
        reported.stream = stream;
        reported
    }

    /// Tells by its first byte what the body is: content types are not to be relied on. Returns the white
    /// space before that byte, which goes on as it is, and what is to be read.
    fn sniff<'a>(&mut self, chunk: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let filled = |byte: &u8| !byte.is_ascii_whitespace() && !matches!(byte, 0xef | 0xbb | 0xbf);
        let blanks = chunk.iter().position(filled).unwrap_or(chunk.len());
        let (blank, rest) = chunk.split_at_checked(blanks).unwrap_or((chunk, &[]));
        let begins = matches!(self.body, Body::Unknown) && blank.is_empty();
        let events = match std::mem::replace(&mut self.body, Body::Closed) {
            Body::Blank(reader) => Some(reader),
            _ => None,
        };
        let events = || events.unwrap_or_else(|| Box::new(EventReader::new(self.wants.clone())));
        self.body = match rest.first() {
            None if begins => Body::Unknown,
            None => Body::Blank(events()),
            Some(b'{' | b'[') => Body::Json(Box::new(JsonReader::new(self.wants.clone()))),
            Some(b':' | b'a'..=b'z') => {
                let mut reader = events();
                let _as_it_is = reader.feed(blank, &mut self.draft);
                reader.set_cutter(self.cuts.then(Cutter::new));
                Body::Events(reader)
            }
            // The length of a frame is far below 2^24.
            Some(0) if begins && self.dialect.errors == ErrorDialect::Bedrock => {
                Body::Frames(Box::new(FrameReader::new(self.dialect)))
            }
            Some(_) => Body::Closed,
        };
        // Until something else comes, the white space itself is what is to be read.
        if rest.is_empty() { (&[], blank) } else { (blank, rest) }
    }
}

/// Sound and pictures carry no report.
fn is_media(content_type: &str) -> bool {
    ["audio/", "image/", "video/"].into_iter().any(|kind| content_type.starts_with(kind))
}

impl fmt::Debug for ResponseReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseReader").field("dialect", &self.dialect.name).finish_non_exhaustive()
    }
}
