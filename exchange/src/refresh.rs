//! Prices that arrive while the filter runs: from the bytes of a file to prices that cannot be wrong.

use serde::de::DeserializeOwned;
use tollgate_policy::ConfigError;
use tollgate_pricing::Refreshed;
use tollgate_pricing::file::ProviderFile;

/// The longest file that is read. All that is compiled in takes less than 2 MB in this form.
pub const MAX_CATALOGUE_BYTES: usize = 8_000_000;

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
    let files: Vec<ProviderFile> = match json.trim_ascii_start().first() {
        Some(b'[') => read(json)?,
        _ => vec![read(json)?],
    };
    Refreshed::new(&files).map_err(|error| ConfigError::new(error.path, error.why.to_string()))
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, ConfigError> {
    let mut source = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut source)
        .map_err(|error| ConfigError::new(error.path().to_string(), error.into_inner().to_string()))?;
    source.end().map_err(|error| ConfigError::new("", format!("not valid JSON: {error}")))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (String::new(), "EOF while parsing a value"),
            ("{}".to_owned(), "missing field `provider`"),
            ("[7]".to_owned(), "[0]: invalid type: integer `7`"),
            (rates(r#""input":2.5"#), "models[0].lists[0].rates.input: invalid type: floating point `2.5`"),
            (rates(r#""input":"-1""#), "models[0].lists[0].rates.input: must not be below zero: `-1`"),
            (rates(r#""inputs":"1""#), "models[0].lists[0].rates.inputs: unknown class of tokens or units"),
            (model(r#""price":"1""#), "models[0].price: unknown field `price`, expected one of `name`"),
            (model(r#""free":true"#) + "x", "not valid JSON: trailing characters"),
            (
                format!("[{},{}]", model(r#""free":true"#), model(r#""free":true"#)),
                "[1].provider: named twice: `p`",
            ),
            (" ".repeat(MAX_CATALOGUE_BYTES + 1), "`8000001` bytes are more than 8000000"),
        ] {
            let error = parse_catalogue(json.as_bytes()).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
