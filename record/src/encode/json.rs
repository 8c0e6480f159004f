//! A record as JSON.

use serde_json::{Map, Number, Value};
use tollgate_pricing::PicoUsd;

use super::{Spell, double_of_usd};

/// One JSON object.
#[derive(Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }
}

impl Spell for Object {
    fn text(&mut self, key: &str, value: &str) {
        self.put(key, value);
    }

    fn ascii(&mut self, key: &str, value: &[u8]) {
        self.put(key, str::from_utf8(value).unwrap_or_default());
    }

    fn count(&mut self, key: &str, value: u64) {
        self.put(key, value);
    }

    fn amount(&mut self, key: &str, value: PicoUsd) {
        let number = Number::from_f64(double_of_usd(value));
        self.put(key, number.map_or_else(|| value.to_string().into(), Value::Number));
    }

    fn flag(&mut self, key: &str, value: bool) {
        self.put(key, value);
    }

    fn object(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fill(&mut inner);
        self.put(key, inner.into_value());
    }

    fn texts<'a>(&mut self, key: &str, values: impl Iterator<Item = &'a str>) {
        self.put(key, values.collect::<Vec<_>>());
    }

    fn objects<T>(&mut self, key: &str, values: &[T], fill: impl Fn(&mut Self, &T)) {
        let spelled = values.iter().map(|value| {
            let mut inner = Self::default();
            fill(&mut inner, value);
            inner.into_value()
        });
        self.put(key, spelled.collect::<Vec<_>>());
    }
}
