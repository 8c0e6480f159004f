//! `loops`: agents that turn in circles, run on for ever, or carry ever more along, by workflow or conversation.

mod trail;

pub use trail::{Arrival, Breach, Trail};

use crate::config::ConfigError;
use crate::dimension::escape;
use crate::form::{Form, list, named_once, text};
use crate::pages::Pages;
use crate::quota::Mode;
use crate::selector::{Facts, Selector};
use crate::tags::Tags;
use crate::then::Then;
use crate::window::duration;
use serde_json::Value;

/// One rule about agents.
#[derive(Clone, Debug)]
pub struct LoopRule {
    /// Its name.
    pub name: String,
    /// Which calls it is about.
    pub when: Selector,
    /// What a workflow may do.
    pub limits: LoopLimits,
    /// After so many seconds a workflow is counted anew.
    pub within_s: u32,
    /// What becomes of a call that passes a limit.
    pub then: Then,
    /// Whether it acts.
    pub mode: Mode,
    per: Vec<Per>,
}

/// What a workflow may do within its span of time. `None`: as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopLimits {
    /// How often the same message may be the last one.
    pub same_turns: Option<u64>,
    /// How often the same calls of tools may be the last ones.
    pub same_tool_calls: Option<u64>,
    /// How many calls it may make.
    pub calls: Option<u64>,
    /// What it may cost, in pico-USD. The call that passes it is the last one.
    pub usd: Option<i128>,
    /// How many times as long as its first request the others may be.
    pub input_growth: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Per {
    Tag(usize),
    Provider,
    Model,
    /// The messages up to the user's first one.
    Conversation,
}

const FIELDS: &[&str] = &[
    "name",
    "when",
    "per",
    "max_same_turns",
    "max_same_tool_calls",
    "max_calls",
    "max_usd",
    "max_input_growth",
    "within",
    "then",
    "mode",
];

/// A workflow is counted anew after this, unless its rule says otherwise.
const WITHIN: &str = "1h";

/// Reads the rules about agents of a configuration.
#[cold]
#[inline(never)]
pub fn compile_loops(value: &Value, tag_names: &[String]) -> Result<Vec<LoopRule>, ConfigError> {
    let rules = list(value, |value| LoopRule::read(value, tag_names)).map_err(|e| e.within("loops"))?;
    named_once("loops", &rules, |rule| &rule.name)?;
    Ok(rules)
}

impl LoopRule {
    #[cold]
    #[inline(never)]
    fn read(value: &Value, tag_names: &[String]) -> Result<Self, ConfigError> {
        let form = Form::read(value, FIELDS)?;
        let name = form.text("name")?.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| ConfigError::new("name", "is needed, and must not be empty"))?;
        let per = form.list("per", |value| Per::read(text(value)?, tag_names))?;
        if per.is_empty() {
            let problem = "is needed: `conversation`, or the tags that tell workflows apart";
            return Err(ConfigError::new("per", problem));
        }
        let within = form.text("within")?.unwrap_or(WITHIN);
        let within = duration(within).map_err(|problem| ConfigError::new("within", problem))?;
        Ok(Self {
            name: name.to_owned(),
            when: Selector::compile(&form.selector("when")?, tag_names).map_err(|e| e.within("when"))?,
            limits: LoopLimits::read(&form)?,
            within_s: u32::try_from(within).unwrap_or(u32::MAX),
            then: Then::read(&form)?,
            mode: form
                .word("mode", &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)])?
                .unwrap_or_default(),
            per,
        })
    }

    /// Remembers what is said even if no limit asks for it: somebody else wants to know whether calls repeat it. A rule that has such
    /// a limit remembers what it did.
    pub fn remember_turns(&mut self) {
        if self.limits.same_turns.is_none() && self.limits.same_tool_calls.is_none() {
            // Nothing is ever said as often as that.
            (self.limits.same_turns, self.limits.same_tool_calls) = (Some(u64::MAX), Some(u64::MAX));
        }
    }

    /// Whether the request's body says something that has to be known.
    pub fn needs_body(&self) -> bool {
        let limits = &self.limits;
        let prints = limits.same_turns.is_some() || limits.same_tool_calls.is_some();
        let per = self.per.iter().any(|per| matches!(per, Per::Conversation | Per::Model));
        prints || per || self.then.rewrites() || self.when.needs_model()
    }

    /// Whether a tag that the body, not read yet, may decide has to be known.
    pub fn needs_open_tag(&self, tags: &Tags) -> bool {
        let open = |per: &Per| matches!(per, Per::Tag(index) if tags.is_open(*index));
        self.when.needs_open_tag(tags) || self.per.iter().any(open)
    }

    /// What tells the call's workflow from all others; `opening` is the print of its conversation's beginning. `None` if the rule
    /// is not about the call, or the call does not say which workflow it belongs to.
    #[inline(never)]
    pub fn workflow(&self, facts: &Facts<'_>, opening: Option<u64>) -> Option<String> {
        let conversation = opening.map(|print| print.to_string());
        let value = |per: &Per| match per {
            Per::Tag(index) => facts.tags.known(*index),
            Per::Provider => Some(facts.provider),
            Per::Model => facts.model,
            Per::Conversation => conversation.as_deref(),
        };
        let join = |key: String, per: &Per| Some(key + "/" + &escape(value(per)?));
        self.when.matches(facts).then(|| self.per.iter().try_fold(escape(&self.name), join))?
    }
}

impl LoopRule {
    /// Whom the call's workflow belongs to: names and values of what tells it from others, its conversation left out.
    pub fn labels(&self, facts: &Facts<'_>) -> Vec<(String, String)> {
        let label = |per: &Per| {
            let (name, value) = match per {
                Per::Tag(index) => facts.tags.iter().nth(*index)?,
                Per::Provider => ("provider", facts.provider),
                Per::Model => ("model", facts.model?),
                Per::Conversation => return None,
            };
            Some((name.to_owned(), value.to_owned()))
        };
        self.per.iter().filter_map(label).collect()
    }
}

impl LoopLimits {
    #[cold]
    fn read(form: &Form<'_>) -> Result<Self, ConfigError> {
        let limits = Self {
            same_turns: form.count("max_same_turns")?,
            same_tool_calls: form.count("max_same_tool_calls")?,
            calls: form.count("max_calls")?,
            usd: form.money("max_usd")?.map(tollgate_pricing::PicoUsd::pico),
            input_growth: form.count("max_input_growth")?,
        };
        for (field, least, given) in [
            ("max_same_turns", 1, limits.same_turns),
            ("max_same_tool_calls", 1, limits.same_tool_calls),
            ("max_input_growth", 2, limits.input_growth),
        ] {
            if let Some(given) = given.filter(|given| *given < least) {
                return Err(ConfigError::new(field, format!("`{given}` is less than {least}")));
            }
        }
        Ok(limits)
    }
}

impl Per {
    fn read(name: &str, tag_names: &[String]) -> Result<Self, ConfigError> {
        match name {
            "provider" => Ok(Self::Provider),
            "model" => Ok(Self::Model),
            "conversation" => Ok(Self::Conversation),
            tag => tag_names.iter().position(|known| known == tag).map(Self::Tag).ok_or_else(|| {
                let known: Vec<_> = tag_names.iter().map(|t| format!(", `{t}`")).collect();
                let fixed = "`conversation`, `provider`, `model`";
                ConfigError::new(
                    "",
                    format!("unknown tag `{tag}`, expected one of {fixed}{}", known.concat()),
                )
            }),
        }
    }
}

/// Where the workflows of a namespace are kept: 262,144 of them at most, in 25 MB.
pub fn trails(namespace: &str) -> Pages {
    Pages { prefix: format!("tg/1/{}/loops", escape(namespace)), pages: 8192, slots: 32, words: Trail::WORDS }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> Vec<String> {
        vec!["workflow".to_owned()]
    }

    #[test]
    fn a_call_belongs_to_a_workflow_only_if_it_says_to_which() {
        let rules = serde_json::json!([{"name": "a", "per": ["workflow", "conversation"]}]);
        let rules = compile_loops(&rules, &tags()).unwrap();
        for (workflow, opening, expected) in
            [(Some("w/1"), Some(7), Some("a/w%2F1/7")), (Some("w"), None, None), (None, Some(7), None)]
        {
            let tags = Tags::new(vec![("workflow".to_owned(), workflow.map(str::to_owned))]);
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
            assert_eq!(rules[0].workflow(&facts, opening).as_deref(), expected, "{workflow:?} {opening:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_path() {
        for (json, message) in [
            (r#"[{"per":["workflow"]}]"#, "loops[0].name: is needed"),
            (r#"[{"name":"a"}]"#, "loops[0].per: is needed: `conversation`, or the tags"),
            (
                r#"[{"name":"a","per":["flow"]}]"#,
                "loops[0].per[0]: unknown tag `flow`, expected one of `conversation`, `provider`, `model`, `workflow`",
            ),
            (
                r#"[{"name":"a","per":["workflow"],"max_same_turns":0}]"#,
                "loops[0].max_same_turns: `0` is less than 1",
            ),
            (
                r#"[{"name":"a","per":["workflow"],"max_input_growth":1}]"#,
                "loops[0].max_input_growth: `1` is less than 2",
            ),
            (r#"[{"name":"a","per":["workflow"],"within":"soon"}]"#, "loops[0].within: unknown unit `soon`"),
            (
                r#"[{"name":"a","per":["workflow"],"then":"stop"}]"#,
                "loops[0].then: invalid string `\"stop\"`, expected `alert`, `throttle`, `deny` or `{downgrade: {to: MODEL}}`",
            ),
            (
                r#"[{"name":"a","per":["workflow"],"then":{"downgrade":{}}}]"#,
                "loops[0].then.downgrade.to: is needed: the cheaper model",
            ),
            (
                r#"[{"name":"a","per":["workflow"],"max_usd":1}]"#,
                "loops[0].max_usd: invalid number `1`, expected USD",
            ),
            (
                r#"[{"name":"a","per":["workflow"]},{"name":"a","per":["workflow"]}]"#,
                "loops[1].name: `a` stands twice",
            ),
            (
                r#"[{"name":"a","per":["workflow"],"max":1}]"#,
                "loops[0].max: unknown field `max`, expected one of `name`",
            ),
        ] {
            let error = compile_loops(&serde_json::from_str(json).unwrap(), &tags()).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
