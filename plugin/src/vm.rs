//! One VM: its roots and streams, and the callbacks by context.

use crate::abi::{self, Body, Buffer, Headers, Map};
use crate::feeds::{Answer, Feeds};
use crate::host::{self, ProxyStats, SharedData};
use crate::numbers::Numbers;
use crate::root::{Root, millis};
use crate::stream::Stream;
use std::cell::RefCell;
use std::rc::Rc;
use tollgate_exchange::{AlertAnswer, Cache, Estimate, Head, HeaderPairs, Outbox, Settlement};
use tollgate_policy::{GiveBack, InHand};
use tollgate_wire::{DecoderMemory, Vocabulary};

/// One VM. Roots of an old and a new configuration live side by side while streams of the old one drain.
pub struct Vm {
    roots: Numbers<Root>,
    contexts: Numbers<Context>,
    /// The stream that waits for the answer to an HTTP call: hosts name the root when it comes, not the stream.
    calls: Numbers<u32>,
    /// What must still go out. It outlives the configuration whose calls it settles.
    outbox: Outbox<Settlement>,
    /// Counts tokens that nobody reported. It is as good as nothing unless it is compiled in.
    vocabulary: Vocabulary,
    /// Prices that arrive. They outlive the configuration too.
    feeds: Feeds,
    /// What stores are to hear now and then. It outlives the configuration, too.
    cache: Rc<RefCell<Cache>>,
    /// What the decoders of all streams may hold together, whatever configurations they have.
    decoders: DecoderMemory,
    /// What this worker has put aside for its next calls. It outlives the configuration, too.
    in_hand: Rc<RefCell<InHand>>,
}

/// The context of an HTTP stream.
struct Context {
    root: u32,
    /// There if it is an LLM call that is not over.
    stream: Option<Stream>,
}

/// Some 400 bytes each: what a busy worker settles in a few minutes without its store.
const OUTBOX_CAPACITY: usize = 16_384;

/// Some 200 bytes each.
const IN_HAND_COUNTERS: usize = 1024;

impl Default for Vm {
    fn default() -> Self {
        Self {
            roots: Numbers::default(),
            contexts: Numbers::default(),
            calls: Numbers::default(),
            outbox: Outbox::new(OUTBOX_CAPACITY),
            vocabulary: Vocabulary::default(),
            feeds: Feeds::default(),
            cache: Rc::default(),
            decoders: DecoderMemory::default(),
            in_hand: Rc::new(RefCell::new(InHand::new(IN_HAND_COUNTERS))),
        }
    }
}

thread_local! {
    static VM: RefCell<Vm> = RefCell::default();
}

/// Runs a callback. `None` if one is running already: the host makes no callback inside a host call, and if one ever
/// does, its stream goes on untouched rather than the VM dying.
pub fn with<T>(callback: impl FnOnce(&mut Vm) -> T) -> Option<T> {
    VM.with(|vm| Some(callback(&mut *vm.try_borrow_mut().ok()?)))
}

impl Vm {
    /// A configuration; `false` refuses it. Then what the root had before goes on.
    pub fn configure(&mut self, root: u32, size: usize) -> bool {
        let json = if size == 0 {
            Vec::new()
        } else {
            abi::buffer(Buffer::Configuration, 0, size).unwrap_or_default()
        };
        let mut configured = Root::configure(&json, &self.cache, &self.in_hand, &self.decoders);
        if let Some(new) = &mut configured {
            self.feeds.adopt(root, new);
        }
        let accepted = configured.is_some();
        if let (true, Some(before)) = (accepted, self.roots.get_mut(&root)) {
            before.end(host::now());
        }
        self.roots.extend(configured.map(|new| (root, new)));
        accepted
    }

    /// A context: a root has no parent.
    pub fn create(&mut self, context: u32, root: u32) {
        if root != 0 {
            self.contexts.insert(context, Context { root, stream: None });
        }
    }

    /// A tick of a root: its outbox is flushed, and its held requests are looked after.
    pub fn tick(&mut self, root_id: u32) {
        let now = host::now();
        // No call waits for it here but those of this worker whose bytes come in these 0.1 s, once in its life.
        self.vocabulary.build();
        let Some(root) = self.roots.get_mut(&root_id) else { return };
        // First, since what follows looks at counters.
        root.tidy_hand(GiveBack::Idle, now);
        root.set_gauges(now);
        root.flush_usage_now_and_then(now);
        root.flush_guards(now);
        self.outbox.flush(root_id, millis(now), |load| host::send(&load.call()));
        root.count_store_errors(self.outbox.take_dropped());
        root.flush_cache(now);
        root.tell_alerts(now);
        let mut waiting = Vec::new();
        let own = self.contexts.iter_mut().filter(|(_, context)| context.root == root_id);
        let streams = own.filter_map(|(context, own)| Some((context, own.stream.as_mut()?)));
        for (context, stream) in streams.filter(|(_, stream)| stream.is_held() || stream.is_cut()) {
            if abi::set_context(*context).is_ok() {
                let before = stream.token();
                stream.watch(root, now);
                stream.stop_if_cut(now);
                waiting.push((*context, before, stream.token()));
            }
        }
        for (context, before, after) in waiting {
            self.expect_answer(context, before, after);
        }
        let _same_as_before = abi::set_context(root_id);
        self.feeds.tick(root_id, &mut self.roots, now);
        if let Some(root) = self.roots.get_mut(&root_id) {
            root.count_calls();
        }
        ProxyStats::tell();
    }

    /// Notes which stream waits for which answer, after a callback that may have asked a store.
    fn expect_answer(&mut self, context: u32, before: Option<u32>, after: Option<u32>) {
        if before != after {
            before.map(|token| self.calls.remove(&token));
            self.calls.extend(after.map(|token| (token, context)));
        }
    }

    /// Runs a callback of a stream, if there is one, that may ask a store.
    fn drive<T>(&mut self, context: u32, callback: impl FnOnce(&mut Stream, &mut Root) -> T) -> Option<T> {
        let (stream, root) = self.stream(context)?;
        let before = stream.token();
        let result = callback(stream, root);
        let after = stream.token();
        self.expect_answer(context, before, after);
        Some(result)
    }

    /// A request's headers.
    pub fn request_headers(&mut self, context: u32, ends: bool) -> Headers {
        let Some(own) = self.contexts.get_mut(&context) else { return Headers::Continue };
        let Some(root) = self.roots.get_mut(&own.root) else { return Headers::Continue };
        let headers = HeaderPairs::parse(abi::headers(Map::Request).unwrap_or_default());
        #[cfg(feature = "trap")]
        crate::trap::if_asked(&headers);
        if let Some(answer) = root.answer_admin(&headers, &mut self.outbox) {
            return host::answer_admin(&answer);
        }
        let name = |path: &[&str]| abi::property(path).and_then(|bytes| String::from_utf8(bytes).ok());
        let (route, cluster) = match root.rules.needs_route {
            true => (name(&["xds", "route_name"]), name(&["xds", "cluster_name"])),
            false => (None, None),
        };
        let properties = root.rules.properties_of_host().map(|path| abi::property(path)).collect();
        let (stream, headers) =
            Stream::open(root, &Head { headers, route, cluster, properties, ends }, host::now());
        if let Some(stream) = stream {
            if root.rules.estimate == Estimate::Auto {
                self.vocabulary.expect_calls();
            }
            self.calls.extend(stream.token().map(|token| (token, context)));
            own.stream = Some(stream);
        }
        headers
    }

    /// A piece of a request's body.
    pub fn request_body(&mut self, context: u32, size: usize, ends: bool) -> Body {
        self.drive(context, |stream, root| stream.request_body(root, size, ends)).unwrap_or(Body::Continue)
    }

    /// A request's trailers.
    pub fn request_trailers(&mut self, context: u32) -> Body {
        self.drive(context, |stream, root| stream.request_trailers(root)).unwrap_or(Body::Continue)
    }

    /// A response's headers.
    pub fn response_headers(&mut self, context: u32, ends: bool) {
        if let Some((stream, _)) = self.stream(context) {
            stream
                .response_headers(&HeaderPairs::parse(abi::headers(Map::Response).unwrap_or_default()), ends);
        }
    }

    /// A piece of a response's body.
    pub fn response_body(&mut self, context: u32, size: usize, ends: bool) {
        if let Some((stream, _)) = self.stream(context) {
            stream.response_body(size, ends);
        }
        self.settle_before_the_span(context);
    }

    /// A response's trailers.
    pub fn response_trailers(&mut self, context: u32) {
        if let Some((stream, _)) = self.stream(context) {
            stream.response_trailers();
        }
        self.settle_before_the_span(context);
    }

    /// Envoy writes a request's span before it runs the log callback. So a call is settled as soon as both its bodies are through,
    /// where the configuration makes parts of the record plain strings, which spans take their tags from.
    fn settle_before_the_span(&mut self, context: u32) {
        let shown = |(stream, root): (&mut Stream, &mut Root)| {
            !root.rules.properties.is_empty() && stream.is_complete()
        };
        if self.stream(context).is_some_and(shown) {
            self.log(context);
        }
    }

    /// The answer to an HTTP call that a stream or a root made.
    pub fn call_answered(&mut self, root_id: u32, token: u32, size: usize) {
        let headers = HeaderPairs::parse(abi::headers(Map::CallResponse).unwrap_or_default());
        let status = headers.text(":status").and_then(|status| status.parse().ok());
        let now = host::now();
        if self.feeds.answered(
            token,
            &Answer { status, etag: headers.text("etag"), size },
            &mut self.roots,
            now,
        ) {
            return;
        }
        let answer = AlertAnswer { status, retry_after: headers.text("retry-after") };
        if self.roots.get_mut(&root_id).is_some_and(|root| root.alert_answered(token, answer, now)) {
            return;
        }
        let body = if size == 0 {
            Vec::new()
        } else {
            abi::buffer(Buffer::CallResponse, 0, size).unwrap_or_default()
        };
        let Some(context) = self.calls.remove(&token) else {
            let synced = self.cache.borrow_mut().answered(&SharedData, token, status, &body, millis(now));
            if let (Some(false), Some(root)) = (synced, self.roots.get_mut(&root_id)) {
                root.count_store_errors(1);
            }
            if synced.is_some() {
                return;
            }
            let root = self.roots.get_mut(&root_id);
            match (self.outbox.answered(token, millis(now), |load| load.taken(status, &body)), root) {
                (Some(true), _) => self.outbox.flush(root_id, millis(now), |load| host::send(&load.call())),
                (Some(false), Some(root)) => root.count_store_errors(1),
                _ => {}
            }
            return;
        };
        if abi::set_context(context).is_ok() {
            self.drive(context, |stream, root| stream.answered(root, token, status, &body, now));
        }
    }

    /// The end of a stream, however it came about.
    pub fn log(&mut self, context: u32) {
        let Some(own) = self.contexts.get_mut(&context) else { return };
        let Some(stream) = own.stream.take() else { return };
        stream.token().map(|token| self.calls.remove(&token));
        if let Some(root) = self.roots.get_mut(&own.root) {
            stream.settle(root, &mut self.outbox, &self.vocabulary, host::now());
        }
    }

    /// A context that is gone.
    pub fn delete(&mut self, context: u32) {
        if self.contexts.remove(&context).is_none()
            && let Some(mut root) = self.roots.remove(&context)
        {
            root.tidy_hand(GiveBack::All, host::now());
            root.end(host::now());
            ProxyStats::tell();
            self.outbox.forget(context);
            self.feeds.forget(context, &self.roots);
        }
    }

    fn stream(&mut self, context: u32) -> Option<(&mut Stream, &mut Root)> {
        let own = self.contexts.get_mut(&context)?;
        Some((own.stream.as_mut()?, self.roots.get_mut(&own.root)?))
    }
}
