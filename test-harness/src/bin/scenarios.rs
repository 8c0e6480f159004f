//! Runs the scenario files: `scenarios --engine envoy|host|faults [--minutes N] [--folder NAME] [--at-once N] [FILTER]`.
//! `--engine costs` holds what the cases of `scenarios/budget` cost against `budget.json`; with `--update` it writes that file.
//! `--engine branches` makes these calls with a plugin that counts, and writes the counts of its branches to `--counts FILE`.
//! `TOLLGATE_WASM` is the plugin's path, `ENVOY` that of Envoy's binary.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use tollgate_test_harness::Error;
#[cfg(feature = "host")]
use tollgate_test_harness::host::Compiled;
#[cfg(feature = "host")]
use tollgate_test_harness::scenario::budget::{self, Purpose};
use tollgate_test_harness::scenario::on_envoy::{Given, OnEnvoy};
use tollgate_test_harness::scenario::run::{Counts, Manner, run_all};
use tollgate_test_harness::scenario::{Engine, File};
#[cfg(feature = "host")]
use tollgate_test_harness::scenario::{endure, load_named, on_host::Prepared};

fn main() -> ExitCode {
    match Options::read().and_then(|options| run(&options)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many files run at a time: on Envoy they wait for most of their time, for its ticks and their windows.
const AT_ONCE: NonZero<usize> = NonZero::new(4).unwrap();

struct Options {
    engine: String,
    minutes: u64,
    at_once: NonZero<usize>,
    /// A folder inside that of the scenarios; the one itself where it is empty.
    folder: String,
    filter: String,
    update: bool,
    counts: PathBuf,
}

impl Options {
    fn read() -> Result<Self, Error> {
        let mut options = Self {
            engine: String::new(),
            minutes: 0,
            at_once: AT_ONCE,
            folder: String::new(),
            filter: String::new(),
            update: false,
            counts: PathBuf::new(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--engine" => options.engine = args.next().unwrap_or_default(),
                "--minutes" => options.minutes = number(&args.next().unwrap_or_default(), "of minutes")?,
                "--at-once" => options.at_once = number(&args.next().unwrap_or_default(), "above zero")?,
                "--folder" => options.folder = args.next().unwrap_or_default(),
                "--update" => options.update = true,
                "--counts" => options.counts = args.next().unwrap_or_default().into(),
                _ => options.filter = arg,
            }
        }
        Ok(options)
    }
}

fn number<N: std::str::FromStr>(text: &str, which: &str) -> Result<N, Error> {
    text.parse().map_err(|_| Error::File(format!("`{text}` is not a number {which}")))
}

/// How many cases failed.
fn run(options: &Options) -> Result<usize, Error> {
    let until = Instant::now() + Duration::from_secs(options.minutes.saturating_mul(60));
    loop {
        let counts = once(options)?;
        let verdict = if counts.failed == 0 { "ok" } else { "FAILED" };
        println!(
            "test result: {verdict}. {} passed; {} failed; {} ignored",
            counts.passed, counts.failed, counts.skipped
        );
        if counts.failed > 0 || Instant::now() >= until {
            return Ok(counts.failed);
        }
    }
}

fn once(options: &Options) -> Result<Counts, Error> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(&options.folder);
    let manner = |engine| Manner { engine, filter: &options.filter, at_once: options.at_once };
    match options.engine.as_str() {
        "envoy" => {
            let given = Given { wasm: path("TOLLGATE_WASM")?, envoy: path("ENVOY")? };
            let start =
                |file: &File| OnEnvoy::start(&given, file).map(|engine| Box::new(engine) as Box<dyn Engine>);
            run_all(&folder, manner("envoy"), start)
        }
        #[cfg(feature = "host")]
        "host" => {
            let compiled = Compiled::new(&path("TOLLGATE_WASM")?)?;
            let start = |file: &File| {
                Prepared::new(file)?.start(&compiled).map(|host| Box::new(host) as Box<dyn Engine>)
            };
            run_all(&folder, manner("host"), start)
        }
        #[cfg(feature = "host")]
        "faults" => {
            let compiled = Compiled::new(&path("TOLLGATE_WASM")?)?;
            endure::run_all(&compiled, &load_named(&folder, &options.filter)?)
        }
        #[cfg(feature = "host")]
        "costs" => {
            let compiled = Compiled::new(&path("TOLLGATE_WASM")?)?;
            let budgets = Path::new(env!("CARGO_MANIFEST_DIR")).join("budget.json");
            let purpose = if options.update { Purpose::Update } else { Purpose::Check };
            budget::run_all(&compiled, &folder.join("budget"), &budgets, purpose)
        }
        #[cfg(feature = "host")]
        "branches" => {
            let compiled = Compiled::new(&path("TOLLGATE_WASM")?)?;
            budget::count_branches(&compiled, &folder.join("budget"), &options.counts)
        }
        other => Err(Error::File(format!(
            "unknown engine `{other}`, expected one of envoy, host, faults, costs, branches"
        ))),
    }
}

fn path(variable: &str) -> Result<PathBuf, Error> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty());
    value
        .map(PathBuf::from)
        .ok_or_else(|| Error::File(format!("`{variable}` is not set; `cargo xtask test` sets it")))
}
