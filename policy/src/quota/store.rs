//! Stores outside this process, as the configuration has them.

use crate::config::{ConfigError, whole_number};
use serde::Deserialize;

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

impl Store {
    const DEFAULT_TIMEOUT_MS: u64 = 50;
    const MAX_TIMEOUT_MS: u64 = 10_000;

    pub(super) fn compile(name: &str, raw: &RawStore) -> Result<Self, ConfigError> {
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
