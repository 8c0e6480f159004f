//! A stand-in LLM that speaks as OpenAI and Anthropic do, so far as their SDKs look.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_test_harness::http::{Reply, Seen, When};

pub const GPT: &str = "gpt-4.1-mini";
pub const CLAUDE: &str = "claude-haiku-4-5";

/// Two words, to `endless` a stream of words for 15 s, to `never` nothing.
pub fn answer(seen: &Seen) -> Reply {
    let Ok(asked) = serde_json::from_slice::<Value>(&seen.body) else { return Reply::default() };
    let text = asked["messages"][0]["content"].as_str().or(asked["input"].as_str()).unwrap_or_default();
    let words = if text == "endless" { vec![ENDLESS; 300] } else { vec!["some ", "words"] };
    let events = match seen.path.split('?').next().unwrap_or_default() {
        "/v1/messages" => claude_events(&words),
        "/v1/responses" => response_events(&words),
        _ => chat_events(&words, asked["stream_options"]["include_usage"] == true),
    };
    if text == "never" {
        return Reply { when: When::Never, ..Reply::default() };
    }
    if asked["stream"] == true {
        let pause = Duration::from_millis(if text == "endless" { 50 } else { 0 });
        return Reply { pause, ..Reply::events(events) };
    }
    Reply::json(whole(&seen.path, &words.concat()).to_string())
}

/// What an endless stream says again and again.
pub const ENDLESS: &str = "some more words ";

fn whole(path: &str, text: &str) -> Value {
    match path.split('?').next().unwrap_or_default() {
        "/v1/messages" => json!({
            "id": "m", "type": "message", "role": "assistant", "model": CLAUDE, "stop_reason": "end_turn", "stop_sequence": null,
            "content": [{"type": "text", "text": text}], "usage": {"input_tokens": 5, "output_tokens": 2},
        }),
        "/v1/responses" => response("completed", text),
        _ => json!({
            "id": "c", "object": "chat.completion", "created": 1, "model": GPT, "usage": CHAT_USAGE.parse::<Value>().unwrap(),
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        }),
    }
}

const CHAT_USAGE: &str = r#"{"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}"#;

fn response(status: &str, text: &str) -> Value {
    json!({
        "id": "r", "object": "response", "created_at": 1, "status": status, "model": GPT, "parallel_tool_calls": true,
        "tool_choice": "auto", "tools": [],
        "output": [{"id": "o", "type": "message", "role": "assistant", "status": status,
                    "content": [{"type": "output_text", "text": text, "annotations": []}]}],
        "usage": {"input_tokens": 5, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 2,
                  "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 7},
    })
}

fn chat_events(words: &[&str], with_usage: bool) -> String {
    let chunk = |choices: Value| json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": GPT, "choices": choices});
    let word = |word: &&str| chunk(json!([{"index": 0, "delta": {"content": word}, "finish_reason": null}]));
    let mut events: Vec<Value> = words.iter().map(word).collect();
    events.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}])));
    if with_usage {
        let mut last = chunk(json!([]));
        last["usage"] = CHAT_USAGE.parse().unwrap();
        events.push(last);
    }
    let events: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    events + "data: [DONE]\n\n"
}

fn response_events(words: &[&str]) -> String {
    let word = |word: &&str| json!({"type": "response.output_text.delta", "item_id": "o", "output_index": 0, "content_index": 0, "delta": word, "logprobs": []});
    let completed = json!({"type": "response.completed", "response": response("completed", &words.concat())});
    let events = words.iter().map(word).chain([completed]).enumerate().map(|(number, mut event)| {
        event["sequence_number"] = json!(number);
        event
    });
    named(events)
}

fn claude_events(words: &[&str]) -> String {
    let message = json!({
        "id": "m", "type": "message", "role": "assistant", "model": CLAUDE, "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 5, "output_tokens": 1},
    });
    let block = json!({"type": "text", "text": ""});
    let begin = [
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": block}),
    ];
    let word = |word: &&str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}});
    let end = [
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ];
    named(begin.into_iter().chain(words.iter().map(word)).chain(end))
}

/// Events that are named after their type.
fn named(events: impl Iterator<Item = Value>) -> String {
    events
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()))
        .collect()
}
