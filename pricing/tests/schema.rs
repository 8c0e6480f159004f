//! The catalogue's files hold to `schema.json`, and `schema.json` tells of exactly the fields that are read.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::path::Path;
use tollgate_pricing::file::{Matches, Model, Prices, ProviderFile, Uplift};

#[test]
fn every_file_of_the_catalogue_holds_to_the_schema() {
    let schema = Schema(read("schema.json"));
    let mut files = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let others = ["schema.json", "sources.json", "decisions.json"];
        if name.ends_with(".json") && !others.contains(&name.as_str()) {
            schema.check(&schema.0, &read(&name)).unwrap_or_else(|why| panic!("{name}{why}"));
            files += 1;
        }
    }
    assert!(files > 100, "{files} files");
}

#[test]
fn the_schema_refuses_what_the_filter_refuses() {
    let schema = Schema(read("schema.json"));
    let cases = [
        ("money as a number", json!({"lists": [{"rates": {"input": 1}}]})),
        ("money below zero", json!({"lists": [{"rates": {"input": "-1"}}]})),
        ("an exponent", json!({"lists": [{"rates": {"input": "1e3"}}]})),
        ("a price for nothing", json!({"lists": [{"rates": {"images": "1/0"}}]})),
        ("a tier that is no number", json!({"lists": [{"rates": {"input>many": "1"}}]})),
        ("an unknown field", json!({"price": "1"})),
        ("an unknown condition", json!({"variants": [{"when": {"tier": "flex"}, "rates": {}}]})),
        ("a date that is none", json!({"retires": "soon"})),
        ("a time that is none", json!({"lists": [{"daily": ["9", "17"], "rates": {}}]})),
        ("a day of the week that is none", json!({"lists": [{"weekdays": ["caturday"], "rates": {}}]})),
        ("a rule that every name fits", json!({"matches": {"prefix": [""]}})),
        ("a factor below zero", json!({"uplifts": [{"when": {"region": "us"}, "factor": "-1"}]})),
    ];
    for (name, fields) in cases {
        let mut model = json!({"name": "m", "source": "s", "checked": "2026-11-21"});
        model.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let file = json!({"provider": "p", "models": [model]});
        assert!(schema.check(&schema.0, &file).is_err(), "{name}: the schema takes it");
        let read = serde_json::from_value::<ProviderFile>(file).ok();
        let taken = read.is_some_and(|file| tollgate_pricing::Refreshed::new(&[file]).is_ok());
        assert!(!taken, "{name}: the filter takes it");
    }
}

#[test]
fn the_schema_names_the_fields_that_are_read() {
    let schema = read("schema.json");
    let named =
        |fields: &Value| fields["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let defs = &schema["$defs"];
    assert_eq!(named(&schema), fields::<ProviderFile>());
    assert_eq!(named(&defs["model"]), fields::<Model>());
    assert_eq!(named(&defs["matches"]), fields::<Matches>());
    assert_eq!(named(&defs["prices"]), fields::<Prices>());
    assert_eq!(named(&defs["uplift"]), fields::<Uplift>());
}

/// The names that the type reads, which it tells when it is given another one.
fn fields<T: DeserializeOwned>() -> Vec<String> {
    let error = serde_json::from_value::<T>(json!({"?": 0})).err().unwrap().to_string();
    let mut names: Vec<String> = error.split('`').skip(3).step_by(2).map(str::to_owned).collect();
    names.sort();
    names
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue"))
}

fn read(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

/// As much of JSON Schema as `schema.json` uses; a keyword or pattern that is not known here fails.
struct Schema(Value);

impl Schema {
    /// Whether a value holds to a rule; the error starts with the value's place.
    fn check(&self, rule: &Value, value: &Value) -> Result<(), String> {
        let rules = rule.as_object().ok_or("a rule is no object")?;
        rules.iter().try_for_each(|(keyword, wanted)| self.keyword(keyword, wanted, rules, value))
    }

    fn keyword(
        &self,
        keyword: &str,
        wanted: &Value,
        rules: &Map<String, Value>,
        value: &Value,
    ) -> Result<(), String> {
        let length = |of: Option<usize>| of.and_then(|length| u64::try_from(length).ok());
        let (texts, items) = (length(value.as_str().map(str::len)), length(value.as_array().map(Vec::len)));
        let holds = match keyword {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => return self.check(self.named(wanted), value),
            "type" => wanted == kind(value),
            "const" => wanted == value,
            "enum" => wanted.as_array().is_some_and(|all| all.contains(value)),
            "minLength" => texts >= wanted.as_u64(),
            "maxLength" => texts <= wanted.as_u64(),
            "minItems" => items >= wanted.as_u64(),
            "maxItems" => items <= wanted.as_u64(),
            "minProperties" => length(value.as_object().map(Map::len)) >= wanted.as_u64(),
            "uniqueItems" => unique(value),
            "pattern" => value.as_str().is_some_and(|text| fits(wanted.as_str(), text)),
            "required" => wanted.as_array().into_iter().flatten().all(|name| value.get(text(name)).is_some()),
            "items" => return self.items(wanted, value),
            "prefixItems" => return self.first_items(wanted, value),
            "properties" | "patternProperties" => return self.members(rules, value),
            "additionalProperties" => *wanted == Value::Bool(false),
            other => panic!("unknown keyword `{other}`"),
        };
        if holds { Ok(()) } else { Err(format!(": `{value}` breaks {keyword} {wanted}")) }
    }

    fn named(&self, reference: &Value) -> &Value {
        self.0.pointer(text(reference).trim_start_matches('#')).unwrap()
    }

    fn items(&self, rule: &Value, value: &Value) -> Result<(), String> {
        let items = value.as_array().into_iter().flatten().enumerate();
        let mut checked =
            items.map(|(at, item)| self.check(rule, item).map_err(|why| format!("[{at}]{why}")));
        checked.find(Result::is_err).unwrap_or(Ok(()))
    }

    fn first_items(&self, rules: &Value, value: &Value) -> Result<(), String> {
        let pairs = rules.as_array().into_iter().flatten().zip(value.as_array().into_iter().flatten());
        pairs.map(|(rule, item)| self.check(rule, item)).find(Result::is_err).unwrap_or(Ok(()))
    }

    /// Every rule for members also says `additionalProperties: false`.
    fn members(&self, rules: &Map<String, Value>, value: &Value) -> Result<(), String> {
        assert_eq!(rules.get("additionalProperties"), Some(&Value::Bool(false)));
        for (name, member) in value.as_object().into_iter().flatten() {
            let plain = rules.get("properties").and_then(|all| all.get(name));
            let patterns = rules.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
            let mut patterns =
                patterns.filter(|(pattern, _)| fits(Some(pattern), name)).map(|(_, rule)| rule);
            let rule = plain.or_else(|| patterns.next()).ok_or_else(|| format!(".{name}: unknown"))?;
            self.check(rule, member).map_err(|why| format!(".{name}{why}"))?;
        }
        Ok(())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn unique(value: &Value) -> bool {
    let all = value.as_array().unwrap();
    all.iter().enumerate().all(|(at, item)| !all.iter().take(at).any(|before| before == item))
}

/// The schema's patterns, each read out by hand.
fn fits(pattern: Option<&str>, text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let decimal = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        digits(whole) && digits(fraction)
    };
    let lengths = |separator, wanted: &[usize]| {
        let parts: Vec<&str> = text.split(separator).collect();
        parts.iter().map(|part| part.len()).eq(wanted.iter().copied())
            && parts.iter().all(|part| digits(part))
    };
    match pattern {
        Some("^20[0-9]{2}-[0-9]{2}-[0-9]{2}$") => text.starts_with("20") && lengths('-', &[4, 2, 2]),
        Some("^[0-2][0-9]:[0-5][0-9]$") => lengths(':', &[2, 2]),
        Some(r"^[0-9]+(\.[0-9]+)?$") => decimal(text),
        Some(r"^[0-9]+(\.[0-9]+)?(/[1-9][0-9]*)?$") => {
            let (usd, per) = text.split_once('/').unwrap_or((text, "1"));
            decimal(usd) && digits(per) && !per.starts_with('0')
        }
        Some("^[a-z0-9_]+(>[0-9]+)?$") => {
            let (class, above) = text.split_once('>').unwrap_or((text, "0"));
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            !class.is_empty() && class.bytes().all(plain) && digits(above)
        }
        Some(names) => {
            let names = names.strip_prefix("^(").and_then(|names| names.strip_suffix(")$"));
            names
                .expect("a pattern that is read out here, or a list of names")
                .split('|')
                .any(|name| name == text)
        }
        None => false,
    }
}

/// The lints refuse arithmetic with them; this refuses the types too, so that none is in the public API.
#[test]
fn no_binary_float_stands_in_the_room() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("f64") && !text.contains("f32"), "{}", path.display());
        files += 1;
    }
    assert!(files > 15, "{files} files");
}
