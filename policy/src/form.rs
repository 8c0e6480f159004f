//! Reads JSON objects of the configuration by hand, field by field. What is derived for every form weighs ten times as much in the
//! plugin; what is kept out of line is read once and called from many places.

use crate::config::{ConfigError, Money, OneOrMany};
use crate::selector::RawSelector;
use serde_json::{Map, Value};
use tollgate_pricing::PicoUsd;

/// One JSON object.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a>(&'a Map<String, Value>);

impl<'a> Form<'a> {
    /// An object with no other fields than these.
    #[inline(never)]
    pub fn read(value: &'a Value, fields: &[&str]) -> Result<Self, ConfigError> {
        let Value::Object(members) = value else { return Err(wrong(value, "an object")) };
        match members.keys().find(|name| !fields.contains(&name.as_str())) {
            Some(name) => Err(ConfigError::new(
                name.as_str(),
                format!("unknown field `{name}`, expected one of {}", listed(fields)),
            )),
            None => Ok(Self(members)),
        }
    }

    /// An object of whose fields others read the rest.
    pub(crate) fn among(value: &'a Value) -> Result<Self, ConfigError> {
        value.as_object().map(Self).ok_or_else(|| wrong(value, "an object"))
    }

    /// A field's value; `null` is as good as none.
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn read_field<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        self.value(name).map(|value| read(value).map_err(|error| error.within(name))).transpose()
    }

    /// A string.
    #[inline(never)]
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, ConfigError> {
        self.read_field(name, text)
    }

    /// A whole number, not negative; it may be spelled as a double.
    #[inline(never)]
    pub fn count(&self, name: &str) -> Result<Option<u64>, ConfigError> {
        self.read_field(name, count)
    }

    /// A truth value.
    #[inline(never)]
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ConfigError> {
        self.read_field(name, |value| value.as_bool().ok_or_else(|| wrong(value, "a boolean")))
    }

    /// USD as a decimal string.
    #[inline(never)]
    pub fn money(&self, name: &str) -> Result<Option<PicoUsd>, ConfigError> {
        self.read_field(name, money)
    }

    /// A list; none is an empty one.
    pub fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&'a Value) -> Result<T, ConfigError>,
    ) -> Result<Vec<T>, ConfigError> {
        let all = |value| list(value, read);
        self.read_field(name, all).map(Option::unwrap_or_default)
    }

    /// An object, read by `read`.
    pub fn object<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a Value) -> Result<T, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        self.read_field(name, read)
    }

    /// One of a few words.
    pub fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, ConfigError> {
        self.read_field(name, |value| word(text(value)?, words))
    }

    /// A selector, not checked yet; none selects everything.
    #[inline(never)]
    pub fn selector(&self, name: &str) -> Result<RawSelector, ConfigError> {
        self.read_field(name, selector).map(Option::unwrap_or_default)
    }
}

/// Reads a list's elements.
pub fn list<'a, T>(
    value: &'a Value,
    read: impl Fn(&'a Value) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let Value::Array(elements) = value else { return Err(wrong(value, "a list")) };
    let one = |(index, element)| read(element).map_err(|e: ConfigError| e.within(&format!("[{index}]")));
    elements.iter().enumerate().map(one).collect()
}

/// Refuses a list in which two rules have one name: counters, stats and records go by it.
pub(crate) fn named_once<T>(field: &str, rules: &[T], name: fn(&T) -> &str) -> Result<(), ConfigError> {
    for (index, rule) in rules.iter().enumerate() {
        if rules.iter().take(index).any(|other| name(other) == name(rule)) {
            let problem = format!("`{}` stands twice", name(rule));
            return Err(ConfigError::new(format!("{field}[{index}].name"), problem));
        }
    }
    Ok(())
}

/// Reads a string.
pub fn text(value: &Value) -> Result<&str, ConfigError> {
    value.as_str().ok_or_else(|| wrong(value, "a string"))
}

/// Finds one of a few words.
pub fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, ConfigError> {
    words.iter().find(|(known, _)| *known == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(known, _)| *known).collect();
        ConfigError::new("", format!("unknown value `{text}`, expected one of {}", listed(&known)))
    })
}

/// Reads one text, or a list of them.
#[inline(never)]
pub fn one_or_many(value: &Value) -> Result<Vec<String>, ConfigError> {
    match value {
        Value::String(one) => Ok(vec![one.clone()]),
        Value::Array(many) if many.is_empty() => Err(ConfigError::new("", "an empty list never matches")),
        Value::Array(_) => list(value, |element| text(element).map(str::to_owned)),
        _ => Err(wrong(value, "a string or a list of strings")),
    }
}

#[inline(never)]
fn count(value: &Value) -> Result<u64, ConfigError> {
    let spelled_as_double =
        || value.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0 && *n <= 9_007_199_254_740_992.0);
    let count = value.as_u64().or_else(|| spelled_as_double().map(|n| n as u64));
    count.ok_or_else(|| wrong(value, "a whole number, not negative"))
}

#[inline(never)]
fn money(value: &Value) -> Result<PicoUsd, ConfigError> {
    let amount = value.as_str().and_then(|text| text.parse::<PicoUsd>().ok());
    amount.filter(|amount| *amount >= PicoUsd::ZERO).ok_or_else(|| wrong(value, Money::EXPECTED))
}

fn selector(value: &Value) -> Result<RawSelector, ConfigError> {
    selector_among(value, &|_| true)
}

/// Reads a selector out of the members that are its own.
#[inline(never)]
pub(crate) fn selector_among(value: &Value, own: &dyn Fn(&str) -> bool) -> Result<RawSelector, ConfigError> {
    let Value::Object(members) = value else { return Err(wrong(value, "an object")) };
    let member = |(name, value): (&String, &Value)| {
        let patterns = one_or_many(value).map_err(|error| error.within(name))?;
        Ok((name.clone(), OneOrMany(patterns)))
    };
    members.iter().filter(|(name, _)| own(name)).map(member).collect()
}

/// A value that is not what was expected.
#[inline(never)]
pub fn wrong(value: &Value, expected: &str) -> ConfigError {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    let shown = if value.is_array() || value.is_object() { String::new() } else { format!(" `{value}`") };
    ConfigError::new("", format!("invalid {kind}{shown}, expected {expected}"))
}

#[inline(never)]
fn listed(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_is_named_with_its_path_and_what_would_be_right() {
        let value =
            json!({"a": 7, "b": "x", "c": 1.5, "d": "1.5", "e": [1], "f": {"g": []}, "h": -1, "i": 2.0});
        let form = Form::read(&value, &["a", "b", "c", "d", "e", "f", "h", "i"]).unwrap();
        let said = |error: ConfigError| error.to_string();
        for (error, expected) in [
            (
                Form::read(&value, &["a", "b"]).map(|_| ()).map_err(said),
                "c: unknown field `c`, expected one of `a`, `b`",
            ),
            (Form::read(&json!([]), &["a"]).map(|_| ()).map_err(said), "invalid list, expected an object"),
            (form.text("a").map(|_| ()).map_err(said), "a: invalid number `7`, expected a string"),
            (
                form.count("b").map(|_| ()).map_err(said),
                "b: invalid string `\"x\"`, expected a whole number, not negative",
            ),
            (form.count("h").map(|_| ()).map_err(said), "h: invalid number `-1`, expected a whole number"),
            (
                form.money("c").map(|_| ()).map_err(said),
                "c: invalid number `1.5`, expected USD as a decimal string such as \"12.50\"",
            ),
            (form.list("e", text).map(|_| ()).map_err(said), "e[0]: invalid number `1`, expected a string"),
            (form.selector("f").map(|_| ()).map_err(said), "f.g: an empty list never matches"),
            (
                form.word("b", &[("y", 1)]).map(|_| ()).map_err(said),
                "b: unknown value `x`, expected one of `y`",
            ),
        ] {
            let error = error.unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        assert_eq!((form.count("i"), form.text("z"), form.count("a")), (Ok(Some(2)), Ok(None), Ok(Some(7))));
        assert_eq!(form.money("d").unwrap().unwrap().to_string(), "1.5");
    }
}
