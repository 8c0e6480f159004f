//! Who looks at Tollgate: Prometheus, and a browser.

use std::path::PathBuf;

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
