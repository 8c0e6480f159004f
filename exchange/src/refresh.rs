//! What arrives while the filter runs: from the bytes of a file to prices that cannot be wrong, or to a policy.

mod policy;
mod read;

pub use policy::PolicyFile;

use tollgate_policy::ConfigError;
use tollgate_pricing::Refreshed;

/// The longest file that is read. All that is compiled in takes less than 2 MB in this form.
pub const MAX_CATALOGUE_BYTES: usize = 4_000_000;

/// Reads a price file: one provider's, in the form of `pricing/catalogue/*.json`, or a list of several.
///
/// # Errors
/// What is wrong first, with its path: bad JSON, an unknown field, a number for money, or whatever
/// [`Refreshed::new`] refuses. Nothing of a file that is refused is taken.
pub fn parse_catalogue(json: &[u8]) -> Result<Refreshed, ConfigError> {
    if json.len() > MAX_CATALOGUE_BYTES {
        let problem = format!("`{}` bytes are more than {MAX_CATALOGUE_BYTES}", json.len());
        return Err(ConfigError::new("", problem));
    }
    let files = read::files(&crate::config::json(json)?)?;
    Refreshed::new(&files).map_err(|error| ConfigError::new(error.path, error.why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn model(fields: &str) -> String {
        format!(
            r#"{{"provider":"p","models":[{{"name":"m","source":"s","checked":"2026-11-21",{fields}}}]}}"#
        )
    }

    #[test]
    fn one_file_or_a_list_of_files_is_read() {
        let one = model(r#""lists":[{"rates":{"input":"2.50"}}]"#);
        let other = r#"{"provider":"q","models":[]}"#;
        for (json, models) in [
            (one.clone(), 1),
            (format!("[{one},{other}]"), 1),
            (format!("\n [{one}]\n"), 1),
            ("[]".to_owned(), 0),
        ] {
            assert_eq!(parse_catalogue(json.as_bytes()).map(|prices| prices.len()), Ok(models), "{json}");
        }
    }

    #[test]
    fn what_cannot_be_a_price_is_refused_with_its_path() {
        let rates = |rates: &str| model(&format!(r#""lists":[{{"rates":{{{rates}}}}}]"#));
        for (json, why) in [
            (String::new(), "not valid JSON: EOF while parsing a value"),
            ("{}".to_owned(), "provider: is missing"),
            ("[7]".to_owned(), "[0]: a number, expected an object"),
            (rates(r#""input":2.5"#), "models[0].lists[0].rates.input: a number, expected a string"),
            (rates(r#""input":"-1""#), "models[0].lists[0].rates.input: must not be below zero: `-1`"),
            (rates(r#""inputs":"1""#), "models[0].lists[0].rates.inputs: unknown class of tokens or units"),
            (model(r#""price":"1""#), "models[0].price: unknown field, expected one of `name`"),
            (model(r#""retires":3"#), "models[0].retires: a number, expected a string"),
            (model(r#""free":"yes""#), "models[0].free: a string, expected a boolean"),
            (model(r#""uplifts":[{"factor":"1.1"}]"#), "models[0].uplifts[0].when: is missing"),
            (model(r#""lists":[{"daily":["08:00"]}]"#), "models[0].lists[0].daily: expected two times"),
            (model(r#""lists":{}"#), "models[0].lists: an object, expected a list"),
            (
                model(r#""matches":{"equal":[]}"#),
                "models[0].matches.equal: unknown field, expected one of `equals`",
            ),
            (model(r#""free":true"#) + "x", "not valid JSON: trailing characters"),
            (
                format!("[{},{}]", model(r#""free":true"#), model(r#""free":true"#)),
                "[1].provider: named twice: `p`",
            ),
            (" ".repeat(MAX_CATALOGUE_BYTES + 1), "`4000001` bytes are more than 4000000"),
        ] {
            let error = parse_catalogue(json.as_bytes()).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }

    /// What the build reads with serde and what a filter reads by hand is the same, for all that there is.
    #[test]
    fn a_file_reads_as_serde_reads_it() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../pricing/catalogue");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read(&path).unwrap_or_default();
            let Ok(file) = serde_json::from_slice::<tollgate_pricing::file::ProviderFile>(&text) else {
                continue;
            };
            let value: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(read::files(&value), Ok(vec![file]), "{}", path.display());
            files += 1;
        }
        assert!(files > 100, "{files} files");
    }
}
