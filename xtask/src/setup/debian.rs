//! Programs out of Debian's packages, unpacked under `target/tools` with the libraries that they need: no root, and nothing
//! of the system changes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{clear, target_dir};
use crate::run::Job;

/// Packages that every Debian has, since its shell needs them. Another libc than the running loader's would not do.
const EVERYWHERE: [&str; 3] = ["libc6", "libgcc-s1", "libcrypt1"];

/// Where an unpacked folder says which versions of what was asked for it holds.
const VERSIONS: &str = "versions.txt";

/// Makes sure that `target/tools/{name}` holds `packages` and their libraries, prints their versions, and returns that folder.
///
/// # Errors
/// Where this is no Debian, or its archive cannot be reached.
pub fn unpacked(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let home = target_dir().join("tools").join(name);
    if !home.is_dir() {
        fetch(name, packages, &home)?;
    }
    println!("{}", fs::read_to_string(home.join(VERSIONS)).unwrap_or_default());
    Ok(home)
}

fn fetch(name: &str, packages: &[&str], home: &Path) -> Result<(), String> {
    let half = home.with_file_name(format!("{name}.part"));
    clear(&half)?;
    fs::create_dir_all(&half).map_err(|error| format!("cannot make `{}`: {error}", half.display()))?;
    println!("fetching {} and their libraries from Debian's archive", packages.join(", "));
    fetch_all(&half, packages)?;
    fs::rename(&half, home).map_err(|error| format!("cannot make `{}`: {error}", home.display()))
}

/// Level by level: what was asked for, the libraries that it names, the libraries that those name.
fn fetch_all(into: &Path, packages: &[&str]) -> Result<(), String> {
    let mut seen: BTreeSet<String> = EVERYWHERE.map(str::to_owned).into();
    let mut versions = Vec::new();
    let mut level: Vec<String> = packages.iter().map(|&name| name.to_owned()).collect();
    while !level.is_empty() {
        seen.extend(level.iter().cloned());
        let mut named = BTreeSet::new();
        for file in download(into, &level)? {
            versions.push(field(&file, "${Package} ${Version}")?);
            named.extend(libraries(&field(&file, "${Depends}, ${Pre-Depends}")?));
            Job::new("dpkg-deb").arg("--extract").arg(&file).arg(into).capture()?;
            fs::remove_file(&file).map_err(|error| format!("cannot remove `{}`: {error}", file.display()))?;
        }
        level = named.into_iter().filter(|name| !seen.contains(name)).collect();
    }
    versions.retain(|version| packages.iter().any(|name| version.starts_with(&format!("{name} "))));
    fs::write(into.join(VERSIONS), versions.join(", "))
        .map_err(|error| format!("cannot note versions: {error}"))
}

fn field(package: &Path, format: &str) -> Result<String, String> {
    Job::new("dpkg-deb").arg("--show").arg(format!("--showformat={format}")).arg(package).capture()
}

/// The libraries that a package names: `lib*` out of `a (>= 1), libb64-0d, libx | liby`.
fn libraries(depends: &str) -> Vec<String> {
    let first = |entry: &str| entry.split(['(', '|', ':']).next().unwrap_or_default().trim().to_owned();
    depends.split(',').map(first).filter(|name| name.starts_with("lib")).collect()
}

/// Downloads packages, with the system's lists of what there is, or with lists of our own where it has none.
fn download(into: &Path, packages: &[String]) -> Result<Vec<PathBuf>, String> {
    apt(into, &[], "download", packages)
        .or_else(|first| {
            println!("the system's package lists do not do ({first}); fetching lists of our own");
            let own = own_lists(into)?;
            apt(into, &own, "update", &[])?;
            apt(into, &own, "download", packages)
        })
        .map_err(|why| format!("{} missing; tried `apt-get download`: {why}", packages.join(", ")))?;
    let files = fs::read_dir(into).map_err(|error| format!("cannot read `{}`: {error}", into.display()))?;
    let debs = files.flatten().map(|entry| entry.path());
    Ok(debs.filter(|path| path.extension().is_some_and(|end| end == "deb")).collect())
}

fn apt(into: &Path, options: &[String], command: &str, packages: &[String]) -> Result<(), String> {
    let quiet = ["--quiet", "--quiet", "-o", "APT::Sandbox::User=root"];
    Job::new("apt-get").args(quiet).args(options).arg(command).args(packages).within(into).capture().map(drop)
}

/// Options that make apt-get keep its lists here, where no root is needed.
fn own_lists(into: &Path) -> Result<Vec<String>, String> {
    let folder = into.with_extension("apt");
    let partial = folder.join("lists/partial");
    fs::create_dir_all(&partial).map_err(|error| format!("cannot make `{}`: {error}", partial.display()))?;
    let set = |name: &str, path: &str| ["-o".to_owned(), format!("{name}={}", folder.join(path).display())];
    Ok([set("Dir::State::lists", "lists"), set("Dir::Cache", "cache")].concat())
}

/// A program of an unpacked folder, started by a script that tells it where its libraries are. The script is replaced by the
/// program, so that it keeps its process id.
pub fn launcher(home: &Path, program: &str) -> Result<PathBuf, String> {
    let binary = home.join("usr/bin").join(program);
    let script = home.join(Path::new(program).file_name().unwrap_or_default());
    let roots = [home.join("usr/lib"), home.join("lib")];
    let inside = |folder: &PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.is_dir()).collect::<Vec<PathBuf>>()
    };
    // One level further in, some libraries keep parts of their own.
    let folders: Vec<PathBuf> = roots.iter().flat_map(inside).collect();
    let deeper = folders.iter().flat_map(inside).filter(|folder| holds_libraries(folder));
    let folders: Vec<String> =
        folders.iter().cloned().chain(deeper).map(|path| path.display().to_string()).collect();
    let text =
        format!("#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n", folders.join(":"), binary.display());
    fs::write(&script, text).map_err(|error| format!("cannot write `{}`: {error}", script.display()))?;
    super::executable(&script)?;
    Ok(script)
}

fn holds_libraries(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().contains(".so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_what_the_fields_name_but_no_programs() {
        let depends = "libb64-0d, libc6 (>= 2.34), adduser, libsystemd0 | libelogind0, libx:any (= 1)";
        assert_eq!(libraries(depends), ["libb64-0d", "libc6", "libsystemd0", "libx"]);
    }
}
