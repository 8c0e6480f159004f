//! `retries`: the same conversation sent again after an error or a time-out.

use crate::config::ConfigError;
use crate::dimension::escape;
use crate::form::Form;
use crate::pages::Pages;
use crate::quota::Mode;
use crate::selector::Selector;
use crate::then::Then;
use crate::window::duration;
use serde_json::Value;

/// The rule about retries.
#[derive(Clone, Debug)]
pub struct RetryRule {
    /// Which calls it is about.
    pub when: Selector,
    /// So many seconds after a failure the same conversation is no retry any more.
    pub within_s: u32,
    /// How often it may be sent again in a row.
    pub most: Option<u64>,
    /// What becomes of a call beyond that.
    pub then: Then,
    /// Whether it acts.
    pub mode: Mode,
}

/// What is known of a conversation that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// How often in a row.
    pub times: u32,
    /// When it did last, in seconds of the epoch.
    at: u32,
    /// A print of the model that did.
    model: u32,
}

/// How often a conversation failed before this call, and with which model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// How often it failed in a row.
    pub failures: u32,
    /// Whether this call asks the same model.
    pub same_model: bool,
    /// How long it should still wait under [`Then::Throttle`], in seconds.
    pub wait_s: Option<u32>,
}

/// A call sent again within this is a retry, unless the rule says otherwise.
const WITHIN: &str = "5m";

/// Whoever is slowed down waits this long at most.
const LONGEST_PAUSE_S: u32 = 60;

/// Reads the rule about retries of a configuration; nothing if there is none.
#[cold]
#[inline(never)]
pub fn compile_retries(value: &Value, tag_names: &[String]) -> Result<Option<RetryRule>, ConfigError> {
    if value.is_null() {
        return Ok(None);
    }
    RetryRule::read(value, tag_names).map(Some).map_err(|error| error.within("retries"))
}

impl RetryRule {
    fn read(value: &Value, tag_names: &[String]) -> Result<Self, ConfigError> {
        let form = Form::read(value, &["when", "within", "max", "then", "mode"])?;
        let within = form.text("within")?.unwrap_or(WITHIN);
        let within = duration(within).map_err(|problem| ConfigError::new("within", problem))?;
        let most = form.count("max")?;
        if most.is_none() && form.value("then").is_some() {
            return Err(ConfigError::new("max", "is needed: how often a call may be sent again"));
        }
        Ok(Self {
            when: Selector::compile(&form.selector("when")?, tag_names).map_err(|e| e.within("when"))?,
            within_s: u32::try_from(within).unwrap_or(u32::MAX),
            most,
            then: Then::read(&form)?,
            mode: form
                .word("mode", &[("enforce", Mode::Enforce), ("shadow", Mode::Shadow)])?
                .unwrap_or_default(),
        })
    }
}

impl Failures {
    /// How many words it takes.
    pub const WORDS: usize = 3;

    /// Reads what [`Failures::write`] wrote.
    pub fn read(words: &[u32]) -> Self {
        match words {
            [times, at, model] => Self { times: *times, at: *at, model: *model },
            _ => Self::default(),
        }
    }

    /// Writes it into as many words.
    pub fn write(&self, words: &mut [u32]) {
        for (word, value) in words.iter_mut().zip([self.times, self.at, self.model]) {
            *word = value;
        }
    }

    /// What a call at `now` with the same conversation is. `None` if nothing failed lately.
    pub fn again(&self, now: u32, within_s: u32, model: u64) -> Option<Again> {
        let over = self.at.checked_add(within_s).is_none_or(|end| end <= now);
        let shift = self.times.saturating_sub(1).min(6);
        let pause = 1_u32.checked_shl(shift).unwrap_or(LONGEST_PAUSE_S).min(LONGEST_PAUSE_S);
        (self.times > 0 && !over).then(|| Again {
            failures: self.times,
            same_model: self.model == short(model),
            wait_s: self.at.saturating_add(pause).checked_sub(now).filter(|wait| *wait > 0),
        })
    }

    /// One more, with this model.
    #[must_use]
    pub fn and_another(&self, now: u32, within_s: u32, model: u64) -> Self {
        let before = self.again(now, within_s, model).map_or(0, |again| again.failures);
        Self { times: before.saturating_add(1), at: now, model: short(model) }
    }
}

fn short(print: u64) -> u32 {
    u32::try_from(print >> 32).unwrap_or(0)
}

/// Where conversations that failed are kept: 65,536 of them at most, in 1.6 MB.
pub fn failures(namespace: &str) -> Pages {
    Pages {
        prefix: format!("tg/1/{}/retries", escape(namespace)),
        pages: 1024,
        slots: 64,
        words: Failures::WORDS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_sent_again_only_soon_after_it_failed() {
        let (one, other) = (1 << 32, 2 << 32);
        let failed = Failures::default().and_another(100, 60, one).and_another(110, 60, one);
        let again = |now, model| failed.again(now, 60, model).map(|a| (a.failures, a.same_model, a.wait_s));
        assert_eq!(again(110, one), Some((2, true, Some(2))));
        assert_eq!(again(112, one), Some((2, true, None)));
        assert_eq!(again(169, other), Some((2, false, None)), "another model");
        assert_eq!(again(170, one), None, "too late");
        assert_eq!(failed.and_another(200, 60, one).times, 1, "counted anew");
        assert_eq!(Failures::default().again(0, 60, one), None);
        let mut words = [0; Failures::WORDS];
        failed.write(&mut words);
        assert_eq!(Failures::read(&words), failed);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_path() {
        for (json, message) in [
            (r#"{"max":-1}"#, "retries.max: invalid number `-1`"),
            (r#"{"then":"deny"}"#, "retries.max: is needed: how often"),
            (r#"{"max":1,"within":"x"}"#, "retries.within: unknown unit `x`"),
            (
                r#"{"max":1,"mode":"off"}"#,
                "retries.mode: unknown value `off`, expected one of `enforce`, `shadow`",
            ),
            (r#"[]"#, "retries: invalid list, expected an object"),
        ] {
            let error = compile_retries(&serde_json::from_str(json).unwrap(), &[]).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
