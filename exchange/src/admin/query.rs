//! The query of an address.

/// What stands behind the `?`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a>(pub &'a str);

impl Query<'_> {
    /// The first value of a name, decoded. `None` too where it is no UTF-8.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let mut pairs = self.pairs();
        pairs.find(|(key, _)| *key == name).and_then(|(_, value)| decoded(value))
    }

    /// A name that is none of these.
    pub(crate) fn unknown(&self, known: &[&str]) -> Option<&str> {
        self.pairs().map(|(key, _)| key).find(|key| !known.contains(key))
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let parts = self.0.split('&').filter(|part| !part.is_empty());
        parts.map(|part| part.split_once('=').unwrap_or((part, "")))
    }
}

/// A part of a path, decoded: there a plus is one. `None` where it is no UTF-8.
pub(crate) fn segment(text: &str) -> Option<String> {
    decoded(&text.replace('+', "%2B"))
}

/// RFC 3986, section 2.1, and `+` for a space as forms have it.
fn decoded(text: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                out.push(digit(*high)? << 4 | digit(*low)?);
                rest = after;
            }
            (b'+', _) => out.push(b' '),
            (other, _) => out.push(*other),
        }
    }
    String::from_utf8(out).ok()
}
