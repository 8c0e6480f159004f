//! Bodies, written so that they can be read.

use serde::Deserialize;
use serde_json::Value;

/// Bytes of a body.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Body {
    /// As UTF-8.
    Text(String),
    /// One of the written forms.
    Written(Written),
}

/// Forms of a body that are easier to read than its bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// Without white space.
    Json(Value),
    /// Two digits a byte, white space skipped.
    Hex(String),
    /// The same again and again.
    Repeat {
        /// What is repeated.
        body: Box<Body>,
        /// How often.
        times: usize,
    },
    /// One behind the other.
    Parts(Vec<Body>),
}

impl Default for Body {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Body {
    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Written(Written::Json(value)) => value.to_string().into_bytes(),
            Self::Written(Written::Hex(digits)) => from_hex(digits),
            Self::Written(Written::Repeat { body, times }) => body.bytes().repeat(*times),
            Self::Written(Written::Parts(parts)) => {
                parts.iter().map(Self::bytes).collect::<Vec<_>>().concat()
            }
        }
    }
}

/// The bytes of hexadecimal digits; anything else between them is skipped.
pub fn from_hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> = digits.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks_exact(2).filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_can_be_written_in_several_forms() {
        let check = |written: &str, expected: &[u8]| {
            let body: Body = serde_json::from_str(written).unwrap();
            assert_eq!(body.bytes(), expected, "{written}");
        };
        check(r#""plain""#, b"plain");
        check(r#"{"json":{"a": [1, 2]}}"#, br#"{"a":[1,2]}"#);
        check(r#"{"hex":"ff 00 7b"}"#, b"\xff\x00{");
        check(r#"{"repeat":{"body":"ab","times":3}}"#, b"ababab");
        check(r#"{"parts":["a",{"hex":"0a"},"b"]}"#, b"a\nb");
    }
}
