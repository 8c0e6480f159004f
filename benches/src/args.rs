//! The command line.

use std::path::PathBuf;

use crate::filter::{self, Wasm};
use crate::gate::Gated;

/// What was asked for.
pub struct Args {
    /// Envoy's binary.
    pub envoy: PathBuf,
    /// The filters' files.
    pub wasm: Wasm,
    /// How often every filter takes its turn.
    pub rounds: u32,
    /// How thoroughly.
    pub pace: Pace,
    /// Whether a broken gate is an error.
    pub gated: Gated,
    /// Where the report goes.
    pub results: Option<PathBuf>,
    /// The workloads and filters whose names contain one of these; all, if there is none.
    pub only: Vec<String>,
}

/// How thoroughly to measure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// For figures that are kept.
    Full,
    /// Few rounds and no file written: to see that all works.
    Quick,
}

const USAGE: &str = "usage: envoy-compare --envoy PATH --plugin PATH [--noop PATH] [--rounds N] [--quick] [--gate]\n\
    [--only WORD]... [--results PATH]\n\
    --noop: by default tollgate_noop.wasm beside the plugin\n\
    --only: workloads whose names contain one of these words\n\
    --results: by default benches/RESULTS.md, and nothing with --quick or --only";

impl Args {
    /// Reads the command line.
    ///
    /// # Errors
    /// With the usage, where it cannot be understood.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut envoy, mut plugin, mut noop, mut rounds, mut results) = (None, None, None, None, None);
        let (mut pace, mut gated, mut only) = (Pace::Full, Gated::No, Vec::new());
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("`{word}` needs a value\n{USAGE}"));
            match word.as_str() {
                "--envoy" => envoy = Some(PathBuf::from(value()?)),
                "--plugin" => plugin = Some(PathBuf::from(value()?)),
                "--noop" => noop = Some(PathBuf::from(value()?)),
                "--results" => results = Some(PathBuf::from(value()?)),
                "--rounds" => rounds = Some(round_count(&value()?)?),
                "--only" => only.push(value()?),
                "--quick" => pace = Pace::Quick,
                "--gate" => gated = Gated::Yes,
                _ => return Err(format!("unknown argument `{word}`\n{USAGE}")),
            }
        }
        let envoy = existing(envoy.ok_or_else(|| format!("`--envoy` is missing\n{USAGE}"))?)?;
        let tollgate = existing(plugin.ok_or_else(|| format!("`--plugin` is missing\n{USAGE}"))?)?;
        let noop = existing(noop.unwrap_or_else(|| tollgate.with_file_name("tollgate_noop.wasm")))?;
        let kept = pace == Pace::Full && only.is_empty();
        let results = results.or_else(|| kept.then(default_results));
        let rounds = rounds.unwrap_or(if pace == Pace::Full { 60 } else { 5 });
        Ok(Self { envoy, wasm: Wasm { tollgate, noop }, rounds, pace, gated, results, only })
    }

    /// Whether a workload of that name is asked for.
    pub fn wants(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| workload.contains(word.as_str()))
    }

    /// The command that measures the same again, without this machine's paths.
    pub fn command(&self) -> String {
        let only: String = self.only.iter().map(|word| format!(" --only {word}")).collect();
        let quick = if self.pace == Pace::Quick { " --quick" } else { "" };
        format!(
            "envoy-compare --envoy ENVOY --plugin tollgate.wasm --rounds {}{quick}{only}, {} filters",
            self.rounds,
            filter::ALL.len()
        )
    }
}

fn round_count(text: &str) -> Result<u32, String> {
    let rounds = text.parse().ok().filter(|rounds| (1..=1000).contains(rounds));
    rounds.ok_or_else(|| format!("`{text}` is not a number of rounds from 1 to 1000"))
}

/// Envoy does not run in our folder, so paths are made whole.
fn existing(path: PathBuf) -> Result<PathBuf, String> {
    path.canonicalize().map_err(|error| format!("`{}`: {error}", path.display()))
}

fn default_results() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &str, expected: Result<(u32, bool), &str>) {
        let envoy = std::env::current_exe().expect("this test is a file");
        let words = words.replace("FILE", &envoy.to_string_lossy());
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
        check("--envoy FILE --plugin FILE --noop FILE", Ok((60, true)));
        check("--envoy FILE --plugin FILE --noop FILE --rounds 4 --gate", Ok((4, true)));
        check("--envoy FILE --plugin FILE --noop FILE --quick", Ok((5, false)));
        check("--envoy FILE --plugin FILE --noop FILE --only sse", Ok((60, false)));
        check("--plugin FILE", Err("`--envoy` is missing"));
        check("--envoy FILE --plugin", Err("`--plugin` needs a value"));
        check("--envoy FILE --plugin FILE", Err("`"));
        check("--rounds 0", Err("`0` is not a number of rounds"));
        check("--fast", Err("unknown argument `--fast`"));
    }
}
