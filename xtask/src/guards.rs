//! `cargo xtask guards`: the tables of `docs/guards.md`, measured.

use std::fs;

use crate::run::{Job, root};

/// What stands above the tables.
const PAGE: &str = "docs/guards.md";
const MARK: &str = "<!-- measured by `cargo xtask guards` -->\n";

/// Without arguments the page is written anew; with some it is only measured.
pub fn run(args: &[String]) -> Result<(), String> {
    let example =
        ["run", "--quiet", "--release", "--package", "tollgate-policy", "--example", "guards", "--"];
    println!("playing synthetic weeks; 20 gateways of 900 keys take ten minutes on two cores");
    // A run in which a mark is missed shows its tables too: they say where, and which seeds repeat it.
    let mut tables = String::new();
    Job::cargo(example).args(args).watch(|line| {
        tables.push_str(line);
        tables.push('\n');
    })?;
    if !args.is_empty() {
        return Ok(());
    }
    let file = root().join(PAGE);
    let page = fs::read_to_string(&file).map_err(|error| format!("`{PAGE}`: {error}"))?;
    let (above, _) = page.split_once(MARK).ok_or_else(|| format!("`{PAGE}` has lost its mark"))?;
    fs::write(&file, format!("{above}{MARK}\n{}\n", tables.trim()))
        .map_err(|error| format!("`{PAGE}`: {error}"))
}
