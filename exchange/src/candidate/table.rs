//! How a candidate and the active configuration differ, by what was done and what would have been, since the first call that both judged.
//!
//! Each worker gathers in a [`CandidateBatch`] and merges it by tick into one bounded table in the data that all workers share. There are few
//! rows, so a list is searched from its beginning: what is made with maps stands in every worker's memory.

use crate::config::Candidate;
use crate::settle::Settled;
use std::rc::Rc;
use tollgate_policy::{SharedStore, Swap};
use tollgate_record::{Effect, Timestamp};

/// So many ways to differ are told apart; what is new after that shares a row.
const MOST_ROWS: usize = 256;
/// A rule's name is cut at this length.
const MOST_BYTES: usize = 96;
/// Attempts to write while other workers do.
const ATTEMPTS: usize = 16;

/// What calls come to: how many there are, what would have been saved, added and, of refused ones, spent by estimate, in pico-USD,
/// and of how many that is not known.
pub(crate) type Sums = [i128; 5];

/// All that is known of one candidate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// When the first call was judged, in seconds of the epoch.
    pub since: i128,
    /// How many calls were judged.
    pub calls: i128,
    /// By action and rule of what was done, then of what the candidate would have done, with tabs between.
    pub rows: Vec<(String, Sums)>,
}

/// What a worker has seen since its last merge, by the candidate that saw it.
#[derive(Debug, Default)]
pub struct CandidateBatch(Vec<(Rc<str>, Table)>);

impl CandidateBatch {
    /// Notes a call that a candidate has judged.
    #[cold]
    #[inline(never)]
    pub fn note(&mut self, candidate: &Candidate, settled: &Settled, now: Timestamp) {
        let place = self.0.iter().position(|(namespace, _)| **namespace == candidate.rules.namespace);
        let place = place.unwrap_or_else(|| {
            let table = Table { since: now.unix_seconds().into(), ..Table::default() };
            self.0.push((candidate.rules.namespace.as_str().into(), table));
            self.0.len().saturating_sub(1)
        });
        let Some((_, table)) = self.0.get_mut(place) else { return };
        table.calls = table.calls.saturating_add(1);
        if let Some(verdict) = &settled.record.candidate {
            let done = &settled.record.decision;
            let mut row = String::new();
            for (action, rule) in [(done.action(), &done.rule), (verdict.action, &verdict.rule)] {
                row.push_str(if row.is_empty() { "" } else { "\t" });
                row.push_str(action.as_str());
                row.push('\t');
                put_tame(&mut row, rule.as_deref().unwrap_or_default());
            }
            let sums = match verdict.effect(settled.record.cost.usd, settled.record.cost.status) {
                Effect::Saves(usd) => [1, usd.pico(), 0, 0, 0],
                Effect::Adds(usd) => [1, 0, usd.pico(), 0, 0],
                Effect::Estimated(usd) => [1, 0, 0, usd.pico(), 0],
                Effect::Unknown => [1, 0, 0, 0, 1],
            };
            table.add(&row, &sums);
        }
    }

    /// Merges into the shared tables. What the store does not take waits for the next time.
    pub fn flush(&mut self, store: &dyn SharedStore) {
        if !self.0.is_empty() {
            self.0.retain(|(namespace, fresh)| !merge(namespace, fresh, store));
        }
    }
}

/// `false` if the store did not take it.
#[cold]
#[inline(never)]
fn merge(namespace: &str, fresh: &Table, store: &dyn SharedStore) -> bool {
    let key = key(namespace);
    for _ in 0..ATTEMPTS {
        let Ok(stored) = store.read(&key) else { return false };
        let known = stored.as_ref().and_then(|(bytes, _)| Table::read(bytes));
        let mut table = known.unwrap_or(Table { since: fresh.since, ..Table::default() });
        table.since = table.since.min(fresh.since);
        table.calls = table.calls.saturating_add(fresh.calls);
        fresh.rows.iter().for_each(|(row, sums)| table.add(row, sums));
        if store.swap(&key, table.written().as_bytes(), stored.map(|(_, cas)| cas)) == Ok(Swap::Done) {
            return true;
        }
    }
    false
}

/// The shared table of a candidate; an empty one as long as it has judged no call.
pub(crate) fn load(candidate: &Candidate, store: &dyn SharedStore) -> Table {
    let stored = store.read(&key(&candidate.rules.namespace)).ok().flatten();
    stored.and_then(|(bytes, _)| Table::read(&bytes)).unwrap_or_default()
}

fn key(namespace: &str) -> String {
    format!("tg/1/{}/candidate", namespace.replace('%', "%25").replace('/', "%2F"))
}

/// Adds figure by figure.
pub(crate) fn add(sums: &mut Sums, more: &Sums) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(*more));
}

impl Table {
    #[inline(never)]
    fn add(&mut self, row: &str, more: &Sums) {
        const OTHER: &str = "__other__\t__other__\t__other__\t__other__";
        let known = |row: &str| self.rows.iter().position(|(known, _)| known == row);
        let full = self.rows.len() >= MOST_ROWS;
        let (row, place) = match known(row) {
            None if full => (OTHER, known(OTHER)),
            place => (row, place),
        };
        match place.and_then(|place| self.rows.get_mut(place)) {
            Some((_, sums)) => add(sums, more),
            None => self.rows.push((row.to_owned(), *more)),
        }
    }

    fn written(&self) -> String {
        let mut text = String::new();
        put_numbers(&mut text, &[self.since, self.calls]);
        for (row, sums) in &self.rows {
            text.push_str(row);
            text.push('\t');
            put_numbers(&mut text, sums);
        }
        text
    }

    /// `None` if the bytes are no table. A row that cannot be read is left out.
    #[inline(never)]
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(bytes).ok()?.lines();
        let [since, calls] = numbers(lines.next()?)?;
        let mut rows = Vec::new();
        for line in lines {
            let end = line.match_indices('\t').nth(3).map(|(end, _)| end);
            let halves = end.and_then(|end| Some((line.get(..end)?, line.get(end.saturating_add(1)..)?)));
            rows.extend(halves.and_then(|(row, sums)| Some((row.to_owned(), numbers(sums)?))));
        }
        Some(Self { since, calls, rows })
    }
}

/// A line of numbers with tabs between.
#[inline(never)]
fn put_numbers(text: &mut String, numbers: &[i128]) {
    for (place, number) in numbers.iter().enumerate() {
        text.push_str(if place == 0 { "" } else { "\t" });
        text.push_str(&number.to_string());
    }
    text.push('\n');
}

/// All numbers of a line; `None` if there are more or fewer.
fn numbers<const N: usize>(line: &str) -> Option<[i128; N]> {
    let mut numbers = [0; N];
    let mut fields = line.split('\t');
    for number in &mut numbers {
        *number = fields.next()?.parse().ok()?;
    }
    fields.next().is_none().then_some(numbers)
}

/// A name that cannot break a row, of bounded length.
fn put_tame(text: &mut String, name: &str) {
    let mut bytes = 0_usize;
    for c in name.chars() {
        bytes = bytes.saturating_add(c.len_utf8());
        if bytes > MOST_BYTES {
            return;
        }
        text.push(if c.is_control() { '_' } else { c });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(rule: &str) -> String {
        let mut row = "allow\t\tdeny\t".to_owned();
        put_tame(&mut row, rule);
        row
    }

    #[test]
    fn a_table_reads_back_and_stays_bounded() {
        let mut table = Table { since: 7, calls: 2_000, rows: Vec::new() };
        for number in 0..1_000_i128 {
            table.add(&row(&format!("rule\t{}", number % 500)), &[1, number, 1, 2, 0]);
        }
        assert_eq!(Table::read(table.written().as_bytes()), Some(table.clone()));
        assert_eq!(table.rows.len(), MOST_ROWS + 1, "the rest shares a row");
        let mut all = [0; 5];
        table.rows.iter().for_each(|(_, sums)| add(&mut all, sums));
        assert_eq!(all, [1_000, 499_500, 1_000, 2_000, 0], "nothing is lost");
        for nonsense in [&b""[..], b"x\ty\n", b"1\t2\t3\n", b"\xff"] {
            assert_eq!(Table::read(nonsense), None);
        }
        assert_eq!(Table::read(b"1\t2\nnonsense\na\tb\tc\td\t1\n").map(|table| table.rows.len()), Some(0));
        assert_eq!(row(&"ä".repeat(99)).len(), "allow\t\tdeny\t".len() + MOST_BYTES);
    }
}
