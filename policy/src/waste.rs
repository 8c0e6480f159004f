//! `waste`: which calls are looked at for what of them was wasted, and what is remembered of what was said before.

use crate::config::ConfigError;
use crate::dimension::{Dimension, escape, write_values};
use crate::form::{Form, text};
use crate::pages::Pages;
use crate::quota::dimension;
use crate::selector::{Facts, Selector};
use crate::window::duration;
use serde_json::Value;

/// How calls are looked at for waste.
#[derive(Clone, Debug)]
pub struct WasteRule {
    /// Which calls.
    pub when: Selector,
    /// The same request again within so many milliseconds is a repetition.
    pub within_ms: u64,
    /// For so many milliseconds a provider's cache is expected to hold what it was sent.
    pub cached_for_ms: u64,
    /// Prefixes with fewer tokens no provider caches.
    pub least_cached_tokens: u64,
    /// What it would have saved to send so many turns only is reckoned; 0: it is not.
    pub keep_turns: usize,
    per: Vec<Dimension>,
}

const FIELDS: &[&str] = &["when", "per", "within", "cached_for", "min_cached_tokens", "keep_turns"];
const WITHIN: &str = "1h";
/// How long the caches of OpenAI, Anthropic and Gemini hold a prefix at least, unless one pays for more.
const CACHED_FOR: &str = "5m";
/// OpenAI and most models of Anthropic and Gemini cache nothing shorter.
const LEAST_CACHED_TOKENS: u64 = 1024;
/// One place is remembered for each turn that is kept.
const MOST_KEPT_TURNS: u64 = 1000;

/// Reads `waste` of a configuration; nothing if there is none.
#[cold]
#[inline(never)]
pub fn compile_waste(value: &Value, tag_names: &[String]) -> Result<Option<WasteRule>, ConfigError> {
    if value.is_null() {
        return Ok(None);
    }
    WasteRule::read(value, tag_names).map(Some).map_err(|error| error.within("waste"))
}

impl WasteRule {
    #[cold]
    fn read(value: &Value, tag_names: &[String]) -> Result<Self, ConfigError> {
        let form = Form::read(value, FIELDS)?;
        let keep_turns = form.count("keep_turns")?;
        if let Some(turns) = keep_turns.filter(|turns| !(1..=MOST_KEPT_TURNS).contains(turns)) {
            let problem = format!("`{turns}` is not between 1 and {MOST_KEPT_TURNS}");
            return Err(ConfigError::new("keep_turns", problem));
        }
        Ok(Self {
            when: Selector::compile(&form.selector("when")?, tag_names).map_err(|e| e.within("when"))?,
            within_ms: millis(&form, "within", WITHIN)?,
            cached_for_ms: millis(&form, "cached_for", CACHED_FOR)?,
            least_cached_tokens: form.count("min_cached_tokens")?.unwrap_or(LEAST_CACHED_TOKENS),
            keep_turns: keep_turns.and_then(|turns| usize::try_from(turns).ok()).unwrap_or(0),
            per: form.list("per", |value| dimension(text(value)?, tag_names))?,
        })
    }

    /// What tells apart calls that are not compared with each other: whose they are, and who answers them.
    pub fn key(&self, facts: &Facts<'_>) -> String {
        let mut key = escape(facts.provider) + "/" + &escape(facts.model.unwrap_or_default());
        write_values(&mut key, &self.per, facts);
        key
    }
}

fn millis(form: &Form<'_>, field: &'static str, default: &str) -> Result<u64, ConfigError> {
    let seconds = duration(form.text(field)?.unwrap_or(default));
    let seconds = seconds.map_err(|problem| ConfigError::new(field, problem))?;
    Ok(u64::try_from(seconds).unwrap_or(u64::MAX).saturating_mul(1000))
}

/// Something that was said before: when last, and how far that call's conversation went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// When the last call that said it was over, in milliseconds of the epoch; 0: never.
    pub at_ms: u64,
    /// How many messages it had.
    pub messages: u32,
    /// The print of all of them.
    pub print: u64,
}

impl Said {
    /// How many words it takes.
    pub const WORDS: usize = 5;

    /// Reads what [`Said::write`] wrote.
    pub fn read(words: &[u32]) -> Self {
        match words {
            [at_low, at_high, messages, low, high] => {
                Self { at_ms: joined(*at_low, *at_high), messages: *messages, print: joined(*low, *high) }
            }
            _ => Self::default(),
        }
    }

    /// Writes it into as many words.
    pub fn write(&self, words: &mut [u32]) {
        let halves = |value: u64| [half(value), half(value >> 32)];
        let ([at_low, at_high], [low, high]) = (halves(self.at_ms), halves(self.print));
        for (word, value) in words.iter_mut().zip([at_low, at_high, self.messages, low, high]) {
            *word = value;
        }
    }

    /// Whether it was said, and answered, before a call that began at this instant, and no longer than so long before. Calls that run at
    /// the same time cannot profit from each other.
    pub fn was_before(&self, began_ms: u64, within_ms: u64) -> bool {
        let ago = began_ms.checked_sub(self.at_ms);
        self.at_ms > 0 && ago.is_some_and(|ago| ago < within_ms)
    }
}

fn joined(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn half(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(0)
}

/// Where what was said is kept: 131,072 prints at most, of 32 bytes each, in 4 MiB.
pub fn said_before(namespace: &str) -> Pages {
    Pages { prefix: format!("tg/1/{}/said", escape(namespace)), pages: 2048, slots: 64, words: Said::WORDS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_with_its_path() {
        for (json, message) in [
            ("true", "waste: invalid boolean `true`, expected an object"),
            (r#"{"mode":"on"}"#, "waste.mode: unknown field `mode`, expected one of `when`, `per`"),
            (r#"{"when":{"taem":"a"}}"#, "waste.when.taem: "),
            (
                r#"{"per":["taem"]}"#,
                "waste.per[0]: unknown tag `taem`, expected one of `provider`, `model`, `team`",
            ),
            (r#"{"within":"x"}"#, "waste.within: unknown unit `x`"),
            (r#"{"cached_for":5}"#, "waste.cached_for: invalid number `5`, expected a string"),
            (r#"{"keep_turns":0}"#, "waste.keep_turns: `0` is not between 1 and 1000"),
            (r#"{"min_cached_tokens":-1}"#, "waste.min_cached_tokens: invalid number `-1`"),
        ] {
            let value = serde_json::from_str(json).unwrap();
            let error = compile_waste(&value, &["team".to_owned()]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        assert!(compile_waste(&Value::Null, &[]).unwrap().is_none());
        let rule = compile_waste(&serde_json::json!({}), &[]).unwrap().unwrap();
        let expected = (3_600_000, 300_000, 1024, 0);
        assert_eq!((rule.within_ms, rule.cached_for_ms, rule.least_cached_tokens, rule.keep_turns), expected);
    }

    #[test]
    fn what_was_said_counts_only_if_it_was_over_before_and_not_long_ago() {
        let said = Said { at_ms: 5_000_000_000, messages: 7, print: u64::MAX - 1 };
        let mut words = [0; Said::WORDS];
        said.write(&mut words);
        assert_eq!(Said::read(&words), said);
        for (began, expected) in
            [(4_999_999_999, false), (5_000_000_000, true), (5_000_000_059, true), (5_000_000_060, false)]
        {
            assert_eq!(said.was_before(began, 60), expected, "{began}");
        }
        assert!(!Said::default().was_before(10, 60), "never");
    }

    #[test]
    fn the_table_takes_4_mib_at_most() {
        let pages = said_before("n");
        let slots = pages.pages * u64::try_from(pages.slots * pages.slot_bytes()).unwrap();
        assert_eq!(slots, 4 << 20);
    }
}
