//! How soon an incident can be noticed at all: an oracle knows everything about a key and what will happen to it, except when.
//!
//! A prompt that doubles shows in nothing but the lengths of inputs. The oracle adds them up by the rule of Shiryaev and Roberts with
//! the true distributions: while nothing has happened, its sum less the number of calls is a martingale, so it pages without a reason
//! once in so many calls as its sum must reach, or less often; and no rule that errs as rarely is much quicker (Pollak, Annals of
//! Statistics 13, 1985). Incidents of other kinds are granted to it with their first call.

use crate::incident::Kind;
use crate::key::{Call, Key, TAIL_EXPONENT, TAIL_SHARE};
use std::f64::consts::{LN_2, TAU};

pub struct Oracle {
    kind: Kind,
    /// Of the logarithm of inputs.
    mean: f64,
    deviation: f64,
    sum: f64,
    /// One page without a reason in so many calls.
    enough: f64,
}

/// One page without a reason in a week, by this many keys together.
const KEYS: f64 = 10_000.0;

impl Oracle {
    pub fn new(key: &Key, kind: Kind) -> Self {
        let (mean, deviation) = (key.input_median.ln(), key.input_deviation);
        Self { kind, mean, deviation, sum: 0.0, enough: key.calls_per_day * 7.0 * KEYS }
    }

    /// Whether it is sure after this call that the incident has begun.
    pub fn is_sure(&mut self, call: &Call) -> bool {
        if self.kind != Kind::PromptDoubling {
            return call.extra > 0;
        }
        if call.error {
            return false;
        }
        let length = f64::from(call.input).ln();
        self.sum = (1.0 + self.sum) * self.density(length - LN_2) / self.density(length);
        if self.sum < self.enough {
            return false;
        }
        self.sum = 0.0;
        true
    }

    /// Of the logarithm of an input.
    fn density(&self, length: f64) -> f64 {
        let apart = length - self.mean;
        let body = (-(apart / self.deviation).powi(2) / 2.0).exp() / (self.deviation * TAU.sqrt());
        let tail = if apart > 0.0 { TAIL_EXPONENT * (-TAIL_EXPONENT * apart).exp() } else { 0.0 };
        (1.0 - TAIL_SHARE) * body + TAIL_SHARE * tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::days::Days;
    use crate::dice::Dice;
    use crate::incident::Incident;
    use crate::key::DAY_S;

    #[test]
    fn it_is_sure_soon_after_a_prompt_has_doubled_and_not_before() {
        let key = Key { calls_per_day: 5_000.0, ..Key::draw(&mut Dice::new(3, 0), 1000.0) };
        let incident = Incident::draw(Kind::PromptDoubling, 5 * DAY_S, &key, (0.5, 0.0), Dice::new(3, 2));
        let mut oracle = Oracle::new(&key, Kind::PromptDoubling);
        let mut days = Days::new(key, 3, 1, Some(incident));
        let sure = |oracle: &mut Oracle, calls: Vec<Call>| calls.iter().position(|call| oracle.is_sure(call));
        (0..5).for_each(|day| assert_eq!(sure(&mut oracle, days.next_day()), None, "day {day}"));
        assert!(sure(&mut oracle, days.next_day()).is_some_and(|calls| calls < 500));
    }
}
