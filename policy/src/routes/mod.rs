//! `routes`: which models a call may have, and which one it gets.

mod conditions;
mod health;
mod hours;

pub use conditions::{Conditions, ErrorsOver, Filled, Surroundings};
pub use health::{Failed, Health, healths};

use crate::config::ConfigError;
use crate::form::{Form, list, one_or_many, selector_among, text};
use crate::quota::QuotaRule;
use crate::selector::{Facts, Pattern, Selector};
use serde_json::Value;

/// One route.
#[derive(Clone, Debug)]
pub struct RouteRule {
    /// Which calls it is about.
    pub when: Selector,
    /// What has to hold besides.
    pub conditions: Option<Box<Conditions>>,
    act: Act,
}

#[derive(Clone, Debug)]
enum Act {
    Allow(Vec<Pattern>),
    Deny(Vec<Pattern>),
    To(String),
}

/// What the routes make of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routed {
    /// It goes on as it is.
    AsAsked,
    /// It goes on with this model.
    To {
        /// The model.
        model: String,
        /// The route's place in the list.
        route: usize,
    },
    /// Its model is not allowed.
    Forbidden {
        /// The route's place in the list.
        route: usize,
    },
}

/// Reads the routes of a configuration, whose quotas conditions may ask for.
pub fn compile_routes(
    value: &Value,
    tag_names: &[String],
    quotas: &[QuotaRule],
) -> Result<Vec<RouteRule>, ConfigError> {
    list(value, |value| RouteRule::read(value, tag_names, quotas)).map_err(|error| error.within("routes"))
}

impl RouteRule {
    #[inline(never)]
    fn read(value: &Value, tag_names: &[String], quotas: &[QuotaRule]) -> Result<Self, ConfigError> {
        let form = Form::read(value, &["when", "allow", "deny", "to"])?;
        let within = |error: ConfigError| error.within("when");
        let (when, conditions) = match form.value("when") {
            None => (Selector::default(), None),
            Some(value) => {
                let own = |name: &str| !Conditions::has(name, tag_names);
                let raw = selector_among(value, &own).map_err(within)?;
                let when = Selector::compile(&raw, tag_names).map_err(within)?;
                (when, Conditions::read(value, tag_names, quotas).map_err(within)?)
            }
        };
        let patterns = |name| {
            let names = form.object(name, one_or_many)?;
            Ok(names.map(|names| names.iter().map(|name| Pattern::new(name)).collect::<Vec<_>>()))
        };
        let to = form.object("to", |value| {
            let model = Form::read(value, &["model"])?.object("model", text)?;
            model.map(str::to_owned).ok_or_else(|| ConfigError::new("model", "is needed: the model to send"))
        })?;
        let act = match (patterns("allow")?, patterns("deny")?, to) {
            (Some(models), None, None) => Act::Allow(models),
            (None, Some(models), None) => Act::Deny(models),
            (None, None, Some(model)) => Act::To(model),
            _ => return Err(ConfigError::new("", "needs exactly one of `allow`, `deny`, `to`")),
        };
        Ok(Self { when, conditions, act })
    }

    /// Whether the route sends another model.
    pub fn rewrites(&self) -> bool {
        matches!(self.act, Act::To(_))
    }
}

/// Takes a call through the routes, in order: each sees the model that those before have made of it.
pub fn route(routes: &[RouteRule], facts: &Facts<'_>, around: &dyn Surroundings) -> Routed {
    let mut routed = Routed::AsAsked;
    for (index, rule) in routes.iter().enumerate() {
        let model = match &routed {
            Routed::To { model, .. } => Some(model.clone()),
            _ => facts.model.map(str::to_owned),
        };
        let Some(model) = model else { continue };
        let facts = Facts { model: Some(&model), ..*facts };
        let among = |models: &[Pattern]| models.iter().any(|pattern| pattern.matches(&model));
        match &rule.act {
            _ if !rule.when.matches(&facts) => {}
            _ if rule.conditions.as_ref().is_some_and(|all| !all.hold(index, &model, around)) => {}
            Act::Allow(models) if !among(models) => return Routed::Forbidden { route: index },
            Act::Deny(models) if among(models) => return Routed::Forbidden { route: index },
            Act::To(to) if *to != model => routed = Routed::To { model: to.clone(), route: index },
            Act::Allow(_) | Act::Deny(_) | Act::To(_) => {}
        }
    }
    routed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tags, compile_quotas};

    /// Surroundings of which all is known.
    #[derive(Default)]
    struct At {
        input_tokens: Option<u64>,
        has_tools: Option<bool>,
        filled: Option<(i128, i128)>,
        health: Option<(u64, u64)>,
        drawn: Option<u64>,
    }

    impl Surroundings for At {
        fn now(&self) -> i64 {
            1_795_178_096
        }
        fn input_tokens(&self) -> Option<u64> {
            self.input_tokens
        }
        fn has_tools(&self) -> Option<bool> {
            self.has_tools
        }
        fn filled(&self, _quota: usize) -> Option<Filled> {
            self.filled.map(|(taken, limit)| Filled { taken, limit })
        }
        fn health(&self, _model: &str, _for_s: u32) -> Option<(u64, u64)> {
            self.health
        }
        fn draw(&self, _route: usize, _by: Option<usize>) -> Option<u64> {
            self.drawn
        }
    }

    #[test]
    fn a_route_holds_only_as_long_as_its_conditions_do() {
        let quotas = serde_json::json!([
            {"name": "day", "limit": {"usd": "1"}, "window": "day"},
            {"name": "slots", "limit": {"in_flight": 100}},
        ]);
        let (quotas, _) = compile_quotas(&quotas, &Value::Null, &[]).unwrap();
        let full = |taken| At { filled: Some((taken, 100)), ..At::default() };
        let health = |calls, errors| At { health: Some((calls, errors)), ..At::default() };
        for (when, around, holds) in [
            (r#"{"max_input_tokens":100}"#, At { input_tokens: Some(100), ..At::default() }, true),
            (r#"{"max_input_tokens":100}"#, At { input_tokens: Some(101), ..At::default() }, false),
            (r#"{"max_input_tokens":100}"#, At::default(), false),
            (r#"{"has_tools":false}"#, At { has_tools: Some(false), ..At::default() }, true),
            (r#"{"has_tools":false}"#, At { has_tools: Some(true), ..At::default() }, false),
            (r#"{"has_tools":false}"#, At::default(), false),
            (r#"{"budget_used_over":{"quota":"day","percent":80}}"#, full(81), true),
            (r#"{"budget_used_over":{"quota":"day","percent":80}}"#, full(80), false),
            (r#"{"budget_used_over":{"quota":"day","percent":80}}"#, At::default(), false),
            (r#"{"in_flight_over":{"quota":"slots","calls":5}}"#, full(6), true),
            (r#"{"in_flight_over":{"quota":"slots","calls":5}}"#, full(5), false),
            (r#"{"upstream_errors_over":{"percent":50}}"#, health(10, 6), true),
            (r#"{"upstream_errors_over":{"percent":50}}"#, health(10, 5), false),
            (r#"{"upstream_errors_over":{"percent":50}}"#, health(9, 9), false),
            (r#"{"upstream_errors_over":{"percent":50,"for":"30s","at_least":1}}"#, health(1, 1), true),
            (r#"{"hours":{"from":"12:00","to":"13:00"}}"#, At::default(), true),
            (r#"{"hours":{"from":"13:00","to":"12:00"}}"#, At::default(), false),
            (r#"{"percent":5}"#, At { drawn: Some(4), ..At::default() }, true),
            (r#"{"percent":5}"#, At { drawn: Some(5), ..At::default() }, false),
            (r#"{"percent":100,"max_input_tokens":1}"#, At { drawn: Some(99), ..At::default() }, false),
            (r#"{"percent":100,"model":"other"}"#, At { drawn: Some(0), ..At::default() }, false),
        ] {
            let routes = format!(r#"[{{"when":{when},"to":{{"model":"small"}}}}]"#);
            let routes = compile_routes(&serde_json::from_str(&routes).unwrap(), &[], &quotas).unwrap();
            let facts = Facts {
                tags: &Tags::default(),
                provider: "openai",
                model: Some("big"),
                operation: "chat",
                host: "h",
                path: "/",
                route: None,
                cluster: None,
            };
            assert_eq!(route(&routes, &facts, &around) != Routed::AsAsked, holds, "{when}");
        }
    }

    #[test]
    fn conditions_that_cannot_be_are_refused_with_their_path() {
        let quotas = serde_json::json!([{"name": "day", "limit": {"usd": "1"}, "window": "day"}]);
        let (quotas, _) = compile_quotas(&quotas, &Value::Null, &[]).unwrap();
        for (when, message) in [
            (r#"{"max_input_tokens":"x"}"#, "max_input_tokens: invalid string"),
            (
                r#"{"budget_used_over":{"quota":"dya","percent":1}}"#,
                "budget_used_over.quota: unknown quota `dya`, expected one of `day`",
            ),
            (r#"{"budget_used_over":{"quota":"day"}}"#, "budget_used_over.percent: is needed"),
            (
                r#"{"in_flight_over":{"quota":"day","calls":1}}"#,
                "in_flight_over.quota: `day` has no limit of `in_flight`",
            ),
            (
                r#"{"upstream_errors_over":{"percent":101}}"#,
                "upstream_errors_over.percent: `101` is more than 100",
            ),
            (
                r#"{"upstream_errors_over":{"percent":10,"for":"x"}}"#,
                "upstream_errors_over.for: unknown unit `x`",
            ),
            (r#"{"hours":{"from":"25:00","to":"01:00"}}"#, "hours.from: `25:00` is no time of day"),
            (r#"{"hours":{"from":"01:00"}}"#, "hours.to: is needed"),
            (
                r#"{"hours":{"from":"01:00","to":"02:00","days":["mon"]}}"#,
                "hours.days[0]: unknown day `mon`, expected one of monday",
            ),
            (r#"{"percent":101}"#, "percent: `101` is more than 100"),
            (r#"{"percent":{"percent":1,"by":"team"}}"#, "percent.by: unknown tag `team`"),
            (r#"{"percents":1}"#, "percents: invalid number `1`"),
        ] {
            let routes = format!(r#"[{{"when":{when},"to":{{"model":"small"}}}}]"#);
            let error = compile_routes(&serde_json::from_str(&routes).unwrap(), &[], &quotas).unwrap_err();
            let error = error.to_string();
            assert!(error.starts_with(&format!("routes[0].when.{message}")), "{error}");
        }
    }

    #[test]
    fn models_are_allowed_refused_or_replaced_in_order() {
        let tags = Tags::new(vec![("team".into(), Some("support".into()))]);
        let routes = serde_json::json!([
            {"when": {"model": "gpt-4"}, "to": {"model": "gpt-4o"}},
            {"when": {"team": "support"}, "allow": ["gpt-4o*", "claude-haiku-*"]},
            {"when": {"model": "gpt-4o-*"}, "deny": "*-preview"},
            {"when": {"team": "other"}, "allow": "nothing"},
        ]);
        let routes = compile_routes(&routes, &["team".to_owned()], &[]).unwrap();
        for (model, expected) in [
            (Some("gpt-4"), Routed::To { model: "gpt-4o".to_owned(), route: 0 }),
            (Some("gpt-4o"), Routed::AsAsked),
            (Some("o3"), Routed::Forbidden { route: 1 }),
            (Some("gpt-4o-audio-preview"), Routed::Forbidden { route: 2 }),
            (None, Routed::AsAsked),
        ] {
            let facts = Facts {
                tags: &tags,
                provider: "openai",
                model,
                operation: "chat",
                host: "h",
                path: "/",
                route: None,
                cluster: None,
            };
            assert_eq!(route(&routes, &facts, &At::default()), expected, "{model:?}");
        }
    }

    #[test]
    fn a_route_does_exactly_one_thing() {
        for (json, message) in [
            (r#"[{"when":{}}]"#, "routes[0]: needs exactly one of `allow`, `deny`, `to`"),
            (r#"[{"allow":"a","to":{"model":"b"}}]"#, "routes[0]: needs exactly one of"),
            (r#"[{"to":{}}]"#, "routes[0].to.model: is needed"),
            (r#"[{"allow":[]}]"#, "routes[0].allow: an empty list never matches"),
        ] {
            let error =
                compile_routes(&serde_json::from_str(json).unwrap(), &[], &[]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
