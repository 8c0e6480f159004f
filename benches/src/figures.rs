//! Samples and what is read out of them.

/// A median with the range around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Half of the samples lie below.
    pub median: f64,
    /// The lowest sample.
    pub low: f64,
    /// The highest sample.
    pub high: f64,
}

impl Spread {
    /// Of no samples there is none.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let middle = |index: usize| sorted.get(index).copied();
        let (below, above) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
        Some(Self {
            median: f64::midpoint(middle(below)?, middle(above)?),
            low: *sorted.first()?,
            high: *sorted.last()?,
        })
    }
}

/// Microseconds of CPU per call, one figure a round.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// One figure a round, in the order of the rounds.
    pub micros: Vec<f64>,
    /// Whether the filter counted the calls as read; unknown where it counts nothing.
    pub read: Option<bool>,
}

impl Cell {
    /// What the filter adds to the plain path, each sample against the plain one of its own round.
    pub fn over(&self, plain: &Self) -> Option<Spread> {
        Spread::of(self.micros.iter().zip(&plain.micros).map(|(with, without)| with - without))
    }

    /// What a call costs in all.
    pub fn absolute(&self) -> Option<Spread> {
        Spread::of(self.micros.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(samples: &[f64], expected: Option<(f64, f64, f64)>) {
        let spread = Spread::of(samples.iter().copied());
        assert_eq!(spread.map(|spread| (spread.median, spread.low, spread.high)), expected, "{samples:?}");
    }

    #[test]
    fn a_spread_is_the_median_and_the_ends() {
        check(&[], None);
        check(&[3.0], Some((3.0, 3.0, 3.0)));
        check(&[9.0, 1.0], Some((5.0, 1.0, 9.0)));
        check(&[9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0)));
    }

    #[test]
    fn overhead_is_taken_round_by_round() {
        let cell = |micros: &[f64]| Cell { micros: micros.to_vec(), read: None };
        let over = cell(&[110.0, 220.0, 330.0]).over(&cell(&[100.0, 200.0, 300.0]));
        assert_eq!(over, Some(Spread { median: 20.0, low: 10.0, high: 30.0 }));
    }
}
