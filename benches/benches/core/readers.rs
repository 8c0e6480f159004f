//! Bytes -> usage: JSON fields, events, each dialect, codings, requests.

use std::hint::black_box;
use std::io::Read;

use criterion::{BenchmarkId, Criterion, Throughput};
use tollgate_wire::{
    Call, End, Ended, Injection, Reported, RequestFacts, RequestHead, RequestReader, ResponseHead,
    ResponseReader, Traffic, classify,
};

use crate::bodies::{self, Answer};

pub fn bench(criterion: &mut Criterion) {
    json_fields(criterion);
    sse(criterion);
    dialects(criterion);
    codings(criterion);
    requests(criterion);
}

fn call(host: &str, path: &str) -> Call {
    let head = RequestHead {
        method: "POST",
        host,
        path,
        content_type: Some("application/json"),
        content_encoding: None,
        upgrade: None,
    };
    match classify(&head, None) {
        Traffic::Llm(call) => call,
        other => panic!("{host}{path} is no LLM call: {other:?}"),
    }
}

fn read<'a>(
    call: &Call,
    streams: bool,
    coding: Option<&str>,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Reported {
    let facts = RequestFacts { stream: Some(streams), ..RequestFacts::default() };
    let head = ResponseHead { status: 200, content_type: None, content_encoding: coding, headers: &[] };
    let mut reader = ResponseReader::new(call, &facts, &head);
    for chunk in chunks {
        reader.feed(black_box(chunk), End::Open);
    }
    reader.feed(b"", End::Last);
    reader.finish(Ended::Complete)
}

/// What is not read would be fast.
fn check(name: &str, reported: &Reported) {
    assert!(reported.usage.is_some(), "{name} reports nothing: {reported:?}");
}

fn bytes(body: &[u8]) -> Throughput {
    Throughput::Bytes(body.len() as u64)
}

fn json_fields(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("json_fields");
    let chat = (call("api.openai.com", "/v1/chat/completions"), bodies::chat(30).to_string().into_bytes());
    let embeddings = (call("api.openai.com", "/v1/embeddings"), bodies::embeddings());
    for (name, (call, body)) in [("chat of 2 KB", chat), ("embeddings of 10 MB", embeddings)] {
        check(name, &read(&call, false, None, [body.as_slice()]));
        group.throughput(bytes(&body));
        group.bench_function(name, |bencher| {
            bencher.iter(|| read(&call, false, None, body.chunks(64 * 1024)));
        });
    }
    group.finish();
}

fn sse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sse");
    let call = call("api.openai.com", "/v1/chat/completions");
    let events = bodies::chat_events();
    let whole = events.concat().into_bytes();
    check("sse", &read(&call, true, None, [whole.as_slice()]));
    group.throughput(bytes(&whole));
    group.bench_function("400 events at once", |bencher| {
        bencher.iter(|| read(&call, true, None, [whole.as_slice()]));
    });
    group.bench_function("400 events, one a chunk", |bencher| {
        bencher.iter(|| read(&call, true, None, events.iter().map(String::as_bytes)));
    });
    group.finish();
}

fn dialects(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dialect");
    for Answer { name, host, path, streams, body } in bodies::all() {
        let call = call(host, path);
        check(name, &read(&call, streams, None, [body.as_slice()]));
        group.throughput(bytes(&body));
        group.bench_with_input(BenchmarkId::from_parameter(name), &body, |bencher, body| {
            bencher.iter(|| read(&call, streams, None, [body.as_slice()]));
        });
    }
    group.finish();
}

fn codings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("coding");
    let call = call("api.openai.com", "/v1/chat/completions");
    let whole = bodies::chat_events().concat().into_bytes();
    for (name, body) in [("gzip", gzip(&whole)), ("br", br(&whole)), ("zstd", zstd(&whole))] {
        check(name, &read(&call, true, Some(name), [body.as_slice()]));
        group.throughput(bytes(&whole));
        group.bench_function(format!("400 events, {name}"), |bencher| {
            bencher.iter(|| read(&call, true, Some(name), [body.as_slice()]));
        });
    }
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    let call = call("api.openai.com", "/v1/chat/completions");
    let prompt = "The quick brown fox. ".repeat(4762);
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{prompt}"}}],"model":"gpt-4o"}}"#);
    group.throughput(bytes(body.as_bytes()));
    group.bench_function("the model of 100 KB", |bencher| {
        bencher.iter(|| {
            let mut reader = RequestReader::new(&call, Injection::Off);
            reader.feed(black_box(body.as_bytes()), End::Last);
            assert_eq!(reader.facts().model.as_deref(), Some("gpt-4o"));
        });
    });
    group.finish();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let read =
        flate2::bufread::GzEncoder::new(bytes, flate2::Compression::default()).read_to_end(&mut encoded);
    assert!(read.is_ok());
    encoded
}

fn br(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let written =
        std::io::Write::write_all(&mut brotli::CompressorWriter::new(&mut encoded, 4096, 5, 22), bytes);
    assert!(written.is_ok());
    encoded
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}
