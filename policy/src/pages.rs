//! Many small things of fixed size in shared data, whose entries cannot be deleted: slots, so many to a page, in a bounded number of
//! pages. Where a page is full, what was not seen for longest makes room.

use crate::ledger::{SharedStore, StoreFailure, Swap};

/// A table of slots.
#[derive(Clone, Debug)]
pub struct Pages {
    /// What the keys of its pages begin with. It says the slots' version.
    pub prefix: String,
    /// How many pages there may be.
    pub pages: u64,
    /// How many slots a page may have.
    pub slots: usize,
    /// How many words of 32 bits a slot holds.
    pub words: usize,
}

/// What becomes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// It is written as it is now.
    Written,
    /// It stays as it was.
    Kept,
    /// Its room is free.
    Freed,
}

/// The slot's key, and when it was written last, stand before its words.
const HEAD_BYTES: usize = 12;

/// Attempts to write while other workers do.
const ATTEMPTS: usize = 64;

impl Pages {
    /// How many bytes one slot takes.
    pub fn slot_bytes(&self) -> usize {
        self.words.saturating_mul(4).saturating_add(HEAD_BYTES)
    }

    /// Reads the slot of `key`, all zeros if there is none, and writes what `change` makes of it at `now` (seconds of the
    /// epoch). `change` may be called several times, each time with what stands there by then.
    ///
    /// # Errors
    /// Where the store fails, or others write all the time.
    #[inline(never)]
    pub fn change(
        &self,
        store: &dyn SharedStore,
        key: u64,
        now: u32,
        change: &mut dyn FnMut(&mut [u32]) -> Slot,
    ) -> Result<(), StoreFailure> {
        self.change_all(store, &[key], now, &mut |_, words| change(words))
    }

    /// The same for several keys of one page, which is read and written once. `change` hears which of them it is about.
    ///
    /// # Errors
    /// As [`Pages::change`].
    #[inline(never)]
    pub fn change_all(
        &self,
        store: &dyn SharedStore,
        keys: &[u64],
        now: u32,
        change: &mut dyn FnMut(usize, &mut [u32]) -> Slot,
    ) -> Result<(), StoreFailure> {
        let Some(first) = keys.first() else { return Ok(()) };
        let page = format!("{}/{}", self.prefix, first.checked_rem(self.pages).unwrap_or(0));
        for _ in 0..ATTEMPTS {
            let found = store.read(&page)?;
            let (mut bytes, cas) = found.map_or((Vec::new(), None), |(bytes, cas)| (bytes, Some(cas)));
            let mut words = vec![0; self.words];
            let mut changed = false;
            for (index, key) in keys.iter().enumerate() {
                changed |=
                    self.change_in(&mut bytes, *key, now, &mut words, &mut |words| change(index, words));
            }
            if !changed {
                return Ok(());
            }
            if store.swap(&page, &bytes, cas)? == Swap::Done {
                return Ok(());
            }
        }
        Err(StoreFailure)
    }

    /// Whether the page has changed.
    fn change_in(
        &self,
        page: &mut Vec<u8>,
        key: u64,
        now: u32,
        words: &mut [u32],
        change: &mut dyn FnMut(&mut [u32]) -> Slot,
    ) -> bool {
        let (size, own) = (self.slot_bytes(), key.to_le_bytes());
        let place = page.chunks_exact(size).position(|slot| slot.first_chunk() == Some(&own));
        let stored = place.and_then(|place| page.chunks_exact(size).nth(place));
        words.fill(0);
        let stored = stored.and_then(|slot| slot.get(HEAD_BYTES..)).unwrap_or_default();
        for (word, bytes) in words.iter_mut().zip(stored.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        let slot = change(words);
        if slot == Slot::Kept || (slot == Slot::Freed && place.is_none()) {
            return false;
        }
        let place = place.unwrap_or_else(|| self.room_in(page));
        let at = place.saturating_mul(size);
        let end = at.saturating_add(size);
        if slot == Slot::Freed {
            page.drain(at.min(page.len())..end.min(page.len()));
            return true;
        }
        page.resize(page.len().max(end), 0);
        let Some(slot) = page.get_mut(at..end) else { return false };
        let values = words.iter().map(|word| word.to_le_bytes());
        let head = own.as_chunks::<4>().0.iter().copied().chain([now.to_le_bytes()]);
        for (bytes, value) in slot.as_chunks_mut::<4>().0.iter_mut().zip(head.chain(values)) {
            *bytes = value;
        }
        true
    }

    /// The place of a slot that can be written: behind the last one, or that of the one not seen for longest.
    fn room_in(&self, page: &mut Vec<u8>) -> usize {
        let size = self.slot_bytes();
        let whole = page.len().checked_div(size).unwrap_or(0);
        page.truncate(whole.saturating_mul(size));
        if whole < self.slots {
            return whole;
        }
        let seen = |slot: &[u8]| {
            slot.get(8..).and_then(|rest| rest.first_chunk::<4>()).map(|b| u32::from_le_bytes(*b))
        };
        let oldest = page.chunks_exact(size).enumerate().min_by_key(|(_, slot)| seen(slot));
        oldest.map_or(0, |(place, _)| place)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests {
    use super::*;
    use crate::ledger::OwnStore;

    fn pages() -> Pages {
        Pages { prefix: "t".to_owned(), pages: 4, slots: 3, words: 2 }
    }

    fn count(store: &OwnStore, key: u64, now: u32) -> u32 {
        let mut seen = 0;
        let change = &mut |words: &mut [u32]| {
            words[0] += 1;
            seen = words[0];
            Slot::Written
        };
        pages().change(store, key, now, change).unwrap();
        seen
    }

    #[test]
    fn each_key_has_its_own_slot_and_the_oldest_makes_room() {
        let store = OwnStore::default();
        assert_eq!(
            [count(&store, 4, 1), count(&store, 8, 2), count(&store, 12, 3), count(&store, 4, 4)],
            [1, 1, 1, 2]
        );
        assert_eq!(count(&store, 16, 5), 1, "a page of three is full, and 8 goes");
        assert_eq!([count(&store, 4, 6), count(&store, 12, 7), count(&store, 8, 8)], [3, 2, 1]);
        assert_eq!(count(&store, 5, 9), 1, "another page");
        assert!(store.entries().values().all(|(page, _)| page.len() <= 3 * 20 && page.len() % 20 == 0));
    }

    #[test]
    fn several_of_a_page_are_changed_with_one_write() {
        let store = OwnStore::default();
        assert_eq!([count(&store, 4, 1), count(&store, 8, 1)], [1, 1]);
        let mut seen = Vec::new();
        let change = &mut |index: usize, words: &mut [u32]| {
            words[0] += 10;
            seen.push((index, words[0]));
            if index == 1 { Slot::Kept } else { Slot::Written }
        };
        pages().change_all(&store, &[8, 4, 12], 2, change).unwrap();
        assert_eq!(seen, [(0, 11), (1, 11), (2, 10)]);
        assert_eq!(store.entries()["t/0"].1, 3, "three writes, two before");
        assert_eq!([count(&store, 8, 3), count(&store, 4, 3), count(&store, 12, 3)], [12, 2, 11]);
        pages().change_all(&store, &[], 4, &mut |_, _| Slot::Written).unwrap();
    }

    #[test]
    fn what_is_kept_or_freed_takes_no_room() {
        let store = OwnStore::default();
        pages().change(&store, 4, 1, &mut |_| Slot::Kept).unwrap();
        pages().change(&store, 4, 1, &mut |_| Slot::Freed).unwrap();
        assert!(store.entries().is_empty());
        assert_eq!([count(&store, 4, 1), count(&store, 8, 1)], [1, 1]);
        pages().change(&store, 4, 1, &mut |_| Slot::Freed).unwrap();
        assert_eq!([count(&store, 8, 1), count(&store, 4, 1)], [2, 1]);
    }

    #[test]
    fn pages_that_cannot_be_read_are_begun_anew() {
        for damaged in [vec![1; 7], vec![0; 61]] {
            let store = OwnStore::default();
            assert_eq!(store.swap("t/0", &damaged, None), Ok(Swap::Done));
            assert_eq!([count(&store, 4, 1), count(&store, 4, 2)], [1, 2]);
        }
    }
}
