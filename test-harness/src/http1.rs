//! HTTP/1.1 on a plain socket: enough to see and send exact bytes, chunk by chunk.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::http::{Framing, Headers};

/// The first line of a message and its headers.
pub struct Head {
    pub first_line: String,
    pub headers: Headers,
}

/// One side of a connection that is read.
pub struct Incoming {
    reader: BufReader<TcpStream>,
}

impl Incoming {
    pub fn new(stream: TcpStream) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    /// The next message's head, or nothing if the other side has closed.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        let first_line = self.line()?;
        if first_line.is_empty() {
            return Ok(None);
        }
        let headers = self.headers()?;
        Ok(Some(Head { first_line: String::from_utf8_lossy(&first_line).into_owned(), headers }))
    }

    /// Reads a body to its end, hands over each piece as it comes, and returns the trailers.
    pub fn body(
        &mut self,
        length: BodyLength,
        mut piece: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<Headers> {
        match length {
            BodyLength::Known(bytes) => self.pieces(bytes, &mut piece)?,
            BodyLength::UntilClose => while self.some(usize::MAX, &mut piece)? > 0 {},
            BodyLength::Chunked => return self.chunks(&mut piece),
        }
        Ok(Headers::default())
    }

    fn chunks(&mut self, piece: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<Headers> {
        loop {
            let line = self.line()?;
            let digits = String::from_utf8_lossy(&line).into_owned();
            let digits = digits.split(';').next().unwrap_or_default().trim().to_owned();
            let bytes = usize::from_str_radix(&digits, 16).map_err(|_| cut())?;
            if bytes == 0 {
                return self.headers();
            }
            self.pieces(bytes, piece)?;
            self.line()?;
        }
    }

    fn pieces(
        &mut self,
        mut bytes: usize,
        piece: &mut impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while bytes > 0 {
            match self.some(bytes, piece)? {
                0 => return Err(cut()),
                read => bytes -= read,
            }
        }
        Ok(())
    }

    fn some(&mut self, at_most: usize, piece: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<usize> {
        let available = self.reader.fill_buf()?;
        let taken = available.len().min(at_most);
        if taken > 0 {
            piece(&available[..taken])?;
        }
        self.reader.consume(taken);
        Ok(taken)
    }

    fn headers(&mut self) -> io::Result<Headers> {
        let mut headers = Headers::default();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(headers);
            }
            let colon = line.iter().position(|&byte| byte == b':').ok_or_else(cut)?;
            headers.push(&String::from_utf8_lossy(&line[..colon]), line[colon + 1..].trim_ascii());
        }
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.reader.by_ref().take(1 << 20).read_until(b'\n', &mut line)?;
        Ok(line.trim_ascii_end().to_vec())
    }
}

/// How the end of a body can be told.
#[derive(Clone, Copy)]
pub enum BodyLength {
    Known(usize),
    Chunked,
    UntilClose,
}

impl BodyLength {
    /// As `headers` say, or `otherwise`.
    pub fn of(headers: &Headers, otherwise: Self) -> Self {
        if headers.text("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            return Self::Chunked;
        }
        headers.text("content-length").and_then(|value| value.parse().ok()).map_or(otherwise, Self::Known)
    }
}

/// The head as bytes, ended by its blank line.
pub fn head_bytes(first_line: &str, headers: &Headers) -> Vec<u8> {
    let mut bytes = format!("{first_line}\r\n").into_bytes();
    for (name, value) in &headers.0 {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Writes the pieces, each after a pause, then the end that `framing` asks for.
pub fn write_body(
    stream: &mut TcpStream,
    pieces: &[&[u8]],
    pause: Duration,
    framing: Framing,
    trailers: &Headers,
) -> io::Result<()> {
    write_pieces(stream, pieces, pause, framing)?;
    if framing == Framing::Chunked {
        stream.write_all(&head_bytes("0", trailers))?;
    }
    stream.flush()
}

/// Writes the pieces, each after a pause, and no end.
pub fn write_pieces(
    stream: &mut TcpStream,
    pieces: &[&[u8]],
    pause: Duration,
    framing: Framing,
) -> io::Result<()> {
    for piece in pieces {
        std::thread::sleep(pause);
        match framing {
            Framing::Chunked => stream.write_all(&chunk(piece))?,
            Framing::Length | Framing::Close => stream.write_all(piece)?,
        }
    }
    Ok(())
}

fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", piece.len()).into_bytes();
    bytes.extend_from_slice(piece);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Closes with a reset instead of an orderly end.
pub fn reset(stream: &TcpStream) {
    // A socket that is already gone needs no reset.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

fn cut() -> io::Error {
    io::Error::new(ErrorKind::UnexpectedEof, "the message was cut")
}
