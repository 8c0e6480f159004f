//! A stand-in that speaks Upstash's REST protocol in front of a real Redis: `POST /` with a JSON array, `Authorization: Bearer`,
//! answers as `{"result": ...}` or `{"error": "..."}`.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::redis::{Resp, command};
use crate::Error;
use crate::http::{Reply, Seen};
use crate::upstream::Upstream;

/// A running stand-in.
pub struct Upstash {
    upstream: Upstream,
}

impl Upstash {
    /// Starts it on a free port, in front of that Redis. It answers 401 to whoever does not bring `token`.
    pub fn start(redis: SocketAddr, token: &str) -> Result<Self, Error> {
        let bearer = format!("Bearer {token}");
        let upstream = Upstream::start(move |seen: &Seen| {
            // The script is asked a first time before the body is there.
            if seen.end.is_none() {
                return Reply::json("{}");
            }
            if seen.headers.text("authorization").as_deref() != Some(&bearer) {
                return Reply { status: 401, ..Reply::json(r#"{"error":"Unauthorized"}"#) };
            }
            answer(redis, &seen.body)
        })?;
        Ok(Self { upstream })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.upstream.address()
    }
}

fn answer(redis: SocketAddr, body: &[u8]) -> Reply {
    let Ok(words) = serde_json::from_slice::<Vec<String>>(body) else {
        return Reply { status: 400, ..Reply::json(r#"{"error":"ERR no array of strings"}"#) };
    };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match command(redis, &words) {
        Ok(Resp::Error(error)) => Reply { status: 400, ..Reply::json(json!({"error": error}).to_string()) },
        Ok(resp) => Reply::json(json!({"result": value(&resp)}).to_string()),
        Err(_) => Reply { status: 500, ..Reply::json(r#"{"error":"ERR the database is away"}"#) },
    }
}

fn value(resp: &Resp) -> Value {
    match resp {
        Resp::Nil => Value::Null,
        Resp::Number(number) => json!(number),
        Resp::Text(text) | Resp::Error(text) => json!(text),
        Resp::List(all) => all.iter().map(value).collect(),
    }
}
