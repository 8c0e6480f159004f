//! Engines and validators of others, which judge what `tollgate` writes: packages of Python.

use std::fs;
use std::path::PathBuf;

use super::{clear, python, target_dir};

/// DuckDB and ClickHouse as libraries, and a translator of SQL for BigQuery's.
const ENGINES: [&str; 3] = ["duckdb==2.0.0", "chdb==4.4.0", "sqlglot==18.17.0"];
/// The FinOps foundation's own. It builds one of its dependencies, so it may not be had everywhere.
const FOCUS: [&str; 1] = ["focus-validator==1.0.0"];

/// Makes sure that the engines are there, and returns the folder for `PYTHONPATH`.
pub fn engines() -> Result<PathBuf, String> {
    fetch(&ENGINES)
}

/// Makes sure that the validator of FOCUS is there, and returns the folder for `PYTHONPATH`.
pub fn focus_validator() -> Result<PathBuf, String> {
    fetch(&FOCUS)
}

/// The versions are part of the folder's name.
fn fetch(packages: &[&str]) -> Result<PathBuf, String> {
    let home = target_dir().join("tools").join(packages.join("-").replace("==", "-"));
    if !home.is_dir() {
        let half = home.with_file_name(format!("{}.part", packages.join("-").replace("==", "-")));
        clear(&half)?;
        println!("fetching {} by pip", packages.join(", "));
        let into = half.to_string_lossy();
        let asked = ["-m", "pip", "install", "--quiet", "--prefer-binary", "--target", &into];
        python([asked.as_slice(), packages].concat())
            .map_err(|why| format!("{0} is missing; tried `pip install {0}`: {why}", packages.join(" ")))?;
        fs::rename(&half, &home).map_err(|error| format!("cannot make `{}`: {error}", home.display()))?;
    }
    println!("judges: {}", packages.join(", "));
    Ok(home)
}
