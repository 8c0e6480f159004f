//! The form of a catalogue file, `catalogue/<provider>.json`. `cargo xtask prices` writes it, the build and a filter
//! that refreshes its prices read it.

// Here and not at the root, since other crates' builds use this file as it stands.
extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The prices of one provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderFile {
    /// The provider's name, in OpenTelemetry's spelling where it has one.
    pub provider: String,
    /// Other names of the provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spellings: Vec<String>,
    /// Providers whose models this one also serves, at their prices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
    /// Where the provider publishes its prices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pricing_urls: Vec<String>,
    /// The models; where several match a name, the first one counts.
    pub models: Vec<Model>,
}

/// One model, or a family that costs the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The canonical name.
    pub name: String,
    /// Where the prices come from; several sources are joined by ` + `.
    pub source: String,
    /// The day on which the source was read, `YYYY-MM-DD`.
    pub checked: String,
    /// The day on which the provider takes the model away, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires: Option<String>,
    /// Other names, and rules for names.
    #[serde(default, skip_serializing_if = "Matches::is_empty")]
    pub matches: Matches,
    /// The model costs nothing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub free: bool,
    /// Whole price lists; the last one in force counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<Prices>,
    /// Prices that replace single ones of the list; the first one in force counts, class by class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Prices>,
    /// Factors on all token prices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uplifts: Vec<Uplift>,
    /// Reasons of hand-made decisions about this model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<String>,
}

/// How names lead to a model. Case does not count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matches {
    /// Whole names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub equals: Vec<String>,
    /// How names begin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefix: Vec<String>,
    /// How names end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suffix: Vec<String>,
    /// What names have anywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contains: Vec<String>,
    /// A prefix that a digit follows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbered: Vec<String>,
    /// A prefix that only `-` or `@` and a date follow.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dated: Vec<String>,
    /// The rules (not `equals`) do not match names that contain this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unless: Option<String>,
}

impl Matches {
    /// Whether there is no rule at all.
    pub fn is_empty(&self) -> bool {
        *self == Matches::default()
    }
}

/// Rates and when they count.
///
/// A rate is `"2.50"`: US dollars per 1,000,000 tokens or per unit; or `"0.04/3600"`: US dollars
/// for so many. The key is a class, `input`, or a class above a total input, `input>200000`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// From this day on (UTC), `YYYY-MM-DD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Before this day (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Between these times of the UTC day, `HH:MM`; may run over midnight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily: Option<(String, String)>,
    /// On these days of the week (UTC), `mon` to `sun`; every day if none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<String>,
    /// What the call must show, as `service_tier: flex`; `!global` is anything known but `global`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, String>,
    /// The rates, by class.
    pub rates: BTreeMap<String, String>,
}

/// A factor on all token prices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uplift {
    /// What the call must show.
    pub when: BTreeMap<String, String>,
    /// A decimal, `1.1`.
    pub factor: String,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}
