//! OTLP logs as JSON, one `ExportLogsServiceRequest` in a line, as collectors write them to files.

use serde_json::{Map, Value};

use super::{Call, Line};
use crate::problem::Problem;
use crate::row::read_line;

/// Records stand in the attributes of a log record, as one attribute for each key or as one that holds them all, or
/// in its body.
pub fn read(line: &[u8]) -> Line<'static> {
    let json: Value = match serde_json::from_slice(line) {
        Ok(json) => json,
        Err(error) => return Line::Unreadable(Problem::not_json(&error)),
    };
    let resources = list(&json, "resourceLogs");
    let scopes = resources.flat_map(|resource| list(resource, "scopeLogs"));
    let calls = scopes.flat_map(|scope| list(scope, "logRecords")).filter_map(one).collect::<Vec<_>>();
    if calls.is_empty() { Line::Other } else { Line::Batch(calls) }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// `None` if the log record is of other traffic.
fn one(record: &Value) -> Option<Result<Call<'static>, Problem>> {
    let mut fields = attributes(record.get("attributes"));
    if let Some(body) = record.get("body") {
        fields.insert("body".into(), any(body));
    }
    let text = Value::Object(fields).to_string();
    match read_line(text.as_bytes()) {
        Ok(None) => None,
        Ok(Some(mut draft)) => {
            let unknown_key = draft.unknown_key.take().map(std::borrow::Cow::into_owned);
            let row = draft.finish(text.as_bytes());
            Some(row.map(|row| Call { row: row.into_owned(), unknown_key }))
        }
        Err(problem) => Some(Err(problem)),
    }
}

fn attributes(list: Option<&Value>) -> Map<String, Value> {
    let pairs = list.and_then(Value::as_array).into_iter().flatten();
    pairs.filter_map(|pair| Some((pair.get("key")?.as_str()?.to_owned(), any(pair.get("value")?)))).collect()
}

/// An `AnyValue` as plain JSON. A string that holds an object is that object: Envoy's formatter writes typed
/// filter state that way.
fn any(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return Value::Null;
    };
    match kind.as_str() {
        "stringValue" => text(inner),
        // 64-bit integers are strings in protobuf's JSON.
        "intValue" => {
            inner.as_str().and_then(|digits| digits.parse::<i64>().ok()).map_or(inner.clone(), Value::from)
        }
        "arrayValue" => Value::Array(list(inner, "values").map(any).collect()),
        "kvlistValue" => Value::Object(attributes(inner.get("values"))),
        _ => inner.clone(),
    }
}

fn text(inner: &Value) -> Value {
    let object = inner.as_str().filter(|text| text.starts_with('{'));
    let object = object.and_then(|text| serde_json::from_str::<Value>(text).ok());
    object.unwrap_or_else(|| inner.clone())
}
