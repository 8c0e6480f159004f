//! A client that can be slow, odd, or gone in the middle.

mod http2;

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Error;
use crate::http::{End, Framing, Headers, Request, Response, Version};
use crate::http1::{self, BodyLength, Incoming};

/// Longer than any scenario lets a call take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where a request names none.
const HOST: &str = "llm.test";

/// Sends `request` and reads the response to its end, or as far as the request says.
///
/// # Errors
/// Where no connection can be made, or nothing comes for 20 s.
pub fn call(address: SocketAddr, request: &Request) -> Result<Response, Error> {
    let response = match request.version {
        Version::Http1 => connect(address).and_then(|stream| exchange(stream, request)),
        Version::Http2 => http2::call(address, request),
    };
    response.map_err(Error::io(format!("no answer from {address} to {}", request.path)))
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn exchange(stream: TcpStream, request: &Request) -> io::Result<Response> {
    let incoming = Incoming::new(stream.try_clone()?);
    if let Some(bytes) = request.abort_after {
        return abort(stream, request, bytes);
    }
    // The upload may be slow, and the answer may come before its end.
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(stream.try_clone()?, request));
        let mut response = receive(incoming, request, &stream)?;
        response.sent_at = sender.join().ok().and_then(Result::ok);
        Ok(response)
    })
}

fn abort(mut stream: TcpStream, request: &Request, bytes: usize) -> io::Result<Response> {
    stream.write_all(&head_of(request))?;
    let pieces = request.chunks.pieces(&request.body[..bytes.min(request.body.len())]);
    http1::write_pieces(&mut stream, &pieces, request.pause, request.framing)?;
    // What was written should arrive before the end.
    std::thread::sleep(Duration::from_millis(20));
    Ok(none(End::HungUp))
}

/// Returns when the last byte had been written.
fn send(mut stream: TcpStream, request: &Request) -> io::Result<Instant> {
    stream.write_all(&head_of(request))?;
    let pieces = request.chunks.pieces(&request.body);
    http1::write_body(&mut stream, &pieces, request.pause, request.framing, &request.trailers)?;
    Ok(Instant::now())
}

fn head_of(request: &Request) -> Vec<u8> {
    let method = method(request);
    let mut headers = request.headers.clone();
    if !headers.has("host") {
        headers.0.insert(0, ("host".to_owned(), HOST.into()));
    }
    let framed = headers.has("content-length") || headers.has("transfer-encoding");
    let bodiless = method == "GET" && request.body.is_empty();
    match request.framing {
        Framing::Chunked if !framed => headers.push("transfer-encoding", "chunked"),
        Framing::Length if !framed && !bodiless => {
            headers.push("content-length", request.body.len().to_string());
        }
        _ => {}
    }
    http1::head_bytes(&format!("{method} {} HTTP/1.1", request.path), &headers)
}

fn method(request: &Request) -> &str {
    if request.method.is_empty() { "POST" } else { &request.method }
}

fn receive(mut incoming: Incoming, request: &Request, stream: &TcpStream) -> io::Result<Response> {
    let head = match incoming.head() {
        Ok(Some(head)) => head,
        Ok(None) => return Ok(none(End::Cut)),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(none(End::Cut)),
        Err(error) => return Err(error),
    };
    let status = head.first_line.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let bodiless = method(request) == "HEAD" || matches!(status, 204 | 304) || (100..200).contains(&status);
    let length =
        if bodiless { BodyLength::Known(0) } else { BodyLength::of(&head.headers, BodyLength::UntilClose) };
    let mut response = Response { status, headers: head.headers, ..none(End::Complete) };
    let hang_up_after = request.hang_up_after.unwrap_or(usize::MAX);
    let read = incoming.body(length, |piece| {
        response.first_byte_at.get_or_insert_with(Instant::now);
        response.body.extend_from_slice(piece);
        if response.body.len() >= hang_up_after { Err(hung_up()) } else { Ok(()) }
    });
    match read {
        Ok(trailers) => response.trailers = trailers,
        Err(error) if error.kind() == ErrorKind::Interrupted => response.end = End::HungUp,
        Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
            response.end = End::Cut;
        }
        Err(error) => return Err(error),
    }
    // Also ends a sender that is still writing to somebody who has answered already.
    let _ = stream.shutdown(std::net::Shutdown::Both);
    Ok(response)
}

fn none(end: End) -> Response {
    Response {
        status: 0,
        headers: Headers::default(),
        body: Vec::new(),
        trailers: Headers::default(),
        end,
        first_byte_at: None,
        sent_at: None,
    }
}

/// `Interrupted` never comes out of a blocking read here, so it can carry our own wish to leave.
fn hung_up() -> io::Error {
    io::Error::from(ErrorKind::Interrupted)
}
