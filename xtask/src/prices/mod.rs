//! `cargo xtask prices`: rebuilds the price catalogue from two public price tables, and says what
//! changed and where they disagree.

mod amount;
mod decisions;
mod export;
#[path = "../../../pricing/src/file.rs"]
mod file;
mod genai;
mod litellm;
mod measure;
mod merge;
mod names;
mod off_peak;
mod packages;
pub mod price;
mod report;

use decisions::Decisions;
use file::ProviderFile;
use litellm::Item;
use merge::Findings;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// When the pinned packages were read and looked through.
const CHECKED: &str = "2026-11-21";

/// Rebuilds the catalogue. `--wheels DIR` takes the two packages from a folder instead of PyPI.
///
/// # Errors
/// A package that cannot be fetched or read, a form of price that is not known, a file that cannot
/// be written.
pub fn run(args: &[String]) -> Result<(), String> {
    let wheels = match args {
        [] => packages::fetch()?,
        [first, rest @ ..] if first == "price" => return price::run(rest),
        [first, rest @ ..] if first == "--export" => return export::run(rest, &catalogue()),
        [first, rest @ ..] if first == "--against" => return price::ask_logs("against", rest),
        [flag, folder] if flag == "--wheels" => packages::in_folder(Path::new(folder))?,
        _ => {
            return Err(format!(
                "unknown arguments `{}`, expected none, `--against LOG...`, `--export FILE` or `--wheels DIR`",
                args.join(" ")
            ));
        }
    };
    let dump = packages::dump(&wheels)?;
    let folder = catalogue();
    let sources: Sources = read(&folder.join("sources.json"))?;
    let decisions: Decisions = read(&folder.join("decisions.json"))?;
    let mut findings = Findings::default();
    let mut files = build(&dump, &sources, &mut findings)?;
    for file in files.values_mut() {
        claim_names(file);
        decisions::apply(&decisions, file)?;
    }
    let before = report::read_all(&folder)?;
    report::write_all(&folder, &files)?;
    report::print(&before, &files, &findings);
    Ok(())
}

/// Where the catalogue's files are.
pub fn catalogue() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pricing/catalogue")
}

/// `sources.json`: whose names are whose.
#[derive(Deserialize)]
struct Sources {
    providers: Vec<Source>,
    left_out: Vec<LeftOut>,
}

#[derive(Deserialize)]
struct Source {
    provider: String,
    genai: Option<String>,
    #[serde(default)]
    litellm: Vec<String>,
    #[serde(default)]
    spellings: Vec<String>,
}

#[derive(Deserialize)]
struct LeftOut {
    litellm: String,
}

impl Sources {
    /// Our name of a provider of the first source.
    fn of_genai<'a>(&'a self, name: &'a str) -> &'a str {
        let row = self.providers.iter().find(|source| source.genai.as_deref() == Some(name));
        row.map_or(name, |source| &source.provider)
    }

    /// Our name of a provider of the second source; None if it is left out.
    fn of_litellm<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        if self.left_out.iter().any(|left| left.litellm == name) {
            return None;
        }
        let row = self.providers.iter().find(|source| source.litellm.iter().any(|own| own == name));
        Some(row.map_or(name, |source| &source.provider))
    }

    /// Where in the list the second source's name stands: the order in which it completes.
    fn rank(&self, name: &str) -> usize {
        let places = self.providers.iter().flat_map(|source| &source.litellm);
        places.into_iter().position(|own| own == name).unwrap_or(usize::MAX)
    }
}

fn build(
    dump: &Value,
    sources: &Sources,
    findings: &mut Findings,
) -> Result<BTreeMap<String, ProviderFile>, String> {
    let mut files = BTreeMap::new();
    for raw in dump["genai"].as_array().ok_or("genai-prices: not a list")? {
        let mut file = genai::provider(raw, CHECKED)?;
        file.provider = sources.of_genai(&file.provider).to_string();
        file.fallbacks.iter_mut().for_each(|name| *name = sources.of_genai(name).to_string());
        claim_names(&mut file);
        files.insert(file.provider.clone(), file);
    }
    let mut items = litellm::items(&dump["litellm"], CHECKED)?;
    items.sort_by_key(|item| sources.rank(&item.provider));
    let mut by_provider: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for item in items {
        if let Some(provider) = sources.of_litellm(&item.provider) {
            by_provider.entry(provider.to_string()).or_default().push(item);
        }
    }
    for (provider, items) in by_provider {
        let mut file = files.remove(&provider).unwrap_or_default();
        file.provider = provider.clone();
        let others: Vec<_> = file.fallbacks.iter().filter_map(|name| files.get(name).cloned()).collect();
        merge::complete(&mut file, items, &others, findings);
        files.insert(provider, file);
    }
    for source in &sources.providers {
        if let Some(file) = files.get_mut(&source.provider) {
            file.spellings = source.spellings.clone();
        }
    }
    Ok(files)
}

/// Lets each whole name lead to one model: the first that lists it, else the one that bears it.
fn claim_names(file: &mut ProviderFile) {
    let mut claimed = std::collections::BTreeSet::new();
    for model in &mut file.models {
        model.matches.equals.retain(|name| claimed.insert(name.clone()));
    }
    let mut bearers = std::collections::BTreeSet::new();
    for model in &mut file.models {
        while !bearers.insert(model.name.clone()) || claimed.contains(&model.name) {
            model.name.push('~');
        }
    }
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T, String> {
    let text =
        fs::read_to_string(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("`{}`: {error}", path.display()))
}
