//! `limits`: bounds on one call, whatever was used before it.

use crate::config::ConfigError;
use crate::form::{Form, list};
use crate::selector::{Facts, Selector};
use serde_json::Value;
use tollgate_pricing::PicoUsd;

/// One entry of `limits`.
#[derive(Clone, Debug)]
pub struct LimitRule {
    /// Which calls it is about.
    pub when: Selector,
    limits: Limits,
}

/// The bounds on one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// What it may cost in the worst case.
    pub max_request_usd: Option<PicoUsd>,
    /// How many tokens each answer may have; a request that asks for more is changed.
    pub max_output_tokens: Option<u64>,
    /// Longer bodies are not held.
    pub max_body_bytes: Option<u64>,
    hold_chunked: Option<bool>,
    on_large_body: Option<Otherwise>,
    on_unrewritable: Option<Otherwise>,
}

/// What becomes of a call that a rule cannot be applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It goes on without the rule, and is counted.
    Pass,
    /// It is refused.
    Deny,
}

const FIELDS: &[&str] = &[
    "when",
    "max_request_usd",
    "max_output_tokens",
    "max_body_bytes",
    "hold_chunked",
    "on_large_body",
    "on_unrewritable",
];

/// A request with a longer body is not held unless a limit says otherwise.
const MAX_HELD_BYTES: u64 = 1_000_000;

/// No more than this can be held: the memory of a worker's VM never shrinks.
const MOST_HELD_BYTES: u64 = 100_000_000;

/// Reads the limits of a configuration.
pub fn compile_limits(value: &Value, tag_names: &[String]) -> Result<Vec<LimitRule>, ConfigError> {
    list(value, |value| LimitRule::read(value, tag_names)).map_err(|error| error.within("limits"))
}

impl LimitRule {
    #[inline(never)]
    fn read(value: &Value, tag_names: &[String]) -> Result<Self, ConfigError> {
        let form = Form::read(value, FIELDS)?;
        let when = Selector::compile(&form.selector("when")?, tag_names).map_err(|e| e.within("when"))?;
        let limits = Limits {
            max_request_usd: form.money("max_request_usd")?,
            max_output_tokens: form.count("max_output_tokens")?,
            max_body_bytes: form.count("max_body_bytes")?,
            hold_chunked: form.flag("hold_chunked")?,
            on_large_body: form
                .word("on_large_body", &[("pass", Otherwise::Pass), ("deny", Otherwise::Deny)])?,
            on_unrewritable: form
                .word("on_unrewritable", &[("warn", Otherwise::Pass), ("deny", Otherwise::Deny)])?,
        };
        if limits == Limits::default() {
            let bounds = FIELDS.get(1..).unwrap_or_default().join("`, `");
            return Err(ConfigError::new("", format!("limits nothing, expected one of `{bounds}`")));
        }
        if limits.max_output_tokens == Some(0) {
            return Err(ConfigError::new("max_output_tokens", "must not be 0"));
        }
        if let Some(bytes) = limits.max_body_bytes.filter(|bytes| *bytes > MOST_HELD_BYTES) {
            let problem = format!("`{bytes}` is more than {MOST_HELD_BYTES}");
            return Err(ConfigError::new("max_body_bytes", problem));
        }
        Ok(Self { when, limits })
    }

    /// Whether it needs to know what the body asks for.
    pub fn needs_body(&self) -> bool {
        self.limits.max_request_usd.is_some() || self.limits.max_output_tokens.is_some()
    }
}

impl Limits {
    /// The limits on a call: the tightest of each kind.
    pub fn on(rules: &[LimitRule], facts: &Facts<'_>) -> Self {
        let mut limits = Self::default();
        for rule in rules.iter().filter(|rule| rule.when.matches(facts)) {
            let other = &rule.limits;
            limits.max_request_usd = tighter(limits.max_request_usd, other.max_request_usd);
            limits.max_output_tokens = tighter(limits.max_output_tokens, other.max_output_tokens);
            limits.max_body_bytes = tighter(limits.max_body_bytes, other.max_body_bytes);
            limits.hold_chunked = limits.hold_chunked.or(other.hold_chunked);
            limits.on_large_body = limits.on_large_body.or(other.on_large_body);
            limits.on_unrewritable = limits.on_unrewritable.or(other.on_unrewritable);
        }
        limits
    }

    /// How long a body may be that is held.
    pub fn most_held_bytes(&self) -> u64 {
        self.max_body_bytes.unwrap_or(MAX_HELD_BYTES)
    }

    /// Whether a body of unknown length is held too.
    pub fn holds_chunked(&self) -> bool {
        self.hold_chunked == Some(true)
    }

    /// What becomes of a call whose body would have to be held and cannot be; `None` if the configuration does not say.
    pub fn on_large_body(&self) -> Option<Otherwise> {
        self.on_large_body
    }

    /// What becomes of a call that would have to be changed and cannot be.
    pub fn on_unrewritable(&self) -> Otherwise {
        self.on_unrewritable.unwrap_or(Otherwise::Pass)
    }
}

fn tighter<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tags;

    #[test]
    fn the_tightest_bound_of_each_kind_holds() {
        let tags = Tags::new(vec![("env".into(), Some("dev".into()))]);
        let facts = Facts {
            tags: &tags,
            provider: "openai",
            model: None,
            operation: "chat",
            host: "h",
            path: "/",
            route: None,
            cluster: None,
        };
        let rules = serde_json::json!([
            {"max_request_usd": "2.00", "max_output_tokens": 9000},
            {"when": {"env": "dev"}, "max_output_tokens": 4096, "on_large_body": "deny"},
            {"when": {"env": "prod"}, "max_request_usd": "0.01", "hold_chunked": true},
        ]);
        let rules = compile_limits(&rules, &["env".to_owned()]).unwrap();
        let limits = Limits::on(&rules, &facts);
        assert_eq!(
            (limits.max_request_usd, limits.max_output_tokens),
            (Some(PicoUsd::from_pico(2_000_000_000_000)), Some(4096))
        );
        assert_eq!((limits.holds_chunked(), limits.on_large_body()), (false, Some(Otherwise::Deny)));
        assert_eq!((limits.most_held_bytes(), limits.on_unrewritable()), (1_000_000, Otherwise::Pass));
    }

    #[test]
    fn what_limits_nothing_is_refused() {
        for (json, message) in [
            (r#"[{}]"#, "limits[0]: limits nothing, expected one of `max_request_usd`"),
            (r#"[{"max_output_tokens":0}]"#, "limits[0].max_output_tokens: must not be 0"),
            (r#"[{"max_request_usd":2}]"#, "limits[0].max_request_usd: invalid number `2`, expected USD"),
            (
                r#"[{"on_large_body":"drop"}]"#,
                "limits[0].on_large_body: unknown value `drop`, expected one of `pass`, `deny`",
            ),
            (
                r#"[{"max_body_bytes":100000001}]"#,
                "limits[0].max_body_bytes: `100000001` is more than 100000000",
            ),
        ] {
            let error = compile_limits(&serde_json::from_str(json).unwrap(), &[]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
