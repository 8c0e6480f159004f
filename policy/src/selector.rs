//! `when`: which calls a rule is about.

use crate::config::{ConfigError, OneOrMany};
use crate::tags::{TagRules, Tags};
use std::collections::BTreeMap;
use std::fmt;

/// What is known of a call when rules are matched.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Its tags, resolved.
    pub tags: &'a Tags,
    /// The provider's name.
    pub provider: &'a str,
    /// The model asked for, once known.
    pub model: Option<&'a str>,
    /// The operation's name.
    pub operation: &'a str,
    /// The host, without its port.
    pub host: &'a str,
    /// The path, with its query.
    pub path: &'a str,
    /// The proxy's route name.
    pub route: Option<&'a str>,
    /// The proxy's cluster name.
    pub cluster: Option<&'a str>,
}

/// A selector as the user wrote it: field or tag name -> pattern or list of patterns, all of which must match.
pub type RawSelector = BTreeMap<String, OneOrMany>;

/// Which calls a rule is about. An empty one matches every call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<(Field, Vec<Pattern>)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Tag(usize),
    Provider,
    Model,
    Operation,
    Host,
    PathPrefix,
    Route,
    Cluster,
}

const FIELDS: [(&str, Field); 7] = [
    ("provider", Field::Provider),
    ("model", Field::Model),
    ("operation", Field::Operation),
    ("host", Field::Host),
    ("path_prefix", Field::PathPrefix),
    ("route", Field::Route),
    ("cluster", Field::Cluster),
];

/// Names that a tag cannot have, since selectors and labels use them.
pub(crate) fn is_reserved(name: &str) -> bool {
    FIELDS.iter().any(|(field, _)| *field == name)
}

impl Selector {
    /// Checks a selector against the tags that the configuration declares.
    pub fn compile(raw: &RawSelector, tag_names: &[String]) -> Result<Self, ConfigError> {
        let field = |name: &String, patterns: &OneOrMany| {
            let field = FIELDS.iter().find(|(known, _)| known == name).map(|(_, field)| field.clone());
            let tag = || tag_names.iter().position(|tag| tag == name).map(Field::Tag);
            let field = field.or_else(tag).ok_or_else(|| unknown(name, tag_names))?;
            Ok((field, patterns.0.iter().map(|p| Pattern::new(p)).collect()))
        };
        raw.iter().map(|(name, patterns)| field(name, patterns)).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the rule is about this call. What is not known does not match.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        self.0.iter().all(|(field, patterns)| field.matches(patterns, facts))
    }

    /// Whether the rule may be about this call, as far as is known before its body was read: a model or a tag that the
    /// body may name fits anything.
    pub fn may_match(&self, facts: &Facts<'_>) -> bool {
        self.0.iter().all(|(field, patterns)| match field {
            Field::Model if facts.model.is_none() => true,
            Field::Tag(index) if facts.tags.is_open(*index) => true,
            field => field.matches(patterns, facts),
        })
    }

    /// A field that fits no call, and why: then the selector matches nothing.
    #[cold]
    pub fn impossible(&self, tags: &TagRules) -> Option<(String, String)> {
        self.0.iter().find_map(|(field, patterns)| {
            let tag = match field {
                Field::Tag(index) => tags.tags().get(*index),
                _ => None,
            };
            let fixed = FIELDS.iter().find(|(_, known)| known == field).map(|(name, _)| *name);
            let name = tag.map_or(fixed.unwrap_or_default(), |tag| &tag.name);
            let first = patterns.first()?;
            let fits = tag.is_none_or(|tag| patterns.iter().any(|pattern| tags.can_be(tag, pattern)));
            (!fits).then(|| (name.to_owned(), format!("`{first}` is no value that `{name}` can have")))
        })
    }

    /// Whether the answer can depend on the model.
    pub fn needs_model(&self) -> bool {
        self.0.iter().any(|(field, _)| *field == Field::Model)
    }

    /// Whether the answer depends on a tag that the body, not read yet, may decide.
    pub fn needs_open_tag(&self, tags: &Tags) -> bool {
        self.0.iter().any(|(field, _)| matches!(field, Field::Tag(index) if tags.is_open(*index)))
    }

    /// Whether the proxy has to be asked for its route and cluster.
    pub fn needs_route(&self) -> bool {
        self.0.iter().any(|(field, _)| matches!(field, Field::Route | Field::Cluster))
    }
}

fn unknown(name: &str, tag_names: &[String]) -> ConfigError {
    let fields = FIELDS.iter().map(|(field, _)| *field);
    let names: Vec<_> =
        fields.chain(tag_names.iter().map(String::as_str)).map(|n| format!("`{n}`")).collect();
    ConfigError::new(name, format!("unknown field or tag `{name}`, expected one of {}", names.join(", ")))
}

impl Field {
    fn matches(&self, patterns: &[Pattern], facts: &Facts<'_>) -> bool {
        let any = |value: &str| patterns.iter().any(|p| p.matches(value));
        match self {
            Self::Tag(index) => facts.tags.value(*index).is_some_and(any),
            Self::Provider => any(facts.provider),
            Self::Model => facts.model.is_some_and(any),
            Self::Operation => any(facts.operation),
            Self::Host => patterns.iter().any(|p| p.matches_ignoring_case(facts.host)),
            Self::PathPrefix => patterns.iter().any(|p| p.matches_start(facts.path)),
            Self::Route => facts.route.is_some_and(any),
            Self::Cluster => facts.cluster.is_some_and(any),
        }
    }
}

/// A text to compare with; a leading or trailing `*` matches the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The text itself.
    Exact(String),
    /// Anything that starts with it.
    Prefix(String),
    /// Anything that ends with it.
    Suffix(String),
    /// Anything that contains it; `*` alone matches everything.
    Contains(String),
}

impl Pattern {
    /// Reads `text`, `text*`, `*text` or `*text*`.
    pub fn new(text: &str) -> Self {
        match (text.strip_prefix('*'), text.strip_suffix('*')) {
            (None, None) => Self::Exact(text.to_owned()),
            (None, Some(start)) => Self::Prefix(start.to_owned()),
            (Some(end), None) => Self::Suffix(end.to_owned()),
            (Some(rest), Some(_)) => Self::Contains(rest.strip_suffix('*').unwrap_or(rest).to_owned()),
        }
    }

    /// Whether `value` is meant.
    pub fn matches(&self, value: &str) -> bool {
        match self {
            Self::Exact(text) => value == text,
            Self::Prefix(start) => value.starts_with(start.as_str()),
            Self::Suffix(end) => value.ends_with(end.as_str()),
            Self::Contains(part) => value.contains(part.as_str()),
        }
    }

    fn matches_ignoring_case(&self, value: &str) -> bool {
        self.lower().matches(&value.to_ascii_lowercase())
    }

    fn matches_start(&self, path: &str) -> bool {
        match self {
            Self::Exact(start) => path.starts_with(start.as_str()),
            other => other.matches(path),
        }
    }

    fn lower(&self) -> Self {
        match self {
            Self::Exact(t) => Self::Exact(t.to_ascii_lowercase()),
            Self::Prefix(t) => Self::Prefix(t.to_ascii_lowercase()),
            Self::Suffix(t) => Self::Suffix(t.to_ascii_lowercase()),
            Self::Contains(t) => Self::Contains(t.to_ascii_lowercase()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::Prefix(start) => write!(f, "{start}*"),
            Self::Suffix(end) => write!(f, "*{end}"),
            Self::Contains(part) if part.is_empty() => f.write_str("*"),
            Self::Contains(part) => write!(f, "*{part}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_the_rest() {
        for (pattern, value, expected) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-4o*", "gpt-4o-mini", true),
            ("*-mini", "gpt-4o-mini", true),
            ("*4o*", "gpt-4o-mini", true),
            ("*", "", true),
            ("*", "anything", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(value), expected, "{pattern} {value}");
        }
    }

    #[test]
    fn every_field_must_match_and_one_alternative_of_each() {
        let tags = Tags::new(vec![("team".into(), Some("ads-eu".into()))]);
        let facts = Facts {
            tags: &tags,
            provider: "openai",
            model: Some("gpt-4o"),
            operation: "chat",
            host: "API.openai.com",
            path: "/v1/chat/completions",
            route: None,
            cluster: None,
        };
        for (json, expected) in [
            ("{}", true),
            (r#"{"team":"ads-*"}"#, true),
            (r#"{"team":["search","ads-eu"],"provider":"openai"}"#, true),
            (r#"{"team":"ads-*","provider":"anthropic"}"#, false),
            (r#"{"host":"api.openai.com","path_prefix":"/v1"}"#, true),
            (r#"{"route":"*"}"#, false),
        ] {
            let raw: RawSelector = serde_json::from_str(json).unwrap();
            let selector = Selector::compile(&raw, &["team".to_owned()]).unwrap();
            assert_eq!(selector.matches(&facts), expected, "{json}");
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_legal_ones() {
        let raw: RawSelector = serde_json::from_str(r#"{"taem":"x"}"#).unwrap();
        let error = Selector::compile(&raw, &["team".to_owned()]).unwrap_err().to_string();
        assert!(
            error.starts_with("taem: unknown field or tag `taem`, expected one of")
                && error.ends_with("`team`"),
            "{error}"
        );
    }
}
