//! What needs the compiled catalogue runs as programs of their own, so that `cargo xtask prices` can repair a catalogue
//! that does not compile: a quote, and questions to access logs.

use crate::run::Job;
use crate::setup;

/// `cargo xtask price`: prices a call and shows where the price comes from.
///
/// # Errors
/// Unknown providers, models and options.
pub fn run(args: &[String]) -> Result<(), String> {
    let cargo = ["run", "--quiet", "--package", "tollgate-pricing", "--example", "price", "--"];
    Job::cargo(cargo).args(args).run()
}

/// `cargo xtask requote` and `prices --against`: see `src/logs`.
///
/// # Errors
/// Logs that cannot be read, or do not hold what they promise.
pub fn ask_logs(question: &str, args: &[String]) -> Result<(), String> {
    let cargo = ["run", "--quiet", "--package", "xtask", "--example", "logs", "--"];
    Job::cargo(cargo).args([question]).args(args.iter().map(|arg| absolute(arg))).run()
}

/// `cargo xtask tollgate` and `verify`: the command line of `reports/cli`, as it is when it is installed.
///
/// # Errors
/// Whatever it says.
pub fn ask_tollgate(args: impl IntoIterator<Item = String>) -> Result<(), String> {
    println!("building tollgate");
    Job::cargo(["build", "--quiet", "--release", "--package", "tollgate"]).run()?;
    let args = args.into_iter().map(|arg| absolute(&arg));
    Job::new(setup::target_dir().join("release/tollgate")).args(args).run()
}

/// Jobs run in the project's root, so a file's path must not depend on where the user stands.
fn absolute(arg: &str) -> String {
    let file = std::path::Path::new(arg);
    if arg.starts_with('-') || !file.exists() {
        return arg.to_owned();
    }
    std::path::absolute(file).map_or_else(|_| arg.to_owned(), |path| path.to_string_lossy().into_owned())
}
