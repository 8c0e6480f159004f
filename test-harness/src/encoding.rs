//! Content-encodings, as an upstream applies them.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde::Deserialize;

/// A content-encoding that providers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which is what HTTP calls deflate.
    Deflate,
    /// RFC 1951, which some servers send under the name of deflate.
    RawDeflate,
    /// RFC 7932.
    Br,
    /// RFC 8878.
    Zstd,
}

impl Encoding {
    /// The value of `content-encoding`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate | Self::RawDeflate => "deflate",
            Self::Br => "br",
            Self::Zstd => "zstd",
        }
    }

    /// `body` in this encoding.
    pub fn encode(self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Gzip => finish(GzEncoder::new(Vec::new(), Compression::default()), body, GzEncoder::finish),
            Self::Deflate => {
                finish(ZlibEncoder::new(Vec::new(), Compression::default()), body, ZlibEncoder::finish)
            }
            Self::RawDeflate => {
                finish(DeflateEncoder::new(Vec::new(), Compression::default()), body, DeflateEncoder::finish)
            }
            Self::Br => brotli(body),
            Self::Zstd => {
                ruzstd::encoding::compress_to_vec(body, ruzstd::encoding::CompressionLevel::Fastest)
            }
        }
    }
}

fn finish<W: Write>(mut encoder: W, body: &[u8], end: impl FnOnce(W) -> std::io::Result<Vec<u8>>) -> Vec<u8> {
    encoder.write_all(body).and_then(|()| end(encoder)).expect("memory takes every byte")
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let (buffer_bytes, quality, window_bits) = (4096, 5, 22);
    let mut encoder = brotli::CompressorWriter::new(&mut encoded, buffer_bytes, quality, window_bits);
    encoder.write_all(body).expect("memory takes every byte");
    drop(encoder);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn decode(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match encoding {
            Encoding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut out),
            Encoding::Deflate => flate2::read::ZlibDecoder::new(bytes).read_to_end(&mut out),
            Encoding::RawDeflate => flate2::read::DeflateDecoder::new(bytes).read_to_end(&mut out),
            Encoding::Br => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out),
            Encoding::Zstd => ruzstd::decoding::StreamingDecoder::new(bytes).unwrap().read_to_end(&mut out),
        }
        .unwrap();
        out
    }

    #[test]
    fn every_encoding_can_be_read_again() {
        let body = b"data: {\"usage\":{\"prompt_tokens\":12}}\n\n".repeat(50);
        for encoding in
            [Encoding::Gzip, Encoding::Deflate, Encoding::RawDeflate, Encoding::Br, Encoding::Zstd]
        {
            let encoded = encoding.encode(&body);
            assert!(encoded.len() < body.len(), "{encoding:?} makes it smaller");
            assert_eq!(decode(encoding, &encoded), body, "{encoding:?}");
        }
    }
}
