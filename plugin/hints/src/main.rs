//! Tells engines which branches of `tollgate.wasm` usual calls never take.
//!
//! A call passes a tenth of the code of the functions that it passes through: the rest is for errors and rarer forms.
//! Compilers of wasm do not know that, and lay it all out in order, so that a call jumps over what it does not need, and
//! loads it into the processor's caches. The section `metadata.code.branch_hint` (the WebAssembly proposal
//! "Branch Hinting", which V8 follows) says it: what is unlikely goes to a function's end. Nothing else changes.
//!
//! What is usual is measured: `count` adds a counter to each branch, the wasm host makes the calls of
//! `test-harness/scenarios/budget`, `learn` writes what they did to `plugin/branches.txt`, and each build has it by `apply`.

mod apply;
mod count;
mod functions;
mod profile;

use std::fs;
use std::process::ExitCode;

use profile::Profile;

const USAGE: &str = "tollgate-hints count WASM OUT: adds counters of branches, in the memory `branches`\n\
                     tollgate-hints learn WASM COUNTS PROFILE: writes down which branches were one-sided\n\
                     tollgate-hints apply WASM PROFILE: puts what is known of them into the module\n\
                     tollgate-hints fits WASM PROFILE: an error where too much has changed since it was learned";

/// So many percent of what was learned must still be about functions that are there.
const FITS_PERCENT: usize = 90;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["count", wasm, out] => count(wasm, out),
        ["learn", wasm, counts, profile] => learn(wasm, counts, profile),
        ["apply", wasm, profile] => apply(wasm, profile),
        ["fits", wasm, profile] => fits(wasm, profile),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn count(wasm: &str, out: &str) -> Result<String, String> {
    let module = read(wasm)?;
    let (counting, branches) = count::counting(&module).map_err(|why| format!("`{wasm}`: {why}"))?;
    write(out, &counting)?;
    Ok(format!("{branches} branches are counted"))
}

fn learn(wasm: &str, counts: &str, profile: &str) -> Result<String, String> {
    let (module, text) = (read(wasm)?, text(counts)?);
    let counts = profile::counts(&text).map_err(|why| format!("`{counts}`: {why}"))?;
    let functions = functions::functions(&module).map_err(|why| format!("`{wasm}`: {why}"))?;
    let learned = Profile::learn(&functions, &counts)?;
    write(profile, learned.to_text().as_bytes())?;
    Ok(format!("{} branches of usual calls are one-sided", learned.hints()))
}

/// Puts the hints into the file, in one step, so that nobody loads half of it.
fn apply(wasm: &str, profile: &str) -> Result<String, String> {
    let (module, profile) = (read(wasm)?, known(profile)?);
    let hinted = apply::hinted(&module, &profile).map_err(|why| format!("`{wasm}`: {why}"))?;
    let part = format!("{wasm}.part");
    write(&part, &hinted)?;
    fs::rename(&part, wasm).map_err(|error| format!("`{wasm}`: {error}"))?;
    Ok(format!("`{wasm}` has hints"))
}

fn fits(wasm: &str, profile: &str) -> Result<String, String> {
    let (module, profile) = (read(wasm)?, known(profile)?);
    let functions = functions::functions(&module).map_err(|why| format!("`{wasm}`: {why}"))?;
    let (left, all) = (profile.hints_about(&functions), profile.hints());
    let said = format!("{left} of {all} branch hints are about code that has not changed");
    match left * 100 >= all * FITS_PERCENT {
        true => Ok(said),
        false => Err(format!("{said}, {FITS_PERCENT} % are wanted; `cargo xtask hints` learns anew")),
    }
}

fn known(path: &str) -> Result<Profile, String> {
    Profile::from_text(&text(path)?).map_err(|why| format!("`{path}`: {why}"))
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("`{path}`: {error}"))
}

fn text(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("`{path}`: {error}"))
}

fn write(path: &str, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("`{path}`: {error}"))
}
