//! The request's way: what a callback holds, and what goes on to the upstream.

use std::time::Duration;

use super::heads::{check_length, without_pseudo};
use super::{Call, action};
use crate::Error;
use crate::http::{End, Framing, Headers, Seen};

/// A held request that nobody lets go: longer than any hold that the plugin promises to end.
const GIVE_UP: Duration = Duration::from_secs(60);

impl Call<'_> {
    /// Sends the request through the filter, as far as the client sends it.
    pub fn request(&mut self) -> Result<(), Error> {
        let aborted = self.request.abort_after;
        let body = &self.request.body[..aborted.unwrap_or(usize::MAX).min(self.request.body.len())];
        let trailers = !self.request.trailers.0.is_empty() && aborted.is_none();
        let pieces = self.request.chunks.pieces(body);
        let ends_at_headers = pieces.is_empty() && !trailers && aborted.is_none();
        self.request_headers(ends_at_headers)?;
        for (place, piece) in pieces.iter().enumerate() {
            self.advance(self.request.pause)?;
            let last = place + 1 == pieces.len() && !trailers && aborted.is_none();
            let separate = last && self.request.framing == Framing::Chunked;
            self.request_piece(piece, last && !separate)?;
            if separate {
                self.request_piece(b"", true)?;
            }
        }
        if trailers {
            self.request_trailers()?;
        }
        self.response.sent_at = Some(self.now());
        if aborted.is_none() {
            self.wait_for_release()?;
        }
        Ok(())
    }

    fn request_headers(&mut self, end: bool) -> Result<(), Error> {
        let stream = self.stream();
        stream.request_open = true;
        let count = stream.request.0.len() as u32;
        let asked: u32 =
            self.host.call("proxy_on_request_headers", self.id, (self.id, count, u32::from(end)))?;
        self.held.ended |= end;
        match asked {
            action::CONTINUE => self.forward_headers(),
            action::STOP_ALL | action::STOP_ALL_BUFFER => (self.held.headers, self.held.all) = (true, true),
            _ => self.held.headers = true,
        }
        self.after_callback()
    }

    fn request_piece(&mut self, piece: &[u8], end: bool) -> Result<(), Error> {
        self.held.ended |= end;
        if self.answered() {
            return Ok(());
        }
        if self.held.all {
            self.held.unseen.extend_from_slice(piece);
            return Ok(());
        }
        let mut body = self.held.kept.take().unwrap_or_default();
        body.extend_from_slice(piece);
        let size = body.len() as u32;
        self.stream().request_body = Some(body);
        let asked: u32 = self.host.call("proxy_on_request_body", self.id, (self.id, size, u32::from(end)))?;
        let body = self.stream().request_body.take().unwrap_or_default();
        match asked {
            action::CONTINUE => {
                self.forward_headers();
                self.forward_body(&body);
            }
            _ => self.held.kept = Some(body),
        }
        self.after_callback()
    }

    fn request_trailers(&mut self) -> Result<(), Error> {
        self.held.ended = true;
        if self.answered() || self.held.all {
            return Ok(());
        }
        // A kept body can still be changed in the trailers' callback.
        self.stream().request_body = self.held.kept.take();
        let count = self.request.trailers.0.len() as u32;
        let asked: u32 = self.host.call("proxy_on_request_trailers", self.id, (self.id, count))?;
        self.held.kept = self.stream().request_body.take();
        if asked == action::CONTINUE {
            self.release();
        }
        self.after_callback()
    }

    /// What a callback asked for besides its return value.
    pub fn after_callback(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.stream().resumed) && !self.answered() {
            self.resume()?;
        }
        Ok(())
    }

    /// Goes on as `continueDecoding` does: a body that no callback has seen comes to the callback now.
    fn resume(&mut self) -> Result<(), Error> {
        let all = std::mem::take(&mut self.held.all);
        self.release();
        if all && (!self.held.unseen.is_empty() || (self.held.ended && !self.request.body.is_empty())) {
            let unseen = std::mem::take(&mut self.held.unseen);
            let end = self.held.ended && self.request.trailers.0.is_empty();
            self.request_piece(&unseen, end)?;
        }
        if all && self.held.ended && !self.request.trailers.0.is_empty() {
            self.request_trailers()?;
        }
        Ok(())
    }

    fn release(&mut self) {
        self.forward_headers();
        if let Some(kept) = self.held.kept.take() {
            self.forward_body(&kept);
        }
    }

    fn forward_headers(&mut self) {
        self.held.headers = false;
        self.stream().request_open = false;
        if self.seen.is_some() {
            return;
        }
        let headers = self.stream().request.clone();
        let text = |name: &str| headers.text(name).unwrap_or_default();
        self.seen = Some(Seen {
            method: text(":method"),
            path: text(":path"),
            headers: without_pseudo(&headers),
            body: Vec::new(),
            trailers: Headers::default(),
            end: None,
            first_byte_at: None,
            last_byte_at: None,
            answered: None,
        });
    }

    fn forward_body(&mut self, body: &[u8]) {
        let now = self.now();
        if let Some(seen) = self.seen.as_mut().filter(|_| !body.is_empty()) {
            seen.first_byte_at.get_or_insert(now);
            seen.last_byte_at = Some(now);
            seen.body.extend_from_slice(body);
        }
    }

    /// Lets virtual time pass until the request goes on or is answered.
    fn wait_for_release(&mut self) -> Result<(), Error> {
        let step = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        let held = |run: &Self| run.held.headers || run.held.all || run.held.kept.is_some();
        while held(self) && !self.answered() && !self.stream().closed {
            if waited > GIVE_UP {
                return Err(Error::Timeout("the plugin holds a request and never lets it go".to_owned()));
            }
            self.advance(step)?;
            waited += step;
        }
        if let Some(seen) = &mut self.seen {
            seen.end = Some(End::Complete);
            seen.trailers = self.request.trailers.clone();
        }
        Ok(())
    }

    /// Whether what goes upstream keeps to the length that it announces.
    pub fn check_request(&self) -> Result<(), Error> {
        self.seen.as_ref().map_or(Ok(()), |seen| check_length("request", &seen.headers, seen.body.len()))
    }
}
