//! The stand-in's HTTP/1.1.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use super::{Record, Shared};
use crate::http::{Framing, Reply, When};
use crate::http1::{self, BodyLength, Incoming};

/// Serves one connection to its end.
pub fn serve(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let mut connection = Connection { incoming: Incoming::new(stream.try_clone()?), stream };
    while let Some(head) = connection.incoming.head()? {
        let length = BodyLength::of(&head.headers, BodyLength::Known(0));
        let mut words = head.first_line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let record = Record::begin(shared, method, path, head.headers);
        if !connection.exchange(length, &record)? {
            break;
        }
    }
    Ok(())
}

struct Connection {
    stream: TcpStream,
    incoming: Incoming,
}

impl Connection {
    /// Whether the connection can take another request.
    fn exchange(&mut self, length: BodyLength, record: &Record) -> io::Result<bool> {
        let early = record.reply();
        if early.when == When::HeadersRead {
            self.answer(&early, record)?;
        }
        let trailers = self.incoming.body(length, |piece| {
            record.add(piece);
            Ok(())
        })?;
        record.complete(trailers);
        let reply = record.reply();
        match (early.when, reply.when) {
            (When::HeadersRead, _) => Ok(true),
            (_, When::Never) => self.wait_for_close(),
            _ => self.answer(&reply, record),
        }
    }

    /// The same, once the answer is there.
    fn answer(&mut self, reply: &Reply, record: &Record) -> io::Result<bool> {
        let result = self.send(reply);
        record.answered(&result);
        result
    }

    fn send(&mut self, reply: &Reply) -> io::Result<bool> {
        std::thread::sleep(reply.wait);
        let body = reply.encoded_body();
        let head = head_of(reply, body.len());
        self.stream.write_all(&head)?;
        if let Some(bytes) = reply.cut_after {
            let pieces = reply.chunks.pieces(&body[..bytes.min(body.len())]);
            http1::write_pieces(&mut self.stream, &pieces, reply.pause, reply.framing)?;
            // What was written should arrive before the reset, which overtakes it otherwise.
            std::thread::sleep(Duration::from_millis(20));
            http1::reset(&self.stream);
            return Ok(false);
        }
        http1::write_body(
            &mut self.stream,
            &reply.chunks.pieces(&body),
            reply.pause,
            reply.framing,
            &reply.trailers,
        )?;
        Ok(reply.framing != Framing::Close)
    }

    fn wait_for_close(&mut self) -> io::Result<bool> {
        self.incoming.body(BodyLength::UntilClose, |_| Ok(()))?;
        Ok(false)
    }
}

fn head_of(reply: &Reply, bytes: usize) -> Vec<u8> {
    let mut headers = reply.all_headers();
    match reply.framing {
        Framing::Length if !headers.has("content-length") => {
            headers.push("content-length", bytes.to_string())
        }
        Framing::Chunked => headers.push("transfer-encoding", "chunked"),
        Framing::Close => headers.push("connection", "close"),
        Framing::Length => {}
    }
    http1::head_bytes(&format!("HTTP/1.1 {} Stand-In", reply.status), &headers)
}
