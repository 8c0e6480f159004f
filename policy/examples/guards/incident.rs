//! What goes wrong: five ways in which a key's spend leaves its past.

use crate::dice::Dice;
use crate::key::{Call, Key, STEPS};
use crate::repeats::{Circle, Lengths};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A release sends twice the prompt.
    PromptDoubling,
    /// Agents call themselves again and again, with a context that grows.
    AgentLoop,
    /// Somebody else uses the key.
    KeyLeak,
    /// A release takes a dearer model.
    ModelSwap,
    /// Calls fail and are sent again; some of those that fail are billed.
    RetryStorm,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::PromptDoubling, Self::AgentLoop, Self::KeyLeak, Self::ModelSwap, Self::RetryStorm];

    pub const fn name(self) -> &'static str {
        match self {
            Self::PromptDoubling => "prompt doubling",
            Self::AgentLoop => "agent loop",
            Self::KeyLeak => "key leak",
            Self::ModelSwap => "model swap",
            Self::RetryStorm => "retry storm",
        }
    }
}

/// One incident. It goes on until somebody notices.
#[derive(Clone, Debug)]
pub struct Incident {
    pub kind: Kind,
    pub starts_s: u32,
    dice: Dice,
    /// How many calls somebody else makes a minute; how often a call is sent again.
    strength: f64,
    loops: Vec<Loop>,
}

/// An agent that runs in circles.
#[derive(Clone, Debug)]
struct Loop {
    next_s: f64,
    turn_s: f64,
    input: f64,
    grows: f64,
    output: f64,
    turns: u32,
    circle: Circle,
    lengths: Lengths,
}

/// Agents' contexts are cut at this length.
const LONGEST_CONTEXT: f64 = 128_000.0;
/// In a storm so many calls fail, and so many of these run into a time-out behind which the provider bills them.
const FAILING: f64 = 0.8;
const BILLED: f64 = 0.5;

impl Incident {
    /// Draws one. Of agents that loop, a share of `verbatim` says the same again and again, and a share of `varied` does not write as much
    /// at each step as at the others.
    pub fn draw(
        kind: Kind,
        starts_s: u32,
        key: &Key,
        (verbatim, varied): (f64, f64),
        mut dice: Dice,
    ) -> Self {
        let mut circles = Dice::new(dice.clone().bits(), 0x6369_7263_6c65);
        let strength = match kind {
            Kind::KeyLeak => dice.scale(20.0, 300.0),
            Kind::RetryStorm => dice.between(3.0, 10.0).round(),
            _ => 0.0,
        };
        let loops = if kind == Kind::AgentLoop { 1 + dice.below(5) } else { 0 };
        let loops = (0..loops)
            .map(|_| Loop {
                next_s: f64::from(starts_s),
                turn_s: dice.scale(3.0, 10.0),
                input: key.input_median,
                grows: dice.scale(300.0, 2_000.0),
                output: dice.between(100.0, 400.0),
                turns: 0,
                lengths: Lengths::draw(&circles, varied),
                circle: Circle::draw(&mut circles, verbatim),
            })
            .collect();
        Self { kind, starts_s, dice, strength, loops }
    }

    /// Changes the calls of a span of time, and adds to them.
    pub fn strike(&mut self, key: &Key, from: u32, until: u32, calls: &mut Vec<Call>) {
        if until <= self.starts_s {
            return;
        }
        let since = self.starts_s.max(from);
        match self.kind {
            Kind::PromptDoubling => changed(calls, since, |call| {
                (call.input, call.cached) = (call.input * 2, call.cached * 2);
                call.price(STEPS[key.step].0)
            }),
            Kind::ModelSwap => changed(calls, since, |call| call.price(STEPS[key.step].1)),
            Kind::RetryStorm => self.storm(key, since, calls),
            Kind::KeyLeak => self.leak(key, since, until, calls),
            Kind::AgentLoop => self.run_in_circles(key, until, calls),
        }
    }

    fn storm(&mut self, key: &Key, since: u32, calls: &mut Vec<Call>) {
        let originals: Vec<Call> = calls.iter().filter(|call| call.at_s >= since).copied().collect();
        calls.retain(|call| call.at_s < since);
        for original in originals {
            let again = self.dice.failures(1.0 - FAILING, self.strength as u32);
            let mut at = f64::from(original.at_s);
            for attempt in 0..=again {
                let mut call = Call { at_s: at as u32, error: attempt < again, ..original };
                let billed = !call.error || self.dice.chance(BILLED);
                call.cost = if billed { call.price(STEPS[key.step].0) } else { 0 };
                call.extra = if attempt == 0 { 0 } else { call.cost };
                calls.push(call);
                at += self.dice.between(0.5, 1.5) * f64::from(1_u32 << attempt.min(4));
            }
        }
    }

    fn leak(&mut self, key: &Key, since: u32, until: u32, calls: &mut Vec<Call>) {
        // Thieves take the best model that there is, and write prompts of their own.
        let foreign = Key {
            input_median: 2_000.0,
            input_deviation: 1.0,
            output_mean: 600.0,
            cached_share: 0.0,
            ..key.clone()
        };
        for minute in (since..until).step_by(60) {
            for _ in 0..self.dice.poisson(self.strength) {
                let at = minute + self.dice.below(60) as u32;
                let mut call = foreign.call(&mut self.dice, at, STEPS[key.step].1);
                call.extra = call.cost;
                calls.push(call);
            }
        }
    }

    fn run_in_circles(&mut self, key: &Key, until: u32, calls: &mut Vec<Call>) {
        for agent in &mut self.loops {
            while agent.next_s < f64::from(until) {
                let factor = agent.lengths.factor(agent.circle, agent.turns);
                let (input, output) = (agent.input as u32, (agent.output * factor) as u32);
                let at_s = agent.next_s as u32;
                let mut call = Call {
                    at_s,
                    input,
                    output,
                    cached: 0,
                    cost: 0,
                    extra: 0,
                    error: false,
                    said: agent.circle.said(agent.turns),
                };
                call.cost = call.price(STEPS[key.step].0);
                call.extra = call.cost;
                calls.push(call);
                agent.turns += 1;
                agent.input = (agent.input + agent.grows * factor).min(LONGEST_CONTEXT);
                agent.next_s += agent.turn_s * self.dice.between(0.7, 1.3);
            }
        }
    }
}

/// Gives calls from an instant on another price, which `change` says.
fn changed(calls: &mut [Call], since: u32, change: impl Fn(&mut Call) -> u64) {
    for call in calls.iter_mut().filter(|call| call.at_s >= since && !call.error) {
        let cost = change(call);
        call.extra = cost.saturating_sub(call.cost);
        call.cost = cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::days::Days;
    use crate::key::DAY_S;

    /// What a day of a key costs, and how much of that an incident adds that begins with it.
    fn day(kind: Kind) -> (Vec<Call>, u64, u64) {
        let key = Key { calls_per_day: 5_000.0, ..Key::draw(&mut Dice::new(7, 0), 1000.0) };
        let incident = Incident::draw(kind, DAY_S, &key, (0.5, 0.0), Dice::new(7, 2));
        let mut days = Days::new(key, 7, 1, Some(incident));
        assert!(days.next_day().iter().all(|call| call.extra == 0), "{kind:?} begins too early");
        let calls = days.next_day();
        let sum = |of: fn(&Call) -> u64| calls.iter().map(of).sum::<u64>();
        let (cost, extra) = (sum(|call| call.cost), sum(|call| call.extra));
        (calls, cost, extra)
    }

    #[test]
    fn every_incident_costs_more_than_a_quarter_of_the_day() {
        for kind in Kind::ALL {
            let (_, cost, extra) = day(kind);
            assert!(extra * 4 > cost - extra, "{kind:?}: {extra} of {cost}");
            assert!(extra < cost, "{kind:?}: {extra} of {cost}");
        }
    }

    #[test]
    fn storms_fail_most_of_the_time() {
        let (calls, _, _) = day(Kind::RetryStorm);
        let failed = calls.iter().filter(|call| call.error).count();
        assert!((failed * 10).div_ceil(calls.len()) >= 7, "{failed} of {}", calls.len());
    }

    #[test]
    fn of_incidents_only_loops_repeat_more_than_usual() {
        for kind in Kind::ALL {
            let (calls, _, _) = day(kind);
            let struck: Vec<_> = calls.iter().filter(|call| call.extra > 0 && !call.error).collect();
            let repeats = struck.iter().filter(|call| call.repeats()).count() * 10;
            assert_eq!(
                repeats > struck.len(),
                kind == Kind::AgentLoop,
                "{kind:?}: {repeats} of {}",
                struck.len()
            );
        }
    }

    #[test]
    fn contexts_of_loops_grow_to_their_limit() {
        let (calls, _, _) = day(Kind::AgentLoop);
        let longest = calls.iter().filter(|call| call.extra > 0).map(|call| call.input).max();
        assert_eq!(longest, Some(128_000));
    }
}
