//! `cargo xtask test`: every check, in one target folder, each step timed, all of them run even if one fails.

use std::fs;
use std::path::{Path, PathBuf};

use crate::report::{Counts, Report};
use crate::run::{Job, root};
use crate::setup::{self, ENVOY_VERSION, OLDEST_ENVOY_VERSION, WASM_TARGET};

pub fn run(args: &[String]) -> Result<(), String> {
    if let Some(arg) = args.first() {
        return Err(format!("`test` takes no argument `{arg}`"));
    }
    let mut report = Report::default();
    sources(&mut report);
    let wasm = report.value("build tollgate.wasm", setup::build_wasm);
    if let Some(wasm) = &wasm {
        report.plain("size of tollgate.wasm", || check_size(wasm));
    }
    let envoy = report.value(&format!("set up Envoy {ENVOY_VERSION}"), || setup::envoy(ENVOY_VERSION));
    let oldest = report.value(&format!("set up Envoy {OLDEST_ENVOY_VERSION}"), || {
        setup::fetched_envoy(OLDEST_ENVOY_VERSION)
    });
    unit_tests(&mut report, wasm.as_deref(), envoy.as_deref());
    if let Some(wasm) = &wasm {
        scenarios(&mut report, wasm, envoy.as_deref(), oldest.as_deref());
    }
    report.end()
}

/// All tests of cargo, some of which drive the plugin in Envoy where both are there. Builds the scenario runner
/// too, with the features of the whole workspace, so that nothing is built twice.
fn unit_tests(report: &mut Report, wasm: Option<&Path>, envoy: Option<&Path>) {
    report.step("unit, property, golden and Envoy tests", |counts| {
        let job = Job::cargo(["test", "--quiet", "--no-fail-fast"]);
        let job = [("TOLLGATE_WASM", wasm), ("ENVOY", envoy)]
            .into_iter()
            .filter_map(|(name, path)| Some((name, path?)))
            .fold(job, |job, (name, path)| job.env(name, path));
        job.watch(|line| counts.add_line(line))
    });
}

/// What needs no running plugin: form and lints, of native code and of the code that goes into the proxy.
fn sources(report: &mut Report) {
    report.plain("fmt", || Job::cargo(["fmt", "--all", "--check"]).run());
    report.plain("clippy, native", || {
        Job::cargo(["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"]).run()
    });
    report.plain("clippy, wasm32", || {
        setup::wasm_target()?;
        Job::cargo([
            "clippy",
            "--quiet",
            "--package",
            "tollgate-plugin",
            "--target",
            WASM_TARGET,
            "--",
            "-D",
            "warnings",
        ])
        .run()
    });
}

fn scenarios(report: &mut Report, wasm: &Path, envoy: Option<&Path>, oldest: Option<&Path>) {
    let runner = || Job::new(setup::target_dir().join("debug/scenarios")).env("TOLLGATE_WASM", wasm);
    for (version, envoy) in [(ENVOY_VERSION, envoy), (OLDEST_ENVOY_VERSION, oldest)] {
        if let Some(envoy) = envoy {
            report.step(&format!("configurations as they stand, Envoy {version}"), |counts| {
                configurations(envoy, wasm, counts)
            });
        }
    }
    report.step("scenarios, wasm host", |counts| {
        runner().args(["--engine", "host"]).watch(|line| counts.add_line(line))
    });
    report.step("scenarios, wasm host whose calls fail", |counts| {
        runner().args(["--engine", "faults"]).watch(|line| counts.add_line(line))
    });
    if let Some(envoy) = envoy {
        report.step(&format!("scenarios, Envoy {ENVOY_VERSION}"), |counts| {
            runner().args(["--engine", "envoy"]).env("ENVOY", envoy).watch(|line| counts.add_line(line))
        });
    }
    if let Some(envoy) = oldest {
        report.step(&format!("quickstart, Envoy {OLDEST_ENVOY_VERSION}"), |counts| {
            runner()
                .args(["--engine", "envoy", "quickstart"])
                .env("ENVOY", envoy)
                .watch(|line| counts.add_line(line))
        });
    }
}

/// The limit on the plugin's size. What it holds is mostly prices; look at what grew before you raise it.
const MAX_WASM_BYTES: u64 = 1_622_000;

fn check_size(wasm: &Path) -> Result<(), String> {
    let bytes = fs::metadata(wasm).map_err(|error| format!("`{}`: {error}", wasm.display()))?.len();
    println!("tollgate.wasm has {bytes} bytes, at most {MAX_WASM_BYTES} are allowed");
    if bytes > MAX_WASM_BYTES { Err("tollgate.wasm is too big".to_owned()) } else { Ok(()) }
}

/// Lets Envoy load every bootstrap of `envoy-config/` as the user would, with nothing changed but the path of
/// the wasm file, which depends on cargo's target folder.
fn configurations(envoy: &Path, wasm: &Path, counts: &mut Counts) -> Result<(), String> {
    const PATH: &str = "target/wasm32-unknown-unknown/release/tollgate.wasm";
    let mut failed = Vec::new();
    for file in bootstraps()? {
        let text = fs::read_to_string(&file).map_err(|error| format!("`{}`: {error}", file.display()))?;
        let copy = setup::target_dir().join("validate.yaml");
        fs::write(&copy, text.replace(PATH, &wasm.to_string_lossy())).map_err(|error| error.to_string())?;
        let job = Job::new(envoy).args([
            "--mode",
            "validate",
            "--disable-hot-restart",
            "--log-level",
            "warning",
            "-c",
        ]);
        let name = file.strip_prefix(root()).unwrap_or(&file).display();
        match job.args([&copy]).capture() {
            Ok(_) => {
                println!("{name} ... ok");
                counts.passed += 1;
            }
            Err(why) => {
                counts.failed += 1;
                failed.push(format!("{name}: {why}"));
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}

/// Files of `envoy-config/` with a listener in them.
fn bootstraps() -> Result<Vec<PathBuf>, String> {
    let read = |folder: &Path| {
        let entries = fs::read_dir(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
        Ok::<_, String>(entries.flatten().map(|entry| entry.path()).collect::<Vec<PathBuf>>())
    };
    let mut files = Vec::new();
    for folder in read(&root().join("envoy-config"))?.iter().filter(|path| path.is_dir()) {
        files.extend(read(folder)?);
    }
    files.retain(|file| {
        fs::read_to_string(file).is_ok_and(|text| text.lines().any(|line| line == "static_resources:"))
    });
    files.sort();
    Ok(files)
}
