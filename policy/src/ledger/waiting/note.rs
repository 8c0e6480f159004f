//! What waits, as it stands in shared data.

use super::super::entry::Entry;
use super::super::{Lease, LedgerError, NOTHING, Op, SharedStore, StoreFailure, Table};
use crate::window::Window;
use std::sync::Arc;

/// A note that was written so long ago is that of a worker that is gone, or that has nothing to say. Between this and [`super::SURE_S`] lies
/// what a worker may at worst lose between its look at the clock and its write.
pub(super) const GONE_S: i64 = 5;

/// A note begins with its version and the second in which it was written.
pub(super) const HEAD_BYTES: usize = 9;
const VERSION: u8 = 1;

/// Of a note: the length of a key, the key, and what waits, in so many bytes.
pub(super) const SUM_BYTES: usize = 64;

/// What calls that have ended come to in one counter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::ledger) struct Ended {
    /// The start of the slot in which they ended.
    pub slot: i64,
    /// What they have used.
    pub actual: i128,
    /// What goes back, by the minute in which it would expire.
    pub released: [(u32, i128); 2],
    /// How long their answers were.
    pub outputs: Vec<u64>,
}

impl Ended {
    /// Gives back so much more; `false` if there is no room for another minute.
    pub(in crate::ledger) fn release(&mut self, minute: u32, amount: i128) -> bool {
        let own = |(other, held): &&mut (u32, i128)| *other == minute || *held == 0;
        let Some(place) = self.released.iter_mut().find(own) else { return amount == 0 };
        let Some(sum) = place.1.checked_add(amount) else { return false };
        *place = (minute, sum);
        true
    }

    /// Writes it into [`SUM_BYTES`], without a look at each byte: every call does this for each of its counters.
    #[inline(never)]
    pub(super) fn write_to(&self, place: &mut [u8]) {
        let [(first, back), (second, more)] = self.released;
        let Some((head, rest)) = place.split_first_chunk_mut::<24>() else { return };
        put(head, self.slot.to_le_bytes(), self.actual.to_le_bytes());
        let Some((lease, rest)) = rest.split_first_chunk_mut::<20>() else { return };
        put(lease, first.to_le_bytes(), back.to_le_bytes());
        let Some((lease, _)) = rest.split_first_chunk_mut::<20>() else { return };
        put(lease, second.to_le_bytes(), more.to_le_bytes());
    }

    fn from_bytes(bytes: &[u8; SUM_BYTES]) -> Option<Self> {
        let (slot, rest) = bytes.split_first_chunk::<8>()?;
        let (actual, rest) = rest.split_first_chunk::<16>()?;
        let lease = |rest: &[u8]| {
            let (minute, amount) = rest.split_first_chunk::<4>()?;
            Some((u32::from_le_bytes(*minute), i128::from_le_bytes(*amount.first_chunk::<16>()?)))
        };
        Some(Self {
            slot: i64::from_le_bytes(*slot),
            actual: i128::from_le_bytes(*actual),
            released: [lease(rest)?, lease(rest.get(20..)?)?],
            outputs: Vec::new(),
        })
    }
}

impl Entry {
    /// Takes in what calls that have ended come to.
    #[inline(never)]
    pub(in crate::ledger) fn absorb(mut self, ended: &Ended) -> Result<Self, LedgerError> {
        self.use_in(ended.actual, ended.slot)?;
        for (minute, amount) in ended.released {
            self.release(Lease { expires_minute: minute, amount, shared: false })?;
        }
        ended.outputs.iter().for_each(|tokens| self.note_output(*tokens));
        Ok(self)
    }
}

/// Writes two numbers one after the other.
fn put<const A: usize, const B: usize>(place: &mut [u8], one: [u8; A], other: [u8; B]) {
    let Some((first, rest)) = place.split_first_chunk_mut::<A>() else { return };
    *first = one;
    let Some((second, _)) = rest.split_first_chunk_mut::<B>() else { return };
    *second = other;
}

/// A note that was read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ledger) struct Note {
    pub(super) written: i64,
    pub(super) bytes: Vec<u8>,
}

impl Note {
    /// Whether its worker is gone, or has had nothing to say for long.
    pub(super) fn is_left(&self, now: i64) -> bool {
        now.saturating_sub(self.written) >= GONE_S
    }

    pub(super) fn says_something(&self) -> bool {
        self.bytes.len() > HEAD_BYTES
    }

    /// What waited, by counter, as far as it can be read.
    pub(in crate::ledger) fn rows(&self) -> Vec<(Op, Ended)> {
        let mut rest = self.bytes.get(HEAD_BYTES..).unwrap_or_default();
        let next = || {
            let (length, behind) = rest.split_first_chunk::<2>()?;
            let (key, behind) = behind.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            let (ended, behind) = behind.split_first_chunk::<SUM_BYTES>()?;
            rest = behind;
            Some((op_of(std::str::from_utf8(key).ok()?), Ended::from_bytes(ended)?))
        };
        let rows = std::iter::from_fn(next);
        rows.filter(|(_, ended)| ended.actual != 0 || ended.released.iter().any(|(_, a)| *a != 0)).collect()
    }
}

pub(super) fn key(number: u32) -> String {
    format!("tg/1/waiting/{number}")
}

/// The note under a key, and the number to swap it with. One that cannot be read was written by another version: anybody's.
pub(super) fn read(store: &impl SharedStore, key: &str) -> Result<(Option<Note>, Option<u32>), StoreFailure> {
    let Some((bytes, cas)) = store.read(key)? else { return Ok((None, None)) };
    let written = bytes.strip_prefix(&[VERSION]).and_then(|rest| rest.first_chunk::<8>());
    let written = written.map(|written| i64::from_le_bytes(*written));
    Ok((written.map(|written| Note { written, bytes }), Some(cas)))
}

pub(super) fn write_head(note: &mut Vec<u8>, now: i64) {
    if note.len() < HEAD_BYTES {
        note.resize(HEAD_BYTES, 0);
    }
    for (place, byte) in note.iter_mut().zip([VERSION].into_iter().chain(now.to_le_bytes())) {
        *place = byte;
    }
}

/// What is known of a counter by its key alone. A window without an end forgets nothing of it: who comes by later knows better.
pub(super) fn op_of(key: &str) -> Op {
    // `tg/1/{namespace}/quota/{name}/v`, and values behind it where the quota has a counter for each.
    let values = key
        .match_indices('/')
        .nth(4)
        .filter(|(at, _)| key.get(*at..).is_some_and(|rest| rest.starts_with("/v/")));
    let base = values.and_then(|(at, _)| key.get(..at));
    Op {
        key: key.into(),
        table: base.map(|base| Arc::new(Table::new(base.to_owned()))),
        window: Window::Seconds(i64::MAX),
        change: NOTHING,
        keeps_below: 0,
        stays_from: 0,
    }
}
