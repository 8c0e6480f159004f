//! Passes over one value without looking into it.

use memchr::{memchr2, memchr3};

use super::blocks::{self, BLOCK, Passed};

/// Where in a skipped value the scanner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skip {
    /// Before the first byte.
    Begin,
    /// A number or a word.
    Scalar,
    /// A string.
    Text(Escaped),
    /// An object or array; only brackets of its own kind are counted.
    Nested { open: u8, close: u8, depth: u64, text: Option<Escaped> },
}

/// Whether the next byte of a string is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escaped {
    No,
    Yes,
}

impl Skip {
    /// The state for a value that begins with this byte; `None` if no value does.
    pub(crate) fn begin(first: u8) -> Option<Self> {
        let known = matches!(first, b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n');
        known.then_some(Self::Begin)
    }

    /// Passes over `rest`. Returns the state to go on with, `None` at the value's end, and how many bytes
    /// were passed.
    pub(crate) fn pass(self, rest: &[u8]) -> (Option<Self>, usize) {
        match self {
            Self::Begin => Self::whole(rest),
            Self::Scalar => pass_scalar(rest),
            Self::Text(escaped) => pass_text(rest, escaped),
            Self::Nested { open, close, depth, text } => pass_nested(rest, open, close, depth, text),
        }
    }

    /// Passes over a value from its first byte on, in one go: most values are all there.
    fn whole(rest: &[u8]) -> (Option<Self>, usize) {
        let Some((first, tail)) = rest.split_first() else { return (Some(Self::Begin), 0) };
        let (next, passed) = match first {
            b'"' => pass_text(tail, Escaped::No),
            b'{' => pass_nested(tail, b'{', b'}', 1, None),
            b'[' => pass_nested(tail, b'[', b']', 1, None),
            _ => pass_scalar(tail),
        };
        (next, passed.saturating_add(1))
    }
}

fn pass_scalar(rest: &[u8]) -> (Option<Skip>, usize) {
    let end = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
    match rest.iter().position(end) {
        Some(at) => (None, at),
        None => (Some(Skip::Scalar), rest.len()),
    }
}

fn pass_text(rest: &[u8], escaped: Escaped) -> (Option<Skip>, usize) {
    match string_end(rest, escaped) {
        Ok(passed) => (None, passed),
        Err(escaped) => (Some(Skip::Text(escaped)), rest.len()),
    }
}

/// How many bytes there are up to and with the closing quote, or how the string goes on after them.
fn string_end(rest: &[u8], escaped: Escaped) -> Result<usize, Escaped> {
    let (mut at, mut escaped) = (0_usize, escaped);
    loop {
        if escaped == Escaped::Yes {
            at = at.saturating_add(1);
        }
        let Some(tail) = rest.get(at..) else { return Err(escaped) };
        let Some(found) = memchr2(b'"', b'\\', tail) else { return Err(Escaped::No) };
        at = at.saturating_add(found);
        if tail.get(found) == Some(&b'"') {
            return Ok(at.saturating_add(1));
        }
        match pass_escapes(rest, at) {
            Ok(end) => return Ok(end),
            Err(goes_on) => (at, escaped) = goes_on,
        }
    }
}

/// Passes over a string from a backslash on, as long as escapes follow each other closely. `Err` is where and how the string goes on.
fn pass_escapes(rest: &[u8], from: usize) -> Result<usize, (usize, Escaped)> {
    let (mut at, mut escaped) = (from, Escaped::No);
    while let Some(block) = rest.get(at..).and_then(<[u8]>::first_chunk) {
        match blocks::text(block, escaped) {
            Passed::Ends(passed) => return Ok(at.saturating_add(passed)),
            Passed::Goes(_, last) => escaped = last.unwrap_or(Escaped::No),
            Passed::Plain | Passed::Odd => break,
        }
        at = at.saturating_add(BLOCK);
    }
    // In the last few bytes they are passed one by one.
    if at == from { Err((from.saturating_add(1), Escaped::Yes)) } else { Err((at, escaped)) }
}

fn pass_nested(
    rest: &[u8],
    open: u8,
    close: u8,
    mut depth: u64,
    mut text: Option<Escaped>,
) -> (Option<Skip>, usize) {
    let mut at = 0_usize;
    while let Some(block) = rest.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        let next = at.saturating_add(BLOCK);
        match blocks::nested(block, [open, close], depth, text) {
            Passed::Ends(passed) => return (None, at.saturating_add(passed)),
            Passed::Goes(deep, inside) => (at, depth, text) = (next, deep, inside),
            Passed::Plain => {
                at = next.saturating_add(plain(rest.get(next..).unwrap_or_default(), open, close, text))
            }
            Passed::Odd => match pass_marks(block, open, close, depth, text) {
                (None, passed) => return (None, at.saturating_add(passed)),
                (Some(Skip::Nested { depth: deep, text: inside, .. }), _) => {
                    (at, depth, text) = (next, deep, inside)
                }
                (Some(_), _) => at = next,
            },
        }
    }
    let (skip, passed) = pass_marks(rest.get(at..).unwrap_or_default(), open, close, depth, text);
    (skip, at.saturating_add(passed))
}

/// How many bytes follow in which nothing counts: to the next quote or backslash in a string, else to the next quote or bracket.
fn plain(rest: &[u8], open: u8, close: u8, text: Option<Escaped>) -> usize {
    let next = match text {
        Some(_) => memchr2(b'"', b'\\', rest),
        None => memchr3(b'"', open, close, rest),
    };
    next.unwrap_or(rest.len())
}

/// Passes over a nested value from one quote or bracket to the next.
fn pass_marks(
    rest: &[u8],
    open: u8,
    close: u8,
    mut depth: u64,
    text: Option<Escaped>,
) -> (Option<Skip>, usize) {
    let mut at = 0_usize;
    let mut text = text;
    while let Some(tail) = rest.get(at..) {
        if let Some(escaped) = text {
            match string_end(tail, escaped) {
                Ok(passed) => at = at.saturating_add(passed),
                Err(escaped) => {
                    return (Some(Skip::Nested { open, close, depth, text: Some(escaped) }), rest.len());
                }
            }
            text = None;
            continue;
        }
        let Some(found) = mark(tail, open, close) else { break };
        at = at.saturating_add(found).saturating_add(1);
        match tail.get(found) {
            Some(b'"') => text = Some(Escaped::No),
            Some(byte) if *byte == open => depth = depth.saturating_add(1),
            _ => depth = depth.saturating_sub(1),
        }
        if depth == 0 {
            return (None, at);
        }
    }
    (Some(Skip::Nested { open, close, depth, text }), rest.len())
}

/// The next quote or bracket of that kind. Mostly only a colon and a number, or a comma, stand before it: those few bytes are sooner
/// looked at one by one.
fn mark(tail: &[u8], open: u8, close: u8) -> Option<usize> {
    let is_mark = |byte: &u8| *byte == b'"' || *byte == open || *byte == close;
    let (near, far) = tail.split_at_checked(NEAR).unwrap_or((tail, &[]));
    let further = || Some(memchr3(b'"', open, close, far)?.saturating_add(NEAR));
    near.iter().position(is_mark).or_else(further)
}

const NEAR: usize = 6;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes of strings and brackets, most of them such as matter here, in rows and alone.
    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => prop::sample::select(vec!["\"", "\\", "\\\\", "\\\"", "[", "]", "{", "}", "\"a\",", "\\u00e9", "[{\"x\":\"]\"}]"])
                .prop_map(|piece| piece.as_bytes().to_vec()),
            2 => (0_usize..150).prop_map(|length| vec![b'x'; length]),
            1 => (0_usize..70).prop_map(|length| vec![b'\\'; length]),
            1 => prop::collection::vec(any::<u8>(), 0..20),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    /// Passes over a string as the standard has it (RFC 8259, section 7): byte by byte.
    fn string_bytewise(rest: &[u8], escaped: Escaped) -> Result<usize, Escaped> {
        let mut escaped = escaped;
        for (at, byte) in rest.iter().enumerate() {
            escaped = match (escaped, byte) {
                (Escaped::No, b'"') => return Ok(at + 1),
                (Escaped::No, b'\\') => Escaped::Yes,
                _ => Escaped::No,
            };
        }
        Err(escaped)
    }

    /// The same for what has brackets: a backslash counts in strings alone.
    fn nested_bytewise(rest: &[u8], mut depth: u64, mut text: Option<Escaped>) -> (Option<Skip>, usize) {
        let mut at = 0;
        while let Some(byte) = rest.get(at) {
            if let Some(escaped) = text {
                match string_bytewise(&rest[at..], escaped) {
                    Ok(passed) => (at, text) = (at + passed, None),
                    Err(escaped) => (at, text) = (rest.len(), Some(escaped)),
                }
                continue;
            }
            at += 1;
            match byte {
                b'"' => text = Some(Escaped::No),
                b'[' => depth += 1,
                b']' if depth == 1 => return (None, at),
                b']' => depth -= 1,
                _ => {}
            }
        }
        (Some(Skip::Nested { open: b'[', close: b']', depth, text }), rest.len())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn strings_end_where_they_end_byte_by_byte(text in texts(), escaped: bool) {
            let escaped = if escaped { Escaped::Yes } else { Escaped::No };
            prop_assert_eq!(string_end(&text, escaped), string_bytewise(&text, escaped));
        }

        #[test]
        fn brackets_end_where_they_end_byte_by_byte(text in texts(), depth in 1_u64..9, inside in 0..3) {
            let state = [None, Some(Escaped::No), Some(Escaped::Yes)][inside as usize];
            let expected = nested_bytewise(&text, depth, state);
            prop_assert_eq!(pass_nested(&text, b'[', b']', depth, state), expected);
            prop_assert_eq!(pass_marks(&text, b'[', b']', depth, state), expected);
        }
    }
}
