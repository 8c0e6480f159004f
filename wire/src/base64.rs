//! Base64 as events carry it.

/// The bytes that a base64 text stands for; `None` if it is none. Padding may be missing.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.trim_ascii_end();
    let digits = digits.strip_suffix(b"==").or(digits.strip_suffix(b"=")).unwrap_or(digits);
    let mut bytes = Vec::with_capacity(digits.len());
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            bits = (bits << 6) | value(*digit)?;
        }
        let [_, first, second, third] = match group.len() {
            4 => bits.to_be_bytes(),
            3 => (bits << 6).to_be_bytes(),
            2 => (bits << 12).to_be_bytes(),
            _ => return None,
        };
        bytes.extend([first, second, third].into_iter().take(group.len().saturating_sub(1)));
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit.checked_sub(b'A')?,
        b'a'..=b'z' => digit.checked_sub(b'a')?.checked_add(26)?,
        b'0'..=b'9' => digit.checked_sub(b'0')?.checked_add(52)?,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decoded() {
        let cases: [(&[u8], Option<&[u8]>); 7] = [
            (b"", Some(b"")),
            (b"eyJhIjoxfQ==", Some(b"{\"a\":1}")),
            (b"eyJhIjoxfQ", Some(b"{\"a\":1}")),
            (b"YWI=", Some(b"ab")),
            (b"YWJj", Some(b"abc")),
            (b"YWJjZ", None),
            (b"YW\"j", None),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text).as_deref(), expected, "`{}`", String::from_utf8_lossy(text));
        }
    }
}
