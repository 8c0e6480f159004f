//! Plays days through the core, and through what one would have without it.

use crate::baseline::{FixedLimit, RateRule};
use crate::days::Days;
use crate::dice::Dice;
use crate::incident::{Incident, Kind};
use crate::key::{Call, DAY_S, Key};
use crate::oracle::Oracle;
use tollgate_policy::{Episode, GuardRule, Past, Sample, Seen, Watch, compile_guards};
use tollgate_pricing::PicoUsd;

/// The guards that are measured, as a configuration has them.
pub const GUARDS: &str = r#"[
  {"name": "spend", "per": [], "watch": "spend_rate", "factor": 8, "for": "1m"},
  {"name": "cost", "per": [], "watch": "cost_per_call", "factor": 2, "for": "1m"},
  {"name": "price", "per": [], "watch": "cost_per_token", "factor": 1.25, "for": "1m"},
  {"name": "prompt", "per": [], "watch": "input_tokens", "factor": 1.5, "for": "1m"},
  {"name": "errors", "per": [], "watch": "error_rate", "factor": 4, "for": "1m"},
  {"name": "repeats", "per": [], "watch": "repeated_share", "factor": 4, "for": "1m"},
  {"name": "march", "per": [], "watch": "steady_growth"}
]"#;

/// Who notices: the guards together, those that know nothing of what calls say, a fixed limit, a rule on a rate.
pub const WATCHERS: [&str; 5] = [
    "guards",
    "guards without `repeated_share`",
    "guards without `steady_growth`",
    "fixed limit",
    "10-minute rate",
];

/// Of [`WATCHERS`], those that one would have without guards.
pub const BASELINES: [usize; 2] = [3, 4];

/// Who pages without a reason is measured on gateways whose keys make 200 calls a day and more, and on such with busy keys alone.
pub const GATEWAYS: [&str; 2] = ["mixed keys", "busy keys"];

pub fn guards() -> Result<Vec<GuardRule>, String> {
    let value = serde_json::from_str(GUARDS).map_err(|error| error.to_string())?;
    compile_guards(&value, &[]).map_err(|error| error.to_string())
}

/// A page: in which week, by which watcher, and by which guard.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub week: u32,
    pub watcher: usize,
    pub guard: usize,
    /// Of [`GATEWAYS`].
    pub gateway: usize,
}

/// What one watcher makes of an incident: after how many seconds, by which guard, and what it had cost by then.
#[derive(Clone, Copy, Debug)]
pub struct Noticed {
    pub after_s: u32,
    pub guard: usize,
    pub lost: u64,
}

/// An incident, and what became of it.
#[derive(Clone, Debug)]
pub struct Met {
    pub kind: Kind,
    pub calls_per_day: f64,
    /// A normal day's spend, in pico-USD.
    pub day: f64,
    /// `None` of a watcher that did not notice within a day.
    pub noticed: [Option<Noticed>; WATCHERS.len()],
    /// What it had cost when nobody could have noticed it sooner.
    pub soonest: Option<u64>,
    /// How many of its calls cost less than 2 % of a normal day together.
    pub calls_before: usize,
}

/// Keys have been seen for so long when an incident strikes.
const WEEKS_BEFORE: u32 = 2;
/// The share of a normal day's spend that an incident may cost until it is noticed.
pub const MARK: f64 = 0.02;
/// From so many calls a day on, a key counts for the mark.
pub const BUSY: f64 = 1000.0;

struct Watchers<'a> {
    guards: &'a [GuardRule],
    pasts: Vec<Past>,
    fixed: FixedLimit,
    rate: RateRule,
    samples: Vec<Sample>,
}

impl<'a> Watchers<'a> {
    fn new(guards: &'a [GuardRule]) -> Self {
        let pasts = guards.iter().map(|guard| Past::new(&guard.judge, 0)).collect();
        Self { guards, pasts, fixed: FixedLimit::default(), rate: RateRule::default(), samples: Vec::new() }
    }

    /// Plays one day, second by second; `paged` hears which watcher pages when, by which guard.
    fn play(&mut self, calls: &[Call], mut paged: impl FnMut(usize, u32, usize)) {
        for second in calls.chunk_by(|a, b| a.at_s == b.at_s) {
            let at_s = second[0].at_s;
            for (index, (guard, past)) in self.guards.iter().zip(&mut self.pasts).enumerate() {
                self.samples.clear();
                self.samples.extend(second.iter().filter_map(|call| guard.judge.sample(&seen(call))));
                if past.absorb(&guard.judge, at_s, &self.samples) == Some(Episode::Began) {
                    paged(0, at_s, index);
                    for (watcher, without) in [(1, Watch::RepeatedShare), (2, Watch::SteadyGrowth)] {
                        if guard.judge.watch != without {
                            paged(watcher, at_s, index);
                        }
                    }
                }
            }
            let cost = second.iter().map(|call| call.cost).sum();
            if self.fixed.pages(at_s, cost) {
                paged(BASELINES[0], at_s, 0);
            }
            if self.rate.pages(at_s, cost) {
                paged(BASELINES[1], at_s, 0);
            }
        }
    }
}

fn seen(call: &Call) -> Seen {
    Seen {
        cost: Some(PicoUsd::from_pico(call.cost.into())),
        input: Some(call.input.into()),
        cached: Some(call.cached.into()),
        output: Some(call.output.into()),
        failed: Some(call.error),
        untagged: false,
        repeats: (!call.error).then_some(call.repeats()),
    }
}

/// Plays weeks without an incident: whoever pages is wrong.
pub fn quiet(key: Key, seed: u64, number: u64, gateway: usize, guards: &[GuardRule]) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut days = Days::new(key, seed, number, None);
    let mut watchers = Watchers::new(guards);
    for _ in 0..7 * (WEEKS_BEFORE + 1) {
        watchers.play(&days.next_day(), |watcher, at_s, guard| {
            pages.push(Page { week: at_s / (7 * DAY_S), watcher, guard, gateway });
        });
    }
    pages
}

/// Plays two weeks, and then an incident, whose `agents` are as [`Incident::draw`] has them, until everybody has noticed, or for a day.
pub fn struck(key: Key, seed: u64, number: u64, kind: Kind, agents: (f64, f64), guards: &[GuardRule]) -> Met {
    let mut dice = Dice::new(seed ^ 0x5bd1_e995, number);
    let starts_s = WEEKS_BEFORE * 7 * DAY_S + dice.below(7 * DAY_S as usize) as u32;
    let incident = Incident::draw(kind, starts_s, &key, agents, dice);
    let mut met = Met {
        kind,
        calls_per_day: key.calls_per_day,
        day: 0.0,
        noticed: [None; WATCHERS.len()],
        soonest: None,
        calls_before: 0,
    };
    let (mut oracle, mut lost_to_oracle) = (Oracle::new(&key, kind), 0);
    let mut days = Days::new(key, seed, number, Some(incident));
    let mut watchers = Watchers::new(guards);
    let mut lost: Vec<(u32, u64)> = Vec::new();
    let until_s = starts_s + DAY_S;
    for day in 0..=until_s / DAY_S {
        let calls = days.next_day();
        if (7..14).contains(&day) {
            met.day += calls.iter().map(|call| call.cost).sum::<u64>() as f64 / 7.0;
        }
        if met.soonest.is_none() {
            met.soonest = soonest(&mut oracle, &mut lost_to_oracle, &calls, starts_s);
        }
        lost.extend(calls.iter().filter(|call| call.extra > 0).map(|call| (call.at_s, call.extra)));
        watchers.play(&calls, |watcher, at_s, guard| {
            if (starts_s..until_s).contains(&at_s) && met.noticed[watcher].is_none() {
                // Workers put what they saw together four times a second: the whole second counts as lost.
                let lost = lost.iter().filter(|(at, _)| *at <= at_s).map(|(_, extra)| extra).sum();
                met.noticed[watcher] = Some(Noticed { after_s: at_s - starts_s, guard, lost });
            }
        });
        if met.noticed.iter().all(Option::is_some) && met.soonest.is_some() {
            break;
        }
    }
    let mut sum = 0.0;
    let cheap = lost.iter().take_while(|(_, extra)| {
        sum += *extra as f64;
        sum < MARK * met.day
    });
    met.calls_before = cheap.count();
    met
}

/// What an incident has cost by the end of the second of this day in which an oracle notices it; `lost` is what it had cost before.
fn soonest(oracle: &mut Oracle, lost: &mut u64, calls: &[Call], starts_s: u32) -> Option<u64> {
    calls.chunk_by(|a, b| a.at_s == b.at_s).find_map(|second| {
        *lost += second.iter().map(|call| call.extra).sum::<u64>();
        let sure = second.iter().filter(|call| oracle.is_sure(call)).count() > 0;
        (sure && second[0].at_s >= starts_s).then_some(*lost)
    })
}

impl Met {
    /// What share of a normal day's spend was lost until a watcher noticed.
    pub fn share(&self, watcher: usize) -> Option<f64> {
        self.noticed[watcher].map(|noticed| noticed.lost as f64 / self.day)
    }

    /// Whether anybody could have noticed in time.
    pub fn can_be_caught(&self) -> bool {
        self.soonest.is_some_and(|lost| (lost as f64) < MARK * self.day)
    }

    /// Whether a watcher noticed in time.
    pub fn is_caught(&self, watcher: usize) -> bool {
        self.share(watcher).is_some_and(|share| share < MARK)
    }
}
