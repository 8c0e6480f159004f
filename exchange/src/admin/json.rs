//! Answers in JSON, written by hand: they are of few forms, and what they are made with stands in every worker's memory.

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

/// A list of values that are JSON already.
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
