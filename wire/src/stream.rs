//! Push decoders: bytes in chunks of any size, with a bounded memory.

pub(crate) mod json_fields;
pub(crate) mod sse;
