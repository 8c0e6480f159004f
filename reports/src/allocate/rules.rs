//! The rules of an allocation, as a file says them.

use std::collections::BTreeMap;

use serde::Deserialize;
use tollgate_policy::{Money, Object};
use tollgate_pricing::{Factor, PicoUsd};

use crate::dimension::Dimension;
use crate::selection::Selection;

/// Rules that cannot be invalid.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Who pays.
    pub by: Dimension,
    /// How what carries no tag is paid.
    pub untagged: Split,
    pub(super) shared: Vec<Shared>,
    pub(super) markups: Vec<Markup>,
    /// To multiples of which each amount is rounded.
    pub round_to: Option<PicoUsd>,
    ahead: Vec<Ahead>,
}

/// How an amount is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Split {
    /// It stays where it is.
    Keep,
    /// By what each pays.
    Proportional,
    /// The same for each.
    Even,
    /// By parts that are written down; any numbers, they need not add up to 100.
    Fixed(BTreeMap<String, PicoUsd>),
}

/// A cost that all share, beside the metered one.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub name: String,
    pub usd: PicoUsd,
    pub split: Split,
}

/// A factor on what payers pay; on all if it names none. The first one that names a payer counts.
#[derive(Clone, Debug)]
pub(super) struct Markup {
    pub payers: Vec<String>,
    pub factor: Factor,
}

/// What was bought ahead for some of the calls.
#[derive(Clone, Debug)]
struct Ahead {
    name: String,
    usd: PicoUsd,
    kind: Kind,
    filter: Selection,
}

/// Kinds of what is bought ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Capacity of a fixed price, which is paid instead of what was metered.
    Provisioned,
    /// An amount that is paid in any case; what is used beyond it is paid as metered.
    Commitment,
    /// An amount that is taken off.
    Credit,
}

/// Matches of rules are kept in as many bits.
const MAX_AHEAD: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    by: String,
    #[serde(default)]
    untagged: Option<RawSplit>,
    #[serde(default)]
    shared: Vec<Object<RawShared>>,
    #[serde(default)]
    provisioned: Vec<Object<RawAhead>>,
    #[serde(default)]
    commitments: Vec<Object<RawAhead>>,
    #[serde(default)]
    credits: Vec<Object<RawAhead>>,
    #[serde(default)]
    markup: Vec<Object<RawMarkup>>,
    #[serde(default)]
    round_to: Option<Money>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawSplit {
    Keep,
    Proportional,
    Even,
    Fixed(BTreeMap<String, Money>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawShared {
    name: String,
    usd: Money,
    #[serde(default)]
    split: Option<RawSplit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAhead {
    name: String,
    usd: Money,
    #[serde(default, rename = "where")]
    filters: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMarkup {
    #[serde(default, rename = "for")]
    payers: Vec<String>,
    percent: String,
}

impl Rules {
    /// Reads rules of JSON.
    ///
    /// # Errors
    /// With the path of the field.
    pub fn parse(json: &str) -> Result<Self, String> {
        let raw: RawRules = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if raw.by.is_empty() {
            return Err("by: must not be empty".into());
        }
        let mut ahead = Vec::new();
        for (kind, path, list) in [
            (Kind::Provisioned, "provisioned", &raw.provisioned),
            (Kind::Commitment, "commitments", &raw.commitments),
            (Kind::Credit, "credits", &raw.credits),
        ] {
            for (place, Object(raw)) in list.iter().enumerate() {
                let mut filter = Selection::default();
                for (at, text) in raw.filters.iter().enumerate() {
                    filter.filter(text).map_err(|error| format!("{path}[{place}].where[{at}]: {error}"))?;
                }
                ahead.push(Ahead { name: raw.name.clone(), usd: raw.usd.0, kind, filter });
            }
        }
        if ahead.len() > MAX_AHEAD {
            return Err(format!("provisioned, commitments, credits: more than {MAX_AHEAD} together"));
        }
        let shared = |(place, Object(raw)): (usize, &Object<RawShared>)| {
            let split = split(raw.split.as_ref(), Split::Proportional, &format!("shared[{place}].split"))?;
            Ok(Shared { name: raw.name.clone(), usd: raw.usd.0, split })
        };
        let markup = |(place, Object(raw)): (usize, &Object<RawMarkup>)| {
            let factor = Factor::from_percent(&raw.percent)
                .map_err(|error| format!("markup[{place}].percent: {error}"))?;
            Ok(Markup { payers: raw.payers.clone(), factor })
        };
        Ok(Self {
            by: Dimension::parse(&raw.by),
            untagged: split(raw.untagged.as_ref(), Split::Keep, "untagged")?,
            shared: raw.shared.iter().enumerate().map(shared).collect::<Result<_, String>>()?,
            markups: raw.markup.iter().enumerate().map(markup).collect::<Result<_, String>>()?,
            round_to: raw.round_to.map(|money| money.0),
            ahead,
        })
    }

    pub(super) fn filters(&self) -> impl Iterator<Item = &Selection> {
        self.ahead.iter().map(|ahead| &ahead.filter)
    }

    pub(super) fn bought_ahead(&self) -> impl Iterator<Item = (&str, PicoUsd, Kind)> {
        self.ahead.iter().map(|ahead| (ahead.name.as_str(), ahead.usd, ahead.kind))
    }

    /// Who is named by rules and may have no usage.
    pub(super) fn named_payers(&self) -> impl Iterator<Item = &str> {
        let splits = self.shared.iter().map(|shared| &shared.split).chain([&self.untagged]);
        splits
            .filter_map(|split| match split {
                Split::Fixed(parts) => Some(parts.keys().map(String::as_str)),
                _ => None,
            })
            .flatten()
    }
}

fn split(raw: Option<&RawSplit>, default: Split, path: &str) -> Result<Split, String> {
    Ok(match raw {
        None => default,
        Some(RawSplit::Keep) => Split::Keep,
        Some(RawSplit::Proportional) => Split::Proportional,
        Some(RawSplit::Even) => Split::Even,
        Some(RawSplit::Fixed(parts)) => {
            if parts.values().all(|part| part.0 <= PicoUsd::ZERO) {
                return Err(format!("{path}.fixed: needs at least one part above zero"));
            }
            Split::Fixed(parts.iter().map(|(payer, part)| (payer.clone(), part.0)).collect())
        }
    })
}
