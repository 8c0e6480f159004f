//! What the host knows: streams, shared data, metrics, the clock; and what it counts.

use std::collections::BTreeMap;

use super::faults::Faults;
use crate::costs::Costs;
use crate::http::{Headers, Reply, When};
use crate::scenario::store_call;
use crate::store::naming_the_call;

/// Statuses of the ABI.
pub mod status {
    pub const OK: u32 = 0;
    pub const NOT_FOUND: u32 = 1;
    pub const BAD_ARGUMENT: u32 = 2;
    pub const CAS_MISMATCH: u32 = 8;
}

/// A metric that the plugin has defined.
pub struct Metric {
    pub name: String,
    pub histogram: bool,
    /// A counter's or gauge's value, a histogram's sum.
    pub value: i64,
    pub samples: u64,
}

/// A call of the plugin to another cluster whose answer is still to come.
pub struct Dispatched {
    pub token: u32,
    pub context: u32,
    pub due_ns: u64,
    /// Nothing: the call fails.
    pub answer: Option<(Headers, Vec<u8>)>,
}

/// An answer of the plugin instead of the upstream's.
pub struct LocalReply {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// One stream as the filter can see it. Maps and buffers are there only in the callbacks in which Envoy has them.
#[derive(Default)]
pub struct Stream {
    pub request: Headers,
    pub response: Headers,
    pub request_open: bool,
    pub response_open: bool,
    /// In `on_log` everything can be read and nothing changed.
    pub logging: bool,
    pub request_body: Option<Vec<u8>>,
    pub response_body: Option<Vec<u8>>,
    /// What the plugin has set.
    pub properties: BTreeMap<String, Vec<u8>>,
    pub local_reply: Option<LocalReply>,
    pub resumed: bool,
    pub closed: bool,
}

/// Everything behind the host functions.
#[derive(Default)]
pub struct World {
    /// What ticks and time-outs go by.
    pub now_ns: u64,
    /// By how much the plugin's clock is wrong.
    pub skew_ns: i64,
    pub configuration: Vec<u8>,
    pub effective: u32,
    pub streams: BTreeMap<u32, Stream>,
    /// Properties that the host itself has, by their path joined with dots.
    pub known: BTreeMap<String, Vec<u8>>,
    pub shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    pub last_cas: u32,
    pub metrics: Vec<Metric>,
    pub tick_ms: BTreeMap<u32, u32>,
    pub dispatched: Vec<Dispatched>,
    pub last_token: u32,
    /// Clusters that exist.
    pub clusters: Vec<String>,
    /// What they answer.
    pub cluster_reply: Reply,
    /// What they got.
    pub cluster_calls: Vec<String>,
    /// The answer that a callback is about.
    pub answer: Option<(Headers, Vec<u8>)>,
    pub log: Vec<String>,
    pub costs: Costs,
    pub faults: Faults,
}

impl World {
    pub fn stream(&mut self) -> Option<&mut Stream> {
        self.streams.get_mut(&self.effective)
    }

    /// A map that can be read now.
    pub fn map(&mut self, kind: u32) -> Option<&Headers> {
        if kind == 6 {
            return self.answer.as_ref().map(|(headers, _)| headers);
        }
        let stream = self.streams.get(&self.effective)?;
        match kind {
            0 if stream.request_open || stream.logging => Some(&stream.request),
            2 if stream.response_open || stream.logging => Some(&stream.response),
            _ => None,
        }
    }

    /// A map that can be changed now.
    pub fn map_mut(&mut self, kind: u32) -> Option<&mut Headers> {
        let stream = self.stream()?;
        match kind {
            0 if stream.request_open => Some(&mut stream.request),
            2 if stream.response_open => Some(&mut stream.response),
            _ => None,
        }
    }

    /// A buffer that can be read now.
    pub fn buffer(&self, kind: u32) -> Option<&[u8]> {
        let stream = self.streams.get(&self.effective);
        match kind {
            0 => stream?.request_body.as_deref(),
            1 => stream?.response_body.as_deref(),
            4 => self.answer.as_ref().map(|(_, body)| body.as_slice()),
            7 => Some(&self.configuration),
            _ => None,
        }
    }

    /// Writes to a body as Envoy does: replaces all of it, or adds before or behind; nothing else.
    pub fn set_buffer(&mut self, kind: u32, start: usize, size: usize, with: &[u8]) -> u32 {
        let Some(stream) = self.stream() else { return status::NOT_FOUND };
        let body = match kind {
            0 => &mut stream.request_body,
            1 => &mut stream.response_body,
            _ => return status::BAD_ARGUMENT,
        };
        let Some(body) = body else { return status::NOT_FOUND };
        match (start, size) {
            (0, 0) => *body = [with, body].concat(),
            (0, size) if size >= body.len() => *body = with.to_vec(),
            (start, _) if start >= body.len() => body.extend_from_slice(with),
            _ => return status::BAD_ARGUMENT,
        }
        status::OK
    }

    /// Envoy looks at the compare-and-swap number only where the key exists, and 0 overwrites.
    pub fn set_shared(&mut self, key: &[u8], value: &[u8], cas: u32) -> u32 {
        if let Some((_, stored)) = self.shared.get(key)
            && cas != 0
            && cas != *stored
        {
            return status::CAS_MISMATCH;
        }
        self.last_cas += 1;
        self.shared.insert(key.to_vec(), (value.to_vec(), self.last_cas));
        status::OK
    }

    /// Takes a call to a cluster and plans its answer. Nothing where there is no such cluster.
    pub fn dispatch(
        &mut self,
        cluster: &str,
        headers: &Headers,
        body: &[u8],
        timeout_ms: u32,
    ) -> Option<u32> {
        if !self.clusters.iter().any(|name| name == cluster) {
            return None;
        }
        let reply = naming_the_call(&self.cluster_reply, body);
        let text = |name: &str| headers.text(name).unwrap_or_default();
        let (method, path) = (text(":method"), text(":path"));
        // As on the wire, where HTTP/1 has no `:authority`.
        let sent = headers.0.iter().map(|(name, value)| match name.as_str() {
            ":authority" => ("host".to_owned(), value.clone()),
            _ => (name.clone(), value.clone()),
        });
        let sent = sent.filter(|(name, _)| !name.starts_with(':')).collect();
        self.cluster_calls.push(store_call(&method, &path, &sent, body));
        self.last_token += 1;
        let (wait_ns, timeout_ns) =
            (self.cluster_reply.wait.as_nanos() as u64, u64::from(timeout_ms) * 1_000_000);
        let answers = self.cluster_reply.when != When::Never && wait_ns < timeout_ns;
        let mut headers = Headers::from_iter([(":status", self.cluster_reply.status.to_string())]);
        headers.0.extend(self.cluster_reply.all_headers().0);
        self.dispatched.push(Dispatched {
            token: self.last_token,
            context: self.effective,
            due_ns: self.now_ns + if answers { wait_ns } else { timeout_ns },
            answer: answers.then(|| (headers, reply.encoded_body())),
        });
        Some(self.last_token)
    }

    /// The same name gives the same metric.
    pub fn define_metric(&mut self, kind: u32, name: &str) -> u32 {
        let known = self.metrics.iter().position(|metric| metric.name == name);
        let place = known.unwrap_or_else(|| {
            self.metrics.push(Metric { name: name.to_owned(), histogram: kind == 2, value: 0, samples: 0 });
            self.metrics.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    pub fn metric(&mut self, id: u32) -> Option<&mut Metric> {
        self.metrics.get_mut(usize::try_from(id).ok()?)
    }
}
