//! Some counters in one entry of shared data, each with the values that it is about. Entries of shared data cannot be removed, so a page
//! has a bounded number of slots, and what is over or rests longest makes room.
//!
//! A slot is a head of ten bytes (length of its text; length of its value, and whether it stays; a tag of its text; the second in which it
//! was written last), the text and the value; numbers are little-endian.

use std::ops::Range;

/// A page takes no further slot past this many,
const MOST_SLOTS: usize = 32;

/// nor past this length: what stands in it may still grow.
const MOST_BYTES: usize = 4096;

const HEAD_BYTES: usize = 10;

/// Set in the length of a value that does not make room.
const STAYS: u16 = 0x8000;

/// What becomes of a slot when a page has to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It says nothing any more.
    Over,
    /// It may go if nothing else does, the one that rests longest first.
    Rests,
    /// It has to stay.
    Stays,
}

/// Whether there was room for a new slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There was, or nothing was lost by making it.
    Made,
    /// Slots that still said something had to go: so many.
    Forgot(u32),
    /// There was none. The page is not to be written.
    None,
}

/// What is looked for in a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'a> {
    pub text: &'a str,
    pub tag: u16,
}

/// A slot of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    at: usize,
    text: Range<usize>,
    value: Range<usize>,
    tag: u16,
    seen: u32,
    /// Whether it has to stay.
    pub stays: bool,
}

/// What is written into a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write<'a> {
    pub value: &'a [u8],
    pub stays: bool,
    pub now: u32,
}

impl Slot {
    pub(super) fn value<'a>(&self, page: &'a [u8]) -> &'a [u8] {
        page.get(self.value.clone()).unwrap_or_default()
    }

    pub(super) fn text<'a>(&self, page: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(page.get(self.text.clone())?).ok()
    }
}

/// The slots of a page, as far as they can be read.
pub(super) fn slots(page: &[u8]) -> impl Iterator<Item = Slot> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let slot = read(page, at)?;
        at = slot.value.end;
        Some(slot)
    })
}

fn read(page: &[u8], at: usize) -> Option<Slot> {
    let head = page.get(at..)?.first_chunk::<HEAD_BYTES>()?;
    let [t0, t1, v0, v1, g0, g1, s0, s1, s2, s3] = *head;
    let length = u16::from_le_bytes([v0, v1]);
    let text = at.checked_add(HEAD_BYTES)?;
    let value = text.checked_add(usize::from(u16::from_le_bytes([t0, t1])))?;
    let end = value.checked_add(usize::from(length & !STAYS))?;
    (end <= page.len()).then_some(Slot {
        at,
        text: text..value,
        value: value..end,
        tag: u16::from_le_bytes([g0, g1]),
        seen: u32::from_le_bytes([s0, s1, s2, s3]),
        stays: length & STAYS != 0,
    })
}

/// The slot of a name.
pub(super) fn find(page: &[u8], name: Name<'_>) -> Option<Slot> {
    let own = |slot: &Slot| {
        slot.tag == name.tag && page.get(slot.text.clone()).is_some_and(|text| text == name.text.as_bytes())
    };
    slots(page).find(own)
}

/// Writes a name's slot: the one that was found, or a new one, for which the page makes room as `fate` allows.
pub(super) fn put(
    page: &mut Vec<u8>,
    found: Option<&Slot>,
    name: Name<'_>,
    write: Write<'_>,
    fate: &dyn Fn(&[u8]) -> Fate,
) -> Room {
    let lengths = u16::try_from(name.text.len()).ok().zip(u16::try_from(write.value.len()).ok());
    let Some((text, value)) = lengths.filter(|(_, value)| value & STAYS == 0) else { return Room::None };
    let needed = HEAD_BYTES.saturating_add(name.text.len()).saturating_add(write.value.len());
    let (room, place) = match found {
        Some(slot) => (Room::Made, slot.at..slot.value.end),
        None => {
            let room = make_room(page, needed, fate);
            (room, page.len()..page.len())
        }
    };
    if room == Room::None || place.end > page.len() {
        return Room::None;
    }
    let value = if write.stays { value | STAYS } else { value };
    let head = head(text, value, name.tag, write.now);
    if place.len() == needed {
        write_over(page.get_mut(place).unwrap_or_default(), &[&head, name.text.as_bytes(), write.value]);
        return room;
    }
    page.splice(place, [&head, name.text.as_bytes(), write.value].concat());
    room
}

fn head(text: u16, value: u16, tag: u16, now: u32) -> [u8; HEAD_BYTES] {
    let ([t0, t1], [v0, v1]) = (text.to_le_bytes(), value.to_le_bytes());
    let ([g0, g1], [s0, s1, s2, s3]) = (tag.to_le_bytes(), now.to_le_bytes());
    [t0, t1, v0, v1, g0, g1, s0, s1, s2, s3]
}

/// Most values are as long as the ones before: nothing behind them has to move.
fn write_over(mut slot: &mut [u8], parts: &[&[u8]]) {
    for part in parts {
        let Some((place, rest)) = slot.split_at_mut_checked(part.len()) else { return };
        place.copy_from_slice(part);
        slot = rest;
    }
}

/// Makes room for one more slot. What cannot be read behind the last slot goes first.
#[cold]
#[inline(never)]
fn make_room(page: &mut Vec<u8>, needed: usize, fate: &dyn Fn(&[u8]) -> Fate) -> Room {
    let mut forgotten = 0_u32;
    loop {
        let (count, end) =
            slots(page).fold((0_usize, 0), |(count, _), slot| (count.saturating_add(1), slot.value.end));
        page.truncate(end);
        if count < MOST_SLOTS && end.saturating_add(needed) <= MOST_BYTES {
            return if forgotten > 0 { Room::Forgot(forgotten) } else { Room::Made };
        }
        let Some((slot, fate)) = first_to_go(page, fate) else { return Room::None };
        page.drain(slot.at..slot.value.end);
        forgotten = forgotten.saturating_add(u32::from(fate == Fate::Rests));
    }
}

/// What is over, else what rests longest.
fn first_to_go(page: &[u8], fate: &dyn Fn(&[u8]) -> Fate) -> Option<(Slot, Fate)> {
    let mut first: Option<(Slot, Fate)> = None;
    for slot in slots(page) {
        match fate(slot.value(page)) {
            Fate::Over => return Some((slot, Fate::Over)),
            Fate::Rests if !slot.stays && first.as_ref().is_none_or(|(other, _)| slot.seen < other.seen) => {
                first = Some((slot, Fate::Rests));
            }
            Fate::Rests | Fate::Stays => {}
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name<'_> {
        Name { text, tag: text.len() as u16 }
    }

    /// A value's first byte is its fate.
    fn fate(value: &[u8]) -> Fate {
        match value[0] {
            b'o' => Fate::Over,
            b'r' => Fate::Rests,
            _ => Fate::Stays,
        }
    }

    fn write(page: &mut Vec<u8>, text: &str, value: &[u8], now: u32) -> Room {
        let found = find(page, name(text));
        put(page, found.as_ref(), name(text), Write { value, stays: false, now }, &fate)
    }

    fn texts(page: &[u8]) -> Vec<&str> {
        slots(page).map(|slot| slot.text(page).unwrap()).collect()
    }

    #[test]
    fn what_is_written_is_found_again_whatever_stands_around_it() {
        let mut page = Vec::new();
        for (text, value) in [("/a", "r1"), ("/b", "r22"), ("", "r"), ("/b", "r4444"), ("/a", "r")] {
            assert_eq!(write(&mut page, text, value.as_bytes(), 1), Room::Made);
            let slot = find(&page, name(text)).unwrap();
            assert_eq!((slot.value(&page), slot.stays), (value.as_bytes(), false), "{text}");
        }
        assert_eq!(texts(&page), ["/a", "/b", ""]);
        assert_eq!(find(&page, name("/c")), None);
        assert_eq!(find(&page, Name { text: "/a", tag: 9 }), None, "the tag belongs to the text");
    }

    #[test]
    fn a_full_page_makes_room_by_what_is_over_then_by_what_rests_longest_and_else_not_at_all() {
        let full = |fates: &dyn Fn(u32) -> &'static [u8]| {
            let mut page = Vec::new();
            for n in 0..32 {
                assert_eq!(write(&mut page, &format!("/{n}"), fates(n), 100 - n), Room::Made);
            }
            page
        };
        let mut page = full(&|n| if n % 4 == 0 { b"over" } else { b"rests" });
        assert_eq!(write(&mut page, "/new", b"r", 200), Room::Made);
        assert_eq!((texts(&page).len(), texts(&page)[0]), (32, "/1"));
        let mut page = full(&|n| if n == 31 { b"stays" } else { b"rests" });
        assert_eq!(write(&mut page, "/new", b"r", 200), Room::Forgot(1));
        assert!(!texts(&page).contains(&"/30") && texts(&page).contains(&"/31"), "30 was seen first");
        let mut page = full(&|_| b"stays");
        assert_eq!(write(&mut page, "/new", b"r", 200), Room::None);
        assert_eq!(write(&mut page, "/7", b"stays, and is longer", 200), Room::Made);
    }

    #[test]
    fn a_slot_that_is_to_stay_does_until_it_is_over() {
        for (value, room) in [(b"rests", Room::None), (b"over!", Room::Made)] {
            let mut page = Vec::new();
            for n in 0..32 {
                let text = format!("/{n}");
                let write = Write { value, stays: true, now: 1 };
                put(&mut page, None, name(&text), write, &fate);
            }
            assert_eq!(write(&mut page, "/new", b"r", 2), room);
        }
    }

    #[test]
    fn long_names_fill_a_page_sooner_and_one_that_is_too_long_finds_none() {
        let (mut page, long) = (Vec::new(), "x".repeat(1000));
        for n in 0..10 {
            write(&mut page, &format!("{long}{n}"), b"rests", n);
            assert!(page.len() <= MOST_BYTES);
        }
        assert_eq!(texts(&page).len(), 4);
        assert_eq!(write(&mut page, &long.repeat(5), b"rests", 20), Room::None);
        assert_eq!(write(&mut Vec::new(), &"x".repeat(70_000), b"rests", 20), Room::None);
    }

    proptest::proptest! {
        /// Whatever stands in a page: nothing panics, and it can be written anew.
        #[test]
        fn any_bytes_are_survived(mut page in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            write(&mut page, "/a", b"r", 1);
            proptest::prop_assert!(find(&page, name("/a")).is_some());
        }
    }
}
