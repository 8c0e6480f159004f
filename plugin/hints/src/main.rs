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
                     tollgate-hints fits WASM PROFILE: an error where the module lacks them, or too much has changed since";

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
    // Two builds at a time each have a part of their own.
    let part = format!("{wasm}.{}.part", std::process::id());
    write(&part, &hinted)?;
    fs::rename(&part, wasm).map_err(|error| format!("`{wasm}`: {error}"))?;
    Ok(format!("`{wasm}` has hints"))
}

fn fits(wasm: &str, profile: &str) -> Result<String, String> {
    let (module, profile) = (read(wasm)?, known(profile)?);
    fit(&module, &profile).map_err(|why| format!("`{wasm}`: {why}"))
}

/// Whether a module has all hints that are known, and enough of them are about code that is there.
fn fit(module: &[u8], profile: &Profile) -> Result<String, String> {
    let functions = functions::functions(module).map_err(|error| error.to_string())?;
    let (left, all) = (profile.hints_about(&functions), profile.hints());
    let said = format!("{left} of {all} branch hints are about code that has not changed");
    if all == 0 || left * 100 < all * FITS_PERCENT {
        return Err(format!("{said}, {FITS_PERCENT} % are wanted; `cargo xtask hints` learns anew"));
    }
    match apply::hinted(module, profile).is_ok_and(|hinted| hinted == module) {
        true => Ok(said),
        false => Err(format!("{said}, but the module lacks them; `cargo xtask build` puts them in")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_fit_where_they_are_in_the_module_and_about_its_code() {
        let module = functions::tests::module("run", 7);
        let known = functions::functions(&module).expect("a module");
        let profile = Profile::learn(&known, &[(0, 4), (9, 0)]).expect("as many");
        let hinted = apply::hinted(&module, &profile).expect("a module");
        let other = apply::hinted(&functions::tests::module("other", 7), &profile).expect("a module");
        for (name, module, profile, expected) in [
            ("built", &hinted, &profile, Ok("2 of 2 branch hints are about code that has not changed")),
            (
                "without its hints",
                &module,
                &profile,
                Err("2 of 2 branch hints are about code that has not changed, but the module lacks them"),
            ),
            ("another module", &other, &profile, Err("0 of 2 branch hints are about")),
            ("nothing learned", &module, &Profile::default(), Err("0 of 0 branch hints are about")),
            ("cut off", &hinted[..hinted.len() - 1].to_vec(), &profile, Err("unexpected end")),
        ] {
            let found = fit(module, profile);
            match (&found, expected) {
                (Ok(said), Ok(expected)) => assert_eq!(said, expected, "{name}"),
                (Err(why), Err(start)) => assert!(why.starts_with(start), "{name}: {why}"),
                _ => panic!("{name}: {found:?}"),
            }
        }
    }
}
