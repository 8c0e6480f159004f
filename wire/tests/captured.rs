//! Values that the configuration wants out of a request's body.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use tollgate_wire::{End, Injection, Pointers, RequestHead, RequestReader, Traffic, classify};

const POINTERS: [&str; 5] = ["/metadata/feature", "/user", "/stream_options", "/a~1b/*/n", "/model"];

/// What is captured, and what goes on of the body.
fn read(parts: &[&[u8]]) -> (Vec<Option<String>>, Vec<u8>) {
    let head = RequestHead {
        method: "POST",
        host: "api.openai.com",
        path: "/v1/chat/completions",
        content_type: None,
        content_encoding: None,
        upgrade: None,
    };
    let Traffic::Llm(call) = classify(&head, None) else { panic!("no call") };
    let pointers = Pointers::new(POINTERS).unwrap();
    let mut reader = RequestReader::with_pointers(&call, Injection::Chunked, &pointers);
    let mut out = Vec::new();
    for part in parts {
        out.extend(reader.feed(part, End::Open).unwrap_or_else(|| part.to_vec()));
    }
    out.extend(reader.feed(&[], End::Last).unwrap_or_default());
    let facts = reader.facts();
    assert!(!facts.malformed);
    (facts.captured.clone(), out)
}

fn check(name: &str, body: &str, expected: [Option<&str>; 5]) {
    let whole = read(&[body.as_bytes()]);
    let captured: Vec<Option<&str>> = whole.0.iter().map(Option::as_deref).collect();
    assert_eq!(captured, expected, "{name}");
    for cut in 1..body.len() {
        let (left, right) = body.as_bytes().split_at(cut);
        assert_eq!(read(&[left, right]), whole, "{name}, cut at {cut}");
    }
}

#[test]
fn texts_and_numbers_are_captured_and_nothing_else() {
    let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(513));
    check(
        "texts",
        r#"{"metadata":{"feature":"search","x":1},"user":"u\u002d1"}"#,
        [Some("search"), Some("u-1"), None, None, None],
    );
    check(
        "numbers stay as they are written",
        r#"{"user":-1.50e3}"#,
        [None, Some("-1.50e3"), None, None, None],
    );
    check(
        "what is wanted anyway is captured as well",
        r#"{"model":"gpt-4o"}"#,
        [None, None, None, None, Some("gpt-4o")],
    );
    check(
        "words and containers are not captured",
        r#"{"user":true,"metadata":{"feature":["a"]}}"#,
        [None; 5],
    );
    check("the last element counts", r#"{"a/b":[{"n":"1"},{"n":"2"}]}"#, [None, None, None, Some("2"), None]);
    check("the last of equal keys counts", r#"{"user":"a","user":null}"#, [None; 5]);
    check("what is too long is not captured", &long, [None; 5]);
}

#[test]
fn a_pointer_to_the_options_does_not_keep_usage_from_being_asked_for() {
    let body = br#"{"model":"m","stream":true,"stream_options":{"x":1}}"#;
    let (_, out) = read(&[body]);
    let asked = br#"{"model":"m","stream":true,"stream_options":{"x":1,"include_usage":true}}"#;
    assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8_lossy(asked));
}
