//! Tells from an event's bytes alone whether it may matter, before anything is taken apart.

use memchr::memrchr;

use crate::stream::json_fields::Wants;
use crate::stream::json_fields::blocks::{BLOCK, Places, first, pairs_of};

/// Keys begin with one of so many bytes, or events are not told apart by them.
const LETTERS: usize = 4;

/// The keys that make an event decisive.
///
/// They are looked for together, 64 bytes at a time: a quote with one of their first letters behind it is rare, so that hardly ever a key
/// is compared.
#[derive(Debug)]
pub(super) struct Markers {
    wants: Wants,
    /// By the letter that they begin with, in the order of `letters`.
    keys: [Vec<Key>; LETTERS],
    letters: Letters,
}

/// Where a key stands among the wants, and how it begins.
#[derive(Clone, Copy, Debug)]
struct Key {
    beginning: Beginning,
    length: usize,
    want: usize,
    segment: usize,
}

/// What the keys begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letters {
    /// There are no keys.
    None,
    /// One of these; the last one may stand there several times.
    These([u8; LETTERS]),
    /// More different ones.
    Many,
}

impl Markers {
    pub(super) fn new(wants: &Wants) -> Self {
        let (mut found, mut letters) = (Vec::with_capacity(8), Letters::None);
        for (want, wanted) in wants.iter().enumerate().filter(|(_, wanted)| wanted.role.is_decisive()) {
            let Some((segment, key)) = wanted.path.keys().enumerate().filter(|(_, key)| *key != "*").last()
            else {
                continue;
            };
            // Behind an empty key's quote stands the next one.
            let letter = key.bytes().next().unwrap_or(b'"');
            letters = letters.with(letter);
            if !found.iter().any(|(known, _, _)| *known == key) {
                let place = Key { beginning: Beginning::of(key), length: key.len(), want, segment };
                found.push((key, letter, place));
            }
        }
        let keys = letters.each().map(|letter| {
            found.iter().filter(|(_, first, _)| Some(*first) == letter).map(|(_, _, key)| *key).collect()
        });
        Self { wants: wants.clone(), keys, letters }
    }

    fn text(&self, key: &Key) -> Option<&str> {
        self.wants.get(key.want)?.path.key(key.segment)
    }

    /// Where the first of the keys stands with a value other than null. It may be told of one that only looks like that, but none is
    /// missed that the scanner would find: not even one whose value stands on a later line.
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        let letters = match self.letters {
            Letters::None => return None,
            Letters::Many => return Some(0),
            Letters::These(letters) => letters,
        };
        let Some(last) = text.len().checked_sub(BLOCK.saturating_add(1)) else {
            return self.find_bytewise(text, letters);
        };
        let mut at = 0_usize;
        loop {
            // The last block begins so much earlier that it is whole, and what was looked at is passed over.
            let from = at.min(last);
            let block = |from: usize| text.get(from..).and_then(<[u8]>::first_chunk::<BLOCK>);
            let behind = from.saturating_add(1);
            let fresh = Places::MAX.wrapping_shl(u32::try_from(at.saturating_sub(from)).unwrap_or(0));
            let mut quotes = pairs_of([block(from)?, block(behind)?], b'"', letters) & fresh;
            while let Some(quote) = first(quotes) {
                let place = behind.saturating_add(quote);
                if self.tells(text, place, letters) {
                    return Some(place);
                }
                quotes &= quotes.wrapping_sub(1);
            }
            if from == last {
                return None;
            }
            at = from.saturating_add(BLOCK);
        }
    }

    /// The same for less than a block.
    fn find_bytewise(&self, text: &[u8], letters: [u8; LETTERS]) -> Option<usize> {
        let behind_quote = text.iter().zip(text.iter().skip(1)).enumerate();
        let beginning = |(at, (before, letter)): (usize, (&u8, &u8))| {
            (*before == b'"' && letters.contains(letter)).then(|| at.saturating_add(1))
        };
        behind_quote.filter_map(beginning).find(|place| self.tells(text, *place, letters))
    }

    /// Whether one of the keys stands at `place`, behind its quote, with a value other than null.
    fn tells(&self, text: &[u8], place: usize, letters: [u8; LETTERS]) -> bool {
        let here = text.get(place..).unwrap_or_default();
        let letter = here.first().and_then(|here| letters.iter().position(|letter| letter == here));
        let keys = letter.and_then(|letter| self.keys.get(letter)).map_or(&[][..], Vec::as_slice);
        let beginning = here.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        keys.iter().any(|key| {
            let maybe = beginning.is_none_or(|beginning| key.beginning.fits(beginning));
            // Nearly every event has some of the keys with null. Whatever else stands there then, it is not this key with a value.
            let value = here.get(key.length..).and_then(<[u8]>::first_chunk);
            maybe
                && value != Some(b"\":null")
                && self.text(key).is_some_and(|text| has_value_of(text.as_bytes(), here))
        })
    }
}

/// The first bytes of a key, and which bits of eight bytes they are. Eight bytes are compared by one instruction, more by a call.
#[derive(Clone, Copy, Debug)]
struct Beginning {
    bytes: u64,
    mask: u64,
}

impl Beginning {
    fn of(key: &str) -> Self {
        let first = key.bytes().chain([b'"']).take(8).enumerate();
        first.fold(Self { bytes: 0, mask: 0 }, |sum, (at, byte)| {
            let place = u32::try_from(at).unwrap_or(0).saturating_mul(8);
            let bytes = sum.bytes | u64::from(byte).wrapping_shl(place);
            Self { bytes, mask: sum.mask | 0xff_u64.wrapping_shl(place) }
        })
    }

    const fn fits(self, bytes: u64) -> bool {
        bytes & self.mask == self.bytes
    }
}

impl Letters {
    /// Each of them; one that stands there several times is told the first time alone.
    fn each(self) -> [Option<u8>; LETTERS] {
        let Self::These(letters) = self else { return [None; LETTERS] };
        let mut told = letters.map(Some);
        let repeated = |at: usize, letter: u8| letters.iter().take(at).any(|before| *before == letter);
        for (at, place) in told.iter_mut().enumerate() {
            *place = place.filter(|letter| !repeated(at, *letter));
        }
        told
    }

    fn with(self, letter: u8) -> Self {
        let Self::These(mut letters) = self else {
            return if self == Self::None { Self::These([letter; LETTERS]) } else { self };
        };
        let [.., last] = letters;
        let same = letters.iter().position(|known| *known == last).unwrap_or(0);
        if letters.contains(&letter) {
            return self;
        }
        let free = letters.iter_mut().skip(same.saturating_add(1));
        let mut taken = false;
        free.for_each(|place| (*place, taken) = (letter, true));
        if taken { Self::These(letters) } else { Self::Many }
    }
}

/// Whether this key, its closing quote and a value other than null stand there.
fn has_value_of(key: &[u8], here: &[u8]) -> bool {
    here.strip_prefix(key).and_then(|behind| behind.strip_prefix(b"\"")).is_some_and(has_value)
}

/// Whether what follows a quoted key is a value other than null, as far as can be said of a text that may be several lines: a line's end
/// may stand for anything.
fn has_value(behind: &[u8]) -> bool {
    match blanks_off(behind) {
        [b':', value @ ..] => !blanks_off(value).starts_with(b"null"),
        [b'\n' | b'\r', ..] | [] => true,
        _ => false,
    }
}

fn blanks_off(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | 0x0c)).count();
    text.get(blanks..).unwrap_or_default()
}

/// How many bytes of `text`, which begins between two events, whole events take: an empty line ends one, whatever stands before it. Ends
/// with carriage returns alone are not looked for.
pub(super) fn whole_events(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some(at) = memrchr(b'\n', rest) {
        rest = rest.get(..at).unwrap_or_default();
        if rest.ends_with(b"\n") || rest.ends_with(b"\n\r") {
            return at.saturating_add(1);
        }
    }
    0
}
