//! `cargo xtask estimates`: the table of `docs/estimates.md`, measured.

use std::fs;
use std::path::Path;

use crate::run::{Job, root};

/// What stands above the table.
const PAGE: &str = "docs/estimates.md";
const MARK: &str = "<!-- measured by `cargo xtask estimates` -->\n";

pub fn run(args: &[String]) -> Result<(), String> {
    let [folder] = args else { return Err("`estimates` needs a folder of recorded exchanges".to_owned()) };
    if !Path::new(folder).is_dir() {
        return Err(format!("`{folder}` is no folder"));
    }
    let folder = std::path::absolute(folder).map_err(|error| format!("`{folder}`: {error}"))?;
    let example = ["run", "--quiet", "--package", "tollgate-wire", "--features", "vocabulary"];
    let table = Job::cargo(example).args(["--example", "estimates", "--"]).args([&folder]).capture()?;
    print!("{table}");
    let file = root().join(PAGE);
    let page = fs::read_to_string(&file).map_err(|error| format!("`{PAGE}`: {error}"))?;
    let (above, _) = page.split_once(MARK).ok_or_else(|| format!("`{PAGE}` has lost its mark"))?;
    fs::write(&file, format!("{above}{MARK}\n{}\n", table.trim()))
        .map_err(|error| format!("`{PAGE}`: {error}"))
}
