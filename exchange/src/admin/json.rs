//! Answers in JSON, written by hand: they are of few forms, and what they are made with stands in every worker's memory.

use tollgate_record::Timestamp;

/// A text in quotes (RFC 8259, section 7).
#[inline(never)]
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// An object that is being written, member by member.
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Self {
        Self("{".to_owned())
    }

    /// A member whose value is JSON already.
    #[inline(never)]
    pub(crate) fn put(&mut self, name: &str, json: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&quoted(name));
        self.0.push(':');
        self.0.push_str(json);
    }

    /// A member that is a text; `null` without one.
    #[inline(never)]
    pub(crate) fn text(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.put(name, &quoted(text)),
            None => self.put(name, "null"),
        }
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// An instant, from seconds of the epoch.
pub(crate) fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_unix_nanos(seconds.saturating_mul(1_000_000_000))
}

/// A list of values that are JSON already.
#[inline(never)]
pub(crate) fn list(values: &[String]) -> String {
    format!("[{}]", values.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_text_reads_back(texts in proptest::collection::vec(proptest::string::string_regex("(?s).{0,9}").unwrap(), 0..4)) {
            let json = list(&texts.iter().map(|text| quoted(text)).collect::<Vec<_>>());
            proptest::prop_assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), texts);
        }
    }
}
