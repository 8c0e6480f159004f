//! Who looks at Tollgate: Prometheus and its Alertmanager, and a browser.

use std::fs;
use std::path::{Path, PathBuf};

use super::debian;
use crate::run::{Job, root};

/// The programs of Prometheus.
#[derive(Clone, Debug)]
pub struct Prometheus {
    /// The server.
    pub server: PathBuf,
    /// What checks and tests rules.
    pub promtool: PathBuf,
}

/// Makes sure that Prometheus is there. `PROMETHEUS=/path` and `PROMTOOL=/path` in the environment win.
pub fn prometheus() -> Result<Prometheus, String> {
    let given = given("PROMETHEUS").zip(given("PROMTOOL"));
    let found = match given.map(|(server, promtool)| Prometheus { server, promtool }) {
        Some(given) => given,
        None => fetched_prometheus()?,
    };
    let said = Job::new(&found.promtool).args(["--version"]).capture();
    said.map_err(|why| format!("`{}`: {why}", found.promtool.display()))?;
    Ok(found)
}

fn fetched_prometheus() -> Result<Prometheus, String> {
    let home = debian::unpacked("prometheus", &["prometheus"]).map_err(|why| {
        format!("{why}; or install Prometheus yourself and set PROMETHEUS=/path and PROMTOOL=/path")
    })?;
    let program = |name| debian::launcher(&home, name);
    Ok(Prometheus { server: program("prometheus")?, promtool: program("promtool")? })
}

/// Makes sure that Alertmanager is there. `ALERTMANAGER=/path` in the environment wins.
pub fn alertmanager() -> Result<PathBuf, String> {
    let fetched = || {
        let home = debian::unpacked("alertmanager", &["prometheus-alertmanager"])
            .map_err(|why| format!("{why}; or install Alertmanager yourself and set ALERTMANAGER=/path"))?;
        relocated_alertmanager(&home)
    };
    let found = given("ALERTMANAGER").map_or_else(fetched, Ok)?;
    let said = Job::new(&found).args(["--version"]).capture();
    said.map(|_| found.clone()).map_err(|why| format!("`{}`: {why}", found.display()))
}

/// Debian's Alertmanager opens its templates by an absolute path, and does not start where they are not installed. A copy of it opens
/// them below the folder that it is started in: the same path without its first slash, which is as long with one at its end.
fn relocated_alertmanager(home: &Path) -> Result<PathBuf, String> {
    const ABSOLUTE: &[u8] = b"/usr/share/prometheus/alertmanager";
    const RELATIVE: &[u8] = b"usr/share/prometheus/alertmanager/";
    let (original, copy) = ("usr/bin/prometheus-alertmanager", "usr/bin/alertmanager");
    let mut program = fs::read(home.join(original)).map_err(|error| format!("`{original}`: {error}"))?;
    let mut at = 0;
    while let Some(found) = program[at..].windows(ABSOLUTE.len()).position(|bytes| bytes == ABSOLUTE) {
        at += found;
        program[at..at + ABSOLUTE.len()].copy_from_slice(RELATIVE);
    }
    let binary = home.join(copy);
    fs::write(&binary, program).map_err(|error| format!("cannot write `{copy}`: {error}"))?;
    super::executable(&binary)?;
    let inner = debian::launcher(home, "alertmanager")?;
    let script = home.join("alertmanager-here");
    let text = format!("#!/bin/sh\ncd '{}' && exec '{}' \"$@\"\n", home.display(), inner.display());
    fs::write(&script, text).map_err(|error| format!("cannot write `{}`: {error}", script.display()))?;
    super::executable(&script)?;
    Ok(script)
}

/// Makes sure that a Chromium is there: `CHROMIUM=/path`, one of the system, or one that is fetched.
pub fn chromium() -> Result<PathBuf, String> {
    let installed = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let installed = installed.into_iter().map(PathBuf::from).find(|path| path.is_file());
    let found = match given("CHROMIUM").or(installed) {
        Some(path) => path,
        None => fetched_chromium()?,
    };
    let said = Job::new(&found).args(["--version"]).capture();
    said.map(|_| found.clone()).map_err(|why| format!("`{}`: {why}", found.display()))
}

fn fetched_chromium() -> Result<PathBuf, String> {
    let packages = ["chromium", "chromium-common", "fontconfig-config", "fonts-dejavu-core"];
    let home = debian::unpacked("chromium", &packages)
        .map_err(|why| format!("{why}; or install Chromium yourself and set CHROMIUM=/path"))?;
    // Debian's `chromium` is a script that expects to be installed; the program itself stands beside its parts.
    debian::launcher(&home, "../lib/chromium/chromium")
}

fn given(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|path| !path.is_empty()).map(|path| root().join(path))
}
