//! Runs scenario files on an engine and says what did not hold.

use std::path::Path;
use std::time::{Duration, Instant};

use super::file::{Call, Case, File, Verdict};
use super::{Engine, check};
use crate::Error;
use crate::stats::{self, Series};

/// Stats reach a reader with the engine's next flush.
const FLUSH: Duration = Duration::from_secs(2);

/// How many cases held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Held.
    pub passed: usize,
    /// Did not.
    pub failed: usize,
    /// Not run on this engine, for a printed reason.
    pub skipped: usize,
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, more| Self {
            passed: sum.passed + more.passed,
            failed: sum.failed + more.failed,
            skipped: sum.skipped + more.skipped,
        })
    }
}

/// Runs all files whose name contains `filter`, and prints a line per case.
pub fn run_all(
    folder: &Path,
    engine_name: &str,
    filter: &str,
    start: impl Fn(&File) -> Result<Box<dyn Engine>, Error>,
) -> Result<Counts, Error> {
    let mut counts = Counts::default();
    for (name, file) in super::load(folder)?.iter().filter(|(name, _)| name.contains(filter)) {
        if let Some(reason) = file.not_on.get(engine_name) {
            println!("{name}: not on {engine_name}: {reason}");
            counts.skipped += file.cases.len();
            continue;
        }
        run_file(name, file, &start, &mut counts);
    }
    Ok(counts)
}

fn run_file(
    name: &str,
    file: &File,
    start: &impl Fn(&File) -> Result<Box<dyn Engine>, Error>,
    counts: &mut Counts,
) {
    let mut engine = match start(file) {
        Ok(engine) => engine,
        Err(error) => {
            println!("{name} ... FAILED to start: {error}");
            counts.failed += file.cases.len();
            return;
        }
    };
    for case in &file.cases {
        let begun = Instant::now();
        let found = run_case(file, case, engine.as_mut()).unwrap_or_else(|error| vec![error.to_string()]);
        let ms = begun.elapsed().as_millis();
        if found.is_empty() {
            counts.passed += 1;
            println!("{name}: {} ... ok, {ms} ms", case.name);
        } else {
            counts.failed += 1;
            println!("{name}: {} ... FAILED, {ms} ms", case.name);
            found.iter().for_each(|line| println!("    {line}"));
        }
    }
}

fn run_case(file: &File, case: &Case, engine: &mut dyn Engine) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    if let Some(change) = &case.reconfigure {
        let verdict: Verdict = engine.reconfigure(file.plugin(&change.configuration))?.into();
        if verdict != change.expect {
            found.push(format!("the new configuration was {verdict:?}, expected {:?}", change.expect));
        }
    }
    let before = if asks_for_stats(case) { engine.series()? } else { Vec::new() };
    engine.pass(Duration::from_millis(case.wait_ms))?;
    for (number, call) in case.calls.iter().enumerate() {
        for _ in 0..call.times {
            let lines = run_call(file, call, engine)?;
            found.extend(lines.into_iter().map(|line| format!("call {}: {line}", number + 1)));
        }
    }
    engine.pass(Duration::from_millis(case.then_wait_ms))?;
    found.extend(grown(case, &before, engine)?);
    found.extend(not_stored(case, engine)?);
    Ok(found)
}

fn run_call(file: &File, call: &Call, engine: &mut dyn Engine) -> Result<Vec<String>, Error> {
    let (request, reply) = (call.request.to_http(), file.reply(&call.reply)?);
    if let Some(store) = &call.store {
        engine.answer_as_store(&file.reply(store)?);
    }
    let outcome = engine.call(&request, &reply)?;
    Ok(check::differences(&call.expect, &outcome, &request, &reply))
}

/// The texts that the store has not got, after a while of patience.
fn not_stored(case: &Case, engine: &mut dyn Engine) -> Result<Vec<String>, Error> {
    let until = Instant::now() + FLUSH;
    let mut got = Vec::new();
    loop {
        got.extend(engine.take_store_calls()?);
        let has = |text: &&String| got.iter().any(|call| call.contains(text.as_str()));
        let missing: Vec<&String> = case.store_got.iter().filter(|text| !has(text)).collect();
        if missing.is_empty() || Instant::now() > until {
            return Ok(missing
                .iter()
                .map(|text| format!("the store never got `{text}`; it got {got:?}"))
                .collect());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The series that did not grow as they should, after a while of patience.
fn grown(case: &Case, before: &[Series], engine: &mut dyn Engine) -> Result<Vec<String>, Error> {
    let until = Instant::now() + FLUSH;
    loop {
        let now = if asks_for_stats(case) { engine.series()? } else { Vec::new() };
        let exact = case.stats.iter().filter_map(|(name, &by)| wrong_growth(name, by, by, before, &now));
        let some = &case.stats_at_least;
        let some = some.iter().filter_map(|(name, &by)| wrong_growth(name, by, f64::MAX, before, &now));
        let wrong: Vec<String> = exact.chain(some).collect();
        if wrong.is_empty() || Instant::now() > until {
            return Ok(wrong);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn asks_for_stats(case: &Case) -> bool {
    !(case.stats.is_empty() && case.stats_at_least.is_empty())
}

fn wrong_growth(name: &str, by: f64, most: f64, before: &[Series], now: &[Series]) -> Option<String> {
    let pattern = Series::from_wire_name(name, by);
    let grown = stats::sum(now, &pattern) - stats::sum(before, &pattern);
    (grown < by || grown > most).then(|| {
        let of_name: Vec<String> =
            now.iter().filter(|s| s.name == pattern.name).map(Series::to_string).collect();
        format!("stats: `{name}` grew by {grown}, expected {by}; now there are {of_name:?}")
    })
}
