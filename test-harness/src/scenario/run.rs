//! Runs scenario files on an engine and says what did not hold.

use std::num::NonZero;
use std::path::Path;
use std::time::{Duration, Instant};

use super::file::{Call, Case, File, Verdict};
use super::side_by_side::side_by_side;
use super::{Engine, check};
use crate::Error;
use crate::stats::{self, Series};

/// Stats reach a reader with the engine's next flush, and calls a store with the next tick. Only what fails waits for so long, and a
/// machine that does much else needs it.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// How files are run.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'a> {
    /// The engine's name, by which files say that they do not run on it.
    pub engine: &'a str,
    /// Files are run whose name contains it.
    pub filter: &'a str,
    /// How many files run at a time, each on an engine of its own.
    pub at_once: NonZero<usize>,
}

/// Runs the files of a folder, and prints a line per case: those of one file together, once it has ended, and at last again what
/// failed. Files that wait longest begin first.
///
/// # Errors
/// Where a file cannot be read, none has such a name, or a check panicked.
pub fn run_all(
    folder: &Path,
    manner: Manner,
    start: impl Fn(&File) -> Result<Box<dyn Engine>, Error> + Sync,
) -> Result<Counts, Error> {
    let mut files = super::load_named(folder, manner.filter)?;
    files.sort_by_key(|(_, file)| std::cmp::Reverse(file.waits()));
    let done = side_by_side(&files, manner.at_once, |(name, file)| {
        let report = run_file(name, file, manner.engine, &start);
        print!("{}", report.text);
        report
    })?;
    done.iter().flat_map(|report| &report.failed).for_each(|name| println!("failed: {name}"));
    Ok(done.iter().map(|report| report.counts).sum())
}

/// What is told of a file.
#[derive(Default)]
struct Report {
    counts: Counts,
    /// Lines.
    text: String,
    /// The cases that did not hold.
    failed: Vec<String>,
}

impl Report {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

fn run_file(
    name: &str,
    file: &File,
    engine_name: &str,
    start: &impl Fn(&File) -> Result<Box<dyn Engine>, Error>,
) -> Report {
    let mut report = Report::default();
    if let Some(reason) = file.not_on.get(engine_name) {
        report.line(&format!("{name}: not on {engine_name}: {reason}"));
        report.counts.skipped = file.cases.len();
        return report;
    }
    match start(file) {
        Ok(mut engine) => run_cases(name, file, engine.as_mut(), &mut report),
        Err(error) => {
            report.line(&format!("{name} ... FAILED to start: {error}"));
            report.counts.failed = file.cases.len();
            report.failed.push(name.to_owned());
        }
    }
    report
}

fn run_cases(name: &str, file: &File, engine: &mut dyn Engine, report: &mut Report) {
    for case in &file.cases {
        let begun = Instant::now();
        let found = run_case(file, case, engine).unwrap_or_else(|error| vec![error.to_string()]);
        let ms = begun.elapsed().as_millis();
        if found.is_empty() {
            report.counts.passed += 1;
            report.line(&format!("{name}: {} ... ok, {ms} ms", case.name));
        } else {
            report.counts.failed += 1;
            report.line(&format!("{name}: {} ... FAILED, {ms} ms", case.name));
            found.iter().for_each(|line| report.line(&format!("    {line}")));
            report.failed.push(format!("{name}: {}", case.name));
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
    if let Some(store) = &call.then_store {
        engine.answer_as_store(&file.reply(store)?);
    }
    Ok(check::differences(&call.expect, &outcome, &request, &reply))
}

/// The texts that the store has not got, after a while of patience.
fn not_stored(case: &Case, engine: &mut dyn Engine) -> Result<Vec<String>, Error> {
    let until = Instant::now() + PATIENCE;
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
    let until = Instant::now() + PATIENCE;
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
