//! How a Redis command is written over HTTP, and its answer read.

use super::HttpCall;
use super::scripts::SHARED;
use serde_json::Value;
use tollgate_policy::{Protocol, Store};

/// A script as the store's front takes it.
#[inline(never)]
pub fn eval(store: &Store, script: &str, keys: &[String], arguments: &[String]) -> HttpCall {
    let (script, count) = (format!("{SHARED}{script}"), keys.len().to_string());
    let parts = ["EVAL", &script, &count].into_iter();
    let parts = parts.chain(keys.iter().chain(arguments).map(String::as_str));
    let (content_type, body) = match store.protocol {
        Protocol::Webdis => ("application/x-www-form-urlencoded", webdis(parts)),
        Protocol::Upstash => ("application/json", json_array(parts)),
    };
    HttpCall {
        cluster: store.cluster.clone(),
        host: store.host.clone(),
        timeout_ms: store.timeout_ms,
        content_type,
        body: body.into_bytes(),
    }
}

/// `EVAL/script/count/key.../argument...`, each part percent-encoded, since `/` separates them.
fn webdis<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.map(percent_encoded).collect::<Vec<_>>().join("/")
}

/// `["EVAL", "script", ...]`. A serializer for any JSON weighs twenty times as much in the plugin.
fn json_array<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(if text.is_empty() { "[\"" } else { "\",\"" });
        for char in part.chars() {
            match char {
                '"' | '\\' => text.extend(['\\', char]),
                // What has to be escaped and stands in no script, number or escaped tag as such.
                '\0'..='\x1f' => text.push_str(&format!("\\u{:04x}", u32::from(char))),
                _ => text.push(char),
            }
        }
    }
    text.push_str("\"]");
    text
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
    /// The call, or the proxy, that it is for.
    pub id: String,
    /// What it says of it.
    pub verdict: i64,
    /// Amounts, by the order of the keys.
    pub amounts: Vec<i128>,
}

impl Reply {
    /// Reads `[id, verdict, amount...]` out of Webdis's `{"EVAL": ...}` or Upstash's `{"result": ...}`.
    #[inline(never)]
    pub fn read(status: Option<u16>, body: &[u8]) -> Option<Self> {
        if status != Some(200) {
            return None;
        }
        let answer = serde_json::from_slice::<Value>(body).ok()?;
        let said = answer.get("EVAL").or_else(|| answer.get("result"))?.as_array()?;
        let amount = |value: &Value| value.as_str()?.parse().ok();
        Some(Self {
            id: said.first()?.as_str()?.to_owned(),
            verdict: said.get(1)?.as_i64()?,
            amounts: said.iter().skip(2).map(amount).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_survives_as_a_json_array() {
        let parts = ["EVAL", "a\"b\\c", "\u{0}\n\u{1f}", "tag/ö😀", ""];
        let read: Vec<String> = serde_json::from_str(&json_array(parts.into_iter())).unwrap();
        assert_eq!(read, parts);
    }
}
