//! How far counts of our own are from what providers report: over recorded exchanges that do report usage, whose reports are hidden
//! from the reader. Prints a table for `docs/estimates.md`; `cargo xtask estimates` runs it.
//!
//! `estimates FOLDER`: recorded exchanges, one JSON file each.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_arithmetic,
    reason = "a measurement, not the meter"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use tollgate_wire::{
    Call, CountTokens, Encoding, End, Ended, Injection, NoVocabulary, Reported, RequestHead, RequestReader,
    ResponseHead, ResponseReader, Traffic, Vocabulary, classify,
};

/// What was reported, and what is estimated with a vocabulary and without.
type Sample = (u64, [u64; 2]);

#[derive(Default)]
struct Row {
    input: Vec<Sample>,
    output: Vec<Sample>,
}

impl Row {
    fn add(&mut self, input: Option<Sample>, output: Option<Sample>) {
        self.input.extend(input);
        self.output.extend(output);
    }
}

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder of recorded exchanges"));
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let vocabulary = vocabulary();
    let (mut providers, mut families) = (BTreeMap::<String, Row>::new(), BTreeMap::<String, Row>::new());
    for file in files {
        let case: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        if let Some((model, input, output)) = measured(&case, &vocabulary) {
            for name in [case["provider"].as_str().unwrap(), "all"] {
                providers.entry(name.to_owned()).or_default().add(input, output);
            }
            if std::env::var_os("EACH").is_some() {
                let side = |sample: Option<Sample>| {
                    sample.map_or("- -".to_owned(), |(told, ours)| format!("{told} {}", ours[0]))
                };
                println!(
                    "{} {} {} {model} | {} | {}",
                    case["case"],
                    case["provider"],
                    case["endpoint"],
                    side(input),
                    side(output)
                );
            }
            let long = |sample: Option<Sample>| sample.filter(|(told, _)| *told >= 50);
            providers
                .entry("all of 50 tokens and more".to_owned())
                .or_default()
                .add(long(input), long(output));
            families.entry(family(&model).to_owned()).or_default().add(input, output);
        }
    }
    for (title, table) in [("provider", &providers), ("family", &families)] {
        print(title, table);
    }
}

fn vocabulary() -> Vocabulary {
    let mut vocabulary = Vocabulary::default();
    for encoding in [Encoding::O200k, Encoding::Cl100k] {
        let _wanted_now = vocabulary.count(encoding, "");
        vocabulary.build();
    }
    vocabulary
}

/// The model, and what was reported and estimated of its input and its output.
fn measured(case: &Value, vocabulary: &Vocabulary) -> Option<(String, Option<Sample>, Option<Sample>)> {
    if case["response_status"] != 200 {
        return None;
    }
    let call = call(case)?;
    let told = answer(case, &call, &bytes(case, "response_body"), &NoVocabulary, false);
    let reported = told.usage.as_ref()?;
    let (exact, rough) = (hidden(case, &call, vocabulary), hidden(case, &call, &NoVocabulary));
    let pair = |count: fn(&Reported) -> Option<u64>| Some([count(&exact)?, count(&rough)?]);
    let request = case["request_body"].as_str().unwrap_or_default();
    let media = ["base64", "image", "audio", "\"file", "video", "document", "REDACTED"];
    let texts_alone =
        !media.iter().any(|word| request.contains(word)) && case["request_body_encoding"] != "base64";
    // Searches and the like put tokens into the input that the request does not show.
    let served = reported.units.iter().next().is_some();
    let input = reported.input.filter(|count| *count > 0 && texts_alone && !served);
    let output = reported.output.filter(|count| *count > 0 && reported.reasoning.unwrap_or_default() == 0);
    let sample = |count: Option<u64>, of: fn(&Reported) -> Option<u64>| Some((count?, pair(of)?));
    let model = told.model.clone().or_else(|| call.path_model().map(str::to_owned));
    let model =
        model.or_else(|| serde_json::from_str::<Value>(request).ok()?["model"].as_str().map(str::to_owned));
    Some((
        model.unwrap_or_default(),
        sample(input, |r| r.usage.as_ref()?.input),
        sample(output, |r| r.usage.as_ref()?.output),
    ))
}

fn call(case: &Value) -> Option<Call> {
    let (host, path) = case["url"].as_str()?.split_once("://")?.1.split_once('/')?;
    let path = format!("/{path}");
    let head = RequestHead {
        method: case["method"].as_str()?,
        host,
        path: &path,
        content_type: Some("application/json"),
        content_encoding: None,
        upgrade: None,
    };
    match classify(&head, None) {
        Traffic::Llm(call) => Some(call),
        _ => None,
    }
}

/// The answer whose reports are hidden.
fn hidden(case: &Value, call: &Call, counter: &dyn CountTokens) -> Reported {
    let mut body = bytes(case, "response_body");
    if case["streaming"] == "aws-eventstream" {
        body = without_last_frame(&body);
    }
    let ends =
        ["\"type\":\"response.completed\"", "\"event_type\":\"stream-end\"", "\"type\":\"message-end\""];
    if let Ok(text) = std::str::from_utf8(&body) {
        let lines = text
            .split_inclusive('\n')
            .filter(|line| !ends.iter().any(|end| line.replace(' ', "").contains(end)));
        body = lines.collect::<String>().into_bytes();
    }
    for key in [
        "\"usage\"",
        "\"usageMetadata\"",
        "\"usage_info\"",
        "\"meta\"",
        "\"eval_count\"",
        "\"prompt_eval_count\"",
        "\"prompt_token_count\"",
        "\"generation_token_count\"",
        "\"inputTextTokenCount\"",
        "\"tokenCount\"",
    ] {
        while let Some(at) = body.windows(key.len()).position(|window| window == key.as_bytes()) {
            body[at + 2] = b'#';
        }
    }
    answer(case, call, &body, counter, true)
}

fn without_last_frame(body: &[u8]) -> Vec<u8> {
    let (mut start, mut last) = (0, 0);
    while let Some(length) = body.get(start..start + 4) {
        last = start;
        start += u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
    }
    body[..last].to_vec()
}

fn answer(case: &Value, call: &Call, body: &[u8], counter: &dyn CountTokens, hidden: bool) -> Reported {
    let mut request = RequestReader::new(call, Injection::Off).estimating(call);
    request.feed(&bytes(case, "request_body"), End::Last);
    let headers = case["response_headers"].as_array().cloned().unwrap_or_default();
    let headers: Vec<(String, &str)> = headers
        .iter()
        .filter_map(|pair| Some((pair[0].as_str()?.to_ascii_lowercase(), pair[1].as_str()?)))
        .filter(|_| !hidden)
        .collect();
    let pairs: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let head = ResponseHead { status: 200, content_type: None, content_encoding: None, headers: &pairs };
    let mut reader = ResponseReader::new(call, request.facts(), &head).estimating();
    for chunk in body.chunks(1000) {
        reader.feed(chunk, End::Open);
    }
    reader.feed(b"", End::Last);
    match hidden {
        true => reader.finish_counting(Ended::Complete, &request, counter),
        false => reader.finish(Ended::Complete),
    }
}

fn bytes(case: &Value, key: &str) -> Vec<u8> {
    let text = case[key].as_str().unwrap_or_default();
    if case[format!("{key}_encoding")] == "base64" { base64(text) } else { text.as_bytes().to_vec() }
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut have, mut out) = (0_usize, 0, Vec::new());
    for value in text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte)) {
        bits = (bits << 6 | value) & 0xffff;
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have & 0xff) as u8);
        }
    }
    out
}

fn family(model: &str) -> &'static str {
    let names = [
        "claude", "gemini", "gemma", "gpt-oss", "gpt", "llama", "mistral", "mixtral", "qwen", "deepseek",
        "grok", "command", "nova", "titan", "sonar", "kimi", "glm", "palmyra", "o3", "o4", "o1",
    ];
    let name = model.to_ascii_lowercase();
    names.into_iter().find(|family| name.contains(family)).unwrap_or("others")
}

fn print(title: &str, table: &BTreeMap<String, Row>) {
    println!(
        "| {title} | outputs | median | p95 | sum | by length: median | p95 | inputs | median | p95 | sum | by length: median | p95 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (name, row) in table {
        println!("| `{name}` | {} | {} |", told(&row.output), told(&row.input));
    }
    println!();
}

fn told(samples: &[Sample]) -> String {
    if samples.is_empty() {
        return "0 | - | - | - | - | -".to_owned();
    }
    let [exact, rough] = [0, 1].map(|way| {
        let error =
            |(reported, estimates): &Sample| estimates[way].abs_diff(*reported) as f64 / *reported as f64;
        let mut errors: Vec<f64> = samples.iter().map(error).collect();
        errors.sort_by(f64::total_cmp);
        let at = |share: usize| errors[(errors.len() - 1) * share / 100] * 100.0;
        format!("{:.0} % | {:.0} %", at(50), at(95))
    });
    let sums = samples.iter().fold((0, 0), |sum, (reported, [exact, _])| (sum.0 + reported, sum.1 + exact));
    format!("{} | {exact} | {:+.0} % | {rough}", samples.len(), (sums.1 as f64 / sums.0 as f64 - 1.0) * 100.0)
}
