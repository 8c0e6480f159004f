//! What streams that are open at the same time hold of a worker's VM, whose memory never shrinks.
//!
//! `TOLLGATE_WASM` is the path of the plugin; `cargo xtask test` sets it.
#![cfg(feature = "host")]

mod support;

use serde_json::json;
use support::given;
use tollgate_test_harness::chunking::Chunking;
use tollgate_test_harness::encoding::Encoding;
use tollgate_test_harness::envoy::Reload;
use tollgate_test_harness::envoy::config::Plugin;
use tollgate_test_harness::host::{Compiled, Host, Open, Route};
use tollgate_test_harness::http::{Framing, Reply, Request};
use tollgate_test_harness::scenario::Engine;

const MIB: usize = 1 << 20;
const KIB: u64 = 1 << 10;

fn host(compiled: &Compiled) -> Host {
    let route = Route {
        prefix: "/v1/".to_owned(),
        cluster: Some("openai".to_owned()),
        name: "openai".to_owned(),
        filtered: true,
        ..Route::default()
    };
    Host::start(compiled, &Plugin::Text("{}".to_owned()), vec![route]).unwrap()
}

fn ask() -> Request {
    let body =
        json!({"model": "gpt-4o", "stream": true, "stream_options": {"include_usage": true}, "messages": []});
    Request {
        path: "/v1/chat/completions".to_owned(),
        headers: [("host", "api.openai.com"), ("content-type", "application/json")].into_iter().collect(),
        body: body.to_string().into_bytes(),
        ..Request::default()
    }
}

/// A stream of 1 MiB in one chunk, of which no event has a report.
fn stream(encoding: Option<Encoding>) -> Reply {
    let event = "data: {\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}],\"usage\":null}\n\n";
    Reply {
        headers: [("content-type", "text/event-stream")].into_iter().collect(),
        body: event.repeat(MIB / event.len()).into_bytes(),
        framing: Framing::Chunked,
        encoding,
        chunks: Chunking::Whole,
        ..Reply::default()
    }
}

fn open(host: &mut Host, streams: usize, reply: &Reply) -> Vec<Open> {
    (0..streams).map(|_| host.leave_open(&ask(), reply).unwrap()).collect()
}

/// How many calls were counted as unread because of a limit.
fn given_up(host: &mut Host) -> usize {
    let series = host.series().unwrap();
    let overlong = series.iter().filter(|series| {
        series.name == "tollgate_unmetered_requests"
            && series.labels.get("reason").is_some_and(|reason| reason == "overlong")
    });
    overlong.map(|series| series.value as usize).sum()
}

#[test]
fn a_stream_that_is_open_holds_little_after_a_chunk_of_a_mebibyte() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    for (name, encoding, most) in [("plain", None, 8 * KIB), ("gzip", Some(Encoding::Gzip), 64 * KIB)] {
        let (mut host, reply) = (host(&compiled), stream(encoding));
        // What the first ones take is there once: room for a chunk, tables that grow.
        open(&mut host, 20, &reply);
        let before = host.memory_bytes();
        let streams = open(&mut host, 300, &reply);
        let each = (host.memory_bytes() - before) / 300;
        println!("{name}: {each} bytes for each open stream, at most {most} may be");
        assert!(each <= most, "{name}: {each} bytes for each open stream, at most {most} may be");
        let record = host.end(streams[0]).unwrap();
        assert_eq!(record["gen_ai.response.model"], "gpt-4o", "{name}: the stream was read: {record}");
        assert_eq!(given_up(&mut host), 0, "{name}");
    }
}

/// `wire/src/inflate/memory.rs`: what the decoders of a VM may hold together.
const DECODERS: u64 = 128 << 20;

#[test]
fn decoders_share_one_memory_in_a_vm_over_all_its_configurations() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    let mut host = host(&compiled);
    let reply = stream(Some(Encoding::Br));
    // A window of 4 MiB and its tables: 31 fit.
    let mut streams = open(&mut host, 20, &reply);
    let configuration = Plugin::Text(json!({"namespace": "other"}).to_string());
    assert_eq!(host.reconfigure(configuration).unwrap(), Reload::Accepted);
    streams.extend(open(&mut host, 20, &reply));
    let grown = host.memory_bytes();
    assert!(grown < DECODERS + (8 << 20), "{grown} bytes");
    // Those that are given up keep nothing: without that, a thousand of them were the end of the VM.
    let more = open(&mut host, 200, &reply);
    let each = (host.memory_bytes() - grown) / 200;
    assert!(each <= 8 * KIB, "{each} bytes for each stream that was given up");
    streams.extend(more);
    for stream in streams.drain(..) {
        host.end(stream).unwrap();
    }
    assert_eq!(given_up(&mut host), 209, "of 240, 31 fit into {DECODERS} bytes");
    // What was given back is there for others.
    open(&mut host, 31, &reply).into_iter().for_each(|stream| drop(host.end(stream).unwrap()));
    assert_eq!(given_up(&mut host), 209);
    println!("240 streams with windows of 4 MiB: {grown} bytes of memory, 209 of them not read");
}

#[test]
fn an_answer_of_100_mb_takes_no_more_memory_than_one_of_1_mb() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    let ask = Request {
        path: "/v1/embeddings".to_owned(),
        body: json!({"model": "text-embedding-3-large", "input": ["a"]}).to_string().into_bytes(),
        ..ask()
    };
    let memory = |numbers: usize| {
        let mut host = host(&compiled);
        let reply = Reply::json(format!(
            r#"{{"data":[{{"embedding":[{}0]}}],"model":"text-embedding-3-large","usage":{{"prompt_tokens":2,"total_tokens":2}}}}"#,
            "-0.012345,".repeat(numbers)
        ));
        let outcome = host.call(&ask, &Reply { chunks: Chunking::Size(MIB), ..reply }).unwrap();
        assert_eq!(outcome.log["tollgate"]["value"]["gen_ai.usage.input_tokens"], 2);
        host.memory_bytes()
    };
    let (short, long) = (memory(100_000), memory(10_000_000));
    println!("1 MB: {short} bytes of memory, 100 MB: {long}");
    assert_eq!(short, long);
}
