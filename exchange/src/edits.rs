//! What a request's and a response's headers must say, whatever the rules are.

use crate::exchange::HeaderEdit;
use crate::head::{Head, HeaderPairs};
use tollgate_wire::{Call, INJECTION_ROOM, Injection};

/// How the body may be made to ask for its usage.
pub(crate) fn injection(head: &Head, call: &Call) -> Injection {
    let plain = head.headers.value("content-encoding").is_none();
    if !call.may_inject() || head.ends || head.signed() || !plain {
        return Injection::Off;
    }
    match head.content_length() {
        None => Injection::Chunked,
        Some(0) => Injection::Off,
        Some(length) => Injection::Length(length),
    }
}

/// Headers of our own name that came from the client go; where the body may grow its length is raised, and the
/// answer is asked for in plain, since a chunk cannot be taken out of a compressed stream.
pub(crate) fn request_edits(head: &Head, injection: Injection) -> Vec<HeaderEdit> {
    let mut edits = remove_own_headers(&head.headers);
    if let Injection::Length(length) = injection {
        edits.push(HeaderEdit::Set("content-length", length.saturating_add(INJECTION_ROOM).to_string()));
    }
    if injection != Injection::Off && head.headers.value("accept-encoding").is_some() {
        edits.push(HeaderEdit::Set("accept-encoding", "identity".to_owned()));
    }
    edits
}

/// Nobody but the filter itself sends headers of its name.
pub(crate) fn remove_own_headers(headers: &HeaderPairs) -> Vec<HeaderEdit> {
    let own = headers.beginning(b"x-tollgate-");
    own.filter_map(|(name, _)| std::str::from_utf8(name).ok())
        .map(|name| HeaderEdit::Remove(name.to_owned()))
        .collect()
}
