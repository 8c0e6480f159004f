//! Tags: whom a call is for.

use crate::config::{ConfigError, Object};
use crate::selector::{Pattern, is_reserved};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What stands for a tag that a call does not carry.
pub const UNTAGGED: &str = "untagged";

/// Longer values are cut at this many bytes: they become label values and log fields.
const MAX_VALUE_BYTES: usize = 256;

/// A tag as the user wrote it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTag {
    from: Option<Vec<Object<RawSource>>>,
    value: Option<String>,
    #[serde(default)]
    required: Required,
    allow: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    header: String,
}

/// What happens to a call that lacks the tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Required {
    /// Nothing.
    #[default]
    No,
    /// The record lists it as missing.
    Report,
    /// It is refused.
    Deny,
}

/// All tags that the configuration declares.
#[derive(Clone, Debug, Default)]
pub struct TagRules {
    tags: Vec<Tag>,
    names: Vec<String>,
}

/// One tag: where its value comes from, and which values it may have.
#[derive(Clone, Debug)]
pub struct Tag {
    /// Its name, which is also its label.
    pub name: String,
    /// What happens to a call without it.
    pub required: Required,
    headers: Vec<String>,
    constant: Option<String>,
    allow: Option<Vec<Pattern>>,
}

/// Checks the tags of a configuration.
pub fn compile_tags(raw: &BTreeMap<String, Object<RawTag>>) -> Result<TagRules, ConfigError> {
    let compile = |(name, Object(tag)): (&String, &Object<RawTag>)| {
        Tag::compile(name, tag).map_err(|e| e.within(&format!("tags.{name}")))
    };
    let tags: Vec<Tag> = raw.iter().map(compile).collect::<Result<_, _>>()?;
    Ok(TagRules { names: tags.iter().map(|tag| tag.name.clone()).collect(), tags })
}

/// Label names that stats use for themselves.
const LABELS: [&str; 10] =
    ["view", "decision", "usage_source", "kind", "tag", "quota", "key", "scope", "reason", "rule"];

impl Tag {
    fn compile(name: &str, raw: &RawTag) -> Result<Self, ConfigError> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || !name.bytes().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(ConfigError::new(
                "",
                "a tag's name is lower-case letters, digits and `_`, and starts with a letter",
            ));
        }
        if is_reserved(name) || LABELS.contains(&name) {
            return Err(ConfigError::new(
                "",
                format!("`{name}` is a label of Tollgate's own, choose another name"),
            ));
        }
        let headers = raw.from.iter().flatten().map(|s| s.0.header.to_ascii_lowercase()).collect();
        match (&raw.from, &raw.value) {
            (None, None) => return Err(ConfigError::new("", "needs `from` or `value`")),
            (Some(_), Some(_)) => return Err(ConfigError::new("", "has both `from` and `value`, keep one")),
            _ => {}
        }
        let allow = raw.allow.as_ref().map(|values| values.iter().map(|v| Pattern::new(v)).collect());
        Ok(Self {
            name: name.to_owned(),
            required: raw.required,
            headers,
            constant: raw.value.clone(),
            allow,
        })
    }

    /// The first source that has an allowed value wins.
    fn resolve<'h>(&self, header: &impl Fn(&str) -> Option<&'h [u8]>) -> Option<String> {
        let constant = self.constant.clone();
        let values = self.headers.iter().filter_map(|name| clean(header(name)?));
        constant.into_iter().chain(values).find(|value| self.allows(value))
    }

    fn allows(&self, value: &str) -> bool {
        self.allow.as_ref().is_none_or(|patterns| patterns.iter().any(|p| p.matches(value)))
    }

    /// How a client sends the tag, for the message of a refusal.
    pub fn hint(&self) -> String {
        let headers: Vec<_> = self.headers.iter().map(|name| format!("`{name}`")).collect();
        let values = self.allow.iter().flatten().map(|pattern| format!("`{pattern}`"));
        let values: Vec<_> = values.collect();
        let legal =
            if values.is_empty() { String::new() } else { format!(" as one of {}", values.join(", ")) };
        format!("send it in the header {}{legal}", headers.join(" or "))
    }

    /// Whether `value` is named in `allow`, so that it cannot be one of a flood of invented ones.
    pub fn names_value(&self, value: &str) -> bool {
        self.allow.iter().flatten().any(|p| matches!(p, Pattern::Exact(text) if text == value))
    }
}

impl TagRules {
    /// The tags, in the order in which records and labels list them.
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Their names, in the same order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads a call's tags. `header` looks up a header by its lower-case name.
    pub fn resolve<'h>(&self, header: impl Fn(&str) -> Option<&'h [u8]>) -> Tags {
        Tags::new(self.tags.iter().map(|tag| (tag.name.clone(), tag.resolve(&header))).collect())
    }

    /// Names of required tags that the call lacks.
    pub fn missing<'a>(&'a self, tags: &'a Tags) -> impl Iterator<Item = &'a Tag> {
        let absent = |index: usize| tags.known(index).is_none();
        self.tags
            .iter()
            .enumerate()
            .filter(move |(i, t)| t.required != Required::No && absent(*i))
            .map(|(_, t)| t)
    }
}

/// One call's tags, in the configuration's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<(String, Option<String>)>);

impl Tags {
    /// From names and values; `None` is a tag that the call does not carry.
    pub fn new(pairs: Vec<(String, Option<String>)>) -> Self {
        Self(pairs)
    }

    /// The value by index, [`UNTAGGED`] where the call carries none; `None` past the last tag.
    pub fn value(&self, index: usize) -> Option<&str> {
        self.0.get(index).map(|(_, value)| value.as_deref().unwrap_or(UNTAGGED))
    }

    /// The value by index, if the call carries one.
    pub fn known(&self, index: usize) -> Option<&str> {
        self.0.get(index)?.1.as_deref()
    }

    /// The value by name, [`UNTAGGED`] where the call carries none; `None` if there is no such tag.
    pub fn by_name(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(tag, _)| tag == name).map(|(_, value)| value.as_deref().unwrap_or(UNTAGGED))
    }

    /// Names and values, [`UNTAGGED`] included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or(UNTAGGED)))
    }

    /// Names of tags that the call does not carry.
    pub fn absent(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.as_str())
    }
}

/// A header's value as a tag: trimmed, control characters and invalid UTF-8 replaced, cut to a bounded length.
/// `None` if nothing is left.
fn clean(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..MAX_VALUE_BYTES).unwrap_or(bytes);
    let cut = head.len() < bytes.len();
    let text = String::from_utf8_lossy(head);
    // A cut may have split a character: its first bytes show as one replacement character at the end.
    let whole = if cut { text.trim_end_matches(char::REPLACEMENT_CHARACTER) } else { &text };
    let tidy: String = whole.trim().chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    Some(tidy).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Result<TagRules, String> {
        let raw: BTreeMap<String, Object<RawTag>> = serde_json::from_str(json).map_err(|e| e.to_string())?;
        compile_tags(&raw).map_err(|e| e.to_string())
    }

    fn resolve(json: &str, headers: &[(&str, &[u8])]) -> Vec<String> {
        let tags =
            rules(json).unwrap().resolve(|name| headers.iter().find(|(h, _)| *h == name).map(|(_, v)| *v));
        tags.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn the_first_source_with_an_allowed_value_wins() {
        let json =
            r#"{"team":{"from":[{"header":"X-Team"},{"header":"x-group"}],"allow":["search","ads-*"]}}"#;
        for (headers, expected) in [
            (vec![("x-team", &b"search"[..])], "team=search"),
            (vec![("x-team", b"other"), ("x-group", b"ads-eu")], "team=ads-eu"),
            (vec![("x-team", b"other")], "team=untagged"),
            (vec![], "team=untagged"),
        ] {
            assert_eq!(resolve(json, &headers), [expected]);
        }
    }

    #[test]
    fn values_are_trimmed_and_made_harmless() {
        let json = r#"{"team":{"from":[{"header":"x-team"}]}}"#;
        let long = vec![b'a'; 300];
        let split = [vec![b'a'; 255], "é".as_bytes().to_vec(), vec![b'b'; 20]].concat();
        for (value, expected) in [
            (&b"  search "[..], "search".to_owned()),
            (b"a\x01b", "a_b".to_owned()),
            (b"\xff\xfe", "\u{fffd}\u{fffd}".to_owned()),
            (b"   ", UNTAGGED.to_owned()),
            (&long, "a".repeat(256)),
            (&split, "a".repeat(255)),
        ] {
            assert_eq!(resolve(json, &[("x-team", value)]), [format!("team={expected}")]);
        }
    }

    #[test]
    fn impossible_tags_are_refused_with_their_path() {
        for (json, expected) in [
            (r#"{"Team":{"value":"x"}}"#, "tags.Team: a tag's name is lower-case"),
            (r#"{"model":{"value":"x"}}"#, "tags.model: `model` is a label"),
            (r#"{"team":{}}"#, "tags.team: needs `from` or `value`"),
            (r#"{"team":{"value":"x","from":[]}}"#, "tags.team: has both"),
            (
                r#"{"team":{"value":"x","required":"maybe"}}"#,
                "unknown variant `maybe`, expected one of `no`, `report`, `deny`",
            ),
            (r#"{"team":{"form":[]}}"#, "unknown field `form`"),
        ] {
            let error = rules(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
