//! Stores outside this process, as the configuration has them.

use crate::config::ConfigError;
use crate::form::{Form, wrong};
use serde_json::Value;

/// How a store's cluster speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Webdis, Redis's HTTP front: `EVAL/script/...` as the body.
    Webdis,
    /// Upstash's REST: a JSON array as the body.
    Upstash,
}

/// What happens to calls while a store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// They pass.
    #[default]
    Allow,
    /// They are refused.
    Deny,
    /// This process decides, from what it heard last of the others and what it counts itself.
    Local,
}

/// A store outside this process, reached as an HTTP cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Its name in the configuration.
    pub name: String,
    /// The proxy's cluster.
    pub cluster: String,
    /// The host that it is asked for.
    pub host: String,
    /// How the cluster speaks.
    pub protocol: Protocol,
    /// How long a call waits for it.
    pub timeout_ms: u32,
    /// What happens when it does not answer.
    pub on_failure: OnFailure,
    /// Where calls do not wait for it: how often this process tells it what it used, and hears what others did. `None` if each call asks.
    pub sync_ms: Option<u32>,
}

/// Where a quota is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreRef {
    /// In this process.
    Local,
    /// In the store of this index.
    Remote(usize),
}

impl Store {
    const DEFAULT_TIMEOUT_MS: u64 = 50;

    /// Reads the stores of a configuration, by name.
    #[inline(never)]
    pub(super) fn read_all(stores: &Value) -> Result<Vec<Self>, ConfigError> {
        let members = match stores {
            Value::Object(members) => members,
            Value::Null => return Ok(Vec::new()),
            other => return Err(wrong(other, "an object").within("stores")),
        };
        let one = |(name, value): (&String, &Value)| {
            Self::read(name, value).map_err(|error| error.within(&format!("stores.{name}")))
        };
        members.iter().map(one).collect()
    }

    fn read(name: &str, value: &Value) -> Result<Self, ConfigError> {
        const PROTOCOLS: [(&str, Protocol); 2] =
            [("webdis", Protocol::Webdis), ("upstash", Protocol::Upstash)];
        const ON_FAILURE: [(&str, OnFailure); 3] =
            [("allow", OnFailure::Allow), ("deny", OnFailure::Deny), ("local", OnFailure::Local)];
        let form = Form::read(value, &["cluster", "host", "protocol", "timeout_ms", "on_failure", "mode"])?;
        let needed = |field: &'static str| ConfigError::new(field, "is needed");
        let on_failure = form.word("on_failure", &ON_FAILURE)?.unwrap_or_default();
        let sync_ms = form.object("mode", sync_ms)?.flatten();
        if sync_ms.is_some() && on_failure == OnFailure::Deny {
            let problem = "`deny` needs `mode: strict`: under `cached` no call waits for the store";
            return Err(ConfigError::new("on_failure", problem));
        }
        let cluster = form.text("cluster")?.ok_or_else(|| needed("cluster"))?;
        Ok(Self {
            name: name.to_owned(),
            host: form.text("host")?.unwrap_or(cluster).to_owned(),
            cluster: cluster.to_owned(),
            protocol: form.word("protocol", &PROTOCOLS)?.ok_or_else(|| needed("protocol"))?,
            timeout_ms: millis(&form, "timeout_ms", Self::DEFAULT_TIMEOUT_MS, 1)?,
            on_failure,
            sync_ms,
        })
    }
}

/// `strict`, `cached` or `{cached: {sync_ms: 200}}`.
fn sync_ms(value: &Value) -> Result<Option<u32>, ConfigError> {
    const DEFAULT_MS: u64 = 200;
    match value {
        Value::String(word) if word == "strict" => Ok(None),
        Value::String(word) if word == "cached" => Ok(u32::try_from(DEFAULT_MS).ok()),
        Value::Object(_) => {
            let read = |value| millis(&Form::read(value, &["sync_ms"])?, "sync_ms", DEFAULT_MS, 10);
            Form::read(value, &["cached"])?.object("cached", read)
        }
        other => Err(wrong(other, "`strict`, `cached` or {\"cached\": {\"sync_ms\": 200}}")),
    }
}

#[inline(never)]
fn millis(form: &Form<'_>, field: &str, default: u64, least: u64) -> Result<u32, ConfigError> {
    const MOST_MS: u64 = 10_000;
    let given = form.count(field)?.unwrap_or(default);
    let legal = u32::try_from(given).ok().filter(|_| (least..=MOST_MS).contains(&given));
    legal.ok_or_else(|| ConfigError::new(field, format!("`{given}` is not between {least} and {MOST_MS}")))
}

pub(super) fn store_ref(name: Option<&str>, stores: &[Store]) -> Result<StoreRef, ConfigError> {
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
