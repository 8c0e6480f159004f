//! Bytes of LLM requests and responses -> what they report as used.
//!
//! [`classify`] decides from a request's head who is called. [`RequestReader`] and [`ResponseReader`] are
//! then fed the bodies as they pass, in chunks of any size, and hold a bounded amount of memory whatever
//! the length of a body. [`ResponseReader::finish`] says what the provider reported.

mod base64;
mod batch;
mod call;
#[cfg(test)]
mod coverage;
mod dialect;
mod draft;
mod estimate;
mod field;
mod finds;
mod inflate;
mod json;
mod pointer;
mod providers;
mod report;
mod request;
mod response;
mod routes;
mod stream;
mod turns;
mod usage;

pub use batch::PROMPT_LENGTHS;
pub use call::{
    Call, Custom, CustomShape, DialectName, ErrorDialect, IncludeUsage, Operation, Reason, RequestHead,
    StreamCounts, Traffic, UnknownDialect, Upstream, classify, region_of,
};
pub use estimate::{CountTokens, Encoding, NoVocabulary, Vocabulary};
pub use inflate::DecoderMemory;
pub use pointer::{PointerError, Pointers};
pub use providers::is_provider;
pub use report::{Part, Problem, Problems, Reported, Source};
pub use request::{
    BodyChange, INJECTION_ROOM, Injection, RequestFacts, RequestReader, Rewrite, Unrewritable,
};
pub use response::{Ended, ResponseHead, ResponseReader};
pub use turns::{Beginning, Outline, OutlineReader, PrintKey, Turn, TurnReader};
pub use usage::ReportedUsage;

/// Whether more of a body is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More bytes, or the end of the body, are still to come.
    Open,
    /// This is the last call for this body; its chunk may be empty.
    Last,
}
