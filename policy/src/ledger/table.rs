//! The counters of a quota that has one for each value: hundreds of thousands of them in a bounded number of pages.
//!
//! A counter's page is found by a hash of its values, so that a call reads and writes one entry of shared data, however many counters
//! there are. Which pages there are stands in one more entry: shared data cannot be listed.

use super::entry::Entry;
use super::page::{self, Fate, Name, Room, Slot, Write};
use super::{Op, SharedStore, StoreFailure, Swap};
use crate::window::Window;

/// Pages of a quota. A page has room for 32 counters; most are filled evenly up to half of that.
const PAGES: u32 = 32_768;

/// Writing down a page is tried so often.
const ATTEMPTS: usize = 64;

/// Where the counters of a quota stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What the keys of the quota's entries begin with.
    base: String,
}

/// Counters of a quota, by the values in their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Values, each behind a `/`, and the counter.
    pub counters: Vec<(String, Entry)>,
    /// How many there are in all.
    pub in_all: u64,
    /// That was reckoned from a part of the pages.
    pub estimated: bool,
}

/// A counter's page and slot.
pub(super) struct Place<'a> {
    key: String,
    name: Name<'a>,
    /// The page, where it is written down which ones there are.
    listed: Option<u32>,
}

impl Table {
    /// The table of a quota under which all keys begin with `base`.
    pub fn new(base: String) -> Self {
        Self { base }
    }

    /// The counter that values without room of their own share.
    pub(super) fn shared_key(&self) -> String {
        format!("{}/other", self.base)
    }

    /// Where a counter of this process stands.
    fn counter<'a>(&self, op: &'a Op) -> Place<'a> {
        let (page, name) = self.find(op);
        Place { key: self.key("/p/", page), name, listed: Some(page) }
    }

    /// Where it stands what others have taken of a counter.
    pub(super) fn others<'a>(&self, op: &'a Op) -> Place<'a> {
        let (page, name) = self.find(op);
        Place { key: self.key("/o/", page), name, listed: None }
    }

    /// The page of a counter, and its name there.
    pub(super) fn find<'a>(&self, op: &'a Op) -> (u32, Name<'a>) {
        // Behind the base stands `/v`.
        let text = op.key.get(self.base.len().saturating_add(2)..).unwrap_or(&op.key);
        let [t0, t1, .., p0, p1] = hash(text).to_be_bytes();
        let page = u32::from(u16::from_be_bytes([p0, p1])) % PAGES;
        (page, Name { text, tag: u16::from_be_bytes([t0, t1]) })
    }

    /// The key of a page, its number in hexadecimal.
    fn key(&self, kind: &str, page: u32) -> String {
        let mut key = String::with_capacity(self.base.len().saturating_add(8));
        key.push_str(&self.base);
        key.push_str(kind);
        let digits = [page >> 12, page >> 8, page >> 4, page];
        key.extend(digits.iter().filter_map(|digit| char::from_digit(digit & 15, 16)));
        key
    }

    fn pages_key(&self) -> String {
        format!("{}/pages", self.base)
    }

    /// Writes down that there is a page now. Only lists miss one that is not.
    #[cold]
    #[inline(never)]
    fn note_page(&self, store: &impl SharedStore, page: u32) {
        let pages = self.pages_key();
        for _ in 0..ATTEMPTS {
            let Ok(found) = store.read(&pages) else { return };
            let (mut bits, cas) = found.map_or((Vec::new(), None), |(bits, cas)| (bits, Some(cas)));
            bits.resize(BITMAP_BYTES, 0);
            if let Some(byte) = usize::try_from(page / 8).ok().and_then(|byte| bits.get_mut(byte)) {
                *byte |= 1_u8.checked_shl(page % 8).unwrap_or(0);
            }
            if store.swap(&pages, &bits, cas) != Ok(Swap::Conflict) {
                return;
            }
        }
    }

    /// The pages that there are, by their numbers.
    fn pages(&self, store: &dyn SharedStore) -> Vec<u32> {
        let found = store.read(&self.pages_key()).ok().flatten();
        let bits = found.map(|(bits, _)| bits).unwrap_or_default();
        let has = |page: &u32| {
            let byte = usize::try_from(page / 8).ok().and_then(|byte| bits.get(byte));
            byte.is_some_and(|byte| byte.checked_shr(page % 8).is_some_and(|bit| bit & 1 == 1))
        };
        (0..PAGES).filter(has).collect()
    }

    /// Counters of at most so many pages, in no order, and how many there are in all.
    #[cold]
    #[inline(never)]
    pub fn list(&self, store: &dyn SharedStore, most_pages: usize) -> Listed {
        let pages = self.pages(store);
        let mut counters = Vec::new();
        for number in pages.iter().take(most_pages) {
            let Ok(Some((page, _))) = store.read(&self.key("/p/", *number)) else { continue };
            counters.extend(page::slots(&page).filter_map(|slot| {
                Some((slot.text(&page)?.to_owned(), Entry::from_bytes(slot.value(&page)).ok()?))
            }));
        }
        let (seen, read) = (counters.len(), pages.len().min(most_pages));
        let in_all = seen.saturating_mul(pages.len()).checked_div(read).unwrap_or(0);
        let in_all = u64::try_from(in_all).unwrap_or(u64::MAX);
        Listed { counters, in_all, estimated: read < pages.len() }
    }
}

const BITMAP_BYTES: usize = 4096;
const _: () = assert!(BITMAP_BYTES * 8 == PAGES as usize, "a bit for each page");

/// Spreads texts over pages (FNV-1a, and its halves mixed: its low bits alone spread ids that count up badly).
fn hash(text: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// What was read of a counter: the bytes in which it stands, and where.
pub(super) struct Read {
    bytes: Vec<u8>,
    cas: Option<u32>,
    slot: Option<Slot>,
}

/// One counter of shared data: an entry of its own, or a slot of a page.
pub(super) enum Home<'a> {
    /// An entry of its own, under this key.
    Own(std::borrow::Cow<'a, str>),
    /// A slot.
    Paged(&'a Table, Place<'a>),
}

impl<'a> Home<'a> {
    pub(super) fn of(op: &'a Op) -> Self {
        match &op.table {
            None => Home::Own((&*op.key).into()),
            Some(table) => Home::Paged(table, table.counter(op)),
        }
    }

    fn key(&self) -> &str {
        match self {
            Home::Own(key) => key,
            Home::Paged(_, place) => &place.key,
        }
    }

    pub(super) fn read(&self, store: &(impl SharedStore + ?Sized)) -> Result<Read, StoreFailure> {
        let found = store.read(self.key())?;
        let (bytes, cas) = found.map_or((Vec::new(), None), |(bytes, cas)| (bytes, Some(cas)));
        let slot = match self {
            Home::Own(_) => None,
            Home::Paged(_, place) => page::find(&bytes, place.name),
        };
        Ok(Read { bytes, cas, slot })
    }

    /// Puts the next value in place of what was read.
    pub(super) fn put(&self, read: &mut Read, write: Write<'_>, fate: &dyn Fn(&[u8]) -> Fate) -> Room {
        match self {
            Home::Own(_) => {
                read.bytes = write.value.to_vec();
                Room::Made
            }
            Home::Paged(_, place) => page::put(&mut read.bytes, read.slot.as_ref(), place.name, write, fate),
        }
    }

    pub(super) fn swap(&self, store: &impl SharedStore, read: &Read) -> Result<Swap, StoreFailure> {
        let swapped = store.swap(self.key(), &read.bytes, read.cas)?;
        if let (Home::Paged(table, place), None, Swap::Done) = (self, read.cas, swapped)
            && let Some(page) = place.listed
        {
            table.note_page(store, page);
        }
        Ok(swapped)
    }
}

impl Read {
    /// What stands there; nothing if it is not there.
    pub(super) fn value(&self, home: &Home<'_>) -> &[u8] {
        match home {
            Home::Own(_) => &self.bytes,
            Home::Paged(..) => self.slot.as_ref().map_or(&[], |slot| slot.value(&self.bytes)),
        }
    }

    /// The counter; `None` if there is none. Bytes that cannot be read were written by another version: they count as none.
    pub(super) fn entry(&self, home: &Home<'_>) -> Option<Entry> {
        Entry::from_bytes(self.value(home)).ok()
    }

    /// Whether nothing can make it go: a slot that is marked so, an entry of its own, what is not there.
    pub(super) fn stays(&self, home: &Home<'_>) -> bool {
        match home {
            Home::Own(_) => true,
            Home::Paged(..) => self.slot.as_ref().is_none_or(|slot| slot.stays),
        }
    }

    /// Whether it is marked as one that has to stay.
    pub(super) fn is_marked(&self) -> bool {
        self.slot.as_ref().is_some_and(|slot| slot.stays)
    }
}

/// What becomes of a counter when its page has to make room: one that holds nothing is over, and open reservations stand.
#[cold]
#[inline(never)]
pub(super) fn fate(value: &[u8], window: Window, now: i64) -> Fate {
    match Entry::from_bytes(value) {
        Ok(entry) if entry.open(now) != 0 => Fate::Stays,
        Ok(entry) if entry.used(window, now) != 0 => Fate::Rests,
        Ok(_) | Err(_) => Fate::Over,
    }
}
