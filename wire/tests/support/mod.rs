//! What the tests over recorded and own exchanges have in common.

pub mod encodings;

use std::path::Path;

use serde_json::Value;
use tollgate_pricing::UnitKind;
use tollgate_wire::{
    Call, End, Ended, Injection, Reported, ReportedUsage, RequestFacts, RequestHead, RequestReader,
    ResponseHead, ResponseReader, Traffic, classify,
};

/// One exchange and what it should give.
pub struct Case {
    json: Value,
    request: Vec<u8>,
    pub body: Vec<u8>,
}

/// A case whose expectation is set aside.
pub struct Exception {
    pub case: &'static str,
    pub field: &'static str,
    /// What the contract asks for.
    pub count: Option<u64>,
    pub reason: &'static str,
}

/// An exchange whose request was read.
pub struct Asked<'a> {
    pub case: &'a Case,
    call: Call,
    facts: RequestFacts,
    headers: Vec<(String, &'a str)>,
}

impl Asked<'_> {
    /// Reads the response, cut at these places.
    pub fn answer(&self, cuts: &[usize]) -> Reported {
        self.encoded_answer(None, &self.case.body, cuts)
    }

    /// Reads this body in place of the response's, under that `content-encoding`.
    pub fn encoded_answer(&self, coding: Option<&str>, body: &[u8], cuts: &[usize]) -> Reported {
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        let head = ResponseHead {
            status: self.case.status(),
            content_type: self.case.header("response_headers", "content-type"),
            content_encoding: coding,
            headers: &headers,
        };
        let mut reader = ResponseReader::new(&self.call, &self.facts, &head);
        let mut from = 0;
        for cut in cuts {
            assert_eq!(reader.feed(&body[from..*cut], End::Open), None);
            from = *cut;
        }
        assert_eq!(reader.feed(&body[from..], End::Last), None);
        reader.finish(Ended::Complete)
    }
}

type Row = (String, String, String);

impl Case {
    pub fn load(file: &Path) -> Self {
        let json: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let request = bytes(&json, "request_body");
        let body = bytes(&json, "response_body");
        Self { json, request, body }
    }

    fn text(&self, key: &str) -> &str {
        self.json[key].as_str().unwrap_or_default()
    }

    pub fn name(&self) -> String {
        format!(
            "{} {} {} {}",
            self.text("case"),
            self.text("provider"),
            self.text("endpoint"),
            self.text("url")
        )
    }

    pub fn row(&self) -> Row {
        let part = |key: &str| self.text(key).to_owned();
        (part("provider"), part("endpoint"), part("streaming"))
    }

    pub fn seed(&self) -> u64 {
        self.text("case").parse().unwrap_or(1)
    }

    pub fn is_streamed(&self) -> bool {
        self.text("streaming") != "none"
    }

    fn status(&self) -> u16 {
        self.json["response_status"].as_u64().unwrap().try_into().unwrap()
    }

    fn header(&self, side: &str, name: &str) -> Option<&str> {
        pairs(&self.json[side]).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn expects_usage(&self) -> bool {
        self.status() == 200
            && self.json["expected"]["usage"].as_object().is_some_and(|usage| !usage.is_empty())
    }

    pub fn call(&self) -> Option<Call> {
        let (_, rest) = self.text("url").split_once("://").unwrap();
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path = format!("/{path}");
        let head = RequestHead {
            method: self.text("method"),
            host,
            path: &path,
            content_type: self.header("request_headers", "content-type"),
            content_encoding: None,
            upgrade: None,
        };
        match classify(&head, None) {
            Traffic::Llm(call) => Some(call),
            Traffic::Unmetered(_) | Traffic::Other => None,
        }
    }

    /// Reads the request. `None` if it is no call that is metered.
    pub fn ask(&self) -> Option<Asked<'_>> {
        let call = self.call()?;
        let mut request = RequestReader::new(&call, Injection::Off);
        assert_eq!(request.feed(&self.request, End::Last), None);
        let names = pairs(&self.json["response_headers"]);
        let headers = names.map(|(key, value)| (key.to_ascii_lowercase(), value)).collect();
        Some(Asked { case: self, facts: request.facts().clone(), call, headers })
    }

    /// Where the counts are not the expected ones.
    pub fn differences(&self, reported: &Reported, exceptions: &[Exception]) -> Vec<String> {
        let none = ReportedUsage::default();
        let usage = reported.usage.as_ref().unwrap_or(&none);
        let mut found = Vec::new();
        for (field, ours) in fields(usage) {
            let exception =
                exceptions.iter().find(|known| known.case == self.text("case") && known.field == field);
            let expected = match exception {
                Some(exception) => exception.count,
                None => self.expected(field),
            };
            // The reading fills some counts up with 0, and leaves out a few that are reported as 0.
            let unreported = expected == Some(0) && ours.is_none() && !self.reports(field);
            let overlooks = ours == Some(0) || (field == "web_search" && !usage_is_anthropic(&self.json));
            let overlooked = exception.is_none() && expected.is_none() && overlooks;
            if expected != ours && !unreported && !overlooked {
                found.push(format!("{field} should be {expected:?}, is {ours:?}"));
            }
        }
        let model = self.json["expected"]["model_response"].as_str();
        if self.status() == 200 && model.is_some() && reported.model.as_deref() != model {
            found.push(format!("model should be {model:?}, is {:?}", reported.model));
        }
        found
    }

    fn expected(&self, field: &str) -> Option<u64> {
        if self.status() != 200 {
            return None;
        }
        let usage = &self.json["expected"]["usage"];
        let key = match field {
            "input" => "input_total",
            "output" => "output_total",
            other => other,
        };
        // Iterations are billed one by one: the sum over them counts.
        if let Some(models) = usage["iterations_by_model"].as_object()
            && models.values().any(|model| model.get(key).is_some())
        {
            return Some(models.values().filter_map(|model| model[key].as_u64()).sum());
        }
        let count = usage[key].as_u64()?;
        let apart = field == "output" && usage["reasoning_outside_output"] == true;
        Some(if apart { count + usage["reasoning"].as_u64().unwrap() } else { count })
    }

    /// Whether the raw report has a key for that field, as far as its name tells.
    fn reports(&self, field: &str) -> bool {
        let raw = self.json["expected"]["raw_usage"].to_string();
        let names: &[&str] = match field {
            "cache_read" => &["cached", "cache_read_input_tokens\"", "cacheRead"],
            "cache_write" => &["cache_write", "cache_creation_input_tokens\"", "cacheWrite"],
            "reasoning" => &["reasoning", "thoughts"],
            "output" => &["completion_tokens", "output_tokens", "candidatesTokenCount"],
            _ => &[],
        };
        names.iter().any(|name| raw.contains(name))
    }
}

fn fields(usage: &ReportedUsage) -> [(&'static str, Option<u64>); 16] {
    let unit = |kind| usage.units.get(kind).and_then(|quantity| quantity.whole());
    [
        ("input", usage.input),
        ("output", usage.output),
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write),
        ("cache_write_1h", usage.cache_write_1h),
        ("reasoning", usage.reasoning),
        ("input_audio", usage.input_audio),
        ("input_image", usage.input_image),
        ("input_video", usage.input_video),
        ("output_audio", usage.output_audio),
        ("output_image", usage.output_image),
        ("pages", unit(UnitKind::Pages)),
        ("search_units", unit(UnitKind::SearchUnits)),
        ("images", unit(UnitKind::InputImages)),
        ("seconds", unit(UnitKind::AudioSeconds).filter(|_| usage.input.is_none())),
        ("web_search", unit(UnitKind::WebSearch)),
    ]
}

/// The reading looks for web searches in Anthropic's reports alone.
fn usage_is_anthropic(json: &Value) -> bool {
    !json["expected"]["raw_usage"]["server_tool_use"].is_null()
}

fn bytes(json: &Value, key: &str) -> Vec<u8> {
    let text = json[key].as_str().unwrap_or_default();
    match json[format!("{key}_encoding")].as_str() {
        Some("base64") => base64(text),
        _ => text.as_bytes().to_vec(),
    }
}

fn base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut out = Vec::new();
    let (mut bits, mut have) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=' && !byte.is_ascii_whitespace()) {
        bits = (bits << 6) | u32::from(value(byte));
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    out
}

fn pairs(headers: &Value) -> impl Iterator<Item = (&str, &str)> {
    let list = headers.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)))
}

/// The ways in which a stream is cut: byte by byte, and every single cut up to 16 KB; above that 512 seeded
/// ones and all borders of events, line ends and characters.
pub fn cuts(body: &[u8], seed: u64) -> Vec<Vec<usize>> {
    let mut all = vec![(1..body.len()).collect::<Vec<_>>()];
    if body.len() <= 16 * 1024 {
        all.extend((1..body.len()).map(|cut| vec![cut]));
        return all;
    }
    let mut state = seed | 1;
    for _ in 0..512 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.push(vec![(state % body.len() as u64) as usize]);
    }
    // Borders are cut all at once, before and after: each replay passes every event.
    let border = |at: &usize| matches!(body[*at], b'\n' | b'\r') || body[*at] >= 0x80;
    let borders: Vec<usize> = (1..body.len()).filter(border).collect();
    all.push(borders.clone());
    all.push(borders.iter().map(|at| at + 1).filter(|at| *at < body.len()).collect());
    let alternate = borders.chunks(2).map(|pair| pair[0]).collect();
    all.push(alternate);
    all
}
