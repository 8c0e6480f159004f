//! What both sides of HTTP/2 share: a runtime, headers, and a body sent piece by piece.

use std::future::Future;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::Headers;

/// Runs one connection's work on this thread.
pub fn block_on<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}

/// Headers that HTTP/2 may carry: those of the connection are left out.
pub fn to_map(headers: &Headers) -> HeaderMap {
    let kept = headers
        .0
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "host" | "connection" | "transfer-encoding"));
    let pairs = kept.filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?))
    });
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name, value);
    }
    map
}

/// The same the other way.
pub fn from_map(map: &HeaderMap) -> Headers {
    map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// A body to send: its pieces, the pause before each, and what follows.
pub struct Body<'a> {
    pub pieces: Vec<&'a [u8]>,
    pub pause: Duration,
    pub trailers: &'a Headers,
}

impl Body<'_> {
    /// Whether the headers are all there is.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.trailers.0.is_empty()
    }

    /// Sends the pieces and ends the stream.
    pub async fn send(&self, stream: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
        self.send_pieces(stream).await?;
        match self.trailers.0.is_empty() {
            true => stream.send_data(Bytes::new(), true),
            false => stream.send_trailers(to_map(self.trailers)),
        }
    }

    /// Sends the pieces alone.
    pub async fn send_pieces(&self, stream: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
        for piece in &self.pieces {
            tokio::time::sleep(self.pause).await;
            stream.send_data(Bytes::copy_from_slice(piece), false)?;
        }
        Ok(())
    }
}
