//! Calls that go on by the same step: an agent that runs in circles says the same at every turn, so its answers are all of one length,
//! and each request is longer than the one before by the same number of tokens.

use super::{ONE, Past, scaled};
use crate::guard::Judge;
use crate::guard::size::Sample;

/// The last calls of a key, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Turns([Turn; KEPT]);

/// One call; without lengths if there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Turn {
    lengths: Sample,
    at_s: u32,
}

/// So many calls are remembered: four of each of five agents, and some others.
const KEPT: usize = 24;
/// For so long: four rounds of the longest circle that is to be seen.
const SPAN_S: u32 = 180;
/// A step has so many tokens at least: what was said at a turn, and what was answered.
const LEAST_STEP: u32 = 50;
/// So many calls in a row are a march. Two prove nothing: any two calls have some step.
const MARCH: usize = 3;
/// Answers of fewer tokens are often of one length by chance: one call more is needed. Of 1,334 marches of three that chance made in
/// three weeks of 4,900 busy keys, 1,127 had such answers; of four there was none.
const SHORT: u32 = 48;
/// What a march adds to the level that goes on, past its third call.
const GOES_ON: u32 = 2 * ONE;
/// What a call drains at the least: marches that chance makes lie further apart.
const LEAST_DRIFT: u32 = ONE / 32;

/// What a call that does not march drains once there was one too many: what is over is to end soon.
const OVER: u32 = ONE / 2;

impl Turns {
    /// How many words they take.
    pub const WORDS: usize = KEPT * 2;

    /// Reads what [`Turns::write`] wrote.
    pub fn read(words: &[[u8; 4]]) -> Self {
        let mut turns = Self::default();
        for (turn, [lengths, at_s]) in turns.0.iter_mut().zip(words.as_chunks::<2>().0) {
            *turn = Turn { lengths: Sample(u32::from_le_bytes(*lengths)), at_s: u32::from_le_bytes(*at_s) };
        }
        turns
    }

    /// Writes them into [`Turns::WORDS`] words.
    pub fn write(&self, words: &mut [[u8; 4]]) {
        for (turn, words) in self.0.iter().zip(words.as_chunks_mut::<2>().0) {
            *words = [turn.lengths.0, turn.at_s].map(u32::to_le_bytes);
        }
    }

    /// Remembers a call.
    fn push(&mut self, lengths: Sample, at_s: u32) {
        self.0.rotate_right(1);
        if let Some(newest) = self.0.first_mut() {
            *newest = Turn { lengths, at_s };
        }
    }

    /// How many calls a march has that a call goes on with, itself included, less one if its answers are short; 1 if it does not, or if
    /// other calls have answers of that length too, so that it says nothing.
    fn march(&self, lengths: Sample, at_s: u32) -> usize {
        let (input, output) = lengths.lengths();
        let is_like =
            |turn: &&Turn| turn.lengths.lengths().1 == output && at_s.saturating_sub(turn.at_s) <= SPAN_S;
        let like = self.0.iter().filter(is_like).map(|turn| turn.lengths.lengths().0);
        let firsts = like.clone().enumerate();
        let marches = firsts.filter_map(|(nth, before)| {
            let step = input.checked_sub(before).filter(|step| *step >= LEAST_STEP)?;
            Some(steps_back(before, step, like.clone().skip(nth)).saturating_add(1))
        });
        let longest = marches.max().unwrap_or(1);
        let others = like.count().saturating_add(1).saturating_sub(longest);
        let telling = longest.saturating_sub(usize::from(output < SHORT)).max(1);
        if others.saturating_mul(2) > longest { 1 } else { telling }
    }
}

/// How many inputs are each as much longer than the next as the step says, from the first on. What was cut to whole tokens may be off by one.
fn steps_back(first: u32, step: u32, inputs: impl Iterator<Item = u32>) -> usize {
    let (mut count, mut last) = (1_usize, first);
    for input in inputs {
        if last.checked_sub(input).is_some_and(|apart| apart.abs_diff(step) <= 1) {
            (count, last) = (count.saturating_add(1), input);
        }
    }
    count
}

impl Past {
    /// Takes in how long calls were. What marches on usual days drains away, so that a job which does is no news.
    #[inline(never)]
    pub(super) fn absorb_turns(&mut self, judge: &Judge, now_s: u32, samples: &[Sample]) {
        let mut turns = self.turns.take().unwrap_or_default();
        let drift = scaled(self.normal, judge.factor_256.saturating_mul(2), 256).max(LEAST_DRIFT);
        for (index, sample) in samples.iter().enumerate() {
            let march = turns.march(*sample, now_s);
            turns.push(*sample, now_s);
            self.blend(if march < MARCH { 0 } else { ONE }, index);
            if self.days > 0 {
                self.levels[0].add(match march {
                    0..MARCH => 0,
                    MARCH => ONE,
                    _ => GOES_ON,
                });
                // Calls that follow in the same tick may drain it again, and it is what it rose to that is usual.
                if march >= MARCH {
                    self.levels[0].note();
                }
                let is_over = self.fired_s > 0 && march < MARCH;
                self.levels[0].drain(if is_over { drift.max(OVER) } else { drift });
            }
        }
        self.turns = Some(turns);
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests {
    use super::*;

    /// How many calls each call marches with, of calls so many seconds apart.
    fn marches(calls: &[(u64, u64)], apart_s: u32) -> Vec<usize> {
        let mut turns = Turns::default();
        let one = |(at_s, call): (u32, &(u64, u64))| {
            let lengths = Sample::of_lengths(call.0, call.1).unwrap();
            let found = turns.march(lengths, at_s * apart_s);
            turns.push(lengths, at_s * apart_s);
            found
        };
        (1..).zip(calls).map(one).collect()
    }

    #[test]
    fn calls_march_where_answers_are_of_one_length_and_inputs_grow_by_one_step() {
        for (name, calls, apart_s, expected) in [
            ("one agent", vec![(900, 80), (1400, 80), (1901, 80), (2401, 80)], 6, vec![1, 2, 3, 4]),
            (
                "two agents, and somebody else",
                vec![(900, 80), (900, 70), (1400, 80), (5000, 9), (1300, 70), (1900, 80), (1700, 70)],
                6,
                vec![1, 1, 2, 1, 2, 3, 3],
            ),
            (
                "a circle of two steps",
                vec![(900, 80), (1000, 30), (1400, 80), (1500, 30), (1900, 80), (2000, 30)],
                6,
                vec![1, 1, 2, 1, 3, 2],
            ),
            ("short answers", vec![(900, 47), (1400, 47), (1900, 47), (2400, 47)], 6, vec![1, 1, 2, 3]),
            (
                "another step each time",
                vec![(900, 80), (1400, 80), (1910, 80), (2430, 80)],
                6,
                vec![1, 2, 2, 1],
            ),
            ("answers of other lengths", vec![(900, 80), (1400, 81), (1900, 82)], 6, vec![1, 1, 1]),
            ("steps of a few tokens", vec![(900, 80), (920, 80), (940, 80)], 6, vec![1, 1, 1]),
            ("the same call again", vec![(900, 80); 3], 6, vec![1, 1, 1]),
            ("hours between them", vec![(900, 80), (1400, 80), (1900, 80)], 3600, vec![1, 1, 1]),
            (
                "answers that are always of that length",
                vec![(700, 90), (300, 90), (9000, 90), (900, 90), (1400, 90), (1900, 90)],
                6,
                vec![1, 1, 2, 1, 1, 1],
            ),
        ] {
            assert_eq!(marches(&calls, apart_s), expected, "{name}");
        }
    }

    #[test]
    fn stored_turns_are_the_same() {
        let mut turns = Turns::default();
        (1..40).for_each(|call| turns.push(Sample(call), call * 7));
        let mut words = [[0; 4]; Turns::WORDS];
        turns.write(&mut words);
        assert_eq!(Turns::read(&words), turns);
    }
}
