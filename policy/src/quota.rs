//! Quotas: how much of something a window allows, per tag, provider or model.

use crate::config::{ConfigError, Money, Object, whole_number};
use crate::ledger::{Change, KeyBudget, Lease, Op};
use crate::selector::{Facts, RawSelector, Selector};
use crate::tags::Tags;
use crate::window::{RawWindow, Window};
use serde::Deserialize;
use std::collections::BTreeMap;
use tollgate_pricing::PicoUsd;

/// A quota as the user wrote it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawQuota {
    name: String,
    #[serde(default)]
    per: Vec<String>,
    #[serde(default)]
    when: RawSelector,
    limit: Object<RawLimit>,
    window: RawWindow,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    store: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimit {
    usd: Option<Money>,
    #[serde(default, deserialize_with = "whole_number")]
    tokens: Option<u64>,
    #[serde(default, deserialize_with = "whole_number")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "whole_number")]
    output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "whole_number")]
    requests: Option<u64>,
}

/// Whether a quota acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It refuses what passes its limit.
    #[default]
    Enforce,
    /// It notes what it would have refused.
    Shadow,
}

/// A store outside this process, as the user wrote it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawStore {
    cluster: String,
    protocol: Protocol,
    #[serde(default, deserialize_with = "whole_number")]
    timeout_ms: Option<u64>,
    #[serde(default)]
    on_failure: OnFailure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Webdis,
}

/// What happens to calls while a store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// They pass.
    #[default]
    Allow,
    /// They are refused.
    Deny,
}

/// A store outside this process, reached as an HTTP cluster that speaks Webdis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Its name in the configuration.
    pub name: String,
    /// The proxy's cluster.
    pub cluster: String,
    /// How long a call waits for it.
    pub timeout_ms: u32,
    /// What happens when it does not answer.
    pub on_failure: OnFailure,
}

/// Where a quota is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreRef {
    /// In this process.
    Local,
    /// In the store of this index.
    Remote(usize),
}

/// What a quota counts, and how much of it a window allows: pico-USD, tokens or requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub charge: Charge,
    /// How much a window allows, in that unit.
    pub amount: i128,
}

/// What a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charge {
    /// Pico-USD of cost.
    Usd,
    /// Input and output tokens.
    Tokens,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Calls.
    Requests,
}

/// What a call turned out to use; what is not known is `None` and is booked as nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Its cost.
    pub cost: Option<PicoUsd>,
    /// Its input tokens.
    pub input: Option<u64>,
    /// Its output tokens.
    pub output: Option<u64>,
}

/// A quota that can be evaluated.
#[derive(Clone, Debug)]
pub struct QuotaRule {
    /// Its name.
    pub name: String,
    /// Which calls it is about.
    pub when: Selector,
    /// What it allows.
    pub limit: Limit,
    /// In which span of time.
    pub window: Window,
    /// Whether it acts.
    pub mode: Mode,
    /// Where it is counted.
    pub store: StoreRef,
    per: Vec<Dimension>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dimension {
    Tag(usize),
    Provider,
    Model,
}

/// One quota's counter that a call was admitted under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The rule's index.
    pub rule: usize,
    /// What it counts.
    pub charge: Charge,
    /// How the counter is found and changed.
    pub op: Op,
}

/// Checks the quotas and stores of a configuration.
pub fn compile_quotas(
    quotas: &[Object<RawQuota>],
    stores: &BTreeMap<String, Object<RawStore>>,
    tag_names: &[String],
) -> Result<(Vec<QuotaRule>, Vec<Store>), ConfigError> {
    let stores: Vec<Store> =
        stores.iter().map(|(name, raw)| Store::compile(name, &raw.0)).collect::<Result<_, _>>()?;
    let mut rules: Vec<QuotaRule> = Vec::with_capacity(quotas.len());
    for (index, Object(raw)) in quotas.iter().enumerate() {
        let rule =
            QuotaRule::compile(raw, &stores, tag_names).map_err(|e| e.within(&format!("quotas[{index}]")))?;
        if rules.iter().any(|other| other.name == rule.name) {
            return Err(ConfigError::new(
                format!("quotas[{index}].name"),
                format!("`{}` stands twice", rule.name),
            ));
        }
        rules.push(rule);
    }
    Ok((rules, stores))
}

impl Store {
    const DEFAULT_TIMEOUT_MS: u64 = 50;
    const MAX_TIMEOUT_MS: u64 = 10_000;

    fn compile(name: &str, raw: &RawStore) -> Result<Self, ConfigError> {
        let Protocol::Webdis = raw.protocol;
        let timeout = raw.timeout_ms.unwrap_or(Self::DEFAULT_TIMEOUT_MS);
        let legal = u32::try_from(timeout).ok().filter(|_| (1..=Self::MAX_TIMEOUT_MS).contains(&timeout));
        let path = || format!("stores.{name}.timeout_ms");
        let timeout_ms = legal
            .ok_or_else(|| ConfigError::new(path(), format!("`{timeout}` is not between 1 and 10000")))?;
        Ok(Self {
            name: name.to_owned(),
            cluster: raw.cluster.clone(),
            timeout_ms,
            on_failure: raw.on_failure,
        })
    }
}

impl QuotaRule {
    fn compile(raw: &RawQuota, stores: &[Store], tag_names: &[String]) -> Result<Self, ConfigError> {
        if raw.name.is_empty() {
            return Err(ConfigError::new("name", "must not be empty"));
        }
        Ok(Self {
            name: raw.name.clone(),
            when: Selector::compile(&raw.when, tag_names).map_err(|e| e.within("when"))?,
            limit: Limit::compile(&raw.limit.0)?,
            window: Window::parse(&raw.window.0).map_err(|problem| ConfigError::new("window", problem))?,
            mode: raw.mode,
            store: store(raw.store.as_deref(), stores)?,
            per: raw
                .per
                .iter()
                .enumerate()
                .map(|(i, name)| dimension(i, name, tag_names))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether the model has to be known before the quota can be looked up.
    pub fn needs_model(&self) -> bool {
        self.when.needs_model() || self.per.contains(&Dimension::Model)
    }

    /// Whether a tag that the body, not read yet, may decide has to be known before the quota can be looked up.
    pub fn needs_open_tag(&self, tags: &Tags) -> bool {
        let open = |dimension: &Dimension| matches!(dimension, Dimension::Tag(index) if tags.is_open(*index));
        self.when.needs_open_tag(tags) || self.per.iter().any(open)
    }

    /// Whether it is counted in this process only, over a day or longer, so that a restart makes it forget.
    pub fn outlives_a_day(&self) -> bool {
        let (start, end) = self.window.span(0);
        self.store == StoreRef::Local && end.saturating_sub(start) >= 86_400
    }

    /// The counter of this rule that a call falls under, with the change that admits it; `None` if the rule is
    /// not about the call.
    ///
    /// Calls are put aside one by one; of money and tokens nothing is put aside yet, so a call passes as long as
    /// the limit is not reached.
    pub fn admit(&self, rule: usize, namespace: &str, facts: &Facts<'_>) -> Option<Quota> {
        self.when.matches(facts).then(|| {
            let amount = i128::from(self.limit.charge == Charge::Requests);
            let base = format!("tg/1/{}/quota/{}", escape(namespace), escape(&self.name));
            let op = Op {
                key: self.key(&base, facts),
                budget: KeyBudget {
                    key: format!("{base}/count"),
                    max: MAX_KEYS,
                    overflow_key: format!("{base}/other"),
                },
                window: self.window,
                change: Change::Reserve { amount, limit: self.limit.amount },
            };
            Quota { rule, charge: self.limit.charge, op }
        })
    }

    fn key(&self, base: &str, facts: &Facts<'_>) -> String {
        let value = |dimension: &Dimension| match dimension {
            Dimension::Tag(index) => facts.tags.value(*index),
            Dimension::Provider => Some(facts.provider),
            Dimension::Model => facts.model,
        };
        self.per
            .iter()
            .fold(format!("{base}/v"), |key, d| key + "/" + &escape(value(d).unwrap_or("__unknown__")))
    }
}

/// How many counters one quota may have in shared data.
const MAX_KEYS: u64 = 10_000;

impl Quota {
    /// The change that books what the call really used.
    pub fn settle(&self, lease: Lease, usage: &Usage, sent: Sent) -> Op {
        let tokens = |count: Option<u64>| count.map_or(0, i128::from);
        let actual = match (sent, self.charge) {
            (Sent::No, _) => 0,
            (Sent::Yes, Charge::Requests) => 1,
            (Sent::Yes, Charge::Usd) => usage.cost.map_or(0, PicoUsd::pico),
            (Sent::Yes, Charge::InputTokens) => tokens(usage.input),
            (Sent::Yes, Charge::OutputTokens) => tokens(usage.output),
            (Sent::Yes, Charge::Tokens) => [usage.input, usage.output].map(tokens).iter().sum(),
        };
        Op { change: Change::Settle { lease, actual }, ..self.op.clone() }
    }
}

/// Whether a call went upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It did.
    Yes,
    /// It did not: nothing was used.
    No,
}

impl Limit {
    fn compile(raw: &RawLimit) -> Result<Self, ConfigError> {
        let usd = raw.usd.map(|m| (Charge::Usd, m.0.pico()));
        let count = |charge, amount: Option<u64>| amount.map(|n| (charge, i128::from(n)));
        let given = [
            usd,
            count(Charge::Tokens, raw.tokens),
            count(Charge::InputTokens, raw.input_tokens),
            count(Charge::OutputTokens, raw.output_tokens),
            count(Charge::Requests, raw.requests),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some((charge, amount)), None) => Ok(Self { charge, amount }),
            _ => Err(ConfigError::new(
                "limit",
                "needs exactly one of `usd`, `tokens`, `input_tokens`, `output_tokens`, `requests`",
            )),
        }
    }
}

fn store(name: Option<&str>, stores: &[Store]) -> Result<StoreRef, ConfigError> {
    match name {
        None | Some("local") => Ok(StoreRef::Local),
        Some(name) => stores.iter().position(|s| s.name == name).map(StoreRef::Remote).ok_or_else(|| {
            let known: Vec<_> = stores.iter().map(|s| format!(", `{}`", s.name)).collect();
            ConfigError::new(
                "store",
                format!("unknown store `{name}`, expected one of `local`{}", known.concat()),
            )
        }),
    }
}

fn dimension(index: usize, name: &str, tag_names: &[String]) -> Result<Dimension, ConfigError> {
    match name {
        "provider" => Ok(Dimension::Provider),
        "model" => Ok(Dimension::Model),
        tag => tag_names.iter().position(|t| t == tag).map(Dimension::Tag).ok_or_else(|| {
            let known: Vec<_> = tag_names.iter().map(|t| format!(", `{t}`")).collect();
            let problem =
                format!("unknown tag `{tag}`, expected one of `provider`, `model`{}", known.concat());
            ConfigError::new(format!("per[{index}]"), problem)
        }),
    }
}

/// A value as one segment of a key: `/` and `%` are written as in URLs, so that no value can reach into another key.
fn escape(value: &str) -> String {
    value.replace('%', "%25").replace('/', "%2F")
}
