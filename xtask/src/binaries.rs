//! All test binaries of cargo and the runs of scenarios, several at a time. `cargo test` runs one after the other, and most of the longer ones
//! wait: for Envoy's ticks, for windows of time, for clocks of stores.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::report::Counts;
use crate::run::{Job, root};
use crate::setup::target_dir;

/// How many run at once. Each starts threads, and proxies, of its own.
const AT_ONCE: usize = 4;

/// One program with tests in it.
#[derive(Debug, PartialEq, Eq)]
pub struct Binary {
    /// The folder of its package, where cargo runs it.
    folder: PathBuf,
    /// What people call it: its source file from the project's root on.
    name: String,
    program: PathBuf,
    args: Vec<String>,
    /// Besides the tools, or instead of one.
    env: Vec<(&'static str, PathBuf)>,
}

impl Binary {
    /// A run of the scenarios, of a plugin and perhaps in a proxy. The runner is built with the tests.
    pub fn scenarios(name: &str, args: &[&str], env: &[(&'static str, &Path)]) -> Self {
        Self {
            folder: root(),
            name: name.to_owned(),
            program: target_dir().join("debug/scenarios"),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: env.iter().map(|(name, path)| (*name, path.to_path_buf())).collect(),
        }
    }
}

/// Builds all tests of the default members and runs them and these scenarios with these variables.
///
/// # Errors
///
/// Where something does not compile, or which binaries failed.
pub fn run(
    tools: &[(&'static str, PathBuf)],
    scenarios: Vec<Binary>,
    counts: &mut Counts,
) -> Result<(), String> {
    let last = Times::read();
    let mut binaries = build()?;
    binaries.extend(scenarios);
    binaries.sort_by_key(|binary| Reverse(last.of(&binary.name)));
    println!("{} programs, {AT_ONCE} at a time", binaries.len());
    let waiting = Mutex::new(binaries.into_iter());
    let (done, results) = mpsc::channel();
    let (mut failed, mut times) = (Vec::new(), Times::default());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            let (waiting, done) = (&waiting, done.clone());
            scope.spawn(move || {
                while let Some(binary) = next(waiting) {
                    let started = Instant::now();
                    let ran = job(&binary, tools).heard();
                    if done.send((binary, started.elapsed(), ran)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        for (binary, took, ran) in results {
            let (said, ok) = ran.unwrap_or_else(|why| (why, false));
            let mine = counted(&said);
            let verdict = if ok { "ok" } else { "FAILED" };
            println!("{} ... {verdict}, {} passed, {:.1} s", binary.name, mine.passed, took.as_secs_f32());
            told(&said, ok).for_each(|line| println!("  {line}"));
            counts.passed += mine.passed;
            counts.failed += mine.failed;
            times.0.insert(binary.name.clone(), took);
            if !ok {
                failed.push(binary.name);
            }
        }
    });
    times.write();
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn next(waiting: &Mutex<std::vec::IntoIter<Binary>>) -> Option<Binary> {
    waiting.lock().ok()?.next()
}

/// With what tests print: those that lack a tool or a folder say so.
fn job(binary: &Binary, tools: &[(&'static str, PathBuf)]) -> Job {
    let job = Job::new(&binary.program).within(&binary.folder).args(&binary.args);
    tools.iter().chain(&binary.env).fold(job, |job, (name, path)| job.env(name, path))
}

fn counted(said: &str) -> Counts {
    let mut counts = Counts::default();
    said.lines().for_each(|line| counts.add_line(line));
    counts
}

/// What of a binary's output is shown: all where it failed, else why tests were skipped.
fn told(said: &str, ok: bool) -> impl Iterator<Item = &str> {
    let says_why = |line: &str| {
        SAID_BY_TESTS.iter().any(|start| line.starts_with(start)) || line.contains(SAID_BY_SCENARIOS)
    };
    said.lines().filter(move |line| !ok || says_why(line))
}

/// How lines begin that tell what was not tested.
const SAID_BY_TESTS: [&str; 2] = ["skipped: ", "not validated: "];
/// The same in the runner of scenarios: a file's name stands before it, and why behind.
const SAID_BY_SCENARIOS: &str = ": not on ";

fn build() -> Result<Vec<Binary>, String> {
    let job = Job::cargo(["test", "--no-run", "--message-format", "json-render-diagnostics"]);
    Ok(job.printed()?.lines().filter_map(artifact).collect())
}

/// How long each binary took last time, so that the longest begin first and none of them is left over at the end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Times(BTreeMap<String, Duration>);

impl Times {
    fn file() -> PathBuf {
        target_dir().join("test-times.txt")
    }

    /// Nothing, where there was no run before.
    fn read() -> Self {
        Self::parse(&std::fs::read_to_string(Self::file()).unwrap_or_default())
    }

    /// A line each: milliseconds, a space, the name.
    fn parse(text: &str) -> Self {
        let row = |line: &str| {
            let (ms, name) = line.split_once(' ')?;
            Some((name.to_owned(), Duration::from_millis(ms.parse().ok()?)))
        };
        Self(text.lines().filter_map(row).collect())
    }

    /// What is not known takes long where it drives Envoy or a browser.
    fn of(&self, name: &str) -> Duration {
        let long = ["test-harness/tests", "reports/cli/tests", SCENARIOS];
        let drives = long.iter().any(|start| name.starts_with(start));
        let guess = if drives { Duration::MAX } else { Duration::ZERO };
        self.0.get(name).copied().unwrap_or(guess)
    }

    /// Only the order of the next run depends on it, so nobody minds where it cannot be written.
    fn write(&self) {
        let line = |(name, took): (&String, &Duration)| format!("{} {name}\n", took.as_millis());
        let _ = std::fs::write(Self::file(), self.0.iter().map(line).collect::<String>());
    }
}

/// How the names of such runs begin.
const SCENARIOS: &str = "scenarios";

/// The test binary that a line of cargo's tells of.
fn artifact(line: &str) -> Option<Binary> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let folder = PathBuf::from(message["manifest_path"].as_str()?).parent()?.to_path_buf();
    let source = PathBuf::from(message["target"]["src_path"].as_str()?);
    let name = source.strip_prefix(root()).unwrap_or(&source).display().to_string();
    let (program, args) = (message["executable"].as_str()?.into(), vec!["--show-output".to_owned()]);
    Some(Binary { folder, name, program, args, env: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_with_tests_are_run() {
        let root = root();
        let line = |test: bool, executable: &str| {
            let manifest = root.join("wire/Cargo.toml");
            let source = root.join("wire/tests/long.rs");
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":{manifest:?},"target":{{"src_path":{source:?}}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let binary = Binary {
            folder: root.join("wire"),
            name: "wire/tests/long.rs".to_owned(),
            program: "/x/long-1".into(),
            args: vec!["--show-output".to_owned()],
            env: Vec::new(),
        };
        assert_eq!(artifact(&line(true, r#""/x/long-1""#)), Some(binary));
        assert_eq!(artifact(&line(false, r#""/x/long-1""#)), None);
        assert_eq!(artifact(&line(true, "null")), None);
        assert_eq!(artifact("warning: something"), None);
    }

    #[test]
    fn what_took_longest_begins_first() {
        let last = Times::parse("1200 wire/tests/long.rs\n70000 test-harness/tests/alerts.rs\nnonsense\nx y");
        let mut names = [
            "record/src/lib.rs",
            "wire/tests/long.rs",
            "test-harness/tests/alerts.rs",
            "test-harness/tests/new.rs",
        ];
        names.sort_by_key(|name| Reverse(last.of(name)));
        let order = [
            "test-harness/tests/new.rs",
            "test-harness/tests/alerts.rs",
            "wire/tests/long.rs",
            "record/src/lib.rs",
        ];
        assert_eq!(names, order);
    }

    #[test]
    fn what_was_skipped_is_told_and_a_failure_is_told_whole() {
        let said = "running 1 test\nskipped: ENVOY is not set\nok";
        assert_eq!(told(said, true).collect::<Vec<_>>(), ["skipped: ENVOY is not set"]);
        assert_eq!(told(said, false).count(), 3);
        let said = "waste: a call ... ok, 7 ms\nmoves: not on host: it has one route";
        assert_eq!(told(said, true).collect::<Vec<_>>(), ["moves: not on host: it has one route"]);
    }
}
