//! Shapes that the configuration describes, in every cut.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use tollgate_wire::{
    Call, Custom, CustomShape, DialectName, End, Ended, IncludeUsage, Injection, Reported, RequestHead,
    RequestReader, ResponseHead, ResponseReader, Source, StreamCounts, Traffic, Upstream, classify,
};

const SHAPE: CustomShape<'_> = CustomShape {
    model: Some("/meta/engine"),
    input_tokens: Some("/meta/spent/in"),
    output_tokens: Some("/meta/spent/out"),
    cache_read_tokens: Some("/meta/spent/warm"),
    reasoning_tokens: Some("/meta/spent/thought"),
    stream: StreamCounts::Last,
};

fn call(shape: &CustomShape<'_>) -> Call {
    let upstream = Upstream {
        provider: "ours".to_owned(),
        dialect: Some(DialectName::Custom),
        include_usage: IncludeUsage::Auto,
        custom: Some(Custom::new(shape).unwrap()),
    };
    let head = RequestHead {
        method: "POST",
        host: "llm.corp",
        path: "/any/path",
        content_type: None,
        content_encoding: None,
        upgrade: None,
    };
    match classify(&head, Some(&upstream)) {
        Traffic::Llm(call) => call,
        other => panic!("{other:?}"),
    }
}

fn reported(shape: &CustomShape<'_>, request: &str, parts: &[&[u8]]) -> Reported {
    let call = call(shape);
    let mut asked = RequestReader::new(&call, Injection::Off);
    asked.feed(request.as_bytes(), End::Last);
    let head = ResponseHead { status: 200, content_type: None, content_encoding: None, headers: &[] };
    let mut reader = ResponseReader::new(&call, asked.facts(), &head);
    for part in parts {
        assert_eq!(reader.feed(part, End::Open), None);
    }
    reader.feed(&[], End::Last);
    reader.finish(Ended::Complete)
}

type Counts = [Option<u64>; 4];

fn check(name: &str, shape: &CustomShape<'_>, body: &str, model: Option<&str>, expected: Counts) {
    let whole = reported(shape, r#"{"stream":true}"#, &[body.as_bytes()]);
    let usage = whole.usage.clone().unwrap_or_default();
    let counts = [usage.input, usage.output, usage.cache_read, usage.reasoning];
    assert_eq!((whole.model.as_deref(), counts), (model, expected), "{name}");
    let source = if expected == [None; 4] { Source::None } else { Source::Reported };
    assert_eq!(whole.source, source, "{name}");
    for cut in 1..body.len() {
        let (left, right) = body.as_bytes().split_at(cut);
        assert_eq!(reported(shape, r#"{"stream":true}"#, &[left, right]), whole, "{name}, cut at {cut}");
    }
}

#[test]
fn counts_are_read_where_the_configuration_says() {
    let sums = CustomShape { stream: StreamCounts::Sum, ..SHAPE };
    let listed = CustomShape { output_tokens: Some("/runs/*/out"), ..CustomShape::default() };
    let unary = r#"{"text":"in: 9","meta":{"engine":"m-1","spent":{"in":12,"out":7,"warm":4,"thought":2}}}"#;
    check("a plain answer", &SHAPE, unary, Some("m-1"), [Some(12), Some(7), Some(4), Some(2)]);
    let events = concat!(
        "data: {\"meta\":{\"engine\":\"m-1\",\"spent\":{\"in\":12,\"out\":1}}}\n\n",
        "data: {\"text\":\"more\",\"meta\":{\"spent\":{\"out\":3}}}\n\n",
        "data: {\"meta\":{\"spent\":{\"out\":5,\"warm\":null}}}\n\n",
        "data: [DONE]\n\n",
    );
    check("events, of which the last counts", &SHAPE, events, Some("m-1"), [Some(12), Some(5), None, None]);
    check("events that are added up", &sums, events, Some("m-1"), [Some(12), Some(9), None, None]);
    let lines = events.replace("data: ", "").replace("[DONE]", "").replace("\n\n", "\n");
    check(
        "lines of JSON, of which the last counts",
        &SHAPE,
        &lines,
        Some("m-1"),
        [Some(12), Some(5), None, None],
    );
    check("lines of JSON that are added up", &sums, &lines, Some("m-1"), [Some(12), Some(9), None, None]);
    let runs = r#"{"runs":[{"out":2},{"out":3},{"out":4}]}"#;
    check(
        "all elements of a list are added up, also where the last document counts",
        &listed,
        runs,
        None,
        [None, Some(9), None, None],
    );
    check("nothing there is unknown, not zero", &SHAPE, r#"{"meta":{}}"#, None, [None; 4]);
}

#[test]
fn a_late_event_is_found_among_many_that_say_nothing() {
    let idle = "data: {\"text\":\"word\"}\n\n".repeat(40);
    let body = format!("{idle}data: {{\"meta\":{{\"spent\":{{\"in\":3}}}}}}\n\n");
    check("after forty events", &SHAPE, &body, None, [Some(3), None, None, None]);
}

#[test]
fn the_model_is_read_out_of_the_request_too() {
    let call = call(&SHAPE);
    let mut reader = RequestReader::new(&call, Injection::Off);
    reader.feed(br#"{"model":"other","meta":{"engine":"m-1"},"stream":true}"#, End::Last);
    assert_eq!((reader.facts().model.as_deref(), reader.facts().stream), (Some("m-1"), Some(true)));
    assert_eq!((call.provider(), call.operation().as_str(), call.may_inject()), ("ours", "chat", false));
}
