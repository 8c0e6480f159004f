//! Where quotas are counted: entries of bytes in some shared store, changed by compare-and-swap.
//!
//! [`Entry::apply`] is pure: an entry, a change and the time give the next entry and an answer. [`perform`] does a
//! batch of them on a [`SharedStore`], all or nothing.
//!
//! What a call costs is booked in the window in which it *ends*: an open reservation is carried into the next
//! window, where it still stands in the way of others until it is settled.

mod entry;
mod in_hand;
mod others;
mod own;
mod page;
mod perform;
mod places;
mod sketch;
mod table;
mod waiting;

pub use entry::Entry;
pub use in_hand::{GiveBack, InHand};
pub use others::{note_others, perform_beside_others, taken_by_others};
pub use own::{NoStore, OwnStore};
pub use perform::{book, book_from, look, perform, perform_from};
pub use places::{KeyBudget, claim_place};
pub use table::{Listed, Table};

use crate::window::Window;
use perform::{MAX_CONFLICTS, change_with};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use table::Home;

/// Which call a reservation belongs to: process, worker and sequence. It prints as `process-worker-sequence` in
/// lower-case hexadecimal, and that is the record's `tollgate.id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId {
    /// The proxy process: the nanosecond at which its first worker asked for an id.
    pub process: u64,
    /// The worker, counted from 1 in each process; a new configuration counts as a new worker.
    pub worker: u32,
    /// The call, counted from 1 in each worker, without gaps.
    pub sequence: u64,
}

impl ReservationId {
    /// What it prints, without formatting machinery: each call of a proxy writes one.
    pub fn to_text(self) -> String {
        let mut text = Vec::with_capacity(LONGEST_ID);
        push_hex(&mut text, self.process);
        text.push(b'-');
        push_hex(&mut text, u64::from(self.worker));
        text.push(b'-');
        push_hex(&mut text, self.sequence);
        // It is ASCII, and stays what it is.
        String::from_utf8(text).unwrap_or_default()
    }
}

/// Two numbers of 64 bits, one of 32, and two dashes.
const LONGEST_ID: usize = 42;

/// The number in hexadecimal, without leading zeros.
#[inline(never)]
fn push_hex(text: &mut Vec<u8>, number: u64) {
    let digits = (u64::BITS.saturating_sub(number.leading_zeros())).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let nibble = number.checked_shr(place.saturating_mul(4)).unwrap_or_default() & 0xf;
        text.extend(b"0123456789abcdef".get(nibble as usize));
    }
}

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl FromStr for ReservationId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let read = || {
            let (process, rest) = hexadecimal(text.as_bytes())?;
            let (worker, rest) = hexadecimal(rest.strip_prefix(b"-")?)?;
            let (sequence, rest) = hexadecimal(rest.strip_prefix(b"-")?)?;
            let worker = u32::try_from(worker).ok()?;
            rest.is_empty().then_some(Self { process, worker, sequence })
        };
        read().ok_or(())
    }
}

/// The number at the start, and what stands behind it. By hand: millions of ids are read out of logs.
fn hexadecimal(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    let mut rest = text;
    while let [byte, behind @ ..] = rest {
        let Some(digit) = char::from(*byte).to_digit(16) else { break };
        number = number.checked_mul(16)?.checked_add(digit.into())?;
        rest = behind;
    }
    (rest.len() < text.len()).then_some((number, rest))
}

/// What is reserved until one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// The minute of the epoch at which it expires.
    pub expires_minute: u32,
    /// How much, in the quota's unit.
    pub amount: i128,
    /// It stands in the counter that values without room of their own share.
    pub shared: bool,
}

/// How much a call may use, in the quota's unit: a fixed part, and so much for each output token.
///
/// What is usual stands in the counter itself, so the sum is only known where the counter is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// What does not depend on the answer: the input, or one call.
    pub fixed: i128,
    /// For a million output tokens.
    pub per_million: i128,
    /// How many output tokens are put aside.
    pub output: Output,
}

/// How many output tokens are put aside for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// This many.
    Tokens(u64),
    /// What is usual for the counter, and never more than this.
    Usual {
        /// What the call is bounded by.
        at_most: u64,
    },
}

impl Default for Output {
    fn default() -> Self {
        Self::Tokens(0)
    }
}

/// What stands in for the usual output of a counter that has not seen enough answers.
pub const UNKNOWN_OUTPUT: u64 = 1024;

impl Amount {
    /// An amount that does not depend on the answer.
    pub const fn fixed(amount: i128) -> Self {
        Self { fixed: amount, per_million: 0, output: Output::Tokens(0) }
    }

    /// How many output tokens are put aside where `usual` is usual.
    pub fn tokens(&self, usual: Option<u64>) -> u64 {
        match self.output {
            Output::Tokens(tokens) => tokens,
            Output::Usual { at_most } => usual.unwrap_or(UNKNOWN_OUTPUT).min(at_most),
        }
    }

    /// The sum where `usual` is usual, rounded up; `None` if it does not fit.
    pub fn of(&self, usual: Option<u64>) -> Option<i128> {
        let output = self.per_million.checked_mul(i128::from(self.tokens(usual)))?;
        self.fixed.checked_add(output.checked_add(999_999)?.div_euclid(1_000_000))
    }
}

/// What is to happen to a counter. Amounts are in the quota's unit: pico-USD, tokens, or requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Put `amount` aside if `limit` allows it.
    Reserve {
        /// How much this call may use.
        amount: Amount,
        /// How much the window allows.
        limit: i128,
    },
    /// Turn a reservation into what was really used; zero gives it back.
    Settle {
        /// What admission put aside.
        lease: Lease,
        /// What was used.
        actual: i128,
        /// The answer's output tokens, where they tell what is usual.
        output: Option<u64>,
    },
    /// Let this window have so much more.
    Grant {
        /// How much.
        amount: i128,
    },
    /// Forget what was used in this window.
    Reset,
}

/// A change that changes nothing.
const NOTHING: Change = Change::release(Lease { expires_minute: 0, amount: 0, shared: false });

impl Change {
    /// Gives a reservation back.
    pub const fn release(lease: Lease) -> Self {
        Self::Settle { lease, actual: 0, output: None }
    }

    /// Whether it is about what was put aside in the counter that values without room of their own share.
    const fn is_shared(self) -> bool {
        matches!(self, Self::Settle { lease: Lease { shared: true, .. }, .. })
    }
}

/// One counter's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Put aside; hand the lease back when settling.
    Reserved {
        /// What was put aside.
        lease: Lease,
        /// What was used and reserved before; `None` if the store does not say.
        taken: Option<i128>,
    },
    /// The window has no room left until this second of the epoch.
    Refused {
        /// When it has room again, at the earliest.
        resets_at: i64,
        /// What is used and reserved.
        taken: i128,
        /// What was asked for.
        amount: i128,
    },
    /// Booked.
    Settled,
}

/// Why an entry cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerError {
    /// The stored bytes are no entry of a version that is known here.
    Unreadable,
    /// A sum does not fit.
    Overflow,
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "a stored counter cannot be read",
            Self::Overflow => "a counter's sum does not fit",
        })
    }
}

impl std::error::Error for LedgerError {}

/// A store of bytes with compare-and-swap, shared by all workers of a process.
pub trait SharedStore {
    /// The value and the number to swap it with; `None` if the key was never written.
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailure>;

    /// Writes if nobody wrote since `cas` was read. `None` creates the key, and fails if it exists by now; `Some(0)` overwrites what is there.
    fn swap(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<Swap, StoreFailure>;
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// It stands.
    Done,
    /// Somebody else wrote first.
    Conflict,
}

/// The store did not answer, or not with anything usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFailure;

/// One counter of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Op {
    /// Its key.
    pub key: Arc<str>,
    /// Where it stands among the quota's other counters; `None` for a quota that has one counter only.
    pub table: Option<Arc<Table>>,
    /// Its window.
    pub window: Window,
    /// What is to happen to it.
    pub change: Change,
    /// A worker may put more aside than this call needs ([`InHand`]) as long as far less than this is taken; 0: never.
    pub keeps_below: i128,
    /// A counter of which so much is taken makes no room for others in its window; 0: not known.
    pub stays_from: i128,
}

impl Op {
    /// The counter as it stands; `None` if there is none.
    ///
    /// # Errors
    /// Where the store fails.
    #[cold]
    #[inline(never)]
    pub fn entry(&self, store: &dyn SharedStore) -> Result<Option<Entry>, StoreFailure> {
        let home = Home::of(self);
        Ok(home.read(store)?.entry(&home))
    }
}

/// The outcome of a batch of reservations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// All were put aside, in the order of the batch.
    Granted(Vec<Answer>),
    /// The counter at this place of the batch has no room; nothing is put aside.
    Refused {
        /// The place in the batch.
        index: usize,
        /// When it has room again, in seconds of the epoch.
        resets_at: i64,
        /// What is used and reserved there; `None` if the store does not say.
        taken: Option<i128>,
        /// What the call asked for there.
        amount: i128,
    },
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
