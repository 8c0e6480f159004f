//! `cargo xtask test`: every check, in one target folder, each step timed, all of them run even if one fails.

use std::fs;
use std::path::{Path, PathBuf};

use crate::binaries::{self, Binary};
use crate::compiler;
use crate::report::{Counts, Ran, Report};
use crate::run::{Job, root};
use crate::setup::{self, ENVOY_VERSION, OLDEST_ENVOY_VERSION, WASM_TARGET};

pub fn run(args: &[String]) -> Result<(), String> {
    if let Some(arg) = args.first() {
        return Err(format!("`test` takes no argument `{arg}`"));
    }
    let mut report = Report::default();
    sources(&mut report);
    let Built { wasm, estimate, trap, page } = builds(&mut report);
    if let Some(wasm) = &wasm {
        measured(&mut report, "size of tollgate.wasm", || check_size(wasm));
        measured(&mut report, "branch hints are about the code as it is", || setup::hints_fit(wasm));
    }
    let envoy = report.value(&format!("set up Envoy {ENVOY_VERSION}"), || setup::envoy(ENVOY_VERSION));
    let oldest = report.value(&format!("set up Envoy {OLDEST_ENVOY_VERSION}"), || {
        setup::fetched_envoy(OLDEST_ENVOY_VERSION)
    });
    let mut tools = stand_ins(&mut report);
    tools.extend(judges(&mut report));
    tools.extend(trap.map(|path| ("TOLLGATE_TRAP_WASM", path)));
    tools.extend(page.map(|path| ("TOLLGATE_PAGE", path)));
    tools.extend(wasm.clone().map(|path| ("TOLLGATE_WASM", path)));
    tools.extend(envoy.clone().map(|path| ("ENVOY", path)));
    tools.extend(estimate.clone().map(|path| ("TOLLGATE_ESTIMATE_WASM", path)));
    let (envoy, oldest) = (envoy.as_deref(), oldest.as_deref());
    let scenarios = scenarios(wasm.as_deref(), estimate.as_deref(), envoy, oldest);
    report.step("unit, property, golden and Envoy tests, and scenarios", |counts| {
        binaries::run(&tools, scenarios, counts)
    });
    benches(&mut report);
    if let Some(wasm) = &wasm {
        configurations_of(&mut report, wasm, envoy, oldest);
    }
    report.end()
}

/// A check that depends on the compiler.
fn measured(report: &mut Report, heading: &str, check: impl FnOnce() -> Result<(), String>) {
    if compiler::is_the_measured_one_for(heading) {
        report.plain(heading, check);
    }
}

/// What is built for wasm.
struct Built {
    wasm: Option<PathBuf>,
    estimate: Option<PathBuf>,
    trap: Option<PathBuf>,
    page: Option<PathBuf>,
}

/// Each of these links for long on one core, so two are built at a time. Profiles have folders and locks of their own: those
/// that share one stand in a row.
fn builds(report: &mut Report) -> Built {
    println!("\n=== builds for wasm, two at a time");
    // Before both lanes look for it; where it cannot be had each of them says why.
    drop(setup::wasm_target());
    let ((wasm, page), others) = std::thread::scope(|scope| {
        let others = scope.spawn(|| (Ran::of(setup::build_estimate_wasm), Ran::of(setup::build_trap_wasm)));
        ((Ran::of(setup::build_wasm), Ran::of(setup::page)), others.join())
    });
    let (estimate, trap) = others.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    Built {
        wasm: report.ran("build tollgate.wasm", wasm),
        page: report.ran("build the page", page),
        estimate: report.ran("build tollgate-estimate.wasm", estimate),
        trap: report.ran("build the plugin that traps when asked to", trap),
    }
}

/// Programs and folders that tests need, by the variable of the environment that names them. A test that lacks one says so.
type Tools = Vec<(&'static str, PathBuf)>;

/// What tests need besides Envoy and the plugin.
fn stand_ins(report: &mut Report) -> Tools {
    let stores = report.value("set up Redis and Webdis", setup::stores);
    let sdks = report.value("set up the providers' SDKs", setup::sdks);
    let stores = stores.into_iter().flat_map(|s| [("REDIS_SERVER", s.redis), ("WEBDIS", s.webdis)]);
    let prometheus = report.value("set up Prometheus", setup::prometheus);
    let alertmanager = report.value("set up Alertmanager", setup::alertmanager);
    let events = report.value("set up the SDK of CloudEvents", setup::cloudevents);
    let chromium = report.value("set up Chromium", setup::chromium);
    let sdks = sdks.map(|path| ("TOLLGATE_SDKS", path));
    let observers = prometheus.into_iter().flat_map(|p| [("PROMETHEUS", p.server), ("PROMTOOL", p.promtool)]);
    let observers = observers.chain(alertmanager.map(|path| ("ALERTMANAGER", path)));
    let observers = observers.chain(events.map(|path| ("TOLLGATE_CLOUDEVENTS", path)));
    let observers = observers.chain(chromium.map(|path| ("CHROMIUM", path)));
    stores.chain(sdks).chain(observers).collect()
}

/// What judges the reports.
fn judges(report: &mut Report) -> Tools {
    let engines = report.value("set up DuckDB and ClickHouse", setup::engines);
    // It wants a Python that not every machine has: its test then says that it did not run.
    let focus = setup::focus_validator().map_err(|why| println!("charges are not validated: {why}")).ok();
    let playwright = report.value("set up Playwright and axe", setup::playwright);
    let judges =
        [("TOLLGATE_ENGINES", engines), ("TOLLGATE_FOCUS", focus), ("TOLLGATE_PLAYWRIGHT", playwright)];
    judges.into_iter().filter_map(|(name, path)| Some((name, path?))).collect()
}

fn with(job: Job, tools: &Tools) -> Job {
    tools.iter().fold(job, |job, (name, path)| job.env(name, path))
}

/// Sets up what the tests need and prints it, a variable a line.
pub fn tools() -> Result<(), String> {
    let mut report = Report::default();
    let Built { wasm, estimate, trap, page } = builds(&mut report);
    let envoy = report.value(&format!("set up Envoy {ENVOY_VERSION}"), || setup::envoy(ENVOY_VERSION));
    let mut tools = stand_ins(&mut report);
    tools.extend(judges(&mut report));
    let built = [
        ("TOLLGATE_WASM", wasm),
        ("TOLLGATE_ESTIMATE_WASM", estimate),
        ("TOLLGATE_TRAP_WASM", trap),
        ("TOLLGATE_PAGE", page),
        ("ENVOY", envoy),
    ];
    tools.extend(built.into_iter().filter_map(|(name, path)| Some((name, path?))));
    for (name, path) in &tools {
        println!("{name}={}", path.display());
    }
    // The validator of FOCUS may be missing, see there.
    let found = tools.iter().filter(|(name, _)| *name != "TOLLGATE_FOCUS").count();
    if found == 15 { Ok(()) } else { Err("some are missing, see above".to_owned()) }
}

/// Budgets, attribution and alerts at full size: ten times the calls of `cargo xtask test`.
pub fn budgets_at_full_size(wasm: &Path, envoy: &Path) -> Result<(), String> {
    let mut report = Report::default();
    let mut tools = stand_ins(&mut report);
    let trap = report.value("build the plugin that traps when asked to", setup::build_trap_wasm);
    tools.extend(trap.map(|path| ("TOLLGATE_TRAP_WASM", path)));
    tools.extend([("TOLLGATE_WASM", wasm.to_path_buf()), ("ENVOY", envoy.to_path_buf())]);
    report.step("budgets, attribution and alerts at full size", |counts| {
        let tests = [
            "test",
            "--quiet",
            "--package",
            "tollgate-test-harness",
            "--test",
            "budgets",
            "--test",
            "fleet",
            "--test",
            "attribution",
            "--test",
            "many_counters",
            "--test",
            "alerts",
        ];
        let job = Job::cargo(tests).args(["--", "--nocapture", "--test-threads", "1"]);
        with(job, &tools).env("TOLLGATE_SOAK", "1").watch(|line| counts.add_line(line))
    });
    report.end()
}

/// The benches, which are no default member: that they compile, that their own tests pass, and that each benchmark runs once.
fn benches(report: &mut Report) {
    let package = ["--quiet", "--package", "tollgate-benches"];
    report.plain("clippy, benches", || {
        Job::cargo(["clippy"]).args(package).args(["--all-targets", "--", "-D", "warnings"]).run()
    });
    report.step("benches, each once", |counts| {
        Job::cargo(["test"]).args(package).arg("--all-targets").watch(|line| counts.add_line(line))
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
            "--package",
            "tollgate-web",
            "--target",
            WASM_TARGET,
            "--",
            "-D",
            "warnings",
        ])
        .run()
    });
}

/// The runs of scenarios: in the wasm host and in Envoy, and those of the plugin that has vocabularies in it. The runner is built with the
/// tests, with the features of the whole workspace, so that nothing is built twice.
fn scenarios(
    wasm: Option<&Path>,
    estimate: Option<&Path>,
    envoy: Option<&Path>,
    oldest: Option<&Path>,
) -> Vec<Binary> {
    let mut runs = Vec::new();
    let mut add = |name: &str, args: &[&str], plugin: Option<&Path>, proxy: Option<&Path>| {
        let given = plugin.map(|plugin| ("TOLLGATE_WASM", plugin)).into_iter();
        let given: Vec<_> = given.chain(proxy.map(|proxy| ("ENVOY", proxy))).collect();
        runs.extend((plugin.is_some()).then(|| Binary::scenarios(name, args, &given)));
    };
    add("scenarios, wasm host", &["--engine", "host"], wasm, None);
    let costs = "scenarios, wasm host: what calls cost";
    if compiler::is_the_measured_one_for(costs) {
        add(costs, &["--engine", "costs"], wasm, None);
    }
    add("scenarios, wasm host whose calls fail", &["--engine", "faults"], wasm, None);
    if envoy.is_some() {
        add(&format!("scenarios, Envoy {ENVOY_VERSION}"), &["--engine", "envoy"], wasm, envoy);
        let folder = ["--engine", "envoy", "--folder", "with_vocabulary"];
        add("scenarios of tollgate-estimate.wasm", &folder, estimate, envoy);
    }
    if oldest.is_some() {
        let quickstart = ["--engine", "envoy", "quickstart"];
        add(&format!("scenarios, quickstart, Envoy {OLDEST_ENVOY_VERSION}"), &quickstart, wasm, oldest);
    }
    runs
}

fn configurations_of(report: &mut Report, wasm: &Path, envoy: Option<&Path>, oldest: Option<&Path>) {
    for (version, envoy) in [(ENVOY_VERSION, envoy), (OLDEST_ENVOY_VERSION, oldest)] {
        if let Some(envoy) = envoy {
            report.step(&format!("configurations as they stand, Envoy {version}"), |counts| {
                configurations(version, envoy, wasm, counts)
            });
        }
    }
}

/// The limit on the plugin's size. What it holds is mostly prices; look at what grew before you raise it.
const MAX_WASM_BYTES: u64 = 2_278_000;

fn check_size(wasm: &Path) -> Result<(), String> {
    let bytes = fs::metadata(wasm).map_err(|error| format!("`{}`: {error}", wasm.display()))?.len();
    println!("tollgate.wasm has {bytes} bytes, at most {MAX_WASM_BYTES} are allowed");
    if bytes > MAX_WASM_BYTES { Err("tollgate.wasm is too big".to_owned()) } else { Ok(()) }
}

/// Lets Envoy load every bootstrap of `envoy-config/` as the user would, with nothing changed but the path of
/// the wasm file, which depends on cargo's target folder.
fn configurations(version: &str, envoy: &Path, wasm: &Path, counts: &mut Counts) -> Result<(), String> {
    const PATH: &str = "target/wasm32-unknown-unknown/release/tollgate.wasm";
    let mut failed = Vec::new();
    for file in bootstraps()? {
        let text = fs::read_to_string(&file).map_err(|error| format!("`{}`: {error}", file.display()))?;
        let name = file.strip_prefix(root()).unwrap_or(&file).display();
        if version != ENVOY_VERSION && text.contains(&format!("# Needs Envoy {ENVOY_VERSION}")) {
            println!("{name} ... skipped: it needs Envoy {ENVOY_VERSION}");
            continue;
        }
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
