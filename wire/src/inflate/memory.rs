//! What all decoders of a worker may hold together.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

/// Memory of a worker never shrinks, and past some 1 GB it dies: its decoders share this much. 32 windows of brotli at its widest.
const MOST: u64 = 128 * 1024 * 1024;

/// The decoders' memory of one worker: clones share it.
#[derive(Clone)]
pub struct DecoderMemory {
    used: Rc<Cell<u64>>,
    most: u64,
}

impl DecoderMemory {
    /// Of another size.
    pub fn of(most: u64) -> Self {
        Self { used: Rc::default(), most }
    }

    /// A share of it, nothing yet.
    pub(crate) fn share(&self) -> Share {
        Share { memory: self.clone(), held: 0 }
    }
}

impl Default for DecoderMemory {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl fmt::Debug for DecoderMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecoderMemory({} of {})", self.used.get(), self.most)
    }
}

/// What one body's decoders hold; given back when they go.
#[derive(Debug)]
pub(crate) struct Share {
    memory: DecoderMemory,
    held: u64,
}

impl Share {
    /// Sets how much is held; `false` if there is not so much.
    pub(super) fn set(&mut self, held: u64) -> bool {
        let others = self.memory.used.get().saturating_sub(self.held);
        let all = others.saturating_add(held);
        let fits = held <= self.held || all <= self.memory.most;
        if fits {
            self.memory.used.set(all);
            self.held = held;
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.used.set(self.memory.used.get().saturating_sub(self.held));
    }
}
