//! `cargo xtask prices --export FILE`: the catalogue's files as one, as a filter takes it with `pricing.refresh`.

use std::fs;
use std::path::Path;

/// Writes the files of `providers`, or all of them, as one JSON list.
///
/// # Errors
/// An unknown provider, a file that cannot be read or written.
pub fn run(args: &[String], folder: &Path) -> Result<(), String> {
    let [target, providers @ ..] = args else {
        return Err("`--export` needs a file, and may be followed by providers".to_owned());
    };
    let known = names(folder)?;
    if let Some(other) = providers.iter().find(|name| !known.contains(name)) {
        return Err(format!("unknown provider `{other}`, expected one of {}", known.join(", ")));
    }
    let wanted = known.iter().filter(|name| providers.is_empty() || providers.contains(name));
    let texts =
        wanted.map(|name| read(&folder.join(format!("{name}.json")))).collect::<Result<Vec<_>, _>>()?;
    let text = format!("[{}]\n", texts.iter().map(|text| text.trim_end()).collect::<Vec<_>>().join(",\n"));
    fs::write(target, &text).map_err(|error| format!("cannot write `{target}`: {error}"))?;
    let s = if texts.len() == 1 { "" } else { "s" };
    println!("{target}: {} provider{s}, {} bytes", texts.len(), text.len());
    Ok(())
}

/// The providers that have a file, in order.
fn names(folder: &Path) -> Result<Vec<String>, String> {
    let told = |error| format!("cannot read `{}`: {error}", folder.display());
    let files = fs::read_dir(folder).map_err(told)?.flatten().map(|entry| entry.path());
    let stems = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let stems = stems.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let mut names: Vec<String> =
        stems.filter(|name| !["sources", "decisions", "schema"].contains(&name.as_str())).collect();
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_become_one_list_and_unknown_providers_are_refused() {
        let target = std::env::temp_dir().join(format!("tollgate-export-{}.json", std::process::id()));
        let args = |providers: &[&str]| -> Vec<String> {
            let target = target.to_string_lossy().into_owned();
            std::iter::once(target).chain(providers.iter().map(|&name| name.to_owned())).collect()
        };
        let folder = super::super::catalogue();
        run(&args(&["x_ai", "groq"]), &folder).unwrap();
        let list: serde_json::Value = serde_json::from_slice(&fs::read(&target).unwrap()).unwrap();
        let names: Vec<_> = list.as_array().unwrap().iter().map(|file| file["provider"].clone()).collect();
        assert_eq!(names, ["groq", "x_ai"]);
        run(&args(&[]), &folder).unwrap();
        let list: serde_json::Value = serde_json::from_slice(&fs::read(&target).unwrap()).unwrap();
        fs::remove_file(&target).unwrap();
        assert!(list.as_array().unwrap().len() > 100);
        assert!(
            run(&args(&["openay"]), &folder)
                .unwrap_err()
                .starts_with("unknown provider `openay`, expected one of")
        );
        assert!(run(&[], &folder).unwrap_err().starts_with("`--export` needs a file"));
    }
}
