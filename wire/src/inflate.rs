//! Content codings of responses, taken off a copy of the body while it passes.
//!
//! Work is linear in what comes and goes. Windows are capped, so is what one body may unfold to: a body
//! beyond that is not read any further.

mod brotli;
mod deflate;
mod memory;
mod zstd;

use std::fmt;

use brotli::Brotli;
use deflate::{Deflate, Gzip};
pub use memory::DecoderMemory;
use memory::Share;
use zstd::Zstd;

/// What one step of a decoder writes at most.
const PIECE: usize = 16 * 1024;

/// More codings than this are not taken off.
const MOST_LAYERS: usize = 4;

/// What one body may unfold to.
const MOST_OUT: u64 = 512 * 1024 * 1024;

/// A body may unfold to so many times its length, and this much more.
const MOST_RATIO: u64 = 1100;
const FREE_OUT: u64 = 4 * 1024 * 1024;

/// One coding.
trait Layer {
    /// Reads from `input` and writes to `output`.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Fault>;
    /// How many bytes it holds or may come to hold, as far as its header told.
    fn memory(&self) -> u64;
}

/// What a step did. A step that neither read nor wrote needs more input.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    read: usize,
    written: usize,
}

/// A body that cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not what its coding allows.
    Malformed,
    /// It wants more memory, or unfolds to more, than is granted.
    Limit,
}

/// Takes off all codings of a body.
pub(crate) struct Inflater {
    layers: Vec<Box<dyn Layer>>,
    /// Of the memory that all decoders share, where there is a bound.
    share: Option<Share>,
    came: u64,
    went: u64,
}

impl Inflater {
    /// A decoder for a `content-encoding`; `None` if one of its codings is not known. The codings were
    /// applied in the order in which they are listed.
    pub(crate) fn new(content_encoding: &str) -> Option<Self> {
        let codings = content_encoding.split(',').map(|coding| coding.trim().to_ascii_lowercase());
        let codings: Vec<String> =
            codings.filter(|coding| !coding.is_empty() && coding != "identity").collect();
        if codings.len() > MOST_LAYERS {
            return None;
        }
        let layers: Option<Vec<_>> = codings.iter().rev().map(|coding| layer(coding)).collect();
        Some(Self { layers: layers?, share: None, came: 0, went: 0 })
    }

    /// Takes what it holds out of a memory that others use too.
    pub(crate) fn set_memory(&mut self, memory: &DecoderMemory) {
        self.share = Some(memory.share());
    }

    /// Whether there is nothing to take off.
    pub(crate) fn is_identity(&self) -> bool {
        self.layers.is_empty()
    }

    /// Decodes a chunk; the pieces go to `sink`.
    pub(crate) fn feed(&mut self, chunk: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        self.came = self.came.saturating_add(size(chunk));
        let bound = self.came.saturating_mul(MOST_RATIO).saturating_add(FREE_OUT).min(MOST_OUT);
        let went = &mut self.went;
        let mut counted = |piece: &[u8]| {
            *went = went.saturating_add(size(piece));
            sink(piece);
            if *went > bound { Err(Fault::Limit) } else { Ok(()) }
        };
        pump(&mut self.layers, chunk, &mut counted)?;
        let held = self.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.memory()));
        let fits = self.share.as_mut().is_none_or(|share| share.set(held));
        if fits { Ok(()) } else { Err(Fault::Limit) }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}

fn layer(coding: &str) -> Option<Box<dyn Layer>> {
    match coding {
        "gzip" | "x-gzip" => Some(Box::new(Gzip::new())),
        "deflate" => Some(Box::new(Deflate::new())),
        "br" => Some(Box::new(Brotli::new())),
        "zstd" => Some(Box::new(Zstd::new())),
        _ => None,
    }
}

/// Sends bytes through all layers. It calls itself once for each of the few layers.
fn pump(
    layers: &mut [Box<dyn Layer>],
    input: &[u8],
    sink: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let Some((first, rest)) = layers.split_first_mut() else { return sink(input) };
    let mut piece = [0; PIECE];
    let mut input = input;
    loop {
        let step = first.step(input, &mut piece)?;
        input = input.get(step.read..).unwrap_or_default();
        let written = piece.get(..step.written).unwrap_or_default();
        if !written.is_empty() {
            pump(rest, written, sink)?;
        }
        if step.read == 0 && step.written == 0 {
            return Ok(());
        }
    }
}

fn size(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
    use proptest::prelude::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec as compress_zstd};

    fn inflated(coding: &str, body: &[u8], length: usize) -> Result<Vec<u8>, Fault> {
        let mut inflater = Inflater::new(coding).unwrap();
        let mut out = Vec::new();
        for chunk in body.chunks(length) {
            inflater.feed(chunk, &mut |piece| out.extend_from_slice(piece))?;
        }
        Ok(out)
    }

    #[test]
    fn every_cut_gives_the_same_bytes() {
        let text = "data: {\"a\":1}\n\n".repeat(3000).into_bytes();
        let zstd = compress_zstd(text.as_slice(), CompressionLevel::Fastest);
        let empty_frame = b"\x50\x2a\x4d\x18\x02\0\0\0xx\x51\x2a\x4d\x18\0\0\0\0";
        let two_frames = [empty_frame, zstd.as_slice(), empty_frame, zstd.as_slice()].concat();
        let cases = [
            ("deflate in zlib's wrapping", "deflate", compress_to_vec_zlib(&text, 6), text.clone()),
            ("bare deflate", "Deflate", compress_to_vec(&text, 6), text.clone()),
            ("frames after each other, some without content", "zstd", two_frames, text.repeat(2)),
        ];
        for (name, coding, body, expected) in cases {
            for length in [1, 2, 7, 1000, usize::MAX] {
                assert!(
                    inflated(coding, &body, length).unwrap() == expected,
                    "{name}, in chunks of {length}"
                );
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(Inflater::new("compress").is_none());
        assert!(Inflater::new("gzip, gzip, gzip, gzip, gzip").is_none());
        for coding in ["gzip", "deflate", "br", "zstd"] {
            assert!(inflated(coding, b"\xff\xff no such body, whatever the coding", 5).is_err(), "{coding}");
        }
        assert_eq!(inflated("br", b"\x0f....", 5), Err(Fault::Limit), "a window of 16 MiB");
        let window_of_a_gigabyte = b"\x28\xb5\x2f\xfd\x00\xa0";
        assert_eq!(inflated("zstd", window_of_a_gigabyte, 6), Err(Fault::Limit));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn damaged_bodies_are_no_harm(
            which in 0..4_usize, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            length in 1..400_usize
        ) {
            let text = b"data: {\"model\":\"m\",\"usage\":{\"prompt_tokens\":12}}\n\n".repeat(40);
            let bodies = [
                ("deflate", compress_to_vec_zlib(&text, 6)),
                ("gzip", [b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(), &compress_to_vec(&text, 6)].concat()),
                ("zstd", compress_zstd(text.as_slice(), CompressionLevel::Fastest)),
                ("br", brotli_body(&text)),
            ];
            let Some((coding, body)) = bodies.get(which) else { return Ok(()) };
            let mut body = body.clone();
            for (place, byte) in damage {
                *place.get_mut(&mut body) = byte;
            }
            let _any_outcome = inflated(coding, &body, length);
        }
    }

    fn brotli_body(text: &[u8]) -> Vec<u8> {
        brotli_of(text, 20)
    }

    fn brotli_of(text: &[u8], window: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = ::brotli::CompressorWriter::new(&mut out, 4096, 5, window);
        std::io::Write::write_all(&mut writer, text).unwrap();
        drop(writer);
        out
    }

    #[test]
    fn all_decoders_together_hold_no_more_than_they_may() {
        let memory = DecoderMemory::of(9 << 20);
        let widest = brotli_of(&b"data: {}\n\n".repeat(100), 22);
        let open = || {
            let mut inflater = Inflater::new("br").unwrap();
            inflater.set_memory(&memory);
            let outcome = inflater.feed(&widest, &mut |_| {});
            (inflater, outcome)
        };
        let (first, outcome) = open();
        assert_eq!(outcome, Ok(()), "{memory:?}");
        let (_second, outcome) = open();
        assert_eq!(outcome, Ok(()), "{memory:?}");
        assert_eq!(open().1, Err(Fault::Limit), "two windows of 4 MiB are in use: {memory:?}");
        drop(first);
        assert_eq!(open().1, Ok(()), "one was given back: {memory:?}");
        let zstd = compress_zstd(&b"x".repeat(1000)[..], CompressionLevel::Fastest);
        for (coding, body) in
            [("gzip", compress_to_vec(b"x", 6)), ("deflate", compress_to_vec_zlib(b"x", 6)), ("zstd", zstd)]
        {
            let mut inflater = Inflater::new(coding).unwrap();
            inflater.set_memory(&DecoderMemory::of(1));
            let gzip_head = if coding == "gzip" { &b"\x1f\x8b\x08\0\0\0\0\0\0\x03"[..] } else { b"" };
            let outcome = inflater.feed(&[gzip_head, &body].concat(), &mut |_| {});
            assert_eq!(outcome, Err(Fault::Limit), "{coding} holds something");
        }
    }

    #[test]
    fn a_body_that_unfolds_without_end_is_given_up() {
        let zeros = vec![0; 1 << 26];
        let body = compress_zstd(zeros.as_slice(), CompressionLevel::Fastest);
        assert_eq!(inflated("zstd", &body, 1 << 16), Err(Fault::Limit));
    }
}
