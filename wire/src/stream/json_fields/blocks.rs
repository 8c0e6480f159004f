//! Passes over strings and brackets 64 bytes at a time.
//!
//! What a request says is full of short strings and of escapes, and a search from one of them to the next costs a call each time. So a
//! block of 64 bytes is made into sets of places, a bit for each byte, in which a few operations on one number find all strings and their
//! escapes at once, whatever they are: the way of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", sections 3.1.1
//! and 3.1.2), written anew. Where a block holds nothing of interest `memchr` goes on, which is faster still.

use super::skip::Escaped;

/// So many bytes are looked at together: a bit for each is one number.
pub(crate) const BLOCK: usize = 64;

/// Places in a block: bit `i` is byte `i`.
pub(crate) type Places = u64;

/// How a block was passed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// The value ends with so many of its bytes.
    Ends(usize),
    /// The value goes on: so deep, and inside of that string.
    Goes(u64, Option<Escaped>),
    /// It holds no quote, no backslash and no bracket that counts: the value goes on as before.
    Plain,
    /// A backslash stands outside of strings, which no JSON has: it escapes nothing there, so bytes are to be passed one by one.
    Odd,
}

/// Passes over a block of a nested value.
pub(super) fn nested(
    block: &[u8; BLOCK],
    [open, close]: [u8; 2],
    depth: u64,
    text: Option<Escaped>,
) -> Passed {
    let (quotes, backslashes) = (places_of(block, b'"'), places_of(block, b'\\'));
    if text == Some(Escaped::No) && quotes | backslashes == 0 {
        return Passed::Plain;
    }
    let Some((inside, text)) = strings(quotes, backslashes, text) else { return Passed::Odd };
    if inside == Places::MAX {
        return Passed::Goes(depth, text);
    }
    let (opens, closes) = (places_of(block, open) & !inside, places_of(block, close) & !inside);
    if quotes | inside | opens | closes == 0 {
        return Passed::Plain;
    }
    if u64::from(closes.count_ones()) >= depth
        && let Some(end) = end_of(depth, opens, closes)
    {
        return Passed::Ends(end);
    }
    let depth = depth.saturating_add(u64::from(opens.count_ones()));
    Passed::Goes(depth.saturating_sub(u64::from(closes.count_ones())), text)
}

/// Passes over a block of a string.
pub(super) fn text(block: &[u8; BLOCK], escaped: Escaped) -> Passed {
    let (quotes, backslashes) = (places_of(block, b'"'), places_of(block, b'\\'));
    if quotes | backslashes == 0 && escaped == Escaped::No {
        return Passed::Plain;
    }
    let (marked, last) = escapes(backslashes, escaped);
    match first(quotes & !marked) {
        Some(end) => Passed::Ends(end.saturating_add(1)),
        None => Passed::Goes(0, Some(last)),
    }
}

/// The places inside of strings, their opening quotes among them, and whether a string is open at the end. `None` if a backslash stands
/// outside: up to the first such place all is right, so it is never missed.
fn strings(quotes: Places, backslashes: Places, text: Option<Escaped>) -> Option<(Places, Option<Escaped>)> {
    let (marked, last) = escapes(backslashes, text.unwrap_or(Escaped::No));
    let before = if text.is_some() { Places::MAX } else { 0 };
    let inside = up_to_each(quotes & !marked) ^ before;
    let open = inside.leading_zeros() == 0;
    (backslashes & !inside == 0).then_some((inside, open.then_some(last)))
}

/// The places that a backslash escapes, and whether the byte after the block is escaped. In a row of backslashes every second one is
/// escaped itself, counted from where the row begins. An addition carries a bit from the beginning of a row to behind its end.
fn escapes(backslashes: Places, before: Escaped) -> (Places, Escaped) {
    const EVEN: Places = 0x5555_5555_5555_5555;
    let before = Places::from(before == Escaped::Yes);
    if backslashes == 0 {
        return (before, Escaped::No);
    }
    let escaping = backslashes & !before;
    let behind = (escaping << 1) | before;
    let odd_beginnings = escaping & !EVEN & !behind;
    let (rows, over) = odd_beginnings.overflowing_add(escaping);
    let marked = (EVEN ^ (rows << 1)) & behind;
    (marked, if over { Escaped::Yes } else { Escaped::No })
}

/// The places before which, themselves counted, an odd number of these stands.
fn up_to_each(places: Places) -> Places {
    [1, 2, 4, 8, 16, 32].into_iter().fold(places, |sum, by: u32| sum ^ sum.wrapping_shl(by))
}

/// How many bytes there are up to and with the bracket that ends a value that is so deep.
fn end_of(depth: u64, opens: Places, closes: Places) -> Option<usize> {
    let mut rest = closes;
    let mut closed = 0_u64;
    while let Some(at) = first(rest) {
        let place = rest & rest.wrapping_neg();
        rest ^= place;
        closed = closed.saturating_add(1);
        let opened = (opens & place.wrapping_sub(1)).count_ones();
        if depth.saturating_add(u64::from(opened)) == closed {
            return Some(at.saturating_add(1));
        }
    }
    None
}

/// The first of these places.
pub(crate) fn first(places: Places) -> Option<usize> {
    usize::try_from(places.trailing_zeros()).ok().filter(|_| places != 0)
}

/// Where this byte stands in a block.
pub(super) fn places_of(block: &[u8; BLOCK], byte: u8) -> Places {
    simd::places(simd::eq(block, byte))
}

/// Where `first` stands in a block with one of `seconds` in the same place of `behind`, the block that begins a byte later.
#[inline]
pub(crate) fn pairs_of<const N: usize>(
    [block, behind]: [&[u8; BLOCK]; 2],
    first: u8,
    seconds: [u8; N],
) -> Places {
    let second = seconds.into_iter().map(|byte| simd::eq(behind, byte)).reduce(simd::or);
    second.map_or(0, |second| simd::places(simd::and(simd::eq(block, first), second)))
}

/// What is asked of a block is a sum of comparisons, made of numbers of 16 bytes where there are such.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd {
    use core::arch::wasm32::{
        u8x16_bitmask, u8x16_eq, u8x16_splat, u64x2, v128, v128_and, v128_any_true, v128_or,
    };

    use super::{BLOCK, Places};

    /// For each byte of a block all its bits or none.
    pub(super) type Found = [v128; 4];

    #[inline]
    pub(super) fn eq(block: &[u8; BLOCK], byte: u8) -> Found {
        let half = |at: usize| {
            let bytes = block.get(at..).and_then(<[u8]>::first_chunk::<8>);
            bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
        };
        // Two numbers that lie side by side: the compiler makes one load of them, and `unsafe` code would say no more.
        let same = |at: usize| u8x16_eq(u64x2(half(at), half(at.wrapping_add(8))), u8x16_splat(byte));
        [same(0), same(16), same(32), same(48)]
    }

    #[inline]
    pub(super) fn or([a, b, c, d]: Found, [e, f, g, h]: Found) -> Found {
        [v128_or(a, e), v128_or(b, f), v128_or(c, g), v128_or(d, h)]
    }

    #[inline]
    pub(super) fn and([a, b, c, d]: Found, [e, f, g, h]: Found) -> Found {
        [v128_and(a, e), v128_and(b, f), v128_and(c, g), v128_and(d, h)]
    }

    #[inline]
    pub(super) fn places([a, b, c, d]: Found) -> Places {
        if !v128_any_true(v128_or(v128_or(a, b), v128_or(c, d))) {
            return 0;
        }
        let half = |low, high| u32::from(u8x16_bitmask(low)) | u32::from(u8x16_bitmask(high)) << 16;
        Places::from(half(a, b)) | Places::from(half(c, d)) << 32
    }
}

/// The same by the byte.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod simd {
    use super::{BLOCK, Places};

    pub(super) type Found = Places;

    pub(super) fn eq(block: &[u8; BLOCK], byte: u8) -> Found {
        block.iter().rev().fold(0, |places, here| (places << 1) | Places::from(*here == byte))
    }

    pub(super) const fn or(one: Found, other: Found) -> Found {
        one | other
    }

    pub(super) const fn and(one: Found, other: Found) -> Found {
        one & other
    }

    pub(super) const fn places(found: Found) -> Places {
        found
    }
}
