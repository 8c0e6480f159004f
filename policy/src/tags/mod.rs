//! Tags: whom a call is for.

use crate::config::{ConfigError, Object, whole_number};
use crate::selector::{Pattern, is_reserved};
use serde::Deserialize;
use source::{Asks, RawSource, Source};
use std::collections::BTreeMap;
use std::sync::Arc;

mod source;

pub use source::{Request, credential_digest};

/// What stands for a tag that a call does not carry.
pub const UNTAGGED: &str = "untagged";

/// Label values of Tollgate's own: who sends one of them carries no tag.
const RESERVED_VALUES: [&str; 3] = [UNTAGGED, "__other__", "__unknown__"];

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
    #[serde(default, deserialize_with = "whole_number")]
    max_length: Option<u64>,
    #[serde(default)]
    lower_case: bool,
    #[serde(default)]
    strip: bool,
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
    names: Arc<[String]>,
    asks: Asks,
    keys: VirtualKeys,
}

/// A credential's digest -> the tags that it stands for.
type VirtualKeys = BTreeMap<String, BTreeMap<String, String>>;

/// One tag: where its value comes from, and which values it may have.
#[derive(Clone, Debug)]
pub struct Tag {
    /// Its name, which is also its label.
    pub name: String,
    /// What happens to a call without it.
    pub required: Required,
    /// Those that the client cannot make up first, each group in the configuration's order.
    sources: Vec<Source>,
    constant: Option<String>,
    allow: Option<Vec<Pattern>>,
    max_length: usize,
    lower_case: bool,
    strip: bool,
}

/// Checks the tags and virtual keys of a configuration.
pub fn compile_tags(
    raw: &BTreeMap<String, Object<RawTag>>,
    keys: &VirtualKeys,
) -> Result<TagRules, ConfigError> {
    let mut asks = Asks::default();
    let mut tags = Vec::with_capacity(raw.len());
    for (name, Object(tag)) in raw {
        tags.push(Tag::compile(name, tag, &mut asks).map_err(|e| e.within(&format!("tags.{name}")))?);
    }
    let names: Vec<String> = tags.iter().map(|tag| tag.name.clone()).collect();
    check_keys(keys, &names)?;
    Ok(TagRules { names: names.into(), tags, asks, keys: keys.clone() })
}

fn check_keys(keys: &VirtualKeys, names: &[String]) -> Result<(), ConfigError> {
    for (place, (digest, tags)) in keys.iter().enumerate() {
        if !source::is_sha256(digest) {
            return Err(ConfigError::new("virtual_keys", source::no_digest(place)));
        }
        if let Some(unknown) = tags.keys().find(|tag| !names.contains(tag)) {
            let known: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            let problem = format!("unknown tag `{unknown}`, expected one of {}", known.join(", "));
            return Err(ConfigError::new(format!("virtual_keys.{digest}"), problem));
        }
    }
    Ok(())
}

/// Label names that stats use for themselves.
const LABELS: [&str; 13] = [
    "view",
    "decision",
    "usage_source",
    "kind",
    "tag",
    "quota",
    "key",
    "scope",
    "reason",
    "rule",
    "action",
    "destination",
    "guard",
];

impl Tag {
    fn compile(name: &str, raw: &RawTag, asks: &mut Asks) -> Result<Self, ConfigError> {
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
        match (&raw.from, &raw.value) {
            (None, None) => return Err(ConfigError::new("", "needs `from` or `value`")),
            (Some(_), Some(_)) => return Err(ConfigError::new("", "has both `from` and `value`, keep one")),
            _ => {}
        }
        let allow = raw.allow.as_ref().map(|values| values.iter().map(|v| Pattern::new(v)).collect());
        Ok(Self {
            name: name.to_owned(),
            required: raw.required,
            sources: sources(raw, asks)?,
            constant: raw.value.clone(),
            allow,
            max_length: max_length(raw)?,
            lower_case: raw.lower_case,
            strip: raw.strip,
        })
    }

    /// The first source that has an allowed value wins. The second value says whether a client's value contradicts one
    /// that it cannot make up; then the client's is ignored.
    fn resolve(
        &self,
        request: &Request<'_>,
        key: Option<&BTreeMap<String, String>>,
    ) -> (Option<String>, bool) {
        let fixed = self.constant.clone().or_else(|| key?.get(&self.name).cloned());
        let value = |source: &Source| self.clean(&source.value(request)?).filter(|value| self.allows(value));
        let trusted = fixed.or_else(|| self.sources.iter().filter(|s| s.trusted).find_map(value));
        let mut claimed = self.sources.iter().filter(|s| !s.trusted).filter_map(value);
        match trusted {
            Some(trusted) => {
                let contradicted = claimed.any(|claim| claim != trusted);
                (Some(trusted), contradicted)
            }
            None => (claimed.next(), false),
        }
    }

    /// Whether the body, which was not read yet, may have another value for it than what was found: then one of its places
    /// comes before the source that won.
    fn waits_for_body(&self, request: &Request<'_>, key: Option<&BTreeMap<String, String>>) -> bool {
        let fixed = self.constant.is_some() || key.is_some_and(|tags| tags.contains_key(&self.name));
        let found = |source: &Source| {
            source.value(request).and_then(|v| self.clean(&v)).is_some_and(|v| self.allows(&v))
        };
        let decides = self.sources.iter().find(|source| source.is_in_body() || found(source));
        !fixed && decides.is_some_and(Source::is_in_body)
    }

    /// A raw value as a tag: trimmed, control characters and invalid UTF-8 replaced, cut to a bounded length. `None` if
    /// nothing is left.
    fn clean(&self, bytes: &[u8]) -> Option<String> {
        let head = bytes.get(..self.max_length).unwrap_or(bytes);
        let cut = head.len() < bytes.len();
        if head.iter().all(|byte| (b' '..0x7f).contains(byte)) && !self.lower_case {
            // Nearly every value: nothing in it to replace.
            let plain = std::str::from_utf8(head.trim_ascii()).ok().filter(|t| !t.is_empty());
            return plain.filter(|t| !RESERVED_VALUES.contains(t)).map(str::to_owned);
        }
        let text = String::from_utf8_lossy(head);
        // A cut may have split a character: its first bytes show as one replacement character at the end.
        let whole = if cut { text.trim_end_matches(char::REPLACEMENT_CHARACTER) } else { &text };
        let tidy: String = whole.trim().chars().map(|c| if c.is_control() { '_' } else { c }).collect();
        let cased = if self.lower_case { tidy.to_lowercase() } else { tidy };
        Some(cased).filter(|t| !t.is_empty() && !RESERVED_VALUES.contains(&t.as_str()))
    }

    fn allows(&self, value: &str) -> bool {
        self.allow.as_ref().is_none_or(|patterns| patterns.iter().any(|p| p.matches(value)))
    }

    /// How a client sends the tag, for the message of a refusal.
    fn hint(&self, pointers: &[String]) -> String {
        let ways: Vec<_> = self.sources.iter().filter_map(|source| source.hint(pointers)).collect();
        let values: Vec<_> = self.allow.iter().flatten().map(|pattern| format!("`{pattern}`")).collect();
        let legal =
            if values.is_empty() { String::new() } else { format!(" as one of {}", values.join(", ")) };
        match ways.is_empty() {
            true => format!("it belongs to the caller's identity{legal}"),
            false => format!("send it in {}{legal}", ways.join(" or ")),
        }
    }

    /// Whether `value` is named in `allow`, so that it cannot be one of a flood of invented ones.
    pub fn names_value(&self, value: &str) -> bool {
        self.allow.iter().flatten().any(|p| matches!(p, Pattern::Exact(text) if text == value))
    }
}

impl TagRules {
    /// Whether some call may carry a value of this tag that is meant. Where in doubt, yes.
    pub(crate) fn can_be(&self, tag: &Tag, pattern: &Pattern) -> bool {
        let of_keys = self.keys.values().filter_map(|tags| tags.get(&tag.name));
        if pattern.matches(UNTAGGED) || of_keys.into_iter().any(|value| pattern.matches(value)) {
            return true;
        }
        let overlaps = |allowed: &Pattern| match (allowed, pattern) {
            (Pattern::Exact(text), _) => pattern.matches(text),
            (_, Pattern::Exact(text)) => allowed.matches(text),
            _ => true,
        };
        match (&tag.constant, &tag.allow) {
            (Some(constant), _) => pattern.matches(constant),
            (None, Some(allow)) => allow.iter().any(overlaps),
            (None, None) => true,
        }
    }

    /// The tags, in the order in which records and labels list them.
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// Their names, in the same order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Paths of the host's properties that some tag reads; their values go into [`Request::properties`], in this order.
    pub fn properties(&self) -> &[Vec<String>] {
        &self.asks.properties
    }

    /// Places in the request's body that some tag reads, as JSON pointers; their values go into [`Request::body`], in this
    /// order.
    pub fn pointers(&self) -> &[String] {
        &self.asks.pointers
    }

    /// How a client sends one of these tags, for the message of a refusal.
    pub fn hint(&self, tag: &Tag) -> String {
        tag.hint(&self.asks.pointers)
    }

    /// Headers that carry tags and must not go upstream.
    pub fn stripped(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().filter(|tag| tag.strip).flat_map(|tag| tag.sources.iter().filter_map(Source::header))
    }

    /// Reads a call's tags.
    pub fn resolve(&self, request: &Request<'_>) -> Tags {
        let digest = if self.keys.is_empty() { None } else { credential_digest(request) };
        let key = digest.and_then(|digest| self.keys.get(&digest));
        let (mut values, mut conflicts) = (Vec::with_capacity(self.tags.len()), Vec::new());
        let mut open = Vec::new();
        let unread = request.body.is_none() && !self.asks.pointers.is_empty();
        for (index, tag) in self.tags.iter().enumerate() {
            let (value, contradicted) = tag.resolve(request, key);
            values.push(value);
            conflicts.extend(contradicted.then(|| tag.name.clone()));
            open.extend((unread && tag.waits_for_body(request, key)).then_some(index));
        }
        Tags { names: Arc::clone(&self.names), values, conflicts, open }
    }

    /// Whether a call must wait for its body because a tag that may stand there must not be missing.
    pub fn requires_body(&self, tags: &Tags) -> bool {
        let denies = |index: &usize| self.tags.get(*index).is_some_and(|tag| tag.required == Required::Deny);
        tags.open.iter().any(|index| denies(index) && tags.known(*index).is_none())
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

fn sources(raw: &RawTag, asks: &mut Asks) -> Result<Vec<Source>, ConfigError> {
    let mut sources = Vec::new();
    for (index, source) in raw.from.iter().flatten().enumerate() {
        sources.push(Source::compile(source, asks).map_err(|e| e.within(&format!("from[{index}]")))?);
    }
    sources.sort_by_key(|source| !source.trusted);
    Ok(sources)
}

fn max_length(raw: &RawTag) -> Result<usize, ConfigError> {
    let length = raw.max_length.map_or(Some(MAX_VALUE_BYTES), |n| usize::try_from(n).ok());
    let legal = length.filter(|n| (1..=MAX_VALUE_BYTES).contains(n));
    legal.ok_or_else(|| {
        ConfigError::new("max_length", format!("is not between 1 and {MAX_VALUE_BYTES} bytes"))
    })
}

/// One call's tags, in the configuration's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    names: Arc<[String]>,
    /// In the order of their names.
    values: Vec<Option<String>>,
    conflicts: Vec<String>,
    /// The indices of those whose value the body, not read yet, may decide.
    open: Vec<usize>,
}

impl Tags {
    /// From names and values; `None` is a tag that the call does not carry.
    pub fn new(values: Vec<(String, Option<String>)>) -> Self {
        let (names, values): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        Self { names: names.into(), values, conflicts: Vec::new(), open: Vec::new() }
    }

    /// Whether the body, which was not read yet, may decide the tag of this index.
    pub fn is_open(&self, index: usize) -> bool {
        self.open.contains(&index)
    }

    /// Names of tags for which the client claimed something else than what it cannot make up.
    pub fn conflicts(&self) -> &[String] {
        &self.conflicts
    }

    /// The value by index, [`UNTAGGED`] where the call carries none; `None` past the last tag.
    pub fn value(&self, index: usize) -> Option<&str> {
        self.values.get(index).map(|value| value.as_deref().unwrap_or(UNTAGGED))
    }

    /// The value by index, if the call carries one.
    pub fn known(&self, index: usize) -> Option<&str> {
        self.values.get(index)?.as_deref()
    }

    /// Names and values, [`UNTAGGED`] included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs().map(|(name, value)| (name, value.as_deref().unwrap_or(UNTAGGED)))
    }

    /// Names of tags that the call does not carry.
    pub fn absent(&self) -> impl Iterator<Item = &str> {
        self.pairs().filter(|(_, value)| value.is_none()).map(|(name, _)| name)
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &Option<String>)> {
        self.names.iter().map(String::as_str).zip(&self.values)
    }

    /// Names and values as they are recorded, [`UNTAGGED`] included. It takes the values out.
    pub fn take_pairs(&mut self) -> Vec<(String, String)> {
        let values = std::mem::take(&mut self.values).into_iter();
        let told = values.map(|value| value.unwrap_or_else(|| UNTAGGED.to_owned()));
        self.names.iter().cloned().zip(told).collect()
    }
}

#[cfg(test)]
mod tests;
