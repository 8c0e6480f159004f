//! Passes over one value without looking into it.

use memchr::{memchr2, memchr3};

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
    let mut at = usize::from(escaped == Escaped::Yes);
    while let Some(tail) = rest.get(at..) {
        let Some(found) = memchr2(b'"', b'\\', tail) else { return Err(Escaped::No) };
        at = at.saturating_add(found).saturating_add(1);
        if tail.get(found) == Some(&b'"') {
            return Ok(at);
        }
        if at == rest.len() {
            return Err(Escaped::Yes);
        }
        at = at.saturating_add(1);
    }
    Err(Escaped::No)
}

fn pass_nested(
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
