//! A JSON value as a tree that borrows from its text.

use std::borrow::Cow;

use super::{Count, Decimal, unescape};

/// How deep a value may nest before it is refused. Reports nest three levels deep.
const DEEPEST: usize = 24;

/// One JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// Digits, signs, points and exponents as they stand: ASCII.
    Number(&'a [u8]),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Map(Members<'a>),
}

/// The members of an object, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Members<'a> {
    /// The [`bit`] of each key: most keys that are asked for are not there, and this tells.
    bits: u64,
    items: Vec<(Cow<'a, [u8]>, Value<'a>)>,
}

/// Reports have about this many members; a place for each is made at once.
const USUAL_MEMBERS: usize = 8;

static NULL: Value<'static> = Value::Null;

impl<'a> Value<'a> {
    /// Reads exactly one value. `None` if the text is anything else, or nests too deep.
    pub(crate) fn parse(raw: &'a [u8]) -> Option<Self> {
        let (value, rest) = value(blank(raw), DEEPEST)?;
        blank(rest).is_empty().then_some(value)
    }

    /// The member at the end of `path`, or null. The last of equal keys counts.
    pub(crate) fn at(&self, path: &[&str]) -> &Value<'a> {
        path.iter().fold(self, |value, key| value.member(key))
    }

    /// The count at the end of `path`.
    pub(crate) fn count(&self, path: &[&str]) -> Count {
        match self.at(path) {
            Value::Null => Count::Absent,
            Value::Number(digits) => Count::parse(digits),
            // Protocol buffers' JSON writes 64-bit numbers as text.
            Value::Text(text) => Count::parse(text.as_bytes()),
            _ => Count::Odd,
        }
    }

    /// The decimal at the end of `path`; some providers write it as text.
    pub(crate) fn decimal(&self, path: &[&str]) -> Option<Decimal> {
        match self.at(path) {
            Value::Number(digits) => Decimal::parse(ascii(digits)),
            Value::Text(text) => Decimal::parse(text),
            _ => None,
        }
    }

    /// The text at the end of `path`.
    pub(crate) fn text(&self, path: &[&str]) -> Option<&str> {
        match self.at(path) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, if it is a list.
    pub(crate) fn list(&self) -> &[Value<'a>] {
        match self {
            Value::List(list) => list,
            _ => &[],
        }
    }

    /// Whether it may have one of the keys whose [`bits`] these are. `false` is certain.
    pub(crate) fn may_have(&self, bits: u64) -> bool {
        matches!(self, Value::Map(members) if members.bits & bits != 0)
    }

    /// Whether it is null, or not there.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    fn member(&self, key: &str) -> &Value<'a> {
        match self {
            Value::Map(members) => members.member(key.as_bytes()).unwrap_or(&NULL),
            _ => &NULL,
        }
    }
}

impl<'a> Members<'a> {
    fn member(&self, key: &[u8]) -> Option<&Value<'a>> {
        if self.bits & bit(key) == 0 {
            return None;
        }
        self.items.iter().rev().find(|(name, _)| **name == *key).map(|(_, value)| value)
    }

    fn push(&mut self, key: Cow<'a, [u8]>, value: Value<'a>) {
        self.bits |= bit(&key);
        self.items.push((key, value));
    }
}

/// One of 64 bits by a key's length, its first byte and the one in its middle. The weights were chosen so that the keys which
/// OpenAI's reports always have share no bit with those that few have.
const fn bit(key: &[u8]) -> u64 {
    let (first, middle) = match key {
        [] => (0, 0),
        [first, ..] => (*first as usize, byte_at(key, key.len() / 2)),
    };
    1 << (key.len().wrapping_add(first.wrapping_mul(2)).wrapping_add(middle.wrapping_mul(14)) % 64)
}

#[expect(clippy::indexing_slicing, reason = "`get` is not const; the place is looked at first")]
const fn byte_at(key: &[u8], at: usize) -> usize {
    if at < key.len() { key[at] as usize } else { 0 }
}

/// The bits of some keys, to ask [`Value::may_have`] for all of them at once.
#[expect(clippy::indexing_slicing, reason = "iterators are not const; the loop ends at the length")]
pub(crate) const fn bits(keys: &[&str]) -> u64 {
    let (mut bits, mut at) = (0, 0_usize);
    while at < keys.len() {
        bits |= bit(keys[at].as_bytes());
        at = at.wrapping_add(1);
    }
    bits
}

/// The text of a number, which is ASCII.
pub(crate) fn ascii(digits: &[u8]) -> &str {
    str::from_utf8(digits).unwrap_or_default()
}

type Read<'a, T> = Option<(T, &'a [u8])>;

fn value(raw: &[u8], depth: usize) -> Read<'_, Value<'_>> {
    let (first, rest) = raw.split_first()?;
    match first {
        b'{' => map(rest, depth.checked_sub(1)?),
        b'[' => list(rest, depth.checked_sub(1)?),
        b'"' => text(rest).map(|(text, rest)| (Value::Text(text), rest)),
        b't' => literal(raw, b"true", Value::Bool(true)),
        b'f' => literal(raw, b"false", Value::Bool(false)),
        b'n' => literal(raw, b"null", Value::Null),
        b'-' | b'0'..=b'9' => number(raw),
        _ => None,
    }
}

fn literal<'a>(raw: &'a [u8], word: &[u8], value: Value<'a>) -> Read<'a, Value<'a>> {
    raw.strip_prefix(word).map(|rest| (value, rest))
}

fn number(raw: &[u8]) -> Read<'_, Value<'_>> {
    let end = raw.iter().position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'0'..=b'9' | b'e' | b'E'));
    let (digits, rest) = raw.split_at_checked(end.unwrap_or(raw.len()))?;
    Some((Value::Number(digits), rest))
}

/// Reads a string whose opening quote is already taken.
fn text(raw: &[u8]) -> Read<'_, Cow<'_, str>> {
    let (quoted, rest) = quoted(raw)?;
    let text = match quoted {
        Quoted::Plain(inner) => Cow::Borrowed(str::from_utf8(inner).ok()?),
        Quoted::Escaped(inner) => unescape(inner)?,
    };
    Some((text, rest))
}

/// Reads a key whose opening quote is already taken. Keys are compared only, so their bytes are not looked at.
fn key(raw: &[u8]) -> Read<'_, Cow<'_, [u8]>> {
    let (quoted, rest) = quoted(raw)?;
    let plain = match quoted {
        Quoted::Plain(inner) => Cow::Borrowed(inner),
        Quoted::Escaped(inner) => Cow::Owned(unescape(inner)?.into_owned().into_bytes()),
    };
    Some((plain, rest))
}

/// Gives the texts of a flat list as they are written, escapes included.
#[inline(never)]
pub(crate) fn each_text<'a>(raw: &'a [u8], take: &mut dyn FnMut(&'a [u8])) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'"', rest) {
        let after = rest.get(at.saturating_add(1)..).unwrap_or_default();
        let Some((Quoted::Plain(text) | Quoted::Escaped(text), tail)) = quoted(after) else { return };
        take(text);
        rest = tail;
    }
}

/// What stands between two quotes.
enum Quoted<'a> {
    Plain(&'a [u8]),
    Escaped(&'a [u8]),
}

/// What stands before the closing quote, and what comes after it.
fn quoted(raw: &[u8]) -> Read<'_, Quoted<'_>> {
    let mark = |byte: &u8| matches!(byte, b'"' | b'\\');
    let mut end = raw.iter().position(mark)?;
    let plain = raw.get(end) == Some(&b'"');
    while raw.get(end) != Some(&b'"') {
        end = end.checked_add(2)?;
        end = end.checked_add(raw.get(end..)?.iter().position(mark)?)?;
    }
    let (inner, rest) = raw.split_at_checked(end)?;
    let quoted = if plain { Quoted::Plain(inner) } else { Quoted::Escaped(inner) };
    Some((quoted, rest.get(1..)?))
}

fn list(raw: &[u8], depth: usize) -> Read<'_, Value<'_>> {
    let mut items = Vec::new();
    let mut rest = blank(raw);
    if let Some(rest) = rest.strip_prefix(b"]") {
        return Some((Value::List(items), rest));
    }
    loop {
        let (item, tail) = value(rest, depth)?;
        items.push(item);
        let (mark, tail) = blank(tail).split_first()?;
        match mark {
            b',' => rest = blank(tail),
            b']' => return Some((Value::List(items), tail)),
            _ => return None,
        }
    }
}

fn map(raw: &[u8], depth: usize) -> Read<'_, Value<'_>> {
    let mut members = Members { bits: 0, items: Vec::new() };
    let mut rest = blank(raw);
    if let Some(rest) = rest.strip_prefix(b"}") {
        return Some((Value::Map(members), rest));
    }
    members.items.reserve_exact(USUAL_MEMBERS);
    loop {
        let (key, tail) = key(rest.strip_prefix(b"\"")?)?;
        let (item, tail) = value(blank(blank(tail).strip_prefix(b":")?), depth)?;
        members.push(key, item);
        let (mark, tail) = blank(tail).split_first()?;
        match mark {
            b',' => rest = blank(tail),
            b'}' => return Some((Value::Map(members), tail)),
            _ => return None,
        }
    }
}

fn blank(raw: &[u8]) -> &[u8] {
    // Hardly any provider puts white space into what it sends.
    if raw.first().is_some_and(|byte| *byte > b' ') { raw } else { raw.trim_ascii_start() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_path() {
        let value =
            Value::parse(br#" {"a": {"b": [1, {"c": "x"}], "n": null}, "a\u0062": -1.5, "d": 1, "d": 2} "#);
        let value = value.unwrap();
        assert_eq!(value.at(&["a", "b"]).list().len(), 2);
        assert_eq!(value.at(&["a", "b"]).list()[1].text(&["c"]), Some("x"));
        assert_eq!(value.count(&["a", "n"]), Count::Absent);
        assert_eq!(value.count(&["a", "gone", "further"]), Count::Absent);
        assert_eq!(value.count(&["ab"]), Count::Odd);
        assert_eq!(value.count(&["d"]), Count::Whole(2), "the last of equal keys counts");
    }

    #[test]
    fn anything_else_is_refused() {
        let deep = [b"[".repeat(40), b"]".repeat(40)].concat();
        let cases: [&[u8]; 9] =
            [b"", b"{", b"{\"a\":}", b"[1,]", b"{\"a\" 1}", b"\"x", b"\"\\", b"1 2", deep.as_slice()];
        for raw in cases {
            assert_eq!(Value::parse(raw), None, "{}", String::from_utf8_lossy(raw));
        }
    }
}
