//! The stand-in's HTTP/2, without TLS.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};

use super::{Record, Shared};
use crate::http::{Framing, Reply, When};
use crate::http2::{self, Body, from_map, to_map};

/// Serves one connection to its end.
pub fn serve(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    http2::block_on(async {
        let stream = tokio::net::TcpStream::from_std(stream)?;
        let mut connection = h2::server::handshake(stream).await.map_err(io::Error::other)?;
        while let Some(request) = connection.accept().await {
            let (request, respond) = request.map_err(io::Error::other)?;
            let (head, body) = request.into_parts();
            let mut headers = from_map(&head.headers);
            headers.push("host", head.uri.authority().map_or("", |authority| authority.as_str()));
            let path = head.uri.path_and_query().map_or("", |path| path.as_str());
            let record = Record::begin(shared, head.method.as_str(), path, headers);
            // A stream that fails is a client that went away, which the record says.
            tokio::spawn(async move { drop(exchange(record, body, respond).await) });
        }
        Ok(())
    })
}

async fn exchange(
    record: Record,
    mut body: RecvStream,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let early = record.reply();
    if early.when == When::HeadersRead {
        answer(&early, &mut respond, &record).await?;
    }
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        record.add(&piece);
    }
    let trailers = body.trailers().await?.map(|map| from_map(&map)).unwrap_or_default();
    record.complete(trailers);
    let reply = record.reply();
    match (early.when, reply.when) {
        (When::HeadersRead, _) => Ok(()),
        (_, When::Never) => std::future::poll_fn(|context| respond.poll_reset(context)).await.map(drop),
        _ => answer(&reply, &mut respond, &record).await,
    }
}

async fn answer(reply: &Reply, respond: &mut SendResponse<Bytes>, record: &Record) -> Result<(), h2::Error> {
    let result = send(reply, respond).await;
    record.answered(&result);
    result
}

async fn send(reply: &Reply, respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
    tokio::time::sleep(reply.wait).await;
    let encoded = reply.encoded_body();
    let sent = reply.cut_after.map_or(encoded.as_slice(), |bytes| &encoded[..bytes.min(encoded.len())]);
    let body = Body { pieces: reply.chunks.pieces(sent), pause: reply.pause, trailers: &reply.trailers };
    let mut head = http::Response::new(());
    *head.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or_default();
    *head.headers_mut() = to_map(&reply.all_headers());
    if reply.framing == Framing::Length && !head.headers().contains_key(http::header::CONTENT_LENGTH) {
        head.headers_mut().insert(http::header::CONTENT_LENGTH, encoded.len().into());
    }
    let ends_at_once = body.is_empty() && reply.cut_after.is_none();
    let mut stream = respond.send_response(head, ends_at_once)?;
    if reply.cut_after.is_some() {
        body.send_pieces(&mut stream).await?;
        // What was written should arrive before the reset.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        stream.send_reset(Reason::INTERNAL_ERROR);
        return Ok(());
    }
    if ends_at_once { Ok(()) } else { body.send(&mut stream).await }
}
