//! String contents with their escapes taken out.

use std::borrow::Cow;

/// The text between the quotes of a JSON string. A lone surrogate or broken UTF-8 becomes U+FFFD; `None`
/// if an escape is none of JSON's.
pub(crate) fn unescape(raw: &[u8]) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Some(str::from_utf8(raw).map_or_else(|_| String::from_utf8_lossy(raw), Cow::Borrowed));
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at_checked(at)?;
        text.push_str(&String::from_utf8_lossy(plain));
        let (read, tail) = escaped(escape.get(1..)?)?;
        text.push(read);
        rest = tail;
    }
    text.push_str(&String::from_utf8_lossy(rest));
    Some(Cow::Owned(text))
}

/// Reads what follows a backslash.
fn escaped(raw: &[u8]) -> Option<(char, &[u8])> {
    let (letter, rest) = raw.split_first()?;
    let read = match letter {
        b'"' | b'\\' | b'/' => char::from(*letter),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(rest),
        _ => return None,
    };
    Some((read, rest))
}

/// Reads four hex digits, and the second half of a surrogate pair where there is one.
fn unicode(raw: &[u8]) -> Option<(char, &[u8])> {
    let (first, rest) = hex4(raw)?;
    if let Some(read) = char::from_u32(first) {
        return Some((read, rest));
    }
    let pair = rest.strip_prefix(b"\\u").and_then(hex4).and_then(|(second, rest)| {
        let units = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
        let read = char::decode_utf16(units).next()?.ok()?;
        Some((read, rest))
    });
    Some(pair.unwrap_or((char::REPLACEMENT_CHARACTER, rest)))
}

fn hex4(raw: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = raw.split_at_checked(4)?;
    let text =
        str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(text, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_out() {
        let cases: [(&str, &[u8], Option<&str>); 9] = [
            ("plain text stays", b"gpt-4o", Some("gpt-4o")),
            ("short escapes", br#"a\/b\n\"c\"\\"#, Some("a/b\n\"c\"\\")),
            ("an escaped letter", br"mod\u0065l", Some("model")),
            ("a surrogate pair", br"\ud83d\ude00", Some("\u{1f600}")),
            ("a lone surrogate", br"\ud83dx", Some("\u{fffd}x")),
            ("two first halves", br"\ud83d\ud83d", Some("\u{fffd}\u{fffd}")),
            ("broken UTF-8", b"a\xffb", Some("a\u{fffd}b")),
            ("an unknown escape", br"\x41", None),
            ("an escape that is cut", br"\u00", None),
        ];
        for (name, raw, expected) in cases {
            assert_eq!(unescape(raw).as_deref(), expected, "{name}");
        }
    }
}
