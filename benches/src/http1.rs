//! HTTP/1.1 as far as both ends of the measurement need it: where a message begins and ends.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};
use std::net::TcpStream;

/// One side of a connection that is read.
pub struct Incoming {
    reader: BufReader<TcpStream>,
}

/// The lines of a message before its body, in lower case.
pub struct Head(Vec<String>);

impl Head {
    /// The first line.
    pub fn first_line(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// The first value of a header.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut headers = self.0.iter().filter_map(|line| line.split_once(':'));
        headers.find(|(given, _)| *given == name).map(|(_, value)| value.trim())
    }
}

impl Incoming {
    /// Reads from that connection.
    pub fn new(stream: TcpStream) -> Self {
        Self { reader: BufReader::with_capacity(256 * 1024, stream) }
    }

    /// The next message's head, or nothing if the other side has closed.
    pub fn head(&mut self) -> Result<Option<Head>> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            match (line.is_empty(), lines.is_empty()) {
                (true, true) => return Ok(None),
                (true, false) => return Ok(Some(Head(lines))),
                (false, _) => lines.push(line),
            }
        }
    }

    /// The next message's body.
    pub fn body(&mut self, head: &Head) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        self.each_piece(head, |piece| body.extend_from_slice(piece))?;
        Ok(body)
    }

    /// The length of the next message's body, which is thrown away.
    pub fn body_length(&mut self, head: &Head) -> Result<usize> {
        let mut length = 0;
        self.each_piece(head, |piece| length += piece.len())?;
        Ok(length)
    }

    /// Passes over so many bytes of a chunked body, whose end does not come.
    pub fn first_bytes(&mut self, length: usize) -> Result<()> {
        let mut seen = 0;
        while seen < length {
            let size = self.line()?;
            let size = usize::from_str_radix(&size, 16).map_err(|_| bad_chunk(&size))?;
            self.exactly(size, &mut |piece| seen += piece.len())?;
            self.line()?;
        }
        Ok(())
    }

    fn each_piece(&mut self, head: &Head, mut act: impl FnMut(&[u8])) -> Result<()> {
        if head.value("transfer-encoding").is_none() {
            let length = head.value("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
            return self.exactly(length, &mut act);
        }
        loop {
            let size = self.line()?;
            let size = usize::from_str_radix(&size, 16).map_err(|_| bad_chunk(&size))?;
            self.exactly(size, &mut act)?;
            self.line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn exactly(&mut self, mut length: usize, act: &mut impl FnMut(&[u8])) -> Result<()> {
        while length > 0 {
            let available = self.reader.fill_buf()?;
            let piece = available.get(..length.min(available.len())).unwrap_or(available);
            if piece.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            act(piece);
            let taken = piece.len();
            self.reader.consume(taken);
            length -= taken;
        }
        Ok(())
    }

    /// A line without its end; empty at the end of the connection too.
    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        (&mut self.reader).take(64 * 1024).read_until(b'\n', &mut line)?;
        Ok(String::from_utf8_lossy(&line).trim_end().to_ascii_lowercase())
    }
}

fn bad_chunk(size: &str) -> Error {
    Error::new(ErrorKind::InvalidData, format!("`{size}` is not the size of a chunk"))
}
