//! Synthetic days with incidents in them: what guards are measured with.
//!
//! `cargo run --release -p tollgate-policy --example guards -- [--seeds N] [--keys N] [--seed S]`

#![expect(
    clippy::float_arithmetic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "this makes traffic up; nothing of it comes from a network or goes into the plugin"
)]

mod days;
mod dice;
mod incident;
mod key;

use days::Days;
use dice::Dice;
use incident::{Incident, Kind};
use key::{DAY_S, Key};
use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;

/// What is to be made up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Options {
    seeds: Vec<u64>,
    keys: usize,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match options(&args) {
        Ok(options) => {
            options.seeds.iter().for_each(|seed| describe(*seed, options.keys));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

/// Seeds are drawn anew each time; `--seed` repeats one.
fn options(args: &[String]) -> Result<Options, String> {
    let (mut seeds, mut keys, mut fixed) = (20, 500, None);
    let mut rest = args.iter();
    while let Some(name) = rest.next() {
        let value = rest.next().and_then(|value| value.parse::<u64>().ok());
        let value = value.ok_or_else(|| format!("`{name}` needs a number"))?;
        match name.as_str() {
            "--seeds" => seeds = value,
            "--keys" => keys = value as usize,
            "--seed" => fixed = Some(value),
            _ => return Err(format!("unknown option `{name}`, expected one of --seeds, --keys, --seed")),
        }
    }
    let drawn = RandomState::new().hash_one("seeds") >> 32;
    let seeds = fixed.map_or_else(|| (0..seeds).map(|index| drawn + index).collect(), |seed| vec![seed]);
    Ok(Options { seeds, keys })
}

/// Prints what the days of a seed are like: a week of some keys, and a day of each incident.
fn describe(seed: u64, keys: usize) {
    let mut dice = Dice::new(seed, u64::MAX);
    let (mut calls, mut dollars) = (0, 0.0);
    for number in 0..keys {
        let key = Key::draw(&mut dice, 200.0);
        let mut days = Days::new(key, seed, number as u64, None);
        for call in (0..7).flat_map(|_| days.next_day()) {
            calls += 1;
            dollars += call.cost as f64 / 1e12;
        }
    }
    println!("seed {seed}: {keys} keys make {calls} calls in a week, for {dollars:.2} USD");
    for kind in Kind::ALL {
        let key = Key::draw(&mut dice, 1000.0);
        let incident = Incident::draw(kind, DAY_S, &key, dice.clone());
        let mut days = Days::new(key, seed, dice.bits(), Some(incident));
        let [before, with] = [days.next_day(), days.next_day()];
        let cost = |calls: &[key::Call]| calls.iter().map(|call| call.cost).sum::<u64>() as f64;
        println!("  {:<16} multiplies a day's cost by {:.1}", kind.name(), cost(&with) / cost(&before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_repeated_and_others_are_drawn() {
        let read = |args: &[&str]| options(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&["--seed", "7", "--keys", "9"]), Ok(Options { seeds: vec![7], keys: 9 }));
        assert_eq!(read(&[]).map(|options| options.seeds.len()), Ok(20));
        assert_eq!(read(&["--keys"]), Err("`--keys` needs a number".to_owned()));
    }
}
