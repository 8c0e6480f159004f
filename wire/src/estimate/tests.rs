use super::*;

fn found(keys: &'static [&'static str], body: &str, size: usize) -> (String, Option<u64>) {
    let mut texts = Texts::of_response(keys);
    texts.scan.messages = Some(0);
    body.as_bytes().chunks(size).for_each(|chunk| texts.feed(chunk));
    (texts.kept_text(), texts.scan.messages)
}

#[test]
fn texts_are_found_in_every_cut() {
    let cases: [(&str, &'static [&'static str], &str, &str, u64); 9] = [
        ("an object", &["input"], r#"{"input":{"a":["b",{"c":1}]},"x":"d"}"#, "abc", 0),
        (
            "a list of tools",
            &["tools"],
            r#"{"tools":[{"name":"f","x":{"type":"string"}}],"x":"d"}"#,
            "namefxtypestring",
            0,
        ),
        ("a plain text", &["text"], r#"{"text":"Yes.","id":"text"}"#, "Yes.", 0),
        ("escapes", &["text"], r#"{"text" : "a\"\u00e4\n", "x":"\"text\":\"no\""}"#, "a\"ä\n", 0),
        (
            "events",
            &["content"],
            "data: {\"content\":\"Y\"}\n\ndata: {\"content\":\"es\"}\n\ndata: [DONE]\n\n",
            "Yes",
            0,
        ),
        ("a list", &["texts"], r#"{"texts":["a","b"],"x":["c"]}"#, "ab", 0),
        ("parts in a list", &["content", "text"], r#"{"content":[{"type":"text","text":"a"}]}"#, "a", 0),
        ("something else there", &["content"], r#"{"content":null,"x":"a"}"#, "", 0),
        (
            "messages",
            &["content"],
            r#"[{"role":"user","content":"a"},{"role":"tool","content":"b"}]"#,
            "ab",
            2,
        ),
    ];
    for (name, keys, body, text, messages) in cases {
        for size in 1..=body.len() {
            assert_eq!(
                found(keys, body, size),
                (text.to_owned(), Some(messages)),
                "{name}, in chunks of {size}"
            );
        }
    }
}

#[test]
fn memory_and_work_stay_bounded_and_the_rest_is_taken_to_be_alike() {
    let mut texts = Texts::of_response(&["text"]);
    let event = format!("data: {{\"text\":\"{}\"}}\n\n", "four ".repeat(20));
    for _ in 0..10_000 {
        texts.feed(event.as_bytes());
    }
    assert!(texts.kept.capacity() <= 2 * MOST_KEPT);
    assert!(texts.searched <= MOST_SEARCHED);
    let tokens = texts.tokens(None, &NoVocabulary).unwrap();
    let expected = 10_000 * 100 * 10 / 43;
    assert!(tokens.abs_diff(expected) < expected / 100, "{tokens} in place of {expected}");
}

/// Notes how much it is given to count.
#[derive(Default)]
struct Given(std::cell::Cell<(u32, usize)>);

impl CountTokens for Given {
    fn count(&self, _encoding: Encoding, text: &str) -> Option<u64> {
        let (times, bytes) = self.0.get();
        self.0.set((times.saturating_add(1), bytes.saturating_add(text.len())));
        Some(1)
    }
}

#[test]
fn a_call_has_two_texts_of_8_kib_counted_at_most_however_long_it_is() {
    for text in ["four ", "\\n", "\\ud83d\\ude00", "ä"] {
        let (mut asked, mut said) = (Texts::of_request(), Texts::of_response(&["content"]));
        let piece = format!("{{\"content\":\"{}\"}}\n", text.repeat(1000));
        for _ in 0..1000 {
            asked.feed(piece.as_bytes());
            said.feed(piece.as_bytes());
        }
        let seen = Seen { asked: Some(&asked), said: Some(&said), model: None, complete: true };
        let given = Given::default();
        seen.fill(&mut Reported::default(), &given);
        let (times, bytes) = given.0.get();
        assert_eq!(times, 2, "{text}");
        assert!(bytes <= 2 * MOST_KEPT, "{text}: {bytes} bytes were counted");
    }
}

#[test]
fn what_was_kept_may_end_anywhere() {
    for escape in ["\\n", "\\ud83d\\ude00", "ä", "\\\\"] {
        let body = format!("{{\"text\":\"{}\"}}", escape.repeat(MOST_KEPT));
        for shift in 0..13 {
            let body = body.replacen("text\":\"", &format!("text\":\"{}", "x".repeat(shift)), 1);
            let (text, _) = found(&["text"], &body, 4096);
            assert!(text.len() + shift > MOST_KEPT / 8, "{escape}, {shift}: {} bytes", text.len());
        }
    }
}

#[test]
fn other_scripts_have_fewer_letters_a_token() {
    let count = |text: &str| {
        let mut texts = Texts::of_response(&["text"]);
        texts.feed(format!("{{\"text\":\"{text}\"}}").as_bytes());
        texts.tokens(None, &NoVocabulary)
    };
    assert_eq!(count("The quick brown fox jumps over it all again"), Some(10));
    assert_eq!(count("今日はとても良い天気です"), Some(8));
    assert_eq!(count(""), None);
}

#[cfg(feature = "vocabulary")]
#[test]
fn a_vocabulary_counts_once_it_is_built() {
    let mut vocabulary = Vocabulary::default();
    assert_eq!(vocabulary.count(Encoding::O200k, "hello world"), None);
    vocabulary.build();
    assert_eq!(vocabulary.count(Encoding::O200k, "hello world"), Some(2));
    assert_eq!(vocabulary.count(Encoding::Cl100k, "hello world"), None);
    vocabulary.build();
    // Counted with OpenAI's tiktoken 0.9.
    assert_eq!(vocabulary.count(Encoding::Cl100k, "tiktoken is great!"), Some(6));
}
