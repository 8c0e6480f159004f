//! The client against the stand-in, without a proxy between them: what one sends, the other must see.

use std::time::Duration;

use tollgate_test_harness::chunking::Chunking;
use tollgate_test_harness::client;
use tollgate_test_harness::encoding::Encoding;
use tollgate_test_harness::http::{End, Framing, Headers, Reply, Request, Response, Seen, Version, When};
use tollgate_test_harness::upstream::Upstream;

const SOON: Duration = Duration::from_secs(2);

/// Runs the same over HTTP/1 and HTTP/2.
fn check(request: Request, reply: Reply, holds: impl Fn(&Response, &Seen, &str)) {
    for version in [Version::Http1, Version::Http2] {
        let upstream = Upstream::start(|_| Reply::default()).unwrap();
        upstream.reply_with(reply.clone());
        let response = client::call(upstream.address(), &Request { version, ..request.clone() }).unwrap();
        let seen = upstream.take_ended(SOON).pop().expect("the upstream saw a request");
        holds(&response, &seen, &format!("{version:?}"));
    }
}

fn post(body: &str) -> Request {
    Request { path: "/v1/x?y=1".to_owned(), body: body.as_bytes().to_vec(), ..Request::default() }
}

#[test]
fn bodies_and_headers_arrive_as_they_were_sent() {
    let mut request = post("hello upstream");
    request.headers.push("x-odd", b"\xff\xfe".to_vec());
    check(request, Reply::json("{}"), |response, seen, on| {
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/v1/x?y=1"), "{on}");
        assert_eq!(seen.body, b"hello upstream", "{on}");
        assert_eq!(seen.headers.bytes("x-odd"), Some(b"\xff\xfe".as_slice()), "{on}");
        assert_eq!(seen.headers.text("host").as_deref(), Some("llm.test"), "{on}");
        assert_eq!(
            (response.status, response.end, response.body.as_slice()),
            (200, End::Complete, b"{}".as_slice()),
            "{on}"
        );
    });
}

#[test]
fn chunked_bodies_with_trailers_arrive_on_both_sides() {
    let trailers = Headers::from_iter([("x-end", "yes")]);
    let request = Request {
        framing: Framing::Chunked,
        chunks: Chunking::Bytes,
        trailers: trailers.clone(),
        ..post("abc")
    };
    let reply = Reply { trailers: trailers.clone(), ..Reply::events("data: 1\n\ndata: 2\n\n") };
    check(request, reply, |response, seen, on| {
        assert_eq!((seen.body.as_slice(), &seen.trailers), (b"abc".as_slice(), &trailers), "{on}");
        assert_eq!(
            (response.body.as_slice(), &response.trailers),
            (b"data: 1\n\ndata: 2\n\n".as_slice(), &trailers),
            "{on}"
        );
    });
}

#[test]
fn an_encoded_body_is_named_and_sent_encoded() {
    let reply = Reply { encoding: Some(Encoding::Br), ..Reply::json("{\"a\":1}") };
    let encoded = reply.encoded_body();
    check(post(""), reply, |response, _, on| {
        assert_eq!(response.headers.text("content-encoding").as_deref(), Some("br"), "{on}");
        assert_eq!(response.body, encoded, "{on}");
    });
}

#[test]
fn a_cut_response_is_seen_as_cut() {
    let reply = Reply { cut_after: Some(9), ..Reply::events("data: 1\n\ndata: 2\n\n") };
    check(post(""), reply, |response, _, on| {
        assert_eq!((response.end, response.body.as_slice()), (End::Cut, b"data: 1\n\n".as_slice()), "{on}");
    });
}

#[test]
fn a_client_that_goes_away_is_seen_as_cut_by_the_upstream() {
    let request = Request { abort_after: Some(3), framing: Framing::Chunked, ..post("abcdef") };
    check(request, Reply::default(), |response, seen, on| {
        assert_eq!(response.end, End::HungUp, "{on}");
        assert_eq!(seen.end, Some(End::Cut), "{on}");
        // A reset of HTTP/2 may overtake bytes that nobody has read yet.
        assert!(b"abc".starts_with(&seen.body), "{on}: {:?}", seen.body);
    });
}

#[test]
fn a_client_can_leave_in_the_middle_of_a_response() {
    let request = Request { hang_up_after: Some(1), ..post("") };
    let reply = Reply { pause: Duration::from_millis(30), ..Reply::events("data: 1\n\ndata: 2\n\n") };
    check(request, reply, |response, _, on| assert_eq!(response.end, End::HungUp, "{on}"));
}

#[test]
fn times_of_first_and_last_bytes_show_who_waited() {
    let request = Request { chunks: Chunking::Size(1), pause: Duration::from_millis(20), ..post("abc") };
    let reply = Reply { when: When::RequestRead, ..Reply::json("{}") };
    check(request, reply, |response, seen, on| {
        assert!(seen.first_byte_at < response.sent_at, "{on}: the first byte came early");
        assert!(seen.first_byte_at < seen.last_byte_at, "{on}");
    });
}

#[test]
fn an_early_answer_comes_before_the_upload_ends() {
    let request = Request { chunks: Chunking::Size(1), pause: Duration::from_millis(30), ..post("abc") };
    let reply = Reply { when: When::HeadersRead, ..Reply::json("{}") };
    check(request, reply, |response, _, on| assert_eq!(response.status, 200, "{on}"));
}
