//! Changes to a request that is held whole: another model, a lower limit on the answer. Every other byte stays as it is.

use crate::call::{Call, RequestBody};
use crate::dialect::UsageKind;
use crate::field::Role;
use crate::json::{Count, Value};
use crate::stream::json_fields::{Content, Path, Root, Scanner, Set, Sink, Want, Wants, indices};

/// What of a held request is to be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite<'a> {
    /// The model is this one, where the body names it.
    pub model: Option<&'a str>,
    /// Each answer has at most so many tokens: what is more is lowered, in every spelling that stands there, and what is
    /// missing is added.
    pub max_output_tokens: Option<u64>,
}

/// The body is none that can be changed, or its dialect has no place for what should stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrewritable;

impl Call {
    /// The changed body; `None` if it says already what it should.
    ///
    /// # Errors
    /// Where the body is broken or encoded, is a form, or its dialect has no place for what should stand there.
    pub fn rewrite_body(&self, body: &[u8], rewrite: &Rewrite<'_>) -> Result<Option<Vec<u8>>, Unrewritable> {
        if self.body != RequestBody::Json {
            return Err(Unrewritable);
        }
        let model = rewrite.model.filter(|_| self.path_model().is_none());
        let mut places = Places::new(self);
        let mut scanner = Scanner::new(places.wants.clone(), Root::Objects);
        scanner.feed(body, &mut places);
        if scanner.malformed || places.end.is_none() {
            return Err(Unrewritable);
        }
        let mut edits = Vec::new();
        if let Some(model) = model {
            places.set_model(model, &mut edits)?;
        }
        if let Some(limit) = rewrite.max_output_tokens {
            places.set_limit(self, body, limit, &mut edits)?;
        }
        Ok(apply(body, edits))
    }

    /// The path with another model in it; `None` if it names none, or not in a way that can be found again.
    pub fn rewrite_path(&self, path: &str, model: &str) -> Option<String> {
        let old = self.path_model()?;
        let (route, query) = path.split_once('?').map_or((path, None), |(route, query)| (route, Some(query)));
        let parts = route.split('/').map(|part| {
            let (name, verb) = part.split_once(':').map_or((part, None), |(name, verb)| (name, Some(verb)));
            if decoded(part) == old {
                encoded(model)
            } else if let (true, Some(verb)) = (decoded(name) == old, verb) {
                format!("{}:{verb}", encoded(model))
            } else {
                part.to_owned()
            }
        });
        let changed = parts.collect::<Vec<_>>().join("/");
        if changed == route {
            return None;
        }
        Some(query.map_or(changed.clone(), |query| format!("{changed}?{query}")))
    }

    /// Whether a limit on the answer can be written into a request that has none.
    pub fn takes_output_limit(&self) -> bool {
        self.body == RequestBody::Json && self.preferred_limit().is_some()
    }

    /// Where a limit goes that does not stand there yet.
    fn preferred_limit(&self) -> Option<&'static [&'static str]> {
        // InvokeModel's body is the vendor's own, and not to be told apart by its model alone.
        if self.dialect().usage == UsageKind::Invoke {
            return None;
        }
        let limits = self.dialect().request.iter().filter(|want| want.role == Role::MaxOutput);
        let mut paths = limits.filter_map(|want| match want.path {
            Path::Fixed(path) => Some(path),
            Path::Own(_) => None,
        });
        let first = paths.next()?;
        // Only OpenAI itself takes its newer name everywhere; of its relatives many know the older one alone.
        let newer = matches!(self.provider(), "openai" | "azure.ai.openai");
        if first == ["max_completion_tokens"] && !newer { paths.next() } else { Some(first) }
    }
}

/// Bytes to be put in place of a part of the body.
type Edit = (usize, usize, String);

/// Where in the body things stand.
struct Places {
    wants: Wants,
    begins: usize,
    /// Roles and the bytes of their values.
    found: Vec<(Role, usize, usize)>,
    /// The limits' containers: which want, where it ends, what it holds.
    containers: Vec<(usize, usize, Content)>,
    /// Where the object ends, and what it holds.
    end: Option<(usize, Content)>,
}

impl Places {
    fn new(call: &Call) -> Self {
        let own = call.request_wants();
        let kept = own.iter().filter(|want| matches!(want.role, Role::Model | Role::MaxOutput));
        let mut wants: Vec<Want> = kept.cloned().collect();
        for want in own.iter().filter(|want| want.role == Role::MaxOutput) {
            if let Path::Fixed([container, _]) = want.path {
                let path = Path::Own(std::sync::Arc::from([(*container).to_owned()]));
                let sight = Want { role: Role::StreamOptions, path };
                if !wants.contains(&sight) {
                    wants.push(sight);
                }
            }
        }
        let wants = Wants::own(wants);
        Self { wants, begins: 0, found: Vec::new(), containers: Vec::new(), end: None }
    }

    fn set_model(&self, model: &str, edits: &mut Vec<Edit>) -> Result<(), Unrewritable> {
        let named = self.found.iter().filter(|(role, _, _)| *role == Role::Model);
        let before = edits.len();
        edits.extend(named.map(|(_, start, end)| (*start, *end, quoted(model))));
        if edits.len() > before { Ok(()) } else { Err(Unrewritable) }
    }

    fn set_limit(
        &self,
        call: &Call,
        body: &[u8],
        limit: u64,
        edits: &mut Vec<Edit>,
    ) -> Result<(), Unrewritable> {
        let limits: Vec<_> = self.found.iter().filter(|(role, _, _)| *role == Role::MaxOutput).collect();
        for (_, start, end) in &limits {
            let raw = body.get(*start..*end).unwrap_or_default();
            let kept = Value::parse(raw)
                .is_some_and(|value| matches!(value.count(&[]), Count::Whole(count) if count <= limit));
            if !kept {
                edits.push((*start, *end, limit.to_string()));
            }
        }
        if limits.is_empty() { self.add_limit(call, limit, edits) } else { Ok(()) }
    }

    fn add_limit(&self, call: &Call, limit: u64, edits: &mut Vec<Edit>) -> Result<(), Unrewritable> {
        let preferred = call.preferred_limit().ok_or(Unrewritable)?;
        let member = match (preferred, self.containers.first()) {
            ([_, _], Some((index, at, content))) => {
                let key = self.key_inside(*index).ok_or(Unrewritable)?;
                edits.push((*at, *at, joined(*content, &format!("\"{key}\":{limit}"))));
                return Ok(());
            }
            ([container, key], None) => format!("\"{container}\":{{\"{key}\":{limit}}}"),
            ([key], _) => format!("\"{key}\":{limit}"),
            _ => return Err(Unrewritable),
        };
        let (at, content) = self.end.ok_or(Unrewritable)?;
        edits.push((at, at, joined(content, &member)));
        Ok(())
    }

    /// How the limit is spelled in the container that this want is about.
    fn key_inside(&self, container: usize) -> Option<String> {
        let name = self.wants.get(container)?.path.key(0)?;
        let inside = self.wants.iter().find(|want| {
            want.role == Role::MaxOutput && want.path.len() == 2 && want.path.key(0) == Some(name)
        });
        inside?.path.key(1).map(str::to_owned)
    }
}

impl Sink for Places {
    fn begins(&mut self, _wants: Set, _first: u8, at: usize) {
        self.begins = at;
    }

    fn value(&mut self, wants: Set, raw: &[u8]) {
        let end = self.begins.saturating_add(raw.len());
        let role = indices(wants).find_map(|index| Some(self.wants.get(index)?.role));
        self.found.extend(role.filter(|_| self.end.is_none()).map(|role| (role, self.begins, end)));
    }

    fn closes(&mut self, wants: Set, content: Content, at: usize) {
        if self.end.is_some() {
            return;
        }
        match indices(wants).next() {
            Some(index) => self.containers.push((index, at, content)),
            None => self.end = Some((at, content)),
        }
    }
}

/// A text as JSON (RFC 8259, section 7).
fn quoted(text: &str) -> String {
    let inner = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", inner.collect::<String>())
}

fn joined(content: Content, member: &str) -> String {
    match content {
        Content::Empty => member.to_owned(),
        Content::Filled => format!(",{member}"),
    }
}

fn apply(body: &[u8], mut edits: Vec<Edit>) -> Option<Vec<u8>> {
    edits.retain(|(start, end, put)| body.get(*start..*end) != Some(put.as_bytes()));
    if edits.is_empty() {
        return None;
    }
    edits.sort_by_key(|(start, _, _)| *start);
    let mut out = Vec::with_capacity(body.len().saturating_add(64));
    let mut place = 0;
    for (start, end, put) in edits {
        out.extend_from_slice(body.get(place..start).unwrap_or_default());
        out.extend_from_slice(put.as_bytes());
        place = end;
    }
    out.extend_from_slice(body.get(place..).unwrap_or_default());
    Some(out)
}

/// A part of a path without its percent-encoding; what is none stays as it is.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digit = |place: usize| tail.get(place).and_then(|byte| char::from(*byte).to_digit(16));
        let pair = match (*first == b'%', digit(0), digit(1)) {
            (true, Some(high), Some(low)) => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        bytes.push(pair.unwrap_or(*first));
        rest = if pair.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3).
fn encoded(model: &str) -> String {
    model.bytes().fold(String::with_capacity(model.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{RequestHead, Traffic, classify};

    fn call(url: &str) -> Call {
        let (host, path) = url.split_once('/').unwrap();
        let path = format!("/{path}");
        let head = RequestHead {
            method: "POST",
            host,
            path: &path,
            content_type: Some("application/json"),
            content_encoding: None,
            upgrade: None,
        };
        match classify(&head, None) {
            Traffic::Llm(call) => call,
            other => panic!("{other:?}"),
        }
    }

    const OPENAI: &str = "api.openai.com/v1/chat/completions";
    const GROQ: &str = "api.groq.com/openai/v1/chat/completions";
    const CLAUDE: &str = "api.anthropic.com/v1/messages";
    const GEMINI: &str = "generativelanguage.googleapis.com/v1beta/models/g:generateContent";
    const RESPONSES: &str = "api.openai.com/v1/responses";
    const INVOKE: &str = "bedrock-runtime.us-east-1.amazonaws.com/model/a.b/invoke";
    const CONVERSE: &str = "bedrock-runtime.us-east-1.amazonaws.com/model/a.b/converse";

    #[test]
    fn a_limit_is_lowered_or_added_in_the_spelling_of_the_request() {
        for (name, url, body, expected) in [
            (
                "OpenAI's newer name",
                OPENAI,
                r#"{"model":"m"}"#,
                r#"{"model":"m","max_completion_tokens":50}"#,
            ),
            ("the name that all know", GROQ, r#"{ "model":"m" }"#, r#"{ "model":"m" ,"max_tokens":50}"#),
            ("an empty object", CLAUDE, "{}", r#"{"max_tokens":50}"#),
            ("a greater one", CLAUDE, r#"{"max_tokens": 900 ,"a":1}"#, r#"{"max_tokens": 50 ,"a":1}"#),
            (
                "every spelling",
                OPENAI,
                r#"{"max_tokens":60,"max_completion_tokens":70}"#,
                r#"{"max_tokens":50,"max_completion_tokens":50}"#,
            ),
            ("null is none", OPENAI, r#"{"max_tokens":null}"#, r#"{"max_tokens":50}"#),
            ("a lower one stays", OPENAI, r#"{"max_tokens":50}"#, ""),
            (
                "one deep down is another",
                OPENAI,
                r#"{"a":{"max_tokens":1}}"#,
                r#"{"a":{"max_tokens":1},"max_completion_tokens":50}"#,
            ),
            ("Responses", RESPONSES, r#"{"a":1}"#, r#"{"a":1,"max_output_tokens":50}"#),
            (
                "an object for it",
                GEMINI,
                r#"{"a":1}"#,
                r#"{"a":1,"generationConfig":{"maxOutputTokens":50}}"#,
            ),
            (
                "an object that is there",
                GEMINI,
                r#"{"generationConfig":{"x":1},"a":1}"#,
                r#"{"generationConfig":{"x":1,"maxOutputTokens":50},"a":1}"#,
            ),
            (
                "in its other spelling",
                GEMINI,
                r#"{"generation_config":{}}"#,
                r#"{"generation_config":{"max_output_tokens":50}}"#,
            ),
            (
                "Converse",
                CONVERSE,
                r#"{"inferenceConfig":{"maxTokens":51}}"#,
                r#"{"inferenceConfig":{"maxTokens":50}}"#,
            ),
            ("a vendor's own", INVOKE, r#"{"max_gen_len":51}"#, r#"{"max_gen_len":50}"#),
        ] {
            let rewrite = Rewrite { max_output_tokens: Some(50), ..Rewrite::default() };
            let got = call(url).rewrite_body(body.as_bytes(), &rewrite).unwrap();
            let got = got.map(|bytes| String::from_utf8(bytes).unwrap()).unwrap_or_default();
            assert_eq!(got, expected, "{name}");
            if !got.is_empty() {
                assert!(serde_json::from_str::<serde_json::Value>(&got).is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn a_model_is_replaced_wherever_the_body_names_it() {
        let rewrite = Rewrite { model: Some("a\"b"), ..Rewrite::default() };
        let body = br#"{"model":"old","x":{"model":"deep"},"model" : "old"}"#;
        let changed = call(OPENAI).rewrite_body(body, &rewrite).unwrap().unwrap();
        assert_eq!(
            String::from_utf8(changed).unwrap(),
            r#"{"model":"a\"b","x":{"model":"deep"},"model" : "a\"b"}"#
        );
        assert_eq!(call(GEMINI).rewrite_body(b"{}", &rewrite), Ok(None), "the path names it");
    }

    #[test]
    fn what_cannot_be_changed_is_left_alone() {
        let both = Rewrite { model: Some("m"), max_output_tokens: Some(5) };
        for (name, url, body) in [
            ("no JSON", OPENAI, "nonsense"),
            ("half an object", OPENAI, r#"{"model":"x""#),
            ("no model", OPENAI, r#"{"a":1}"#),
            ("a vendor's body without a limit", INVOKE, r#"{"a":1}"#),
        ] {
            assert_eq!(call(url).rewrite_body(body.as_bytes(), &both), Err(Unrewritable), "{name}");
        }
        assert!(!call(INVOKE).takes_output_limit() && call(OPENAI).takes_output_limit());
    }

    #[test]
    fn a_model_in_the_path_is_replaced_there() {
        for (url, path, expected) in [
            (
                GEMINI,
                "/v1beta/models/g:generateContent?alt=sse",
                Some("/v1beta/models/new%3A1:generateContent?alt=sse"),
            ),
            (CONVERSE, "/model/a.b/converse", Some("/model/new%3A1/converse")),
            (
                "bedrock-runtime.us-east-1.amazonaws.com/model/a.b%3A0/invoke",
                "/model/a.b%3A0/invoke",
                Some("/model/new%3A1/invoke"),
            ),
            (
                "x.openai.azure.com/openai/deployments/d%201/chat/completions",
                "/openai/deployments/d%201/chat/completions?v=1",
                Some("/openai/deployments/new%3A1/chat/completions?v=1"),
            ),
            (OPENAI, "/v1/chat/completions", None),
        ] {
            assert_eq!(call(url).rewrite_path(path, "new:1").as_deref(), expected, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_it(body in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            let both = Rewrite { model: Some("m"), max_output_tokens: Some(5) };
            for url in [OPENAI, GEMINI, INVOKE] {
                let _any = call(url).rewrite_body(&body, &both);
            }
        }
    }
}
