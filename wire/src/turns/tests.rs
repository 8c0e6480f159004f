use super::*;
use serde_json::{Value, json};

const KEY: PrintKey = PrintKey(*b"0123456789abcdef");

fn turn(body: &str) -> Turn {
    let mut reader = TurnReader::new(KEY);
    reader.feed(body.as_bytes());
    reader.turn()
}

fn of(body: &Value) -> Turn {
    turn(&body.to_string())
}

/// A conversation of one dialect: a question, a call of a tool with this argument and id, and its answer.
fn turns(dialect: &str, argument: &str, id: &str, answer: &str) -> Value {
    let question = json!({"role": "user", "content": "How is the weather?"});
    match dialect {
        "openai" => json!({"model": "m", "messages": [
            question,
            {"role": "assistant", "content": null, "tool_calls": [{"id": id, "type": "function", "function": {"name": "weather", "arguments": format!("{{\"city\":\"{argument}\"}}")}}]},
            {"role": "tool", "tool_call_id": id, "content": answer},
        ]}),
        "anthropic" => json!({"model": "m", "system": id, "messages": [
            question,
            {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "weather", "input": {"id": argument}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": answer, "cache_control": {"type": id}}]},
        ]}),
        "responses" => json!({"model": "m", "input": [
            question,
            {"type": "function_call", "id": id, "call_id": id, "status": id, "name": "weather", "arguments": argument},
            {"type": "function_call_output", "call_id": id, "output": answer},
        ]}),
        "gemini" => json!({"contents": [
            {"role": "user", "parts": [{"text": "How is the weather?"}]},
            {"role": "model", "parts": [{"functionCall": {"id": id, "name": "weather", "args": {"id": argument}}}]},
            {"role": "user", "parts": [{"functionResponse": {"id": id, "name": "weather", "response": {"id": answer}}}]},
        ]}),
        "converse" => json!({"messages": [
            {"role": "user", "content": [{"text": "How is the weather?"}]},
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": id, "name": "weather", "input": {"id": argument}}}]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": id, "content": [{"json": {"id": answer}}]}}]},
        ]}),
        other => panic!("{other}"),
    }
}

const DIALECTS: [&str; 5] = ["openai", "anthropic", "responses", "gemini", "converse"];

#[test]
fn ids_do_not_tell_turns_apart_and_what_tools_are_asked_does() {
    for dialect in DIALECTS {
        let first = of(&turns(dialect, "Rome", "call_1", "sunny"));
        assert_eq!(first.messages, 3, "{dialect}");
        assert!(first.last_tools.is_some(), "{dialect}");
        assert_eq!(first, of(&turns(dialect, "Rome", "call_2", "sunny")), "{dialect}: another id");
        let city = of(&turns(dialect, "Bonn", "call_1", "sunny"));
        assert_eq!(city.last_message, first.last_message, "{dialect}: the same answer");
        assert_ne!(city.last_tools, first.last_tools, "{dialect}: another question of the tool");
        let answer = of(&turns(dialect, "Rome", "call_1", "rainy"));
        assert_ne!(answer.last_message, first.last_message, "{dialect}: another answer");
        assert_eq!(answer.last_tools, first.last_tools, "{dialect}: the same question of the tool");
        assert_ne!(answer.conversation, first.conversation, "{dialect}");
    }
}

#[test]
fn a_call_of_a_tool_counts_until_somebody_else_speaks() {
    let mut body = turns("openai", "Rome", "1", "sunny");
    assert!(of(&body).last_tools.is_some());
    body["messages"].as_array_mut().unwrap().push(json!({"role": "assistant", "content": "It is sunny."}));
    assert_eq!(of(&body).last_tools, None);
    body["messages"].as_array_mut().unwrap().push(json!({"role": "user", "content": "And in Bonn?"}));
    assert_eq!(of(&body).last_tools, None);
}

#[test]
fn what_is_said_counts_and_how_it_is_asked_for_does_not() {
    let said = turn(r#"{"model":"a","messages":[{"role":"user","content":"hi"}],"temperature":0.5}"#);
    for (name, body, same) in [
        ("another model", r#"{"model":"b","messages":[{"role":"user","content":"hi"}]}"#, true),
        ("white space", "{\"messages\" : [ {\"role\": \"user\",\n\"content\":\"hi\"} ] }", true),
        ("another role", r#"{"messages":[{"role":"system","content":"hi"}]}"#, false),
        (
            "a message more",
            r#"{"messages":[{"role":"user","content":""},{"role":"user","content":"hi"}]}"#,
            false,
        ),
        ("a message in pieces", r#"{"messages":[{"role":"user","content":"h","i":""}]}"#, false),
    ] {
        assert_eq!(turn(body).conversation == said.conversation, same, "{name}");
    }
    let more = r#"{"messages":[{"role":"user","content":""},{"role":"user","content":"hi"}]}"#;
    assert_eq!(turn(more).last_message, said.last_message);
}

#[test]
fn a_conversation_is_known_by_its_opening_as_it_grows() {
    for dialect in DIALECTS {
        let mut body = turns(dialect, "Rome", "1", "sunny");
        let list = ["messages", "input", "contents"].into_iter().find(|key| body.get(key).is_some()).unwrap();
        let opening = of(&body).opening;
        assert!(opening.is_some(), "{dialect}");
        let system = json!({"role": "system", "content": "Be brief."});
        body[list].as_array_mut().unwrap().insert(0, system);
        let with_system = of(&body).opening;
        assert_ne!(with_system, opening, "{dialect}: somebody else's conversation");
        body[list].as_array_mut().unwrap().truncate(2);
        assert_eq!(of(&body).opening, with_system, "{dialect}: its first turn");
        body[list].as_array_mut().unwrap().truncate(1);
        assert_eq!(of(&body).opening, None, "{dialect}: nobody has spoken");
    }
}

#[test]
fn inputs_of_any_shape_are_known_again() {
    for (body, messages, speaks) in [
        (r#"{"input":"one text"}"#, 1, true),
        (r#"{"input":["a","b"]}"#, 2, true),
        (r#"{"input":[12, 3]}"#, 2, false),
        (r#"{"prompt":"a picture","n":1}"#, 1, true),
        (r#"{"contents":{"parts":[{"text":"a"}]}}"#, 1, true),
        (r#"{"messages":[]}"#, 0, false),
        (r#"{"model":"m"}"#, 0, false),
    ] {
        let turn = turn(body);
        assert_eq!((turn.messages, turn.last_message.is_some()), (messages, speaks), "{body}");
        assert_eq!(turn.conversation.is_some(), messages > 0, "{body}");
    }
    assert_ne!(turn(r#"{"input":[1,2]}"#).conversation, turn(r#"{"input":[12]}"#).conversation);
}

#[test]
fn tools_are_there_if_one_is() {
    for (body, expected) in [
        (r#"{"tools":[{"type":"function"}],"messages":[]}"#, true),
        (r#"{"messages":[],"functions":[{"name":"f"}]}"#, true),
        (r#"{"toolConfig":{"tools":[{"toolSpec":{}}]}}"#, true),
        (r#"{"tools":[]}"#, false),
        (r#"{"tools":null,"messages":["tools"]}"#, false),
        (r#"{"metadata":{"tools":[1]}}"#, false),
    ] {
        assert_eq!(turn(body).has_tools, expected, "{body}");
    }
}

#[test]
fn what_is_no_whole_object_says_nothing() {
    for body in ["", "[]", "null", r#"{"messages":["a"]"#, r#""messages""#, "}", r#"{"messages":["a"}}"#] {
        let _any = turn(body);
    }
    assert_eq!(turn(r#"{"messages":["a"]"#), Turn::default());
    assert_eq!(turn(&format!("{{\"messages\":{}{}}}", "[".repeat(80), "]".repeat(80))), Turn::default());
}

#[test]
fn fingerprints_differ_by_their_secret() {
    let body = turns("openai", "Rome", "1", "sunny").to_string();
    let mut other = TurnReader::new(PrintKey(*b"another secret!!"));
    other.feed(body.as_bytes());
    assert_ne!(other.turn().last_message, turn(&body).last_message);
    assert_ne!(KEY.print(b"x"), PrintKey([0; 16]).print(b"x"));
}

proptest::proptest! {
    #[test]
    fn cuts_change_nothing(cut in 1_usize..40, dialect in 0_usize..5) {
        let body = turns(DIALECTS[dialect], "R\\\"ome", "1", "sunny").to_string();
        let mut reader = TurnReader::new(KEY);
        body.as_bytes().chunks(cut).for_each(|chunk| reader.feed(chunk));
        proptest::prop_assert_eq!(reader.turn(), turn(&body));
    }

    #[test]
    fn no_bytes_break_it(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let mut reader = TurnReader::new(KEY);
        reader.feed(br#"{"messages":[{"a":"#);
        reader.feed(&body);
        let _any = reader.turn();
    }
}
