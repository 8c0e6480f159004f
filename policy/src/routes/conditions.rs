//! When a route holds, beyond whom a call is for: how long its request is, whether it has tools, what the hour is, how much of a budget is
//! used, how its upstream fares, and by what share.

use super::hours::Hours;
use crate::config::ConfigError;
use crate::form::Form;
use crate::quota::{Charge, QuotaRule, StoreRef};
use crate::window::duration;
use serde_json::Value;

/// What has to hold besides the selector. What is not known does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    max_input_tokens: Option<u64>,
    has_tools: Option<bool>,
    budget_used_over: Option<BudgetOver>,
    in_flight_over: Option<BudgetOver>,
    upstream_errors_over: Option<ErrorsOver>,
    hours: Option<Hours>,
    percent: Option<Share>,
}

/// More than so much of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BudgetOver {
    quota: usize,
    /// Percent of its limit, or calls.
    over: i128,
}

/// More than so many percent of a model's calls failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorsOver {
    /// In percent.
    pub percent: u64,
    /// In the last so many seconds.
    pub for_s: u32,
    /// Among fewer calls nothing is concluded.
    pub at_least: u64,
}

/// A share of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    percent: u64,
    /// Calls with the same value of this tag go the same way.
    by: Option<usize>,
}

/// How much of a quota's counter is used and reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Used and reserved.
    pub taken: i128,
    /// The limit of this counter.
    pub limit: i128,
}

/// What a call's surroundings say, as far as conditions ask.
pub trait Surroundings {
    /// The second of the epoch.
    fn now(&self) -> i64;
    /// About how many tokens the request has.
    fn input_tokens(&self) -> Option<u64>;
    /// Whether the model is told of tools.
    fn has_tools(&self) -> Option<bool>;
    /// How full the counter of this quota is that the call falls under.
    fn filled(&self, quota: usize) -> Option<Filled>;
    /// Calls of the model in the last so many seconds, and how many of them failed.
    fn health(&self, model: &str, for_s: u32) -> Option<(u64, u64)>;
    /// A number below 100 that is the same for the same value of the tag, or else drawn for the call, and differs by route.
    fn draw(&self, route: usize, by: Option<usize>) -> Option<u64>;
}

const FIELDS: [&str; 7] = [
    "max_input_tokens",
    "has_tools",
    "budget_used_over",
    "in_flight_over",
    "upstream_errors_over",
    "hours",
    "percent",
];

/// Fewer calls than this say nothing of an upstream, unless the rule says otherwise.
const ENOUGH_CALLS: u64 = 10;

impl Conditions {
    /// Whether a member of a `when` is one. A tag of the same name comes first.
    pub(super) fn has(name: &str, tag_names: &[String]) -> bool {
        FIELDS.contains(&name) && !tag_names.iter().any(|tag| tag == name)
    }

    /// Reads the conditions among the members of a `when`; nothing if there are none.
    #[cold]
    #[inline(never)]
    pub(super) fn read(
        when: &Value,
        tag_names: &[String],
        quotas: &[QuotaRule],
    ) -> Result<Option<Box<Self>>, ConfigError> {
        let form = Form::among(when)?;
        let mut conditions = Self::default();
        for name in FIELDS.into_iter().filter(|name| Self::has(name, tag_names)) {
            let Some(value) = form.value(name) else { continue };
            let read = conditions.read_one(name, &form, value, tag_names, quotas);
            read.map_err(|error| if error.path == name { error } else { error.within(name) })?;
        }
        Ok((conditions != Self::default()).then(|| Box::new(conditions)))
    }

    fn read_one(
        &mut self,
        name: &str,
        form: &Form<'_>,
        value: &Value,
        tag_names: &[String],
        quotas: &[QuotaRule],
    ) -> Result<(), ConfigError> {
        match name {
            "max_input_tokens" => self.max_input_tokens = form.count(name)?,
            "has_tools" => self.has_tools = form.flag(name)?,
            "budget_used_over" => self.budget_used_over = Some(BudgetOver::read(value, "percent", quotas)?),
            "in_flight_over" => self.in_flight_over = Some(BudgetOver::read(value, "calls", quotas)?),
            "upstream_errors_over" => self.upstream_errors_over = Some(ErrorsOver::read(value)?),
            "hours" => self.hours = Some(Hours::read(value)?),
            _ if value.is_number() => {
                self.percent = Some(Share { percent: percent(form)?, by: None });
            }
            _ => self.percent = Some(Share::read(value, tag_names)?),
        }
        Ok(())
    }

    /// Whether the request's body has to be read for what it says.
    pub fn asks_for_tools(&self) -> bool {
        self.has_tools.is_some()
    }

    /// Whether what all workers share has to be asked.
    pub fn remembers(&self) -> bool {
        self.budget_used_over.is_some()
            || self.in_flight_over.is_some()
            || self.upstream_errors_over.is_some()
    }

    /// Over how many seconds it counts a model's errors.
    pub fn counts_errors(&self) -> Option<u32> {
        self.upstream_errors_over.map(|over| over.for_s)
    }

    /// Whether all of them hold for a call of this model.
    #[cold]
    #[inline(never)]
    pub(super) fn hold(&self, route: usize, model: &str, around: &dyn Surroundings) -> bool {
        let full = |over: &Option<BudgetOver>, passes: &dyn Fn(Filled, i128) -> bool| {
            over.is_none_or(|over| around.filled(over.quota).is_some_and(|filled| passes(filled, over.over)))
        };
        let percent =
            |filled: Filled, over: i128| filled.taken.saturating_mul(100) > filled.limit.saturating_mul(over);
        let failing = |over: ErrorsOver| {
            around.health(model, over.for_s).is_some_and(|(calls, errors)| {
                calls >= over.at_least && errors.saturating_mul(100) > calls.saturating_mul(over.percent)
            })
        };
        let drawn = |share: Share| around.draw(route, share.by).is_some_and(|drawn| drawn < share.percent);
        self.max_input_tokens.is_none_or(|most| around.input_tokens().is_some_and(|tokens| tokens <= most))
            && self.has_tools.is_none_or(|wanted| around.has_tools() == Some(wanted))
            && self.hours.as_ref().is_none_or(|hours| hours.hold(around.now()))
            && self.percent.is_none_or(drawn)
            && full(&self.budget_used_over, &percent)
            && full(&self.in_flight_over, &|filled, over| filled.taken > over)
            && self.upstream_errors_over.is_none_or(failing)
    }
}

impl BudgetOver {
    fn read(value: &Value, unit: &str, quotas: &[QuotaRule]) -> Result<Self, ConfigError> {
        let form = Form::read(value, &["quota", unit])?;
        let needed = |field: &str| ConfigError::new(field, "is needed");
        let name = form.text("quota")?.ok_or_else(|| needed("quota"))?;
        let over = form.count(unit)?.ok_or_else(|| needed(unit))?;
        let quota = quotas.iter().position(|quota| quota.name == name).ok_or_else(|| {
            let known: Vec<_> = quotas.iter().map(|quota| format!("`{}`", quota.name)).collect();
            let problem = format!("unknown quota `{name}`, expected one of {}", known.join(", "));
            ConfigError::new("quota", problem)
        })?;
        let rule = quotas.get(quota).filter(|rule| rule.store == StoreRef::Local);
        let Some(rule) = rule else {
            return Err(ConfigError::new("quota", "has to be counted in this process: `store: local`"));
        };
        if unit == "calls" && rule.limit.charge != Charge::InFlight {
            return Err(ConfigError::new("quota", format!("`{name}` has no limit of `in_flight`")));
        }
        Ok(Self { quota, over: i128::from(over) })
    }
}

impl ErrorsOver {
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let form = Form::read(value, &["percent", "for", "at_least"])?;
        let percent = percent(&form)?;
        let span = form.text("for")?.unwrap_or("1m");
        let for_s = duration(span).map_err(|problem| ConfigError::new("for", problem))?;
        Ok(Self {
            percent,
            for_s: u32::try_from(for_s).unwrap_or(u32::MAX),
            at_least: form.count("at_least")?.unwrap_or(ENOUGH_CALLS).max(1),
        })
    }
}

impl Share {
    fn read(value: &Value, tag_names: &[String]) -> Result<Self, ConfigError> {
        let form = Form::read(value, &["percent", "by"])?;
        let tag = |name: &str| {
            tag_names.iter().position(|tag| tag == name).ok_or_else(|| {
                let known: Vec<_> = tag_names.iter().map(|tag| format!("`{tag}`")).collect();
                ConfigError::new("by", format!("unknown tag `{name}`, expected one of {}", known.join(", ")))
            })
        };
        Ok(Self { percent: percent(&form)?, by: form.text("by")?.map(tag).transpose()? })
    }
}

fn percent(form: &Form<'_>) -> Result<u64, ConfigError> {
    let percent = form.count("percent")?.ok_or_else(|| ConfigError::new("percent", "is needed"))?;
    let problem = || ConfigError::new("percent", format!("`{percent}` is more than 100"));
    (percent <= 100).then_some(percent).ok_or_else(problem)
}
