//! Parquet files, as far as flat tables need them: optional columns, plain values, one page for each column of a row group.
//!
//! The format is that of <https://parquet.apache.org/docs/file-format/>, its metadata in Thrift's compact protocol.

mod thrift;

use std::io::{self, Write};

use tollgate_pricing::PicoUsd;

use thrift::{Kind as Wire, Struct};

/// Rows that are kept until they are written together.
const ROWS_PER_GROUP: usize = 65_536;
const MAGIC: &[u8; 4] = b"PAR1";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// A whole number of 64 bits.
    Whole,
    /// Yes or no.
    Flag,
    /// An instant, in microseconds of the epoch.
    Micros,
    /// Exact US dollars: a decimal of 38 digits, 12 of them behind the point.
    Usd,
}

/// A value; any column may have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Unknown.
    None,
    /// For [`Kind::Text`].
    Text(&'a str),
    /// For [`Kind::Whole`] and [`Kind::Micros`].
    Whole(i64),
    /// For [`Kind::Flag`].
    Flag(bool),
    /// For [`Kind::Usd`].
    Usd(PicoUsd),
}

impl<'a> Value<'a> {
    /// A text that may be unknown.
    pub fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::None, Self::Text)
    }

    /// A count that may be unknown.
    pub fn count(count: Option<u64>) -> Self {
        count.and_then(|count| i64::try_from(count).ok()).map_or(Self::None, Self::Whole)
    }

    /// Money that may be unknown.
    pub fn usd(amount: Option<PicoUsd>) -> Self {
        amount.map_or(Self::None, Self::Usd)
    }
}

/// Packs a page as gzip does.
pub type Pack = fn(&[u8]) -> io::Result<Vec<u8>>;

/// Writes a file row by row.
pub struct Writer<W> {
    out: W,
    offset: i64,
    pack: Option<Pack>,
    columns: Vec<Column>,
    rows: usize,
    all_rows: i64,
    groups: Vec<Group>,
}

struct Column {
    name: String,
    kind: Kind,
    /// Runs of present and absent values.
    levels: Vec<(bool, usize)>,
    plain: Vec<u8>,
    /// Flags are packed eight in a byte at the end.
    flags: Vec<bool>,
}

struct Group {
    rows: i64,
    chunks: Vec<Place>,
}

/// Where a column of a group stands.
struct Place {
    offset: i64,
    plain: i64,
    packed: i64,
}

impl<W: Write> Writer<W> {
    /// A file of these columns. Without `pack` pages are written as they are.
    ///
    /// # Errors
    /// Of the output.
    pub fn new(mut out: W, columns: Vec<(String, Kind)>, pack: Option<Pack>) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        let column =
            |(name, kind)| Column { name, kind, levels: Vec::new(), plain: Vec::new(), flags: Vec::new() };
        Ok(Self {
            out,
            offset: 4,
            pack,
            columns: columns.into_iter().map(column).collect(),
            rows: 0,
            all_rows: 0,
            groups: Vec::new(),
        })
    }

    /// Adds a row of as many values as there are columns. A value of another kind than its column's is unknown.
    ///
    /// # Errors
    /// Of the output.
    pub fn row<'a>(&mut self, values: impl IntoIterator<Item = Value<'a>>) -> io::Result<()> {
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(&value);
        }
        self.rows = self.rows.saturating_add(1);
        if self.rows >= ROWS_PER_GROUP { self.end_group() } else { Ok(()) }
    }

    /// Writes what is left and the file's end.
    ///
    /// # Errors
    /// Of the output.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_group()?;
        let metadata = self.metadata();
        self.out.write_all(&metadata)?;
        let length = u32::try_from(metadata.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(MAGIC)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn end_group(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        let mut chunks = Vec::with_capacity(self.columns.len());
        for column in &mut self.columns {
            let plain = column.page();
            let packed = match self.pack {
                Some(pack) => pack(&plain)?,
                None => plain.clone(),
            };
            let header = page_header(rows, plain.len(), packed.len());
            self.out.write_all(&header)?;
            self.out.write_all(&packed)?;
            let all = |body: usize| header.len().saturating_add(body);
            let place =
                Place { offset: self.offset, plain: long(all(plain.len())), packed: long(all(packed.len())) };
            self.offset = self.offset.saturating_add(place.packed);
            chunks.push(place);
        }
        self.all_rows = self.all_rows.saturating_add(long(rows));
        self.groups.push(Group { rows: long(rows), chunks });
        Ok(())
    }

    fn metadata(&self) -> Vec<u8> {
        let mut file = Struct::default();
        file.i32(1, 1);
        file.list(2, Wire::Struct, self.columns.len().saturating_add(1), |list| {
            list.element(|root| {
                root.text(4, "schema");
                root.i32(5, i32::try_from(self.columns.len()).unwrap_or(i32::MAX));
            });
            self.columns.iter().for_each(|column| list.element(|element| column.schema(element)));
        });
        file.i64(3, self.all_rows);
        file.list(4, Wire::Struct, self.groups.len(), |list| {
            self.groups.iter().for_each(|group| list.element(|element| self.group(group, element)));
        });
        file.text(6, "tollgate");
        file.end()
    }

    fn group(&self, group: &Group, out: &mut Struct) {
        out.list(1, Wire::Struct, group.chunks.len(), |list| {
            for (column, place) in self.columns.iter().zip(&group.chunks) {
                list.element(|chunk| {
                    chunk.i64(2, place.offset);
                    chunk.nested(3, |meta| self.chunk(column, place, group.rows, meta));
                });
            }
        });
        out.i64(2, group.chunks.iter().fold(0_i64, |sum, place| sum.saturating_add(place.plain)));
        out.i64(3, group.rows);
    }

    fn chunk(&self, column: &Column, place: &Place, rows: i64, meta: &mut Struct) {
        const GZIP: i32 = 2;
        meta.i32(1, column.physical().0);
        meta.list(2, Wire::I32, 2, |list| {
            list.i32(PLAIN);
            list.i32(RLE);
        });
        meta.list(3, Wire::Binary, 1, |list| list.text(&column.name));
        meta.i32(4, if self.pack.is_some() { GZIP } else { 0 });
        meta.i64(5, rows);
        meta.i64(6, place.plain);
        meta.i64(7, place.packed);
        meta.i64(9, place.offset);
    }
}

/// The numbers of the two encodings that are used.
const PLAIN: i32 = 0;
const RLE: i32 = 3;

impl Column {
    fn push(&mut self, value: &Value<'_>) {
        let present = match (self.kind, value) {
            (Kind::Text, Value::Text(text)) => {
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                self.plain.extend_from_slice(&length.to_le_bytes());
                self.plain.extend_from_slice(text.as_bytes());
                true
            }
            (Kind::Whole | Kind::Micros, Value::Whole(number)) => {
                self.plain.extend_from_slice(&number.to_le_bytes());
                true
            }
            (Kind::Flag, Value::Flag(flag)) => {
                self.flags.push(*flag);
                true
            }
            (Kind::Usd, Value::Usd(amount)) => {
                self.plain.extend_from_slice(&amount.pico().to_be_bytes());
                true
            }
            _ => false,
        };
        match self.levels.last_mut() {
            Some((last, count)) if *last == present => *count = count.saturating_add(1),
            _ => self.levels.push((present, 1)),
        }
    }

    /// The page of the rows so far, which then starts anew.
    fn page(&mut self) -> Vec<u8> {
        let mut levels = Vec::new();
        for (present, count) in self.levels.drain(..) {
            // A run: its length with a zero bit, then the level that is repeated.
            thrift::varint(u64::try_from(count).unwrap_or(u64::MAX).wrapping_shl(1), &mut levels);
            levels.push(u8::from(present));
        }
        let mut page = u32::try_from(levels.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        page.append(&mut levels);
        page.append(&mut self.plain);
        page.extend(
            self.flags.chunks(8).map(|eight| {
                eight.iter().rev().fold(0_u8, |byte, flag| byte.wrapping_shl(1) | u8::from(*flag))
            }),
        );
        self.flags.clear();
        page
    }

    /// The physical type, and what it stands for if that is more.
    const fn physical(&self) -> (i32, Option<i32>) {
        match self.kind {
            Kind::Flag => (0, None),
            Kind::Whole => (2, None),
            Kind::Micros => (2, Some(10)),
            Kind::Text => (6, Some(0)),
            Kind::Usd => (7, Some(5)),
        }
    }

    fn schema(&self, element: &mut Struct) {
        const OPTIONAL: i32 = 1;
        let (physical, meaning) = self.physical();
        element.i32(1, physical);
        if self.kind == Kind::Usd {
            element.i32(2, 16);
        }
        element.i32(3, OPTIONAL);
        element.text(4, &self.name);
        meaning.into_iter().for_each(|meaning| element.i32(6, meaning));
        if self.kind == Kind::Usd {
            element.i32(7, 12);
            element.i32(8, 38);
        }
    }
}

fn page_header(rows: usize, plain: usize, packed: usize) -> Vec<u8> {
    let int = |size: usize| i32::try_from(size).unwrap_or(i32::MAX);
    let mut header = Struct::default();
    header.i32(1, 0);
    header.i32(2, int(plain));
    header.i32(3, int(packed));
    header.nested(5, |data| {
        data.i32(1, int(rows));
        data.i32(2, PLAIN);
        data.i32(3, RLE);
        data.i32(4, RLE);
    });
    header.end()
}

fn long(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
