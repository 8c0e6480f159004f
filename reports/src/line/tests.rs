use super::*;

const RECORD: &str = r#"{"tollgate.schema":1,"tollgate.id":"a-1-1","tollgate.time":"2026-11-20T12:00:00Z","gen_ai.operation.name":"chat","gen_ai.provider.name":"openai","gen_ai.request.model":"gpt-4.1","gen_ai.usage.input_tokens":10,"tollgate.usage.source":"reported","tollgate.cost.status":"priced","tollgate.cost.usd":"0.5","tollgate.cost.lines":{"input":"0.5"},"tollgate.tags":{"team":"search"}}"#;

fn reader() -> LineReader {
    LineReader::new(None)
}

fn is_the_record(name: &str, line: &str) {
    let calls = match reader().read(line.as_bytes()) {
        Line::Call(call) => vec![call.row.into_owned()],
        Line::Batch(calls) => calls.into_iter().map(|call| call.unwrap().row).collect(),
        other => panic!("{name}: {other:?}"),
    };
    let row = calls.first().unwrap();
    assert_eq!((calls.len(), row.id.as_ref(), row.tag("team")), (1, "a-1-1", Some("search")), "{name}");
    assert_eq!((row.usd, row.tokens.input), ("0.5".parse().ok(), Some(10)), "{name}");
}

#[test]
fn a_record_is_found_wherever_a_log_puts_it() {
    let wrapped = format!(r#"{{"@type":"type.googleapis.com/google.protobuf.Struct","value":{RECORD}}}"#);
    is_the_record("bare", RECORD);
    is_the_record("as Envoy wraps it", &wrapped);
    is_the_record("in a field", &format!(r#"{{"path":"/","tollgate":{RECORD},"z":[1,{{"b":2}}]}}"#));
    is_the_record("wrapped in a field", &format!(r#"{{"a":{{"b":1}},"cost":{wrapped},"n":1.5}}"#));
    is_the_record("in a line of text", &format!(r#"[2026-11-20T12:00:00Z] "POST /{{x" 200 {wrapped} end"#));
    is_the_record("with numbers as doubles", &RECORD.replace(":10,", ":1e+1,"));
    is_the_record("escaped", &RECORD.replace("search", "s\\u0065arch"));
    is_the_record(
        "with nulls",
        &RECORD.replace("\"gen_ai.request", "\"tollgate.region\":null,\"gen_ai.request"),
    );
}

#[test]
fn otlp_is_read_in_each_of_its_forms() {
    let logs = |record: &str| {
        format!(r#"{{"resourceLogs":[{{"resource":{{}},"scopeLogs":[{{"logRecords":[{{}},{record}]}}]}}]}}"#)
    };
    let text = serde_json::to_string(RECORD).unwrap();
    is_the_record("body of text", &logs(&format!(r#"{{"body":{{"stringValue":{text}}}}}"#)));
    let attribute = format!(r#"{{"attributes":[{{"key":"tollgate","value":{{"stringValue":{text}}}}}]}}"#);
    is_the_record("an attribute of text", &logs(&attribute));
    let kv = |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{value}}}"#);
    let string = |key: &str, text: &str| kv(key, &format!(r#"{{"stringValue":"{text}"}}"#));
    let list = [
        kv("tollgate.schema", r#"{"intValue":"1"}"#),
        string("tollgate.id", "a-1-1"),
        string("tollgate.time", "2026-11-20T12:00:00Z"),
        string("gen_ai.provider.name", "openai"),
        kv("gen_ai.usage.input_tokens", r#"{"doubleValue":10}"#),
        string("tollgate.cost.status", "priced"),
        string("tollgate.cost.usd", "0.5"),
        kv("tollgate.tags", &format!(r#"{{"kvlistValue":{{"values":[{}]}}}}"#, string("team", "search"))),
    ]
    .join(",");
    is_the_record("one attribute for each key", &logs(&format!(r#"{{"attributes":[{list}]}}"#)));
    let nested = kv("tollgate", &format!(r#"{{"kvlistValue":{{"values":[{list}]}}}}"#));
    is_the_record("one attribute of all keys", &logs(&format!(r#"{{"attributes":[{nested}]}}"#)));
    assert_eq!(reader().read(logs("{}").as_bytes()), Line::Other);
}

fn problem(name: &str, line: &str, expected: &str) {
    match reader().read(line.as_bytes()) {
        Line::Unreadable(problem) => assert_eq!(problem.to_string(), expected, "{name}"),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn what_is_no_call_is_told_from_what_cannot_be_read() {
    for line in ["", "  \n", "{}", r#"{"tollgate":null}"#, r#"{"tollgate":"-","a":[1]}"#, r#"{"gen_ai.x":1}"#]
    {
        assert_eq!(reader().read(line.as_bytes()), Line::Other, "{line}");
    }
    for line in ["GET / 200", "[1]", "[2026-11-20T12:00:00Z] \"GET /\" 404"] {
        assert_eq!(reader().read(line.as_bytes()), Line::OtherText, "{line}");
    }
    problem("torn", &RECORD[..60], "not JSON: EOF while parsing a string");
    problem("the end of a torn line", &RECORD[60..], "not JSON: a part of a line");
    problem("two in one", &format!("{RECORD}{RECORD}"), "not JSON: trailing characters");
    problem(
        "newer",
        r#"{"tollgate.schema":99,"tollgate.id":7}"#,
        "schema `99` is newer than `1`, the newest that this version reads",
    );
    problem(
        "another kind",
        &RECORD.replace(":10,", ":-10,"),
        "`gen_ai.usage.input_tokens` has a value of the wrong kind",
    );
    problem(
        "money as a number",
        &RECORD.replace("\"0.5\"", "0.5"),
        "`tollgate.cost.lines` has a value of the wrong kind",
    );
    problem("no id", &RECORD.replace("tollgate.id", "x"), "`tollgate.id` is missing");
    problem(
        "bytes",
        "{\"a\":\"\u{1}\"}",
        "not JSON: control character (\\u0000-\\u001F) found while parsing a string",
    );
}

#[test]
fn keys_of_a_later_version_are_named_and_those_of_this_one_are_not() {
    let later = RECORD.replace("\"tollgate.tags\"", "\"tollgate.new\":{\"a\":[{}]},\"tollgate.tags\"");
    let Line::Call(call) = reader().read(later.as_bytes()) else { panic!("{later}") };
    assert_eq!(call.unknown_key.as_deref(), Some("tollgate.new"));
    let golden = include_str!("../../../record/src/golden.json").replace('\n', "");
    let Line::Call(call) = reader().read(golden.as_bytes()) else { panic!("{golden}") };
    assert_eq!((call.unknown_key, call.row.rule.as_deref()), (None, Some("team-month")));
}

#[test]
fn a_format_string_reads_lines_of_text() {
    let format = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-TEAM)%\" %FILTER_STATE(wasm.tollgate.cost_usd:PLAIN)% \
                  %FILTER_STATE(wasm.tollgate.model:PLAIN)% in=%FILTER_STATE(wasm.tollgate.input_tokens:PLAIN)%\n";
    let reader = LineReader::new(Some(Form::new(format).unwrap()));
    let read = |line: &'static str| reader.read(line.as_bytes());
    let Line::Call(call) = read("[2026-11-20T12:00:00.000Z] \"POST ads\" 0.5 gpt-4.1 in=12") else {
        panic!()
    };
    let row = call.row;
    assert_eq!((row.usd, row.tag("team"), row.model()), ("0.5".parse().ok(), Some("ads"), "gpt-4.1"));
    assert_eq!((row.tokens.input, row.status), (Some(12), CostStatus::Priced));
    assert_eq!(read("[2026-11-20T12:00:00.000Z] \"GET -\" - - in=-"), Line::OtherText);
    for line in
        ["something else", "[yesterday] \"GET -\" 1 m in=1", "[2026-11-20T12:00:00Z] \"GET -\" x m in=1"]
    {
        assert_eq!(reader.read(line.as_bytes()), Line::Unreadable(Problem::OtherForm), "{line}");
    }
    for (format, expected) in [
        ("%START_TIME", "a `%` has no partner"),
        ("%A%%B%", "nothing stands between `%B%` and what follows it"),
        ("%REQ(X)% x", "it has no `%START_TIME%`"),
        ("%START_TIME% x", "it has no `%FILTER_STATE("),
    ] {
        assert!(Form::new(format).unwrap_err().to_string().starts_with(expected), "{format}");
    }
}

use tollgate_record::CostStatus;
