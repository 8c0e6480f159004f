//! Puts content codings on.

use std::io::Write;

use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
use ruzstd::encoding::{CompressionLevel, compress_to_vec as compress_zstd};

/// Codings as a response may list them.
pub const CODINGS: [&str; 6] = ["gzip", "deflate", "br", "zstd", "gzip, br", "zstd , X-GZIP, identity"];

/// The body under these codings.
pub fn encode(codings: &str, body: &[u8]) -> Vec<u8> {
    codings.split(',').fold(body.to_vec(), |body, coding| match coding.trim() {
        "gzip" | "X-GZIP" => gzip(&body),
        "deflate" => compress_to_vec_zlib(&body, 6),
        "bare deflate" => compress_to_vec(&body, 6),
        "br" => brotli(&body),
        "zstd" => compress_zstd(body.as_slice(), CompressionLevel::Fastest),
        _ => body,
    })
}

/// A member with a name in its header; the trailer is not looked at.
fn gzip(body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 8 | 4, 0, 0, 0, 0, 0, 3, 3, 0, b'e', b'x', b't'];
    out.extend(b"body.json\0");
    out.extend(compress_to_vec(body, 6));
    out.extend([0; 8]);
    out
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut out, 4096, 5, 20);
    writer.write_all(body).unwrap();
    drop(writer);
    out
}
