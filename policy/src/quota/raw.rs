//! Quotas as the user wrote them -> rules that cannot be invalid.

use super::steps::Ladder;
use super::store::{Store, store_ref};
use super::{Charge, Limit, MidStream, Mode, QuotaRule, Reserve, ReservedOutput, StoreRef};
use crate::config::ConfigError;
use crate::dimension::Dimension;
use crate::form::{Form, list, named_once, text, word, wrong};
use crate::selector::Selector;
use crate::window::Window;
use serde_json::Value;
use std::sync::OnceLock;
use tollgate_pricing::PicoUsd;

const FIELDS: &[&str] = &[
    "name",
    "per",
    "when",
    "limit",
    "window",
    "time_zone",
    "week_starts",
    "overrides",
    "steps",
    "mid_stream",
    "reserve",
    "mode",
    "store",
    "scope",
    "warn_when_projected",
];

/// A limit without a cap of its own under `requested`, for requests that do not say how long their answer may be.
const DEFAULT_REQUESTED_CAP: u64 = 4096;

/// Reads the quotas and stores of a configuration; `quotas` is the list, `stores` the object, as the user wrote them.
pub fn compile_quotas(
    quotas: &Value,
    stores: &Value,
    tag_names: &[String],
) -> Result<(Vec<QuotaRule>, Vec<Store>), ConfigError> {
    let stores = Store::read_all(stores)?;
    let read = |value| QuotaRule::read(value, &stores, tag_names);
    let rules = list(quotas, read).map_err(|error| error.within("quotas"))?;
    named_once("quotas", &rules, |rule| &rule.name)?;
    Ok((rules, stores))
}

impl QuotaRule {
    fn read(value: &Value, stores: &[Store], tag_names: &[String]) -> Result<Self, ConfigError> {
        let form = Form::read(value, FIELDS)?;
        let name = form.text("name")?.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| ConfigError::new("name", "is needed, and must not be empty"))?;
        let needed = || ConfigError::new("limit", EXACTLY_ONE);
        let limit = form.object("limit", Limit::read)?.ok_or_else(needed)?;
        let store = store_ref(form.text("store")?, stores)?;
        let per = form.list("per", |value| dimension(text(value)?, tag_names))?;
        let mid_stream = [("finish", MidStream::Finish), ("cut", MidStream::Cut)];
        let window = window(&form, limit.charge, store)?;
        let rule = Self {
            name: name.to_owned(),
            when: when(&form, tag_names)?,
            limit,
            overrides: form.list("overrides", |value| override_of(value, limit.charge, tag_names))?,
            warn_when_projected: super::projected::read(&form, window)?,
            window,
            steps: Ladder::read(&form)?,
            mid_stream: form.word("mid_stream", &mid_stream)?.unwrap_or_default(),
            reserve: form.object("reserve", Reserve::read)?.unwrap_or_default(),
            mode: form
                .word("mode", &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)])?
                .unwrap_or_default(),
            store,
            knows_its_scope: form.word("scope", &[("process", ())])?.is_some(),
            per,
            place: OnceLock::new(),
        };
        rule.check_unit(&form)?;
        rule.check_store()?;
        Ok(rule)
    }

    /// A store outside counts in 64 bits: of pico-USD they hold some 9.2 million USD.
    fn check_store(&self) -> Result<(), ConfigError> {
        let most = i128::from(i64::MAX);
        let own = std::iter::once(("limit".to_owned(), self.limit.amount));
        let overridden = self.overrides.iter().enumerate();
        let overridden =
            overridden.map(|(place, (_, amount))| (format!("overrides[{place}].limit"), *amount));
        let too_much = own.chain(overridden).find(|(_, amount)| *amount > most);
        let Some((path, amount)) = too_much.filter(|_| self.store != StoreRef::Local) else { return Ok(()) };
        let (charge, unit) = (self.limit.charge, self.limit.charge.name());
        let problem = format!(
            "`{}` is more than a store outside can count, at most {} {unit}; `store: local` has no such bound",
            charge.shown(amount),
            charge.shown(most)
        );
        Err(ConfigError::new(path, problem))
    }

    /// What only makes sense where the answer's length counts.
    fn check_unit(&self, form: &Form<'_>) -> Result<(), ConfigError> {
        let charge = self.limit.charge;
        let given = [
            ("reserve", form.value("reserve").is_some() && !charge.counts_output()),
            ("steps", self.steps.clamps() && !charge.counts_output()),
            ("mid_stream", form.value("mid_stream").is_some() && !charge.counts_output()),
        ];
        match given.iter().find(|(_, wrong)| *wrong) {
            Some(("steps", _)) => {
                Err(ConfigError::new("steps", "`clamp` needs a limit of `usd`, `tokens` or `output_tokens`"))
            }
            Some((field, _)) => {
                Err(ConfigError::new(*field, "needs a limit of `usd`, `tokens` or `output_tokens`"))
            }
            None => Ok(()),
        }
    }
}

#[inline(never)]
fn when(form: &Form<'_>, tag_names: &[String]) -> Result<Selector, ConfigError> {
    Selector::compile(&form.selector("when")?, tag_names).map_err(|error| error.within("when"))
}

#[inline(never)]
fn override_of(value: &Value, charge: Charge, tag_names: &[String]) -> Result<(Selector, i128), ConfigError> {
    let form = Form::read(value, &["when", "limit"])?;
    let limit = form.object("limit", Limit::read)?.filter(|limit| limit.charge == charge);
    let amount = limit.map(|limit| limit.amount).ok_or_else(|| {
        ConfigError::new("limit", format!("must be in the quota's own unit, `{}`", charge.name()))
    })?;
    Ok((when(&form, tag_names)?, amount))
}

#[inline(never)]
fn window(form: &Form<'_>, charge: Charge, store: StoreRef) -> Result<Window, ConfigError> {
    let refused = |problem: &str| Err(ConfigError::new("window", problem));
    match (Window::read(form)?, charge, store) {
        (None, Charge::InFlight, _) => Ok(Window::Now),
        (Some(_), Charge::InFlight, _) => refused("`in_flight` takes no window"),
        (None, _, _) => refused("is needed, such as `month` or `15m`"),
        (Some(Window::Sliding(_)), _, StoreRef::Remote(_)) => {
            refused("a sliding window needs `store: local`")
        }
        (Some(window), _, _) => Ok(window),
    }
}

impl Reserve {
    #[inline(never)]
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let form = Form::read(value, &["output", "cap"])?;
        let output = form.object("output", |value| match (value.as_u64(), value.as_str()) {
            (Some(tokens), _) => Ok(ReservedOutput::Tokens(tokens)),
            (None, Some(name)) => {
                word(name, &[("typical", ReservedOutput::Typical), ("requested", ReservedOutput::Requested)])
            }
            (None, None) => Err(wrong(value, "`typical`, `requested` or a number of tokens")),
        })?;
        let output = output.unwrap_or(ReservedOutput::Typical);
        let usual = if output == ReservedOutput::Requested { DEFAULT_REQUESTED_CAP } else { u64::MAX };
        Ok(Self { output, cap: form.count("cap")?.unwrap_or(usual) })
    }
}

const EXACTLY_ONE: &str =
    "needs exactly one of `usd`, `tokens`, `input_tokens`, `output_tokens`, `requests`, `in_flight`";

impl Limit {
    #[inline(never)]
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let form = Form::read(value, &Charge::ALL.map(Charge::name))?;
        let mut given = Vec::new();
        for charge in Charge::ALL {
            let amount = match charge {
                Charge::Usd => form.money(charge.name())?.map(PicoUsd::pico),
                _ => form.count(charge.name())?.map(i128::from),
            };
            given.extend(amount.map(|amount| Self { charge, amount }));
        }
        match given.as_slice() {
            [limit] => Ok(*limit),
            _ => Err(ConfigError::new("", EXACTLY_ONE)),
        }
    }
}

pub(crate) fn dimension(name: &str, tag_names: &[String]) -> Result<Dimension, ConfigError> {
    match name {
        "provider" => Ok(Dimension::Provider),
        "model" => Ok(Dimension::Model),
        tag => tag_names.iter().position(|t| t == tag).map(Dimension::Tag).ok_or_else(|| {
            let known: Vec<_> = tag_names.iter().map(|t| format!(", `{t}`")).collect();
            let problem =
                format!("unknown tag `{tag}`, expected one of `provider`, `model`{}", known.concat());
            ConfigError::new("", problem)
        }),
    }
}
