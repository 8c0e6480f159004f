//! The client's HTTP/2, without TLS.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream};

use super::{method, none};
use crate::http::{End, Framing, Request, Response};
use crate::http2::{self, Body, from_map, to_map};

pub fn call(address: SocketAddr, request: &Request) -> io::Result<Response> {
    http2::block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await?;
        let (sender, connection) = h2::client::handshake(stream).await.map_err(io::Error::other)?;
        let driver = tokio::spawn(connection);
        let response = tokio::time::timeout(super::PATIENCE, exchange(sender, request)).await;
        // Frames that are still queued, a reset above all, should go out.
        tokio::time::sleep(Duration::from_millis(20)).await;
        driver.abort();
        response.map_err(io::Error::from)?.map_err(io::Error::other)
    })
}

async fn exchange(mut sender: SendRequest<Bytes>, request: &Request) -> Result<Response, h2::Error> {
    let sent = match request.abort_after {
        Some(bytes) => &request.body[..bytes.min(request.body.len())],
        None => &request.body,
    };
    let body =
        Body { pieces: request.chunks.pieces(sent), pause: request.pause, trailers: &request.trailers };
    let ends_at_once = body.is_empty() && request.abort_after.is_none();
    let (response, mut stream) = sender.send_request(head_of(request), ends_at_once)?;
    if request.abort_after.is_some() {
        body.send_pieces(&mut stream).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.send_reset(Reason::CANCEL);
        return Ok(none(End::HungUp));
    }
    let upload = async {
        // An early answer may end the stream under a slow upload.
        let sent = ends_at_once || body.send(&mut stream).await.is_ok();
        sent.then(Instant::now)
    };
    let (sent_at, received) = tokio::join!(upload, receive(response, request));
    let (mut response, hung_up) = received?;
    response.sent_at = sent_at;
    if hung_up {
        stream.send_reset(Reason::CANCEL);
    }
    Ok(response)
}

fn head_of(request: &Request) -> http::Request<()> {
    let host = request.headers.text("host").unwrap_or_else(|| super::HOST.to_owned());
    let mut head = http::Request::new(());
    *head.method_mut() = method(request).parse().unwrap_or_default();
    *head.uri_mut() = format!("http://{host}{}", request.path).parse().unwrap_or_default();
    *head.version_mut() = http::Version::HTTP_2;
    *head.headers_mut() = to_map(&request.headers);
    if request.framing == Framing::Length
        && !request.body.is_empty()
        && !request.headers.has("content-length")
    {
        head.headers_mut().insert(http::header::CONTENT_LENGTH, request.body.len().into());
    }
    head
}

/// The response, and whether we left before its end.
async fn receive(head: h2::client::ResponseFuture, request: &Request) -> Result<(Response, bool), h2::Error> {
    let (head, mut stream) = match head.await {
        Ok(response) => response.into_parts(),
        Err(error) if error.is_reset() || error.is_go_away() => return Ok((none(End::Cut), false)),
        Err(error) => return Err(error),
    };
    let mut response =
        Response { status: head.status.as_u16(), headers: from_map(&head.headers), ..none(End::Complete) };
    let hang_up_after = request.hang_up_after.unwrap_or(usize::MAX);
    let hung_up = match read_body(&mut stream, &mut response, hang_up_after).await {
        Ok(hung_up) => hung_up,
        Err(_) => {
            response.end = End::Cut;
            false
        }
    };
    if hung_up {
        response.end = End::HungUp;
    } else if response.end == End::Complete
        && let Ok(Some(trailers)) = stream.trailers().await
    {
        response.trailers = from_map(&trailers);
    }
    Ok((response, hung_up))
}

async fn read_body(
    stream: &mut RecvStream,
    response: &mut Response,
    hang_up_after: usize,
) -> Result<bool, h2::Error> {
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        response.first_byte_at.get_or_insert_with(Instant::now);
        response.body.extend_from_slice(&piece);
        if response.body.len() >= hang_up_after {
            return Ok(true);
        }
    }
    Ok(false)
}
