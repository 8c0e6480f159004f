//! A proxy-wasm filter that inflates responses with the crates that Tollgate inflates with, looks at nothing of what comes out, and does
//! nothing else. What it costs over the filter that does next to nothing is the price of the inflation itself.
//!
//! It is for the bodies of the benches: one member, one frame, no odd headers, and it may be slow or wrong on any other.

use std::collections::BTreeMap;
use std::sync::Mutex;

use brotli_decompressor::{BrotliDecompressStream, BrotliState, StandardAlloc};
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::io::Read;

#[path = "../../callbacks.rs"]
mod callbacks;

mod host {
    #[cfg_attr(target_arch = "wasm32", link(wasm_import_module = "env"))]
    unsafe extern "C" {
        pub fn proxy_get_buffer_bytes(
            kind: u32,
            start: usize,
            length: usize,
            bytes: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
        pub fn proxy_get_header_map_value(
            map: u32,
            key: *const u8,
            key_size: usize,
            value: *mut *mut u8,
            size: *mut usize,
        ) -> u32;
    }
}

const CONTINUE: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const RESPONSE_HEADERS: u32 = 2;

enum Decoder {
    Gzip(Box<InflateState>),
    Br(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    /// The decoder wants whole blocks, so the body is kept until it is complete.
    Zstd(Vec<u8>),
}

static STREAMS: Mutex<BTreeMap<u32, Decoder>> = Mutex::new(BTreeMap::new());

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(context: u32, _count: usize, _end: u32) -> u32 {
    let key = "content-encoding";
    let coding = handed_over(|bytes, size| {
        // SAFETY: the key is a live string; the host writes one address and one length.
        unsafe { host::proxy_get_header_map_value(RESPONSE_HEADERS, key.as_ptr(), key.len(), bytes, size) }
    });
    let alloc = StandardAlloc::default;
    let decoder = match coding.as_deref() {
        Some(b"gzip") => Decoder::Gzip(InflateState::new_boxed(DataFormat::Raw)),
        Some(b"br") => Decoder::Br(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()))),
        Some(b"zstd") => Decoder::Zstd(Vec::new()),
        _ => return CONTINUE,
    };
    if let Ok(mut streams) = STREAMS.lock() {
        streams.insert(context, decoder);
    }
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_body(context: u32, size: usize, end: u32) -> u32 {
    if let Ok(mut streams) = STREAMS.lock()
        && let Some(decoder) = streams.get_mut(&context)
    {
        let chunk = handed_over(|bytes, length| {
            // SAFETY: the host writes one address and one length.
            unsafe { host::proxy_get_buffer_bytes(RESPONSE_BODY, 0, size, bytes, length) }
        });
        decoder.feed(chunk.as_deref().unwrap_or_default(), end != 0);
    }
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(context: u32) {
    if let Ok(mut streams) = STREAMS.lock() {
        streams.remove(&context);
    }
}

/// What the host hands over in memory that it had `proxy_on_memory_allocate` make.
fn handed_over(ask: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let (mut bytes, mut size) = (std::ptr::null_mut(), 0);
    if ask(&raw mut bytes, &raw mut size) != 0 || bytes.is_null() || size == 0 {
        return None;
    }
    // SAFETY: `proxy_on_memory_allocate` made just such a vector, and nobody else has it.
    Some(unsafe { Vec::from_raw_parts(bytes, size, size) })
}

/// What one step writes: as much as Tollgate's do.
const PIECE: usize = 16 * 1024;

/// The fixed header of a gzip member without a name; RFC 1952.
const GZIP_HEADER: usize = 10;

impl Decoder {
    fn feed(&mut self, chunk: &[u8], end: bool) {
        let mut piece = [0; PIECE];
        match self {
            Self::Gzip(state) => gunzip(state, chunk, &mut piece),
            Self::Br(state) => unbrotli(state, chunk, &mut piece),
            Self::Zstd(body) => {
                body.extend_from_slice(chunk);
                if end {
                    unzstd(body, &mut piece);
                }
            }
        }
    }
}

fn gunzip(state: &mut InflateState, chunk: &[u8], piece: &mut [u8]) {
    let headed = chunk.starts_with(b"\x1f\x8b");
    let mut rest = if headed { chunk.get(GZIP_HEADER..).unwrap_or_default() } else { chunk };
    loop {
        let step = inflate(state, rest, piece, MZFlush::None);
        rest = rest.get(step.bytes_consumed..).unwrap_or_default();
        if step.status.is_err() || (step.bytes_consumed == 0 && step.bytes_written == 0) {
            return;
        }
    }
}

fn unbrotli(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    chunk: &[u8],
    piece: &mut [u8],
) {
    let (mut available, mut read, mut total) = (chunk.len(), 0, 0);
    loop {
        let (before, mut room, mut written) = (read, PIECE, 0);
        let _the_bodies_are_good = BrotliDecompressStream(
            &mut available,
            &mut read,
            chunk,
            &mut room,
            &mut written,
            piece,
            &mut total,
            state,
        );
        if read == before && written == 0 {
            return;
        }
    }
}

fn unzstd(body: &[u8], piece: &mut [u8]) {
    let (mut decoder, mut rest) = (FrameDecoder::new(), body);
    if decoder.init(&mut rest).is_err() {
        return;
    }
    while !decoder.is_finished()
        && decoder.decode_blocks(&mut rest, BlockDecodingStrategy::UptoBlocks(1)).is_ok()
    {
        while decoder.can_collect() > 0 && decoder.read(piece).is_ok() {}
    }
}
