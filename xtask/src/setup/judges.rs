//! Engines and validators of others, which judge what `tollgate` writes: packages of Python.

use std::fs;
use std::path::{Path, PathBuf};

use super::{clear, target_dir};
use crate::run::Job;

/// DuckDB and ClickHouse as libraries, and a translator of SQL for BigQuery's.
const ENGINES: [&str; 3] = ["duckdb==2.0.0", "chdb==4.4.0", "sqlglot==18.17.0"];
/// The FinOps foundation's own, which knows FOCUS 1.2 from 2.x on and then needs Python 3.12; with a pyarrow that fits the NumPy
/// it asks for.
const FOCUS: [&str; 2] = ["focus-validator==2.2.1", "pyarrow==18.1.0"];

/// Drives a browser as a person would, and looks for what keeps people with disabilities out. The browser is another matter.
const PERSONS: [&str; 2] = ["playwright==1.65.2", "axe-playwright-python==0.1.8"];

/// Makes sure that Playwright and axe are there, and returns the folder for `PYTHONPATH`.
pub fn playwright() -> Result<PathBuf, String> {
    fetch("python3", &PERSONS)
}

/// The CloudEvents project's own SDK.
const EVENTS: [&str; 1] = ["cloudevents==2.2.0"];

/// Makes sure that the SDK of CloudEvents is there, and returns the folder for `PYTHONPATH`.
pub fn cloudevents() -> Result<PathBuf, String> {
    fetch("python3", &EVENTS)
}

/// Makes sure that the engines are there, and returns the folder for `PYTHONPATH`.
pub fn engines() -> Result<PathBuf, String> {
    fetch("python3", &ENGINES)
}

/// Makes sure that the validator of FOCUS is there, and returns its folder. The Python that it needs is named in the file
/// `tollgate-python` there.
pub fn focus_validator() -> Result<PathBuf, String> {
    let python = newer_python()?;
    let home = fetch(&python, &FOCUS)?;
    fs::write(home.join("tollgate-python"), &python)
        .map_err(|error| format!("cannot write to `{}`: {error}", home.display()))?;
    Ok(home)
}

/// A Python of 3.12 or later, by its name or by pyenv.
fn newer_python() -> Result<String, String> {
    let names = ["python3", "python3.12", "python3.13", "python3.14"].map(str::to_owned);
    let pyenv = || {
        let root = Job::new("pyenv").args(["root"]).capture().unwrap_or_default();
        let versions = Job::new("pyenv").args(["versions", "--bare"]).capture().unwrap_or_default();
        let path =
            |version: &str| Path::new(root.trim()).join("versions").join(version.trim()).join("bin/python3");
        versions.lines().map(|version| path(version).to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let fits = |python: &String| {
        let asked = Job::new(python).args(["-c", "import sys; sys.exit(sys.version_info < (3, 12))"]);
        asked.capture().is_ok()
    };
    let found = names.into_iter().find(fits).or_else(|| pyenv().into_iter().find(fits));
    found.ok_or_else(|| "the validator of FOCUS needs Python 3.12 or later, which is not here".to_owned())
}

/// The versions are part of the folder's name.
fn fetch(python: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let name = packages.join("-").replace("==", "-");
    let home = target_dir().join("tools").join(&name);
    if !home.is_dir() {
        let half = home.with_file_name(format!("{name}.part"));
        clear(&half)?;
        println!("fetching {} by pip", packages.join(", "));
        let into = half.to_string_lossy();
        let asked = ["-m", "pip", "install", "--quiet", "--prefer-binary", "--target", &into];
        let job = Job::new(python).args([asked.as_slice(), packages].concat());
        job.capture()
            .map_err(|why| format!("{0} is missing; tried `pip install {0}`: {why}", packages.join(" ")))?;
        fs::rename(&half, &home).map_err(|error| format!("cannot make `{}`: {error}", home.display()))?;
    }
    println!("judges: {}", packages.join(", "));
    Ok(home)
}
