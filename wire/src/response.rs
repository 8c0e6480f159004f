//! Reads a response's body as it passes.

use crate::End;
use crate::call::Call;
use crate::report::Reported;
use crate::request::RequestFacts;

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
#[derive(Debug)]
pub struct ResponseReader {
    reported: Reported,
}

impl ResponseReader {
    /// A reader for the answer to `call`, whose request said `facts`.
    pub fn new(call: &Call, facts: &RequestFacts, head: &ResponseHead<'_>) -> Self {
        let _ = (call, facts, head);
        Self { reported: Reported::default() }
    }

    /// Takes the next bytes. `Some` is what must go on in their place: only ever where the usage chunk
    /// that we asked for is taken out.
    pub fn feed(&mut self, chunk: &[u8], end: End) -> Option<Vec<u8>> {
        let _ = (chunk, end);
        None
    }

    /// Whether generated content has passed, for the time to the first token.
    pub fn saw_content(&self) -> bool {
        false
    }

    /// What the response reported.
    pub fn finish(self, ended: Ended) -> Reported {
        let _ = ended;
        self.reported
    }
}
