//! Answers in each dialect, in our words.

use serde_json::json;

/// An answer and where it comes from.
pub struct Answer {
    pub name: &'static str,
    pub host: &'static str,
    pub path: &'static str,
    pub streams: bool,
    pub body: Vec<u8>,
}

/// One answer for each decoder and report that there is.
pub fn all() -> Vec<Answer> {
    let plain = |name, host, path, body: serde_json::Value| Answer {
        name,
        host,
        path,
        streams: false,
        body: body.to_string().into_bytes(),
    };
    let openai = "api.openai.com";
    vec![
        plain("openai", openai, "/v1/chat/completions", chat(4)),
        plain(
            "openai_responses",
            openai,
            "/v1/responses",
            json!({"id": "resp_1", "object": "response", "model": "gpt-4.1-2025-04-14", "service_tier": "default",
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello."}]}],
                "usage": {"input_tokens": 40, "input_tokens_details": {"cached_tokens": 10}, "output_tokens": 20,
                    "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 60}}),
        ),
        plain(
            "anthropic",
            "api.anthropic.com",
            "/v1/messages",
            json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5-20251001",
                "content": [{"type": "text", "text": "Hello."}], "stop_reason": "end_turn",
                "usage": {"input_tokens": 12, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                    "output_tokens": 6, "service_tier": "standard"}}),
        ),
        Answer {
            name: "anthropic_stream",
            host: "api.anthropic.com",
            path: "/v1/messages",
            streams: true,
            body: anthropic_stream(),
        },
        plain(
            "gemini",
            "generativelanguage.googleapis.com",
            "/v1beta/models/gemini-2.5-flash:generateContent",
            json!({"candidates": [{"content": {"parts": [{"text": "Hello."}], "role": "model"}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 6, "thoughtsTokenCount": 9,
                    "totalTokenCount": 19}, "modelVersion": "gemini-2.5-flash", "responseId": "r1"}),
        ),
        plain(
            "bedrock_converse",
            "bedrock-runtime.us-east-1.amazonaws.com",
            "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
            json!({"output": {"message": {"role": "assistant", "content": [{"text": "Hello."}]}}, "stopReason": "end_turn",
                "usage": {"inputTokens": 30, "outputTokens": 10, "totalTokens": 40}}),
        ),
        Answer {
            name: "bedrock_converse_stream",
            host: "bedrock-runtime.us-east-1.amazonaws.com",
            path: "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream",
            streams: true,
            body: converse_stream(),
        },
        plain(
            "cohere",
            "api.cohere.com",
            "/v2/chat",
            json!({"id": "c1", "finish_reason": "COMPLETE", "message": {"role": "assistant",
                "content": [{"type": "text", "text": "Hello."}]},
                "usage": {"billed_units": {"input_tokens": 5, "output_tokens": 7},
                    "tokens": {"input_tokens": 71, "output_tokens": 9}}}),
        ),
        Answer {
            name: "ollama_stream",
            host: "localhost:11434",
            path: "/api/chat",
            streams: true,
            body: ollama_stream(),
        },
    ]
}

/// A chat answer; its text has so many sentences.
pub fn chat(sentences: usize) -> serde_json::Value {
    let content = "Tokens flow like water, and somebody pays for every drop. ".repeat(sentences);
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000, "model": "gpt-4o-2024-08-06",
        "service_tier": "default", "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": content, "refusal": null}}],
        "usage": {"prompt_tokens": 19, "completion_tokens": 398, "total_tokens": 417,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}}})
}

/// Events of a chat stream, the last but one with its usage.
pub fn chat_events() -> Vec<String> {
    let event = |choices: &str, usage: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\
             \"model\":\"gpt-4o-2024-08-06\",\"choices\":{choices},\"usage\":{usage}}}\n\n"
        )
    };
    let delta = |n: usize| {
        event(
            &format!("[{{\"index\":0,\"delta\":{{\"content\":\" w{n}\"}},\"finish_reason\":null}}]"),
            "null",
        )
    };
    let usage = event("[]", r#"{"prompt_tokens":19,"completion_tokens":398,"total_tokens":417}"#);
    (0..399).map(delta).chain([usage, "data: [DONE]\n\n".to_owned()]).collect()
}

/// Vectors in JSON of 10 MB.
pub fn embeddings() -> Vec<u8> {
    let numbers = "-0.012345,".repeat(1_000_000);
    let body = format!(
        r#"{{"data":[{{"embedding":[{numbers}0]}}],"model":"text-embedding-3-large","usage":{{"prompt_tokens":2,"total_tokens":2}}}}"#
    );
    body.into_bytes()
}

fn anthropic_stream() -> Vec<u8> {
    let event = |kind: &str, mut data: serde_json::Value| {
        data["type"] = kind.into();
        format!("event: {kind}\ndata: {data}\n\n")
    };
    let usage = json!({"input_tokens": 40, "output_tokens": 1});
    let start = json!({"message": {"id": "m1", "model": "claude-haiku-4-5", "usage": usage}});
    let text = json!({"index": 0, "delta": {"type": "text_delta", "text": " word"}});
    let end = json!({"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 398}});
    let middle = event("content_block_delta", text).repeat(398);
    [event("message_start", start), middle, event("message_delta", end), event("message_stop", json!({}))]
        .concat()
        .into_bytes()
}

fn ollama_stream() -> Vec<u8> {
    let piece =
        json!({"model": "llama3.2", "message": {"role": "assistant", "content": " word"}, "done": false});
    let last = json!({"model": "llama3.2", "message": {"role": "assistant", "content": ""}, "done": true,
        "done_reason": "stop", "prompt_eval_count": 26, "eval_count": 398});
    format!("{}{last}\n", format!("{piece}\n").repeat(398)).into_bytes()
}

fn converse_stream() -> Vec<u8> {
    let delta = json!({"contentBlockIndex": 0, "delta": {"text": " word"}}).to_string();
    let usage = json!({"usage": {"inputTokens": 30, "outputTokens": 398, "totalTokens": 428}}).to_string();
    let mut frames = frame(delta.as_bytes()).repeat(398);
    frames.extend(frame(usage.as_bytes()));
    frames
}

/// One frame of an AWS event stream: lengths, a checksum of them, headers, payload, a checksum of all.
fn frame(payload: &[u8]) -> Vec<u8> {
    let headers = b"\x0d:message-type\x07\x00\x05event";
    let mut frame = ((16 + headers.len() + payload.len()) as u32).to_be_bytes().to_vec();
    frame.extend((headers.len() as u32).to_be_bytes());
    frame.extend(crc32(&frame).to_be_bytes());
    frame.extend_from_slice(headers);
    frame.extend_from_slice(payload);
    frame.extend(crc32(&frame).to_be_bytes());
    frame
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}
