//! Spend: each call counts by how much it costs, and `factor` times the usual calls drain away.

use super::{DOUBT_DAYS_SPEND, LEVELS, ONE, Past, scaled};
use crate::guard::Judge;
use crate::guard::size::{Sample, Size, expanded};

/// How calls add to one of the levels of spend, and what drains from it.
struct Pace {
    /// The most that a call adds, in usual calls.
    most: u32,
    /// Whether what a dear call adds is the root of how many usual ones it costs.
    tamed: bool,
    /// What drains is `factor` times what is usual at this hour, or so many times as many calls as is usual over the day,
    times: u32,
    /// or so many calls an hour: a user's session and an agent's turns are bursts that are no news.
    calls: u32,
    /// A day that reaches what fires is one in 2 to this power, in 256ths;
    rare: u32,
    /// and so much rarer it must be where calls come in bursts.
    bursty: u32,
    /// Below so much nothing fires.
    least: u32,
}

/// The first is of money: it rises as long as spend is above what is tolerated, whatever the reason. Single calls that cost as much
/// as many make it noisy. The others see that there are more calls than usual, in a quarter of an hour or in a minute; and the last,
/// that these are dear ones.
const PACES: [Pace; LEVELS] = [
    Pace { most: 16 * ONE, tamed: false, times: 1, calls: 0, rare: 7470, bursty: 0, least: 48 * ONE },
    Pace { most: ONE / 2 * 3, tamed: true, times: 1, calls: 60, rare: 3700, bursty: 7350, least: 0 },
    Pace { most: ONE / 2 * 3, tamed: true, times: 3, calls: 90, rare: 3400, bursty: 3300, least: 0 },
    Pace { most: 4 * ONE, tamed: true, times: 3, calls: 90, rare: 3200, bursty: 3150, least: 0 },
];
/// Calls that come one by one raise their levels to this on a usual day, and hardly ever to more than twice as much. From one call more
/// on they come in bursts, whose lengths differ by far more.
const STEADY: u32 = 3 * ONE;
/// Of a small key money alone says nothing below so many usual calls.
const LEAST_OF_FEW: u32 = 64 * ONE;
/// The most that a call counts for what a usual one costs.
const MOST_OF_MEAN: u32 = 16 * ONE;

impl Past {
    /// From which levels on a key departs from its past.
    pub(super) fn spend_thresholds(&self, least: u32, is_small: bool) -> [u32; LEVELS] {
        let mut thresholds = [least; LEVELS];
        for ((threshold, level), pace) in thresholds.iter_mut().zip(&self.levels).zip(&PACES) {
            let bursts = level.usual().saturating_sub(STEADY).min(ONE);
            let rare = pace.rare.saturating_add(scaled(pace.bursty, bursts, ONE));
            // So much rarer it must be where a usual day says little.
            let rare = if is_small { scaled(rare, 5, 3) } else { rare };
            let noise = level.noise(self.usual_samples, self.days, (rare, DOUBT_DAYS_SPEND));
            let alone = if is_small && pace.least > 0 { LEAST_OF_FEW } else { pace.least };
            *threshold = least.max(alone).max(noise);
        }
        thresholds
    }

    /// Takes in what calls cost, where so many an hour are usual.
    #[inline(never)]
    pub(super) fn absorb_rate(&mut self, judge: &Judge, now_s: u32, per_hour: u32, samples: &[Sample]) {
        self.drain(judge, now_s, per_hour);
        for (index, sample) in samples.iter().copied().map(Sample::size).enumerate() {
            if self.normal == 0 {
                (self.normal, self.mean) = (u32::from(sample.0) << 8, ONE);
            }
            let apart = i64::from(sample.0).saturating_sub(i64::from(self.normal >> 8));
            let [times, tamed] = [apart, apart.min(apart / 2)].map(in_calls);
            self.blend(times.min(MOST_OF_MEAN), index);
            for (level, pace) in self.levels.iter_mut().zip(&PACES) {
                level.add(if pace.tamed { tamed } else { times }.min(pace.most));
            }
            self.rebase_early(index);
        }
        let calls = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let tamed = self.fired_s > 0;
        if let Some(season) = &mut self.season {
            season.count(now_s / 3600, calls, tamed);
        }
    }

    /// What is tolerated drains away.
    fn drain(&mut self, judge: &Judge, now_s: u32, per_hour: u32) {
        let passed = u64::from(now_s.saturating_sub(self.seen_s));
        let usual = expanded(i64::from(self.normal >> 8), 0);
        let floor = judge.floor_pico_per_s.saturating_mul(ONE.into()).checked_div(usual).unwrap_or(0);
        let day = self.per_hour_of_day(judge);
        for (level, pace) in self.levels.iter_mut().zip(&PACES) {
            let calls = per_hour.max(day.saturating_mul(pace.times)).max(pace.calls);
            let an_hour = u64::from(calls).saturating_mul(judge.factor_256.into()).saturating_mul(256);
            let drained = an_hour.saturating_mul(passed).checked_div(3600).unwrap_or(0);
            let drained = drained.max(floor.saturating_mul(passed));
            level.drain(u32::try_from(drained).unwrap_or(u32::MAX));
        }
    }

    /// How many calls an hour are usual at an instant, or over the day where that is more.
    pub(super) fn per_hour(&self, judge: &Judge, now_s: u32) -> u32 {
        let expected = self.season.as_ref().and_then(|season| season.expected(now_s / 3600));
        expected.unwrap_or(0).max(self.per_hour_of_day(judge))
    }

    pub(super) fn per_hour_of_day(&self, judge: &Judge) -> u32 {
        scaled(self.usual_samples, 3600, judge.learn_s)
    }

    /// On a key's first day what is usual is corrected as it becomes known.
    fn rebase_early(&mut self, index: usize) {
        let samples = self.samples.saturating_add(u32::try_from(index).unwrap_or(0)).saturating_add(1);
        if self.days == 0 && samples.is_power_of_two() {
            self.rebase();
        }
    }

    /// What is usual is what a call costs on average from now on.
    pub(super) fn rebase(&mut self) {
        let octaves = i64::from(Size::of(self.mean.into()).0).saturating_sub(16 * 256);
        let normal = i64::from(self.normal).saturating_add(octaves.saturating_mul(256));
        (self.normal, self.mean) = (u32::try_from(normal.max(1)).unwrap_or(1), ONE);
    }
}

/// How many usual calls something is, in 65,536ths, by how far it is apart from one, in 256ths of an octave.
fn in_calls(apart: i64) -> u32 {
    u32::try_from(expanded(apart, 16)).unwrap_or(u32::MAX)
}
