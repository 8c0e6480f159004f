//! Reading and writing the catalogue's files, and what to say about the difference.

use super::file::{Model, ProviderFile};
use super::merge::Findings;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Files of the folder that are no provider's.
const OTHERS: [&str; 3] = ["sources.json", "decisions.json", "schema.json"];

/// The providers' files as they stand.
pub fn read_all(folder: &Path) -> Result<BTreeMap<String, ProviderFile>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let own = paths.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".json") && !OTHERS.contains(&name)
    });
    own.map(|path| super::read::<ProviderFile>(&path).map(|file| (file.provider.clone(), file))).collect()
}

/// Writes each provider's file, one model a line, so that a changed price is one changed line.
pub fn write_all(folder: &Path, files: &BTreeMap<String, ProviderFile>) -> Result<(), String> {
    for file in files.values() {
        let path = folder.join(format!("{}.json", file.provider));
        fs::write(&path, text(file)?)
            .map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
    }
    Ok(())
}

fn text(file: &ProviderFile) -> Result<String, String> {
    let head = json(&ProviderFile { models: Vec::new(), ..file.clone() })?;
    let head = head.strip_suffix("[]}").ok_or("a provider's file does not end with its models")?;
    let models = file.models.iter().map(json).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{head}[\n{}\n]}}\n", models.join(",\n")))
}

fn json(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

/// Says what changed and where the sources disagree.
pub fn print(
    before: &BTreeMap<String, ProviderFile>,
    after: &BTreeMap<String, ProviderFile>,
    findings: &Findings,
) {
    let old = models(before);
    let new = models(after);
    for (key, model) in &new {
        match old.get(key) {
            None => println!("new      {} {}", key.0, key.1),
            Some(known) if known.lists != model.lists || known.variants != model.variants => {
                println!("changed  {} {}", key.0, key.1);
            }
            Some(_) => {}
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        println!("gone     {} {}", key.0, key.1);
    }
    for line in &findings.disagreements {
        println!("disagree {line}");
    }
    println!(
        "{} models of {} providers; the second source added {} models and completed {}; {} disagreements",
        new.len(),
        after.len(),
        findings.models_added,
        findings.models_completed,
        findings.disagreements.len()
    );
}

fn models(files: &BTreeMap<String, ProviderFile>) -> BTreeMap<(&str, &str), &Model> {
    let all = files.values().flat_map(|file| file.models.iter().map(move |model| (file, model)));
    all.map(|(file, model)| ((file.provider.as_str(), model.name.as_str()), model)).collect()
}
