//! What one worker's calls came to since the last flush, and the merge into the shared tables.

use super::{FIXED, Sums, Table};
use crate::config::Rules;
use crate::settle::Settled;
use crate::stats::UNKNOWN;
use std::collections::HashMap;
use std::rc::Rc;
use tollgate_policy::{SharedStore, Swap, UNTAGGED};
use tollgate_record::Timestamp;

/// How long a table covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// An hour of UTC.
    Hour,
    /// A day of UTC.
    Day,
}

impl Window {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// Its name in keys and queries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// Its length.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3600,
            Self::Day => 86_400,
        }
    }

    /// Which window holds an instant, counted from the epoch.
    pub const fn index(self, at: Timestamp) -> i64 {
        let seconds = at.unix_seconds();
        match self {
            Self::Hour => seconds.div_euclid(3600),
            Self::Day => seconds.div_euclid(86_400),
        }
    }
}

/// What a table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Who used what.
    Usage,
    /// What of it was wasted, and why: the reason is the first dimension.
    Waste,
}

impl Subject {
    /// All of them.
    const ALL: [Self; 2] = [Self::Usage, Self::Waste];

    const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Waste => "waste",
        }
    }

    /// The dimensions that its rows have before those of calls.
    const fn own(self) -> &'static [&'static str] {
        match self {
            Self::Usage => &[],
            Self::Waste => &[REASON],
        }
    }
}

/// The dimension of waste that says why.
pub(crate) const REASON: &str = "reason";
/// What calls without any bound on their answers are counted under; nothing is known to be lost by them.
const UNLIMITED: &str = "unlimited_output";

/// One worker's calls since the last flush.
#[derive(Debug, Default)]
pub struct UsageBatch {
    /// When the calls of `rows` ended; all of them in the same hour.
    at: Option<Timestamp>,
    /// Values of all dimensions, joined by [`JOINT`] -> sums.
    rows: HashMap<String, Sums>,
    /// The same of what was wasted, the reason first.
    waste: HashMap<String, Sums>,
    /// Where the key of a call is put together.
    key: String,
    /// What could not be merged yet.
    pending: Vec<Pending>,
}

/// Rows that still have to go into a table.
#[derive(Debug)]
struct Pending {
    subject: Subject,
    window: Window,
    index: i64,
    rows: Rc<HashMap<String, Sums>>,
}

/// Between the values of a row. None of them holds a control character.
const JOINT: char = '\u{1f}';
/// So many rows are flushed at once: memory of a worker is bounded too.
const MAX_ROWS: usize = 512;
/// So many refused merges are kept; past that the oldest is lost, and counted.
const MAX_PENDING: usize = 32;
/// Tries to swap a table this often before it waits for the next tick: each failure means that another worker went ahead.
const MAX_CONFLICTS: usize = 16;

impl UsageBatch {
    /// Adds a settled call. How many earlier merges were lost for good: none, unless the store refuses to store.
    pub fn add(&mut self, rules: &Rules, settled: &Settled, now: Timestamp, store: &dyn SharedStore) -> u64 {
        let moved_on = self.at.is_some_and(|at| Window::Hour.index(at) != Window::Hour.index(now));
        let full = self.rows.len().max(self.waste.len()) >= MAX_ROWS;
        let lost = if moved_on || full { self.flush(rules, store) } else { 0 };
        self.at = Some(now);
        self.key.clear();
        let record = &settled.record;
        self.key.push_str(&record.provider);
        self.key.push(JOINT);
        self.key.push_str(settled.counts.model.as_deref().unwrap_or(UNKNOWN));
        for (_, value) in &record.tags {
            self.key.push(JOINT);
            self.key.push_str(value);
        }
        put(&mut self.rows, &self.key, Sums::of(settled));
        if settled.counts.unlimited_output || !settled.record.waste.is_empty() {
            self.add_waste(settled);
        }
        lost
    }

    /// Adds what of a call, whose key is at hand, was wasted.
    #[cold]
    #[inline(never)]
    fn add_waste(&mut self, settled: &Settled) {
        let unlimited = (UNLIMITED, Sums { calls: 1, ..Sums::default() });
        let unlimited = settled.counts.unlimited_output.then_some(unlimited);
        let wasted = settled.record.waste.iter().map(|one| (one.reason.as_str(), Sums::of_waste(one)));
        for (reason, sums) in wasted.chain(unlimited) {
            let mut key = reason.to_owned();
            key.push(JOINT);
            key.push_str(&self.key);
            put(&mut self.waste, &key, sums);
        }
    }

    /// Merges all that is here into the shared tables. What meets a conflict too often, or a store that fails, is kept
    /// for the next time. How many merges were lost because too many are kept already.
    pub fn flush(&mut self, rules: &Rules, store: &dyn SharedStore) -> u64 {
        if let Some(at) = self.at {
            for subject in Subject::ALL {
                let rows = match subject {
                    Subject::Usage => &mut self.rows,
                    Subject::Waste => &mut self.waste,
                };
                if rows.is_empty() {
                    continue;
                }
                let rows = Rc::new(std::mem::take(rows));
                let pending = |window: Window| {
                    let index = window.index(at);
                    Pending { subject, window, index, rows: Rc::clone(&rows) }
                };
                self.pending.extend(Window::ALL.map(pending));
            }
        }
        self.pending.retain(|pending| !pending.merge(rules, store));
        let lost = self.pending.len().saturating_sub(MAX_PENDING);
        self.pending.drain(..lost);
        u64::try_from(lost).unwrap_or(u64::MAX)
    }
}

#[inline(never)]
fn put(rows: &mut HashMap<String, Sums>, key: &str, sums: Sums) {
    match rows.get_mut(key) {
        Some(row) => *row = row.plus_known(sums),
        None => {
            rows.insert(key.to_owned(), sums);
        }
    }
}

impl Pending {
    /// Whether it is done.
    fn merge(&self, rules: &Rules, store: &dyn SharedStore) -> bool {
        let key = key(rules, self.subject, self.window, self.index);
        (0..MAX_CONFLICTS).any(|_| {
            let Ok(found) = store.read(&key) else { return false };
            let stored = found.as_ref().and_then(|(bytes, _)| Table::from_bytes(bytes));
            // A table of an earlier window is over; one of a later window takes what came late.
            let current = stored.filter(|table| table.window >= self.index);
            let mut table = current.unwrap_or_else(|| Table::new(self.index));
            self.add_to(&mut table, rules);
            let cas = found.map(|(_, cas)| cas);
            store.swap(&key, &table.to_bytes(), cas) == Ok(Swap::Done)
        })
    }

    fn add_to(&self, table: &mut Table, rules: &Rules) {
        let own = self.subject.own();
        let columns = table.columns(own.iter().copied().chain(dimensions(rules)));
        let before_tags = FIXED.len().saturating_add(own.len());
        for (key, sums) in self.rows.iter() {
            let values = key.split(JOINT).enumerate().map(|(index, value)| {
                let tag = index.checked_sub(before_tags);
                let named = tag.is_none_or(|tag| {
                    value == UNTAGGED || rules.tags.tags().get(tag).is_some_and(|t| t.names_value(value))
                });
                (value, named)
            });
            table.add(&columns, values, *sums);
        }
    }
}

/// The dimensions of a configuration's rows, in their order.
pub(crate) fn dimensions(rules: &Rules) -> impl Iterator<Item = &str> {
    FIXED.into_iter().chain(rules.tags.names().iter().map(String::as_str))
}

/// Where a window's table is: two places that take turns, so that the previous one stays readable.
fn key(rules: &Rules, subject: Subject, window: Window, index: i64) -> String {
    let name = rules.namespace.replace('%', "%25").replace('/', "%2F");
    format!("tg/1/{name}/{}/{}/{}", subject.name(), window.name(), index.rem_euclid(2))
}

/// The table of a window; empty where nothing is stored of it.
pub(crate) fn load(
    rules: &Rules,
    subject: Subject,
    window: Window,
    index: i64,
    store: &dyn SharedStore,
) -> Table {
    let found = store.read(&key(rules, subject, window, index)).ok().flatten();
    let stored = found.and_then(|(bytes, _)| Table::from_bytes(&bytes));
    stored.filter(|table| table.window == index).unwrap_or_else(|| Table::new(index))
}
