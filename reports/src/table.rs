//! Calls in groups.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::dimension::{Dimension, Lens};
use crate::row::Row;
use crate::sums::{Sum, Sums};

/// Sums over calls by some dimensions.
#[derive(Clone, Debug)]
pub struct Table<S = Sums> {
    dimensions: Vec<Dimension>,
    groups: HashMap<Box<str>, S, RandomState>,
    /// The key of the row at hand: one allocation for all rows.
    key: String,
}

/// Ends a value in a key. Values with this character in them would be cut, so it is replaced in them.
const END: char = '\u{1f}';

impl<S: Sum> Table<S> {
    /// An empty table by these dimensions.
    pub fn new(dimensions: Vec<Dimension>) -> Self {
        Self { dimensions, groups: HashMap::default(), key: String::new() }
    }

    /// By what it groups.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// Adds a call to its group.
    pub fn add(&mut self, row: &Row<'_>, lens: &mut Lens) {
        self.write_key(row, lens);
        match self.groups.get_mut(self.key.as_str()) {
            Some(sum) => sum.add(row),
            None => self.groups.entry(self.key.as_str().into()).or_default().add(row),
        }
    }

    fn write_key(&mut self, row: &Row<'_>, lens: &mut Lens) {
        self.key.clear();
        for dimension in &self.dimensions {
            lens.write(dimension, row, &mut self.key);
            self.key.push(END);
        }
        // One look at the whole key: hardly ever is there such a character in a value.
        let ends = self.key.bytes().fold(0_usize, |sum, byte| sum.wrapping_add((byte == END as u8).into()));
        if ends > self.dimensions.len() {
            self.key.clear();
            for dimension in &self.dimensions {
                self.key.push_str(&lens.value(dimension, row).replace(END, "\u{fffd}"));
                self.key.push(END);
            }
        }
    }

    /// Adds all groups of another table of the same dimensions.
    pub fn merge(&mut self, other: Self) {
        for (key, sum) in other.groups {
            self.groups.entry(key).or_default().merge(&sum);
        }
    }

    /// Values and sums of all groups, in the order of the values.
    pub fn groups(&self) -> Vec<(Vec<&str>, &S)> {
        let mut groups: Vec<_> = self.groups.iter().map(|(key, sum)| (values(key), sum)).collect();
        groups.sort_by(|(one, _), (other, _)| one.cmp(other));
        groups
    }

    /// The sum of all groups.
    pub fn total(&self) -> S {
        self.groups.values().fold(S::default(), |mut total, sum| {
            total.merge(sum);
            total
        })
    }
}

fn values(key: &str) -> Vec<&str> {
    key.strip_suffix(END).map_or_else(Vec::new, |key| key.split(END).collect())
}
