//! Headers as Envoy shows them to a filter, and as they go over the wire.

use super::method;
use crate::Error;
use crate::http::{Framing, Headers, Reply, Request};

/// A length that was announced binds: Envoy would hang or reset.
pub fn check_length(what: &str, headers: &Headers, sent: usize) -> Result<(), Error> {
    match headers.text("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) if length != sent => {
            Err(Error::Length(format!("the {what} announces {length} bytes and has {sent}")))
        }
        _ => Ok(()),
    }
}

pub fn without_pseudo(headers: &Headers) -> Headers {
    let host = headers.bytes(":authority").map(|value| ("host".to_owned(), value.to_vec()));
    let rest = headers.0.iter().filter(|(name, _)| !name.starts_with(':')).cloned();
    Headers(host.into_iter().chain(rest).collect())
}

pub fn request_headers(request: &Request) -> Headers {
    let host = request.headers.text("host").unwrap_or_else(|| "llm.test".to_owned());
    let pseudo = [
        (":authority", host.as_str()),
        (":path", &request.path),
        (":method", method(request)),
        (":scheme", "http"),
    ];
    let mut headers = Headers::from_iter(pseudo);
    headers.0.extend(request.headers.0.iter().filter(|(name, _)| name != "host").cloned());
    match request.framing {
        Framing::Chunked => headers.push("transfer-encoding", "chunked"),
        Framing::Length | Framing::Close => headers.push("content-length", request.body.len().to_string()),
    }
    headers.push("x-forwarded-proto", "http");
    headers
}

pub fn response_headers(reply: &Reply, bytes: usize) -> Headers {
    let mut headers = Headers::from_iter([(":status", reply.status.to_string())]);
    headers.0.extend(reply.all_headers().0);
    match reply.framing {
        Framing::Length if !headers.has("content-length") => {
            headers.push("content-length", bytes.to_string())
        }
        Framing::Chunked => headers.push("transfer-encoding", "chunked"),
        _ => {}
    }
    headers
}
