//! What is sent and answered: the calls that every filter gets, and the bytes that must come back.

mod bodies;
mod coding;
mod wire;

use std::time::Duration;

use serde_json::json;

use bodies::{EVENTS, Stream, asking_chat, chat, completion, embeddings_of, words};
pub use coding::Coding;
use wire::{LAST_CHUNK, USER, chunk, chunked_head, request, sized};
pub use wire::{USERS, WORKLOAD_HEADER};

/// One kind of call.
pub struct Workload {
    /// Names it in the tables and, as a header, to the upstream.
    pub name: &'static str,
    /// What the call consists of.
    pub about: &'static str,
    /// How many calls one sample consists of. Samples are short and rounds many, so that filters are measured side by side.
    pub calls: u32,
    /// The whole request, as it goes over the wire.
    pub request: Vec<u8>,
    /// What the upstream answers.
    pub reply: Reply,
    /// Length of the body that must reach the client, chunk framing apart.
    pub body_length: usize,
}

/// An answer, as it goes over the wire.
pub struct Reply {
    /// To a request that asks for usage: one element is one write.
    pub with_usage: Vec<Vec<u8>>,
    /// To a request that does not.
    pub without_usage: Vec<Vec<u8>>,
    /// Between two writes.
    pub pause: Duration,
}

/// All workloads.
pub fn all() -> Vec<Workload> {
    let encoded = [
        sse_encoded(SSE_GZIP, "the stream of 79 KB in one burst, gzip", Coding::Gzip),
        sse_encoded(SSE_BR, "the stream of 79 KB in one burst, br", Coding::Br),
        sse_encoded(SSE_ZSTD, "the stream of 79 KB in one burst, zstd", Coding::Zstd),
    ];
    let plain = [json_2k(), json_100k(), embeddings(), sse_burst(), sse_injected(), sse_paced()];
    plain.into_iter().chain(encoded).chain([request_100k(), unreported()]).collect()
}

/// Streams that the upstream leaves open after a chunk of 1 MiB, unfolded, by their coding.
pub fn left_open() -> Vec<Workload> {
    Coding::ALL.iter().map(|coding| open(*coding)).collect()
}

/// All their names.
pub const NAMES: [&str; 11] = [
    JSON,
    JSON_100K,
    EMBEDDINGS,
    SSE_BURST,
    SSE_INJECTED,
    SSE_PACED,
    SSE_GZIP,
    SSE_BR,
    SSE_ZSTD,
    REQUEST_100K,
    UNREPORTED,
];

/// JSON.
pub const JSON: &str = "json";
/// Longer JSON.
pub const JSON_100K: &str = "json-100k";
/// The stream that comes at once, with usage asked for by the client.
pub const SSE_BURST: &str = "sse-burst";
/// The stream whose usage Tollgate asks for.
pub const SSE_INJECTED: &str = "sse-injected";
/// The stream that comes event by event.
pub const SSE_PACED: &str = "sse-paced";
/// The stream, gzip.
pub const SSE_GZIP: &str = "sse-gzip";
/// The stream, br.
pub const SSE_BR: &str = "sse-br";
/// The stream, zstd.
pub const SSE_ZSTD: &str = "sse-zstd";
/// The long request.
pub const REQUEST_100K: &str = "request-100k";
/// The response that is larger than any buffer.
pub const EMBEDDINGS: &str = "embeddings-10m";
/// The answer that does not report its usage.
pub const UNREPORTED: &str = "unreported";

/// Texts of request and answer in [`UNREPORTED`]: each longer than what is kept of it.
pub const UNREPORTED_TEXT: usize = 9_000;

fn json_2k() -> Workload {
    let body = completion(30);
    Workload {
        name: JSON,
        about: "small chat request, JSON response of 2.3 KB",
        calls: 300,
        request: request("/v1/chat/completions", JSON, &chat("Say hello.", &[]), &[]),
        body_length: body.len(),
        reply: Reply::once(sized("application/json", &[], body.as_bytes())),
    }
}

fn json_100k() -> Workload {
    let body = completion(1715);
    Workload {
        name: JSON_100K,
        about: "small chat request, JSON response of 100 KB",
        calls: 40,
        request: request("/v1/chat/completions", JSON_100K, &chat("Say hello.", &[]), &[]),
        body_length: body.len(),
        reply: Reply::once(sized("application/json", &[], body.as_bytes())),
    }
}

fn sse_burst() -> Workload {
    let stream = Stream::of(EVENTS);
    Workload {
        name: SSE_BURST,
        about: "stream of 400 events, 79 KB, in one burst; the client asks for usage",
        calls: 30,
        request: request("/v1/chat/completions", SSE_BURST, &asking_chat(), &[]),
        body_length: stream.length_with_usage(),
        reply: Reply::once(at_once(&stream)),
    }
}

fn sse_injected() -> Workload {
    let stream = Stream::of(EVENTS);
    let name = SSE_INJECTED;
    Workload {
        name,
        about: "the same, but the client does not ask for usage: Tollgate asks, and takes the usage event out again",
        calls: 30,
        request: request("/v1/chat/completions", name, &chat("Say hello.", &[("stream", json!(true))]), &[]),
        body_length: stream.length_without_usage(),
        reply: Reply {
            with_usage: vec![at_once(&stream)],
            without_usage: vec![at_once(&stream.without_usage())],
            pause: Duration::ZERO,
        },
    }
}

fn sse_paced() -> Workload {
    let stream = Stream::of(EVENTS);
    let mut writes = vec![chunked_head("text/event-stream", &[])];
    writes.extend(stream.events.iter().map(|event| chunk(event.as_bytes())));
    writes.push(LAST_CHUNK.to_vec());
    Workload {
        name: SSE_PACED,
        about: "the stream of 79 KB, one event per chunk, at least 200 us apart",
        calls: 2,
        request: request("/v1/chat/completions", SSE_PACED, &asking_chat(), &[]),
        body_length: stream.length_with_usage(),
        reply: Reply { without_usage: writes.clone(), with_usage: writes, pause: Duration::from_micros(200) },
    }
}

fn sse_encoded(name: &'static str, about: &'static str, coding: Coding) -> Workload {
    let encoded = coding.encode(Stream::of(EVENTS).text().as_bytes());
    let head = chunked_head("text/event-stream", &coding.header());
    let chunks = encoded.chunks(4096).flat_map(chunk);
    Workload {
        name,
        about,
        calls: 30,
        request: request("/v1/chat/completions", name, &asking_chat(), &[("accept-encoding", coding.name())]),
        body_length: encoded.len(),
        reply: Reply::once(head.into_iter().chain(chunks).chain(LAST_CHUNK.to_vec()).collect()),
    }
}

fn request_100k() -> Workload {
    let prompt = "The quick brown fox jumps over the lazy dog, and \\\"quotes\\\" it. ".repeat(1600);
    let prompt = prompt.get(..100_000).unwrap_or(&prompt).trim_end_matches('\\');
    let body = completion(30);
    Workload {
        name: REQUEST_100K,
        about: "chat request of 100 KB, JSON response of 2.3 KB",
        calls: 50,
        request: request("/v1/chat/completions", REQUEST_100K, &chat(prompt, &[]), &[]),
        body_length: body.len(),
        reply: Reply::once(sized("application/json", &[], body.as_bytes())),
    }
}

fn embeddings() -> Workload {
    let body = embeddings_of(325);
    let asked = json!({"model": "text-embedding-3-large", "input": ["a", "b"]}).to_string();
    Workload {
        name: EMBEDDINGS,
        about: "embeddings response of 10 MB",
        calls: 2,
        request: request("/v1/embeddings", EMBEDDINGS, &asked, &[]),
        body_length: body.len(),
        reply: Reply::once(sized("application/json", &[], body.as_bytes())),
    }
}

fn unreported() -> Workload {
    let (asked, said) = (words(UNREPORTED_TEXT, 1), words(UNREPORTED_TEXT, 2));
    let body = json!({"id": "chatcmpl-bench", "object": "chat.completion", "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": said}}]});
    let body = body.to_string();
    Workload {
        name: UNREPORTED,
        about: "chat request and answer of 9 KB of text each; the answer reports no usage",
        calls: 30,
        request: request("/v1/chat/completions", UNREPORTED, &chat(&asked, &[]), &[]),
        body_length: body.len(),
        reply: Reply::once(sized("application/json", &[], body.as_bytes())),
    }
}

/// A stream that does not end. The length is that of what has come by then.
fn open(coding: Coding) -> Workload {
    let name = match coding {
        Coding::Plain => "open-plain",
        Coding::Gzip => "open-gzip",
        Coding::Br => "open-br",
        Coding::Zstd => "open-zstd",
    };
    // Each event is some 200 bytes.
    let stream = Stream::of((1 << 20) / 200).without_usage();
    let body = coding.encode(stream.text().as_bytes());
    let bytes: Vec<u8> =
        chunked_head("text/event-stream", &coding.header()).into_iter().chain(chunk(&body)).collect();
    Workload {
        name,
        about: "a stream that is left open after 1 MiB",
        calls: 1,
        request: request("/v1/chat/completions", name, &asking_chat(), &[("accept-encoding", coding.name())]),
        body_length: body.len(),
        reply: Reply::once(bytes),
    }
}

fn at_once(stream: &Stream) -> Vec<u8> {
    let chunks = stream.events.iter().flat_map(|event| chunk(event.as_bytes()));
    chunked_head("text/event-stream", &[]).into_iter().chain(chunks).chain(LAST_CHUNK.to_vec()).collect()
}

impl Workload {
    /// The request as one of [`USERS`] users sends it.
    pub fn request_of(&self, user: u32) -> Vec<u8> {
        let mut request = self.request.clone();
        let own = format!("u-{:04}", user % USERS);
        let place = request.windows(USER.len()).position(|bytes| bytes == USER.as_bytes());
        if let Some(named) = place.and_then(|place| request.get_mut(place..place + USER.len())) {
            named.copy_from_slice(own.as_bytes());
        }
        request
    }
}

impl Reply {
    fn once(bytes: Vec<u8>) -> Self {
        Self { with_usage: vec![bytes.clone()], without_usage: vec![bytes], pause: Duration::ZERO }
    }

    /// What answers a request with that body.
    pub fn writes_for(&self, request_body: &[u8]) -> &[Vec<u8>] {
        let asks = request_body.windows(ASKS.len()).any(|window| window == ASKS);
        if asks { &self.with_usage } else { &self.without_usage }
    }
}

const ASKS: &[u8] = b"\"include_usage\":true";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, lengths: std::ops::Range<usize>) {
        let all: Vec<Workload> = all().into_iter().chain(left_open()).collect();
        let workload = all.iter().find(|workload| workload.name == name).expect("a workload of that name");
        assert!(lengths.contains(&workload.body_length), "{name}: {}", workload.body_length);
    }

    #[test]
    fn bodies_are_as_long_as_their_descriptions_say() {
        check(JSON, 2_250..2_350);
        check(JSON_100K, 99_000..101_000);
        check(SSE_BURST, 78_500..79_500);
        check(SSE_PACED, 78_500..79_500);
        check(EMBEDDINGS, 9_950_000..10_050_000);
        check("open-plain", 1_000_000..1_100_000);
        check(UNREPORTED, 9_000..10_000);
    }

    #[test]
    fn each_user_sends_a_request_of_its_own_of_the_same_length() {
        let workload = json_2k();
        let requests: std::collections::HashSet<_> =
            (0..USERS).map(|user| workload.request_of(user)).collect();
        assert_eq!(requests.len() as u32, USERS);
        assert!(requests.iter().all(|request| request.len() == workload.request.len()));
    }

    #[test]
    fn each_workload_has_a_name_of_its_own() {
        let names: Vec<&str> = all().iter().map(|workload| workload.name).collect();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn the_upstream_reports_usage_where_it_was_asked_to() {
        let workload = sse_injected();
        assert_eq!(workload.reply.writes_for(b"{}"), workload.reply.without_usage);
        assert_eq!(workload.reply.writes_for(b"{\"include_usage\":true}"), workload.reply.with_usage);
    }
}
