//! Calls that were not meant, as long as none was: what to say to somebody who mistyped a name.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_record::Timestamp;

use crate::dimension::Lens;
use crate::row::Row;
use crate::selection::Selection;
use crate::zone::day_text;

/// Values of each name that are shown.
const SHOWN: usize = 20;
/// Calls whose values are looked at.
const LOOKED_AT: u64 = 100_000;

/// Calls that were left out.
#[derive(Clone, Debug, Default)]
pub struct Missed {
    calls: u64,
    span: Option<(Timestamp, Timestamp)>,
    values: BTreeMap<String, BTreeSet<String>>,
}

impl Missed {
    pub fn add(&mut self, row: &Row<'_>, selection: &Selection, lens: &mut Lens) {
        self.calls = self.calls.saturating_add(1);
        let (first, last) = self.span.unwrap_or((row.time, row.time));
        self.span = Some((first.min(row.time), last.max(row.time)));
        if self.calls > LOOKED_AT {
            return;
        }
        for dimension in selection.dimensions() {
            let value = lens.value(dimension, row);
            let values = self.values.entry(dimension.name().to_owned()).or_default();
            if values.len() <= SHOWN {
                values.insert(value);
            }
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        let both = self.span.into_iter().chain(other.span);
        self.span = both.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
        for (name, values) in other.values {
            self.values.entry(name).or_default().extend(values);
        }
    }

    /// What there is instead of what was asked for.
    pub fn facts(&self, lens: &Lens) -> Vec<String> {
        let Some((first, last)) = self.span else { return vec!["no call was found".into()] };
        let zone = lens.zone();
        let [first, last] = [first, last].map(|time| day_text(zone.day(time)));
        let mut facts =
            vec![format!("none of the {} calls from {first} to {last} ({zone}) is meant", self.calls)];
        for (name, values) in &self.values {
            let more = if values.len() > SHOWN { ", ..." } else { "" };
            let shown: Vec<&str> = values.iter().take(SHOWN).map(String::as_str).collect();
            facts.push(format!("`{name}` is one of {}{more} there", shown.join(", ")));
        }
        facts
    }
}
