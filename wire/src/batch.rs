//! The results of a batch: a line for each of its calls, summed up by model.

use crate::report::Part;
use crate::usage::{ReportedUsage, plus};

/// More models, or lengths of prompts, than this are not told apart: the last one takes the rest.
const MOST: usize = 64;

/// Prompts up to these lengths are summed up apart, so that a price that depends on a call's length can be found for the sum. A
/// test, `exchange/tests/batches.rs`, holds every tier of the catalogue against this list.
pub const PROMPT_LENGTHS: [u64; 9] =
    [32_000, 100_000, 128_000, 199_999, 200_000, 256_000, 272_000, 512_000, 524_288];

/// What the lines so far say.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    sums: Vec<Sum>,
}

#[derive(Debug)]
struct Sum {
    model: Option<String>,
    /// How many of the lengths its prompts are beyond.
    length: usize,
    longest: u64,
    usage: ReportedUsage,
}

impl Batch {
    /// Takes in one line's report.
    pub(crate) fn add(&mut self, model: Option<String>, usage: &ReportedUsage) {
        if usage.is_empty() {
            return;
        }
        let prompt = usage.input.unwrap_or_default();
        let length = prompt_length(prompt);
        let known = self.sums.iter().position(|sum| sum.model == model && sum.length == length);
        let full = self.sums.len() >= MOST;
        let place = known.or_else(|| full.then_some(MOST.saturating_sub(1)));
        match place.and_then(|place| self.sums.get_mut(place)) {
            Some(sum) => {
                sum.longest = sum.longest.max(prompt);
                sum.usage.inconsistent |= known.is_none();
                sum.usage.plus(usage);
            }
            None => self.sums.push(Sum { model, length, longest: prompt, usage: usage.clone() }),
        }
    }

    /// All lines together, and a part for each model and length.
    pub(crate) fn total(self) -> (ReportedUsage, Vec<Part>) {
        let mut total = ReportedUsage::default();
        self.sums.iter().for_each(|sum| total.plus(&sum.usage));
        let part = |sum: Sum| Part { model: sum.model, usage: sum.usage, longest_prompt: Some(sum.longest) };
        (total, self.sums.into_iter().map(part).collect())
    }
}

/// How many of the lengths a prompt is beyond.
pub(crate) fn prompt_length(prompt: u64) -> usize {
    PROMPT_LENGTHS.iter().filter(|border| prompt > **border).count()
}

impl ReportedUsage {
    /// Adds another call's counts.
    #[inline(never)]
    pub(crate) fn plus(&mut self, other: &Self) {
        let pairs = [
            (&mut self.input, other.input),
            (&mut self.output, other.output),
            (&mut self.cache_read, other.cache_read),
            (&mut self.cache_write, other.cache_write),
            (&mut self.cache_write_1h, other.cache_write_1h),
            (&mut self.reasoning, other.reasoning),
            (&mut self.input_audio, other.input_audio),
            (&mut self.input_image, other.input_image),
            (&mut self.input_video, other.input_video),
            (&mut self.cache_read_audio, other.cache_read_audio),
            (&mut self.cache_read_image, other.cache_read_image),
            (&mut self.cache_read_video, other.cache_read_video),
            (&mut self.output_audio, other.output_audio),
            (&mut self.output_image, other.output_image),
            (&mut self.output_video, other.output_video),
            (&mut self.citation, other.citation),
        ];
        for (count, more) in pairs {
            *count = plus(*count, more);
        }
        for (unit, quantity) in other.units.iter() {
            if self.units.add(unit, quantity).is_none() {
                self.inconsistent = true;
            }
        }
        self.inconsistent |= other.inconsistent;
    }
}
