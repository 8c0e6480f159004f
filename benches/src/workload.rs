//! What is sent and answered: the calls that every filter gets, and the bytes that must come back.

use std::io::Read;
use std::time::Duration;

use flate2::Compression;
use flate2::bufread::GzEncoder;
use serde_json::{Value, json};

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
    vec![json_2k(), sse_burst(), sse_injected(), sse_paced(), request_100k(), sse_gzip(), embeddings()]
}

/// The first workload's name: JSON.
pub const JSON: &str = "json";
/// The stream that comes at once, with usage asked for by the client.
pub const SSE_BURST: &str = "sse-burst";
/// The response that is larger than any buffer.
pub const EMBEDDINGS: &str = "embeddings-10m";

fn json_2k() -> Workload {
    let body = completion();
    Workload {
        name: JSON,
        about: "small chat request, JSON response of 2.3 KB",
        calls: 200,
        request: request("/v1/chat/completions", JSON, &chat("Say hello.", &[]), &[]),
        body_length: body.len(),
        reply: Reply::once(sized("application/json", &[], body.as_bytes())),
    }
}

fn sse_burst() -> Workload {
    let stream = Stream::of(EVENTS);
    Workload {
        name: SSE_BURST,
        about: "stream of 400 events, 79 KB, in one burst; the client asks for usage",
        calls: 60,
        request: request("/v1/chat/completions", SSE_BURST, &asking_chat(), &[]),
        body_length: stream.length_with_usage(),
        reply: Reply::once(stream.at_once()),
    }
}

fn sse_injected() -> Workload {
    let stream = Stream::of(EVENTS);
    let name = "sse-injected";
    Workload {
        name,
        about: "the same, but the client does not ask for usage: Tollgate asks, and takes the usage event out again",
        calls: 60,
        request: request("/v1/chat/completions", name, &chat("Say hello.", &[("stream", json!(true))]), &[]),
        body_length: stream.length_without_usage(),
        reply: Reply {
            with_usage: vec![stream.at_once()],
            without_usage: vec![stream.without_usage().at_once()],
            pause: Duration::ZERO,
        },
    }
}

fn sse_paced() -> Workload {
    let stream = Stream::of(EVENTS);
    let name = "sse-paced";
    let mut writes = vec![chunked_head("text/event-stream", &[])];
    writes.extend(stream.events.iter().map(|event| chunk(event.as_bytes())));
    writes.push(LAST_CHUNK.to_vec());
    Workload {
        name,
        about: "the stream of 79 KB, one event per chunk, at least 200 us apart",
        calls: 2,
        request: request("/v1/chat/completions", name, &asking_chat(), &[]),
        body_length: stream.length_with_usage(),
        reply: Reply { without_usage: writes.clone(), with_usage: writes, pause: Duration::from_micros(200) },
    }
}

fn request_100k() -> Workload {
    let name = "request-100k";
    let prompt = "The quick brown fox jumps over the lazy dog, and \\\"quotes\\\" it. ".repeat(1600);
    let prompt = prompt.get(..100_000).unwrap_or(&prompt).trim_end_matches('\\');
    let body = completion();
    Workload {
        name,
        about: "chat request of 100 KB, JSON response of 2.3 KB",
        calls: 100,
        request: request("/v1/chat/completions", name, &chat(prompt, &[]), &[]),
        body_length: body.len(),
        reply: Reply::once(sized("application/json", &[], body.as_bytes())),
    }
}

fn sse_gzip() -> Workload {
    let name = "sse-gzip";
    let encoded = gzip(Stream::of(EVENTS).text().as_bytes());
    let head = chunked_head("text/event-stream", &[("content-encoding", "gzip")]);
    let chunks = encoded.chunks(4096).flat_map(chunk);
    Workload {
        name,
        about: "the stream of 79 KB in one burst, gzip",
        calls: 60,
        request: request("/v1/chat/completions", name, &asking_chat(), &[("accept-encoding", "gzip")]),
        body_length: encoded.len(),
        reply: Reply::once(head.into_iter().chain(chunks).chain(LAST_CHUNK.to_vec()).collect()),
    }
}

fn embeddings() -> Workload {
    let name = EMBEDDINGS;
    let body = embeddings_of(325);
    let asked = json!({"model": "text-embedding-3-large", "input": ["a", "b"]}).to_string();
    Workload {
        name,
        about: "embeddings response of 10 MB",
        calls: 2,
        request: request("/v1/embeddings", name, &asked, &[]),
        body_length: body.len(),
        reply: Reply::once(sized("application/json", &[], body.as_bytes())),
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

const EVENTS: usize = 400;
const ASKS: &[u8] = b"\"include_usage\":true";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A chat stream: its events with the white space after them, the usage event last but one.
struct Stream {
    events: Vec<String>,
}

impl Stream {
    /// A stream of that many events, among them the usage event; `[DONE]` comes on top.
    fn of(events: usize) -> Self {
        let deltas = (0..events.saturating_sub(1)).map(|n| event(&delta(n), &Value::Null));
        let usage = json!({
            "prompt_tokens": 19, "completion_tokens": 398, "total_tokens": 417,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
        });
        let last = event("[]", &usage);
        Self { events: deltas.chain([last, "data: [DONE]\n\n".to_owned()]).collect() }
    }

    fn without_usage(&self) -> Self {
        let at = self.events.len().saturating_sub(2);
        let kept = self.events.iter().enumerate().filter(|(index, _)| *index != at);
        Self { events: kept.map(|(_, event)| event.clone()).collect() }
    }

    fn text(&self) -> String {
        self.events.concat()
    }

    fn at_once(&self) -> Vec<u8> {
        let chunks = self.events.iter().flat_map(|event| chunk(event.as_bytes()));
        chunked_head("text/event-stream", &[]).into_iter().chain(chunks).chain(LAST_CHUNK.to_vec()).collect()
    }

    fn length_with_usage(&self) -> usize {
        self.text().len()
    }

    fn length_without_usage(&self) -> usize {
        self.without_usage().text().len()
    }
}

/// As OpenAI spells it where usage was asked for: `null` in every event but the usage event.
fn event(choices: &str, usage: &Value) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-017\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\
         \"model\":\"gpt-4o-2024-08-06\",\"choices\":{choices},\"usage\":{usage}}}\n\n"
    )
}

fn delta(n: usize) -> String {
    let finish = if n == EVENTS.saturating_sub(2) { "\"stop\"" } else { "null" };
    format!("[{{\"index\":0,\"delta\":{{\"content\":\" w{n}\"}},\"finish_reason\":{finish}}}]")
}

fn completion() -> String {
    let content = "Tokens flow like water, and somebody pays for every drop. ".repeat(30);
    json!({
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1_760_000_000,
        "model": "gpt-4o-2024-08-06", "service_tier": "default", "system_fingerprint": "fp_bench",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": content, "refusal": null, "annotations": []}}],
        "usage": {"prompt_tokens": 19, "completion_tokens": 398, "total_tokens": 417,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}}
    })
    .to_string()
}

/// Vectors of 3072 numbers, 32 KB each.
fn embeddings_of(vectors: usize) -> String {
    let vector = vec!["-0.012345"; 3072].join(",");
    let one = |n: usize| format!("{{\"object\":\"embedding\",\"index\":{n},\"embedding\":[{vector}]}}");
    let data: Vec<String> = (0..vectors).map(one).collect();
    format!(
        "{{\"object\":\"list\",\"data\":[{}],\"model\":\"text-embedding-3-large\",\
         \"usage\":{{\"prompt_tokens\":2,\"total_tokens\":2}}}}",
        data.join(",")
    )
}

fn asking_chat() -> String {
    chat("Say hello.", &[("stream", json!(true)), ("stream_options", json!({"include_usage": true}))])
}

fn chat(prompt: &str, more: &[(&str, Value)]) -> String {
    let mut body = json!({"model": "gpt-4o", "temperature": 0.2, "messages": [
        {"role": "system", "content": "You are brief."}, {"role": "user", "content": prompt}]});
    if let Some(fields) = body.as_object_mut() {
        fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    body.to_string()
}

/// The header that tells the upstream which workload a request is of.
pub const WORKLOAD_HEADER: &str = "x-workload";

fn request(path: &str, workload: &str, body: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let length = body.len().to_string();
    let headers = [
        ("host", "api.openai.com"),
        ("user-agent", "OpenAI/Python 2.0.0"),
        ("authorization", "Bearer bench"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("x-stainless-lang", "python"),
        ("x-team", "search"),
        ("x-feature", "answers"),
        ("x-customer-id", "acme"),
        ("x-workflow-id", "wf-17"),
        ("x-app", "portal"),
        ("x-user", "u-4711"),
        (WORKLOAD_HEADER, workload),
        ("content-length", &length),
    ];
    message(&format!("POST {path} HTTP/1.1"), headers.iter().chain(more), body.as_bytes())
}

fn sized(content_type: &str, more: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let headers = [("content-type", content_type), ("content-length", &length)];
    message("HTTP/1.1 200 OK", headers.iter().chain(RESPONSE_HEADERS).chain(more), body)
}

fn chunked_head(content_type: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let headers = [("content-type", content_type), ("transfer-encoding", "chunked")];
    message("HTTP/1.1 200 OK", headers.iter().chain(RESPONSE_HEADERS).chain(more), b"")
}

const RESPONSE_HEADERS: &[(&str, &str)] = &[
    ("x-request-id", "req_bench"),
    ("openai-processing-ms", "321"),
    ("openai-version", "2020-10-01"),
    ("x-ratelimit-remaining-requests", "9999"),
];

fn message<'a>(
    first_line: &str,
    headers: impl Iterator<Item = &'a (&'a str, &'a str)>,
    body: &[u8],
) -> Vec<u8> {
    let lines: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    [format!("{first_line}\r\n{lines}\r\n").as_bytes(), body].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    // Memory can be read and written; a body that came out empty would show as a wrong length.
    let _ = GzEncoder::new(bytes, Compression::default()).read_to_end(&mut encoded);
    encoded
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, lengths: std::ops::Range<usize>) {
        let all = all();
        let workload = all.iter().find(|workload| workload.name == name).expect("a workload of that name");
        assert!(lengths.contains(&workload.body_length), "{name}: {}", workload.body_length);
    }

    #[test]
    fn bodies_are_as_long_as_their_descriptions_say() {
        check(JSON, 2_250..2_350);
        check(SSE_BURST, 78_500..79_500);
        check("sse-paced", 78_500..79_500);
        check(EMBEDDINGS, 9_950_000..10_050_000);
    }

    #[test]
    fn a_stream_has_400_events_and_one_of_usage_that_can_be_left_out() {
        let stream = Stream::of(EVENTS);
        assert_eq!(stream.events.len(), EVENTS + 1);
        assert_eq!(stream.text().matches("prompt_tokens\"").count(), 1);
        assert_eq!(stream.without_usage().text().matches("prompt_tokens\"").count(), 0);
    }

    #[test]
    fn the_upstream_reports_usage_where_it_was_asked_to() {
        let workload = sse_injected();
        assert_eq!(workload.reply.writes_for(b"{}"), workload.reply.without_usage);
        assert_eq!(workload.reply.writes_for(b"{\"include_usage\":true}"), workload.reply.with_usage);
    }
}
