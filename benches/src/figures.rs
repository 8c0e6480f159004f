//! Samples and what is read out of them.

/// A median with the middle half of the samples around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Half of the samples lie below.
    pub median: f64,
    /// A quarter of the samples lie below.
    pub low: f64,
    /// A quarter of the samples lie above.
    pub high: f64,
}

impl Spread {
    /// Of no samples there is none.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let sorted = sorted(samples);
        Some(Self {
            median: quantile(&sorted, 0.5)?,
            low: quantile(&sorted, 0.25)?,
            high: quantile(&sorted, 0.75)?,
        })
    }
}

/// The median of many samples, and where that of all that could be drawn lies in 95 of 100 cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likely {
    /// Half of the samples lie below.
    pub median: f64,
    /// Where it lies at least,
    pub low: f64,
    /// and at most.
    pub high: f64,
}

impl Likely {
    /// Of no samples there is none. The ends are samples: how many lie below the true median is binomial, whatever the samples'
    /// distribution.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let sorted = sorted(samples);
        let last = sorted.len().checked_sub(1)?;
        let away = 1.96 * (sorted.len() as f64).sqrt() / 2.0;
        let below = (sorted.len() as f64 / 2.0 - away).max(0.0) as usize;
        let ends = (sorted.get(below)?, sorted.get(last - below)?);
        Some(Self { median: quantile(&sorted, 0.5)?, low: *ends.0, high: *ends.1 })
    }

    /// The sum of two. Its ends are further apart than they need be.
    pub fn and(self, other: Self) -> Self {
        let sum = |of: fn(&Self) -> f64| of(&self) + of(&other);
        Self { median: sum(|of| of.median), low: sum(|of| of.low), high: sum(|of| of.high) }
    }
}

fn sorted(samples: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = samples.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// How long most calls take, and how long one in a hundred takes at least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waits {
    /// Half of the calls take less, in microseconds.
    pub p50: f64,
    /// One in a hundred takes longer; of fewer than [`ENOUGH_FOR_P99`] calls nobody knows.
    pub p99: Option<f64>,
}

/// Ten calls beyond the 99th percentile.
const ENOUGH_FOR_P99: usize = 1000;

/// The value below which that part of the sorted samples lies; between two samples in proportion.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = part * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

/// Microseconds of CPU per call, one figure a round.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// One figure a round, in the order of the rounds.
    pub micros: Vec<f64>,
    /// How long each call took, in microseconds.
    pub waits: Vec<f64>,
    /// Whether the filter counted the calls as read; unknown where it counts nothing.
    pub read: Option<bool>,
}

impl Cell {
    /// What the filter adds to the plain path, each sample against the plain one of its own round.
    pub fn over(&self, plain: &Self) -> Option<Spread> {
        Spread::of(self.micros.iter().zip(&plain.micros).map(|(with, without)| with - without))
    }

    /// What a call costs in the quietest tenth of the rounds.
    pub fn quiet(&self) -> Option<f64> {
        quantile(&sorted(self.micros.iter().copied()), 0.1)
    }

    /// How long calls take.
    pub fn waits(&self) -> Option<Waits> {
        let sorted = sorted(self.waits.iter().copied());
        let p99 = || quantile(&sorted, 0.99).filter(|_| sorted.len() >= ENOUGH_FOR_P99);
        Some(Waits { p50: quantile(&sorted, 0.5)?, p99: p99() })
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
    fn a_spread_is_the_median_and_the_middle_half() {
        check(&[], None);
        check(&[3.0], Some((3.0, 3.0, 3.0)));
        check(&[9.0, 1.0], Some((5.0, 3.0, 7.0)));
        check(&[9.0, 1.0, 2.0, 100.0, 4.0], Some((4.0, 2.0, 9.0)));
    }

    #[test]
    fn a_median_is_known_the_better_the_more_samples_there_are() {
        let likely =
            |count: u32| Likely::of((1..=count).map(f64::from)).map(|of| (of.median, of.low, of.high));
        assert_eq!(likely(0), None);
        assert_eq!(likely(1), Some((1.0, 1.0, 1.0)));
        assert_eq!(likely(4), Some((2.5, 1.0, 4.0)));
        // The 41st and the 60th: so has the binomial distribution.
        assert_eq!(likely(100), Some((50.5, 41.0, 60.0)));
        let one = Likely { median: 1.0, low: -1.0, high: 2.0 };
        assert_eq!(one.and(one), Likely { median: 2.0, low: -2.0, high: 4.0 });
    }

    #[test]
    fn a_99th_percentile_takes_a_thousand_calls() {
        let waits =
            |calls: u32| Cell { waits: (1..=calls).map(f64::from).collect(), ..Cell::default() }.waits();
        assert_eq!(waits(0), None);
        assert_eq!(waits(999), Some(Waits { p50: 500.0, p99: None }));
        assert_eq!(waits(1001), Some(Waits { p50: 501.0, p99: Some(991.0) }));
    }

    #[test]
    fn overhead_is_taken_round_by_round() {
        let cell = |micros: &[f64]| Cell { micros: micros.to_vec(), ..Cell::default() };
        let over = cell(&[110.0, 220.0, 330.0]).over(&cell(&[100.0, 200.0, 300.0]));
        assert_eq!(over, Some(Spread { median: 20.0, low: 15.0, high: 25.0 }));
    }
}
