//! `pricing`: the operator's own prices.

use super::compile::{Adjustment, UnknownModel, each};
use super::raw::{RawOverride, RawPricing, RawUnknownModel};
use tollgate_policy::{ConfigError, Object, Selector};
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
