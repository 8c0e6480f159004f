//! `cargo xtask bench`: the core alone by criterion, then the whole Envoy beside native filters.

use std::ffi::OsString;
use std::path::Path;

use crate::run::Job;
use crate::setup;

/// What criterion runs: a part that `--only` can name, like those of `envoy-compare`.
const CORE: &str = "core";

pub fn run(args: &[String]) -> Result<(), String> {
    let only: Vec<&str> =
        args.windows(2).filter_map(|pair| (pair[0] == "--only").then_some(pair[1].as_str())).collect();
    let core = only.is_empty() || only.contains(&CORE);
    if core {
        println!("measuring the core alone");
        measure_core(args.iter().any(|arg| arg == "--quick"))?;
    }
    if only.iter().any(|word| *word != CORE) || only.is_empty() {
        compare(args, core)?;
    }
    Ok(())
}

fn measure_core(quick: bool) -> Result<(), String> {
    let bench = ["bench", "--quiet", "--package", "tollgate-benches", "--bench", CORE, "--"];
    let small = ["--warm-up-time", "0.1", "--measurement-time", "0.1", "--sample-size", "10"];
    Job::cargo(bench).args(small.iter().filter(|_| quick)).run()
}

/// Tells `envoy-compare` where everything is. A stream needs four files, and many machines grant 1,024 unless asked.
fn compare(args: &[String], core: bool) -> Result<(), String> {
    let (wasm, envoy) = (setup::build_wasm()?, setup::envoy(setup::ENVOY_VERSION)?);
    let estimate = setup::build_estimate_wasm()?;
    println!("building the filters to compare with, and the benches");
    Job::cargo([
        "build",
        "--quiet",
        "--release",
        "--package",
        "tollgate-noop",
        "--package",
        "tollgate-inflate",
        "--target",
        setup::WASM_TARGET,
    ])
    .run()?;
    Job::cargo(["build", "--quiet", "--release", "--package", "tollgate-benches"]).run()?;
    let target = setup::target_dir();
    let compare = target.join("release/envoy-compare");
    let mut words: Vec<OsString> =
        ["-c", "ulimit -n 8192 2>/dev/null; exec \"$@\"", "sh"].map(Into::into).into();
    words.push(compare.into());
    let mut option = |name: &str, path: &Path| words.extend([name.into(), path.into()]);
    option("--envoy", &envoy);
    option("--plugin", &wasm);
    option("--estimate", &estimate);
    if core {
        option("--core", &target.join("criterion"));
    }
    words.extend(without_core(args));
    Job::new("sh").args(words).run()
}

/// The arguments without what `envoy-compare` knows nothing of.
fn without_core(args: &[String]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut args = args.iter().peekable();
    while let Some(arg) = args.next() {
        if arg == "--only" && args.peek().is_some_and(|word| *word == CORE) {
            args.next();
        } else {
            kept.push(arg.into());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_the_core_is_not_passed_on() {
        let args = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (given, expected) in [
            ("--rounds 3 --only core --only sse", "--rounds 3 --only sse"),
            ("--only core", ""),
            ("--quick", "--quick"),
            ("--only", "--only"),
        ] {
            let expected: Vec<OsString> = args(expected).into_iter().map(Into::into).collect();
            assert_eq!(without_core(&args(given)), expected, "{given}");
        }
    }
}
