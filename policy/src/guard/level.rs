//! What lies above normal and adds up, and how high it rises on usual days.

use super::size::Size;

/// In 65,536ths: of a usual call, an octave, or a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Level {
    /// What it is.
    pub now: u32,
    /// The highest of this day.
    top: Size,
    /// How high it rises on a usual day.
    tops: Size,
}

/// Days that lie further back weigh next to nothing: with more, a usual day is not known any better.
const REMEMBERED: u32 = 16;

impl Level {
    /// How many words it takes.
    pub const WORDS: usize = 2;

    /// Reads what [`Level::write`] wrote.
    pub fn read(words: [u32; Self::WORDS]) -> Self {
        let half = |bits: u32| Size(u16::try_from(bits & 0xffff).unwrap_or(u16::MAX));
        let [now, both] = words;
        Self { now, top: half(both), tops: half(both >> 16) }
    }

    /// Its words.
    pub fn write(&self) -> [u32; Self::WORDS] {
        [self.now, (u32::from(self.tops.0) << 16) | u32::from(self.top.0)]
    }

    /// Raises it.
    pub fn add(&mut self, amount: u32) {
        self.now = self.now.saturating_add(amount);
    }

    /// Lowers it, down to nothing.
    pub fn drain(&mut self, amount: u32) {
        self.now = self.now.saturating_sub(amount);
    }

    /// Keeps it from rising so high that it could not come back soon, and notes how high it is.
    pub fn settle(&mut self, most: u32) {
        self.now = self.now.min(most);
        self.note();
    }

    /// Notes how high it is.
    pub fn note(&mut self) {
        self.top = self.top.max(Size::of(self.now.into()));
    }

    /// Once a day is over, how high it rose becomes part of what is usual. `days` were known before.
    pub fn turn_day(&mut self, days: u32) {
        self.tops = match days {
            // The first day's level was not measured against anything.
            0 => Size(0),
            1 => self.top,
            2..4 => nearer(self.tops, self.top, 2),
            _ if self.top > self.tops => nearer(self.tops, self.top, 4),
            _ => nearer(self.tops, self.top, 8),
        };
        if days == 0 {
            self.now = 0;
        }
        self.top = Size::of(self.now.into());
    }

    /// How high it rises on a usual day.
    pub fn usual(&self) -> u32 {
        u32::try_from(self.tops.expanded()).unwrap_or(u32::MAX)
    }

    /// What noise will not reach: the highest levels of days fall off exponentially, so a level that one day in 2 to the power of
    /// `rare` 256ths reaches is as much higher as that has octaves more than the `calls` of a day. What few days have shown says
    /// less: how much is as if `doubt` days more were needed.
    pub fn noise(&self, calls: u32, days: u32, (rare, doubt): (u32, u32)) -> u32 {
        let octaves = u64::from(Size::of(calls.max(16).into()).0);
        let days = u64::from(days.clamp(1, REMEMBERED));
        let rarer = self.tops.expanded().saturating_mul(octaves.saturating_add(rare.into()));
        let rarer = rarer.checked_div(octaves).unwrap_or(u64::MAX);
        let unsure =
            rarer.saturating_mul(days.saturating_add(doubt.into())).checked_div(days).unwrap_or(u64::MAX);
        u32::try_from(unsure).unwrap_or(u32::MAX)
    }
}

/// A part of the way from one level to another.
fn nearer(from: Size, to: Size, part: u64) -> Size {
    let (from, to) = (from.expanded(), to.expanded());
    let step = |apart: u64| apart.checked_div(part).unwrap_or(0);
    Size::of(match to.checked_sub(from) {
        Some(higher) => from.saturating_add(step(higher)),
        None => from.saturating_sub(step(from.saturating_sub(to))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: u32 = 65_536;

    /// A level that rose so high on each day, in whole calls.
    fn after(days: &[u32]) -> Level {
        let mut level = Level::default();
        for (day, top) in (0..).zip(days) {
            level.add(top.saturating_mul(ONE));
            level.settle(u32::MAX);
            level.drain(u32::MAX);
            level.turn_day(day);
        }
        level
    }

    #[test]
    fn a_usual_day_is_what_days_were_like_and_the_first_is_no_measure() {
        let usual = |days: &[u32]| after(days).tops.expanded() / u64::from(ONE);
        for (days, expected) in [
            (&[900][..], 0),
            (&[900, 8], 8),
            (&[900, 8, 4], 6),
            (&[900, 8, 8, 8, 16], 10),
            (&[0, 8, 8, 8, 0], 7),
        ] {
            assert_eq!(usual(days), expected, "{days:?}");
        }
    }

    #[test]
    fn noise_is_less_the_more_calls_and_days_are_known() {
        let noise = |calls, days| after(&[0, 4]).noise(calls, days, (16 * 256, 2)) / ONE;
        assert_eq!(noise(1 << 16, 16), 9, "as many octaves again, and an eighth");
        assert!(noise(1 << 8, 16) == 13 && noise(1 << 8, 1000) == 13 && noise(1 << 8, 2) == 24);
    }

    #[test]
    fn stored_levels_are_the_same() {
        let level = after(&[0, 7, 9]);
        assert_eq!(Level::read(level.write()), level);
    }
}
