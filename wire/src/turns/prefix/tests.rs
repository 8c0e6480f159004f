use super::*;
use serde_json::{Value, json};

const KEY: PrintKey = PrintKey(*b"0123456789abcdef");

fn outline(body: &Value, keep_turns: usize) -> Outline {
    let mut reader = OutlineReader::new(KEY, keep_turns);
    reader.feed(body.to_string().as_bytes());
    reader.outline().unwrap()
}

/// A conversation with these messages of user and model in turns.
fn conversation(dialect: &str, system: &str, said: &[&str]) -> Value {
    let message = |(place, text): (usize, &&str)| {
        let role = ["user", "assistant"][place % 2];
        match dialect {
            "gemini" => json!({"role": role.replace("assistant", "model"), "parts": [{"text": text}]}),
            "anthropic" if place + 1 == said.len() => {
                json!({"role": role, "content": [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]})
            }
            "anthropic" => json!({"role": role, "content": [{"type": "text", "text": text}]}),
            _ => json!({"role": role, "content": text}),
        }
    };
    let messages: Vec<_> = said.iter().enumerate().map(message).collect();
    match dialect {
        "openai" => {
            let first = json!({"role": "system", "content": system});
            let messages = [&[first][..], &messages].concat();
            json!({"model": "m", "messages": messages, "tools": [{"type": "function", "function": {"name": "look"}}]})
        }
        "anthropic" => {
            json!({"tools": [{"name": "look"}], "system": [{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}], "messages": messages})
        }
        "responses" => {
            json!({"instructions": system, "input": messages, "tools": [{"type": "function", "name": "look"}]})
        }
        "gemini" => json!({"systemInstruction": {"parts": [{"text": system}]}, "contents": messages}),
        other => panic!("{other}"),
    }
}

const DIALECTS: [&str; 4] = ["openai", "anthropic", "responses", "gemini"];
const SYSTEM: &str = "You help whoever asks.";

#[test]
fn a_conversation_that_goes_on_has_the_beginnings_that_it_had() {
    for dialect in DIALECTS {
        let first = outline(&conversation(dialect, SYSTEM, &["one", "two", "three"]), 0);
        let second = outline(&conversation(dialect, SYSTEM, &["one", "two", "three", "four", "five"]), 0);
        assert_eq!(second.head, first.head, "{dialect}: tools and system prompt");
        assert_eq!(second.opening, first.opening, "{dialect}");
        let whole = first.beginnings.last().unwrap();
        assert_eq!(whole.bytes, first.bytes, "{dialect}");
        assert!(second.beginnings.contains(whole), "{dialect}: {whole:?} in {second:?}");
        assert_ne!(first.body, second.body, "{dialect}");
        assert!(first.head.unwrap().bytes > 22 && first.opening.unwrap().bytes > first.head.unwrap().bytes);
    }
}

#[test]
fn another_system_prompt_or_another_message_makes_all_that_follows_another_beginning() {
    for dialect in DIALECTS {
        let one = outline(&conversation(dialect, SYSTEM, &["one", "two", "three"]), 0);
        let other = outline(&conversation(dialect, "You help nobody.", &["one", "two", "three"]), 0);
        let shared = |other: &Outline| one.beginnings.iter().filter(|b| other.beginnings.contains(b)).count();
        assert_eq!((shared(&other), one.head == other.head), (0, false), "{dialect}");
        let changed = outline(&conversation(dialect, SYSTEM, &["one", "2", "three"]), 0);
        assert_eq!((one.head, one.opening), (changed.head, changed.opening), "{dialect}");
        assert_eq!(shared(&changed), if dialect == "openai" { 2 } else { 1 }, "{dialect}");
    }
}

#[test]
fn turns_that_are_older_than_those_to_be_kept_are_told_by_their_bytes() {
    for dialect in DIALECTS {
        let said = ["task", "a1", "u1", "a2", "u2", "a3", "u3"];
        let body = conversation(dialect, SYSTEM, &said);
        let all = outline(&body, 0);
        assert_eq!(all.old_bytes, 0, "{dialect}: nothing is to be dropped");
        let bytes = |messages: u32| {
            let first = all.opening.unwrap().messages;
            all.beginnings.iter().find(|b| b.messages == first + messages).unwrap().bytes
        };
        for (keep, until) in [(1, Some(4)), (2, Some(2)), (3, None), (9, None)] {
            let expected = until.map_or(0, |until| bytes(until) - bytes(0));
            assert_eq!(outline(&body, keep).old_bytes, expected, "{dialect}, the last {keep}");
        }
    }
}

#[test]
fn texts_to_embed_are_told_apart_and_numbers_are_not() {
    let inputs = |input: Value| outline(&json!({"model": "m", "input": input}), 0).inputs;
    let (both, one) = (inputs(json!(["alpha", "beta"])), inputs(json!("beta")));
    assert_eq!((both.len(), one.len()), (2, 1));
    assert_eq!(both[1], one[0], "the same text, alone or in a list");
    assert_eq!(inputs(json!([1, 2, 3])), [], "tokens are no texts");
    assert_eq!(inputs(json!([[1, 2], [3]])).len(), 2, "lists of tokens are");
    assert_eq!(inputs(json!(vec!["a"; 40])).len(), MOST_INPUTS);
}

#[test]
fn a_request_is_the_same_only_if_all_of_it_is() {
    let body = |text: &str| {
        let mut reader = OutlineReader::new(KEY, 0);
        reader.feed(text.as_bytes());
        reader.outline().unwrap().body
    };
    let first = body(r#"{"model":"m","temperature":1,"messages":[{"content":"a"}],"n":[1,2]}"#);
    assert_eq!(first, body(r#"{ "model":"m","temperature":1,  "messages":[{"content":"a"}],"n":[1, 2] }"#));
    for other in [
        r#"{"model":"m","temperature":2,"messages":[{"content":"a"}],"n":[1,2]}"#,
        r#"{"model":"n","temperature":1,"messages":[{"content":"a"}],"n":[1,2]}"#,
        r#"{"model":"m","temperature":1,"messages":[{"content":"b"}],"n":[1,2]}"#,
        r#"{"model":"m","temperature":1,"messages":[{"content":"a"}],"n":[12]}"#,
        r#"{"model":"m","temperature":1,"messages":[{"content":"a"}],"n":[1,2],"stream":true}"#,
        r#"{"model":"m","temperature":1,"system":"a","messages":[{"content":"a"}],"n":[1,2]}"#,
    ] {
        assert_ne!(first, body(other), "{other}");
    }
}

#[test]
fn pictures_and_files_are_noticed() {
    for part in [
        json!({"type": "image_url", "image_url": {"url": "data:,x"}}),
        json!({"type": "image", "source": {"type": "base64", "data": "x"}}),
        json!({"inlineData": {"data": "x"}}),
    ] {
        let body = json!({"messages": [{"role": "user", "content": [part]}]});
        assert!(outline(&body, 0).media, "{body}");
    }
    assert!(!outline(&conversation("openai", SYSTEM, &["one"]), 0).media);
}

#[test]
fn what_is_no_whole_object_says_nothing() {
    for body in ["", "[]", "x", "{\"messages\":[{\"role\":\"user\""] {
        let mut reader = OutlineReader::new(KEY, 3);
        reader.feed(body.as_bytes());
        assert_eq!(reader.outline(), None, "{body}");
    }
    let empty = outline(&json!({"messages": []}), 3);
    assert_eq!((empty.head, empty.opening, empty.bytes), (None, None, 0));
}

#[test]
fn memory_does_not_grow_with_the_conversation() {
    let said = vec!["word"; 4001];
    let read = outline(&conversation("anthropic", SYSTEM, &said), 10);
    assert_eq!((read.beginnings.len(), read.inputs.len()), (MOST_MARKS, MOST_INPUTS));
    assert_eq!(read.beginnings.last().unwrap().messages, 4001);
    assert_eq!(read.beginnings.last().unwrap().bytes, read.bytes);
}

proptest::proptest! {
    #[test]
    fn any_cut_reads_alike_and_beginnings_are_never_longer_than_all(
        said in proptest::collection::vec("[a-z\"\\\\ ]{0,9}", 0..12), keep in 0_usize..5, cut in 1_usize..40, which in 0_usize..4,
    ) {
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        let body = conversation(DIALECTS[which], SYSTEM, &said);
        let whole = outline(&body, keep);
        let mut reader = OutlineReader::new(KEY, keep);
        body.to_string().as_bytes().chunks(cut).for_each(|piece| reader.feed(piece));
        proptest::prop_assert_eq!(reader.outline().unwrap(), whole.clone());
        let longest = whole.beginnings.iter().chain(&whole.head).chain(&whole.opening).map(|b| b.bytes).max();
        proptest::prop_assert!(longest.is_none_or(|longest| longest <= whole.bytes));
        proptest::prop_assert!(whole.old_bytes <= whole.bytes);
    }

    #[test]
    fn no_bytes_break_it(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let mut reader = OutlineReader::new(KEY, 2);
        reader.feed(b"{\"messages\":[");
        reader.feed(&bytes);
        let _any = reader.outline();
    }
}
