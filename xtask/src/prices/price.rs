//! What needs the compiled catalogue runs as programs of their own, so that `cargo xtask prices` can repair a catalogue
//! that does not compile: a quote, and questions to access logs.

use crate::run::Job;

/// `cargo xtask price`: prices a call and shows where the price comes from.
///
/// # Errors
/// Unknown providers, models and options.
pub fn run(args: &[String]) -> Result<(), String> {
    let cargo = ["run", "--quiet", "--package", "tollgate-pricing", "--example", "price", "--"];
    Job::cargo(cargo).args(args).run()
}

/// `cargo xtask requote`, `verify` and `prices --against`: see `src/logs`.
///
/// # Errors
/// Logs that cannot be read, or do not hold what they promise.
pub fn ask_logs(question: &str, args: &[String]) -> Result<(), String> {
    let cargo = ["run", "--quiet", "--package", "xtask", "--example", "logs", "--"];
    Job::cargo(cargo).args([question]).args(args.iter().map(|arg| absolute(arg))).run()
}

/// Jobs run in the project's root, so a file's path must not depend on where the user stands.
fn absolute(arg: &str) -> String {
    let file = std::path::Path::new(arg);
    if arg.starts_with('-') || !file.exists() {
        return arg.to_owned();
    }
    std::path::absolute(file).map_or_else(|_| arg.to_owned(), |path| path.to_string_lossy().into_owned())
}
