//! Parts of the record as plain strings, for logs and spans that take no structures.

use tollgate_policy::ConfigError;
use tollgate_record::Record;

/// A part of the record that is also set as a plain string under `wasm.tollgate.<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// `cost_usd`: the exact cost.
    CostUsd,
    /// `cost_status`.
    CostStatus,
    /// `total_tokens`: input and output.
    TotalTokens,
    /// `input_tokens`.
    InputTokens,
    /// `output_tokens`.
    OutputTokens,
    /// `model`: the model that answered, else the one asked for.
    Model,
    /// `decision`.
    Decision,
    /// `provider`.
    Provider,
    /// `operation`.
    Operation,
    /// `id`: the record's.
    Id,
    /// `tags.<name>`: the tag of this index.
    Tag(usize),
}

impl Property {
    const ALL: [(&'static str, Self); 10] = [
        ("cost_usd", Self::CostUsd),
        ("cost_status", Self::CostStatus),
        ("total_tokens", Self::TotalTokens),
        ("input_tokens", Self::InputTokens),
        ("output_tokens", Self::OutputTokens),
        ("model", Self::Model),
        ("decision", Self::Decision),
        ("provider", Self::Provider),
        ("operation", Self::Operation),
        ("id", Self::Id),
    ];

    /// Its name in the configuration and after `wasm.tollgate.`.
    pub(super) fn name(self, record: &Record) -> String {
        match self {
            Self::Tag(index) => {
                record.tags.get(index).map_or_else(String::new, |(name, _)| format!("tags.{name}"))
            }
            other => Self::ALL.iter().find(|(_, p)| *p == other).map_or("", |(name, _)| name).to_owned(),
        }
    }

    pub(super) fn compile(name: &str, tags: &[String]) -> Result<Self, ConfigError> {
        let tag = || tags.iter().position(|tag| name.strip_prefix("tags.") == Some(tag)).map(Self::Tag);
        let plain = Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, property)| *property);
        plain.or_else(tag).ok_or_else(|| {
            let known = Self::ALL.iter().map(|(name, _)| format!("`{name}`"));
            let known = known.chain(tags.iter().map(|tag| format!("`tags.{tag}`"))).collect::<Vec<_>>();
            ConfigError::new("", format!("unknown property `{name}`, expected one of {}", known.join(", ")))
        })
    }

    /// Its text for one record, if the record has it.
    pub(super) fn text(self, record: &Record) -> Option<String> {
        match self {
            Self::CostUsd => record.cost.usd.map(|usd| usd.to_string()),
            Self::CostStatus => Some(record.cost.status.as_str().to_owned()),
            Self::InputTokens => record.tokens.input.map(|n| n.to_string()),
            Self::OutputTokens => record.tokens.output.map(|n| n.to_string()),
            Self::TotalTokens => total(record).map(|n| n.to_string()),
            Self::Model => record.response_model.clone().or_else(|| record.request_model.clone()),
            Self::Decision => Some(record.decision.action().as_str().to_owned()),
            Self::Provider => Some(record.provider.to_string()),
            Self::Operation => Some(record.operation.to_string()),
            Self::Id => Some(record.id.clone()),
            Self::Tag(index) => record.tags.get(index).map(|(_, value)| value.clone()),
        }
    }
}

fn total(record: &Record) -> Option<u64> {
    match (record.tokens.input, record.tokens.output) {
        (None, None) => None,
        (input, output) => input.unwrap_or_default().checked_add(output.unwrap_or_default()),
    }
}
