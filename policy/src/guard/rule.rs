//! Guards as the user wrote them -> rules that cannot be invalid.

use super::pasts::{PastId, guard_number};
use super::size::{Sample, Size};
use crate::config::ConfigError;
use crate::dimension::{Dimension, labels, write_values};
use crate::form::{Form, list, named_once, text, wrong};
use crate::quota::{Mode, dimension};
use crate::selector::{Facts, Selector};
use crate::tags::Tags;
use crate::then::Then;
use crate::window::duration;
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};
use tollgate_pricing::PicoUsd;

/// One guard.
#[derive(Clone, Debug)]
pub struct GuardRule {
    /// Its name.
    pub name: String,
    /// Which calls it is about.
    pub when: Selector,
    /// How it judges.
    pub judge: Judge,
    /// What becomes of the calls of a key that departs from its past.
    pub then: Then,
    /// Whether it acts.
    pub mode: Mode,
    per: Vec<Dimension>,
    /// Tells its pasts from those of other guards, also after a reload: made of its name, what it watches and how long its days are.
    number: u32,
}

/// How a guard judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judge {
    /// What it watches.
    pub watch: Watch,
    /// How many times what is usual is tolerated, in 256ths.
    pub factor_256: u32,
    /// The same as a logarithm, in 65,536ths of an octave.
    pub drift: u32,
    /// What lies above fires once there is as much as is usual in so many seconds.
    pub for_s: u32,
    /// A verdict holds for so many seconds after what it is about was seen last.
    pub cool_down_s: u32,
    /// How long a day is: what is usual, and how much it differs, is learned by days, and two are needed to judge.
    pub learn_s: u32,
    /// What is tolerated in any case, in pico-USD a second.
    pub floor_pico_per_s: u64,
}

/// What a guard watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// What calls cost together, against what is usual at this hour of the week.
    SpendRate,
    /// What a call costs.
    CostPerCall,
    /// What a call costs, by the token: another model, another tier, a cache that is not hit any more.
    CostPerToken,
    /// How many tokens go in.
    InputTokens,
    /// How many calls fail.
    ErrorRate,
    /// How many calls lack a required tag.
    UntaggedShare,
    /// How many calls say what their workflow has said twice before.
    RepeatedShare,
    /// Calls that go on by the same step: answers of one length, and inputs that grow by the same number of tokens.
    SteadyGrowth,
}

/// How a watched value is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// An amount that adds up over time.
    Rate,
    /// What each call has.
    Value,
    /// How many calls have something.
    Share,
    /// How calls follow upon each other.
    March,
}

/// What guards see of a call when it has ended. What is not known is not judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// What it cost.
    pub cost: Option<PicoUsd>,
    /// Its input tokens.
    pub input: Option<u64>,
    /// How many of these were read from the provider's cache.
    pub cached: Option<u64>,
    /// Its output tokens.
    pub output: Option<u64>,
    /// Whether it failed; `None` if it never went upstream, or nobody waited for the answer.
    pub failed: Option<bool>,
    /// Whether a required tag is missing.
    pub untagged: bool,
    /// Whether it said what its workflow had said twice before; `None` if nobody remembers that, or it was not answered.
    pub repeats: Option<bool>,
}

/// 65,536ths: one call, one octave, one whole.
const ONE: u32 = 65_536;

impl Watch {
    const WORDS: [(&str, Self); 8] = [
        ("spend_rate", Self::SpendRate),
        ("cost_per_call", Self::CostPerCall),
        ("cost_per_token", Self::CostPerToken),
        ("input_tokens", Self::InputTokens),
        ("error_rate", Self::ErrorRate),
        ("untagged_share", Self::UntaggedShare),
        ("repeated_share", Self::RepeatedShare),
        ("steady_growth", Self::SteadyGrowth),
    ];

    /// How it is measured.
    pub const fn gauge(self) -> Gauge {
        match self {
            Self::SpendRate => Gauge::Rate,
            Self::CostPerCall | Self::CostPerToken | Self::InputTokens => Gauge::Value,
            Self::ErrorRate | Self::UntaggedShare | Self::RepeatedShare => Gauge::Share,
            Self::SteadyGrowth => Gauge::March,
        }
    }

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, watch)| *watch == self).map_or("", |(name, _)| *name)
    }

    /// What alerts count it in.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::SpendRate | Self::CostPerCall | Self::CostPerToken => "usd",
            Self::InputTokens => "tokens",
            Self::ErrorRate | Self::UntaggedShare | Self::RepeatedShare | Self::SteadyGrowth => "percent",
        }
    }

    /// The level below which nothing fires: a handful of calls is no evidence. In calls, octaves, failures. Two long calls in a row
    /// prove nothing; but a key whose calls have all been of one model has hardly any noise in its price, and the first that is not
    /// costs as much as it will. Who polls says the same many times in a row, and may not have done so for days.
    pub(super) const fn least(self) -> u32 {
        match self {
            Self::SpendRate | Self::ErrorRate | Self::UntaggedShare => 6 * ONE,
            Self::RepeatedShare => 48 * ONE,
            Self::CostPerCall | Self::InputTokens => 6 * ONE + ONE / 2,
            Self::CostPerToken => ONE,
            Self::SteadyGrowth => ONE + ONE / 2,
        }
    }

    /// The most octaves above what is tolerated that one call adds to a level: single calls differ by orders of magnitude, and
    /// prove nothing. Prices do not, so what a token costs says more.
    pub(super) const fn most(self) -> u32 {
        match self {
            Self::CostPerToken => 4 * ONE,
            _ => 3 * ONE,
        }
    }

    const fn usual_factor(self) -> u64 {
        match self.gauge() {
            Gauge::Rate | Gauge::Share | Gauge::March => 4,
            Gauge::Value => 2,
        }
    }
}

/// What a token weighs, in tenths of one of the input that is not cached. These are the medians of the list prices of
/// `pricing/catalogue` on 2026-11-21: a token of output costs 4 times as much as one of input, a cache read a tenth.
const INPUT: u64 = 10;
const CACHED: u64 = 1;
const OUTPUT: u64 = 40;

impl Seen {
    /// Its tokens by what they usually cost, so that the price does not depend on how long answers are; in tenths of a token of
    /// input.
    fn weighed(&self) -> Option<u64> {
        let input = self.input?;
        let cached = self.cached.unwrap_or_default().min(input);
        let plain = input.saturating_sub(cached).checked_mul(INPUT)?;
        let output = self.output.unwrap_or_default().checked_mul(OUTPUT)?;
        plain.checked_add(cached.checked_mul(CACHED)?)?.checked_add(output)
    }
}

const FIELDS: &[&str] = &[
    "name",
    "when",
    "per",
    "watch",
    "factor",
    "floor_usd_per_minute",
    "for",
    "then",
    "cool_down",
    "learn",
    "mode",
];

/// Reads the guards of a configuration.
#[cold]
#[inline(never)]
pub fn compile_guards(value: &Value, tag_names: &[String]) -> Result<Vec<GuardRule>, ConfigError> {
    let rules = list(value, |value| GuardRule::read(value, tag_names)).map_err(|e| e.within("guards"))?;
    named_once("guards", &rules, |rule| &rule.name)?;
    Ok(rules)
}

impl GuardRule {
    #[cold]
    #[inline(never)]
    fn read(value: &Value, tag_names: &[String]) -> Result<Self, ConfigError> {
        let form = Form::read(value, FIELDS)?;
        let name = form.text("name")?.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| ConfigError::new("name", "is needed, and must not be empty"))?;
        let words: Vec<_> = Watch::WORDS.iter().map(|(word, _)| format!("`{word}`")).collect();
        let needed = || ConfigError::new("watch", format!("is needed: one of {}", words.join(", ")));
        let watch = form.word("watch", &Watch::WORDS)?.ok_or_else(needed)?;
        let then = if form.value("then").is_some() { Then::read(&form)? } else { Then::Alert };
        let judge = Judge::read(&form, watch)?;
        Ok(Self {
            number: number(name, &judge),
            name: name.to_owned(),
            when: Selector::compile(&form.selector("when")?, tag_names).map_err(|e| e.within("when"))?,
            judge,
            then,
            mode: form
                .word("mode", &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)])?
                .unwrap_or_default(),
            per: form.list("per", |value| dimension(text(value)?, tag_names))?,
        })
    }

    /// Under which the past of a key of that number is kept.
    pub const fn past_id(&self, number: u64) -> PastId {
        PastId::new(number, self.number)
    }

    /// The key that a call falls under; `None` if the guard is not about the call.
    pub fn key(&self, facts: &Facts<'_>) -> Option<String> {
        self.when.matches(facts).then(|| self.key_of(facts))
    }

    /// The key of a call that the guard is about.
    pub fn key_of(&self, facts: &Facts<'_>) -> String {
        let mut key = String::new();
        write_values(&mut key, &self.per, facts);
        key
    }

    /// Whether it tells calls apart as another guard does: a call that both are about has the same key under both.
    pub fn has_keys_of(&self, other: &Self) -> bool {
        self.per == other.per
    }

    /// Names and values of a key.
    pub fn labels(&self, tag_names: &[String], key: &str) -> Vec<(String, String)> {
        labels(&self.per, tag_names, key)
    }

    /// Whether the body has to be seen before it is known what to do about a call.
    pub fn needs_body(&self) -> bool {
        self.then.rewrites() || self.when.needs_model() || self.per.contains(&Dimension::Model)
    }

    /// Whether a tag that the body, not read yet, may decide has to be known.
    pub fn needs_open_tag(&self, tags: &Tags) -> bool {
        let open = |per: &Dimension| matches!(per, Dimension::Tag(index) if tags.is_open(*index));
        self.when.needs_open_tag(tags) || self.per.iter().any(open)
    }
}

/// The number of a guard: what has another name or watches something else begins anew, and so does what has other days. Pasts count
/// them from the epoch on: numbers of days and of hours have nothing to do with each other.
fn number(name: &str, judge: &Judge) -> u32 {
    let mut hasher = DefaultHasher::new();
    (name, judge.watch.name(), judge.learn_s).hash(&mut hasher);
    guard_number(u32::try_from(hasher.finish() >> 32).unwrap_or(0), judge.watch.gauge())
}

impl Judge {
    fn read(form: &Form<'_>, watch: Watch) -> Result<Self, ConfigError> {
        let seconds = |name: &str, usual: i64| match form.text(name)? {
            Some(text) => duration(text).map_err(|problem| ConfigError::new(name, problem)),
            None => Ok(usual),
        };
        let within = |seconds: i64| u32::try_from(seconds).unwrap_or(u32::MAX);
        let idle = ["factor", "for"].into_iter().find(|name| form.value(name).is_some());
        if let Some(name) = idle.filter(|_| watch == Watch::SteadyGrowth) {
            return Err(ConfigError::new(name, "is nothing that `watch: steady_growth` goes by"));
        }
        let factor_256 = form.object("factor", factor)?.unwrap_or(watch.usual_factor().saturating_mul(256));
        let floor = form.money("floor_usd_per_minute")?;
        if floor.is_some() && watch != Watch::SpendRate {
            return Err(ConfigError::new("floor_usd_per_minute", "needs `watch: spend_rate`"));
        }
        let floor = floor.map_or(0, |floor| floor.pico().div_euclid(60));
        Ok(Self {
            watch,
            factor_256: u32::try_from(factor_256).unwrap_or(u32::MAX),
            drift: u32::from(Size::of(factor_256).0.saturating_sub(Size::of(256).0)).saturating_mul(256),
            for_s: within(seconds("for", 120)?),
            cool_down_s: within(seconds("cool_down", 600)?),
            learn_s: within(seconds("learn", 86_400)?),
            floor_pico_per_s: u64::try_from(floor).unwrap_or(u64::MAX),
        })
    }

    /// The last 16 bits of the number of a day.
    pub(super) fn day(&self, now_s: u32) -> u32 {
        now_s.checked_div(self.learn_s).unwrap_or(0) & 0xffff
    }

    /// What a call adds to what is watched; `None` if it says nothing about it.
    pub fn sample(&self, seen: &Seen) -> Option<Sample> {
        let pico = || seen.cost.and_then(|cost| u64::try_from(cost.pico()).ok());
        let one_if = |hit: bool| Size(u16::from(hit));
        let size = match self.watch {
            Watch::SpendRate => pico().map(Size::of),
            Watch::CostPerCall => pico().filter(|cost| *cost > 0).map(Size::of),
            Watch::CostPerToken => {
                let cost = pico().filter(|cost| *cost > 0)?.checked_mul(INPUT)?;
                cost.checked_div(seen.weighed()?).map(Size::of)
            }
            Watch::InputTokens => seen.input.filter(|input| *input > 0).map(Size::of),
            Watch::ErrorRate => seen.failed.map(one_if),
            Watch::UntaggedShare => Some(one_if(seen.untagged)),
            Watch::RepeatedShare => seen.repeats.map(one_if),
            Watch::SteadyGrowth => {
                return Sample::of_lengths(seen.input?, seen.output?).filter(|_| seen.failed == Some(false));
            }
        };
        size.map(Sample::from)
    }
}

/// How many times what is usual is tolerated: a number from 1.1 to 1000, with up to two decimals, or the same as a string. In 256ths.
fn factor(value: &Value) -> Result<u64, ConfigError> {
    const EXPECTED: &str = "a number from 1.1 to 1000, such as 4 or 1.5";
    let shown = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(wrong(value, EXPECTED)),
    };
    // Money has the decimals that are wanted here, and nothing else that a number can have.
    let pico = shown.parse::<PicoUsd>().ok().map(PicoUsd::pico);
    let pico = pico.filter(|pico| (1_100_000_000_000..=1_000_000_000_000_000).contains(pico));
    let in_256ths =
        pico.and_then(|pico| pico.checked_mul(256)).map(|pico| pico.div_euclid(1_000_000_000_000));
    in_256ths.and_then(|factor| u64::try_from(factor).ok()).ok_or_else(|| wrong(value, EXPECTED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Vec<GuardRule>, String> {
        compile_guards(&value, &["team".to_owned()]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_guard_needs_a_name_and_what_it_watches() {
        let rules = read(json!([{"name": "a", "watch": "spend_rate"}])).unwrap();
        let judge = &rules[0].judge;
        assert_eq!(
            (judge.factor_256, judge.drift, judge.for_s, judge.cool_down_s),
            (1024, 131_072, 120, 600)
        );
        assert_eq!((&rules[0].then, rules[0].mode), (&Then::Alert, Mode::Enforce));
        let rules = read(json!([
            {"name": "a", "watch": "input_tokens", "factor": 1.5, "for": "1m", "cool_down": "1h"},
            {"name": "b", "watch": "spend_rate", "factor": "2.5", "floor_usd_per_minute": "0.06", "then": {"downgrade": {"to": "m"}}},
        ]));
        let judges: Vec<_> = rules.unwrap().into_iter().map(|rule| rule.judge).collect();
        assert_eq!(
            (judges[0].factor_256, judges[0].drift, judges[0].for_s, judges[0].cool_down_s),
            (384, 32_768, 60, 3600)
        );
        assert_eq!((judges[1].factor_256, judges[1].floor_pico_per_s), (640, 1_000_000_000));
    }

    #[test]
    fn a_guard_keeps_its_pasts_unless_they_would_say_something_else() {
        let past = |guard: &str| {
            let guard: Value = serde_json::from_str(guard).unwrap();
            read(json!([guard])).unwrap()[0].past_id(7)
        };
        let before = past(r#"{"name":"a","watch":"error_rate"}"#);
        for (guard, is_kept) in [
            (r#"{"name":"a","watch":"error_rate","factor":9,"for":"1h","then":"deny","learn":"1d"}"#, true),
            (r#"{"name":"b","watch":"error_rate"}"#, false),
            (r#"{"name":"a","watch":"untagged_share"}"#, false),
            (r#"{"name":"a","watch":"error_rate","learn":"12h"}"#, false),
        ] {
            assert_eq!(past(guard) == before, is_kept, "{guard}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_path() {
        for (guard, message) in [
            (json!({"watch": "spend_rate"}), "guards[0].name: is needed"),
            (json!({"name": "a"}), "guards[0].watch: is needed: one of `spend_rate`, `cost_per_call`"),
            (
                json!({"name": "a", "watch": "spend"}),
                "guards[0].watch: unknown value `spend`, expected one of `spend_rate`",
            ),
            (
                json!({"name": "a", "watch": "spend_rate", "factor": 1}),
                "guards[0].factor: invalid number `1`, expected a number from 1.1",
            ),
            (json!({"name": "a", "watch": "spend_rate", "factor": [4]}), "guards[0].factor: invalid list"),
            (json!({"name": "a", "watch": "spend_rate", "for": "2x"}), "guards[0].for: unknown unit `x`"),
            (
                json!({"name": "a", "watch": "error_rate", "floor_usd_per_minute": "1"}),
                "guards[0].floor_usd_per_minute: needs `watch: spend_rate`",
            ),
            (
                json!({"name": "a", "watch": "steady_growth", "factor": 4}),
                "guards[0].factor: is nothing that `watch: steady_growth` goes by",
            ),
            (
                json!({"name": "a", "watch": "steady_growth", "for": "1m"}),
                "guards[0].for: is nothing that `watch: steady_growth` goes by",
            ),
            (json!({"name": "a", "watch": "spend_rate", "then": "warn"}), "guards[0].then: invalid string"),
            (
                json!({"name": "a", "watch": "spend_rate", "per": ["taem"]}),
                "guards[0].per[0]: unknown tag `taem`",
            ),
            (
                json!({"name": "a", "watch": "spend_rate", "action": "deny"}),
                "guards[0].action: unknown field `action`",
            ),
        ] {
            let error = read(json!([guard])).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
        let twice = json!([{"name": "a", "watch": "spend_rate"}, {"name": "a", "watch": "error_rate"}]);
        assert_eq!(read(twice).unwrap_err(), "guards[1].name: `a` stands twice");
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        let judge = |watch: &str| read(json!([{"name": "a", "watch": watch}])).unwrap().remove(0).judge;
        let seen = Seen {
            cost: Some(PicoUsd::from_pico(4096)),
            input: Some(16),
            cached: Some(8),
            output: Some(3),
            failed: Some(true),
            untagged: true,
            repeats: Some(true),
        };
        for (watch, of_all, of_nothing) in [
            ("spend_rate", Some(3072), None),
            ("cost_per_call", Some(3072), None),
            ("cost_per_token", Some(1928), None),
            ("input_tokens", Some(1024), None),
            ("error_rate", Some(1), None),
            ("untagged_share", Some(1), Some(0)),
            ("repeated_share", Some(1), None),
            ("steady_growth", None, None),
        ] {
            assert_eq!(judge(watch).sample(&seen), of_all.map(Sample), "{watch}");
            assert_eq!(judge(watch).sample(&Seen::default()), of_nothing.map(Sample), "{watch}");
        }
        let answered = Seen { failed: Some(false), ..seen };
        assert_eq!(judge("steady_growth").sample(&answered), Some(Sample((16 << 12) | 3)));
        for (input, output) in [(0, 3), (16, 0), (1 << 20, 3), (16, 1 << 12)] {
            let seen = Seen { input: Some(input), output: Some(output), ..answered };
            assert_eq!(judge("steady_growth").sample(&seen), None, "{input} {output}");
        }
    }
}
