//! Fuzzes every decoder from the project's own exchanges: bodies are damaged, cut and stacked with codings at random. Nothing
//! panics, and any cut gives the same report.
//!
//! Seeded, so that what fails once fails again; `TOLLGATE_FUZZ_SECONDS` is for how long (2), `TOLLGATE_FUZZ_SEED` where it
//! begins. `cargo xtask soak` runs it for longer.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may panic"
)]

#[path = "support/encodings.rs"]
mod encodings;
#[path = "support/frames.rs"]
mod frames;

use std::path::Path;
use std::time::{Duration, Instant};

use encodings::{CODINGS, encode};
use serde_json::{Value, json};
use tollgate_wire::{
    Call, DecoderMemory, End, Ended, Injection, NoVocabulary, Pointers, Reported, RequestHead, RequestReader,
    ResponseHead, ResponseReader, Traffic, classify,
};

/// Where a body goes.
const TARGETS: [(&str, &str, &str); 14] = [
    ("POST", "api.openai.com", "/v1/chat/completions"),
    ("POST", "api.openai.com", "/v1/responses"),
    ("POST", "api.openai.com", "/v1/embeddings"),
    ("POST", "api.openai.com", "/v1/images/generations"),
    ("POST", "api.openai.com", "/v1/audio/transcriptions"),
    ("GET", "api.openai.com", "/v1/files/file-1/content"),
    ("POST", "api.anthropic.com", "/v1/messages"),
    ("GET", "api.anthropic.com", "/v1/messages/batches/msgbatch_1/results"),
    ("POST", "generativelanguage.googleapis.com", "/v1beta/models/m:streamGenerateContent"),
    ("POST", "bedrock-runtime.us-east-1.amazonaws.com", "/model/m/converse-stream"),
    ("POST", "bedrock-runtime.us-east-1.amazonaws.com", "/model/m/invoke-with-response-stream"),
    ("POST", "api.cohere.com", "/v1/chat"),
    ("POST", "api.cohere.com", "/v2/chat"),
    ("POST", "localhost:11434", "/api/chat"),
];

/// A xorshift generator: the same numbers for the same seed, everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

#[test]
fn no_damage_breaks_a_decoder() {
    let seed = number("TOLLGATE_FUZZ_SEED").unwrap_or(0x7011_6a7e);
    let time = Duration::from_secs(number("TOLLGATE_FUZZ_SECONDS").unwrap_or(2));
    let (seeds, started, mut ran) = (seeds(), Instant::now(), 0_u64);
    while started.elapsed() < time {
        // Each round has a seed of its own, so that a failing one can be run alone.
        let round = seed.wrapping_add(ran).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut dice = Dice(round);
        let body = damaged(&seeds[dice.below(seeds.len())], &seeds, &mut dice);
        let target = TARGETS[dice.below(TARGETS.len())];
        respond(target, &body, &mut dice, round);
        request(target, &body, &mut dice, round);
        ran += 1;
    }
    println!("{ran} damaged bodies over {} targets from {} seeds", TARGETS.len(), seeds.len());
    assert!(ran > 100, "only {ran} rounds");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The bodies of the project's own exchanges, streams and frames among them.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut seeds = Vec::new();
    for file in ["openai", "relatives", "anthropic", "gemini", "others"] {
        let text = std::fs::read(folder.join(format!("{file}.json"))).unwrap();
        let cases: Vec<Value> = serde_json::from_slice(&text).unwrap();
        for case in &cases {
            seeds.push(case["json"].to_string().into_bytes());
            seeds.push(case["request"].to_string().into_bytes());
            let list = |key: &str| case[key].as_array().cloned().unwrap_or_default();
            seeds.push(list("sse").iter().flat_map(|e| format!("data: {e}\n\n").into_bytes()).collect());
            seeds.push(list("lines").iter().flat_map(|line| format!("{line}\n").into_bytes()).collect());
            seeds.push(list("frames").iter().flat_map(|e| frames::frame(e.to_string().as_bytes())).collect());
            let packed = |e: &Value| json!({"bytes": frames::base64(e.to_string().as_bytes())}).to_string();
            seeds.push(list("frames").iter().flat_map(|e| frames::frame(packed(e).as_bytes())).collect());
        }
    }
    let form = "--x\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x--\r\n";
    seeds.push(form.as_bytes().to_vec());
    seeds.retain(|seed| seed.len() > 4);
    seeds
}

/// A body that was whole once.
fn damaged(seed: &[u8], seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut body = seed.to_vec();
    for _ in 0..dice.below(5) {
        let at = dice.below(body.len());
        let length = dice.below(20).min(body.len() - at);
        match dice.below(6) {
            0 => body[at] = dice.below(256) as u8,
            1 => drop(body.drain(at..at + length)),
            2 => {
                let again = body[at..at + length].to_vec();
                body.splice(at..at, again);
            }
            3 => body.truncate(at),
            4 => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len());
                body.splice(at..at, other[from..].iter().take(200).copied());
            }
            _ => body[at] ^= 1 << dice.below(8),
        }
        if body.is_empty() {
            body.push(b'{');
        }
    }
    body
}

fn call((method, host, path): (&str, &str, &str), content_type: &str) -> Call {
    let head = RequestHead {
        method,
        host,
        path,
        content_type: Some(content_type),
        content_encoding: None,
        upgrade: None,
    };
    match classify(&head, None) {
        Traffic::Llm(call) => call,
        other => panic!("{path} is {other:?}"),
    }
}

fn respond(target: (&str, &str, &str), body: &[u8], dice: &mut Dice, round: u64) {
    let call = call(target, "application/json");
    let coding = (dice.below(2) == 0).then(|| CODINGS[dice.below(CODINGS.len())]);
    let mut sent = coding.map_or_else(|| body.to_vec(), |coding| encode(coding, body));
    let broken = coding.is_some() && dice.below(3) == 0;
    if broken {
        // The compressed bytes are damaged too: how much comes out before that shows depends on the chunks.
        let at = dice.below(sent.len());
        sent[at] ^= 1 << dice.below(8);
    }
    let injected = dice.below(2) == 0;
    let ended = if dice.below(4) == 0 { Ended::Cut } else { Ended::Complete };
    let whole = report(&call, coding, &[&sent], injected, ended);
    let place = dice.below(sent.len());
    let (left, right) = sent.split_at(place);
    let halves = report(&call, coding, &[left, right], injected, ended);
    let small: Vec<&[u8]> = sent.chunks(1 + dice.below(40)).collect();
    let small = report(&call, coding, &small, injected, ended);
    if !broken {
        assert_eq!(halves, whole, "round {round}, cut at {place}");
        assert_eq!(small, whole, "round {round}, in small pieces");
    }
}

fn report(call: &Call, coding: Option<&str>, parts: &[&[u8]], injected: bool, ended: Ended) -> Reported {
    let mut asked = RequestReader::new(call, Injection::Off).estimating(call);
    asked.feed(br#"{"stream":true,"messages":[{"content":"Why?"}]}"#, End::Last);
    let mut facts = asked.facts().clone();
    facts.injected = injected;
    let head = ResponseHead { status: 200, content_type: None, content_encoding: coding, headers: &[] };
    let memory = DecoderMemory::default();
    let mut reader = ResponseReader::new(call, &facts, &head).within(&memory).estimating();
    for part in parts {
        reader.feed(part, End::Open);
    }
    if ended == Ended::Complete {
        reader.feed(b"", End::Last);
    }
    reader.finish_counting(ended, &asked, &NoVocabulary)
}

fn request(target: (&str, &str, &str), body: &[u8], dice: &mut Dice, round: u64) {
    let kind = if dice.below(4) == 0 { "multipart/form-data; boundary=x" } else { "application/json" };
    let call = call(target, kind);
    let pointers = Pointers::new(["/metadata/feature", "/messages/*/content"]).unwrap();
    let injection =
        if dice.below(2) == 0 { Injection::Chunked } else { Injection::Length(body.len() as u64) };
    let read = |size: usize| {
        let mut reader = RequestReader::with_pointers(&call, injection, &pointers);
        let mut out = Vec::new();
        for chunk in body.chunks(size) {
            out.extend(reader.feed(chunk, End::Open).unwrap_or_else(|| chunk.to_vec()));
        }
        out.extend(reader.feed(b"", End::Last).unwrap_or_default());
        (out, reader.facts().clone())
    };
    let whole = read(body.len());
    assert_eq!(read(1 + dice.below(40)), whole, "round {round}, a request in small pieces");
}
