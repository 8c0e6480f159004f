//! Where a body is cut into the pieces that are written one by one.

use serde::Deserialize;

/// How a body is cut. In a scenario file: `whole`, `bytes`, `events`, `{size: 100}` or `{at: [3, 10]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chunking {
    /// In one piece.
    #[default]
    Whole,
    /// Byte by byte.
    Bytes,
    /// After each blank line, as a provider sends server-sent events.
    Events,
    /// In pieces of that many bytes.
    Size(usize),
    /// At these offsets.
    At(Vec<usize>),
}

impl Chunking {
    /// The pieces, in order; none is empty, and together they are `body`.
    pub fn pieces<'a>(&self, body: &'a [u8]) -> Vec<&'a [u8]> {
        match self {
            Self::Whole if body.is_empty() => Vec::new(),
            Self::Whole => vec![body],
            Self::Bytes => body.chunks(1).collect(),
            Self::Events => split_at(body, &event_ends(body)),
            Self::Size(size) => body.chunks((*size).max(1)).collect(),
            Self::At(offsets) => split_at(body, offsets),
        }
    }
}

fn split_at<'a>(body: &'a [u8], offsets: &[usize]) -> Vec<&'a [u8]> {
    let mut offsets: Vec<usize> = offsets.iter().copied().filter(|&at| at < body.len()).collect();
    offsets.push(body.len());
    offsets.sort_unstable();
    let mut from = 0;
    let pieces = offsets.into_iter().map(|to| &body[std::mem::replace(&mut from, to)..to]);
    pieces.filter(|piece| !piece.is_empty()).collect()
}

/// The offsets just after `\n\n` and `\r\n\r\n`.
fn event_ends(body: &[u8]) -> Vec<usize> {
    let ends =
        (1..=body.len()).filter(|&to| body[..to].ends_with(b"\n\n") || body[..to].ends_with(b"\r\n\r\n"));
    ends.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chunking: Chunking, body: &str, expected: &[&str]) {
        let pieces: Vec<&str> = chunking
            .pieces(body.as_bytes())
            .into_iter()
            .map(|piece| std::str::from_utf8(piece).unwrap())
            .collect();
        assert_eq!(pieces, expected, "{chunking:?} of {body:?}");
    }

    #[test]
    fn pieces_are_never_empty_and_make_up_the_body() {
        check(Chunking::Whole, "", &[]);
        check(Chunking::Whole, "abc", &["abc"]);
        check(Chunking::Bytes, "abc", &["a", "b", "c"]);
        check(Chunking::Size(2), "abc", &["ab", "c"]);
        check(Chunking::Size(0), "ab", &["a", "b"]);
        check(Chunking::At(vec![9, 2, 0, 1, 2]), "abc", &["a", "b", "c"]);
        check(Chunking::Events, "a\n\nb\r\n\r\nc", &["a\n\n", "b\r\n\r\n", "c"]);
        check(Chunking::Events, "a\n\n", &["a\n\n"]);
    }
}
