//! What holds for every body: any cut gives the same report, nothing panics, and the option is spliced in
//! without harm.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may panic"
)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tollgate_wire::{
    Call, End, Ended, INJECTION_ROOM, Injection, Reported, RequestFacts, RequestHead, RequestReader,
    ResponseHead, ResponseReader, Traffic, classify,
};

const CHAT: (&str, &str) = ("api.openai.com", "/v1/chat/completions");

const CALLS: [(&str, &str); 10] = [
    CHAT,
    ("api.openai.com", "/v1/responses"),
    ("api.openai.com", "/v1/images/generations"),
    ("api.anthropic.com", "/v1/messages"),
    ("generativelanguage.googleapis.com", "/v1beta/models/m:streamGenerateContent"),
    ("generativelanguage.googleapis.com", "/v1beta/interactions"),
    ("bedrock-runtime.us-east-1.amazonaws.com", "/model/m/converse-stream"),
    ("bedrock-runtime.us-east-1.amazonaws.com", "/model/m/invoke-with-response-stream"),
    ("api.cohere.com", "/v1/chat"),
    ("localhost:11434", "/api/chat"),
];

fn call((host, path): (&str, &str), content_type: &str) -> Call {
    let content_type = Some(content_type);
    let head =
        RequestHead { method: "POST", host, path, content_type, content_encoding: None, upgrade: None };
    match classify(&head, None) {
        Traffic::Llm(call) => call,
        other => panic!("{host}{path} is {other:?}"),
    }
}

/// The chunks of a body that is cut at these places.
fn chunks<'a>(body: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (body.len() + 1)).collect();
    places.sort_unstable();
    let mut from = 0;
    let mut parts: Vec<&[u8]> = Vec::new();
    for place in places {
        parts.push(&body[from..place]);
        from = place;
    }
    parts.push(&body[from..]);
    parts
}

fn respond(call: &Call, facts: &RequestFacts, parts: &[&[u8]], ended: Ended) -> (Vec<u8>, Reported) {
    let head = ResponseHead { status: 200, content_type: None, content_encoding: None, headers: &[] };
    let mut reader = ResponseReader::new(call, facts, &head);
    let mut out = Vec::new();
    for part in parts {
        out.extend(reader.feed(part, End::Open).unwrap_or_else(|| part.to_vec()));
    }
    if ended == Ended::Complete {
        out.extend(reader.feed(b"", End::Last).unwrap_or_default());
    }
    (out, reader.finish(ended))
}

fn request(call: &Call, injection: Injection, parts: &[&[u8]]) -> (Vec<u8>, RequestFacts) {
    let mut reader = RequestReader::new(call, injection);
    let mut out = Vec::new();
    for part in parts {
        out.extend(reader.feed(part, End::Open).unwrap_or_else(|| part.to_vec()));
    }
    out.extend(reader.feed(b"", End::Last).unwrap_or_default());
    (out, reader.facts().clone())
}

/// Pieces that matter to the readers, put together at random: nearly well-formed bodies.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 48] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        " ",
        "data:",
        "data: ",
        "event: x\n",
        "[DONE]",
        "data: [DONE]\n\n",
        "\"usage\":",
        "\"choices\":[]",
        "\"choices\":[{\"finish_reason\":\"stop\"}]",
        "{\"prompt_tokens\":3,\"completion_tokens\":4}",
        "null",
        "true",
        "1",
        "-1.5",
        "\"model\":\"m\"",
        "\"id\":\"i\"",
        "\"usageMetadata\":{\"promptTokenCount\":1}",
        "\"message\":",
        "\"delta\":{\"stop_reason\":\"x\"}",
        "\"us\\u0061ge\":{\"prompt_tokens\":9}",
        "\"error\":{}",
        "\u{feff}",
        "\u{e9}",
        "\"candidates\":[",
        "\"done_reason\":\"stop\"",
        "data: {\"id\":\"a\",\"model\":\"b\",\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: {\"id\":\"a\",\"choices\":[{\"delta\":{}}],\"usage\":null}\r\n\r\n",
        ": comment\n\n",
        "\"x\":[[[{}]]],",
        "\"prompt_eval_count\":5",
        "\"response\":",
        "\"status\":\"completed\"",
        "\"stream\":true",
        "\"stream_options\":",
        "{\"include_usage\":false}",
        "\0\0\0",
    ];
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)
        .prop_map(|pieces| pieces.concat().into_bytes())
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => pieces(), 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

fn places() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(any::<usize>(), 0..12)
}

/// JSON texts of requests, with the option in all its forms, in any order of keys and any white space.
fn requests() -> impl Strategy<Value = String> {
    let option = prop::sample::select(vec![
        "",
        "\"stream_options\":null",
        "\"stream_options\":{}",
        "\"stream_options\":{ }",
        "\"stream_options\":{\"include_usage\":false}",
        "\"stream_options\":{\"include_usage\" : true}",
        "\"stream_options\":{\"include_usage\":null,\"x\":[1]}",
        "\"stream_options\":{\"include_obfuscation\":false}",
        "\"stream\\u005foptions\":{\"include\\u005fusage\":false}",
    ]);
    let stream =
        prop::sample::select(vec!["", "\"stream\":true", "\"stream\" : false", "\"str\\u0065am\":true"]);
    let rest = prop::sample::select(vec![
        "",
        "\"model\":\"gpt-4o\"",
        "\"messages\":[{\"role\":\"user\",\"content\":\"}{\\\"stream\\\":true\"}]",
    ]);
    (option, stream, rest, prop::sample::select(vec!["", " ", "\n  "]), any::<bool>()).prop_map(
        |(option, stream, rest, blank, option_first)| {
            let fields = if option_first { [option, rest, stream] } else { [stream, rest, option] };
            let fields: Vec<&str> = fields.into_iter().filter(|field| !field.is_empty()).collect();
            format!("{blank}{{{blank}{}{blank}}}{blank}", fields.join(&format!("{blank},{blank}")))
        },
    )
}

/// What the body should say once the option is in.
fn with_option(original: &Map<String, Value>, injected: bool) -> Value {
    let mut body = original.clone();
    if injected {
        let options = body.entry("stream_options").or_insert(Value::Null);
        if options.is_null() {
            *options = json!({});
        }
        options.as_object_mut().unwrap().insert("include_usage".to_owned(), Value::Bool(true));
    }
    Value::Object(body)
}

fn keys_stand_once(text: &str) -> bool {
    let plain = text.replace("\\u005f", "_");
    let times = |key: &str| plain.matches(key).count();
    times("\"stream_options\"") <= 1 && times("\"include_usage\"") <= 1
}

/// A response is read alike in one piece, in these, and byte by byte, where no event is ever seen whole.
fn same_in_any_cut(body: &[u8], cuts: &[usize], which: usize, injected: bool) -> Result<(), TestCaseError> {
    let call = call(CALLS[which], "application/json");
    let facts = RequestFacts { stream: Some(true), injected, ..RequestFacts::default() };
    for ended in [Ended::Complete, Ended::Cut] {
        let whole = respond(&call, &facts, &[body], ended);
        let bytewise: Vec<&[u8]> = body.chunks(1).collect();
        for parts in [chunks(body, cuts), bytewise] {
            let again = respond(&call, &facts, &parts, ended);
            prop_assert_eq!(&again.1, &whole.1);
            if ended == Ended::Complete {
                prop_assert_eq!(String::from_utf8_lossy(&again.0), String::from_utf8_lossy(&whole.0));
            }
        }
        if !injected {
            prop_assert_eq!(&whole.0, body);
        }
    }
    Ok(())
}

/// Streams past their first events, with keys that matter in all the ways in which they may stand there and not matter.
fn bursts() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 30] = [
        "data: {\"id\":\"a\",\"choices\":[{\"delta\":{\"content\":\"usage\"},\"finish_reason\":null}],\"usage\":null}\n\n",
        "data: {\"id\":\"a\",\"choices\":[{\"delta\":{},\"finish_reason\" : null }]}\r\n\r\n",
        "event: content_block_delta\ndata: {\"delta\":{\"text\":\"\\\"usage\\\":1\"}}\n\n",
        "event: message_delta\r\ndata: {\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":9}}\r\n\r\n",
        "data: {\"usage\":\ndata: {\"prompt_tokens\":5}}\n\n",
        "data: {\"usage\"\ndata: :{\"prompt_tokens\":6}}\n\n",
        "data: {\"usage\":\ndata: null}\n\n",
        "data: {\"usage\":\n\nnull}\n\n",
        "data: {\"usage\" :\t{\"prompt_tokens\":1,\"input_tokens\":2}}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1}}\n\n",
        "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\r\r",
        "data: {\"error\":{\"message\":\"m\"}}\n\n",
        "data: {\"error\":null}\n\n",
        "data: {\"response\":{\"status\":\"completed\",\"usage\":{\"input_tokens\":4,\"output_tokens\":2}}}\n\n",
        "data: {\"usageMetadata\":{\"promptTokenCount\":1}}\n\n",
        "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n",
        "data: {\"us\\u0061ge\":{\"prompt_tokens\":9}}\n\n",
        "data: [DONE]\n\n",
        "data: {\"usage\":nul",
        "\"usage\"",
        "\"usage\":{}",
        ": ping\n\n",
        "id: 7\n",
        "data\n",
        "\n",
        "\r",
        "\r\n",
        "\u{feff}",
        "data: {\"text\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\n\n",
        "data: {\"text\":\"\\\\\"}\n\n",
    ];
    let plain = "data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"delta\":{}}]}\n\n";
    (7_usize..10, prop::collection::vec(prop::sample::select(&PIECES[..]), 0..16))
        .prop_map(move |(before, pieces)| [plain.repeat(before), pieces.concat()].concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_of_any_response_gives_the_same_report(
        body in bodies(), cuts in places(), which in 0..CALLS.len(), injected: bool
    ) {
        same_in_any_cut(&body, &cuts, which, injected)?;
    }

    #[test]
    fn events_that_are_passed_over_together_are_none_that_matter(
        body in bursts(), cuts in places(), which in 0..CALLS.len(), injected: bool
    ) {
        same_in_any_cut(&body, &cuts, which, injected)?;
    }

    #[test]
    fn any_cut_of_any_request_gives_the_same_facts_and_bytes(
        body in bodies(), cuts in places(), which in 0..CALLS.len(), form: bool
    ) {
        let kind = if form { "multipart/form-data; boundary=x" } else { "application/json" };
        let call = call(CALLS[which], kind);
        for injection in [Injection::Off, Injection::Chunked, Injection::Length(body.len() as u64)] {
            let whole = request(&call, injection, &[&body]);
            prop_assert_eq!(&request(&call, injection, &chunks(&body, &cuts)), &whole);
            prop_assert_eq!(&request(&call, injection, &body.chunks(1).collect::<Vec<_>>()), &whole);
            if matches!(injection, Injection::Length(_)) {
                prop_assert_eq!(whole.0.len() as u64, body.len() as u64 + INJECTION_ROOM);
            }
            if injection == Injection::Off {
                prop_assert_eq!(&whole.0, &body);
            }
        }
    }

    #[test]
    fn the_option_is_spliced_in_without_harm(text in requests(), cuts in places()) {
        let call = call(CHAT, "application/json");
        let body = text.as_bytes();
        let original: Map<String, Value> = serde_json::from_str(&text).unwrap();
        for injection in [Injection::Chunked, Injection::Length(body.len() as u64)] {
            let (out, facts) = request(&call, injection, &chunks(body, &cuts));
            let out = String::from_utf8(out).unwrap();
            let after: Value = serde_json::from_str(&out).unwrap();
            prop_assert_eq!(&after, &with_option(&original, facts.injected));
            prop_assert!(keys_stand_once(&out), "{}", out);
            let asks = after["stream_options"]["include_usage"] == true;
            let streams = original.get("stream") == Some(&Value::Bool(true));
            let null_first = original.get("stream_options") == Some(&Value::Null) && text.find("null") < text.find("true");
            if streams && !null_first {
                prop_assert!(asks, "{}", out);
            }
            if original.get("stream") == Some(&Value::Bool(false)) && !original.contains_key("stream_options") {
                prop_assert!(!facts.injected);
            }
            if let Injection::Length(announced) = injection {
                prop_assert_eq!(out.len() as u64, announced + INJECTION_ROOM);
            }
        }
    }

    #[test]
    fn only_the_usage_chunk_is_taken_out(
        texts in prop::collection::vec(".{0,12}", 0..6), line in prop::sample::select(vec!["\n", "\r\n", "\r"]), cuts in places()
    ) {
        let call = call(CHAT, "application/json");
        let facts = RequestFacts { stream: Some(true), injected: true, ..RequestFacts::default() };
        let event = |data: &str| format!("data: {data}{line}{line}");
        let chunk = |text: &String| {
            let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": null});
            event(&json!({"id": "c", "model": "m", "choices": [choice], "usage": null}).to_string())
        };
        let first = event(r#"{"choices":[],"model":"","prompt_filter_results":[]}"#);
        let kept: String = std::iter::once(first).chain(texts.iter().map(chunk)).collect();
        let usage = event(r#"{"id":"c","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}"#);
        let done = event("[DONE]");
        let body = format!("{kept}{usage}{done}");
        let (out, reported) = respond(&call, &facts, &chunks(body.as_bytes(), &cuts), Ended::Complete);
        prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{kept}{done}"));
        prop_assert_eq!(reported.usage.unwrap().input, Some(7));
    }
}
