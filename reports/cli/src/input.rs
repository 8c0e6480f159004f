//! Log files as chunks of whole lines: plain, gzip or zstd, patterns of names, standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use tollgate_reports::Chunk;

/// Bytes of a chunk, unless one line has more.
const CHUNK: usize = 1 << 20;
/// Longer lines are not read: they are told and skipped.
pub const MAX_LINE: usize = 64 << 20;

/// The files that patterns name, in the order of the arguments and of the names; `-` is standard input.
///
/// # Errors
/// A pattern that no file fits.
pub fn expand(patterns: &[String]) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    for pattern in patterns {
        let is_pattern = pattern.contains(['*', '?']) && !Path::new(pattern).exists();
        if !is_pattern {
            files.push(pattern.clone());
            continue;
        }
        let mut found = matching(Path::new(pattern));
        if found.is_empty() {
            return Err(format!("no file fits `{pattern}`"));
        }
        found.sort();
        files.extend(found.iter().map(|path| path.to_string_lossy().into_owned()));
    }
    Ok(files)
}

/// Paths that fit, part by part: `logs/*/access-2026-1?.log*`.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = part.as_os_str().to_string_lossy();
        if !name.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        found = found
            .iter()
            .flat_map(|folder| {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                std::fs::read_dir(folder).into_iter().flatten().flatten()
            })
            .filter(|entry| fits(&name, &entry.file_name().to_string_lossy()))
            .map(|entry| entry.path())
            .collect();
    }
    found.retain(|path| path.exists() && !path.is_dir());
    found.iter().map(|path| path.strip_prefix("./").unwrap_or(path).to_path_buf()).collect()
}

/// `*` stands for any text, `?` for one character.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| fits(rest, &name[at..]))
        }
        Some(wanted) => name.chars().next().is_some_and(|got| {
            (wanted == '?' || wanted == got) && fits(&pattern[wanted.len_utf8()..], &name[got.len_utf8()..])
        }),
    }
}

/// One file, read as chunks.
pub struct Source {
    name: String,
    file: usize,
    reader: Box<dyn Read>,
    /// The start of a line whose end was not read yet.
    rest: Vec<u8>,
    max_line: usize,
    is_done: bool,
}

impl Source {
    /// Opens the file of this place in the list.
    pub fn open(name: &str, file: usize) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("`{name}`: {error}");
        let plain: Box<dyn Read> = match name {
            "-" => Box::new(std::io::stdin()),
            _ => Box::new(File::open(name).map_err(told)?),
        };
        let mut plain = BufReader::with_capacity(1 << 18, plain);
        let start = plain.fill_buf().map_err(told)?;
        let reader: Box<dyn Read> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(MultiGzDecoder::new(plain))
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Box::new(Frames { source: Some(plain), open: None })
        } else {
            Box::new(plain)
        };
        Ok(Self { name: name.to_owned(), file, reader, rest: Vec::new(), max_line: MAX_LINE, is_done: false })
    }

    /// The next chunk; `None` behind the last one.
    pub fn next(&mut self) -> Result<Option<Chunk>, String> {
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
            let end = if self.is_done {
                Some(chunk.bytes.len())
            } else {
                chunk.bytes[before..].iter().rposition(|byte| *byte == b'\n').map(|at| before + at + 1)
            };
            if let Some(end) = end {
                self.rest = chunk.bytes.split_off(end);
                chunk.ends_file = self.is_done;
                return Ok(Some(chunk));
            }
            before = chunk.bytes.len();
            if before > self.max_line {
                chunk.too_long += 1;
                chunk.bytes = self.skip_line()?;
                before = 0;
            }
        }
    }

    /// Reads a chunk's worth of bytes more; true at the end of the file.
    fn fill(&mut self, bytes: &mut Vec<u8>) -> Result<bool, String> {
        match self.reader.by_ref().take(CHUNK as u64).read_to_end(bytes) {
            Ok(read) => Ok(read < CHUNK),
            // A packed file that is still written, or was cut: what it holds before its end was read.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                eprintln!("`{}` ends in the middle: it is still written, or was cut", self.name);
                Ok(true)
            }
            Err(error) => Err(format!("`{}`: {error}", self.name)),
        }
    }

    /// Reads up to the end of a line that is too long, and hands back what was read of the next ones.
    fn skip_line(&mut self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let is_done = self.fill(&mut bytes)?;
            if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                self.is_done = is_done;
                return Ok(bytes.split_off(end + 1));
            }
            if is_done {
                self.is_done = true;
                return Ok(Vec::new());
            }
        }
    }
}

type Plain = BufReader<Box<dyn Read>>;

/// All frames of a zstd file, one after the other: rotated logs are appended to.
struct Frames {
    source: Option<Plain>,
    open: Option<ruzstd::decoding::StreamingDecoder<Plain, ruzstd::decoding::FrameDecoder>>,
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if let Some(open) = &mut self.open {
                match open.read(buffer)? {
                    0 => self.source = self.open.take().map(ruzstd::decoding::StreamingDecoder::into_inner),
                    read => return Ok(read),
                }
            }
            let Some(mut source) = self.source.take() else { return Ok(0) };
            if source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let decoder = ruzstd::decoding::StreamingDecoder::new(source);
            let cut = |error: &dyn std::fmt::Display| std::io::Error::other(format!("zstd: {error}"));
            self.open = Some(decoder.map_err(|error| cut(&error))?);
        }
    }
}

#[cfg(test)]
mod tests;
