//! Compares what filters cost inside a real Envoy, as CPU time of the Envoy process per call, and what their VMs weigh.
//!
//! Every filter has an Envoy of its own, with one worker. In each round every filter takes its turn at every workload, so
//! that a change of the machine's mood hits all alike; a filter's figure is taken against the plain Envoy of the same round.

mod args;
mod compare;
mod envoy;
mod error;
mod figures;
mod filter;
mod gate;
mod http1;
mod load;
mod memory;
mod process;
mod report;
mod upstream;
mod workload;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use args::Args;
use error::Error;

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
    let measured = measure(args).map_err(|error| error.to_string())?;
    let report = report::markdown(&measured, args);
    println!("{report}");
    if let Some(path) = &args.results {
        std::fs::write(path, &report)
            .map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
        println!("written to {}", path.display());
    }
    let broken = gate::broken(&measured);
    broken.iter().for_each(|gate| println!("gate broken: {gate}"));
    match (args.gated, broken.len()) {
        (gate::Gated::Yes, 1..) => Err(format!("{} of the gates are broken", broken.len())),
        _ => Ok(()),
    }
}

/// Everything that was measured.
pub struct Measured {
    /// CPU time by filter and workload.
    pub table: compare::Table,
    /// Memory by filter.
    pub memory: Vec<memory::Weight>,
}

fn measure(args: &Args) -> Result<Measured, Error> {
    let workloads = Arc::new(workload::all());
    let upstream = upstream::start(Arc::clone(&workloads)).map_err(Error::io("cannot start the upstream"))?;
    let bench = compare::Bench { args, upstream };
    let memory = memory::weigh(&bench, &workloads)?;
    let table = compare::compare(&bench, &workloads)?;
    Ok(Measured { table, memory })
}
