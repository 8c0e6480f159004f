//! Compares what filters cost inside a real Envoy, as CPU time of the Envoy process per call, and what their VMs weigh.
//!
//! Every filter has an Envoy of its own, with one worker. In each round every filter takes its turn at every workload, so
//! that a change of the machine's mood hits all alike; a filter's figure is taken against the plain Envoy of the same round.

mod args;
mod compare;
mod core;
mod envoy;
mod error;
mod figures;
mod filter;
mod gate;
mod guarded;
mod http1;
mod load;
mod loaded;
mod measured;
mod memory;
mod pinned;
mod plot;
mod process;
mod report;
mod scale;
mod stores;
mod streams;
mod upstream;
mod workload;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use args::Args;
use measured::Measured;
use scale::Figures;

fn main() -> ExitCode {
    // The second Ctrl-C would find Envoys that nobody ends, so it does what the first one did.
    let handler = ctrlc::set_handler(|| load::STOPPING.store(true, Ordering::Relaxed));
    let outcome = handler
        .map_err(|error| error.to_string())
        .and_then(|()| Args::parse(std::env::args().skip(1)))
        .and_then(|args| run(&args));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    if args.wasm.estimate.is_none() {
        println!("nothing is said of counted tokens: `--estimate` names no tollgate-estimate.wasm");
    }
    let measured = Measured::take(args);
    println!("{}", report::markdown(&measured, args, "RESULTS.svg"));
    if let Some(path) = &args.results {
        keep(&measured, args, path)?;
    }
    let broken = gate::broken(&measured);
    broken.iter().for_each(|mark| println!("mark missed: {mark}"));
    match (measured.stopped, args.gated, broken.len()) {
        (Some(why), _, _) => Err(why),
        (None, gate::Gated::Yes, 1..) => Err(format!("{} of the marks are missed", broken.len())),
        _ => Ok(()),
    }
}

/// Writes the report, the picture, and, where all of it was measured, the model's tables. What was stopped does not take the place of a
/// whole report.
fn keep(measured: &Measured, args: &Args, path: &Path) -> Result<(), String> {
    let whole = measured.stopped.is_none();
    let path = if whole { path.to_owned() } else { path.with_extension("partial.md") };
    let plot = path.with_extension("svg");
    let report = report::markdown(measured, args, &plot.file_name().unwrap_or_default().to_string_lossy());
    write(&path, &report)?;
    write(&plot, &plot::svg(measured))?;
    let page = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scale.md"));
    let figures = Figures::read(&report).filter(|_| whole);
    let filled = figures.and_then(|figures| scale::fill(&fs::read_to_string(&page).ok()?, &figures));
    filled.map_or(Ok(()), |filled| write(&page, &filled))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}
