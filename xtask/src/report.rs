//! Counts and times of the steps of `cargo xtask test`.

use std::time::{Duration, Instant};

/// How many checks ran in one step, or in all.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
}

impl Counts {
    /// Adds the figures of a line such as `test result: ok. 5 passed; 0 failed; 0 ignored; ...`.
    pub fn add_line(&mut self, line: &str) {
        let Some(figures) = line.strip_prefix("test result: ") else { return };
        let words: Vec<&str> = figures.split(|c: char| c.is_whitespace() || c == ';' || c == '.').collect();
        for pair in words.windows(2) {
            match (pair[0].parse::<u64>(), pair[1]) {
                (Ok(n), "passed") => self.passed += n,
                (Ok(n), "failed") => self.failed += n,
                _ => {}
            }
        }
    }
}

/// What came of some work, and how long it took.
pub struct Ran<T> {
    result: Result<T, String>,
    took: Duration,
}

impl<T> Ran<T> {
    /// Does it now.
    pub fn of(work: impl FnOnce() -> Result<T, String>) -> Self {
        let start = Instant::now();
        Self { result: work(), took: start.elapsed() }
    }
}

/// All steps so far.
#[derive(Default)]
pub struct Report {
    all: Counts,
    failures: Vec<String>,
}

impl Report {
    /// A step that is one check by itself.
    pub fn plain(&mut self, heading: &str, work: impl FnOnce() -> Result<(), String>) {
        self.value(heading, work);
    }

    /// A step whose result later steps need. Counts as one check.
    pub fn value<T>(&mut self, heading: &str, work: impl FnOnce() -> Result<T, String>) -> Option<T> {
        let mut made = None;
        self.step(heading, |counts| {
            made = Some(work()?);
            counts.passed += 1;
            Ok(())
        });
        made
    }

    /// A step that counts its own checks. Where it fails without having counted a failure (a compile error,
    /// say), that is one.
    pub fn step(&mut self, heading: &str, work: impl FnOnce(&mut Counts) -> Result<(), String>) {
        println!("\n=== {heading}");
        let mut counts = Counts::default();
        let ran = Ran::of(|| work(&mut counts));
        self.add(heading, ran.result, counts, ran.took);
    }

    /// A step that ran beside another one. Counts as one check.
    pub fn ran<T>(&mut self, heading: &str, ran: Ran<T>) -> Option<T> {
        println!("\n=== {heading}");
        let counts = Counts { passed: u64::from(ran.result.is_ok()), failed: 0 };
        let (made, result) = match ran.result {
            Ok(made) => (Some(made), Ok(())),
            Err(why) => (None, Err(why)),
        };
        self.add(heading, result, counts, ran.took);
        made
    }

    fn add(&mut self, heading: &str, result: Result<(), String>, mut counts: Counts, took: Duration) {
        if result.is_err() && counts.failed == 0 {
            counts.failed = 1;
        }
        let seconds = took.as_secs_f32();
        println!("--- {heading}: {} passed, {} failed, {seconds:.1} s", counts.passed, counts.failed);
        if let Err(why) = result {
            println!("--- {why}");
            self.failures.push(format!("{heading}: {why}"));
        }
        self.all.passed += counts.passed;
        self.all.failed += counts.failed;
    }

    /// Prints what failed and, as the last line, the counts.
    pub fn end(self) -> Result<(), String> {
        println!();
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        println!("{} passed, {} failed", self.all.passed, self.all.failed);
        if self.failures.is_empty() && self.all.failed == 0 {
            return Ok(());
        }
        // The counts are the last line, so the exit code says the rest.
        std::process::exit(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], passed: u64, failed: u64) {
        let mut counts = Counts::default();
        lines.iter().for_each(|line| counts.add_line(line));
        assert_eq!(counts, Counts { passed, failed });
    }

    #[test]
    fn the_lines_of_the_test_runner_are_added_up() {
        check(&[], 0, 0);
        check(&["test a ... ok", "running 5 passed tests"], 0, 0);
        check(
            &[
                "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            ],
            5,
            0,
        );
        check(
            &["test result: FAILED. 3 passed; 2 failed; 0 ignored", "test result: ok. 10 passed; 0 failed"],
            13,
            2,
        );
    }

    #[test]
    fn a_step_that_fails_before_it_counts_is_one_failure() {
        let mut report = Report::default();
        report.step("compile", |_| Err("no".to_owned()));
        report.plain("fmt", || Ok(()));
        assert_eq!(report.ran("build", Ran::of(|| Ok(7))), Some(7));
        assert_eq!(report.ran::<()>("build", Ran::of(|| Err("no".to_owned()))), None);
        assert_eq!(report.all, Counts { passed: 2, failed: 2 });
    }
}
