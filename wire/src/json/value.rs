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
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
}

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
            Value::Number(text) => Decimal::parse(text).map_or(Count::Odd, Decimal::count),
            _ => Count::Odd,
        }
    }

    /// The decimal at the end of `path`; some providers write it as text.
    pub(crate) fn decimal(&self, path: &[&str]) -> Option<Decimal> {
        match self.at(path) {
            Value::Number(text) => Decimal::parse(text),
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

    /// Whether it is an object.
    pub(crate) fn is_map(&self) -> bool {
        matches!(self, Value::Map(_))
    }

    fn member(&self, key: &str) -> &Value<'a> {
        let Value::Map(members) = self else { return &NULL };
        members.iter().rev().find(|(name, _)| name == key).map_or(&NULL, |(_, value)| value)
    }
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
    Some((Value::Number(str::from_utf8(digits).ok()?), rest))
}

/// Reads a string whose opening quote is already taken.
fn text(raw: &[u8]) -> Read<'_, Cow<'_, str>> {
    let mut end = 0_usize;
    loop {
        let found = memchr::memchr2(b'"', b'\\', raw.get(end..)?)?;
        end = end.checked_add(found)?;
        if raw.get(end) == Some(&b'"') {
            let (inner, rest) = raw.split_at_checked(end)?;
            return Some((unescape(inner)?, rest.get(1..)?));
        }
        end = end.checked_add(2)?;
    }
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
    let mut members = Vec::new();
    let mut rest = blank(raw);
    if let Some(rest) = rest.strip_prefix(b"}") {
        return Some((Value::Map(members), rest));
    }
    loop {
        let (key, tail) = text(rest.strip_prefix(b"\"")?)?;
        let (item, tail) = value(blank(blank(tail).strip_prefix(b":")?), depth)?;
        members.push((key, item));
        let (mark, tail) = blank(tail).split_first()?;
        match mark {
            b',' => rest = blank(tail),
            b'}' => return Some((Value::Map(members), tail)),
            _ => return None,
        }
    }
}

fn blank(raw: &[u8]) -> &[u8] {
    raw.trim_ascii_start()
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
