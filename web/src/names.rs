//! By what the calls of a log can be grouped and chosen, for the page to suggest.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_reports::{Dimension, Row};

/// Calls that are looked at: what comes later has the same tags.
const CALLS: u32 = 50_000;
/// Tags, and values of each.
const MOST: usize = 100;

/// Tags and some of their values.
#[derive(Clone, Debug, Default)]
pub struct Names {
    looked_at: u32,
    tags: BTreeMap<String, BTreeSet<String>>,
}

impl Names {
    /// Looks at a call.
    pub fn add(&mut self, row: &Row<'_>) {
        if self.looked_at >= CALLS {
            return;
        }
        self.looked_at = self.looked_at.saturating_add(1);
        self.put("provider", &row.provider);
        self.put("model", row.model());
        row.tags.iter().for_each(|(name, value)| self.put(name, value));
    }

    fn put(&mut self, name: &str, value: &str) {
        if !self.tags.contains_key(name) {
            if self.tags.len() >= MOST {
                return;
            }
            self.tags.insert(name.to_owned(), BTreeSet::new());
        }
        let values = self.tags.get_mut(name).filter(|values| values.len() < MOST && !values.contains(value));
        values.into_iter().for_each(|values| {
            values.insert(value.to_owned());
        });
    }

    /// Names for grouping: tags, then what every call has.
    pub fn names(&self) -> Vec<&str> {
        let fixed: Vec<&str> = Dimension::names().collect();
        let tags = self.tags.keys().map(String::as_str).filter(|tag| !fixed.contains(tag));
        tags.chain(fixed.iter().copied()).collect()
    }

    /// Filters: `team=search`.
    pub fn pairs(&self) -> Vec<String> {
        let pairs = |(name, values): (&String, &BTreeSet<String>)| {
            values.iter().map(|value| format!("{name}={value}")).collect::<Vec<_>>()
        };
        self.tags.iter().flat_map(pairs).collect()
    }
}
