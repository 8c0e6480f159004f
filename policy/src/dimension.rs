//! What rules tell calls apart by, and how its values stand in keys.

use crate::selector::Facts;

/// One thing that a rule tells calls apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimension {
    /// The tag at that place among the names of tags.
    Tag(usize),
    Provider,
    Model,
}

/// Stands in a key for what a call does not carry.
const UNKNOWN: &str = "__unknown__";

/// Writes what a call is under these dimensions, each value behind a `/`.
pub(crate) fn write_values(key: &mut String, per: &[Dimension], facts: &Facts<'_>) {
    for dimension in per {
        let value = match dimension {
            Dimension::Tag(index) => facts.tags.value(*index),
            Dimension::Provider => Some(facts.provider),
            Dimension::Model => facts.model,
        };
        key.push('/');
        escape_into(key, value.unwrap_or(UNKNOWN));
    }
}

/// Names and values out of what [`write_values`] wrote.
pub(crate) fn labels(per: &[Dimension], tag_names: &[String], values: &str) -> Vec<(String, String)> {
    let name = |dimension: &Dimension| match dimension {
        Dimension::Tag(index) => tag_names.get(*index).cloned().unwrap_or_default(),
        Dimension::Provider => "provider".to_owned(),
        Dimension::Model => "model".to_owned(),
    };
    per.iter().map(name).zip(values.split('/').skip(1).map(unescape)).collect()
}

/// A value as one segment of a key: `/` and `%` are written as in URLs, so that no value can reach into another key.
pub(crate) fn escape(value: &str) -> String {
    let mut escaped = String::new();
    escape_into(&mut escaped, value);
    escaped
}

pub(crate) fn escape_into(key: &mut String, value: &str) {
    if !value.bytes().any(|byte| matches!(byte, b'%' | b'/')) {
        return key.push_str(value);
    }
    for (index, part) in value.split('%').enumerate() {
        if index > 0 {
            key.push_str("%25");
        }
        for (index, part) in part.split('/').enumerate() {
            if index > 0 {
                key.push_str("%2F");
            }
            key.push_str(part);
        }
    }
}

pub(crate) fn unescape(segment: &str) -> String {
    segment.replace("%2F", "/").replace("%25", "%")
}
