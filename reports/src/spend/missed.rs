//! Calls that were not meant, as long as none was: what to say to somebody who mistyped a name.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_policy::UNTAGGED;
use tollgate_record::Timestamp;

use crate::dimension::Lens;
use crate::row::Row;
use crate::selection::Selection;
use crate::zone::day_text;

/// Values of each name that are shown.
const SHOWN: usize = 20;
/// Calls whose values are looked at.
const LOOKED_AT: u64 = 100_000;
/// Calls whose names of tags are: all of a log have the same ones.
const LOOKED_AT_FOR_NAMES: u64 = 1_000;

/// Calls that were left out.
#[derive(Clone, Debug, Default)]
pub struct Missed {
    calls: u64,
    span: Option<(Timestamp, Timestamp)>,
    values: BTreeMap<String, BTreeSet<String>>,
    tags: TagNames,
}

/// The tags that calls carry, for somebody who names one that none does.
#[derive(Clone, Debug, Default)]
pub struct TagNames {
    looked_at: u64,
    names: BTreeSet<String>,
}

impl TagNames {
    /// Looks at a call, if it is one of the first.
    pub fn add(&mut self, row: &Row<'_>) {
        if self.looked_at >= LOOKED_AT_FOR_NAMES {
            return;
        }
        self.looked_at = self.looked_at.saturating_add(1);
        for (name, _) in &row.tags {
            if !self.names.contains(name.as_ref()) {
                self.names.insert(name.to_string());
            }
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.names.extend(other.names);
    }

    /// That no call carries this one.
    pub fn without(&self, tag: &str) -> String {
        let names: Vec<_> = self.names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
        let there = match names.as_slice() {
            [] => "there are no tags here".to_owned(),
            names => format!("tags here are {}", names.join(", ")),
        };
        format!("no call carries the tag `{tag}`; {there}")
    }
}

impl Missed {
    pub fn add(&mut self, row: &Row<'_>, selection: &Selection, lens: &mut Lens) {
        self.calls = self.calls.saturating_add(1);
        let (first, last) = self.span.unwrap_or((row.time, row.time));
        self.span = Some((first.min(row.time), last.max(row.time)));
        if self.calls > LOOKED_AT {
            return;
        }
        self.tags.add(row);
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
        self.tags.merge(other.tags);
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
            if values.iter().eq([UNTAGGED]) {
                facts.push(self.tags.without(name));
                continue;
            }
            let more = if values.len() > SHOWN { ", ..." } else { "" };
            let shown: Vec<&str> = values.iter().take(SHOWN).map(String::as_str).collect();
            facts.push(format!("`{name}` is one of {}{more} there", shown.join(", ")));
        }
        facts
    }
}
