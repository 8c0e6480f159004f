//! The configuration as the user wrote it. Unknown fields and wrong types are refused here, with their path.

use serde::Deserialize;
use std::collections::BTreeMap;
use tollgate_policy::{Object, RawSelector, RawTag};

/// The whole configuration; `{}` meters and prices, and holds and denies nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub namespace: Option<String>,
    pub hold: RawHold,
    pub upstreams: Vec<Object<RawUpstream>>,
    pub estimate: RawEstimate,
    pub pricing: Object<RawPricing>,
    pub policy: (),
    pub tags: BTreeMap<String, Object<RawTag>>,
    pub virtual_keys: BTreeMap<String, BTreeMap<String, String>>,
    /// These, `policy` and `stores`, are taken out beforehand, and read by hand.
    pub routes: (),
    pub limits: (),
    pub quotas: (),
    pub loops: (),
    pub guards: (),
    pub retries: (),
    pub waste: (),
    pub unbudgeted: RawUnbudgeted,
    /// Refused where nothing is said.
    pub dry_run: Option<RawUnbudgeted>,
    pub stores: (),
    pub alerts: (),
    pub emit: Object<RawEmit>,
    pub admin: Option<crate::admin::RawAdmin>,
    /// Taken out beforehand, and read by hand.
    pub candidate: (),
}

/// How tokens are counted that nobody reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawEstimate {
    #[default]
    Auto,
    Bytes,
    Never,
}

/// How a request waits for its body where a rule needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawHold {
    #[default]
    Headers,
    Body,
    Never,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUpstream {
    #[serde(default)]
    pub when: RawSelector,
    pub provider: String,
    pub dialect: Option<String>,
    #[serde(default)]
    pub include_usage: RawIncludeUsage,
    #[serde(default)]
    pub unmetered: RawUnmetered,
    pub custom: Option<Object<RawCustom>>,
}

/// Where the model and the counts stand under `dialect: custom`, as JSON pointers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawCustom {
    pub model: Option<String>,
    pub input_tokens: Option<String>,
    pub output_tokens: Option<String>,
    pub cache_read_tokens: Option<String>,
    pub reasoning_tokens: Option<String>,
    pub stream: RawStreamCounts,
}

/// What the counts in the events of a stream mean.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawStreamCounts {
    #[default]
    Last,
    Sum,
}

/// What becomes of calls that no quota is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawUnbudgeted {
    #[default]
    Allow,
    Deny,
}

/// What becomes of calls that cannot be metered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawUnmetered {
    #[default]
    Pass,
    Deny,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawIncludeUsage {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawPricing {
    pub unknown_model: RawUnknownModel,
    pub trust_reported_cost: Option<Vec<String>>,
    pub overrides: Vec<Object<RawOverride>>,
    pub adjustments: Vec<Object<RawAdjustment>>,
    /// Taken out beforehand, and read by hand.
    pub refresh: (),
}

/// What happens to a call whose model nobody knows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RawUnknownModel {
    #[default]
    Record,
    Deny,
    PriceAs(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOverride {
    pub provider: String,
    pub model: String,
    #[serde(default)]
    pub rates: BTreeMap<String, DecimalText>,
    #[serde(default)]
    pub free: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdjustment {
    #[serde(default)]
    pub when: RawSelector,
    pub percent: DecimalText,
}

/// A decimal that must be a string: a JSON number has already been through a binary float.
#[derive(Clone, Debug)]
pub(super) struct DecimalText(pub String);

impl<'de> Deserialize<'de> for DecimalText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = DecimalText;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a decimal string such as \"2.50\"")
            }
            fn visit_str<E>(self, text: &str) -> Result<DecimalText, E> {
                Ok(DecimalText(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawEmit {
    pub views: Option<Vec<Vec<String>>>,
    pub max_series: Option<u32>,
    pub response_headers: RawResponseHeaders,
    pub properties: Vec<String>,
    pub otel: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected `true`, `false`, or a list of `decision`, `quota_remaining`, `estimated_cost`"
)]
pub(super) enum RawResponseHeaders {
    All(bool),
    Some(Vec<String>),
}

impl Default for RawResponseHeaders {
    fn default() -> Self {
        Self::All(false)
    }
}
