//! What must come of a call, as it stands in a scenario file.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::http::End;

/// What must come of a call. What is not named may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The response's status.
    pub status: Option<u16>,
    /// The response's body.
    pub body: Option<BodyExpect>,
    /// The response's headers; `null`: absent; `"*"`: there.
    pub headers: BTreeMap<String, Option<String>>,
    /// The response's trailers.
    pub trailers: BTreeMap<String, Option<String>>,
    /// How the response ended.
    pub end: Option<End>,
    /// Fields of `tollgate` in the access log; a subset. `null`: absent; `"*"`: there.
    pub record: BTreeMap<String, Value>,
    /// There is no record at all.
    pub no_record: bool,
    /// Other fields of the access log's line.
    pub log: BTreeMap<String, Value>,
    /// What the upstream saw.
    pub upstream: Option<UpstreamExpect>,
    /// Nothing reached the upstream.
    pub not_sent: bool,
    /// The filter made at most so many host calls, where the engine counts them.
    pub host_calls_at_most: Option<u64>,
}

/// What a body must be.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyExpect {
    /// Byte for byte what the other side sent.
    Same,
    /// The same with spaces behind it, which a filter may add where it had to announce the length beforehand.
    SameThenSpaces,
    /// Exactly this text.
    Text(String),
    /// JSON with at least these fields.
    Json(Value),
    /// All of these somewhere.
    Contains(Vec<String>),
    /// None of these anywhere.
    Lacks(Vec<String>),
}

/// What the upstream saw.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamExpect {
    /// With query.
    pub path: Option<String>,
    /// `null`: absent; `"*"`: there.
    pub headers: BTreeMap<String, Option<String>>,
    /// The request's body.
    pub body: Option<BodyExpect>,
    /// The request's trailers.
    pub trailers: BTreeMap<String, Option<String>>,
    /// The first byte of the body came before the client had sent the last.
    pub first_byte_early: bool,
    /// How the request ended.
    pub end: Option<End>,
}
