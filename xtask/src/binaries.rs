//! All test binaries of cargo, several at a time. `cargo test` runs one after the other, and most of the longer ones wait:
//! for Envoy's ticks, for windows of time, for clocks of stores.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Instant;

use crate::report::Counts;
use crate::run::Job;

/// How many run at once. Each starts threads, and proxies, of its own.
const AT_ONCE: usize = 3;

/// One program with tests in it.
#[derive(Debug, PartialEq, Eq)]
struct Binary {
    /// The folder of its package, where cargo runs it.
    folder: PathBuf,
    /// What people call it: its source file from the project's root on.
    name: String,
    program: PathBuf,
}

/// Builds all tests of the default members and runs them with these variables.
///
/// # Errors
///
/// Where something does not compile, or which binaries failed.
pub fn run(tools: &[(&'static str, PathBuf)], counts: &mut Counts) -> Result<(), String> {
    let binaries = build()?;
    println!("{} programs, {AT_ONCE} at a time", binaries.len());
    let waiting = Mutex::new(binaries.into_iter());
    let (done, results) = mpsc::channel();
    let mut failed = Vec::new();
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
            if !ok {
                failed.push(binary.name);
            }
        }
    });
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

fn next(waiting: &Mutex<std::vec::IntoIter<Binary>>) -> Option<Binary> {
    waiting.lock().ok()?.next()
}

/// With what tests print: those that lack a tool or a folder say so.
fn job(binary: &Binary, tools: &[(&'static str, PathBuf)]) -> Job {
    let job = Job::new(&binary.program).within(&binary.folder).arg("--show-output");
    tools.iter().fold(job, |job, (name, path)| job.env(name, path))
}

fn counted(said: &str) -> Counts {
    let mut counts = Counts::default();
    said.lines().for_each(|line| counts.add_line(line));
    counts
}

/// What of a binary's output is shown: all where it failed, else why tests were skipped.
fn told(said: &str, ok: bool) -> impl Iterator<Item = &str> {
    said.lines().filter(move |line| !ok || SAID_BY_TESTS.iter().any(|start| line.starts_with(start)))
}

/// How lines begin that tell what was not tested.
const SAID_BY_TESTS: [&str; 2] = ["skipped: ", "not validated: "];

/// Those of the harness first: they are the longest.
fn build() -> Result<Vec<Binary>, String> {
    let job = Job::cargo(["test", "--no-run", "--message-format", "json-render-diagnostics"]);
    let mut binaries: Vec<Binary> = job.printed()?.lines().filter_map(artifact).collect();
    binaries.sort_by_key(|binary| !binary.name.starts_with("test-harness/tests"));
    Ok(binaries)
}

/// The test binary that a line of cargo's tells of.
fn artifact(line: &str) -> Option<Binary> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let folder = PathBuf::from(message["manifest_path"].as_str()?).parent()?.to_path_buf();
    let source = PathBuf::from(message["target"]["src_path"].as_str()?);
    let name = source.strip_prefix(crate::run::root()).unwrap_or(&source).display().to_string();
    Some(Binary { folder, name, program: message["executable"].as_str()?.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_with_tests_are_run() {
        let root = crate::run::root();
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
        };
        assert_eq!(artifact(&line(true, r#""/x/long-1""#)), Some(binary));
        assert_eq!(artifact(&line(false, r#""/x/long-1""#)), None);
        assert_eq!(artifact(&line(true, "null")), None);
        assert_eq!(artifact("warning: something"), None);
    }

    #[test]
    fn what_was_skipped_is_told_and_a_failure_is_told_whole() {
        let said = "running 1 test\nskipped: ENVOY is not set\nok";
        assert_eq!(told(said, true).collect::<Vec<_>>(), ["skipped: ENVOY is not set"]);
        assert_eq!(told(said, false).count(), 3);
    }
}
