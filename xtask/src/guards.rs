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
    println!("playing synthetic weeks; 20 gateways of 825 keys take ten minutes on two cores");
    let tables = Job::cargo(example).args(args).capture()?;
    print!("{tables}");
    if !args.is_empty() {
        return Ok(());
    }
    let file = root().join(PAGE);
    let page = fs::read_to_string(&file).map_err(|error| format!("`{PAGE}`: {error}"))?;
    let (above, _) = page.split_once(MARK).ok_or_else(|| format!("`{PAGE}` has lost its mark"))?;
    fs::write(&file, format!("{above}{MARK}\n{}\n", tables.trim()))
        .map_err(|error| format!("`{PAGE}`: {error}"))
}
