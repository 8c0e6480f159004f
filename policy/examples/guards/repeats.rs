//! Which calls say what their conversation has said before. Nothing else about a call depends on it, and it is drawn from dice of its
//! own: the days of a seed are the same with it and without.
//!
//! No figure of this has been published that we know of: all that stands here is assumed. A program that polls a tool, or a user who
//! says "continue", says the same some times in a row and then stops; an agent in a circle does not stop.

use crate::dice::Dice;
use crate::key::{Call, Key};

/// How a key's calls repeat themselves on usual days.
#[derive(Clone, Debug)]
pub struct Habit {
    /// Of calls that do not fail, how many say what was said twice before.
    pub share: f64,
    /// How likely it is that what was said twice, or more often, is said once more.
    pub goes_on: f64,
}

/// How often something was said by then that is a repeat.
const REPEAT: u8 = 2;
/// Of keys whose calls come one by one, so many never repeat: what they send has no conversation.
const NEVER: f64 = 0.5;
/// What is said again comes so many seconds later, or with the key's next call after that.
const PAUSE_S: f64 = 12.0;

impl Habit {
    /// It never does.
    pub const NONE: Self = Self { share: 0.0, goes_on: 0.5 };

    /// Draws the habit of a key beside the dice that the key itself is drawn from.
    pub fn draw(beside: &Dice, calls_per_session: f64) -> Self {
        let mut dice = Dice::new(beside.clone().bits(), 0x7265_7065_6174);
        let never = dice.chance(NEVER) && calls_per_session <= 1.0;
        let share = dice.scale(0.001, 0.02);
        Self { share: if never { 0.0 } else { share }, goes_on: dice.between(0.5, 0.8) }
    }

    /// How many calls begin to say the same again and again, so that as many repeat as usual.
    fn begins(&self) -> f64 {
        self.share * (1.0 - self.goes_on) / self.goes_on
    }
}

/// Who says the same again and again right now.
pub struct Repeats {
    dice: Dice,
    /// When each says it next, and how often it did.
    pollers: Vec<(f64, u8)>,
}

impl Repeats {
    pub fn new(seed: u64, number: u64) -> Self {
        Self { dice: Dice::new(seed ^ 0x2127_599b_f432_5c37, number), pollers: Vec::new() }
    }

    /// Says of each of a day's calls how often it was said before. They need not be in order.
    pub fn mark(&mut self, key: &Key, calls: &mut [Call]) {
        let mut in_order: Vec<&mut Call> = calls.iter_mut().filter(|call| !call.error).collect();
        in_order.sort_by_key(|call| call.at_s);
        for call in in_order {
            let at = f64::from(call.at_s);
            match self.pollers.iter().position(|(next, _)| *next <= at) {
                Some(poller) => call.said = self.say_again(poller, at, key.habit.goes_on),
                None if self.dice.chance(key.habit.begins()) => {
                    self.pollers.push((at + self.dice.exponential(PAUSE_S), 1));
                }
                None => {}
            }
        }
    }

    /// How often it was said before that somebody says it now.
    fn say_again(&mut self, poller: usize, at: f64, goes_on: f64) -> u8 {
        let said = self.pollers[poller].1;
        if self.dice.chance(goes_on) {
            self.pollers[poller] = (at + self.dice.exponential(PAUSE_S), said.saturating_add(1));
        } else {
            self.pollers.swap_remove(poller);
        }
        said
    }
}

/// The circle of an agent in a loop: after how many turns it says the same again; `None` if its turns differ each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circle(Option<u32>);

impl Circle {
    /// Draws one: so many of them go in circles word for word.
    pub fn draw(dice: &mut Dice, verbatim: f64) -> Self {
        let steps = 1 + dice.below(4) as u32;
        // All of them are none of them where the share is 0.
        Self((dice.unit() < verbatim || verbatim >= 1.0).then_some(steps))
    }

    /// Which of its steps a turn is; each its own if it says something else each time.
    fn phase(self, turns: u32) -> u64 {
        self.0.map_or(turns, |steps| turns % steps).into()
    }

    /// How often it has said before what it says after so many turns.
    pub fn said(self, turns: u32) -> u8 {
        self.0.map_or(0, |steps| u8::try_from(turns / steps).unwrap_or(u8::MAX))
    }
}

/// How long the turns of an agent in a loop are: all alike, or each step of its circle as it happens to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths(Option<u64>);

/// Of the logarithm of how long a step is.
const DEVIATION: f64 = 0.3;

impl Lengths {
    /// Draws them beside the agent's circle: so many of agents have steps that differ.
    pub fn draw(circles: &Dice, varied: f64) -> Self {
        let mut dice = Dice::new(circles.clone().bits(), 0x6c65_6e67);
        Self((dice.unit() < varied || varied >= 1.0).then_some(dice.bits()))
    }

    /// How many times what is usual is written at a turn.
    pub fn factor(self, circle: Circle, turns: u32) -> f64 {
        self.0.map_or(1.0, |own| Dice::new(own, circle.phase(turns)).lognormal(1.0, DEVIATION))
    }
}

impl Call {
    /// Whether it says what its conversation has said twice before.
    pub fn repeats(&self) -> bool {
        self.said >= REPEAT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::days::Days;

    /// Four weeks of a key that repeats itself.
    fn weeks(calls_per_session: f64, habit: Habit) -> Vec<Call> {
        let key = Key {
            calls_per_day: 5_000.0,
            calls_per_session,
            habit,
            ..Key::draw(&mut Dice::new(7, 0), 1000.0)
        };
        let mut days = Days::new(key, 7, 1, None);
        (0..28).flat_map(|_| days.next_day()).filter(|call| !call.error).collect()
    }

    #[test]
    fn as_many_calls_repeat_as_is_usual_and_they_do_so_in_bursts() {
        for calls_per_session in [1.0, 5.0] {
            let calls = weeks(calls_per_session, Habit { share: 0.01, goes_on: 0.75 });
            let repeats = calls.iter().filter(|call| call.repeats()).count() as f64;
            let share = repeats / calls.len() as f64;
            assert!((0.008..0.012).contains(&share), "{share}");
            let longest = calls.iter().map(|call| call.said).max();
            assert!(longest > Some(12), "{longest:?}");
            let bursts = calls.iter().filter(|call| call.said == REPEAT).count() as f64;
            assert!((3.3..4.8).contains(&(repeats / bursts)), "{}", repeats / bursts);
        }
    }

    #[test]
    fn keys_differ_and_half_of_those_without_sessions_never_repeat() {
        let habits = |sessions: f64| (0..1000).map(move |seed| Habit::draw(&Dice::new(seed, 0), sessions));
        assert!(habits(3.0).all(|habit| (0.001..=0.02).contains(&habit.share)));
        let never = habits(1.0).filter(|habit| habit.share == 0.0).count();
        assert!((430..570).contains(&never), "{never}");
    }

    #[test]
    fn a_circle_repeats_from_its_third_round_on() {
        let said = |circle: Circle| (0..7).map(|turns| circle.said(turns)).collect::<Vec<_>>();
        assert_eq!(said(Circle(Some(1))), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(said(Circle(Some(3))), [0, 0, 0, 1, 1, 1, 2]);
        assert_eq!(said(Circle(None)), [0; 7]);
        let drawn = |verbatim: f64| {
            let mut dice = Dice::new(5, 0);
            (0..1000).filter(|_| Circle::draw(&mut dice, verbatim) != Circle(None)).count()
        };
        assert_eq!((drawn(0.0), drawn(1.0)), (0, 1000));
        assert!((450..550).contains(&drawn(0.5)));
    }
}
