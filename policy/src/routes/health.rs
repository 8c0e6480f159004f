//! How a model's calls fared lately, in two spans of time: the one that runs, and the one before.

use crate::dimension::escape;
use crate::pages::Pages;

/// Calls and errors of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    began: u32,
    calls: u32,
    errors: u32,
    calls_before: u32,
    errors_before: u32,
}

impl Health {
    /// How many words it takes.
    pub const WORDS: usize = 5;

    /// Reads what [`Health::write`] wrote.
    pub fn read(words: &[u32]) -> Self {
        match words {
            [began, calls, errors, calls_before, errors_before] => Self {
                began: *began,
                calls: *calls,
                errors: *errors,
                calls_before: *calls_before,
                errors_before: *errors_before,
            },
            _ => Self::default(),
        }
    }

    /// Writes it into as many words.
    pub fn write(&self, words: &mut [u32]) {
        let values = [self.began, self.calls, self.errors, self.calls_before, self.errors_before];
        words.iter_mut().zip(values).for_each(|(word, value)| *word = value);
    }

    /// Counts a call that ends at `now`.
    pub fn count(&mut self, now: u32, for_s: u32, failed: Failed) {
        self.roll(now, for_s);
        self.calls = self.calls.saturating_add(1);
        self.errors = self.errors.saturating_add(u32::from(failed == Failed::Yes));
    }

    /// Calls and errors of the last `for_s` seconds: of the span before as much as of it lies within.
    pub fn lately(mut self, now: u32, for_s: u32) -> (u64, u64) {
        self.roll(now, for_s);
        let left = u64::from(for_s.saturating_sub(now.saturating_sub(self.began)));
        let share =
            |count: u32| u64::from(count).saturating_mul(left).checked_div(u64::from(for_s)).unwrap_or(0);
        let sum = |now: u32, before: u32| u64::from(now).saturating_add(share(before));
        (sum(self.calls, self.calls_before), sum(self.errors, self.errors_before))
    }

    fn roll(&mut self, now: u32, for_s: u32) {
        let began = now.saturating_sub(now.checked_rem(for_s).unwrap_or(0));
        if began <= self.began {
            return;
        }
        let next = self.began.checked_add(for_s) == Some(began);
        let (calls, errors) = if next { (self.calls, self.errors) } else { (0, 0) };
        *self = Self { began, calls: 0, errors: 0, calls_before: calls, errors_before: errors };
    }
}

/// Whether the upstream failed a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It is overloaded, broken or away.
    Yes,
    /// It answered, be it that the request was wrong.
    No,
}

/// Where models are looked up: 4,096 of them at most, in 131 KB.
pub fn healths(namespace: &str) -> Pages {
    Pages {
        prefix: format!("tg/1/{}/health", escape(namespace)),
        pages: 256,
        slots: 16,
        words: Health::WORDS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_ago_counts_less_and_less() {
        let mut health = Health::default();
        (0..10).for_each(|n| health.count(600, 60, if n < 6 { Failed::Yes } else { Failed::No }));
        for (now, expected) in
            [(600, (10, 6)), (659, (10, 6)), (660, (10, 6)), (690, (5, 3)), (719, (0, 0)), (720, (0, 0))]
        {
            assert_eq!(health.lately(now, 60), expected, "{now}");
        }
        health.count(665, 60, Failed::No);
        assert_eq!(health.lately(690, 60), (6, 3));
        let mut words = [0; Health::WORDS];
        health.write(&mut words);
        assert_eq!(Health::read(&words), health);
    }
}
