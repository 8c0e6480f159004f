//! Deflate (RFC 1951), in zlib's wrapping (RFC 1950) or bare, and in gzip's (RFC 1952).

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

use super::{Fault, Layer, Step};

/// HTTP's `deflate` means zlib's wrapping, but some servers send it bare.
pub(super) struct Deflate {
    state: Option<Box<InflateState>>,
    ended: bool,
    /// The first byte, until the second one tells the wrapping.
    first: Option<u8>,
}

impl Deflate {
    pub(super) fn new() -> Self {
        Self { state: None, ended: false, first: None }
    }

    fn bare() -> Self {
        Self { state: Some(InflateState::new_boxed(DataFormat::Raw)), ended: false, first: None }
    }

    /// Chooses the wrapping by the first two bytes: zlib's header is a multiple of 31.
    fn choose(&mut self, first: u8, second: u8) -> Result<(), Fault> {
        let header = u16::from_be_bytes([first, second]);
        let wrapped = first & 0x0f == 8 && header.checked_rem(31) == Some(0);
        let format = if wrapped { DataFormat::Zlib } else { DataFormat::Raw };
        let mut state = InflateState::new_boxed(format);
        let step = run(&mut state, &[first], &mut [])?;
        self.state = Some(state);
        if step.0.read == 1 { Ok(()) } else { Err(Fault::Malformed) }
    }
}

impl Layer for Deflate {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Fault> {
        if self.ended {
            return Ok(Step { read: input.len(), written: 0 });
        }
        let Some(state) = &mut self.state else {
            let Some(byte) = input.first() else { return Ok(Step::default()) };
            let Some(first) = self.first else {
                self.first = Some(*byte);
                return Ok(Step { read: 1, written: 0 });
            };
            self.choose(first, *byte)?;
            return self.step(input, output);
        };
        let (step, ended) = run(state, input, output)?;
        self.ended = ended;
        Ok(step)
    }

    fn memory(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| u64::try_from(size_of_val(state.as_ref())).unwrap_or(u64::MAX))
    }
}

/// One step, and whether the data ended in it.
fn run(state: &mut InflateState, input: &[u8], output: &mut [u8]) -> Result<(Step, bool), Fault> {
    let result = inflate(state, input, output, MZFlush::None);
    let step = Step { read: result.bytes_consumed, written: result.bytes_written };
    match result.status {
        Ok(MZStatus::StreamEnd) => Ok((step, true)),
        Ok(_) | Err(MZError::Buf) => Ok((step, false)),
        Err(_) => Err(Fault::Malformed),
    }
}

/// Gzip: a header, bare deflate, and a trailer, which is passed over; several may follow each other.
pub(super) struct Gzip {
    place: Place,
    inner: Deflate,
}

/// Where in the wrapping the decoder stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// So many bytes of the fixed header are known; the fourth holds the flags.
    Header {
        seen: u8,
        flags: u8,
    },
    /// The length of the extra field: two bytes, the low one first.
    ExtraLength {
        low: Option<u8>,
        flags: u8,
    },
    Extra {
        left: u16,
        flags: u8,
    },
    /// A text that ends with a zero: the name, the comment.
    Text {
        flags: u8,
    },
    HeaderSum {
        left: u8,
    },
    Data,
    Trailer {
        left: u8,
    },
}

const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const HEADER_SUM: u8 = 2;

impl Gzip {
    pub(super) fn new() -> Self {
        Self { place: Place::Header { seen: 0, flags: 0 }, inner: Deflate::bare() }
    }

    /// Takes one byte of the wrapping.
    fn take(&mut self, byte: u8) -> Result<Place, Fault> {
        let place = match self.place {
            Place::Header { seen, flags } => {
                let known = match seen {
                    0 => byte == 0x1f,
                    1 => byte == 0x8b,
                    2 => byte == 8,
                    _ => true,
                };
                if !known {
                    return Err(Fault::Malformed);
                }
                let flags = if seen == 3 { byte } else { flags };
                if seen == 9 {
                    after_header(flags)
                } else {
                    Place::Header { seen: seen.saturating_add(1), flags }
                }
            }
            Place::ExtraLength { low: None, flags } => Place::ExtraLength { low: Some(byte), flags },
            Place::ExtraLength { low: Some(low), flags } => extra(u16::from_le_bytes([low, byte]), flags),
            Place::Extra { left, flags } => extra(left.saturating_sub(1), flags),
            Place::Text { flags } if byte == 0 => after_header(flags),
            Place::Text { flags } => Place::Text { flags },
            Place::HeaderSum { left: 1 } => Place::Data,
            Place::HeaderSum { left } => Place::HeaderSum { left: left.saturating_sub(1) },
            Place::Trailer { left: 1 } => {
                self.inner = Deflate::bare();
                Place::Header { seen: 0, flags: 0 }
            }
            Place::Trailer { left } => Place::Trailer { left: left.saturating_sub(1) },
            Place::Data => Place::Data,
        };
        Ok(place)
    }
}

/// What follows in the header, by the flags that are still to be served.
fn after_header(flags: u8) -> Place {
    if flags & EXTRA != 0 {
        Place::ExtraLength { low: None, flags: flags & !EXTRA }
    } else if flags & NAME != 0 {
        Place::Text { flags: flags & !NAME }
    } else if flags & COMMENT != 0 {
        Place::Text { flags: flags & !COMMENT }
    } else if flags & HEADER_SUM != 0 {
        Place::HeaderSum { left: 2 }
    } else {
        Place::Data
    }
}

fn extra(left: u16, flags: u8) -> Place {
    if left == 0 { after_header(flags) } else { Place::Extra { left, flags } }
}

impl Layer for Gzip {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Fault> {
        let mut read = 0_usize;
        while !matches!(self.place, Place::Data) {
            let Some(byte) = input.get(read) else { return Ok(Step { read, written: 0 }) };
            self.place = self.take(*byte)?;
            read = read.saturating_add(1);
        }
        let step = self.inner.step(input.get(read..).unwrap_or_default(), output)?;
        if self.inner.ended {
            self.place = Place::Trailer { left: 8 };
        }
        Ok(Step { read: read.saturating_add(step.read), written: step.written })
    }

    fn memory(&self) -> u64 {
        self.inner.memory()
    }
}
