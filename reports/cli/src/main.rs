//! `tollgate`: answers out of access logs.

mod args;
mod commands;
mod generate;
mod input;
mod output;
mod run;
mod zone;

use std::process::ExitCode;

use args::Failure;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match commands::dispatch(&args) {
        Ok(verdict) => verdict,
        Err(Failure::Usage(why)) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
        // Whoever reads our output has seen enough: `tollgate report ... | head`.
        Err(Failure::Unread) => ExitCode::SUCCESS,
        Err(Failure::Failed(why)) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}
