//! Content codings, as servers apply them.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::bufread::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Br,
    /// RFC 8878.
    Zstd,
}

/// A window of 4 MiB, which is what servers use unless told otherwise.
const BR_WINDOW: u32 = 22;
/// What servers use for answers that are made while they are sent.
const BR_QUALITY: u32 = 5;

impl Coding {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Gzip, Self::Br, Self::Zstd];

    /// What `content-encoding` says.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "identity",
            Self::Gzip => "gzip",
            Self::Br => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The header of a response, where it has one.
    pub fn header(self) -> Vec<(&'static str, &'static str)> {
        if self == Self::Plain { Vec::new() } else { vec![("content-encoding", self.name())] }
    }

    /// The bytes in this coding. Memory can be read and written; a body that came out empty would show as a wrong length.
    pub fn encode(self, bytes: &[u8]) -> Vec<u8> {
        let mut encoded = Vec::new();
        match self {
            Self::Plain => encoded.extend_from_slice(bytes),
            Self::Gzip => {
                let _ = GzEncoder::new(bytes, Compression::default()).read_to_end(&mut encoded);
            }
            Self::Br => {
                let mut writer = brotli::CompressorWriter::new(&mut encoded, 4096, BR_QUALITY, BR_WINDOW);
                let _ = writer.write_all(bytes);
            }
            Self::Zstd => encoded = compress_to_vec(bytes, CompressionLevel::Fastest),
        }
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_coding_makes_a_body_shorter() {
        let text = "data: {}\n\n".repeat(1000);
        for coding in Coding::ALL {
            let length = coding.encode(text.as_bytes()).len();
            let expected = if coding == Coding::Plain { text.len()..=text.len() } else { 20..=1000 };
            assert!(expected.contains(&length), "{}: {length}", coding.name());
        }
    }
}
