//! What is wanted, and who takes it.

use std::ops::Deref;
use std::sync::Arc;

use super::table::Table;
use crate::field::Role;

/// A set of wants: bit `i` is the want at index `i` of the table.
pub(crate) type Set = u64;

/// One wanted place. Where its role asks for a sight only, it is told where the value begins and, for a
/// container, ends, and other paths may lead further; else its raw text is taken, and none may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    /// What is found there.
    pub(crate) role: Role,
    /// The keys that lead there; `*` stands for every element of an array.
    pub(crate) path: Path,
}

/// The keys that lead to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Out of a table of ours.
    Fixed(&'static [&'static str]),
    /// Out of a configuration.
    Own(Arc<[String]>),
}

/// A wanted place in a table.
pub(crate) const fn want(role: Role, path: &'static [&'static str]) -> Want {
    Want { role, path: Path::Fixed(path) }
}

impl Path {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Fixed(keys) => keys.len(),
            Self::Own(keys) => keys.len(),
        }
    }

    pub(crate) fn key(&self, place: usize) -> Option<&str> {
        match self {
            Self::Fixed(keys) => keys.get(place).copied(),
            Self::Own(keys) => keys.get(place).map(String::as_str),
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map_while(|place| self.key(place))
    }
}

/// The wants of one kind of document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Known when this was compiled.
    Fixed(&'static Table),
    /// Out of a configuration.
    Own(Arc<Table>),
}

impl Wants {
    /// A table out of a configuration.
    pub(crate) fn own(wants: Vec<Want>) -> Self {
        Self::Own(Arc::new(Table::own(wants)))
    }

    pub(super) fn table(&self) -> &Table {
        match self {
            Self::Fixed(table) => table,
            Self::Own(table) => table,
        }
    }
}

impl Deref for Wants {
    type Target = [Want];

    fn deref(&self) -> &[Want] {
        self.table()
    }
}

impl From<&'static Table> for Wants {
    fn from(table: &'static Table) -> Self {
        Self::Fixed(table)
    }
}

/// What the text as a whole is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// Objects, one or several after each other.
    Objects,
    /// The same, or an array of them.
    ObjectsOrArray,
}

/// Takes what the scanner finds. `at` is the place in the chunk that is being fed.
pub(crate) trait Sink {
    /// A number that later tells which finds were made inside a container that opens now.
    fn mark(&self) -> usize {
        0
    }
    /// A key stands again in an object that opened at `mark`: what was found below it does not count.
    fn repeats(&mut self, _wants: Set, _mark: usize) {}
    /// A wanted value begins with this byte.
    fn begins(&mut self, _wants: Set, _first: u8, _at: usize) {}
    /// The raw text of a wanted value.
    fn value(&mut self, _wants: Set, _raw: &[u8]) {}
    /// A wanted container ends. For the outermost object no want is set.
    fn closes(&mut self, _wants: Set, _content: Content, _at: usize) {}
}

/// Whether a container held anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Empty,
    Filled,
}

pub(super) const fn bit(index: usize) -> Set {
    if index < 64 { 1 << index } else { 0 }
}

pub(super) fn bits_below(count: usize) -> Set {
    match bit(count) {
        0 => Set::MAX,
        bit => bit.wrapping_sub(1),
    }
}

/// The indices of a set, lowest first.
pub(crate) fn indices(set: Set) -> impl Iterator<Item = usize> {
    let mut rest = set;
    std::iter::from_fn(move || {
        let index = usize::try_from(rest.trailing_zeros()).ok().filter(|_| rest != 0)?;
        rest &= rest.wrapping_sub(1);
        Some(index)
    })
}
