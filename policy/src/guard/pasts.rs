//! Where pasts are kept: in pages of shared data that all guards of a namespace share, by the key.
//!
//! Guards mostly tell calls apart by the same. So what they know of a key stands side by side in one page, and pages are small: what a
//! call showed four guards is taken in with one read and one write of some two kilobytes.

use super::Past;
use super::rule::Gauge;
use crate::dimension::escape;
use crate::ledger::{SharedStore, StoreFailure, Swap};

/// The pages of a namespace.
#[derive(Clone, Debug)]
pub struct Pasts {
    prefix: String,
    /// How many slots a page may have, of whatever guards.
    most: usize,
}

/// Which past: of a key, under a guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastId {
    key: u64,
    guard: u32,
}

/// One page while it is changed.
#[derive(Clone, Debug, Default)]
pub struct PastPage {
    /// Slots: a head, and the words of a past.
    bytes: Vec<u8>,
    /// Where the slot begins that comes after the one that was asked for last.
    next: usize,
    most: usize,
}

/// How many slots of one guard a page may have: where keys fall by chance, next to no page has so many of ten thousand.
const SLOTS: usize = 16;
/// Room for what guards knew that are gone: there may be as many slots as these would have.
const GONE: usize = 2;
/// Attempts to write while other workers do.
const ATTEMPTS: usize = 64;
/// A key's half and a guard's number.
const HEAD_BYTES: usize = 8;

impl Pasts {
    /// How many pages there may be.
    pub const PAGES: u64 = 2048;

    /// The pages of a namespace that has so many guards.
    pub fn new(namespace: &str, guards: usize) -> Self {
        let prefix = format!("tg/1/{}/pasts/", escape(namespace));
        Self { prefix, most: guards.saturating_add(GONE).saturating_mul(SLOTS) }
    }

    /// The page of a key.
    pub const fn page(key: u64) -> u64 {
        key % Self::PAGES
    }

    /// Reads a page and writes what `change` makes of it. `change` may be called several times, each time with what stands there by
    /// then.
    ///
    /// # Errors
    /// Where the store fails, or others write all the time.
    #[inline(never)]
    pub fn change(
        &self,
        store: &dyn SharedStore,
        page: u64,
        change: &mut dyn FnMut(&mut PastPage),
    ) -> Result<(), StoreFailure> {
        let key = format!("{}{page}", self.prefix);
        for _ in 0..ATTEMPTS {
            let (bytes, cas) =
                store.read(&key)?.map_or((Vec::new(), None), |(bytes, cas)| (bytes, Some(cas)));
            let mut page = PastPage { bytes, next: 0, most: self.most };
            change(&mut page);
            if store.swap(&key, &page.bytes, cas)? == Swap::Done {
                return Ok(());
            }
        }
        Err(StoreFailure)
    }
}

impl PastId {
    /// The past of a key under a guard of that number.
    pub const fn new(key: u64, guard: u32) -> Self {
        Self { key, guard }
    }

    /// What its slot begins with. The key's lower half says in which page that is.
    const fn head(self) -> u64 {
        (self.key >> 32) | ((self.guard as u64) << 32)
    }
}

/// The number of a guard, out of a hash of what it is: it says also how long its pasts are.
pub(super) const fn guard_number(hash: u32, gauge: Gauge) -> u32 {
    match gauge {
        Gauge::Rate | Gauge::March => hash | 1,
        Gauge::Value | Gauge::Share => hash & !1,
    }
}

/// How many bytes a slot has that begins so.
const fn slot_bytes(head: u64) -> usize {
    let gauge = if (head >> 32) & 1 == 1 { Gauge::Rate } else { Gauge::Value };
    Past::words(gauge).saturating_mul(4).saturating_add(HEAD_BYTES)
}

impl PastPage {
    /// The words of a past, which [`Past::read`] reads and [`Past::write`] writes; zeros if it is new. Where there is no room, what
    /// was not seen for longest goes.
    #[inline(never)]
    pub fn words(&mut self, id: PastId) -> &mut [[u8; 4]] {
        let head = id.head();
        let at = self.find(head).unwrap_or_else(|| self.insert(head));
        self.next = at.saturating_add(slot_bytes(head));
        let slot = self.bytes.get_mut(at.saturating_add(HEAD_BYTES)..self.next);
        slot.map(|slot| slot.as_chunks_mut().0).unwrap_or_default()
    }

    /// Where a slot begins. What guards know of a key stands mostly in their order.
    fn find(&self, head: u64) -> Option<usize> {
        let next = self.bytes.get(self.next..self.next.saturating_add(slot_bytes(head)));
        if next.is_some_and(|slot| slot.first_chunk() == Some(&head.to_le_bytes())) {
            return Some(self.next);
        }
        self.slots().find(|slot| slot.head == head).map(|slot| slot.at)
    }

    fn slots(&self) -> Slots<'_> {
        Slots { rest: &self.bytes, at: 0 }
    }

    /// Makes a slot. A page that cannot be read is begun anew from there.
    #[cold]
    #[inline(never)]
    fn insert(&mut self, head: u64) -> usize {
        let end = self.slots().last().map_or(0, |slot| slot.at.saturating_add(slot_bytes(slot.head)));
        self.bytes.truncate(end);
        let is_own = |slot: &Slot| slot.head >> 32 == head >> 32;
        if self.slots().filter(is_own).count() >= SLOTS {
            self.forget(self.slots().filter(is_own).min_by_key(|slot| slot.seen));
        } else if self.slots().count() >= self.most {
            self.forget(self.slots().min_by_key(|slot| slot.seen));
        }
        let at = self.bytes.len();
        self.bytes.extend(head.to_le_bytes());
        self.bytes.resize(at.saturating_add(slot_bytes(head)), 0);
        at
    }

    fn forget(&mut self, slot: Option<Slot>) {
        let Some(slot) = slot else { return };
        let end = slot.at.saturating_add(slot_bytes(slot.head)).min(self.bytes.len());
        self.bytes.drain(slot.at.min(end)..end);
    }
}

/// Where a slot is, and when it was changed last: a past's first word.
struct Slot {
    at: usize,
    head: u64,
    seen: u32,
}

struct Slots<'a> {
    rest: &'a [u8],
    at: usize,
}

impl Iterator for Slots<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let (head, past) = self.rest.split_first_chunk()?;
        let head = u64::from_le_bytes(*head);
        let (bytes, at) = (slot_bytes(head), self.at);
        let seen = u32::from_le_bytes(*past.first_chunk()?);
        self.rest = self.rest.get(bytes..)?;
        self.at = at.saturating_add(bytes);
        Some(Slot { at, head, seen })
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
