//! How a Redis command is written over HTTP, and its answer read.

use super::HttpCall;
use super::scripts::SHARED;
use serde_json::Value;
use tollgate_policy::Store;

/// A script as Webdis takes it: `POST /` with `EVAL/script/count/key.../argument...`, each part percent-encoded, since `/` separates
/// them.
pub fn eval(store: &Store, script: &str, keys: &[String], arguments: &[String]) -> HttpCall {
    let (script, count) = (format!("{SHARED}{script}"), keys.len().to_string());
    let parts = ["EVAL", &script, &count].into_iter();
    let parts = parts.chain(keys.iter().chain(arguments).map(String::as_str));
    let body = parts.map(percent_encoded).collect::<Vec<_>>().join("/").into_bytes();
    HttpCall {
        cluster: store.cluster.clone(),
        timeout_ms: store.timeout_ms,
        content_type: "application/x-www-form-urlencoded",
        body,
    }
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3). Webdis reads `.` as the start of a format suffix.
fn percent_encoded(part: &str) -> String {
    use std::fmt::Write;
    part.bytes().fold(String::with_capacity(part.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// What a script answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The call that it is for.
    pub id: String,
    /// What it says of it.
    pub verdict: i64,
    /// What is used and reserved: where it refuses, or of each counter.
    pub taken: Vec<i128>,
}

impl Reply {
    /// Reads `{"EVAL": [id, verdict, ...]}`.
    pub fn read(status: Option<u16>, body: &[u8]) -> Option<Self> {
        if status != Some(200) {
            return None;
        }
        let answer = serde_json::from_slice::<Value>(body).ok()?;
        let said = answer.get("EVAL")?;
        let taken = said.as_array()?.iter().skip(2).map_while(|taken| taken.as_str()?.parse().ok()).collect();
        Some(Self { id: said.get(0)?.as_str()?.to_owned(), verdict: said.get(1)?.as_i64()?, taken })
    }
}
