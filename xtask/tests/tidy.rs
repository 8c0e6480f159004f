//! What the documents say about the tree must be true of the tree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask stands in the root").to_path_buf()
}

#[test]
fn every_path_named_in_the_documents_exists() {
    let mut missing = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "envoy-config/quickstart/README.md"] {
        let Ok(text) = fs::read_to_string(root().join(document)) else {
            println!("{document} is not there");
            continue;
        };
        let folder = root().join(document).parent().expect("a file has a folder").to_path_buf();
        for path in paths_in(&text) {
            if !root().join(&path).exists() && !folder.join(&path).exists() {
                missing.push(format!("{document} names `{path}`"));
            }
        }
    }
    assert!(missing.is_empty(), "not in the tree: {missing:#?}");
}

/// Spans in backticks and targets of links that can only be paths of this tree: they have a slash, no
/// scheme, and begin with a folder of ours or end like a file.
fn paths_in(text: &str) -> BTreeSet<String> {
    let spans = text.split('`').skip(1).step_by(2);
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let spans = spans.chain(links).map(|span| span.split('#').next().unwrap_or(span));
    spans.filter(|span| is_path(span)).map(str::to_owned).collect()
}

fn is_path(span: &str) -> bool {
    let plain = !span.is_empty() && span.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let ours = span.split('/').next().is_some_and(|first| {
        first != "target" && first != ".." && !first.is_empty() && root().join(first).is_dir()
    });
    let like_a_file = [".rs", ".md", ".yaml", ".json", ".toml"].iter().any(|end| span.ends_with(end));
    plain
        && span.contains('/')
        && !span.starts_with("target/")
        && !span.starts_with("..")
        && (ours || like_a_file)
        || (plain && span.ends_with(".md"))
}

#[test]
fn what_counts_as_a_path_is_decided_by_its_form() {
    let text = "`xtask/src` [a](xtask/nowhere.rs) `cargo build` `target/x.json` `GET /v1` `https://a/b.md` `a/b` `N.md`";
    let found: Vec<String> = paths_in(text).into_iter().collect();
    assert_eq!(found, ["N.md", "xtask/nowhere.rs", "xtask/src"]);
}

/// The table under `## Arrows` in ARCHITECTURE.md: one row per crate, what it uses behind it. A crate that is
/// not in the table must use none of ours.
#[test]
fn the_arrows_between_rooms_are_those_that_cargo_sees() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let section = text.split("## Arrows").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows = section.expect("ARCHITECTURE.md has a section `## Arrows`").lines().filter_map(row);
    let mut drawn: BTreeMap<String, BTreeSet<String>> = rows.collect();
    let mut real = arrows();
    drawn.retain(|_, uses| !uses.is_empty());
    real.retain(|_, uses| !uses.is_empty());
    assert!(!drawn.is_empty(), "the table has rows");
    assert_eq!(drawn, real, "left: ARCHITECTURE.md, right: cargo metadata");
}

/// Crate and what it uses, out of a row such as ``| `a` | `b`, `c` |``.
fn row(line: &str) -> Option<(String, BTreeSet<String>)> {
    let mut names = line.strip_prefix("| `")?.split('`').step_by(2).map(str::to_owned);
    Some((names.next()?, names.filter(|name| name.starts_with("tollgate-")).collect()))
}

/// Crate -> crates of ours that it depends on outside of its tests.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    packages.iter().map(|package| (name(package), uses(package))).collect()
}

fn uses(package: &serde_json::Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().expect("a package has dependencies");
    let of_ours = dependencies
        .iter()
        .filter(|dependency| dependency["path"].is_string() && dependency["kind"].is_null());
    of_ours.map(name).collect()
}

fn name(package: &serde_json::Value) -> String {
    package["name"].as_str().expect("a package has a name").to_owned()
}

#[test]
fn pricing_has_no_floats() {
    let mut found = Vec::new();
    for file in sources(&root().join("pricing/src")) {
        let text = fs::read_to_string(&file).expect("a source file is text");
        let code = text.split("#[cfg(test)]").next().unwrap_or(&text);
        let words = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in words.filter(|line| line.contains("f32") || line.contains("f64")) {
            found.push(format!("{}: {}", file.display(), line.trim()));
        }
    }
    assert!(found.is_empty(), "money is integers only: {found:#?}");
}

/// A file that no module names is not compiled, so nothing else would tell that it is dead.
#[test]
fn every_source_file_is_a_module_of_its_crate() {
    let is_root = |path: &Path| {
        let own =
            path.file_stem().is_some_and(|stem| ["lib", "main", "mod"].iter().any(|root| stem == *root));
        own || path.parent().is_some_and(|folder| folder.ends_with("bin") || folder.ends_with("examples"))
    };
    let files = committed("*/src/*.rs");
    let named = |path: &Path| {
        let (folder, stem) = (path.parent()?, path.file_stem()?.to_str()?);
        let beside = folder.with_extension("rs");
        let parents = files.iter().filter(|file| file.parent() == Some(folder) || **file == beside);
        let declared =
            |file: &PathBuf| fs::read_to_string(file).is_ok_and(|t| t.contains(&format!("mod {stem};")));
        parents.into_iter().any(declared).then_some(())
    };
    let dead: Vec<_> = files.iter().filter(|path| !is_root(path) && named(path).is_none()).collect();
    assert!(files.len() > 200 && dead.is_empty(), "no module names {dead:#?}");
}

/// `cargo xtask test` runs test binaries (`xtask/src/binaries.rs`), and examples in docstrings are in none of them.
#[test]
fn no_docstring_has_an_example_that_nobody_runs() {
    let files = committed("*/src/*.rs");
    let examples: Vec<_> = files
        .iter()
        .filter(|file| fs::read_to_string(file).is_ok_and(|text| text.lines().any(begins_an_example)))
        .collect();
    assert!(files.len() > 200 && examples.is_empty(), "make tests of the examples in {examples:#?}");
}

/// Any fence: none is needed so far.
fn begins_an_example(line: &str) -> bool {
    let line = line.trim_start();
    let text = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
    text.is_some_and(|text| text.trim_start().starts_with("```"))
}

/// The files of the tree that git knows under this pattern.
fn committed(pattern: &str) -> Vec<PathBuf> {
    let tree = Command::new("git").args(["ls-files", pattern]).current_dir(root()).output();
    let tree = String::from_utf8(tree.expect("git lists files").stdout).expect("names are UTF-8");
    tree.lines().map(|line| root().join(line)).filter(|path| path.exists()).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there").flatten().map(|entry| entry.path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    files.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}
