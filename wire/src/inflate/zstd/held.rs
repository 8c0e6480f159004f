//! What the decoder of ruzstd holds, reckoned from what it was given: it does not tell.

/// Entropy tables of one frame, all as large as RFC 8878 allows: three of 512 states, one of 2,048 codes, and what builds them.
const TABLES: u64 = 32 * 1024;

/// No block unfolds to more.
const MOST_UNFOLDED: u64 = 128 * 1024;

/// One sequence, unpacked.
const SEQUENCE: u64 = 12;

/// The largest of each buffer that a frame has needed so far. Buffers are kept from block to block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    ring: u64,
    content: u64,
    literals: u64,
    sequences: u64,
}

impl Held {
    /// A frame begins. In one segment it unfolds to no more than its window; else a block is added to the window before it is let go.
    pub(super) fn frame(&mut self, window: u64, in_one_segment: bool) {
        let most =
            if in_one_segment { window } else { window.saturating_add(MOST_UNFOLDED).saturating_add(1) };
        self.ring = self.ring.max(ring(most));
    }

    /// A compressed block comes, its header taken off.
    pub(super) fn block(&mut self, content: &[u8]) {
        let (literals, sequences) = sections(content);
        self.content = self.content.max(u64::try_from(content.len()).unwrap_or(u64::MAX));
        self.literals = self.literals.max(literals);
        self.sequences = self.sequences.max(sequences.saturating_mul(SEQUENCE));
    }

    /// All of it, in bytes, at most: vectors grow to twice what they hold.
    pub(super) fn bytes(self) -> u64 {
        let vectors = [self.content, self.literals, self.sequences].into_iter().fold(0, u64::saturating_add);
        if self.ring == 0 {
            0
        } else {
            vectors.saturating_mul(2).saturating_add(self.ring).saturating_add(TABLES)
        }
    }
}

/// The ring buffer that takes so much: a power of two, past two blocks that and two blocks.
fn ring(most: u64) -> u64 {
    let slack = MOST_UNFOLDED.saturating_mul(2);
    let power = |bytes: u64| bytes.checked_next_power_of_two().unwrap_or(u64::MAX);
    let room =
        if most <= slack { power(most) } else { power(most.saturating_sub(slack)).saturating_add(slack) };
    room.saturating_add(1)
}

/// How many bytes of literals and how many sequences a compressed block unpacks to (RFC 8878, sections 3.1.1.3.1.1 and 3.1.1.3.2.1).
fn sections(content: &[u8]) -> (u64, u64) {
    let first = number(content, 0, 5);
    let bits = |from: u32, count: u32| (first >> from) & (1_u64 << count).saturating_sub(1);
    let (is_packed, is_raw) = (first & 2 != 0, first & 3 == 0);
    let (header, literals, length) = match (is_packed, bits(2, 2)) {
        (false, 1) => (2, bits(4, 12), bits(4, 12)),
        (false, 3) => (3, bits(4, 20), bits(4, 20)),
        (false, _) => (1, bits(3, 5), bits(3, 5)),
        (true, 2) => (4, bits(4, 14), bits(18, 14)),
        (true, 3) => (5, bits(4, 18), bits(22, 18)),
        (true, _) => (3, bits(4, 10), bits(14, 10)),
    };
    // One byte that is repeated.
    let length = if is_packed || is_raw { length } else { 1 };
    let at = usize::try_from(length).map_or(usize::MAX, |length| length.saturating_add(header));
    let counted = number(content, at, 1);
    let sequences = match counted {
        0..=127 => counted,
        128..=254 => {
            (counted.saturating_sub(128) << 8).saturating_add(number(content, at.saturating_add(1), 1))
        }
        _ => number(content, at.saturating_add(1), 2).saturating_add(0x7f00),
    };
    (literals, sequences)
}

/// The little-endian number of up to eight bytes at that place; what is missing is zero.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let part = bytes.get(at..).unwrap_or_default();
    part.iter().take(length).rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocks_sections_are_read_in_all_their_forms() {
        for (name, content, expected) in [
            ("5 raw literals, 2 sequences", &[0b0010_1000, 1, 2, 3, 4, 5, 2][..], (5, 2)),
            ("300 repeated bytes, no sequence", &[0b1100_0101, 0b0001_0010, b'x', 0], (300, 0)),
            ("70,000 repeated bytes, 129 sequences", &[0x0d, 0x17, 0x11, b'x', 128, 129], (70_000, 129)),
            ("9 literals in 4 bytes, 3 sequences", &[0x92, 0, 1, 1, 2, 3, 4, 3], (9, 3)),
            (
                "512 literals in 1 byte, treeless, many sequences",
                &[0x0b, 0x20, 0x04, 0, 9, 255, 1, 1],
                (512, 0x8001),
            ),
            ("nothing", &[], (0, 0)),
        ] {
            assert_eq!(sections(content), expected, "{name}");
        }
    }

    #[test]
    fn a_frames_memory_is_its_ring_its_tables_and_the_largest_buffers() {
        let mut held = Held::default();
        assert_eq!(held.bytes(), 0, "before a frame nothing is held");
        held.frame(1000, true);
        assert_eq!(held.bytes(), 1025 + TABLES);
        held.frame(2 << 20, false);
        assert_eq!(held.bytes(), (2 << 20) + (256 << 10) + 1 + TABLES);
        held.block(&[0b0010_1000, 1, 2, 3, 4, 5, 2]);
        held.block(&[0, 0]);
        assert_eq!(held.bytes(), (2 << 20) + (256 << 10) + 1 + TABLES + 2 * (7 + 5 + 2 * 12));
    }
}
