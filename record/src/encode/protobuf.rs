//! A record as an encoded `google.protobuf.Struct`.
//!
//! By protobuf's `struct.proto` a Struct is `map<string, Value> fields = 1`, and a Value is one of number 2 (double),
//! string 3, bool 4, Struct 5, ListValue 6 (`repeated Value = 1`). Each length stands before what it measures; lengths of
//! scalars are reckoned beforehand, so that a record goes into one buffer with nothing built on the way.

use tollgate_pricing::PicoUsd;

use super::{Spell, double_of_count, double_of_usd};

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;

const NUMBER: u8 = tag(2, FIXED64);
const STRING: u8 = tag(3, LENGTH_DELIMITED);
const BOOL: u8 = tag(4, VARINT);
const STRUCT: u8 = tag(5, LENGTH_DELIMITED);
const LIST: u8 = tag(6, LENGTH_DELIMITED);
/// Both the entries of a Struct and the elements of a ListValue; the key of an entry too.
const FIRST: u8 = tag(1, LENGTH_DELIMITED);
/// The value of an entry.
const SECOND: u8 = tag(2, LENGTH_DELIMITED);

const fn tag(field: u8, wire_type: u8) -> u8 {
    (field << 3) | wire_type
}

/// The entries of one Struct.
pub(super) struct Object(Vec<u8>);

impl Object {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Opens an entry whose Value has `size` bytes, which the caller writes next.
    fn entry(&mut self, key: &str, size: usize) {
        let whole = delimited(key.len()).saturating_add(delimited(size));
        // Nearly all lengths take one byte, and then two heads are all there is to write around the key.
        if let (Some(whole), Some(size), Some(length)) = (short(whole), short(size), short(key.len())) {
            self.0.extend_from_slice(&[FIRST, whole, FIRST, length]);
            self.0.extend_from_slice(key.as_bytes());
            return self.0.extend_from_slice(&[SECOND, size]);
        }
        self.open(FIRST, whole);
        self.bytes(FIRST, key.as_bytes());
        self.open(SECOND, size);
    }

    /// A tag and a length, which `size` bytes are to follow.
    fn open(&mut self, tag: u8, size: usize) {
        if let Some(size) = short(size) {
            return self.0.extend_from_slice(&[tag, size]);
        }
        self.0.push(tag);
        let mut rest = size;
        while rest >= 0x80 {
            self.0.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    fn bytes(&mut self, tag: u8, bytes: &[u8]) {
        self.open(tag, bytes.len());
        self.0.extend_from_slice(bytes);
    }

    #[inline(never)]
    fn number(&mut self, key: &str, number: f64) {
        let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
        self.entry(key, 9);
        self.0.extend_from_slice(&[NUMBER, a, b, c, d, e, f, g, h]);
    }

    /// An entry whose Value is a Struct or a ListValue.
    fn nested(&mut self, key: &str, tag: u8, inner: &[u8]) {
        self.entry(key, delimited(inner.len()));
        self.bytes(tag, inner);
    }
}

impl Spell for Object {
    fn text(&mut self, key: &str, value: &str) {
        self.ascii(key, value.as_bytes());
    }

    // A record has some 25 texts: one copy of this is fetched once, where each would bring its own.
    #[inline(never)]
    fn ascii(&mut self, key: &str, value: &[u8]) {
        self.entry(key, delimited(value.len()));
        self.bytes(STRING, value);
    }

    fn count(&mut self, key: &str, value: u64) {
        self.number(key, double_of_count(value));
    }

    fn amount(&mut self, key: &str, value: PicoUsd) {
        self.number(key, double_of_usd(value));
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.entry(key, 2);
        self.0.extend_from_slice(&[BOOL, u8::from(value)]);
    }

    fn object(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::with_capacity(128);
        fill(&mut inner);
        self.nested(key, STRUCT, &inner.0);
    }

    fn texts<'a>(&mut self, key: &str, values: impl Iterator<Item = &'a str>) {
        let mut list = Self::with_capacity(64);
        for value in values {
            list.open(FIRST, delimited(value.len()));
            list.bytes(STRING, value.as_bytes());
        }
        self.nested(key, LIST, &list.0);
    }

    fn objects<T>(&mut self, key: &str, values: &[T], fill: impl Fn(&mut Self, &T)) {
        let mut list = Self::with_capacity(256);
        for value in values {
            let mut inner = Self::with_capacity(128);
            fill(&mut inner, value);
            list.open(FIRST, delimited(inner.0.len()));
            list.bytes(STRUCT, &inner.0);
        }
        self.nested(key, LIST, &list.0);
    }
}

/// A length that takes one byte.
fn short(size: usize) -> Option<u8> {
    u8::try_from(size).ok().filter(|size| *size < 0x80)
}

/// How many bytes a tag, the length and `size` bytes take together.
fn delimited(size: usize) -> usize {
    let mut head = 2_usize;
    let mut rest = size >> 7;
    while rest > 0 {
        head = head.saturating_add(1);
        rest >>= 7;
    }
    size.saturating_add(head)
}
