//! Which calls a question is about: a span of time and filters.

use std::fmt;

use tollgate_policy::Pattern;

use crate::dimension::{Dimension, Lens};
use crate::row::Row;
use crate::zone::Range;

/// A span of time and filters, all of which must hold.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The span.
    pub range: Range,
    filters: Vec<Filter>,
}

impl Default for Selection {
    fn default() -> Self {
        Self { range: Range::ALL, filters: Vec::new() }
    }
}

/// A value, or several of which one must hold; or none of which may.
#[derive(Clone, Debug)]
struct Filter {
    dimension: Dimension,
    patterns: Vec<Pattern>,
    wanted: bool,
}

/// A filter without a `=`, or without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError(String);

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no filter, expected one like team=search, model=gpt-4*,o3* or status!=priced",
            self.0
        )
    }
}

impl std::error::Error for FilterError {}

impl Selection {
    /// Adds `name=value`, `name=one,other` or `name!=value`; a leading or trailing `*` matches the rest.
    ///
    /// # Errors
    /// Text of another form.
    pub fn filter(&mut self, text: &str) -> Result<(), FilterError> {
        let (name, values) = text.split_once('=').ok_or_else(|| FilterError(text.to_owned()))?;
        let (name, wanted) = name.strip_suffix('!').map_or((name, true), |name| (name, false));
        if name.is_empty() || values.is_empty() {
            return Err(FilterError(text.to_owned()));
        }
        let patterns = values.split(',').map(Pattern::new).collect();
        self.filters.push(Filter { dimension: Dimension::parse(name), patterns, wanted });
        Ok(())
    }

    /// Whether the call is meant.
    pub fn has(&self, row: &Row<'_>, lens: &mut Lens) -> bool {
        self.range.has(row.time) && self.passes(row, lens)
    }

    /// What filters look at.
    pub fn dimensions(&self) -> impl Iterator<Item = &Dimension> {
        self.filters.iter().map(|filter| &filter.dimension)
    }

    /// Whether the filters hold, whenever the call was.
    pub fn passes(&self, row: &Row<'_>, lens: &mut Lens) -> bool {
        self.filters.iter().all(|filter| {
            let value = lens.value(&filter.dimension, row);
            filter.patterns.iter().any(|pattern| pattern.matches(&value)) == filter.wanted
        })
    }
}
