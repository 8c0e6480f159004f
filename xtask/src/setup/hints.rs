//! What engines are told of the plugin's branches: `plugin/hints` says why, `plugin/branches.txt` is what is known.

use std::path::{Path, PathBuf};

use super::{build_wasm, target_dir};
use crate::run::{Job, root};

/// Puts what is known of its branches into a plugin.
pub fn put_hints(wasm: &Path) -> Result<(), String> {
    tool()?.arg("apply").arg(wasm).arg(profile()).capture().map(drop)
}

/// Whether what is known is still about the code that is there.
pub fn hints_fit(wasm: &Path) -> Result<(), String> {
    tool()?.arg("fits").arg(wasm).arg(profile()).run()
}

/// Learns it anew, from the calls whose costs are held against budgets.
pub fn learn_hints() -> Result<(), String> {
    let wasm = build_wasm()?;
    let folder = target_dir().join("hints");
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot make `{}`: {error}", folder.display()))?;
    let (counting, counts) = (folder.join("counting.wasm"), folder.join("counts.txt"));
    tool()?.arg("count").arg(&wasm).arg(&counting).run()?;
    println!("making the calls of test-harness/scenarios/budget");
    Job::cargo(["run", "--quiet", "--package", "tollgate-test-harness", "--bin", "scenarios"])
        .args(["--", "--engine", "branches", "--counts"])
        .arg(&counts)
        .env("TOLLGATE_WASM", &counting)
        .run()?;
    tool()?.arg("learn").arg(&wasm).arg(&counts).arg(profile()).run()?;
    put_hints(&wasm)
}

fn profile() -> PathBuf {
    root().join("plugin/branches.txt")
}

fn tool() -> Result<Job, String> {
    Job::cargo(["build", "--quiet", "--package", "tollgate-hints"]).run()?;
    Ok(Job::new(target_dir().join("debug/tollgate-hints")))
}
