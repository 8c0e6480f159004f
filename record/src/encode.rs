//! A record as a tree, and the tree as protobuf or JSON.

use std::borrow::Cow;
use tollgate_pricing::PicoUsd;

use crate::schema::{Part, Record, SCHEMA, Tokens};

/// A JSON-like value: what `google.protobuf.Struct` can hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A count. It is written as a double, exact up to 2^53.
    Count(u64),
    /// An amount of USD, written as the double that OpenTelemetry asks for.
    Amount(PicoUsd),
    /// A truth value.
    Flag(bool),
    /// A list.
    List(Vec<Value<'a>>),
    /// An object, in order.
    Object(Fields<'a>),
}

/// Names and values, in order.
pub(crate) type Fields<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

impl Record {
    /// The record's keys and values, in the fixed order in which they are documented.
    pub fn fields(&self) -> Vec<(Cow<'_, str>, Value<'_>)> {
        let mut out = Out(Vec::with_capacity(48));
        out.identity(self);
        out.tokens(&self.tokens);
        out.usage(self);
        out.cost(self);
        out.policy(self);
        out.http(self);
        out.0
    }

    /// The record as an encoded `google.protobuf.Struct`.
    pub fn to_protobuf(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(2048);
        protobuf::put_struct(&mut bytes, &self.fields());
        bytes
    }

    /// The record as one JSON object on one line.
    pub fn to_json(&self) -> String {
        json::object(self.fields()).to_string()
    }
}

struct Out<'a>(Fields<'a>);

impl<'a> Out<'a> {
    fn put(&mut self, key: &'static str, value: Value<'a>) {
        self.0.push((Cow::Borrowed(key), value));
    }

    fn text(&mut self, key: &'static str, value: &'a str) {
        self.put(key, Value::Text(Cow::Borrowed(value)));
    }

    fn known(&mut self, key: &'static str, value: Option<&'a str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    fn count(&mut self, key: &'static str, value: Option<u64>) {
        if let Some(value) = value {
            self.put(key, Value::Count(value));
        }
    }

    fn usd(&mut self, key: &'static str, value: Option<PicoUsd>) {
        if let Some(value) = value {
            self.put(key, usd(value));
        }
    }

    fn texts(&mut self, key: &'static str, values: &'a [String]) {
        if !values.is_empty() {
            self.put(key, Value::List(values.iter().map(|v| Value::Text(Cow::Borrowed(v))).collect()));
        }
    }

    fn pairs(&mut self, key: &'static str, pairs: &'a [(String, String)]) {
        if !pairs.is_empty() {
            let text = |v: &'a String| Value::Text(Cow::Borrowed(v));
            self.put(
                key,
                Value::Object(pairs.iter().map(|(k, v)| (Cow::Borrowed(k.as_str()), text(v))).collect()),
            );
        }
    }

    fn identity(&mut self, r: &'a Record) {
        self.put("tollgate.schema", Value::Count(SCHEMA));
        self.text("tollgate.id", &r.id);
        self.put("tollgate.time", Value::Text(Cow::Owned(r.time.to_string())));
        self.text("gen_ai.operation.name", &r.operation);
        self.text("gen_ai.provider.name", &r.provider);
        self.known("gen_ai.request.model", r.request_model.as_deref());
        self.known("gen_ai.response.model", r.response_model.as_deref());
        self.known("gen_ai.response.id", r.response_id.as_deref());
        self.texts("gen_ai.response.finish_reasons", &r.finish_reasons);
    }

    fn tokens(&mut self, t: &Tokens) {
        for (key, count) in token_keys(t) {
            self.count(key, count);
        }
    }

    fn usage(&mut self, r: &'a Record) {
        if !r.units.is_empty() {
            let units = r.units.iter().map(|(name, quantity)| (Cow::Borrowed(name.as_str()), unit(quantity)));
            self.put("tollgate.units", Value::Object(units.collect()));
        }
        if !r.parts.is_empty() {
            self.put("tollgate.parts", Value::List(r.parts.iter().map(part).collect()));
        }
        self.text("tollgate.usage.source", r.usage_source.as_str());
        if r.inconsistent {
            self.put("tollgate.usage.inconsistent", Value::Flag(true));
        }
    }

    fn cost(&mut self, r: &'a Record) {
        let cost = &r.cost;
        if let Some(amount) = cost.usd {
            self.put("gen_ai.usage.cost.amount", Value::Amount(amount));
            self.text("gen_ai.usage.cost.currency", "USD");
        }
        self.text("tollgate.cost.status", cost.status.as_str());
        self.usd("tollgate.cost.usd", cost.usd);
        self.usd("tollgate.cost.list_usd", cost.list_usd);
        if !cost.lines.is_empty() {
            let lines = cost.lines.iter().map(|(name, amount)| (Cow::Borrowed(name.as_str()), usd(*amount)));
            self.put("tollgate.cost.lines", Value::Object(lines.collect()));
        }
        self.usd("tollgate.cost.reported_usd", cost.reported_usd);
        self.usd("tollgate.cost.saved_by_cache_usd", cost.saved_by_cache_usd);
    }

    fn policy(&mut self, r: &'a Record) {
        self.pairs("tollgate.tags", &r.tags);
        self.texts("tollgate.missing_tags", &r.missing_tags);
        self.text("tollgate.decision.action", r.decision.action().as_str());
        if !r.decision.actions.is_empty() {
            let words = r.decision.actions.iter().map(|a| Value::Text(Cow::Borrowed(a.as_str())));
            self.put("tollgate.decision.actions", Value::List(words.collect()));
        }
        self.known("tollgate.decision.rule", r.decision.rule.as_deref());
        self.texts("tollgate.shadow", &r.shadow);
        self.usd("tollgate.reserved.usd", r.reserved);
    }

    fn http(&mut self, r: &'a Record) {
        if let Some(stream) = r.stream {
            self.put("tollgate.stream", Value::Flag(stream));
        }
        self.count("tollgate.ttft_ms", r.ttft_ms);
        self.count("tollgate.duration_ms", r.duration_ms);
        self.count("tollgate.http.status", r.http_status.map(u64::from));
        self.known("tollgate.service_tier", r.service_tier.as_deref());
        self.known("tollgate.region", r.region.as_deref());
        self.known("tollgate.speed", r.speed.as_deref());
        self.text("tollgate.price.version", &r.price_version);
        self.text("tollgate.config.version", &r.config_version);
    }
}

/// Token counts by the key under which each stands in the record.
pub(crate) fn token_keys(t: &Tokens) -> [(&'static str, Option<u64>); 10] {
    [
        ("gen_ai.usage.input_tokens", t.input),
        ("gen_ai.usage.output_tokens", t.output),
        ("gen_ai.usage.cache_read.input_tokens", t.cache_read),
        ("gen_ai.usage.cache_creation.input_tokens", t.cache_creation),
        ("tollgate.usage.cache_creation_1h_tokens", t.cache_creation_1h),
        ("gen_ai.usage.reasoning.output_tokens", t.reasoning),
        ("gen_ai.usage.audio.input_tokens", t.audio_input),
        ("gen_ai.usage.audio.output_tokens", t.audio_output),
        ("gen_ai.usage.image.input_tokens", t.image_input),
        ("gen_ai.usage.image.output_tokens", t.image_output),
    ]
}

fn usd<'a>(amount: PicoUsd) -> Value<'a> {
    Value::Text(Cow::Owned(amount.to_string()))
}

/// Whole quantities are numbers, others exact decimal strings.
fn unit(quantity: &str) -> Value<'_> {
    quantity.parse().map_or(Value::Text(Cow::Borrowed(quantity)), Value::Count)
}

fn part(part: &Part) -> Value<'_> {
    let mut out = Out(Vec::new());
    out.known("model", part.model.as_deref());
    out.tokens(&part.tokens);
    out.usd("usd", part.usd);
    Value::Object(out.0)
}

/// `google.protobuf.Struct`, see protobuf's `struct.proto`: a Struct is `map<string, Value> fields = 1`,
/// a Value is one of number 2 (double), string 3, bool 4, Struct 5, ListValue 6 (`repeated Value = 1`).
mod protobuf {
    use super::Value;
    use std::borrow::Cow;

    const LENGTH_DELIMITED: u8 = 2;
    const FIXED64: u8 = 1;
    const VARINT: u8 = 0;

    pub(super) fn put_struct(out: &mut Vec<u8>, fields: &[(Cow<'_, str>, Value<'_>)]) {
        let mut value_bytes = Vec::with_capacity(64);
        let mut entry = Vec::with_capacity(96);
        for (key, value) in fields {
            value_bytes.clear();
            entry.clear();
            put_value(&mut value_bytes, value);
            put_bytes(&mut entry, 1, key.as_bytes());
            put_bytes(&mut entry, 2, &value_bytes);
            put_bytes(out, 1, &entry);
        }
    }

    fn put_value(out: &mut Vec<u8>, value: &Value<'_>) {
        match value {
            Value::Text(text) => put_bytes(out, 3, text.as_bytes()),
            Value::Count(count) => put_number(out, super::double_of_count(*count)),
            Value::Amount(amount) => put_number(out, super::double_of_usd(*amount)),
            Value::Flag(flag) => out.extend([tag(4, VARINT), u8::from(*flag)]),
            Value::Object(fields) => {
                let mut inner = Vec::new();
                put_struct(&mut inner, fields);
                put_bytes(out, 5, &inner);
            }
            Value::List(values) => put_bytes(out, 6, &list(values)),
        }
    }

    fn list(values: &[Value<'_>]) -> Vec<u8> {
        let (mut inner, mut one) = (Vec::new(), Vec::new());
        for value in values {
            one.clear();
            put_value(&mut one, value);
            put_bytes(&mut inner, 1, &one);
        }
        inner
    }

    fn put_number(out: &mut Vec<u8>, number: f64) {
        out.push(tag(2, FIXED64));
        out.extend(number.to_le_bytes());
    }

    fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
        out.push(tag(field, LENGTH_DELIMITED));
        let mut length = bytes.len();
        while length >= 0x80 {
            out.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend_from_slice(bytes);
    }

    const fn tag(field: u8, wire_type: u8) -> u8 {
        (field << 3) | wire_type
    }
}

mod json {
    use super::{Fields, Value};

    pub(super) fn object(fields: Fields<'_>) -> serde_json::Value {
        serde_json::Value::Object(fields.into_iter().map(|(k, v)| (k.into_owned(), value(v))).collect())
    }

    fn value(value: Value<'_>) -> serde_json::Value {
        match value {
            Value::Text(text) => text.into_owned().into(),
            Value::Count(count) => count.into(),
            Value::Amount(amount) => serde_json::Number::from_f64(super::double_of_usd(amount))
                .map_or(amount.to_string().into(), Into::into),
            Value::Flag(flag) => flag.into(),
            Value::List(values) => values.into_iter().map(self::value).collect(),
            Value::Object(fields) => object(fields),
        }
    }
}

/// The double nearest to an amount. The exact decimal stands beside it in the record.
fn double_of_usd(amount: PicoUsd) -> f64 {
    // An exact decimal is always a valid double literal, so `NAN` never shows; it would be seen at once if it did.
    amount.to_string().parse().unwrap_or(f64::NAN)
}

fn double_of_count(count: u64) -> f64 {
    count as f64
}
