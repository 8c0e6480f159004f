//! One key's past, and what departs from it.
//!
//! What lies above `factor` times normal adds up in a *level*, and what lies below drains it: so nothing fires while the watched
//! value stays under `factor` times normal, and what is far above fires soon. How high the level rises on normal days is learned as
//! well: a key whose calls come in bursts or differ by orders of magnitude needs a higher level to stand out than one whose
//! calls are all alike. Page (Biometrika 41, 1954) has the statistic, which is the fastest there is for a known change; that the
//! highest levels of days are a measure of its noise follows from their exponential tail.

use super::Judge;
use super::rule::Gauge;
use super::season::Season;
use super::size::{Size, expanded};

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
    level: u32,
    /// The highest level of this day.
    top: u32,
    /// How high the level rises on a usual day.
    tops: u32,
    /// What is usual, and what this day has.
    normal: u32,
    mean: u32,
    /// Samples of this day, and of a usual one.
    samples: u32,
    usual_samples: u32,
    season: Option<Season>,
}

/// What has changed for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Episode {
    /// It departs from its past.
    Began,
    /// It is back to normal, and has been for the cool-down.
    Ended,
}

/// How many words a key has besides its season.
const OWN_WORDS: usize = 11;
/// One, in levels and means.
const ONE: u32 = 65_536;
/// A day that was learned has so many samples at least; else it goes on.
const LEARNABLE: u32 = 50;
/// A key is judged once so many days are known.
const KNOWN_DAYS: u32 = 2;
/// One day in 2 to this power, in 256ths: a key that has no noise but this fires once in 1,500 years.
const RARE: u32 = 4966;
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
            level: 0,
            top: 0,
            tops: 0,
            normal: 0,
            mean: 0,
            samples: 0,
            usual_samples: 0,
            season,
        }
    }

    /// How many words it takes.
    pub const fn words(gauge: Gauge) -> usize {
        match gauge {
            Gauge::Rate => OWN_WORDS + Season::WORDS,
            Gauge::Value | Gauge::Share => OWN_WORDS,
        }
    }

    /// Reads what [`Past::write`] wrote; all zeros are a key that was never seen.
    pub fn read(judge: &Judge, words: &[u32], now_s: u32) -> Self {
        let Some((own, rest)) = words.split_first_chunk::<OWN_WORDS>().filter(|(own, _)| own[0] > 0) else {
            return Self::new(judge, now_s);
        };
        let [seen_s, fired_s, last_s, both, level, top, tops, normal, mean, samples, usual_samples] = *own;
        let (day, days) = (both >> 16, both & 0xffff);
        let season = (judge.watch.gauge() == Gauge::Rate)
            .then(|| Season::read(rest).unwrap_or_else(|| Season::new(now_s / 3600)));
        Self {
            seen_s,
            fired_s,
            last_s,
            day,
            days,
            level,
            top,
            tops,
            normal,
            mean,
            samples,
            usual_samples,
            season,
        }
    }

    /// Writes it into [`Past::words`] words.
    pub fn write(&self, words: &mut [u32]) {
        let Some((own, rest)) = words.split_first_chunk_mut::<OWN_WORDS>() else { return };
        *own = [
            self.seen_s,
            self.fired_s,
            self.last_s,
            (self.day << 16) | self.days.min(0xffff),
            self.level,
            self.top,
            self.tops,
            self.normal,
            self.mean,
            self.samples,
            self.usual_samples,
        ];
        if let Some(season) = &self.season {
            season.write(rest);
        }
    }

    /// Takes in what calls showed that ended by now.
    pub fn absorb(&mut self, judge: &Judge, now_s: u32, samples: &[Size]) -> Option<Episode> {
        self.turn_day(judge, now_s);
        let threshold = self.threshold(judge, now_s);
        match judge.watch.gauge() {
            Gauge::Rate => self.absorb_rate(judge, now_s, samples),
            Gauge::Value => self.absorb_values(judge, samples),
            Gauge::Share => self.absorb_shares(judge, samples),
        }
        self.samples = self.samples.saturating_add(u32::try_from(samples.len()).unwrap_or(u32::MAX));
        self.seen_s = self.seen_s.max(now_s);
        self.level = self.level.min(threshold.saturating_mul(8));
        self.top = self.top.max(self.level);
        self.judged(judge, now_s, threshold)
    }

    fn judged(&mut self, judge: &Judge, now_s: u32, threshold: u32) -> Option<Episode> {
        let known = self.season.as_ref().is_none_or(|season| season.expected(now_s / 3600).is_some());
        if self.days < KNOWN_DAYS || !known {
            return None;
        }
        if self.level >= threshold {
            self.last_s = now_s;
            let news = self.fired_s == 0;
            self.fired_s = if news { now_s.max(1) } else { self.fired_s };
            return news.then_some(Episode::Began);
        }
        let over = self.fired_s > 0
            && self.level < threshold / 2
            && now_s.saturating_sub(self.last_s) >= judge.cool_down_s;
        over.then(|| {
            self.fired_s = 0;
            Episode::Ended
        })
    }

    /// How many 256ths of the calls are too many; 0 if nothing is going on.
    pub fn excess(&self, judge: &Judge, now_s: u32) -> u8 {
        if self.fired_s == 0 || self.level == 0 {
            return 0;
        }
        let threshold = u64::from(self.threshold(judge, now_s)).saturating_mul(256);
        let kept = threshold.checked_div(self.level.into()).unwrap_or(256).min(256);
        u8::try_from(256_u64.saturating_sub(kept)).unwrap_or(u8::MAX)
    }

    /// What there is too much of, and what is usual, in the unit of what is watched: of spend, the pico-USD above what is tolerated
    /// and those usual in a minute; of calls, what a usual one has, with how far the mean of this day is; of shares, percent.
    pub fn shown(&self, judge: &Judge, now_s: u32) -> (u64, u64) {
        let usual = expanded(i64::from(self.normal >> 8), 0);
        match judge.watch.gauge() {
            Gauge::Rate => {
                let above = usual.saturating_mul(u64::from(self.level >> 8)) / 256;
                (above, usual.saturating_mul(self.per_hour(now_s).into()) / 60)
            }
            Gauge::Value => (expanded(i64::from(self.mean >> 8), 0), usual),
            Gauge::Share => (scaled(self.mean, 100, ONE).into(), scaled(self.normal, 100, ONE).into()),
        }
    }

    /// From which level on a key departs from its past.
    #[inline(never)]
    fn threshold(&self, judge: &Judge, now_s: u32) -> u32 {
        let lasting = match judge.watch.gauge() {
            Gauge::Rate => scaled(self.per_hour(now_s), judge.for_s, 3600),
            Gauge::Value => scaled(scaled(self.usual_samples, judge.for_s, judge.learn_s), judge.drift, ONE),
            Gauge::Share => scaled(scaled(self.usual_samples, judge.for_s, judge.learn_s), self.normal, ONE),
        };
        let lasting = lasting.min(16_383).saturating_mul(ONE);
        judge.watch.least().max(lasting).max(self.noise())
    }

    /// What noise will not reach: the highest levels of days fall off exponentially, so a level that one day in [`RARE`] octaves
    /// reaches is as much higher as that has octaves more than the calls of a day. What few days have shown says less.
    fn noise(&self) -> u32 {
        let octaves = u32::from(Size::of(self.usual_samples.max(16).into()).0);
        let days = self.days.max(1);
        let rarer = scaled(self.tops, octaves.saturating_add(RARE), octaves);
        scaled(rarer, days.saturating_add(2), days)
    }

    /// How many calls an hour are usual at an instant.
    fn per_hour(&self, now_s: u32) -> u32 {
        self.season.as_ref().and_then(|season| season.expected(now_s / 3600)).unwrap_or(0)
    }

    /// Spend: each call counts by how much it costs, and `factor` times the usual calls drain away.
    #[inline(never)]
    fn absorb_rate(&mut self, judge: &Judge, now_s: u32, samples: &[Size]) {
        let passed = now_s.saturating_sub(self.seen_s);
        let usual = i64::from(self.normal >> 8);
        let floor = judge.floor_pico_per_s.saturating_mul(ONE.into());
        let floor = floor.checked_div(expanded(usual, 0)).unwrap_or(0).saturating_mul(passed.into());
        let drained = u64::from(self.per_hour(now_s)).saturating_mul(judge.factor_256.into());
        let drained = drained.saturating_mul(passed.into()).saturating_mul(256) / 3600;
        let drained = u32::try_from(drained.max(floor)).unwrap_or(u32::MAX);
        self.level = self.level.saturating_sub(drained);
        for (index, sample) in samples.iter().enumerate() {
            if self.normal == 0 {
                (self.normal, self.mean) = (u32::from(sample.0) << 8, ONE);
            }
            let times = expanded(i64::from(sample.0).saturating_sub(i64::from(self.normal >> 8)), 16);
            let times = u32::try_from(times).unwrap_or(u32::MAX);
            self.blend(times.min(judge.watch.most().saturating_mul(4)), index);
            self.level = self.level.saturating_add(times.min(judge.watch.most()));
            self.rebase_early(index);
        }
        let calls = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let tamed = self.fired_s > 0;
        if let Some(season) = &mut self.season {
            season.count(now_s / 3600, calls, tamed);
        }
    }

    /// On a key's first day what is usual is corrected as it becomes known.
    fn rebase_early(&mut self, index: usize) {
        let samples = self.samples.saturating_add(u32::try_from(index).unwrap_or(0)).saturating_add(1);
        if self.days == 0 && samples.is_power_of_two() {
            self.rebase();
        }
    }

    /// What is usual is what a call costs on average from now on.
    fn rebase(&mut self) {
        let octaves = i64::from(Size::of(self.mean.into()).0).saturating_sub(16 * 256);
        let normal = i64::from(self.normal).saturating_add(octaves.saturating_mul(256));
        (self.normal, self.mean) = (u32::try_from(normal.max(1)).unwrap_or(1), ONE);
    }

    #[inline(never)]
    fn absorb_values(&mut self, judge: &Judge, samples: &[Size]) {
        for (index, sample) in samples.iter().enumerate() {
            let value = u32::from(sample.0) << 8;
            if self.days == 0 {
                self.blend(value, index);
                continue;
            }
            let reach = judge.drift.saturating_add(judge.watch.most());
            let near = value.clamp(self.normal.saturating_sub(reach), self.normal.saturating_add(reach));
            self.blend(near, index);
            let usual = self.normal.saturating_add(judge.drift);
            self.level =
                self.level.saturating_add(near).saturating_sub(usual.min(self.level.saturating_add(near)));
        }
    }

    #[inline(never)]
    fn absorb_shares(&mut self, judge: &Judge, samples: &[Size]) {
        let usual = self.normal.max(ONE / 200);
        let drift = scaled(usual, judge.factor_256, 256).min(ONE / 10 * 9);
        for (index, sample) in samples.iter().enumerate() {
            let hit = if sample.0 == 0 { 0 } else { ONE };
            self.blend(hit, index);
            if self.days > 0 {
                self.level = self.level.saturating_add(hit).saturating_sub(drift);
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
        if passed == 0 || passed > 0x7fff || self.samples < LEARNABLE {
            return;
        }
        let samples = self.samples.checked_div(passed).unwrap_or(self.samples);
        if self.season.is_some() {
            self.rebase();
        } else {
            self.normal = nearer(self.normal, self.mean, if self.days == 0 { 1 } else { 4 });
        }
        self.usual_samples = nearer(self.usual_samples, samples, if self.days == 0 { 1 } else { 4 });
        let slower = if self.top > self.tops { 2 } else { 8 };
        // The first day's level was not measured against anything.
        self.tops = if self.days < 2 { self.tops.max(self.top) } else { nearer(self.tops, self.top, slower) };
        if self.days == 0 {
            (self.level, self.tops) = (0, 0);
        }
        self.days = self.days.saturating_add(1);
        (self.day, self.top, self.samples) = (today, self.level, 0);
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
mod tests {
    use super::super::{Watch, compile_guards};
    use super::*;

    const DAY: u32 = 86_400;

    fn judge(watch: &str, more: &str) -> Judge {
        let json = format!(r#"[{{"name":"a","watch":"{watch}"{more}}}]"#);
        compile_guards(&serde_json::from_str(&json).unwrap(), &[]).unwrap().remove(0).judge
    }

    /// Days of calls that are `every` seconds apart; what the sample of each is, by its number. When something began or ended.
    fn live(
        judge: &Judge,
        past: &mut Past,
        from_s: u32,
        days: u32,
        every: u32,
        value: impl Fn(u32) -> u64,
    ) -> Vec<(u32, Episode)> {
        let calls = days * DAY / every;
        let sample = |value: u64| {
            if judge.watch.gauge() == Gauge::Share { Size(value as u16) } else { Size::of(value) }
        };
        let one = |past: &mut Past, call: u32| {
            let now_s = from_s + call * every;
            past.absorb(judge, now_s, &[sample(value(call))]).map(|episode| (now_s - from_s, episode))
        };
        (0..calls).filter_map(|call| one(past, call)).collect()
    }

    /// A key that has made a call a minute for ten days.
    fn grown_up(judge: &Judge, usual: u64) -> Past {
        let mut past = Past::new(judge, 20_000 * DAY);
        assert_eq!(live(judge, &mut past, 20_000 * DAY, 10, 60, |_| usual), [], "steady calls");
        past
    }

    const LATER: u32 = 20_010 * DAY;

    fn began(judge: &Judge, past: &mut Past, every: u32, value: u64) -> Option<u32> {
        let found = live(judge, past, LATER, 1, every, |_| value);
        found.first().map(|(after_s, _)| *after_s)
    }

    #[test]
    fn what_stays_under_the_factor_never_fires_and_what_is_far_above_fires_soon() {
        for (watch, usual, every, value, fires_within) in [
            ("spend_rate", 1_000_000, 16, 1_000_000, None),
            ("spend_rate", 1_000_000, 6, 1_000_000, Some(180)),
            ("spend_rate", 1_000_000, 1, 1_000_000, Some(12)),
            ("spend_rate", 1_000_000, 30, 20_000_000, Some(300)),
            ("cost_per_call", 1_000_000, 60, 1_900_000, None),
            ("cost_per_call", 1_000_000, 60, 8_000_000, Some(180)),
            ("cost_per_token", 1_000_000, 60, 16_000_000, Some(60)),
            ("input_tokens", 900, 60, 4_000, Some(360)),
            ("error_rate", 0, 60, 1, Some(420)),
        ] {
            let judge = judge(watch, "");
            let found = began(&judge, &mut grown_up(&judge, usual), every, value);
            match (found, fires_within) {
                (None, None) => {}
                (Some(after), Some(most)) => assert!(after <= most, "{watch} {every} {value}: {after}"),
                other => assert_eq!(other, (None, None), "{watch} {every} {value}"),
            }
        }
    }

    #[test]
    fn what_has_begun_ends_after_the_cool_down_and_not_before() {
        let judge = judge("spend_rate", r#","cool_down":"10m""#);
        let mut past = grown_up(&judge, 1_000_000);
        let storm = |call: u32| if call < 60 { 1_000_000_000 } else { 1 };
        let found = live(&judge, &mut past, LATER, 1, 10, storm);
        let [(began, Episode::Began), (ended, Episode::Ended)] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert!(*began < 60 && (1200..4000).contains(ended), "{found:?}");
    }

    #[test]
    fn a_new_key_is_not_judged_before_two_days_of_it_are_known() {
        for watch in ["spend_rate", "cost_per_call", "input_tokens", "error_rate"] {
            let judge = judge(watch, "");
            let mut past = Past::new(&judge, LATER);
            let found =
                live(&judge, &mut past, LATER, 2, 60, |call| if call % 700 < 350 { 1 } else { 1 << 20 });
            assert_eq!(found, [], "{watch}");
        }
    }

    #[test]
    fn a_key_whose_calls_differ_much_needs_more_to_stand_out() {
        let judge = judge("cost_per_call", "");
        let mut past = Past::new(&judge, 20_000 * DAY);
        let rough =
            |call: u32| if call.wrapping_mul(2_654_435_761) >> 28 < 2 { 100_000_000 } else { 1_000_000 };
        assert_eq!(live(&judge, &mut past, 20_000 * DAY, 10, 60, rough), []);
        let (even, odd) = (
            began(&judge, &mut grown_up(&judge, 1_000_000), 60, 8_000_000),
            began(&judge, &mut past, 60, 8_000_000),
        );
        assert!(even.is_some() && odd.is_none_or(|odd| Some(odd) > even), "{even:?} {odd:?}");
    }

    #[test]
    fn a_share_of_calls_that_grows_with_the_overshoot_is_too_many() {
        let judge = judge("spend_rate", "");
        let mut past = grown_up(&judge, 1_000_000);
        let mut shares = Vec::new();
        for second in 0..120 {
            past.absorb(&judge, LATER + second, &[Size::of(1_000_000)]);
            shares.push(past.excess(&judge, LATER + second));
        }
        assert!(shares.is_sorted() && shares[0] == 0 && shares[119] > 128, "{shares:?}");
    }

    #[test]
    fn spend_below_the_floor_is_let_be() {
        let judge = judge("spend_rate", r#","floor_usd_per_minute":"0.05""#);
        let mut past = grown_up(&judge, 1_000_000_000);
        assert_eq!(
            began(&judge, &mut past, 2, 1_000_000_000),
            None,
            "0.03 USD a minute, thirty times what is usual"
        );
        assert!(began(&judge, &mut past, 1, 2_000_000_000).is_some(), "0.12 USD a minute");
    }

    #[test]
    fn stored_pasts_are_the_same_and_any_words_can_be_read() {
        for watch in ["spend_rate", "cost_per_call"] {
            let judge = judge(watch, "");
            let past = grown_up(&judge, 1_000_000);
            let gauge = judge.watch.gauge();
            let mut words = vec![0; Past::words(gauge)];
            past.write(&mut words);
            assert_eq!(Past::read(&judge, &words, LATER), past);
            assert_eq!(Past::read(&judge, &vec![0; words.len()], LATER), Past::new(&judge, LATER));
        }
        assert_eq!(Past::words(Watch::SpendRate.gauge()) * 4 + 12, 232, "bytes a key, its place included");
        assert_eq!(Past::words(Watch::CostPerCall.gauge()) * 4 + 12, 56);
    }

    proptest::proptest! {
        #[test]
        fn no_words_and_no_samples_break_it(
            words in proptest::collection::vec(proptest::num::u32::ANY, 56),
            samples in proptest::collection::vec(proptest::num::u16::ANY, 0..20),
            now_s in proptest::num::u32::ANY,
        ) {
            let samples: Vec<Size> = samples.into_iter().map(Size).collect();
            for watch in ["spend_rate", "cost_per_call", "cost_per_token", "input_tokens", "error_rate", "untagged_share"] {
                let judge = judge(watch, "");
                let mut past = Past::read(&judge, &words, now_s);
                let _any = past.absorb(&judge, now_s, &samples);
                let _any = (past.excess(&judge, now_s), past.shown(&judge, now_s));
            }
        }
    }
}
