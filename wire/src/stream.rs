//! Push decoders: bytes in chunks of any size, with a bounded memory.

mod crc32;
pub(crate) mod frames;
pub(crate) mod json_fields;
pub(crate) mod sse;
