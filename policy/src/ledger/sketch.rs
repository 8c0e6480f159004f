//! How long a key's answers usually are: a histogram of output tokens in half octaves, small enough to stand in the
//! key's own counter.

/// Half octaves up to 2^24 tokens.
const BUCKETS: usize = 48;

/// Below this many answers nothing is said of what is usual.
const KNOWN_FROM: u32 = 20;

/// Counts of output tokens in half octaves. When a bucket is full all are halved, so that old answers fade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch(Vec<u8>);

impl Sketch {
    /// Takes in one answer's output tokens.
    pub(super) fn note(&mut self, tokens: u64) {
        let index = bucket(tokens);
        if self.0.len() <= index {
            self.0.resize(index.saturating_add(1), 0);
        }
        if self.0.get(index) == Some(&u8::MAX) {
            self.0.iter_mut().for_each(|count| *count /= 2);
        }
        if let Some(count) = self.0.get_mut(index) {
            *count = count.saturating_add(1);
        }
    }

    /// A count that 95 of 100 answers do not pass, rounded up to a half octave; `None` until there are enough of them.
    pub(super) fn p95(&self) -> Option<u64> {
        let total = self.total();
        let rare = total.checked_div(20)?;
        if total < KNOWN_FROM {
            return None;
        }
        let mut above = 0_u32;
        for (index, count) in self.0.iter().enumerate().rev() {
            above = above.saturating_add(u32::from(*count));
            if above > rare {
                return Some(top(index));
            }
        }
        None
    }

    fn total(&self) -> u32 {
        self.0.iter().map(|count| u32::from(*count)).sum()
    }

    /// The counts, for storing.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes stored counts back; `None` if there are more than there can be.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() <= BUCKETS).then(|| Self(bytes.to_vec()))
    }
}

/// The half octave of a count: 0 and 1, 2, 3, 4 to 5, 6 to 7, 8 to 11, ...
fn bucket(tokens: u64) -> usize {
    let octave = tokens.max(1).ilog2();
    let upper_half =
        octave > 0 && tokens.checked_shr(octave.saturating_sub(1)).is_some_and(|top| top & 1 == 1);
    let index = octave.saturating_mul(2).saturating_add(u32::from(upper_half));
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS.saturating_sub(1))
}

/// The greatest count of a half octave.
fn top(index: usize) -> u64 {
    let octave = u32::try_from(index / 2).unwrap_or(0);
    let begin = 1_u64.checked_shl(octave).unwrap_or(u64::MAX);
    let half = begin / 2;
    let end = if index.is_multiple_of(2) && octave > 0 {
        begin.saturating_add(half)
    } else {
        begin.saturating_mul(2)
    };
    end.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_lies_below_the_top_of_its_bucket_and_above_the_one_before() {
        for tokens in (1..5000).chain([1 << 20, (1 << 20) + (1 << 19), (1 << 21) - 1]) {
            let index = bucket(tokens);
            assert!(tokens <= top(index), "{tokens}");
            assert!(index < 2 || tokens > top(index - 1) || index == 1, "{tokens} {index}");
            assert!(top(index) < tokens * 2, "{tokens}");
        }
        assert_eq!((bucket(0), bucket(u64::MAX)), (0, BUCKETS - 1));
    }

    #[test]
    fn what_is_usual_is_known_after_twenty_answers_and_fades() {
        let mut sketch = Sketch::default();
        for _ in 0..19 {
            sketch.note(300);
            assert_eq!(sketch.p95(), None);
        }
        sketch.note(30_000);
        assert_eq!(sketch.p95(), Some(383));
        for _ in 0..10 {
            sketch.note(30_000);
        }
        assert_eq!(sketch.p95(), Some(32_767));
        for _ in 0..5000 {
            sketch.note(10);
        }
        assert_eq!(sketch.p95(), Some(11));
        assert_eq!(Sketch::from_bytes(sketch.bytes()), Some(sketch));
        assert_eq!(Sketch::from_bytes(&[1; 49]), None);
    }
}
