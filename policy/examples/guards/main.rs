//! Guards measured on synthetic days with incidents in them, beside what one would have without guards.
//!
//! `cargo xtask guards` runs it; `cargo run --release -p tollgate-policy --example guards -- --help` says what can be chosen.

#![expect(
    clippy::float_arithmetic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "this makes traffic up; nothing of it comes from a network or goes into the plugin"
)]

mod baseline;
mod days;
mod dice;
mod incident;
mod key;
mod oracle;
mod repeats;
mod replay;
mod table;

use dice::Dice;
use incident::Kind;
use key::Key;
use replay::{Met, Page};
use std::hash::{BuildHasher, RandomState};
use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use tollgate_policy::GuardRule;

const HELP: &str = "guards [--seeds N] [--seed S] [--keys N] [--busy-keys N] [--incidents N] [--verbatim P] [--varied P] [--threads N]\n\
    --seeds N      so many gateways, each of a seed drawn now (20)\n\
    --seed S       the gateway of this seed only, to repeat a run; may be said again\n\
    --keys N       so many keys each, without incidents, from 200 calls a day on (300)\n\
    --busy-keys N  so many keys each, without incidents, from 1,000 calls a day on (500)\n\
    --incidents N  so many keys each with one incident (100)\n\
    --verbatim P   so many of 100 agents that loop say the same again and again (50)\n\
    --varied P     so many of 100 do not write as much at each step of their circle, or ever, as at the others (0)\n\
    --threads N    (2)\n\
    With --keys 0 --busy-keys 0 incidents alone are played; what keys they strike depends on --keys.\n\
    With --incidents 0 only what pages without a reason is.\n";

/// What is to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) seeds: Vec<u64>,
    pub(crate) keys: usize,
    pub(crate) busy_keys: usize,
    pub(crate) incidents: usize,
    pub(crate) verbatim: u64,
    pub(crate) varied: u64,
    threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seeds: Vec::new(),
            keys: 300,
            busy_keys: 500,
            incidents: 100,
            verbatim: 50,
            varied: 0,
            threads: 2,
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Played {
    pub(crate) pages: Vec<Page>,
    pub(crate) met: Vec<Met>,
    /// Keys without incidents, by [`replay::GATEWAYS`].
    pub(crate) keys: [usize; 2],
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--help") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match options(&args).and_then(|options| Ok((replay::guards()?, options))) {
        Ok((guards, options)) => {
            eprintln!("seeds: {:?}", options.seeds);
            let played = play(&options, &guards);
            print!("{}", table::markdown(&options, &guards, &played));
            if table::holds(&played) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

/// Seeds are drawn anew each time.
fn options(args: &[String]) -> Result<Options, String> {
    let mut options = Options::default();
    let (mut count, mut rest) = (20, args.iter());
    while let Some(name) = rest.next() {
        let value = rest.next().and_then(|value| value.parse::<u64>().ok());
        let value = value.ok_or_else(|| format!("`{name}` needs a number"))?;
        match name.as_str() {
            "--seeds" => count = value,
            "--seed" => options.seeds.push(value),
            "--keys" => options.keys = value as usize,
            "--busy-keys" => options.busy_keys = value as usize,
            "--incidents" => options.incidents = value as usize,
            "--verbatim" | "--varied" if value > 100 => {
                return Err(format!("`{name} {value}` is more than 100"));
            }
            "--verbatim" => options.verbatim = value,
            "--varied" => options.varied = value,
            "--threads" => options.threads = (value as usize).max(1),
            _ => return Err(format!("unknown option `{name}`\n{HELP}")),
        }
    }
    if options.seeds.is_empty() {
        let drawn = RandomState::new().hash_one("seeds") >> 32;
        options.seeds = (0..count).map(|index| drawn + index).collect();
    }
    Ok(options)
}

/// Plays all gateways, some at a time.
fn play(options: &Options, guards: &[GuardRule]) -> Played {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut played = Played::default();
        while let Some(seed) = options.seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            play_gateway(*seed, options, guards, &mut played);
        }
        played
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads).map(|_| scope.spawn(work)).collect();
        let played =
            |thread: ScopedJoinHandle<'_, Played>| thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        threads.into_iter().map(played).fold(Played::default(), Played::and)
    })
}

fn play_gateway(seed: u64, options: &Options, guards: &[GuardRule], played: &mut Played) {
    let mut dice = Dice::new(seed, u64::MAX);
    for number in 0..options.keys as u64 {
        let key = Key::draw(&mut dice, SMALLEST);
        played.pages.extend(replay::quiet(key, seed, number, 0, guards));
    }
    let agents = (options.verbatim as f64 / 100.0, options.varied as f64 / 100.0);
    for number in 0..options.incidents {
        let key = Key::draw(&mut dice, replay::BUSY);
        let kind = Kind::ALL[number % Kind::ALL.len()];
        played.met.push(replay::struck(key, seed, (1 << 32) + number as u64, kind, agents, guards));
    }
    let mut dice = Dice::new(seed, u64::MAX - 1);
    for number in 0..options.busy_keys as u64 {
        let key = Key::draw(&mut dice, replay::BUSY);
        played.pages.extend(replay::quiet(key, seed, (1 << 33) + number, 1, guards));
    }
    played.keys[0] += options.keys;
    played.keys[1] += options.busy_keys;
}

/// The smallest keys make so many calls a day; of those of 1,000 and more there are as many as Zipf's law has.
const SMALLEST: f64 = 200.0;

impl Played {
    fn and(mut self, other: Self) -> Self {
        self.pages.extend(other.pages);
        self.met.extend(other.met);
        let keys = [0, 1].map(|gateway| self.keys[gateway] + other.keys[gateway]);
        Self { keys, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_notice_each_kind_of_incident_within_the_day() {
        let seed = RandomState::new().hash_one("seed") >> 32;
        println!("seed {seed}");
        let options = Options {
            seeds: vec![seed],
            keys: 2,
            busy_keys: 1,
            incidents: 5,
            threads: 1,
            ..Options::default()
        };
        let played = play(&options, &replay::guards().unwrap());
        assert_eq!((played.keys, played.met.len()), ([2, 1], 5));
        for met in &played.met {
            let share = met.share(0);
            assert!(share.is_some_and(|share| share < 0.5), "seed {seed}: {met:?}");
        }
    }

    #[test]
    fn a_seed_is_repeated_and_others_are_drawn() {
        let read = |args: &[&str]| options(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
        let repeated = Options { seeds: vec![7], keys: 9, ..Options::default() };
        assert_eq!(read(&["--seed", "7", "--keys", "9"]), Ok(repeated));
        assert_eq!(read(&[]).map(|options| options.seeds.len()), Ok(20));
        assert_eq!(read(&["--keys"]), Err("`--keys` needs a number".to_owned()));
        assert_eq!(read(&["--verbatim", "101"]), Err("`--verbatim 101` is more than 100".to_owned()));
    }
}
