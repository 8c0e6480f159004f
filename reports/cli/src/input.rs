//! Log files: patterns of names, standard input.

use std::fs::File;
use std::path::{Path, PathBuf};

use tollgate_reports::Chunks;

/// The files that patterns name, in the order of the arguments and of the names; `-` is standard input.
///
/// # Errors
/// A pattern that no file fits.
pub fn expand(patterns: &[String]) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    for pattern in patterns {
        let is_pattern = pattern.contains(['*', '?']) && !Path::new(pattern).exists();
        if !is_pattern {
            files.push(pattern.clone());
            continue;
        }
        let mut found = matching(Path::new(pattern));
        if found.is_empty() {
            return Err(format!("no file fits `{pattern}`"));
        }
        found.sort();
        files.extend(found.iter().map(|path| path.to_string_lossy().into_owned()));
    }
    Ok(files)
}

/// Paths that fit, part by part: `logs/*/access-2026-1?.log*`.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let name = part.as_os_str().to_string_lossy();
        if !name.contains(['*', '?']) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        found = found
            .iter()
            .flat_map(|folder| {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                std::fs::read_dir(folder).into_iter().flatten().flatten()
            })
            .filter(|entry| fits(&name, &entry.file_name().to_string_lossy()))
            .map(|entry| entry.path())
            .collect();
    }
    found.retain(|path| path.exists() && !path.is_dir());
    found.iter().map(|path| path.strip_prefix("./").unwrap_or(path).to_path_buf()).collect()
}

/// `*` stands for any text, `?` for one character.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| fits(rest, &name[at..]))
        }
        Some(wanted) => name.chars().next().is_some_and(|got| {
            (wanted == '?' || wanted == got) && fits(&pattern[wanted.len_utf8()..], &name[got.len_utf8()..])
        }),
    }
}

/// Opens the file of this place in the list; `-` is standard input.
///
/// # Errors
/// A file that cannot be opened or read.
pub fn open(name: &str, file: usize) -> Result<Chunks, String> {
    let told = |error: std::io::Error| format!("`{name}`: {error}");
    match name {
        "-" => Chunks::new(std::io::stdin(), file),
        _ => Chunks::new(File::open(name).map_err(told)?, file),
    }
    .map_err(told)
}

#[cfg(test)]
mod tests;
