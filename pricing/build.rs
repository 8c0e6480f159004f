//! Compiles `catalogue/*.json` into static tables. A file that is malformed, prices a thing twice or
//! below zero, or does not fit the tables stops the build with its path and the reason.

extern crate alloc;

#[path = "build/emit.rs"]
mod emit;

// The same code that makes users' own cards at run time makes the tables here.
#[path = "src/assemble.rs"]
mod assemble;
#[path = "src/class.rs"]
mod class;
#[expect(dead_code, reason = "the build needs only the writing half of these modules")]
#[path = "src/compile.rs"]
mod compile;
#[path = "src/date.rs"]
mod date;
#[path = "src/decimal.rs"]
mod decimal;
#[path = "src/digest.rs"]
mod digest;
#[expect(dead_code, reason = "as above")]
#[path = "src/error.rs"]
mod error;
#[path = "src/file.rs"]
mod file;
#[expect(dead_code, reason = "as above")]
#[path = "src/index.rs"]
mod index;
#[expect(dead_code, reason = "as above")]
#[path = "src/money.rs"]
mod money;
#[expect(dead_code, reason = "as above")]
#[path = "src/situation.rs"]
mod situation;
#[expect(dead_code, reason = "as above")]
#[path = "src/tables.rs"]
mod tables;
#[expect(dead_code, reason = "as above")]
#[path = "src/tokens.rs"]
mod tokens;
#[expect(dead_code, reason = "as above")]
#[path = "src/units.rs"]
mod units;

use file::ProviderFile;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Files of the folder that are no provider's.
const OTHERS: [&str; 3] = ["sources.json", "decisions.json", "schema.json"];

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=catalogue");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src");
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("cargo::error={why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let out = std::env::var("OUT_DIR").map_err(|error| format!("OUT_DIR: {error}"))?;
    let mut catalogue = compile::Compiler::default();
    let mut digest = digest::Digest::new();
    let paths = paths(Path::new("catalogue"))?;
    let mut files = Vec::new();
    for path in &paths {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        digest = digest.field(text.as_bytes());
        let file: ProviderFile =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        files.push((path, file));
    }
    for (path, file) in &files {
        catalogue.add(file).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    let tables = catalogue.finish(|_| false).map_err(|why| format!("catalogue: {why}"))?;
    let text = emit::rust(&tables, &digest.hex());
    fs::write(Path::new(&out).join("catalogue.rs"), text).map_err(|error| format!("{out}: {error}"))
}

fn paths(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let names = entries.flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = names.filter(|path| is_provider(path)).collect();
    paths.sort();
    Ok(paths)
}

fn is_provider(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".json") && !OTHERS.contains(&name)
}
