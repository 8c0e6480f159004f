//! `routes`: which models a call may have, and which one it gets.

use crate::config::ConfigError;
use crate::form::{Form, list, one_or_many, text};
use crate::selector::{Facts, Pattern, Selector};
use serde_json::Value;

/// One route.
#[derive(Clone, Debug)]
pub struct RouteRule {
    /// Which calls it is about.
    pub when: Selector,
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

/// Reads the routes of a configuration.
pub fn compile_routes(value: &Value, tag_names: &[String]) -> Result<Vec<RouteRule>, ConfigError> {
    list(value, |value| RouteRule::read(value, tag_names)).map_err(|error| error.within("routes"))
}

impl RouteRule {
    #[inline(never)]
    fn read(value: &Value, tag_names: &[String]) -> Result<Self, ConfigError> {
        let form = Form::read(value, &["when", "allow", "deny", "to"])?;
        let when = Selector::compile(&form.selector("when")?, tag_names).map_err(|e| e.within("when"))?;
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
        Ok(Self { when, act })
    }

    /// Whether the route sends another model.
    pub fn rewrites(&self) -> bool {
        matches!(self.act, Act::To(_))
    }
}

/// Takes a call through the routes, in order: each sees the model that those before have made of it.
pub fn route(routes: &[RouteRule], facts: &Facts<'_>) -> Routed {
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
    use crate::Tags;

    #[test]
    fn models_are_allowed_refused_or_replaced_in_order() {
        let tags = Tags::new(vec![("team".into(), Some("support".into()))]);
        let routes = serde_json::json!([
            {"when": {"model": "gpt-4"}, "to": {"model": "gpt-4o"}},
            {"when": {"team": "support"}, "allow": ["gpt-4o*", "claude-haiku-*"]},
            {"when": {"model": "gpt-4o-*"}, "deny": "*-preview"},
            {"when": {"team": "other"}, "allow": "nothing"},
        ]);
        let routes = compile_routes(&routes, &["team".to_owned()]).unwrap();
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
            assert_eq!(route(&routes, &facts), expected, "{model:?}");
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
            let error = compile_routes(&serde_json::from_str(json).unwrap(), &[]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
