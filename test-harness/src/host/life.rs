//! The life of one call: which callbacks come in which order, what is held and what goes on, as in Envoy.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::protobuf;
use super::world::{LocalReply, Stream};
use super::{Host, Reload};
use crate::Error;
use crate::costs::Costs;
use crate::envoy::config::Plugin;
use crate::http::{End, Framing, Headers, Reply, Request, Response, Seen, When};
use crate::scenario::{Engine, Outcome};
use crate::stats::Series;

/// One route of a listener.
#[derive(Clone, Debug)]
pub struct Route {
    /// The path begins so.
    pub prefix: String,
    /// The whole path is this.
    pub exact: bool,
    /// Where it leads; nothing: Envoy answers itself, with 404.
    pub cluster: Option<String>,
    /// The route's name.
    pub name: String,
    /// Whether the filter is on.
    pub filtered: bool,
}

/// A held request that nobody lets go: longer than any hold that the plugin promises to end.
const GIVE_UP: Duration = Duration::from_secs(60);

/// What a callback's return value asks for.
mod action {
    pub const CONTINUE: u32 = 0;
    pub const STOP_ALL: u32 = 4;
    pub const STOP_ALL_BUFFER: u32 = 3;
}

impl Engine for Host {
    fn call(&mut self, request: &Request, reply: &Reply) -> Result<Outcome, Error> {
        let path = request.path.split('?').next().unwrap_or_default();
        let matches =
            |route: &&Route| if route.exact { path == route.prefix } else { path.starts_with(&route.prefix) };
        let route = self.routes.iter().find(matches).cloned();
        match route {
            Some(Route { cluster: Some(cluster), name, filtered: true, .. }) => {
                Call::new(self, request, reply, &cluster, &name)?.run()
            }
            _ => Ok(not_filtered(request)),
        }
    }

    fn answer_as_store(&mut self, reply: &Reply) {
        self.world().cluster_reply = reply.clone();
    }

    fn take_store_bodies(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        // What goes out by tick goes out within a second.
        let until = self.world().now_ns + 1_000_000_000;
        self.pass_time(until)?;
        Ok(std::mem::take(&mut self.world().cluster_bodies))
    }

    fn series(&mut self) -> Result<Vec<Series>, Error> {
        Ok(Self::series(self))
    }

    fn reconfigure(&mut self, plugin: Plugin) -> Result<Reload, Error> {
        self.configure(&plugin)
    }
}

/// Envoy's own answer where no route leads to an upstream.
fn not_filtered(request: &Request) -> Outcome {
    let response = Response {
        status: 404,
        headers: Headers::default(),
        body: Vec::new(),
        trailers: Headers::default(),
        end: End::Complete,
        first_byte_at: None,
        sent_at: None,
    };
    let log = json!({"method": method(request), "path": request.path, "status": 404, "tollgate": null});
    Outcome { response, log, seen: None, costs: None }
}

fn method(request: &Request) -> &str {
    if request.method.is_empty() { "POST" } else { &request.method }
}

struct Call<'a> {
    host: &'a mut Host,
    id: u32,
    request: &'a Request,
    reply: &'a Reply,
    cluster: String,
    /// Virtual time zero, for the times in what comes out.
    begun: (Instant, u64),
    held: Held,
    seen: Option<Seen>,
    response: Response,
}

/// What stands between the client and the upstream.
#[derive(Default)]
struct Held {
    headers: bool,
    /// No callback comes for the body either.
    all: bool,
    /// Body that a callback has kept.
    kept: Option<Vec<u8>>,
    /// Body that no callback has seen, because everything was held.
    unseen: Vec<u8>,
    ended: bool,
}

impl<'a> Call<'a> {
    fn new(
        host: &'a mut Host,
        request: &'a Request,
        reply: &'a Reply,
        cluster: &str,
        route: &str,
    ) -> Result<Self, Error> {
        let id = host.next_context();
        let (root, begun) = (host.root, (Instant::now(), host.world().now_ns));
        host.world().costs = Costs::default();
        host.world().known =
            [("xds.route_name", route), ("xds.cluster_name", cluster), ("plugin_root_id", "")]
                .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
                .into();
        host.world().streams.insert(id, Stream { request: request_headers(request), ..Stream::default() });
        host.call::<(u32, u32), ()>("proxy_on_context_create", id, (id, root))?;
        let response = Response { status: 0, ..not_filtered(request).response };
        Ok(Self {
            host,
            id,
            request,
            reply,
            cluster: cluster.to_owned(),
            begun,
            held: Held::default(),
            seen: None,
            response,
        })
    }

    fn run(mut self) -> Result<Outcome, Error> {
        self.request()?;
        if self.answered() {
            self.local_reply()?;
        } else if self.request.abort_after.is_some() {
            self.response.end = End::HungUp;
        } else {
            self.upstream_reply()?;
        }
        self.finish()
    }

    fn request(&mut self) -> Result<(), Error> {
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
    fn after_callback(&mut self) -> Result<(), Error> {
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
        while (self.held.headers || self.held.all || self.held.kept.is_some()) && !self.answered() {
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

    /// Whether the plugin has answered itself.
    fn answered(&mut self) -> bool {
        self.stream().local_reply.is_some()
    }

    /// Envoy sends a local reply through the response callbacks too.
    fn local_reply(&mut self) -> Result<(), Error> {
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

    fn upstream_reply(&mut self) -> Result<(), Error> {
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

    fn check_request(&self) -> Result<(), Error> {
        self.seen.as_ref().map_or(Ok(()), |seen| check_length("request", &seen.headers, seen.body.len()))
    }

    fn check_response(&self) -> Result<(), Error> {
        check_length("response", &self.response.headers, self.response.body.len())
    }

    fn finish(mut self) -> Result<Outcome, Error> {
        self.stream().logging = true;
        if let Some(seen) = &mut self.seen {
            seen.end.get_or_insert(End::Cut);
        }
        self.host.call_if_there::<u32, u32>("proxy_on_done", self.id)?;
        self.host.call::<u32, ()>("proxy_on_log", self.id, self.id)?;
        let record = self.stream().properties.get("tollgate").map(|bytes| protobuf::decode(bytes));
        self.host.call::<u32, ()>("proxy_on_delete", self.id, self.id)?;
        self.host.world().streams.remove(&self.id);
        let log = json!({
            "method": method(self.request),
            "path": self.request.path,
            "status": self.response.status,
            "upstream": self.cluster,
            "tollgate": record.map(|value| json!({"value": value.unwrap_or(Value::Null)})),
        });
        let memory_bytes = self.host.memory_bytes();
        let costs = Costs { memory_bytes, ..std::mem::take(&mut self.host.world().costs) };
        Ok(Outcome { response: self.response, log, seen: self.seen, costs: Some(costs) })
    }

    /// Lets virtual time pass: answers of other clusters and ticks come in it.
    fn advance(&mut self, by: Duration) -> Result<(), Error> {
        let until = self.host.world().now_ns + by.as_nanos() as u64;
        self.host.pass_time(until)?;
        self.after_callback()
    }

    fn now(&mut self) -> Instant {
        let passed = self.host.world().now_ns.saturating_sub(self.begun.1);
        self.begun.0 + Duration::from_nanos(passed)
    }

    fn stream(&mut self) -> &mut Stream {
        self.host.world().streams.entry(self.id).or_default()
    }
}

/// What comes with time.
enum Due {
    Tick(u32),
    Answer(u32),
}

impl Host {
    /// Moves the clock, and on the way runs the ticks and delivers the answers that are due.
    fn pass_time(&mut self, until: u64) -> Result<(), Error> {
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= until) {
            let now = self.world().now_ns;
            self.world().now_ns = at.max(now);
            match due {
                Due::Tick(root) => self.call::<u32, ()>("proxy_on_tick", root, root)?,
                Due::Answer(token) => self.deliver(token)?,
            }
        }
        let now = self.world().now_ns;
        self.world().now_ns = until.max(now);
        Ok(())
    }

    fn next_due(&mut self) -> Option<(u64, Due)> {
        let world = self.world();
        let next = |period: u32| {
            let period = u64::from(period) * 1_000_000;
            (world.now_ns / period + 1) * period
        };
        let periods = world.tick_ms.iter().filter(|(_, period)| **period > 0);
        let ticks = periods.map(|(&root, &period)| (next(period), Due::Tick(root)));
        let answers = world.dispatched.iter().map(|call| (call.due_ns, Due::Answer(call.token)));
        ticks.chain(answers).min_by_key(|(at, _)| *at)
    }

    /// The answer to a call of the plugin's; none where the stream that waited for it is gone.
    fn deliver(&mut self, token: u32) -> Result<(), Error> {
        let world = self.world();
        let Some(place) = world.dispatched.iter().position(|call| call.token == token) else { return Ok(()) };
        let call = world.dispatched.remove(place);
        let waits = call.context == self.root || self.world().streams.contains_key(&call.context);
        if !waits {
            return Ok(());
        }
        let (headers, body) =
            call.answer.as_ref().map_or((0, 0), |(headers, body)| (headers.0.len(), body.len()));
        self.world().answer = call.answer;
        let params = (call.context, token, headers as u32, body as u32, 0_u32);
        self.call::<_, ()>("proxy_on_http_call_response", call.context, params)?;
        self.world().answer = None;
        Ok(())
    }
}

/// A length that was announced binds: Envoy would hang or reset.
fn check_length(what: &str, headers: &Headers, sent: usize) -> Result<(), Error> {
    match headers.text("content-length").and_then(|length| length.parse::<usize>().ok()) {
        Some(length) if length != sent => {
            Err(Error::Length(format!("the {what} announces {length} bytes and has {sent}")))
        }
        _ => Ok(()),
    }
}

fn without_pseudo(headers: &Headers) -> Headers {
    let host = headers.bytes(":authority").map(|value| ("host".to_owned(), value.to_vec()));
    let rest = headers.0.iter().filter(|(name, _)| !name.starts_with(':')).cloned();
    Headers(host.into_iter().chain(rest).collect())
}

fn request_headers(request: &Request) -> Headers {
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

fn response_headers(reply: &Reply, bytes: usize) -> Headers {
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
