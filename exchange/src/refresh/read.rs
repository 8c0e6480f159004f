//! A price file's JSON -> [`ProviderFile`]. Read by hand, since the reader that serde would derive weighs several times as much
//! in the plugin; for the same reason fields are filled in one after the other. A test of the parent holds the two together.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tollgate_policy::ConfigError;
use tollgate_pricing::file::{Matches, Model, Prices, ProviderFile, Uplift};

type Done = Result<(), ConfigError>;

/// One file, or a list of them.
pub(super) fn files(value: &Value) -> Result<Vec<ProviderFile>, ConfigError> {
    let mut files = Vec::new();
    match value {
        Value::Array(_) => each(value, &mut files, file)?,
        one => {
            let mut only = ProviderFile::default();
            file(one, &mut only)?;
            files.push(only);
        }
    }
    Ok(files)
}

fn file(value: &Value, file: &mut ProviderFile) -> Done {
    let fields = Fields::of(value, &["provider", "spellings", "fallbacks", "pricing_urls", "models"])?;
    fields.needed("provider", &mut file.provider, text)?;
    fields.known("spellings", &mut file.spellings, texts)?;
    fields.known("fallbacks", &mut file.fallbacks, texts)?;
    fields.known("pricing_urls", &mut file.pricing_urls, texts)?;
    fields.needed("models", &mut file.models, |value, models| each(value, models, model))
}

fn model(value: &Value, model: &mut Model) -> Done {
    const KNOWN: [&str; 10] = [
        "name",
        "source",
        "checked",
        "retires",
        "matches",
        "free",
        "lists",
        "variants",
        "uplifts",
        "decisions",
    ];
    let fields = Fields::of(value, &KNOWN)?;
    fields.needed("name", &mut model.name, text)?;
    fields.needed("source", &mut model.source, text)?;
    fields.needed("checked", &mut model.checked, text)?;
    fields.known("retires", &mut model.retires, known_text)?;
    fields.known("matches", &mut model.matches, matches)?;
    fields.known("free", &mut model.free, flag)?;
    fields.known("lists", &mut model.lists, price_lists)?;
    fields.known("variants", &mut model.variants, price_lists)?;
    fields.known("uplifts", &mut model.uplifts, |value, uplifts| each(value, uplifts, uplift))?;
    fields.known("decisions", &mut model.decisions, texts)
}

fn matches(value: &Value, matches: &mut Matches) -> Done {
    const KNOWN: [&str; 7] = ["equals", "prefix", "suffix", "contains", "numbered", "dated", "unless"];
    let fields = Fields::of(value, &KNOWN)?;
    fields.known("equals", &mut matches.equals, texts)?;
    fields.known("prefix", &mut matches.prefix, texts)?;
    fields.known("suffix", &mut matches.suffix, texts)?;
    fields.known("contains", &mut matches.contains, texts)?;
    fields.known("numbered", &mut matches.numbered, texts)?;
    fields.known("dated", &mut matches.dated, texts)?;
    fields.known("unless", &mut matches.unless, known_text)
}

fn price_lists(value: &Value, lists: &mut Vec<Prices>) -> Done {
    each(value, lists, prices)
}

fn prices(value: &Value, prices: &mut Prices) -> Done {
    let fields = Fields::of(value, &["from", "until", "daily", "weekdays", "when", "rates"])?;
    fields.known("from", &mut prices.from, known_text)?;
    fields.known("until", &mut prices.until, known_text)?;
    fields.known("daily", &mut prices.daily, hours)?;
    fields.known("weekdays", &mut prices.weekdays, texts)?;
    fields.known("when", &mut prices.when, table)?;
    fields.known("rates", &mut prices.rates, table)
}

fn uplift(value: &Value, uplift: &mut Uplift) -> Done {
    let fields = Fields::of(value, &["when", "factor"])?;
    fields.needed("when", &mut uplift.when, table)?;
    fields.needed("factor", &mut uplift.factor, text)
}

/// An object whose fields are all known.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn of(value: &'a Value, known: &[&str]) -> Result<Self, ConfigError> {
        let Value::Object(fields) = value else { return Err(wrong(value, "an object")) };
        if let Some(name) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            let problem = format!("unknown field, expected one of `{}`", known.join("`, `"));
            return Err(ConfigError::new(name.as_str(), problem));
        }
        Ok(Self(fields))
    }

    fn needed<T>(&self, name: &str, slot: &mut T, read: fn(&Value, &mut T) -> Done) -> Done {
        if !self.0.contains_key(name) {
            return Err(ConfigError::new(name, "is missing"));
        }
        self.known(name, slot, read)
    }

    fn known<T>(&self, name: &str, slot: &mut T, read: fn(&Value, &mut T) -> Done) -> Done {
        match self.0.get(name) {
            Some(value) => read(value, slot).map_err(|error| error.within(name)),
            None => Ok(()),
        }
    }
}

fn each<T: Default>(value: &Value, into: &mut Vec<T>, read: fn(&Value, &mut T) -> Done) -> Done {
    let Value::Array(items) = value else { return Err(wrong(value, "a list")) };
    for (index, item) in items.iter().enumerate() {
        let mut one = T::default();
        read(item, &mut one).map_err(|error| error.within(&format!("[{index}]")))?;
        into.push(one);
    }
    Ok(())
}

fn texts(value: &Value, into: &mut Vec<String>) -> Done {
    each(value, into, text)
}

fn table(value: &Value, into: &mut BTreeMap<String, String>) -> Done {
    let Value::Object(fields) = value else { return Err(wrong(value, "an object")) };
    for (key, value) in fields {
        let mut price = String::new();
        text(value, &mut price).map_err(|error| error.within(key))?;
        into.insert(key.clone(), price);
    }
    Ok(())
}

fn hours(value: &Value, into: &mut Option<(String, String)>) -> Done {
    let mut times = Vec::new();
    texts(value, &mut times)?;
    match <[String; 2]>::try_from(times) {
        Ok([from, until]) => *into = Some((from, until)),
        Err(_) => return Err(ConfigError::new("", "expected two times such as `08:00`")),
    }
    Ok(())
}

fn text(value: &Value, into: &mut String) -> Done {
    let text = value.as_str().ok_or_else(|| wrong(value, "a string"))?;
    into.push_str(text);
    Ok(())
}

fn known_text(value: &Value, into: &mut Option<String>) -> Done {
    text(value, into.get_or_insert_default())
}

fn flag(value: &Value, into: &mut bool) -> Done {
    *into = value.as_bool().ok_or_else(|| wrong(value, "a boolean"))?;
    Ok(())
}

fn wrong(value: &Value, expected: &str) -> ConfigError {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    ConfigError::new("", format!("{kind}, expected {expected}"))
}
