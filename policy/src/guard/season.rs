//! How many calls a key makes in each hour of the week.

use super::size::{Size, expanded};

const HOURS: usize = 168;

/// What each hour of a week is like, and the hour that is running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Season {
    /// 0 where nothing is known; else calls, as a number that [`code`] makes.
    hours: [u8; HOURS],
    /// Since the epoch.
    hour: u32,
    /// In this hour so far; nothing if it was not seen from its beginning.
    calls: Option<u32>,
}

impl Season {
    /// How many words it takes.
    pub const WORDS: usize = HOURS / 4 + 2;

    /// Nothing is known at this hour of the epoch.
    pub fn new(hour: u32) -> Self {
        Self { hours: [0; HOURS], hour, calls: None }
    }

    /// Counts calls in an hour of the epoch. `tamed`: what is going on is not to become normal.
    #[inline(never)]
    pub fn count(&mut self, hour: u32, calls: u32, tamed: bool) {
        // What comes late is counted in the hour that runs.
        while self.hour < hour {
            self.close(tamed);
            if hour.saturating_sub(self.hour) > 200 {
                self.hour = hour;
                self.calls = None;
            }
        }
        self.calls = self.calls.map(|so_far| so_far.saturating_add(calls));
    }

    /// Ends the running hour: what it had and what was known of it weigh the same.
    fn close(&mut self, tamed: bool) {
        let place = usize::try_from(self.hour).unwrap_or(0).checked_rem(HOURS).unwrap_or(0);
        if let (Some(calls), Some(known)) = (self.calls, self.hours.get_mut(place)) {
            *known = match (*known, tamed) {
                (0, true) => 0,
                (0, false) => code(calls),
                (old, true) => code(decode(old).saturating_add(calls.min(decode(old).saturating_mul(2))) / 2),
                (old, false) => code(decode(old).saturating_add(calls).div_ceil(2)),
            };
        }
        self.hour = self.hour.saturating_add(1);
        self.calls = Some(0);
    }

    /// How many calls an hour are to be expected at most about this hour of the epoch: what it and its neighbours had in the
    /// weeks before, or half of what they had yesterday; as long as that is not known, the most that these hours had on any
    /// day. `None` if nothing is known.
    #[inline(never)]
    pub fn expected(&self, hour: u32) -> Option<u32> {
        let about = |hour: u32| {
            let near = [hour.saturating_sub(1), hour, hour.saturating_add(1)];
            near.into_iter().filter_map(|hour| self.known(hour)).max()
        };
        let yesterday = about(hour.saturating_sub(24)).map(|calls| calls / 2);
        let days =
            |hour: u32| (1..7).filter_map(move |day| about(hour.saturating_sub(24_u32.saturating_mul(day))));
        match self.known(hour) {
            Some(_) => about(hour).max(yesterday),
            None => days(hour).max().max(about(hour)),
        }
    }

    fn known(&self, hour: u32) -> Option<u32> {
        let place = usize::try_from(hour).ok()?.checked_rem(HOURS)?;
        self.hours.get(place).filter(|code| **code > 0).map(|code| decode(*code))
    }

    /// Writes it into [`Season::WORDS`] words.
    pub fn write(&self, words: &mut [[u8; 4]]) {
        let Some((hours, rest)) = words.split_at_mut_checked(HOURS / 4) else { return };
        hours.copy_from_slice(self.hours.as_chunks().0);
        let own = [self.hour, self.calls.unwrap_or(u32::MAX)];
        rest.iter_mut().zip(own).for_each(|(word, value)| *word = value.to_le_bytes());
    }

    /// Reads what [`Season::write`] wrote.
    pub fn read(words: &[[u8; 4]]) -> Option<Self> {
        let (hours, rest) = words.split_at_checked(HOURS / 4)?;
        let [hour, calls] = rest.first_chunk()?.map(u32::from_le_bytes);
        let hours = *hours.as_flattened().first_chunk()?;
        Some(Self { hours, hour, calls: Some(calls).filter(|calls| *calls != u32::MAX) })
    }
}

/// A count in a byte, to an eighth of an octave; never 0.
#[inline(never)]
fn code(calls: u32) -> u8 {
    let size = Size::of(u64::from(calls).saturating_add(1)).0;
    u8::try_from((size >> 5).saturating_add(1)).unwrap_or(u8::MAX)
}

#[inline(never)]
fn decode(code: u8) -> u32 {
    // The middle of the step.
    let size = i64::from(code).saturating_sub(1).saturating_mul(32).saturating_add(16);
    u32::try_from(expanded(size, 0)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests {
    use super::*;

    fn after(hours: &[u32]) -> Season {
        let mut season = Season::new(999);
        for (index, calls) in hours.iter().enumerate() {
            season.count(1000 + u32::try_from(index).unwrap(), *calls, false);
        }
        season.count(1000 + u32::try_from(hours.len()).unwrap(), 0, false);
        season
    }

    #[test]
    fn an_hour_is_expected_to_be_like_its_neighbourhood_a_week_ago() {
        let mut week = vec![10; 168];
        week[50] = 1000;
        let season = after(&week);
        let about = |hour: u32| season.expected(1000 + hour).unwrap();
        assert!((9..=12).contains(&about(168 + 10)), "{}", about(168 + 10));
        for busy in [49, 50, 51] {
            assert!((900..=1100).contains(&about(168 + busy)), "{busy}: {}", about(168 + busy));
        }
        assert!((450..=550).contains(&about(168 + 74)), "half of yesterday: {}", about(168 + 74));
    }

    #[test]
    fn an_hour_that_was_never_seen_is_like_the_busiest_day_so_far() {
        let mut days = vec![10; 72];
        days[36] = 500;
        let season = after(&days);
        assert!((450..=550).contains(&season.expected(1000 + 84).unwrap()));
        assert_eq!(Season::new(7).expected(7), None);
    }

    #[test]
    fn the_hour_in_which_a_key_shows_up_first_is_not_taken_for_a_whole_one() {
        let mut season = Season::new(1000);
        season.count(1000, 3, false);
        season.count(1001, 90, false);
        season.count(1002, 90, false);
        assert!(season.expected(1000).unwrap() > 80);
    }

    #[test]
    fn stored_seasons_are_the_same() {
        let season = after(&[1, 2, 3000]);
        let mut words = [[7; 4]; Season::WORDS];
        season.write(&mut words);
        assert_eq!(Season::read(&words), Some(season));
    }
}
