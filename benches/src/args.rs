//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::filter::Wasm;
use crate::gate::Gated;
use crate::workload;

/// What was asked for.
pub struct Args {
    /// Envoy's binary.
    pub envoy: PathBuf,
    /// The filters' files.
    pub wasm: Wasm,
    /// How often every filter takes its turn at most.
    pub rounds: u32,
    /// How long rounds go on.
    pub time: Duration,
    /// How thoroughly.
    pub pace: Pace,
    /// Whether a broken mark is an error.
    pub gated: Gated,
    /// Where the report goes.
    pub results: Option<PathBuf>,
    /// Where criterion keeps what it measured.
    pub core: Option<PathBuf>,
    /// The workloads and parts whose names contain one of these; all, if there is none.
    only: Vec<String>,
}

/// How thoroughly to measure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// For figures that are kept.
    Full,
    /// Few rounds and no file written: to see that all works.
    Quick,
}

/// What is measured besides the workloads.
const PARTS: [&str; 5] = [MEMORY, STREAMS, LOAD, STORES, GUARDS];
/// What VMs weigh.
pub const MEMORY: &str = "memory";
/// What open streams hold.
pub const STREAMS: &str = "streams";
/// Whether a loaded Envoy costs what single calls do.
pub const LOAD: &str = "load";
/// What stores are told.
pub const STORES: &str = "stores";
/// What guards cost a call of JSON.
pub const GUARDS: &str = "json-guards";

const USAGE: &str = "usage: envoy-compare --envoy PATH --plugin PATH [OPTIONS]\n\
    --rounds N      how often each filter takes its turn (default: 40, quick: 2)\n\
    --minutes N     rounds end after so long, whatever their number (default: 7)\n\
    --quick         small, and writes no file: to see that all works\n\
    --only WORD     workloads and parts (memory, streams, load, stores, json-guards) whose names contain it; may be repeated\n\
    --gate          a mark that is missed is an error\n\
    --results PATH  where the report goes (default: benches/RESULTS.md; none with --quick or --only)\n\
    --noop, --inflate PATH  by default tollgate_noop.wasm and tollgate_inflate.wasm beside the plugin\n\
    --estimate PATH tollgate-estimate.wasm; without it nothing is said of token counting\n\
    --core PATH     criterion's folder; without it nothing is said of the core\n\
    Ctrl-C ends the measurement and keeps what there is.";

impl Args {
    /// Reads the command line.
    ///
    /// # Errors
    /// With the usage, where it cannot be understood.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut given = Given::default();
        while let Some(word) = words.next() {
            given.take(&word, &mut words)?;
        }
        given.check()
    }

    /// Whether a workload or part of that name is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(word.as_str()))
    }

    /// The command, for the report.
    pub fn command(&self) -> String {
        let only: String = self.only.iter().map(|word| format!(" --only {word}")).collect();
        let minutes = self.time.as_secs() / 60;
        format!("cargo xtask bench --rounds {} --minutes {minutes}{only}", self.rounds)
    }
}

/// What was given so far.
#[derive(Default)]
struct Given {
    envoy: Option<PathBuf>,
    plugin: Option<PathBuf>,
    noop: Option<PathBuf>,
    inflate: Option<PathBuf>,
    estimate: Option<PathBuf>,
    core: Option<PathBuf>,
    results: Option<PathBuf>,
    rounds: Option<u32>,
    minutes: Option<u32>,
    quick: bool,
    gate: bool,
    only: Vec<String>,
}

impl Given {
    fn take(&mut self, word: &str, words: &mut impl Iterator<Item = String>) -> Result<(), String> {
        let mut value = || words.next().ok_or_else(|| format!("`{word}` needs a value\n{USAGE}"));
        match word {
            "--envoy" => self.envoy = Some(value()?.into()),
            "--plugin" => self.plugin = Some(value()?.into()),
            "--noop" => self.noop = Some(value()?.into()),
            "--inflate" => self.inflate = Some(value()?.into()),
            "--estimate" => self.estimate = Some(value()?.into()),
            "--core" => self.core = Some(value()?.into()),
            "--results" => self.results = Some(value()?.into()),
            "--rounds" => self.rounds = Some(count(&value()?, "rounds")?),
            "--minutes" => self.minutes = Some(count(&value()?, "minutes")?),
            "--only" => self.only.push(known(value()?)?),
            "--quick" => self.quick = true,
            "--gate" => self.gate = true,
            "--help" | "-h" => return Err(USAGE.to_owned()),
            _ => return Err(format!("unknown argument `{word}`\n{USAGE}")),
        }
        Ok(())
    }

    fn check(self) -> Result<Args, String> {
        let envoy = existing(self.envoy.ok_or_else(|| format!("`--envoy` is missing\n{USAGE}"))?)?;
        let tollgate = existing(self.plugin.ok_or_else(|| format!("`--plugin` is missing\n{USAGE}"))?)?;
        let beside = |name| tollgate.with_file_name(name);
        let wasm = Wasm {
            noop: existing(self.noop.unwrap_or_else(|| beside("tollgate_noop.wasm")))?,
            inflate: existing(self.inflate.unwrap_or_else(|| beside("tollgate_inflate.wasm")))?,
            estimate: self.estimate.map(existing).transpose()?,
            tollgate,
        };
        let pace = if self.quick { Pace::Quick } else { Pace::Full };
        let kept = pace == Pace::Full && self.only.is_empty();
        Ok(Args {
            envoy,
            wasm,
            rounds: self.rounds.unwrap_or(if pace == Pace::Full { 40 } else { 2 }),
            time: Duration::from_secs(u64::from(self.minutes.unwrap_or(7)) * 60),
            pace,
            gated: if self.gate { Gated::Yes } else { Gated::No },
            results: self.results.or_else(|| kept.then(default_results)),
            core: self.core,
            only: self.only,
        })
    }
}

fn count(text: &str, what: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{text}` is not a number of {what}, expected one from 1 on"))
}

/// A word that names nothing would measure nothing.
fn known(word: String) -> Result<String, String> {
    let names = || workload::NAMES.iter().chain(&PARTS).copied();
    if names().any(|name| name.contains(word.as_str())) {
        return Ok(word);
    }
    let names: Vec<&str> = names().collect();
    Err(format!("`--only {word}` names nothing, expected a part of one of {}", names.join(", ")))
}

fn existing(path: PathBuf) -> Result<PathBuf, String> {
    if path.is_file() { Ok(path) } else { Err(format!("`{}` is not there", path.display())) }
}

fn default_results() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &str = "--envoy FILE --plugin FILE --noop FILE --inflate FILE";

    fn check(words: &str, expected: Result<(u32, bool), &str>) {
        let file = std::env::current_exe().expect("this test is a file");
        let words = words.replace("FILES", FILES).replace("FILE", &file.to_string_lossy());
        let args = Args::parse(words.split_whitespace().map(str::to_owned));
        match (args, expected) {
            (Ok(args), Ok(expected)) => {
                assert_eq!((args.rounds, args.results.is_some()), expected, "{words}")
            }
            (Err(error), Err(expected)) => assert!(error.starts_with(expected), "{words}: {error}"),
            (Ok(_), Err(_)) => panic!("{words} was taken"),
            (Err(error), Ok(_)) => panic!("{words}: {error}"),
        }
    }

    #[test]
    fn the_command_line_is_read_or_refused() {
        check("FILES", Ok((40, true)));
        check("FILES --rounds 4 --minutes 2 --gate", Ok((4, true)));
        check("FILES --quick", Ok((2, false)));
        check("FILES --only sse", Ok((40, false)));
        check("FILES --only sse --results here.md", Ok((40, true)));
        check("--help", Err("usage: envoy-compare"));
        check("--plugin FILE", Err("`--envoy` is missing"));
        check("--envoy FILE --plugin", Err("`--plugin` needs a value"));
        check("--envoy FILE --plugin FILE", Err("`"));
        check("--rounds 0", Err("`0` is not a number of rounds"));
        check("FILES --only see", Err("`--only see` names nothing, expected a part of one of json, "));
        check("--fast", Err("unknown argument `--fast`"));
    }
}
