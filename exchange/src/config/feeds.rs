//! `pricing.refresh` and `policy.refresh`: where prices and policy come from while the filter runs. Read by hand: a type of its own would
//! weigh 10 KB in the plugin.

use crate::feed::{FeedKind, FeedSource};
use serde_json::Value;
use tollgate_policy::form::Form;
use tollgate_policy::{ConfigError, duration};

/// `pricing` is its `refresh` alone, `policy` all of it; null where there is none.
pub(super) fn feeds(prices: &Value, policy: &Value) -> Result<Vec<FeedSource>, ConfigError> {
    let mut feeds = Vec::new();
    if !prices.is_null() {
        feeds.push(source(FeedKind::Prices, prices).map_err(|error| error.within("pricing.refresh"))?);
    }
    if !policy.is_null() {
        let read = |value| source(FeedKind::Policy, value);
        let refresh = Form::read(policy, &["refresh"]).and_then(|form| form.object("refresh", read));
        feeds.extend(refresh.map_err(|error| error.within("policy"))?);
    }
    Ok(feeds)
}

const DEFAULT_EVERY_S: i64 = 3600;
const DEFAULT_TIMEOUT_S: i64 = 5;
const LONGEST_TIMEOUT_S: i64 = 60;
const FIELDS: [&str; 5] = ["cluster", "path", "every", "timeout", "host"];

#[inline(never)]
fn source(kind: FeedKind, value: &Value) -> Result<FeedSource, ConfigError> {
    let form = Form::read(value, &FIELDS)?;
    let needed = |name| {
        let missing = || ConfigError::new("", format!("missing field `{name}`"));
        form.text(name).and_then(|text| text.ok_or_else(missing))
    };
    let (cluster, path) = (needed("cluster")?, needed("path")?);
    if cluster.is_empty() {
        return Err(ConfigError::new("cluster", "must not be empty"));
    }
    if !path.starts_with('/') || path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        let problem = "must begin with `/` and contain no spaces, as in `/prices.json`";
        return Err(ConfigError::new("path", problem));
    }
    let every = seconds(&form, "every", DEFAULT_EVERY_S)?;
    let timeout = seconds(&form, "timeout", DEFAULT_TIMEOUT_S)?;
    if timeout > LONGEST_TIMEOUT_S {
        return Err(ConfigError::new("timeout", format!("is longer than {LONGEST_TIMEOUT_S}s")));
    }
    let millis = |seconds: i64| seconds.saturating_mul(1000);
    Ok(FeedSource {
        kind,
        cluster: cluster.to_owned(),
        host: form.text("host")?.unwrap_or(cluster).to_owned(),
        path: path.to_owned(),
        every_ms: u64::try_from(millis(every)).unwrap_or(u64::MAX),
        timeout_ms: u32::try_from(millis(timeout)).unwrap_or(u32::MAX),
    })
}

fn seconds(form: &Form<'_>, field: &str, default: i64) -> Result<i64, ConfigError> {
    let Some(text) = form.text(field)? else { return Ok(default) };
    duration(text).map_err(|_| {
        let problem = format!("`{text}` is no duration from 1s to 366d such as 90s, 15m, 6h, 2d");
        ConfigError::new(field, problem)
    })
}
