//! Requests and responses as the harness sends and sees them: exact bytes, and when they came.

use std::time::{Duration, Instant};

use crate::chunking::Chunking;
use crate::encoding::Encoding;

/// Names in lower case with values as they stood on the wire, in order, repeats kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, Vec<u8>)>);

impl Headers {
    /// The first value of that name, with anything that is not UTF-8 replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.bytes(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The first value of that name.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_slice())
    }

    /// Adds one at the end.
    pub fn push(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.0.push((name.to_ascii_lowercase(), value.into()));
    }

    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.bytes(name).is_some()
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::default();
        pairs.into_iter().for_each(|(name, value)| headers.push(name.as_ref(), value.as_ref()));
        headers
    }
}

/// How the end of a body is announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// By its length, up front.
    #[default]
    Length,
    /// By a last chunk.
    Chunked,
    /// By closing the connection (responses only).
    Close,
}

/// Which HTTP is spoken with Envoy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
pub enum Version {
    /// HTTP/1.1.
    #[default]
    #[serde(rename = "1")]
    Http1,
    /// HTTP/2 without TLS, known beforehand.
    #[serde(rename = "2")]
    Http2,
}

/// A request to send.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `POST` where it is empty.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Besides the host and the framing, which are added unless they are here.
    pub headers: Headers,
    /// Exact bytes.
    pub body: Vec<u8>,
    /// How the body is cut into writes.
    pub chunks: Chunking,
    /// Waited before each piece of the body.
    pub pause: Duration,
    /// How the body's end is announced.
    pub framing: Framing,
    /// Sent after a chunked body.
    pub trailers: Headers,
    /// The client goes away after so many bytes of its body.
    pub abort_after: Option<usize>,
    /// The client goes away after so many bytes of the response's body.
    pub hang_up_after: Option<usize>,
    /// Which HTTP.
    pub version: Version,
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Orderly, as announced.
    Complete,
    /// The other side closed or reset in the middle.
    Cut,
    /// We went away.
    HungUp,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// 0 where none came.
    pub status: u16,
    /// As on the wire.
    pub headers: Headers,
    /// Without the framing.
    pub body: Vec<u8>,
    /// After a chunked body.
    pub trailers: Headers,
    /// How it ended.
    pub end: End,
    /// When the first byte of the body came.
    pub first_byte_at: Option<Instant>,
    /// When the last byte of the request had been written.
    pub sent_at: Option<Instant>,
}

/// What the stand-in upstream answers.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Besides those of encoding and framing.
    pub headers: Headers,
    /// Before the content-encoding.
    pub body: Vec<u8>,
    /// Applied to the body, and named in the headers.
    pub encoding: Option<Encoding>,
    /// How the encoded body is cut into writes.
    pub chunks: Chunking,
    /// Waited before the headers.
    pub wait: Duration,
    /// Waited before each piece of the body.
    pub pause: Duration,
    /// How the body's end is announced.
    pub framing: Framing,
    /// Sent after a chunked body.
    pub trailers: Headers,
    /// The connection is reset after so many bytes of the encoded body.
    pub cut_after: Option<usize>,
    /// When it is sent.
    pub when: When,
}

/// When an upstream answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// After it has read the whole request.
    #[default]
    RequestRead,
    /// As soon as it has the request's headers.
    HeadersRead,
    /// Never: the connection stays open, silent.
    Never,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            status: 200,
            headers: Headers::default(),
            body: Vec::new(),
            encoding: None,
            chunks: Chunking::default(),
            wait: Duration::ZERO,
            pause: Duration::ZERO,
            framing: Framing::default(),
            trailers: Headers::default(),
            cut_after: None,
            when: When::default(),
        }
    }
}

impl Reply {
    /// A JSON answer with status 200.
    pub fn json(body: impl Into<Vec<u8>>) -> Self {
        let headers = Headers::from_iter([("content-type", "application/json")]);
        Self { headers, body: body.into(), ..Self::default() }
    }

    /// Server-sent events, one chunk each.
    pub fn events(body: impl Into<Vec<u8>>) -> Self {
        let headers = Headers::from_iter([("content-type", "text/event-stream")]);
        Self {
            headers,
            body: body.into(),
            chunks: Chunking::Events,
            framing: Framing::Chunked,
            ..Self::default()
        }
    }

    /// The body as it goes over the wire.
    pub fn encoded_body(&self) -> Vec<u8> {
        self.encoding.map_or_else(|| self.body.clone(), |encoding| encoding.encode(&self.body))
    }

    /// The headers as they go over the wire, without those of the framing.
    pub fn all_headers(&self) -> Headers {
        let mut headers = self.headers.clone();
        if let Some(encoding) = self.encoding {
            headers.push("content-encoding", encoding.name());
        }
        headers
    }
}

/// A request as the upstream got it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// In capitals.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// As on the wire; HTTP/2's `:authority` stands as `host`.
    pub headers: Headers,
    /// Without the framing.
    pub body: Vec<u8>,
    /// After a chunked body.
    pub trailers: Headers,
    /// Nothing while it still comes.
    pub end: Option<End>,
    /// When the first byte of the body came.
    pub first_byte_at: Option<Instant>,
    /// When the last byte of the body came.
    pub last_byte_at: Option<Instant>,
    /// How the answer to it ended, and when; nothing while it is still sent.
    pub answered: Option<(End, Instant)>,
}
