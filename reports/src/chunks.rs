//! The bytes of a file -> chunks of whole lines: plain, gzip or zstd.

use std::io::{BufRead, BufReader, ErrorKind, Read, Result};

use flate2::bufread::MultiGzDecoder;

use crate::journal::Chunk;

/// Bytes of a chunk, unless one line has more.
const CHUNK: usize = 1 << 18;
/// Longer lines are not read: they are told and skipped.
pub const MAX_LINE: usize = 64 << 20;

/// Whatever bytes come from.
type Plain = BufReader<Box<dyn Read>>;

/// One file, read as chunks.
pub struct Chunks {
    file: usize,
    reader: Box<dyn Read>,
    /// The start of a line whose end was not read yet.
    rest: Vec<u8>,
    max_line: usize,
    is_done: bool,
    is_cut: bool,
}

impl Chunks {
    /// Of the file of this place in the list. What it is packed with shows in its first bytes, not in its name.
    ///
    /// # Errors
    /// What the source answers.
    pub fn new(source: impl Read + 'static, file: usize) -> Result<Self> {
        let mut plain: Plain = BufReader::with_capacity(1 << 18, Box::new(source));
        let start = plain.fill_buf()?;
        let reader: Box<dyn Read> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(MultiGzDecoder::new(plain))
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Box::new(Frames { source: Some(plain), open: None })
        } else {
            Box::new(plain)
        };
        Ok(Self { file, reader, rest: Vec::new(), max_line: MAX_LINE, is_done: false, is_cut: false })
    }

    /// Whether a packed file ended in the middle: it is still written, or was cut.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The next chunk; `None` behind the last one.
    ///
    /// # Errors
    /// What the source answers, or bytes that do not unpack.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        if self.is_done {
            return Ok(None);
        }
        let mut chunk = Chunk {
            file: self.file,
            bytes: std::mem::take(&mut self.rest),
            max_line: self.max_line,
            ..Chunk::default()
        };
        // Up to here there is no newline: what is left over has none, what follows a skipped line may.
        let mut before = chunk.bytes.len();
        loop {
            self.is_done = self.fill(&mut chunk.bytes)?;
            let end = if self.is_done { Some(chunk.bytes.len()) } else { line_end(&chunk.bytes, before) };
            if let Some(end) = end {
                self.rest = chunk.bytes.split_off(end);
                chunk.ends_file = self.is_done;
                return Ok(Some(chunk));
            }
            before = chunk.bytes.len();
            if before > self.max_line {
                chunk.too_long = chunk.too_long.saturating_add(1);
                chunk.bytes = self.skip_line()?;
                before = 0;
            }
        }
    }

    /// Reads a chunk's worth of bytes more; true at the end of the file.
    fn fill(&mut self, bytes: &mut Vec<u8>) -> Result<bool> {
        bytes.reserve(CHUNK);
        match self.reader.by_ref().take(CHUNK as u64).read_to_end(bytes) {
            Ok(read) => Ok(read < CHUNK),
            // What a packed file holds before its end was read.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.is_cut = true;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads up to the end of a line that is too long, and hands back what was read of the next ones.
    fn skip_line(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let is_done = self.fill(&mut bytes)?;
            let end = memchr::memchr(b'\n', &bytes).and_then(|end| end.checked_add(1));
            if let Some(end) = end {
                self.is_done = is_done;
                return Ok(bytes.split_off(end));
            }
            if is_done {
                self.is_done = true;
                return Ok(Vec::new());
            }
        }
    }
}

/// Behind the last newline that stands at `from` or later.
fn line_end(bytes: &[u8], from: usize) -> Option<usize> {
    let place = memchr::memrchr(b'\n', bytes.get(from..)?)?;
    from.checked_add(place)?.checked_add(1)
}

type Frame = ruzstd::decoding::StreamingDecoder<Plain, ruzstd::decoding::FrameDecoder>;

/// All frames of a zstd file, one after the other: rotated logs are appended to.
struct Frames {
    source: Option<Plain>,
    open: Option<Frame>,
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if let Some(open) = &mut self.open {
                match open.read(buffer)? {
                    0 => self.source = self.open.take().map(Frame::into_inner),
                    read => return Ok(read),
                }
            }
            let Some(mut source) = self.source.take() else { return Ok(0) };
            if source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let decoder = ruzstd::decoding::StreamingDecoder::new(source);
            self.open = Some(decoder.map_err(|error| std::io::Error::other(format!("zstd: {error}")))?);
        }
    }
}

#[cfg(test)]
mod tests;
