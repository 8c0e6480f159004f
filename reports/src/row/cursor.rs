//! JSON that machines write, token by token: what is more involved than that is left to a whole parser.
//!
//! Each step answers `None` where it cannot tell, be it wrong or just unusual: an escape in a text that is asked for, a number
//! that is not whole, very deep nesting. What it does accept is JSON, and means what a whole parser says.

use std::borrow::Cow;

use super::scalar::Scalar;

/// Values within values are skipped down to here.
const DEPTH: u8 = 16;
/// Longer numbers, with or without a point, are looked at by others.
const DIGITS: usize = 18;

/// A place in a JSON text.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// `None` if there are control characters in it: they may stand between tokens, but not in texts.
    pub fn new(text: &'a str) -> Option<Self> {
        // Not `any`, which would look at one byte after the other.
        let has_control = text.bytes().fold(false, |found, byte| found | (byte < 0x20));
        if has_control { None } else { Some(Self { text, at: 0 }) }
    }

    /// Whether nothing but spaces are left.
    pub fn is_done(self) -> bool {
        self.rest().iter().all(|byte| *byte == b' ')
    }

    fn rest(self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Places are never beyond the text's end, so this cannot overflow.
    fn go(&mut self, bytes: usize) {
        self.at = self.at.wrapping_add(bytes);
    }

    fn byte(self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no space.
    pub fn peek(&mut self) -> Option<u8> {
        while self.byte()? == b' ' {
            self.go(1);
        }
        self.byte()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.go(usize::from(is_there));
        is_there
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.eat(byte).then_some(())
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.go(self.rest().starts_with(word.as_bytes()).then_some(word.len())?);
        Some(())
    }

    /// The next bytes.
    fn take(&mut self, bytes: usize) -> Option<&'a str> {
        let start = self.at;
        self.go(bytes);
        self.text.get(start..self.at)
    }

    /// Goes through an object. `each` takes the value behind a name.
    pub fn members(&mut self, mut each: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        if self.eat(b'}') {
            return Some(());
        }
        loop {
            let name = self.text()?;
            self.expect(b':')?;
            each(self, name)?;
            if self.eat(b'}') {
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    /// A text without escapes.
    pub fn text(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let text = self.take(plain_length(self.rest()))?;
        let is_whole = self.byte()? == b'"';
        self.go(1);
        is_whole.then_some(text)
    }

    /// A text, a whole number, a word, or an object of texts and whole numbers.
    pub fn scalar(&mut self) -> Option<Scalar<'a>> {
        match self.peek()? {
            b'"' => self.text().map(|text| Scalar::Text(Cow::Borrowed(text))),
            b'{' => self.pairs(),
            b't' => self.word("true").map(|()| Scalar::Flag(true)),
            b'f' => self.word("false").map(|()| Scalar::Flag(false)),
            b'n' => self.word("null").map(|()| Scalar::Null),
            _ => self.whole()?.parse().ok().map(Scalar::Whole),
        }
    }

    fn pairs(&mut self) -> Option<Scalar<'a>> {
        let mut pairs = Vec::with_capacity(4);
        self.members(|cursor, name| {
            let value = if cursor.peek()? == b'"' { cursor.text()? } else { cursor.whole()? };
            pairs.push((Cow::Borrowed(name), Cow::Borrowed(value)));
            Some(())
        })?;
        Some(Scalar::Pairs(pairs))
    }

    /// The digits of a whole number, spelled the one way.
    fn whole(&mut self) -> Option<&'a str> {
        let digits = self.digits(DIGITS)?;
        let leads_with_zero = digits.len() > 1 && digits.starts_with('0');
        let has_more = matches!(self.byte(), Some(b'.' | b'e' | b'E'));
        if leads_with_zero || has_more { None } else { Some(digits) }
    }

    /// Digits, at least one.
    fn digits(&mut self, most: usize) -> Option<&'a str> {
        let length = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        (1..=most).contains(&length).then(|| self.take(length)).flatten()
    }

    /// Any value, which nobody asks for.
    pub fn skip(&mut self) -> Option<()> {
        self.skip_within(DEPTH)
    }

    fn skip_within(&mut self, depth: u8) -> Option<()> {
        let deeper = depth.checked_sub(1)?;
        match self.peek()? {
            b'"' => self.skip_text(),
            b'{' => self.members(|cursor, _| cursor.skip_within(deeper)),
            b'[' => self.skip_list(deeper),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.skip_number(),
        }
    }

    fn skip_list(&mut self, deeper: u8) -> Option<()> {
        self.expect(b'[')?;
        if self.eat(b']') {
            return Some(());
        }
        loop {
            self.skip_within(deeper)?;
            if self.eat(b']') {
                return Some(());
            }
            self.expect(b',')?;
        }
    }

    fn skip_number(&mut self) -> Option<()> {
        self.eat(b'-');
        let digits = self.digits(DIGITS)?;
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        if self.eat_exactly(b".") {
            self.digits(usize::MAX)?;
        }
        if self.eat_exactly(b"eE") {
            self.eat_exactly(b"+-");
            // With more digits a number may be too large for a double.
            self.digits(2)?;
        }
        Some(())
    }

    /// One of these bytes, if it stands right here.
    fn eat_exactly(&mut self, bytes: &[u8]) -> bool {
        let is_there = self.byte().is_some_and(|byte| bytes.contains(&byte));
        self.go(usize::from(is_there));
        is_there
    }

    fn skip_text(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            self.go(plain_length(self.rest()));
            match self.rest() {
                [b'"', ..] => return self.expect(b'"'),
                [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.go(2),
                _ => return None,
            }
        }
    }
}

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES << 7;

/// How many bytes stand before the first quote or backslash.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, last) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let found = special(u64::from_le_bytes(*word));
        if found != 0 {
            let within = found.trailing_zeros().wrapping_div(8) as usize;
            return place.wrapping_mul(8).wrapping_add(within);
        }
    }
    let before = bytes.len().wrapping_sub(last.len());
    let found = last.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    found.map_or(bytes.len(), |within| before.wrapping_add(within))
}

/// Eight bytes at once: the highest bit of the first byte that is special is set, and none before it.
fn special(word: u64) -> u64 {
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero(word ^ ONES.wrapping_mul(b'"'.into()));
    let backslash = zero(word ^ ONES.wrapping_mul(b'\\'.into()));
    (quote | backslash) & HIGHS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    #[test]
    fn a_text_ends_where_a_byte_by_byte_search_says() {
        for length in 0..40 {
            for byte in 0..=255_u8 {
                for place in 0..length {
                    let mut bytes = vec![b'a'; length];
                    bytes[place] = byte;
                    let expected = if matches!(byte, b'"' | b'\\') { place } else { length };
                    assert_eq!(plain_length(&bytes), expected, "{byte} at {place} of {length}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_skipped_is_json(text in "[\\[\\]{},:\"a0-9.eE\\\\ tn-]{0,24}") {
            let mut cursor = Cursor::new(&text).unwrap();
            if cursor.skip().is_some() && cursor.is_done() {
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
            }
        }
    }
}
