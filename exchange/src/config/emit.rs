//! `emit`: under which labels stats are kept, and which headers responses get.

use super::compile::each;
use super::raw::{RawEmit, RawResponseHeaders};
use tollgate_policy::{ConfigError, TagRules};

/// One family of label sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The value of its `view` label: its labels' names, joined by `_`.
    pub name: String,
    /// Its labels, in order.
    pub labels: Vec<Label>,
}

/// Where a label's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The provider.
    Provider,
    /// The catalogue's name of the model.
    Model,
    /// The operation.
    Operation,
    /// The tag of this index.
    Tag(usize),
}

/// A header that responses may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseHeader {
    /// `x-tollgate-decision`.
    Decision,
    /// `x-tollgate-quota-remaining`: the quota that is nearest to its limit, and what is left of it.
    QuotaRemaining,
    /// `x-tollgate-estimated-cost-usd`: what admission put aside.
    EstimatedCost,
}

impl ResponseHeader {
    const ALL: [(&'static str, Self); 3] = [
        ("decision", Self::Decision),
        ("quota_remaining", Self::QuotaRemaining),
        ("estimated_cost", Self::EstimatedCost),
    ];

    /// The header's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Decision => "x-tollgate-decision",
            Self::QuotaRemaining => "x-tollgate-quota-remaining",
            Self::EstimatedCost => "x-tollgate-estimated-cost-usd",
        }
    }
}

const DEFAULT_MAX_SERIES: u32 = 2000;

pub(super) fn views(raw: &RawEmit, tags: &TagRules) -> Result<Vec<View>, ConfigError> {
    let default = || {
        let fixed = vec!["provider".to_owned(), "model".to_owned(), "operation".to_owned()];
        std::iter::once(fixed).chain(tags.names().iter().map(|tag| vec![tag.clone()])).collect()
    };
    let names: Vec<Vec<String>> = raw.views.clone().unwrap_or_else(default);
    // `[a, b]` and a tag `a_b` would have one name, and sums over it would double too.
    let joined: Vec<String> = names.iter().map(|labels| labels.join("_")).collect();
    let twice = |index: usize| joined.iter().take(index).any(|other| joined.get(index) == Some(other));
    if let Some(index) = (0..joined.len()).find(|index| twice(*index)) {
        let problem = format!(
            "the name `{}` stands twice, its counters would double",
            joined.get(index).map_or("", String::as_str)
        );
        return Err(ConfigError::new(format!("emit.views[{index}]"), problem));
    }
    each("emit.views", &names, |labels| {
        if labels.is_empty() {
            return Err(ConfigError::new("", "a view needs at least one label"));
        }
        if let Some(index) =
            (0..labels.len()).find(|i| labels.iter().take(*i).any(|l| labels.get(*i) == Some(l)))
        {
            return Err(ConfigError::new(format!("[{index}]"), "the label stands twice"));
        }
        let compiled = each("", labels, |name| label(name, tags.names()))?;
        Ok(View { name: labels.join("_"), labels: compiled })
    })
}

fn label(name: &str, tag_names: &[String]) -> Result<Label, ConfigError> {
    match name {
        "provider" => Ok(Label::Provider),
        "model" => Ok(Label::Model),
        "operation" => Ok(Label::Operation),
        tag => tag_names.iter().position(|t| t == tag).map(Label::Tag).ok_or_else(|| {
            let tags: Vec<_> = tag_names.iter().map(|t| format!(", `{t}`")).collect();
            let problem = format!(
                "unknown label `{tag}`, expected one of `provider`, `model`, `operation`{}",
                tags.concat()
            );
            ConfigError::new("", problem)
        }),
    }
}

pub(super) fn max_series(raw: &RawEmit) -> Result<usize, ConfigError> {
    let max = raw.max_series.unwrap_or(DEFAULT_MAX_SERIES);
    let usable = usize::try_from(max).ok().filter(|_| (1..=100_000).contains(&max));
    usable.ok_or_else(|| ConfigError::new("emit.max_series", format!("`{max}` is not between 1 and 100000")))
}

pub(super) fn response_headers(raw: &RawEmit) -> Result<Vec<ResponseHeader>, ConfigError> {
    match &raw.response_headers {
        RawResponseHeaders::All(true) => Ok(ResponseHeader::ALL.map(|(_, header)| header).to_vec()),
        RawResponseHeaders::All(false) => Ok(Vec::new()),
        RawResponseHeaders::Some(names) => {
            each("emit.response_headers", names, |name| {
                let found = ResponseHeader::ALL.iter().find(|(known, _)| known == name);
                found.map(|(_, header)| *header).ok_or_else(|| {
                let problem = format!("unknown header `{name}`, expected one of `decision`, `quota_remaining`, `estimated_cost`");
                ConfigError::new("", problem)
            })
            })
        }
    }
}
