//! Which model of a file a name leads to: the same rules as the compiled catalogue, first match wins.

use super::file::{Matches, Model};

pub struct Names<'a>(&'a [Model]);

impl<'a> Names<'a> {
    pub fn of(models: &'a [Model]) -> Names<'a> {
        Names(models)
    }

    /// The place of the model that the name leads to.
    pub fn find(&self, name: &str) -> Option<usize> {
        let exact = self
            .0
            .iter()
            .position(|model| model.name == name || model.matches.equals.iter().any(|e| e == name));
        exact.or_else(|| self.0.iter().position(|model| by_rule(&model.matches, name)))
    }
}

fn by_rule(rules: &Matches, name: &str) -> bool {
    if rules.unless.as_ref().is_some_and(|unless| name.contains(unless)) {
        return false;
    }
    let after = |part: &String| name.strip_prefix(part.as_str());
    let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    let date = |rest: &str| {
        rest.starts_with(['-', '@']) && rest[1..].bytes().all(|c| c.is_ascii_digit() || c == b'-')
    };
    rules.prefix.iter().any(|part| name.starts_with(part.as_str()))
        || rules.suffix.iter().any(|part| name.ends_with(part.as_str()))
        || rules.contains.iter().any(|part| name.contains(part.as_str()))
        || rules.numbered.iter().filter_map(after).any(digit)
        || rules.dated.iter().filter_map(after).any(date)
}
