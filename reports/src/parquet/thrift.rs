//! Thrift's compact protocol, as far as Parquet's metadata needs it.

/// Types of fields and of elements of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    I32 = 5,
    I64 = 6,
    Binary = 8,
    List = 9,
    Struct = 12,
}

/// A struct that is written field by field, in ascending order of the fields' numbers.
#[derive(Debug, Default)]
pub struct Struct {
    out: Vec<u8>,
    last: u8,
}

/// The elements of a list.
#[derive(Debug, Default)]
pub struct List {
    out: Vec<u8>,
}

impl Struct {
    fn field(&mut self, id: u8, kind: Kind) {
        // Numbers are small and ascending, so the short form with the difference always fits.
        let delta = id.saturating_sub(self.last);
        self.out.push(delta.wrapping_shl(4) | kind as u8);
        self.last = id;
    }

    pub fn i32(&mut self, id: u8, number: i32) {
        self.field(id, Kind::I32);
        zigzag(number.into(), &mut self.out);
    }

    pub fn i64(&mut self, id: u8, number: i64) {
        self.field(id, Kind::I64);
        zigzag(number, &mut self.out);
    }

    pub fn text(&mut self, id: u8, text: &str) {
        self.field(id, Kind::Binary);
        binary(text, &mut self.out);
    }

    pub fn nested(&mut self, id: u8, fill: impl FnOnce(&mut Self)) {
        self.field(id, Kind::Struct);
        let mut inner = Self::default();
        fill(&mut inner);
        self.out.append(&mut inner.end());
    }

    pub fn list(&mut self, id: u8, kind: Kind, length: usize, fill: impl FnOnce(&mut List)) {
        self.field(id, Kind::List);
        match u8::try_from(length) {
            Ok(short) if short < 15 => self.out.push(short.wrapping_shl(4) | kind as u8),
            _ => {
                self.out.push(0xf0 | kind as u8);
                varint(u64::try_from(length).unwrap_or(u64::MAX), &mut self.out);
            }
        }
        let mut list = List::default();
        fill(&mut list);
        self.out.append(&mut list.out);
    }

    /// The whole struct.
    pub fn end(mut self) -> Vec<u8> {
        self.out.push(0);
        self.out
    }
}

impl List {
    pub fn i32(&mut self, number: i32) {
        zigzag(number.into(), &mut self.out);
    }

    pub fn text(&mut self, text: &str) {
        binary(text, &mut self.out);
    }

    pub fn element(&mut self, fill: impl FnOnce(&mut Struct)) {
        let mut inner = Struct::default();
        fill(&mut inner);
        self.out.append(&mut inner.end());
    }
}

/// Seven bits in a byte, the lowest first.
pub fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number > 0x7f {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Numbers of small size are short, whatever their sign.
fn zigzag(number: i64, out: &mut Vec<u8>) {
    varint((number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned(), out);
}

fn binary(text: &str, out: &mut Vec<u8>) {
    varint(u64::try_from(text.len()).unwrap_or(u64::MAX), out);
    out.extend_from_slice(text.as_bytes());
}
