//! A key's calls, day after day.

use crate::dice::Dice;
use crate::incident::Incident;
use crate::key::{Call, DAY_S, Key, Rhythm, STEPS};
use crate::repeats::Repeats;

/// The days of one key, in order.
pub struct Days {
    pub key: Key,
    dice: Dice,
    incident: Option<Incident>,
    day: u32,
    /// The logarithm of how much busier it is right now than its season says: it wanders and comes back.
    wobble: f64,
    /// Calls of sessions that have run into the next day.
    carried: Vec<Call>,
    repeats: Repeats,
}

/// How far the wobble goes, and how much of it a minute forgets: half an hour's worth.
const WOBBLE: f64 = 0.2;
const FORGOTTEN: f64 = 1.0 / 30.0;
/// On so many days something harmless happens: a launch, a test, a catching-up. For an hour or so there are this many times
/// as many calls.
const EVENTS_A_DAY: f64 = 0.05;
const EVENT: (f64, f64) = (1.5, 2.5);
/// Calls of a session are so many seconds apart.
const PAUSE_S: f64 = 12.0;

impl Days {
    pub fn new(key: Key, seed: u64, number: u64, incident: Option<Incident>) -> Self {
        let dice = Dice::new(seed, number);
        let repeats = Repeats::new(seed, number);
        Self { key, dice, incident, day: 0, wobble: 0.0, carried: Vec::new(), repeats }
    }

    /// The calls of the next day in the order in which they end.
    pub fn next_day(&mut self) -> Vec<Call> {
        let (start, end) = (self.day * DAY_S, (self.day + 1) * DAY_S);
        self.day += 1;
        let mut calls = Vec::new();
        let event = self.dice.chance(EVENTS_A_DAY).then(|| self.draw_event(start));
        // A job does not start on the second.
        let late = if self.key.rhythm == Rhythm::Nightly { self.dice.below(1200) as u32 } else { 0 };
        for minute in (start..end).step_by(60) {
            let expected = self.expected(minute, minute.saturating_sub(late), event);
            for _ in 0..self.dice.poisson(expected / self.key.calls_per_session) {
                self.session(minute, &mut calls);
            }
        }
        self.repeats.mark(&self.key, &mut calls);
        if let Some(incident) = &mut self.incident {
            incident.strike(&self.key, start, end, &mut calls);
        }
        // What runs over from the day before was struck then.
        calls.append(&mut self.carried);
        calls.sort_by_key(|call| call.at_s);
        let over = calls.partition_point(|call| call.at_s < end);
        self.carried = calls.split_off(over);
        calls
    }

    /// How many calls a minute should have.
    fn expected(&mut self, minute: u32, clock: u32, event: Option<(u32, u32, f64)>) -> f64 {
        self.wobble += -FORGOTTEN * self.wobble + WOBBLE * (2.0 * FORGOTTEN).sqrt() * self.dice.normal();
        let weeks = f64::from(minute) / f64::from(7 * DAY_S);
        let grown = self.key.weekly_growth.powf(weeks);
        let times = event.filter(|(from, until, _)| (*from..*until).contains(&minute)).map_or(1.0, |e| e.2);
        self.key.calls_per_day / 1440.0 * grown * self.key.season(clock) * self.wobble.exp() * times
    }

    fn draw_event(&mut self, start: u32) -> (u32, u32, f64) {
        let from = start + self.dice.below(DAY_S as usize) as u32;
        let lasts = self.dice.scale(1200.0, 7200.0) as u32;
        (from, from + lasts, self.dice.between(EVENT.0, EVENT.1))
    }

    fn session(&mut self, minute: u32, calls: &mut Vec<Call>) {
        let mut at = f64::from(minute) + self.dice.between(0.0, 60.0);
        let more = self.dice.failures(1.0 / self.key.calls_per_session, 100);
        for _ in 0..=more {
            calls.push(self.key.call(&mut self.dice, at as u32, STEPS[self.key.step].0));
            at += self.dice.exponential(PAUSE_S);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::Kind;

    fn week(rhythm: Rhythm, seed: u64) -> Vec<Call> {
        let mut key = Key::draw(&mut Dice::new(seed, 0), 1000.0);
        (key.rhythm, key.calls_per_day, key.hours_ahead) = (rhythm, 20_000.0, 0);
        let mut days = Days::new(key, seed, 1, None);
        (0..7).flat_map(|_| days.next_day()).collect()
    }

    #[test]
    fn a_week_has_the_calls_that_the_key_makes() {
        for (seed, rhythm) in
            [Rhythm::Office, Rhythm::Consumer, Rhythm::Steady, Rhythm::Nightly].into_iter().enumerate()
        {
            let calls = week(rhythm, seed as u64).len() as f64 / 140_000.0;
            assert!((0.85..1.3).contains(&calls), "{rhythm:?}: {calls} of what is expected");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_days_and_another_does_not() {
        assert_eq!(week(Rhythm::Office, 5), week(Rhythm::Office, 5));
        assert_ne!(week(Rhythm::Office, 5), week(Rhythm::Office, 6));
    }

    /// FNV-1a (Fowler, Noll and Vo) over all that was there before calls said anything.
    fn sum_of(calls: &[Call]) -> u64 {
        let numbers = calls.iter().flat_map(|call| {
            let of = [call.at_s, call.input, call.output, call.cached, u32::from(call.error)].map(u64::from);
            of.into_iter().chain([call.cost, call.extra])
        });
        numbers
            .flat_map(u64::to_le_bytes)
            .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    #[test]
    fn what_calls_say_changes_nothing_else_about_the_days_of_a_seed() {
        let sums = Kind::ALL.map(|kind| {
            let key = Key::draw(&mut Dice::new(9, 0), 1000.0);
            let dice = Dice::new(9, kind as u64 + 2);
            let incident = Incident::draw(kind, DAY_S, &key, (0.5, 0.0), dice);
            let mut days = Days::new(key, 9, 1, Some(incident));
            sum_of(&[days.next_day(), days.next_day()].concat())
        });
        // Taken before calls said anything.
        let before = [
            0x80c2_8e5e_83a0_4ba9,
            0x6fc5_0be3_31f7_9e47,
            0x2c77_7550_f599_f06c,
            0x66f6_1783_408f_c763,
            0x2908_353f_ba57_90da,
        ];
        assert_eq!(sums, before, "{sums:x?}");
    }

    #[test]
    fn offices_are_busy_by_day_and_quiet_on_sunday() {
        let calls = week(Rhythm::Office, 3);
        let during = |from: u32, until: u32| calls.iter().filter(|c| (from..until).contains(&c.at_s)).count();
        let (noon, night) = (during(11 * 3600, 15 * 3600), during(0, 4 * 3600));
        assert!(noon > 5 * night, "{noon} at noon, {night} at night");
        let (monday, sunday) = (during(0, DAY_S), during(6 * DAY_S, 7 * DAY_S));
        assert!(monday > 3 * sunday, "{monday} on Monday, {sunday} on Sunday");
    }

    #[test]
    fn tails_are_heavy() {
        let calls = week(Rhythm::Steady, 11);
        let mut inputs: Vec<u32> = calls.iter().map(|call| call.input).collect();
        inputs.sort_unstable();
        let (median, highest) = (inputs[inputs.len() / 2], inputs[inputs.len() - 1]);
        assert!(highest > 20 * median, "median {median}, highest {highest}");
    }
}
