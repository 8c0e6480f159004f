//! Which calls were seen. Each worker numbers its calls without gaps, so runs of numbers are all that is kept.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use tollgate_policy::ReservationId;

/// The ids of all calls so far.
#[derive(Default)]
pub struct Ids {
    /// What was seen of each worker, by process and worker.
    pub workers: BTreeMap<(u64, u32), Worker>,
    /// Ids that name no worker, by two hashes of theirs.
    strange: HashSet<(u64, u64)>,
    hashers: (RandomState, RandomState),
}

/// The numbers of one worker's calls.
#[derive(Clone, Debug, Default)]
pub struct Worker {
    /// Lines, those that came again included.
    pub lines: u64,
    /// Runs of numbers that were seen, by their first: the last.
    pub runs: BTreeMap<u64, u64>,
    /// Numbers that came again, and how often.
    pub doubled: BTreeMap<u64, u64>,
}

impl Ids {
    /// Whether the id is new.
    pub fn insert(&mut self, id: &str) -> bool {
        match id.parse::<ReservationId>() {
            Ok(id) => self.workers.entry((id.process, id.worker)).or_default().insert(id.sequence),
            Err(()) => {
                let hashes = (self.hashers.0.hash_one(id), self.hashers.1.hash_one(id));
                self.strange.insert(hashes)
            }
        }
    }

    /// How many ids name no worker.
    pub fn strange(&self) -> usize {
        self.strange.len()
    }
}

impl Worker {
    /// Whether the number is new.
    fn insert(&mut self, number: u64) -> bool {
        self.lines = self.lines.saturating_add(1);
        let before = self.runs.range(..=number).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| number <= last) {
            let again = self.doubled.entry(number).or_default();
            *again = again.saturating_add(1);
            return false;
        }
        let first = match before {
            Some((first, last)) if last.checked_add(1) == Some(number) => first,
            _ => number,
        };
        // A run that starts right behind the number is joined to it.
        let behind = number.checked_add(1).and_then(|next| self.runs.remove(&next));
        self.runs.insert(first, behind.unwrap_or(number));
        true
    }

    /// The runs of numbers between the first and the last that were not seen.
    pub fn missing(&self) -> Vec<(u64, u64)> {
        let ends = self.runs.values().filter_map(|last| last.checked_add(1));
        let starts = self.runs.keys().skip(1).filter_map(|first| first.checked_sub(1));
        ends.zip(starts).collect()
    }

    /// Whether every number between the first and the last came exactly once.
    pub fn is_whole(&self) -> bool {
        self.runs.len() == 1 && self.doubled.is_empty()
    }
}
