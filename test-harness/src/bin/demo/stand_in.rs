//! What the stand-in LLM answers: short made-up texts in the shapes of three providers.

use serde_json::{Value, json};
use tollgate_test_harness::http::{Reply, Seen};

/// Tokens that the stand-in reports for a request. They depend on what the user wrote alone, so that the demo
/// can tell what the record must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// All of the input, cached tokens included.
    pub input: u64,
    /// The part of it that came out of the provider's cache.
    pub cached: u64,
    /// All of the output.
    pub output: u64,
}

impl Usage {
    /// For a request's body.
    pub fn of(request: &Value) -> Self {
        let said = letters(request.get("messages").or(request.get("contents")).unwrap_or(&Value::Null));
        Self { input: 200 + 3 * said, cached: 128, output: 20 + said }
    }
}

fn letters(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.chars().count() as u64,
        Value::Array(items) => items.iter().map(letters).sum(),
        Value::Object(fields) => fields.values().map(letters).sum(),
        _ => 0,
    }
}

const WORDS: [&str; 4] = ["Light ", "is ", "scattered ", "by air."];

/// The answer to any request, in the dialect of its path.
pub fn reply(seen: &Seen) -> Reply {
    let request: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let usage = Usage::of(&request);
    let model = request["model"].as_str().unwrap_or("unknown");
    let streamed = request["stream"] == true;
    match seen.path.split('?').next().unwrap_or_default() {
        "/v1/chat/completions" if streamed => openai_stream(&request, model, usage),
        "/v1/chat/completions" => openai(model, usage),
        "/v1/messages" if streamed => anthropic_stream(model, usage),
        "/v1/messages" => anthropic(model, usage),
        path => gemini(path, usage),
    }
}

fn openai_usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    })
}

fn openai(model: &str, usage: Usage) -> Reply {
    let message = json!({"role": "assistant", "content": WORDS.concat()});
    let body = json!({
        "id": "chatcmpl-demo", "object": "chat.completion", "created": 1_790_000_000, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": openai_usage(usage),
    });
    Reply::json(body.to_string())
}

/// As the provider does, the usage comes only to those who asked for it.
fn openai_stream(request: &Value, model: &str, usage: Usage) -> Reply {
    let chunk = |choices: Value| json!({"id": "chatcmpl-demo", "object": "chat.completion.chunk", "model": model, "choices": choices});
    let delta = |word: &&str| chunk(json!([{"index": 0, "delta": {"content": word}, "finish_reason": null}]));
    let mut chunks: Vec<Value> = WORDS.iter().map(delta).collect();
    chunks.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}])));
    if request["stream_options"]["include_usage"] == true {
        let mut last = chunk(json!([]));
        last["usage"] = openai_usage(usage);
        chunks.push(last);
    }
    let mut events: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    events.push_str("data: [DONE]\n\n");
    Reply::events(events)
}

/// Anthropic counts what came out of the cache beside the input, not in it.
fn anthropic_usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input - usage.cached,
        "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": usage.output,
    })
}

fn anthropic(model: &str, usage: Usage) -> Reply {
    let body = json!({
        "id": "msg_demo", "type": "message", "role": "assistant", "model": model,
        "content": [{"type": "text", "text": WORDS.concat()}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": anthropic_usage(usage),
    });
    Reply::json(body.to_string())
}

fn anthropic_stream(model: &str, usage: Usage) -> Reply {
    let mut begin = anthropic_usage(usage);
    begin["output_tokens"] = json!(1);
    let message = json!({"id": "msg_demo", "type": "message", "role": "assistant", "model": model, "content": [], "usage": begin});
    let mut events = vec![
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    let delta = |word: &&str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}});
    events.extend(WORDS.iter().map(delta));
    events.extend([
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": usage.output}}),
        json!({"type": "message_stop"}),
    ]);
    let line =
        |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    Reply::events(events.iter().map(line).collect::<String>())
}

fn gemini(path: &str, usage: Usage) -> Reply {
    let (model, method) = path.trim_start_matches("/v1beta/models/").split_once(':').unwrap_or((path, ""));
    let piece = |text: &str, finish: Option<&str>, output: u64| {
        json!({
            "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish}],
            "usageMetadata": {
                "promptTokenCount": usage.input,
                "cachedContentTokenCount": usage.cached,
                "candidatesTokenCount": output,
                "totalTokenCount": usage.input + output,
            },
            "modelVersion": model,
        })
    };
    if method != "streamGenerateContent" {
        return Reply::json(piece(&WORDS.concat(), Some("STOP"), usage.output).to_string());
    }
    let (last, first) = WORDS.split_last().unwrap_or((&"", &[]));
    let mut events: String =
        first.iter().map(|word| format!("data: {}\r\n\r\n", piece(word, None, 1))).collect();
    events.push_str(&format!("data: {}\r\n\r\n", piece(last, Some("STOP"), usage.output)));
    Reply::events(events)
}
