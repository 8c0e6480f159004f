//! Wants, and what a scanner would have to ask of each of them at every key: worked out once for all documents.

use std::ops::Deref;

use super::DEEPEST;
use super::wants::{Path, Set, Want, bit};
use crate::field::Role;

/// A table of at most 64 wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    wants: List,
    pub(super) index: Index,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum List {
    Fixed(&'static [Want]),
    Own(Vec<Want>),
}

impl Table {
    /// A table of ours: its paths are fixed.
    #[expect(clippy::indexing_slicing, reason = "iterators are not const; the loop ends at the length")]
    pub(crate) const fn of(wants: &'static [Want]) -> Self {
        let (mut index, mut at) = (Index::EMPTY, 0_usize);
        while at < wants.len() {
            if let Path::Fixed(keys) = wants[at].path {
                let mut segment = 0_usize;
                while segment < keys.len() {
                    index.note_key(at, segment, keys[segment].len());
                    segment = segment.saturating_add(1);
                }
                index.note_end(at, keys.len(), wants[at].role);
            }
            at = at.saturating_add(1);
        }
        Self { wants: List::Fixed(wants), index }
    }

    /// A table out of a configuration.
    pub(super) fn own(wants: Vec<Want>) -> Self {
        let mut index = Index::EMPTY;
        for (at, want) in wants.iter().enumerate() {
            want.path.keys().enumerate().for_each(|(segment, key)| index.note_key(at, segment, key.len()));
            index.note_end(at, want.path.len(), want.role);
        }
        Self { wants: List::Own(wants), index }
    }
}

impl Deref for Table {
    type Target = [Want];

    fn deref(&self) -> &[Want] {
        match &self.wants {
            List::Fixed(wants) => wants,
            List::Own(wants) => wants,
        }
    }
}

/// Lengths are told apart by their remainder, and segments that are further down share the last place: what is left is compared.
const LENGTHS: usize = 16;
const SEGMENTS: usize = 3;

/// Which wants are meant, by what is known before any of them is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// The wants whose key at a segment has such a length.
    keys: [[Set; LENGTHS]; SEGMENTS],
    ends_at: [Set; DEEPEST],
    /// The wants whose value is taken, not only seen.
    pub(super) values: Set,
    /// The wants that take no container.
    pub(super) scalars: Set,
}

impl Index {
    const EMPTY: Self = Self { keys: [[0; LENGTHS]; SEGMENTS], ends_at: [0; DEEPEST], values: 0, scalars: 0 };

    #[expect(clippy::indexing_slicing, reason = "`get_mut` is not const; both places are kept within")]
    const fn note_key(&mut self, want: usize, segment: usize, length: usize) {
        self.keys[place(segment)][length % LENGTHS] |= bit(want);
    }

    #[expect(clippy::indexing_slicing, reason = "`get_mut` is not const; the place is looked at first")]
    const fn note_end(&mut self, want: usize, length: usize, role: Role) {
        if length > 0 && length <= DEEPEST {
            self.ends_at[length.saturating_sub(1)] |= bit(want);
        }
        if !role.is_sight() {
            self.values |= bit(want);
        }
        if role.is_scalar() {
            self.scalars |= bit(want);
        }
    }

    /// The wants whose key at that segment may have that length.
    pub(super) fn of_length(&self, segment: usize, length: usize) -> Set {
        let lengths = self.keys.get(place(segment));
        lengths.and_then(|lengths| lengths.get(length % LENGTHS)).copied().unwrap_or_default()
    }

    /// The wants whose path ends with that segment.
    pub(super) fn ending_at(&self, segment: usize) -> Set {
        self.ends_at.get(segment).copied().unwrap_or_default()
    }
}

const fn place(segment: usize) -> usize {
    if segment < SEGMENTS { segment } else { SEGMENTS.saturating_sub(1) }
}
