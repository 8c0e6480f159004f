//! Bodies as providers spell them.

use serde_json::{Value, json};

/// How many events the usual stream has.
pub const EVENTS: usize = 400;

/// A chat stream: its events with the white space after them, the usage event last but one.
pub struct Stream {
    /// Each with the blank line after it.
    pub events: Vec<String>,
}

impl Stream {
    /// A stream of that many events, among them the usage event; `[DONE]` comes on top.
    pub fn of(events: usize) -> Self {
        let last = events.saturating_sub(2);
        let deltas = (0..events.saturating_sub(1)).map(|n| event(&delta(n, n == last), &Value::Null));
        let usage = event("[]", &usage());
        Self { events: deltas.chain([usage, "data: [DONE]\n\n".to_owned()]).collect() }
    }

    /// The same without its usage event.
    pub fn without_usage(&self) -> Self {
        let at = self.events.len().saturating_sub(2);
        let kept = self.events.iter().enumerate().filter(|(index, _)| *index != at);
        Self { events: kept.map(|(_, event)| event.clone()).collect() }
    }

    /// All events.
    pub fn text(&self) -> String {
        self.events.concat()
    }

    /// Length of the body.
    pub fn length_with_usage(&self) -> usize {
        self.text().len()
    }

    /// Length of the body without the usage event.
    pub fn length_without_usage(&self) -> usize {
        self.without_usage().text().len()
    }
}

/// As OpenAI spells it where usage was asked for: `null` in every event but the usage event.
fn event(choices: &str, usage: &Value) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-017\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\
         \"model\":\"gpt-4o-2024-08-06\",\"choices\":{choices},\"usage\":{usage}}}\n\n"
    )
}

fn delta(n: usize, last: bool) -> String {
    let finish = if last { "\"stop\"" } else { "null" };
    format!("[{{\"index\":0,\"delta\":{{\"content\":\" w{n}\"}},\"finish_reason\":{finish}}}]")
}

fn usage() -> Value {
    json!({"prompt_tokens": 19, "completion_tokens": 398, "total_tokens": 417,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}})
}

/// A chat answer whose text has that many sentences.
pub fn completion(sentences: usize) -> String {
    let content = "Tokens flow like water, and somebody pays for every drop. ".repeat(sentences);
    json!({
        "id": "chatcmpl-bench", "object": "chat.completion", "created": 1_760_000_000,
        "model": "gpt-4o-2024-08-06", "service_tier": "default", "system_fingerprint": "fp_bench",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": content, "refusal": null, "annotations": []}}],
        "usage": usage()
    })
    .to_string()
}

/// Vectors of 3072 numbers, 32 KB each.
pub fn embeddings_of(vectors: usize) -> String {
    let vector = vec!["-0.012345"; 3072].join(",");
    let one = |n: usize| format!("{{\"object\":\"embedding\",\"index\":{n},\"embedding\":[{vector}]}}");
    let data: Vec<String> = (0..vectors).map(one).collect();
    format!(
        "{{\"object\":\"list\",\"data\":[{}],\"model\":\"text-embedding-3-large\",\
         \"usage\":{{\"prompt_tokens\":2,\"total_tokens\":2}}}}",
        data.join(",")
    )
}

/// A chat request for a stream that asks for usage.
pub fn asking_chat() -> String {
    chat("Say hello.", &[("stream", json!(true)), ("stream_options", json!({"include_usage": true}))])
}

/// A chat request.
pub fn chat(prompt: &str, more: &[(&str, Value)]) -> String {
    let mut body = json!({"model": "gpt-4o", "temperature": 0.2, "messages": [
        {"role": "system", "content": "You are brief."}, {"role": "user", "content": prompt}]});
    if let Some(fields) = body.as_object_mut() {
        fields.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    body.to_string()
}

/// What texts are made of: short words and long ones, as in any language that English speakers read.
const WORDS: &str = "the of and to a in is that for it as with was on be by this are from at which or an \
    have not but they one all when there more use your how each she time will about them then some \
    measurement gateway throughput reservation international attribution configuration responsibility \
    understanding quarterly invoice tokens provider streaming request answer budget team feature cost";

/// That many bytes of prose that says nothing. Another seed makes other prose.
pub fn words(length: usize, seed: u64) -> String {
    let all: Vec<&str> = WORDS.split_whitespace().collect();
    let (mut text, mut random, mut count) = (String::new(), seed, 0_u32);
    while text.len() < length {
        // Knuth's multiplier and increment for 64 bits.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = all.get((random >> 33) as usize % all.len()).copied().unwrap_or_default();
        count += 1;
        text.push_str(word);
        text.push_str(if count.is_multiple_of(11) { ". " } else { " " });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_400_events_and_one_of_usage_that_can_be_left_out() {
        let stream = Stream::of(EVENTS);
        assert_eq!(stream.events.len(), EVENTS + 1);
        assert_eq!(stream.text().matches("prompt_tokens\"").count(), 1);
        assert_eq!(stream.without_usage().text().matches("prompt_tokens\"").count(), 0);
    }

    #[test]
    fn prose_is_as_long_as_asked_for_and_differs_by_its_seed() {
        assert!((9_000..9_020).contains(&words(9_000, 1).len()));
        assert_ne!(words(100, 1), words(100, 2));
    }
}
