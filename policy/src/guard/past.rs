//! One key's past, and what departs from it.
//!
//! What lies above `factor` times normal adds up in a *level*, and what lies below drains it: so nothing fires while the watched
//! value stays under `factor` times normal, and what is far above fires soon. How high the level rises on normal days is learned as
//! well: a key whose calls come in bursts or differ by orders of magnitude needs a higher level to stand out than one whose
//! calls are all alike. Page (Biometrika 41, 1954) has the statistic, which is the fastest there is for a known change; that the
//! highest levels of days are a measure of its noise follows from their exponential tail.

mod march;
mod spend;

use super::Judge;
use super::level::Level;
use super::rule::{Gauge, Watch};
use super::season::Season;
use super::size::{Sample, expanded};
use march::Turns;

/// One key's past under one guard. Levels, means and shares are in 65,536ths: of a call, an octave, or a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// When it was changed last, in seconds since the epoch.
    pub seen_s: u32,
    /// When what is going on began; 0 if nothing is.
    pub fired_s: u32,
    /// When it was seen last that it is going on.
    pub last_s: u32,
    /// The day of the epoch that is being learned, its last 16 bits. Where this says day, it means the judge's period.
    day: u32,
    /// How many days have been learned.
    days: u32,
    /// What adds up. Only spend has more than the first.
    levels: [Level; LEVELS],
    /// What is usual, and what this day has.
    normal: u32,
    mean: u32,
    /// Samples of this day, and of a usual one.
    samples: u32,
    usual_samples: u32,
    season: Option<Season>,
    turns: Option<Box<Turns>>,
}

/// What has changed for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Episode {
    /// It departs from its past.
    Began,
    /// It is back to normal, and has been for the cool-down.
    Ended,
}

/// How many levels spend has: of money, and of calls at three paces.
const LEVELS: usize = 4;
/// How many words a key has besides its levels and season.
const OWN_WORDS: usize = 8;
/// And how many those have that remember more than one level.
const LONG_WORDS: usize = OWN_WORDS + LEVELS * Level::WORDS + Season::WORDS;
const _: () = assert!(OWN_WORDS + Level::WORDS + Turns::WORDS <= LONG_WORDS, "turns fit into a long past");
/// One, in levels and means.
const ONE: u32 = 65_536;
/// A day that was learned has so many samples at least; else it goes on.
const LEARNABLE: u32 = 50;
/// A key is judged once so many days are known.
const KNOWN_DAYS: u32 = 2;
/// One day in 2 to this power, in 256ths: that many days have ten thousand keys of some guards in many weeks. Found by how high the
/// levels of thousands of keys rise in weeks in which nothing happens (`docs/guards.md`).
const RARE: u32 = 5700;
/// The same of prompts: of what they cost when they grow, nothing else tells as soon.
const RARE_PROMPT: u32 = 4300;
/// The same of prices by the token, which hardly differ: a dearer model shows in the first call.
const RARE_PRICE: u32 = 5000;
/// So much more is needed as long as only few days are known.
const DOUBT_DAYS: u32 = 2;
/// The same of spend, whose days are less alike.
const DOUBT_DAYS_SPEND: u32 = 3;
/// A key that makes fewer calls a day is small: what it does on a usual day says less about a rare one,
const FEW_CALLS: u32 = 700;
/// which has to be so much rarer, in 256ths of an octave.
const RARER_OF_FEW: u32 = 900;
/// Samples over which the mean of a day is formed: longer days forget their mornings.
const MEAN_OF: u32 = 16_384;

impl Past {
    /// A key that was never seen.
    pub fn new(judge: &Judge, now_s: u32) -> Self {
        let season = (judge.watch.gauge() == Gauge::Rate).then(|| Season::new(now_s / 3600));
        Self {
            seen_s: now_s,
            fired_s: 0,
            last_s: 0,
            day: judge.day(now_s),
            days: 0,
            levels: [Level::default(); LEVELS],
            normal: 0,
            mean: 0,
            samples: 0,
            usual_samples: 0,
            season,
            turns: None,
        }
    }

    /// How many words it takes.
    pub const fn words(gauge: Gauge) -> usize {
        match gauge {
            Gauge::Rate | Gauge::March => LONG_WORDS,
            Gauge::Value | Gauge::Share => OWN_WORDS + Level::WORDS,
        }
    }

    /// Reads what [`Past::write`] wrote; all zeros are a key that was never seen.
    pub fn read(judge: &Judge, words: &[[u8; 4]], now_s: u32) -> Self {
        let Some((own, rest)) = words.split_first_chunk::<OWN_WORDS>().filter(|(own, _)| own[0] != [0; 4])
        else {
            return Self::new(judge, now_s);
        };
        let [seen_s, fired_s, last_s, both, normal, mean, samples, usual_samples] =
            own.map(u32::from_le_bytes);
        let (day, days) = (both >> 16, both & 0xffff);
        let is_rate = judge.watch.gauge() == Gauge::Rate;
        let stored = if is_rate { LEVELS } else { 1 };
        let mut levels = [Level::default(); LEVELS];
        let pairs = rest.as_chunks::<{ Level::WORDS }>().0.iter().take(stored);
        levels
            .iter_mut()
            .zip(pairs)
            .for_each(|(level, words)| *level = Level::read(words.map(u32::from_le_bytes)));
        let turns = (judge.watch.gauge() == Gauge::March)
            .then(|| Box::new(Turns::read(rest.get(Level::WORDS..).unwrap_or_default())));
        let rest = rest.get(LEVELS * Level::WORDS..).unwrap_or_default();
        let season = is_rate.then(|| Season::read(rest).unwrap_or_else(|| Season::new(now_s / 3600)));
        Self {
            seen_s,
            fired_s,
            last_s,
            day,
            days,
            levels,
            normal,
            mean,
            samples,
            usual_samples,
            season,
            turns,
        }
    }

    /// Writes it into [`Past::words`] words.
    pub fn write(&self, words: &mut [[u8; 4]]) {
        let Some((own, rest)) = words.split_first_chunk_mut::<OWN_WORDS>() else { return };
        *own = [
            self.seen_s,
            self.fired_s,
            self.last_s,
            (self.day << 16) | self.days.min(0xffff),
            self.normal,
            self.mean,
            self.samples,
            self.usual_samples,
        ]
        .map(u32::to_le_bytes);
        let pairs = rest.as_chunks_mut::<{ Level::WORDS }>().0.iter_mut();
        let stored = if self.season.is_some() { LEVELS } else { 1 };
        pairs
            .zip(&self.levels)
            .take(stored)
            .for_each(|(words, level)| *words = level.write().map(u32::to_le_bytes));
        if let Some((season, rest)) = self.season.as_ref().zip(rest.get_mut(LEVELS * Level::WORDS..)) {
            season.write(rest);
        }
        if let Some((turns, rest)) = self.turns.as_ref().zip(rest.get_mut(Level::WORDS..)) {
            turns.write(rest);
        }
    }

    /// Takes in what calls showed that ended by now.
    pub fn absorb(&mut self, judge: &Judge, now_s: u32, samples: &[Sample]) -> Option<Episode> {
        self.turn_day(judge, now_s);
        let expected = self.season.as_ref().and_then(|season| season.expected(now_s / 3600));
        let per_hour = expected.unwrap_or(0).max(self.per_hour_of_day(judge));
        let thresholds = self.thresholds(judge, per_hour);
        match judge.watch.gauge() {
            Gauge::Rate => self.absorb_rate(judge, now_s, per_hour, samples),
            Gauge::Value => self.absorb_values(judge, samples),
            Gauge::Share => self.absorb_shares(judge, samples),
            Gauge::March => self.absorb_turns(judge, now_s, samples),
        }
        self.samples = self.samples.saturating_add(u32::try_from(samples.len()).unwrap_or(u32::MAX));
        self.seen_s = self.seen_s.max(now_s);
        for (index, (level, threshold)) in self.levels.iter_mut().zip(thresholds).enumerate() {
            // What has gone on for long is to end soon once it is over; money alone needs much to begin, and drains slowly.
            let is_money = index == 0 && self.season.is_some();
            level.settle(threshold.saturating_mul(if is_money { 2 } else { 8 }));
        }
        let known = self.days >= KNOWN_DAYS && (expected.is_some() || self.season.is_none());
        if known { self.judged(judge, now_s, thresholds) } else { None }
    }

    fn judged(&mut self, judge: &Judge, now_s: u32, thresholds: [u32; LEVELS]) -> Option<Episode> {
        let mut levels = self.levels.iter().zip(thresholds);
        if levels.any(|(level, threshold)| level.now >= threshold) {
            self.last_s = now_s;
            let news = self.fired_s == 0;
            self.fired_s = if news { now_s.max(1) } else { self.fired_s };
            return news.then_some(Episode::Began);
        }
        let over = self.fired_s > 0
            && self.levels.iter().zip(thresholds).all(|(level, threshold)| level.now < threshold / 2)
            && now_s.saturating_sub(self.last_s) >= judge.cool_down_s;
        over.then(|| {
            self.fired_s = 0;
            Episode::Ended
        })
    }

    /// Until when what is going on is acted on.
    pub const fn until_s(&self, judge: &Judge) -> u32 {
        self.last_s.saturating_add(judge.cool_down_s)
    }

    /// How many 256ths of the calls are too many; 0 if nothing is going on.
    pub fn excess(&self, judge: &Judge, now_s: u32) -> u8 {
        if self.fired_s == 0 {
            return 0;
        }
        let kept = |(level, threshold): (&Level, u32)| {
            u64::from(threshold).saturating_mul(256).checked_div(level.now.into()).unwrap_or(256)
        };
        let thresholds = self.thresholds(judge, self.per_hour(judge, now_s));
        let kept = self.levels.iter().zip(thresholds).map(kept).min().unwrap_or(256).min(256);
        u8::try_from(256_u64.saturating_sub(kept)).unwrap_or(u8::MAX)
    }

    /// What there is too much of, and what is usual, in the unit of what is watched: of spend, the pico-USD above what is tolerated
    /// and those usual in a minute; of calls, what a usual one has, with how far the mean of this day is; of shares, percent.
    pub fn shown(&self, judge: &Judge, now_s: u32) -> (u64, u64) {
        let usual = expanded(i64::from(self.normal >> 8), 0);
        match judge.watch.gauge() {
            Gauge::Rate => {
                let above = usual.saturating_mul(u64::from(self.levels[0].now >> 8)) / 256;
                (above, usual.saturating_mul(self.per_hour(judge, now_s).into()) / 60)
            }
            Gauge::Value => (expanded(i64::from(self.mean >> 8), 0), usual),
            Gauge::Share | Gauge::March => {
                (scaled(self.mean, 100, ONE).into(), scaled(self.normal, 100, ONE).into())
            }
        }
    }

    /// From which levels on a key departs from its past, where so many calls an hour are usual.
    #[inline(never)]
    fn thresholds(&self, judge: &Judge, per_hour: u32) -> [u32; LEVELS] {
        let lasting = match judge.watch.gauge() {
            Gauge::Rate => scaled(per_hour, judge.for_s, 3600),
            Gauge::Value => scaled(scaled(self.usual_samples, judge.for_s, judge.learn_s), judge.drift, ONE),
            Gauge::Share => scaled(scaled(self.usual_samples, judge.for_s, judge.learn_s), self.normal, ONE),
            Gauge::March => 0,
        };
        let least = lasting.min(16_383).saturating_mul(ONE).max(judge.watch.least());
        let is_small = self.usual_samples < FEW_CALLS;
        if self.season.is_some() {
            return self.spend_thresholds(least, is_small);
        }
        let rare = match judge.watch {
            Watch::InputTokens => RARE_PROMPT,
            Watch::CostPerToken => RARE_PRICE,
            _ => RARE,
        };
        let rare = rare.saturating_add(if is_small { RARER_OF_FEW } else { 0 });
        self.levels.map(|level| level.noise(self.usual_samples, self.days, (rare, DOUBT_DAYS)).max(least))
    }

    #[inline(never)]
    fn absorb_values(&mut self, judge: &Judge, samples: &[Sample]) {
        for (index, sample) in samples.iter().enumerate() {
            let value = u32::from(sample.size().0) << 8;
            if self.days == 0 {
                self.blend(value, index);
                continue;
            }
            let reach = judge.drift.saturating_add(judge.watch.most());
            let near = value.clamp(self.normal.saturating_sub(reach), self.normal.saturating_add(reach));
            self.blend(near, index);
            let usual = self.normal.saturating_add(judge.drift);
            self.levels[0].add(near);
            self.levels[0].drain(usual);
        }
    }

    #[inline(never)]
    fn absorb_shares(&mut self, judge: &Judge, samples: &[Sample]) {
        let usual = self.normal.max(ONE / 200);
        let drift = scaled(usual, judge.factor_256, 256).min(ONE / 10 * 9);
        for (index, sample) in samples.iter().enumerate() {
            let hit = if sample.0 == 0 { 0 } else { ONE };
            self.blend(hit, index);
            if self.days > 0 {
                self.levels[0].add(hit);
                self.levels[0].drain(drift);
            }
        }
    }

    /// Takes a sample into this day's mean.
    fn blend(&mut self, value: u32, index: usize) {
        let samples = self.samples.saturating_add(u32::try_from(index).unwrap_or(0)).min(MEAN_OF);
        let of = i64::from(samples).saturating_add(1);
        let apart = i64::from(value).saturating_sub(i64::from(self.mean));
        let step = apart.checked_div(of).unwrap_or(0);
        self.mean = u32::try_from(i64::from(self.mean).saturating_add(step)).unwrap_or(self.mean);
    }

    /// Once a day is over, what it had becomes part of what is usual.
    #[inline(never)]
    fn turn_day(&mut self, judge: &Judge, now_s: u32) {
        let today = judge.day(now_s);
        let passed = today.wrapping_sub(self.day) & 0xffff;
        // What comes late belongs to the day that runs.
        if passed == 0 || now_s < self.seen_s || self.samples < LEARNABLE {
            return;
        }
        let samples = self.samples.checked_div(passed).unwrap_or(self.samples);
        if self.season.is_some() {
            self.rebase();
        } else {
            self.normal = nearer(self.normal, self.mean, if self.days == 0 { 1 } else { 4 });
        }
        self.usual_samples = nearer(self.usual_samples, samples, if self.days == 0 { 1 } else { 4 });
        self.levels.iter_mut().for_each(|level| level.turn_day(self.days));
        self.days = self.days.saturating_add(1);
        (self.day, self.samples) = (today, 0);
        self.mean = if self.season.is_some() { ONE } else { self.normal };
    }
}

/// A part of the way from one to another.
fn nearer(from: u32, to: u32, part: i64) -> u32 {
    let step = i64::from(to).saturating_sub(i64::from(from)).checked_div(part).unwrap_or(0);
    u32::try_from(i64::from(from).saturating_add(step)).unwrap_or(from)
}

fn scaled(value: u32, by: u32, of: u32) -> u32 {
    let product = u64::from(value).saturating_mul(by.into());
    u32::try_from(product.checked_div(of.into()).unwrap_or(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
