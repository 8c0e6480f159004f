//! What the calls of one key are like: how many, when, how long, how dear.
//!
//! The shapes are those that have been published of production traffic (ServeGen, arXiv 2505.09999, sections 3 and 4):
//! inputs are a log-normal body with a Pareto tail, outputs are exponential, arrivals are burstier than Poisson, and each
//! client is steady in its own way while clients differ by orders of magnitude. No number here was chosen with a detector at
//! hand: none existed.

use crate::dice::Dice;
use crate::repeats::Habit;

pub const DAY_S: u32 = 86_400;

/// A model's price at list, in pico-USD a token (USD per million tokens times a million).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    pub name: &'static str,
    pub input: u64,
    pub output: u64,
}

const fn model(name: &'static str, input: u64, output: u64) -> Model {
    Model { name, input, output }
}

/// Models and what somebody who wants a better one takes instead; `pricing/catalogue` on 2026-11-21.
pub const STEPS: [(Model, Model); 7] = [
    (model("gpt-4.1-nano", 100_000, 400_000), model("gpt-4.1-mini", 400_000, 1_600_000)),
    (model("gpt-4.1-mini", 400_000, 1_600_000), model("gpt-4.1", 2_000_000, 8_000_000)),
    (model("gpt-4o-mini", 150_000, 600_000), model("gpt-4o", 2_500_000, 10_000_000)),
    (model("gpt-5-mini", 250_000, 2_000_000), model("gpt-5", 1_250_000, 10_000_000)),
    (model("claude-haiku-4-5", 1_000_000, 5_000_000), model("claude-sonnet-4-5", 3_000_000, 15_000_000)),
    (model("claude-sonnet-4-5", 3_000_000, 15_000_000), model("claude-opus-4-5", 5_000_000, 25_000_000)),
    (model("gemini-2.5-flash", 300_000, 2_500_000), model("gemini-2.5-pro", 1_250_000, 10_000_000)),
];

/// When a key is busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// People at work: little at night and at week-ends.
    Office,
    /// People at home: evenings and week-ends.
    Consumer,
    /// Machines.
    Steady,
    /// A job that runs for some hours, begun at the same time each night or so.
    Nightly,
}

/// One key's nature.
#[derive(Clone, Debug)]
pub struct Key {
    /// Of a mean day of its first week.
    pub calls_per_day: f64,
    pub rhythm: Rhythm,
    /// How many hours its clock is ahead.
    pub hours_ahead: u32,
    /// What a week multiplies its calls by.
    pub weekly_growth: f64,
    /// Calls come in groups: a user's session, an agent's turns.
    pub calls_per_session: f64,
    /// Index into [`STEPS`].
    pub step: usize,
    pub input_median: f64,
    /// Of the logarithm of the input.
    pub input_deviation: f64,
    pub output_mean: f64,
    /// How many calls read most of their input from the provider's cache.
    pub cached_share: f64,
    pub error_share: f64,
    /// How its calls repeat themselves.
    pub habit: Habit,
}

/// One call as it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// In seconds since the key's first Monday.
    pub at_s: u32,
    pub input: u32,
    pub output: u32,
    pub cached: u32,
    /// What it costs, in pico-USD.
    pub cost: u64,
    /// How much of that an incident adds.
    pub extra: u64,
    pub error: bool,
    /// How often its conversation has said the same before.
    pub said: u8,
}

/// Whoever sends more has it cut off.
const CONTEXT_WINDOW: f64 = 200_000.0;
/// Of inputs that follow the body, how many follow the tail.
pub const TAIL_SHARE: f64 = 0.02;
pub const TAIL_EXPONENT: f64 = 1.5;
/// A cache read costs a tenth, and covers this much of an input.
const CACHED_PART: f64 = 0.7;

impl Key {
    /// Draws a key. Sizes follow Zipf's law: `smallest` calls a day, ten times that for every tenth key, and so on.
    pub fn draw(dice: &mut Dice, smallest: f64) -> Self {
        let rhythms = [
            Rhythm::Office,
            Rhythm::Office,
            Rhythm::Office,
            Rhythm::Office,
            Rhythm::Consumer,
            Rhythm::Consumer,
            Rhythm::Consumer,
            Rhythm::Steady,
            Rhythm::Steady,
            Rhythm::Nightly,
        ];
        let beside = dice.clone();
        let mut key = Self {
            calls_per_day: dice.pareto(smallest, 1.0).min(200_000.0),
            rhythm: rhythms[dice.below(rhythms.len())],
            hours_ahead: dice.below(24) as u32,
            weekly_growth: dice.between(0.97, 1.10),
            calls_per_session: if dice.chance(0.5) { 1.0 } else { dice.scale(1.2, 8.0) },
            step: dice.below(STEPS.len()),
            input_median: dice.scale(300.0, 8_000.0),
            input_deviation: dice.between(0.3, 1.0),
            output_mean: dice.scale(50.0, 800.0),
            cached_share: if dice.chance(0.5) { 0.0 } else { dice.between(0.3, 0.9) },
            error_share: dice.scale(0.001, 0.02),
            habit: Habit::NONE,
        };
        key.habit = Habit::draw(&beside, key.calls_per_session);
        key
    }

    /// One call of this key, of `model`.
    pub fn call(&self, dice: &mut Dice, at_s: u32, model: Model) -> Call {
        let body = dice.lognormal(self.input_median, self.input_deviation);
        let tail = dice.chance(TAIL_SHARE).then(|| dice.pareto(self.input_median, TAIL_EXPONENT));
        let input = tail.unwrap_or(body).clamp(10.0, CONTEXT_WINDOW);
        let output = dice.exponential(self.output_mean).clamp(1.0, 8_192.0);
        let cached = if dice.chance(self.cached_share) { input * CACHED_PART } else { 0.0 };
        let (input, output, cached) = (input as u32, output as u32, cached as u32);
        let error = dice.chance(self.error_share);
        let mut call = Call { at_s, input, output, cached, cost: 0, extra: 0, error, said: 0 };
        // Providers do not bill errors.
        call.cost = if error { 0 } else { call.price(model) };
        call
    }

    /// How busy it is at an instant: 1 on average over a week.
    pub fn season(&self, at_s: u32) -> f64 {
        let local = at_s + self.hours_ahead * 3600;
        let hour = f64::from(local % DAY_S) / 3600.0;
        let weekend = local / DAY_S % 7 >= 5;
        match self.rhythm {
            Rhythm::Steady => 1.0,
            Rhythm::Office if weekend => 0.25,
            Rhythm::Office => 0.25 + 3.56 * bell(hour, 13.0, 4.0),
            Rhythm::Consumer if weekend => 0.35 + 2.6 * bell(hour, 19.0, 5.0),
            Rhythm::Consumer => 0.3 + 1.55 * bell(hour, 20.0, 5.0),
            Rhythm::Nightly if (1.0..4.0).contains(&hour) => 7.6,
            Rhythm::Nightly => 0.057,
        }
    }
}

/// A hill of height 1 around an hour of the day.
fn bell(hour: f64, around: f64, width: f64) -> f64 {
    let away = (hour - around).abs();
    let away = away.min(24.0 - away);
    (-(away / width).powi(2)).exp()
}

impl Call {
    /// What its tokens cost at a model's price.
    pub fn price(&self, model: Model) -> u64 {
        let plain = u64::from(self.input - self.cached);
        let cached = u64::from(self.cached) * (model.input / 10);
        plain * model.input + cached + u64::from(self.output) * model.output
    }
}
