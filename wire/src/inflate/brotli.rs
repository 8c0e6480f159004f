//! Brotli (RFC 7932).

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{Fault, Layer, Step};

/// The widest window that is granted, as a power of two: 4 MiB, which is what servers use at most unless
/// told otherwise.
const WIDEST: u8 = 22;

type State = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

pub(super) struct Brotli {
    state: Option<Box<State>>,
    /// The window, as a power of two.
    width: u8,
    written: usize,
    ended: bool,
}

impl Brotli {
    pub(super) fn new() -> Self {
        Self { state: None, width: 0, written: 0, ended: false }
    }
}

impl Layer for Brotli {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Fault> {
        if self.ended {
            return Ok(Step { read: input.len(), written: 0 });
        }
        let state = match &mut self.state {
            Some(state) => state,
            None => {
                let Some(first) = input.first() else { return Ok(Step::default()) };
                if window(*first) > WIDEST {
                    return Err(Fault::Limit);
                }
                self.width = window(*first);
                let alloc = StandardAlloc::default;
                self.state.insert(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
            }
        };
        let (mut available_in, mut read) = (input.len(), 0);
        let (mut available_out, mut written) = (output.len(), 0);
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut read,
            input,
            &mut available_out,
            &mut written,
            output,
            &mut self.written,
            state,
        );
        match result {
            BrotliResult::ResultFailure => return Err(Fault::Malformed),
            BrotliResult::ResultSuccess => self.ended = true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
        Ok(Step { read, written })
    }

    /// The window, and tables that were seen to take up to 64 KiB.
    fn memory(&self) -> u64 {
        let window = 1_u64.checked_shl(self.width.into()).unwrap_or(u64::MAX);
        if self.state.is_some() { window.saturating_add(64 * 1024) } else { 0 }
    }
}

/// The width of the window that the first byte announces (RFC 7932, section 9.1).
fn window(first: u8) -> u8 {
    match (first & 1, (first >> 1) & 7, (first >> 4) & 7) {
        (0, _, _) => 16,
        (_, 0, 0) => 17,
        (_, 0, narrow) => narrow.saturating_add(8),
        (_, wide, _) => wide.saturating_add(17),
    }
}
