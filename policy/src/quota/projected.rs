//! `warn_when_projected`: tells that a quota will be passed if its window goes on as it began, once in each window of each counter.

use super::QuotaRule;
use crate::config::ConfigError;
use crate::dimension::escape;
use crate::form::Form;
use crate::pages::Pages;
use crate::window::Window;

/// In the first tenth of a window nothing is said: a call more would be taken for ten and more.
const PARTS: i64 = 10;
const MOST_PERCENT: u64 = 1000;

/// What a counter comes to if its window goes on as it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    /// What will have been used at the window's end, in the quota's unit.
    pub amount: i128,
    /// The percentage of the limit that this passes, as configured.
    pub passes: i128,
    /// When the window began, in seconds of the epoch.
    pub begun: i64,
    /// When it ends.
    pub ends: i64,
}

/// Reads `warn_when_projected`, in percent of the limit.
#[cold]
pub(super) fn read(form: &Form<'_>, window: Window) -> Result<Option<i128>, ConfigError> {
    let refused = |problem: String| Err(ConfigError::new("warn_when_projected", problem));
    let Some(percent) = form.count("warn_when_projected")? else { return Ok(None) };
    if !(1..=MOST_PERCENT).contains(&percent) {
        return refused(format!("`{percent}` is not between 1 and {MOST_PERCENT}"));
    }
    match window {
        Window::Seconds(_) | Window::Calendar(..) => Ok(Some(i128::from(percent))),
        Window::Sliding(_) | Window::Now => {
            refused("needs a window that begins and ends, such as `month` or `6h`".to_owned())
        }
    }
}

impl QuotaRule {
    /// What a counter of which so much is used and reserved comes to, if that passes what is to be warned of.
    pub fn projected(&self, taken: i128, limit: i128, now: i64) -> Option<Projection> {
        let passes = self.warn_when_projected?;
        let (begun, ends) = self.window.span(now);
        let (length, passed) = (ends.checked_sub(begun)?, now.checked_sub(begun)?);
        if passed.checked_mul(PARTS)? < length {
            return None;
        }
        let amount = taken.checked_mul(length.into())?.checked_div(passed.into())?;
        let beyond = amount.checked_mul(100)? > limit.checked_mul(passes)?;
        beyond.then_some(Projection { amount, passes, begun, ends })
    }

    /// With less than this used nothing can be warned of, however little of the window has passed.
    pub(super) fn projects_nothing_below(&self, limit: i128) -> Option<i128> {
        limit.checked_mul(self.warn_when_projected?)?.checked_div(i128::from(PARTS).checked_mul(100)?)
    }
}

/// Where it is kept which counters were warned of, with the second in which that window began (two words): 16,384 of them at most, in 320 KB.
pub fn warned(namespace: &str) -> Pages {
    Pages { prefix: format!("tg/1/{}/warned", escape(namespace)), pages: 256, slots: 64, words: 2 }
}

#[cfg(test)]
mod tests {
    use crate::compile_quotas;
    use serde_json::{Value, json};

    fn quota(more: Value) -> Result<super::QuotaRule, String> {
        let mut quota = json!({"name": "q", "limit": {"requests": 1000}, "window": "1000s"});
        more.as_object().unwrap().iter().for_each(|(name, value)| quota[name] = value.clone());
        let (rules, _) = compile_quotas(&json!([quota]), &Value::Null, &[]).map_err(|e| e.to_string())?;
        Ok(rules.into_iter().next().unwrap())
    }

    #[test]
    fn what_goes_on_as_it_began_is_compared_with_the_limit_but_not_at_once() {
        let rule = quota(json!({"warn_when_projected": 100})).unwrap();
        for (why, taken, second, expected) in [
            ("the window has just begun", 900, 0, None),
            ("its first tenth is not over", 900, 99, None),
            ("it is over", 900, 100, Some(9000)),
            ("as much as the window allows is not more", 100, 100, None),
            ("a little more is", 101, 100, Some(1010)),
            ("in the middle", 501, 500, Some(1002)),
            ("at the end", 999, 999, None),
            ("at the end of one that is passed", 1001, 999, Some(1002)),
            ("the next window begins with nothing said", 1001, 1000, None),
            ("nothing was used", 0, 500, None),
            ("what cannot be counted", i128::MAX, 500, None),
        ] {
            let projected = rule.projected(taken, 1000, 7000 + second);
            assert_eq!(projected.map(|p| p.amount), expected, "{why}");
            let begun = 7000 + second - second % 1000;
            assert!(projected.is_none_or(|p| (p.begun, p.ends) == (begun, begun + 1000)), "{why}");
        }
        let early = quota(json!({"warn_when_projected": 50})).unwrap();
        assert_eq!(early.projected(251, 1000, 500).map(|p| p.passes), Some(50));
        assert_eq!(early.projected(250, 1000, 500), None);
        assert_eq!(quota(json!({})).unwrap().projected(999, 1000, 500), None, "nobody asked");
    }

    #[test]
    fn calendar_windows_have_their_own_lengths() {
        let month = json!({"warn_when_projected": 100, "window": "month"});
        let rule = quota(month).unwrap();
        // 2027-02-01 in UTC; February has 28 days, so its first tenth is over on the third day at 19:12.
        let february = 1_801_440_000;
        let tenth = 28 * 86_400 / 10;
        assert_eq!(rule.projected(200, 1000, february + tenth - 1), None);
        assert_eq!(rule.projected(200, 1000, february + tenth).map(|p| p.amount), Some(2000));
    }

    #[test]
    fn below_a_bound_no_time_of_the_window_warns() {
        let rule = quota(json!({"warn_when_projected": 80})).unwrap();
        let bound = rule.projects_nothing_below(1000).unwrap();
        assert_eq!(bound, 80);
        assert!((0..1000).all(|second| rule.projected(bound, 1000, second).is_none()));
        assert!((0..1000).any(|second| rule.projected(bound + 1, 1000, second).is_some()));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_path() {
        for (more, message) in [
            (
                json!({"warn_when_projected": 0}),
                "quotas[0].warn_when_projected: `0` is not between 1 and 1000",
            ),
            (json!({"warn_when_projected": "100"}), "quotas[0].warn_when_projected: invalid string"),
            (
                json!({"warn_when_projected": 90, "window": {"sliding": "1h"}}),
                "quotas[0].warn_when_projected: needs a window",
            ),
            (
                json!({"warn_when_projected": 90, "window": null, "limit": {"in_flight": 3}}),
                "quotas[0].warn_when_projected: needs a window",
            ),
        ] {
            let error = quota(more).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
