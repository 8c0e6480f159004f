//! One HTTP stream: an exchange and where its bodies stand.

use crate::abi::{self, Body, Buffer, Headers, Map};
use crate::host;
use crate::remote::remember;
use crate::root::{Root, read_admission};
use tollgate_exchange::{
    Aids, AnsweredBy, BodyChange, Exchange, Finish, Head, HeaderPairs, LocalReply, Metered, Outbox,
    Settlement, Start, Step, admission_call, first_time, refused_while_reserved,
};
use tollgate_policy::{Admission, StoreFailure, StoreRef};
use tollgate_record::Timestamp;
use tollgate_wire::{End, Ended, Vocabulary};

/// One LLM call's stream.
pub struct Stream {
    exchange: Box<Exchange>,
    /// Set while the proxy holds the request back.
    held: Option<Held>,
    /// The store's call that is under way.
    token: Option<u32>,
    request_ended: bool,
    response_ended: bool,
    /// When the client was told that its stream is over.
    cut_at: Option<Timestamp>,
}

/// What the proxy holds back.
#[derive(Clone, Copy)]
struct Held {
    /// Since when the request waits for what it waits for now.
    since: Timestamp,
    /// How much of the body was read so far.
    seen: usize,
    /// The body is complete.
    ended: bool,
}

/// How a held request is let go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Release {
    /// By what the body or trailers callback returns that runs right now.
    Return,
    /// By a host call: the callback that runs is none of the held body.
    Call,
}

/// Large bodies are read in slices: memory of a VM never shrinks.
const SLICE: usize = 65_536;

/// How long a client that was told of the end of its stream has to read it before the stream is reset.
const LAST_WORDS_MS: u64 = 1_000;

/// A request is let go after this long without its body, or without a store's answer: the store's call has a time-out
/// of its own, so past this the host has lost it.
const HOLD_LIMIT_MS: u64 = 10_000;

impl Stream {
    /// Looks at a request's head. There is a stream only if it is an LLM call that can be metered.
    pub fn open(root: &mut Root, head: &Head, now: Timestamp) -> (Option<Self>, Headers) {
        let rules = std::rc::Rc::clone(&root.rules);
        match Exchange::start(&rules, head, || root.next_id(now), now) {
            Start::Ignore => (None, Headers::Continue),
            Start::Unmetered(call) => {
                root.note_endpoint(head, Metered::No, now);
                root.stats.count_unmetered(&call.host, call.reason, &mut host::ProxyStats);
                (None, call.refusal.map_or(Headers::Continue, |reply| refuse(&reply)))
            }
            Start::Begin(exchange, edits, step) => {
                root.note_endpoint(head, Metered::Yes, now);
                let mut stream = Self {
                    exchange,
                    held: None,
                    token: None,
                    request_ended: head.ends,
                    response_ended: false,
                    cut_at: None,
                };
                if !host::edit_headers(Map::Request, &edits) {
                    stream.exchange.forgo_injection();
                    root.stats.count_error("host", &mut host::ProxyStats);
                }
                let headers = stream.begin(root, step, now);
                stream.try_candidate(root, &|| now);
                (Some(stream), headers)
            }
        }
    }

    /// Has a candidate configuration go on with the call, where there is one. It never holds or changes anything.
    fn try_candidate(&mut self, root: &Root, now: &dyn Fn() -> Timestamp) {
        if self.exchange.has_candidate() {
            self.exchange.try_candidate(&host::SharedData, now, &|ops, now| root.reserve_here(ops, now));
        }
    }

    fn begin(&mut self, root: &Root, step: Step, now: Timestamp) -> Headers {
        match self.perform(root, step, now) {
            Step::NeedBody => {
                self.held = Some(Held { since: now, seen: 0, ended: false });
                if self.exchange.holds_headers() { Headers::Hold } else { Headers::Continue }
            }
            Step::Ask => {
                self.held = Some(Held { since: now, seen: 0, ended: false });
                Headers::HoldAll
            }
            Step::Reply(_) | Step::Recall => Headers::HoldAll,
            Step::Pass => {
                let _the_call_matters_more = host::edit_headers(Map::Request, &self.exchange.passing_edits());
                Headers::Continue
            }
        }
    }

    /// Performs steps until one is left that takes time, or the request is decided.
    fn perform(&mut self, root: &Root, mut step: Step, now: Timestamp) -> Step {
        loop {
            if self.exchange.is_dry_run() {
                return self.rehearse(step, now);
            }
            match &step {
                Step::Ask => match self.ask(root, now) {
                    Some(next) => step = next,
                    None => return step,
                },
                Step::Recall => step = self.exchange.recall(&host::SharedData, now),
                // A host that cannot reply lets the call pass: it must not hang.
                Step::Reply(reply) => return if host::reply(reply) { step } else { Step::Pass },
                Step::NeedBody | Step::Pass => return step,
            }
        }
    }

    /// The steps of a dry run: nothing is changed, and its client gets a report.
    #[cold]
    #[inline(never)]
    fn rehearse(&mut self, mut step: Step, now: Timestamp) -> Step {
        while matches!(step, Step::Ask | Step::Recall) {
            step = self.exchange.look(&host::SharedData, now);
        }
        if step == Step::NeedBody {
            return step;
        }
        let report = self.exchange.report(&step, &host::SharedData);
        if let Step::Reply(reply) = &report
            && !host::reply(reply)
        {
            // It must neither hang nor be sent. If the host cannot do that either, it is held until its client goes.
            let _the_last_way_out = abi::reset_request();
        }
        report
    }

    /// Asks a store. A local one answers at once; `None` if the answer will come later.
    fn ask(&mut self, root: &Root, now: Timestamp) -> Option<Step> {
        let batch = self.exchange.pending()?;
        let ops = batch.ops();
        if let Some(answer) = root.decide_here(&self.exchange, batch, &ops, now) {
            return Some(self.exchange.resume(answer));
        }
        let StoreRef::Remote(index) = batch.store else { return None };
        self.exchange.expect_usual(&host::SharedData);
        let ops = self.exchange.pending()?.ops();
        let rules = self.exchange.rules();
        let store = rules.stores.get(index);
        let id = self.exchange.id().to_string();
        let call = store.map(|s| admission_call(s, &id, &ops, now.unix_seconds()));
        self.token = call.and_then(|call| host::send(&call));
        if let Some(held) = &mut self.held {
            held.since = now;
        }
        self.token.is_none().then(|| self.exchange.resume(Err(StoreFailure)))
    }

    /// A piece of the request's body, or all that is held of it.
    pub fn request_body(&mut self, root: &Root, size: usize, ends: bool) -> Body {
        self.request_ended |= ends;
        match self.held {
            Some(held) => self.held_body(root, held, size, ends),
            None => {
                self.pass_request(size, ends);
                self.try_candidate(root, &host::now);
                Body::Continue
            }
        }
    }

    fn held_body(&mut self, root: &Root, held: Held, size: usize, ends: bool) -> Body {
        self.held = Some(Held { seen: size, ended: ends, ..held });
        if !self.exchange.is_holding() {
            return Body::Hold;
        }
        let fresh = read(Buffer::Request, held.seen, size.saturating_sub(held.seen));
        let Some(step) = self.exchange.held_body(&fresh, end(ends)) else { return Body::Hold };
        self.decided(root, step, host::now(), Release::Return)
    }

    /// Goes on once the exchange has decided. What it returns is for a body callback; elsewhere it is not looked at.
    fn decided(&mut self, root: &Root, step: Step, now: Timestamp, release: Release) -> Body {
        match self.perform(root, step, now) {
            Step::Pass => {
                self.let_go(release);
                self.try_candidate(root, &|| now);
                Body::Continue
            }
            // [`Self::perform`] leaves none of the last kind.
            Step::NeedBody | Step::Ask | Step::Reply(_) | Step::Recall => Body::Hold,
        }
    }

    /// Lets the held request go, with what its body has become.
    fn let_go(&mut self, release: Release) {
        let Some(held) = self.held.take() else { return };
        let _the_call_matters_more = host::edit_headers(Map::Request, &self.exchange.passing_edits());
        if held.seen > 0 || held.ended {
            let seen = self.exchange.release_seen(held.seen, end(held.ended));
            let change = seen.unwrap_or_else(|| self.reread(held));
            apply(change, held.seen);
        }
        if release == Release::Call {
            let _ends_by_time_out_then = abi::continue_request();
        }
    }

    /// What becomes of a held body that has to be looked at again.
    fn reread(&mut self, held: Held) -> BodyChange {
        let body = read(Buffer::Request, 0, held.seen);
        let changed = self.rewritten(&body, end(held.ended));
        let released = self.exchange.release_body(changed.as_deref().unwrap_or(&body), end(held.ended));
        released.after(changed)
    }

    /// The body as rules want it changed, once its headers say so. `None` if it goes on as it came.
    fn rewritten(&mut self, body: &[u8], end: End) -> Option<Vec<u8>> {
        let rewritten = self.exchange.rewrite(body, end)?;
        if host::edit_headers(Map::Request, &rewritten.edits) {
            return Some(rewritten.body);
        }
        self.exchange.forgo_rewrite();
        None
    }

    fn pass_request(&mut self, size: usize, ends: bool) {
        if !self.exchange.wants_request() {
            return;
        }
        let body = read(Buffer::Request, 0, size);
        apply(self.exchange.request_body(&body, end(ends)), size);
    }

    /// The request ends with trailers: no more body comes.
    pub fn request_trailers(&mut self, root: &Root) -> Body {
        self.request_ended = true;
        let Some(held) = &mut self.held else {
            self.exchange.show_candidate(&[], End::Last);
            self.try_candidate(root, &host::now);
            return Body::Continue;
        };
        held.ended = true;
        if !self.exchange.is_holding() {
            return Body::Hold;
        }
        match self.exchange.held_body(&[], End::Last) {
            Some(step) => self.decided(root, step, host::now(), Release::Return),
            None => Body::Hold,
        }
    }

    /// The answer to a store's call.
    pub fn answered(&mut self, root: &Root, token: u32, status: Option<u16>, body: &[u8], now: Timestamp) {
        if self.token != Some(token) {
            return;
        }
        self.token = None;
        let Some(batch) = self.exchange.pending() else { return };
        let answer = read_admission(status, body, &self.exchange.id().to_string(), &batch.ops(), now);
        if let (Ok(admission), StoreRef::Remote(index)) = (&answer, batch.store) {
            let rules = self.exchange.rules();
            let (store, ops) = (rules.stores.get(index), batch.ops());
            if matches!(admission, Admission::Refused { .. }) {
                let mut hand = root.in_hand.borrow_mut();
                refused_while_reserved(body, &ops).into_iter().for_each(|op| hand.note_transient(op));
            }
            remember(&host::SharedData, store, &ops, admission, now.unix_seconds());
        }
        let step = self.exchange.resume(answer);
        self.decided(root, step, now, Release::Call);
    }

    /// Lets go what waited too long. The effective context is this stream's.
    pub fn watch(&mut self, root: &Root, now: Timestamp) {
        let waited = self.held.and_then(|held| now.millis_since(held.since));
        if waited.is_some_and(|waited| waited > HOLD_LIMIT_MS) {
            self.token = None;
            let step = self.exchange.give_up_waiting();
            self.decided(root, step, now, Release::Call);
        }
    }

    /// Whether request and response have been seen to their ends, and nothing is awaited.
    pub fn is_complete(&self) -> bool {
        self.request_ended && self.response_ended && self.held.is_none() && self.token.is_none()
    }

    /// The store's call that is under way.
    pub fn token(&self) -> Option<u32> {
        self.token
    }

    /// Whether the proxy waits for this stream.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The response's head.
    pub fn response_headers(&mut self, headers: &HeaderPairs, ends: bool) {
        self.response_ended |= ends;
        let _the_call_matters_more = host::edit_headers(Map::Response, &self.exchange.response_head(headers));
    }

    /// A piece of the response's body.
    pub fn response_body(&mut self, size: usize, ends: bool) {
        self.response_ended |= ends;
        // A replacement is of the whole chunk, so a chunk that may have to be replaced is read in one piece.
        let slice = if self.exchange.may_replace_response() { size } else { SLICE };
        let mut start = 0_usize;
        loop {
            let length = size.saturating_sub(start).min(slice);
            let last = start.saturating_add(length) >= size;
            let body = read(Buffer::Response, start, length);
            let replaced = self.exchange.response_body(&body, end(ends && last), host::now);
            if let Some(replaced) = replaced {
                let _unchanged_then = abi::set_buffer(Buffer::Response, size, &replaced);
            }
            if last {
                break;
            }
            start = start.saturating_add(length);
        }
        if self.cut_at.is_none() && self.exchange.is_cut() {
            self.cut_at = Some(host::now());
        }
    }

    /// Stops the upstream of a stream that was cut, once the client had time to read why. The effective context is this stream's.
    pub fn stop_if_cut(&mut self, now: Timestamp) {
        let waited = self.cut_at.and_then(|cut_at| now.millis_since(cut_at));
        if waited.is_some_and(|waited| waited > LAST_WORDS_MS) {
            self.cut_at = None;
            let _ends_by_itself_then = abi::reset_response();
        }
    }

    /// Whether the client was told that its stream is over.
    pub fn is_cut(&self) -> bool {
        self.cut_at.is_some()
    }

    /// The response ends with trailers.
    pub fn response_trailers(&mut self) {
        self.response_ended = true;
        let _nowhere_to_put_it = self.exchange.response_body(&[], End::Last, host::now);
    }

    /// Settles the call.
    pub fn settle(
        mut self,
        root: &mut Root,
        outbox: &mut Outbox<Settlement>,
        vocabulary: &Vocabulary,
        now: Timestamp,
    ) {
        if self.exchange.is_dry_run() {
            return;
        }
        if self.exchange.has_candidate() {
            self.exchange.end_candidate();
            self.try_candidate(root, &|| now);
        }
        let ended = if self.response_ended { Ended::Complete } else { Ended::Cut };
        let rules = self.exchange.rules();
        let first_time = &|results: &str| first_time(&host::SharedData, &rules.namespace, results);
        let answered_by = if self.exchange.may_lack_an_answer() {
            answered_by(&self.exchange)
        } else {
            AnsweredBy::Upstream
        };
        let aids = Aids { vocabulary, first_time, store: &host::SharedData, client_left: &client_left };
        let settled = self.exchange.settle_with(Finish { now, ended, answered_by }, aids);
        root.emit(settled, rules, outbox, now);
    }
}

/// Answers a client whose call goes no further. A host that cannot reply lets it pass.
fn refuse(reply: &LocalReply) -> Headers {
    if host::reply(reply) { Headers::HoldAll } else { Headers::Continue }
}

/// Who made an error, or whom a client did not wait for. Envoy's detail of a response that came from upstream is `via_upstream`; it knows
/// an upstream's address from when it picks one on.
#[cold]
fn answered_by(exchange: &Exchange) -> AnsweredBy {
    match abi::property(&["response", "code_details"]) {
        Some(details) if details != b"via_upstream" => {
            let picked = abi::property(&["upstream", "address"]).is_some_and(|address| !address.is_empty());
            match (picked, exchange.is_error()) {
                (false, _) => AnsweredBy::Nobody,
                (true, true) => AnsweredBy::Proxy,
                (true, false) => AnsweredBy::Upstream,
            }
        }
        _ => AnsweredBy::Upstream,
    }
}

/// Whether it was the client that broke off: Envoy's detail names who reset the stream, or closed its connection.
fn client_left() -> bool {
    const LEFT: [&[u8]; 3] = [b"downstream_remote_", b"http2.remote_", b"http3.remote_"];
    let details = abi::property(&["response", "code_details"]).unwrap_or_default();
    LEFT.iter().any(|detail| details.starts_with(detail))
}

/// Changes a piece of a request's body that has `size` bytes.
fn apply(change: BodyChange, size: usize) {
    let _unchanged_then = match change {
        BodyChange::Nothing => Ok(()),
        BodyChange::Behind(more) => abi::append_buffer(Buffer::Request, size, more),
        BodyChange::Instead(bytes) => abi::set_buffer(Buffer::Request, size, &bytes),
    };
}

fn read(buffer: Buffer, start: usize, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    abi::buffer(buffer, start, size).unwrap_or_default()
}

const fn end(ends: bool) -> End {
    if ends { End::Last } else { End::Open }
}
