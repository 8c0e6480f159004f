//! What happens on the way to a limit: warn, take a cheaper model, shorten, slow down, refuse.

use crate::config::ConfigError;
use crate::form::{Form, word, wrong};
use serde_json::Value;

/// What a step does to a call that reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Says so.
    Warn,
    /// Sends another model than asked for.
    Downgrade {
        /// That model.
        to: String,
    },
    /// Lowers the output limit to what the remainder buys.
    Clamp {
        /// With less than this the call is refused.
        min_output_tokens: u64,
    },
    /// Lets what is left be used only as the window passes.
    Throttle,
}

/// The steps of a quota, lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    steps: Vec<(i128, Do)>,
    deny_at: i128,
}

impl Default for Ladder {
    fn default() -> Self {
        Self { steps: Vec::new(), deny_at: 100 }
    }
}

impl Ladder {
    /// Reads the steps of a quota. Calls are refused at 100 percent unless a step says sooner.
    pub(super) fn read(form: &Form<'_>) -> Result<Self, ConfigError> {
        let mut ladder = Self::default();
        for (at, action) in form.list("steps", step)? {
            match action {
                Some(action) => ladder.steps.push((at, action)),
                None => ladder.deny_at = ladder.deny_at.min(at),
            }
        }
        ladder.steps.sort_by_key(|(at, _)| *at);
        if let Some((at, _)) = ladder.steps.last().filter(|(at, _)| *at > ladder.deny_at) {
            let problem =
                format!("a step at `{at}` is never reached, calls are refused at {}", ladder.deny_at);
            return Err(ConfigError::new("steps", problem));
        }
        Ok(ladder)
    }

    /// How much of a limit may be used before calls are refused.
    pub(super) fn refuses_at(&self, limit: i128) -> i128 {
        share(limit, self.deny_at)
    }

    /// Where the first step begins.
    pub(super) fn begin_at(&self, limit: i128) -> Option<i128> {
        self.steps.first().map(|(at, _)| share(limit, *at))
    }

    /// The steps that are reached when `taken` of `limit` is used and reserved, this call's own reservation included,
    /// lowest first, each with where it begins.
    pub fn reached(&self, taken: i128, limit: i128) -> impl Iterator<Item = (i128, &Do)> {
        let steps = self.steps.iter().map(move |(at, action)| (share(limit, *at), action));
        steps.take_while(move |(at, _)| taken >= *at)
    }

    /// At which percentages of the limit these steps stand.
    pub fn percentages(&self, taken: i128, limit: i128) -> impl Iterator<Item = i128> {
        let reached = self.steps.iter().take_while(move |(at, _)| taken >= share(limit, *at));
        reached.map(|(at, _)| *at)
    }

    /// From which percentage of the limit on calls are refused.
    pub fn denies_at(&self) -> i128 {
        self.deny_at
    }

    /// Whether there is nothing to do before calls are refused.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether a step may change the request.
    pub fn rewrites(&self) -> bool {
        self.steps.iter().any(|(_, action)| matches!(action, Do::Downgrade { .. } | Do::Clamp { .. }))
    }

    /// Whether a step lowers output limits.
    pub(super) fn clamps(&self) -> bool {
        self.steps.iter().any(|(_, action)| matches!(action, Do::Clamp { .. }))
    }
}

/// A step's percentage and what it does; nothing: it refuses.
fn step(value: &Value) -> Result<(i128, Option<Do>), ConfigError> {
    let form = Form::read(value, &["at", "do"])?;
    let at =
        form.count("at")?.ok_or_else(|| ConfigError::new("at", "is needed: a percentage of the limit"))?;
    if !(1..=100).contains(&at) {
        return Err(ConfigError::new("at", format!("`{at}` is not between 1 and 100")));
    }
    let needed = || ConfigError::new("do", format!("is needed: {EXPECTED}"));
    Ok((i128::from(at), form.object("do", action)?.ok_or_else(needed)?))
}

const EXPECTED: &str =
    "`warn`, `throttle`, `deny`, `{downgrade: {to: MODEL}}` or `{clamp: {min_output_tokens: N}}`";

fn action(value: &Value) -> Result<Option<Do>, ConfigError> {
    match value {
        Value::String(name) => {
            let plain = [("warn", 0), ("throttle", 1), ("deny", 2), ("clamp", 3)];
            Ok(match word(name, &plain).map_err(|_| wrong(value, EXPECTED))? {
                0 => Some(Do::Warn),
                1 => Some(Do::Throttle),
                2 => None,
                _ => Some(Do::Clamp { min_output_tokens: 1 }),
            })
        }
        _ => {
            let form = Form::read(value, &["downgrade", "clamp"])?;
            let downgrade = form.object("downgrade", |value| {
                let to = Form::read(value, &["to"])?.text("to")?;
                to.map(str::to_owned).ok_or_else(|| ConfigError::new("to", "is needed: the cheaper model"))
            })?;
            let clamp = form.object("clamp", |value| {
                Form::read(value, &["min_output_tokens"])?.count("min_output_tokens")
            })?;
            match (downgrade, clamp) {
                (Some(to), None) => Ok(Some(Do::Downgrade { to })),
                (None, Some(min)) => Ok(Some(Do::Clamp { min_output_tokens: min.unwrap_or(1).max(1) })),
                _ => Err(wrong(value, EXPECTED)),
            }
        }
    }
}

/// So many percent of a limit.
fn share(limit: i128, percent: i128) -> i128 {
    // Mostly there are no steps, and a division of 128 bits is none of the things that wasm has.
    if percent == 100 {
        return limit;
    }
    limit.checked_mul(percent).map_or(limit, |product| product.div_euclid(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder(json: &str) -> Result<Ladder, String> {
        let steps = serde_json::json!({"steps": serde_json::from_str::<Value>(json).unwrap()});
        let form = Form::read(&steps, &["steps"]).unwrap();
        Ladder::read(&form).map_err(|e| e.to_string())
    }

    #[test]
    fn steps_are_reached_in_order_and_not_before_their_percentage() {
        let ladder = ladder(
            r#"[{"at":90,"do":{"clamp":{"min_output_tokens":64}}},{"at":50,"do":"warn"},{"at":80,"do":{"downgrade":{"to":"m"}}}]"#,
        )
        .unwrap();
        for (taken, reached) in [(0, 0), (499, 0), (500, 1), (799, 1), (800, 2), (900, 3), (5000, 3)] {
            assert_eq!(ladder.reached(taken, 1000).count(), reached, "{taken}");
        }
        assert_eq!((ladder.refuses_at(1000), ladder.rewrites(), ladder.clamps()), (1000, true, true));
    }

    #[test]
    fn what_cannot_be_reached_is_refused() {
        for (json, message) in [
            (r#"[{"at":101,"do":"warn"}]"#, "steps[0].at: `101` is not between 1 and 100"),
            (r#"[{"at":0,"do":"warn"}]"#, "steps[0].at: `0` is not between 1 and 100"),
            (
                r#"[{"at":80,"do":"deny"},{"at":90,"do":"warn"}]"#,
                "steps: a step at `90` is never reached, calls are refused at 80",
            ),
            (r#"[{"at":80,"do":"stop"}]"#, "steps[0].do: invalid string `\"stop\"`, expected `warn`"),
            (r#"[{"at":80,"do":{"downgrade":{}}}]"#, "steps[0].do.downgrade.to: is needed"),
            (r#"[{"at":80}]"#, "steps[0].do: is needed"),
        ] {
            let error = ladder(json).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
