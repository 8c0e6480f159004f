//! A request's or a response's head as bytes, read once.

/// Header names and values as the proxy gives them: lower-case names, values of any bytes.
///
/// The bytes are proxy-wasm's serialisation of a header map: the number of pairs, then the lengths of each name
/// and value (all little-endian u32), then names and values, each followed by a zero byte.
#[derive(Clone, Debug, Default)]
pub struct HeaderPairs {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// A bit for each length of a name that occurs: most headers that are asked for are not there, and this tells.
    lengths: u64,
}

/// Where a pair stands.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    /// The name's length; a zero byte follows it.
    name: usize,
    /// The value's length.
    value: usize,
}

impl Span {
    fn name<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        bytes.get(self.start..self.start.checked_add(self.name)?)
    }

    fn value<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let start = self.start.checked_add(self.name)?.checked_add(1)?;
        bytes.get(start..start.checked_add(self.value)?)
    }
}

impl HeaderPairs {
    /// Reads a serialised map. What does not fit together ends the list.
    pub fn parse(bytes: Vec<u8>) -> Self {
        let spans = spans(&bytes).unwrap_or_default();
        Self::of(bytes, spans)
    }

    /// From names and values, for tests and other hosts.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for (name, value) in pairs {
            spans.push(Span { start: bytes.len(), name: name.len(), value: value.len() });
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(value);
            bytes.push(0);
        }
        Self::of(bytes, spans)
    }

    fn of(bytes: Vec<u8>, spans: Vec<Span>) -> Self {
        let lengths = spans.iter().fold(0, |lengths, span| lengths | length_bit(span.name));
        Self { bytes, spans, lengths }
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().filter_map(|span| Some((span.name(&self.bytes)?, span.value(&self.bytes)?)))
    }

    /// The first value of a header, by its lower-case name.
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        if self.lengths & length_bit(name.len()) == 0 { None } else { self.find(name) }
    }

    // Names are asked for in a dozen places: one copy of this is fetched once, where each would bring its own.
    #[inline(never)]
    fn find(&self, name: &str) -> Option<&[u8]> {
        // Most names differ in their lengths already, and are not looked at.
        let alike = self.spans.iter().filter(|span| span.name == name.len());
        alike.into_iter().find(|span| span.name(&self.bytes) == Some(name.as_bytes()))?.value(&self.bytes)
    }

    /// Those pairs whose name begins so.
    pub(crate) fn beginning(&self, with: &'static [u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        // Few names have the last of these bytes in its place; the others are not cut out to be compared.
        let last = with.len().saturating_sub(1);
        let alike = move |span: &&Span| {
            span.name > with.len() && self.bytes.get(span.start.saturating_add(last)) == with.last()
        };
        self.spans.iter().filter(alike).filter_map(move |span| {
            let name = span.name(&self.bytes).filter(|name| name.starts_with(with))?;
            Some((name, span.value(&self.bytes)?))
        })
    }

    /// The first value of a header, if it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.value(name)?).ok()
    }
}

/// Long names share the last bit.
fn length_bit(length: usize) -> u64 {
    1 << length.min(63)
}

fn spans(bytes: &[u8]) -> Option<Vec<Span>> {
    let (count, rest) = bytes.split_first_chunk::<4>()?;
    let count = word(*count)?;
    let lengths = rest.get(..count.checked_mul(8)?)?;
    let mut start = lengths.len().checked_add(4)?;
    let mut spans = Vec::with_capacity(count);
    for pair in lengths.chunks_exact(8) {
        let (name, value) = (word(*pair.first_chunk()?)?, word(*pair.last_chunk()?)?);
        spans.push(Span { start, name, value });
        start = start.checked_add(name)?.checked_add(value)?.checked_add(2)?;
    }
    Some(spans)
}

fn word(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

/// A request's head, and what the proxy knows of it.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The headers, pseudo-headers included.
    pub headers: HeaderPairs,
    /// The route's name, where a rule asks for it.
    pub route: Option<String>,
    /// The cluster's name, where a rule asks for it.
    pub cluster: Option<String>,
    /// The host's properties that tags ask for, in the order of their paths.
    pub properties: Vec<Option<Vec<u8>>>,
    /// No body follows.
    pub ends: bool,
}

impl Head {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.headers.text(name).unwrap_or("")
    }

    /// The announced length of the body.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.headers.text("content-length")?.parse().ok()
    }

    /// Whether changing the body would break a signature over it: AWS Signature Version 4, RFC 9530 digests,
    /// RFC 3230 digests, RFC 1864 checksums, RFC 9421 message signatures.
    pub(crate) fn signed(&self) -> bool {
        const DIGESTS: [&str; 6] = [
            "content-digest",
            "repr-digest",
            "digest",
            "content-md5",
            "signature-input",
            "x-amz-content-sha256",
        ];
        let sigv4 = self.headers.value("authorization").is_some_and(|v| v.starts_with(b"AWS4-"));
        sigv4 || DIGESTS.iter().any(|name| self.headers.value(name).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serialised(pairs: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = (pairs.len() as u32).to_le_bytes().to_vec();
        for (name, value) in pairs {
            out.extend((name.len() as u32).to_le_bytes());
            out.extend((value.len() as u32).to_le_bytes());
        }
        for (name, value) in pairs {
            out.extend([name.as_bytes(), b"\0", value, b"\0"].concat());
        }
        out
    }

    #[test]
    fn a_serialised_map_reads_back_bytes_and_all() {
        let headers =
            HeaderPairs::parse(serialised(&[(":path", b"/v1"), ("x-team", b"\xff\xfe"), ("x-empty", b"")]));
        assert_eq!(headers.text(":path"), Some("/v1"));
        assert_eq!(headers.value("x-team"), Some(&b"\xff\xfe"[..]));
        assert_eq!(headers.text("x-team"), None);
        assert_eq!(headers.value("x-empty"), Some(&b""[..]));
        assert_eq!(headers.iter().count(), 3);
    }

    #[test]
    fn damaged_maps_are_read_without_harm() {
        let whole = serialised(&[("a", b"1"), ("b", b"2")]);
        for cut in 0..whole.len() {
            let _ = HeaderPairs::parse(whole[..cut].to_vec()).iter().count();
        }
        let mut absurd = whole;
        absurd[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(HeaderPairs::parse(absurd).iter().count(), 0);
    }
}
