//! The response's way, from the upstream or from the plugin itself.

use super::Call;
use super::heads::{check_length, response_headers, without_pseudo};
use crate::Error;
use crate::host::world::LocalReply;
use crate::http::{End, Framing, Headers, When};

impl Call<'_> {
    /// Envoy sends a local reply through the response callbacks too.
    pub fn local_reply(&mut self) -> Result<(), Error> {
        let Some(LocalReply { status, mut headers, body }) = self.stream().local_reply.take() else {
            return Ok(());
        };
        headers.0.insert(0, (":status".to_owned(), status.to_string().into_bytes()));
        headers.push("content-length", body.len().to_string());
        self.response_headers(headers, body.is_empty())?;
        if !body.is_empty() {
            self.response_piece(&body, true)?;
        }
        self.check_response()
    }

    /// Sends the upstream's reply through the filter, as far as upstream and client go.
    pub fn upstream_reply(&mut self) -> Result<(), Error> {
        self.check_request()?;
        if self.reply.when == When::Never {
            self.response.end = End::Cut;
            return Ok(());
        }
        self.advance(self.reply.wait)?;
        let encoded = self.reply.encoded_body();
        let sent = &encoded[..self.reply.cut_after.unwrap_or(usize::MAX).min(encoded.len())];
        let pieces = self.reply.chunks.pieces(sent);
        let bare = pieces.is_empty() && self.reply.cut_after.is_none() && self.reply.trailers.0.is_empty();
        self.response_headers(response_headers(self.reply, encoded.len()), bare)?;
        let by_length = self.reply.framing == Framing::Length && self.reply.cut_after.is_none();
        for (place, piece) in pieces.iter().enumerate() {
            self.advance(self.reply.pause)?;
            self.response_piece(piece, by_length && place + 1 == pieces.len())?;
            if self.response.end == End::HungUp {
                return Ok(());
            }
        }
        self.end_response(bare || (by_length && !pieces.is_empty()))
    }

    fn end_response(&mut self, ended: bool) -> Result<(), Error> {
        if self.reply.cut_after.is_some() {
            self.response.end = End::Cut;
            return Ok(());
        }
        if !self.reply.trailers.0.is_empty() {
            let count = self.reply.trailers.0.len() as u32;
            let _: u32 = self.host.call("proxy_on_response_trailers", self.id, (self.id, count))?;
            self.response.trailers = self.reply.trailers.clone();
        } else if !ended {
            self.response_piece(b"", true)?;
        }
        self.check_response()
    }

    fn response_headers(&mut self, headers: Headers, end: bool) -> Result<(), Error> {
        let stream = self.stream();
        stream.response = headers;
        stream.response_open = true;
        let count = stream.response.0.len() as u32;
        let _: u32 =
            self.host.call("proxy_on_response_headers", self.id, (self.id, count, u32::from(end)))?;
        let stream = self.stream();
        stream.response_open = false;
        let headers = stream.response.clone();
        self.response.status = headers.text(":status").and_then(|status| status.parse().ok()).unwrap_or(0);
        self.response.headers = without_pseudo(&headers);
        Ok(())
    }

    fn response_piece(&mut self, piece: &[u8], end: bool) -> Result<(), Error> {
        let size = piece.len() as u32;
        self.stream().response_body = Some(piece.to_vec());
        let _: u32 = self.host.call("proxy_on_response_body", self.id, (self.id, size, u32::from(end)))?;
        let body = self.stream().response_body.take().unwrap_or_default();
        if !body.is_empty() {
            let now = self.now();
            self.response.first_byte_at.get_or_insert(now);
        }
        self.response.body.extend_from_slice(&body);
        if self.request.hang_up_after.is_some_and(|bytes| self.response.body.len() >= bytes) {
            self.response.end = End::HungUp;
        }
        Ok(())
    }

    fn check_response(&self) -> Result<(), Error> {
        check_length("response", &self.response.headers, self.response.body.len())
    }
}
