//! Maps from the host's numbers.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map from contexts or tokens. The host gives them out one after the other, so nobody can choose them to collide, and
/// one multiplication spreads them: the standard hasher's code is so long that it would push other code out of the caches.
pub type Numbers<T> = HashMap<u32, T, BuildHasherDefault<Spread>>;

/// Spreads one number over all bits (Fibonacci hashing: 2^64 divided by the golden ratio).
#[derive(Clone, Copy, Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
