//! Bodies of 100 MB cost no more memory than short ones, and are read to their end.

#![expect(clippy::arithmetic_side_effects, clippy::panic, reason = "a test may panic")]

use tollgate_wire::{
    Call, End, Ended, INJECTION_ROOM, Injection, Reported, RequestFacts, RequestHead, RequestReader,
    ResponseHead, ResponseReader, Traffic, classify,
};

const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 100 * 1024 * 1024 / CHUNK;

fn chat() -> Call {
    let path = "/v1/chat/completions";
    let (host, content_type) = ("api.openai.com", Some("application/json"));
    let head =
        RequestHead { method: "POST", host, path, content_type, content_encoding: None, upgrade: None };
    match classify(&head, None) {
        Traffic::Llm(call) => call,
        other => panic!("{other:?}"),
    }
}

/// Reads `begin`, 100 MB of `filler`, and `end`; whatever goes on in place of a chunk must not pile up.
fn read(begin: &str, filler: u8, end: &str, injected: bool) -> Reported {
    let facts = RequestFacts { stream: Some(true), injected, ..RequestFacts::default() };
    let head = ResponseHead { status: 200, content_type: None, content_encoding: None, headers: &[] };
    let mut reader = ResponseReader::new(&chat(), &facts, &head);
    let filler = vec![filler; CHUNK];
    let (mut came, mut went) = (0_usize, 0_usize);
    let mut feed = |chunk: &[u8], end| {
        came += chunk.len();
        went += reader.feed(chunk, end).map_or(chunk.len(), |changed| changed.len());
        assert!(came - went <= 2 * CHUNK, "{came} bytes came, {went} went on");
    };
    feed(begin.as_bytes(), End::Open);
    (0..CHUNKS).for_each(|_| feed(&filler, End::Open));
    feed(end.as_bytes(), End::Last);
    reader.finish(Ended::Complete)
}

#[test]
fn long_responses_are_read_to_their_end() {
    let usage = r#""usage":{"prompt_tokens":3,"completion_tokens":4}"#;
    let event = format!("\"}}}}],{usage}}}\n\n");
    let cases = [
        (
            "a long string",
            r#"{"choices":[{"message":{"content":""#,
            b'x',
            format!("\"}}}}],{usage}}}"),
            false,
        ),
        ("deep nesting", r#"{"data":["#, b'[', format!("]}}{{{usage}}}"), false),
        ("blanks", " ", b' ', format!("{{{usage}}}"), false),
        ("a long event", r#"data: {"choices":[{"delta":{"content":""#, b'x', event.clone(), false),
        ("a long event that may not pass", r#"data: {"x":[{"delta":{"content":""#, b'x', event, true),
        ("a long comment", ": ", b'x', format!("\n\ndata: {{{usage}}}\n\n"), true),
        ("a long line of another field", "event: ", b'x', format!("\ndata: {{{usage}}}\n\n"), true),
    ];
    for (name, begin, filler, end, injected) in cases {
        let reported = read(begin, filler, &end, injected);
        let input = reported.usage.and_then(|usage| usage.input);
        let expected = if name == "deep nesting" { None } else { Some(3) };
        assert_eq!(input, expected, "{name}");
    }
}

#[test]
fn a_long_request_gets_the_option_at_its_end() {
    let (begin, end) = (r#"{"stream":true,"messages":[{"content":""#, r#""}],"model":"m"}"#);
    let length = begin.len() + CHUNKS * CHUNK + end.len();
    let mut reader = RequestReader::new(&chat(), Injection::Length(length.try_into().unwrap()));
    let filler = vec![b'x'; CHUNK];
    assert_eq!(reader.feed(begin.as_bytes(), End::Open), None);
    for _ in 0..CHUNKS {
        assert_eq!(reader.feed(&filler, End::Open), None);
    }
    let last = reader.feed(end.as_bytes(), End::Open).unwrap();
    assert_eq!(last.len(), end.len() + usize::try_from(INJECTION_ROOM).unwrap());
    assert!(reader.facts().injected && !reader.wants_more());
    assert_eq!(reader.facts().model.as_deref(), Some("m"));
}
