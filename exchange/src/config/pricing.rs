//! `pricing`: the operator's own prices, and where prices come from while the filter runs.

use super::compile::{Adjustment, UnknownModel, each};
use super::raw::{RawOverride, RawPricing, RawUnknownModel};
use crate::feed::PriceSource;
use std::collections::BTreeMap;
use tollgate_policy::{ConfigError, Object, Selector, duration};
use tollgate_pricing::{CardBuilder, Factor, Override, PriceBook, PriceError, Prices};

pub(super) fn price_book(raw: &RawPricing) -> Result<PriceBook, ConfigError> {
    let overrides = each("pricing.overrides", &raw.overrides, |Object(raw)| {
        if raw.free != raw.rates.is_empty() {
            return Err(ConfigError::new("", "needs either `rates` or `free: true`"));
        }
        override_of(raw)
    })?;
    Ok(PriceBook::new(overrides))
}

fn override_of(raw: &RawOverride) -> Result<Override, ConfigError> {
    let at = |path: &str| {
        let path = path.to_owned();
        |error: PriceError| ConfigError::new(path, error.to_string())
    };
    if raw.free {
        return Override::free(&raw.provider, &raw.model).map_err(at("model"));
    }
    let rates = raw.rates.iter().try_fold(Prices::new(), |prices, (class, usd)| {
        prices.rate(class, &usd.0).map_err(at(&format!("rates.{class}")))
    })?;
    Override::priced(&raw.provider, &raw.model, &CardBuilder::new().list(rates)).map_err(at("model"))
}

pub(super) fn unknown_model(raw: &RawPricing) -> UnknownModel {
    match &raw.unknown_model {
        RawUnknownModel::Record => UnknownModel::Record,
        RawUnknownModel::Deny => UnknownModel::Deny,
        RawUnknownModel::PriceAs(model) => UnknownModel::PriceAs(model.clone()),
    }
}

pub(super) fn adjustments(raw: &RawPricing, tag_names: &[String]) -> Result<Vec<Adjustment>, ConfigError> {
    each("pricing.adjustments", &raw.adjustments, |Object(raw)| {
        let when = Selector::compile(&raw.when, tag_names).map_err(|e| e.within("when"))?;
        let factor =
            Factor::from_percent(&raw.percent.0).map_err(|e| ConfigError::new("percent", e.to_string()))?;
        Ok(Adjustment { when, factor, percent: raw.percent.0.clone() })
    })
}

pub(super) fn trusted(raw: &RawPricing) -> Vec<String> {
    let default = || ["openrouter", "perplexity", "x_ai"].map(str::to_owned).to_vec();
    raw.trust_reported_cost.clone().unwrap_or_else(default)
}

pub(super) fn refresh(raw: &RawPricing) -> Result<Option<PriceSource>, ConfigError> {
    let source = raw.refresh.as_ref().map(source).transpose();
    source.map_err(|error| error.within("pricing.refresh"))
}

const DEFAULT_EVERY_S: i64 = 3600;
const DEFAULT_TIMEOUT_S: i64 = 5;
const LONGEST_TIMEOUT_S: i64 = 60;
const REFRESH_FIELDS: [&str; 5] = ["cluster", "path", "every", "timeout", "host"];

fn source(raw: &BTreeMap<String, String>) -> Result<PriceSource, ConfigError> {
    if let Some(name) = raw.keys().find(|name| !REFRESH_FIELDS.contains(&name.as_str())) {
        let legal = REFRESH_FIELDS.map(|name| format!("`{name}`")).join(", ");
        return Err(ConfigError::new(name, format!("unknown field `{name}`, expected one of {legal}")));
    }
    let field = |name: &str| raw.get(name).map(String::as_str);
    let needed = |name| field(name).ok_or_else(|| ConfigError::new("", format!("missing field `{name}`")));
    let (cluster, path) = (needed("cluster")?, needed("path")?);
    if cluster.is_empty() {
        return Err(ConfigError::new("cluster", "must not be empty"));
    }
    if !path.starts_with('/') || path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        let problem = "must begin with `/` and contain no spaces, as in `/prices.json`";
        return Err(ConfigError::new("path", problem));
    }
    let every = seconds("every", field("every"), DEFAULT_EVERY_S)?;
    let timeout = seconds("timeout", field("timeout"), DEFAULT_TIMEOUT_S)?;
    if timeout > LONGEST_TIMEOUT_S {
        return Err(ConfigError::new("timeout", format!("is longer than {LONGEST_TIMEOUT_S}s")));
    }
    let millis = |seconds: i64| seconds.saturating_mul(1000);
    Ok(PriceSource {
        cluster: cluster.to_owned(),
        host: field("host").unwrap_or(cluster).to_owned(),
        path: path.to_owned(),
        every_ms: u64::try_from(millis(every)).unwrap_or(u64::MAX),
        timeout_ms: u32::try_from(millis(timeout)).unwrap_or(u32::MAX),
    })
}

fn seconds(field: &str, text: Option<&str>, default: i64) -> Result<i64, ConfigError> {
    let Some(text) = text else { return Ok(default) };
    duration(text).map_err(|_| {
        let problem = format!("`{text}` is no duration from 1s to 366d such as 90s, 15m, 6h, 2d");
        ConfigError::new(field, problem)
    })
}
