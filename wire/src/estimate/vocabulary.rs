//! OpenAI's vocabularies. They weigh 7 MB in the artifact and some 39 MiB in memory once built, so they are there under the feature
//! `vocabulary` alone, and each is built only when it is wanted, by [`Vocabulary::build`], never by a call.

use std::cell::Cell;
use std::fmt;

use super::{CountTokens, Encoding};

/// The vocabularies of one worker. Without the feature `vocabulary` it never has any.
#[derive(Default)]
pub struct Vocabulary {
    o200k: Slot,
    cl100k: Slot,
}

/// One vocabulary.
#[derive(Default)]
struct Slot {
    wanted: Cell<bool>,
    built: Option<Box<dyn Counter>>,
}

trait Counter {
    fn count(&self, text: &str) -> u64;
}

impl Vocabulary {
    /// Whether vocabularies are compiled in.
    pub const IS_HERE: bool = cfg!(feature = "vocabulary");

    /// Notes that calls are being made: the usual vocabulary will be wanted.
    pub fn expect_calls(&self) {
        self.o200k.wanted.set(Self::IS_HERE);
    }

    /// Builds one vocabulary that is wanted; some 0.1 s. Whoever calls it must not be serving a call.
    pub fn build(&mut self) {
        let slots = [(&mut self.o200k, Encoding::O200k), (&mut self.cl100k, Encoding::Cl100k)];
        let wanted = slots.into_iter().find(|(slot, _)| slot.wanted.get() && slot.built.is_none());
        if let Some((slot, encoding)) = wanted {
            slot.built = built(encoding);
            slot.wanted.set(slot.built.is_some());
        }
    }
}

impl CountTokens for Vocabulary {
    fn count(&self, encoding: Encoding, text: &str) -> Option<u64> {
        let slot = match encoding {
            Encoding::O200k => &self.o200k,
            Encoding::Cl100k => &self.cl100k,
        };
        slot.wanted.set(Self::IS_HERE);
        slot.built.as_ref().map(|counter| counter.count(text))
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").field("is_here", &Self::IS_HERE).finish_non_exhaustive()
    }
}

#[cfg(feature = "vocabulary")]
fn built(encoding: Encoding) -> Option<Box<dyn Counter>> {
    struct Bpe(tiktoken_rs::CoreBPE);
    impl Counter for Bpe {
        fn count(&self, text: &str) -> u64 {
            u64::try_from(self.0.encode_ordinary(text).len()).unwrap_or(u64::MAX)
        }
    }
    let bpe = match encoding {
        Encoding::O200k => tiktoken_rs::o200k_base(),
        Encoding::Cl100k => tiktoken_rs::cl100k_base(),
    };
    Some(Box::new(Bpe(bpe.ok()?)))
}

#[cfg(not(feature = "vocabulary"))]
fn built(_encoding: Encoding) -> Option<Box<dyn Counter>> {
    None
}
