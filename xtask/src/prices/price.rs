//! `cargo xtask price`: a quote from the compiled catalogue. It runs as a program of its own, so that
//! `cargo xtask prices` can repair a catalogue that does not compile.

use crate::run::Job;

/// Prices a call and shows where the price comes from.
///
/// # Errors
/// Unknown providers, models and options.
pub fn run(args: &[String]) -> Result<(), String> {
    let cargo = ["run", "--quiet", "--package", "tollgate-pricing", "--example", "price", "--"];
    Job::cargo(cargo).args(args).run()
}
