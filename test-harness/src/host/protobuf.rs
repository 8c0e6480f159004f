//! `google.protobuf.Struct` from and to JSON: what Envoy does with a record and with a configuration.

use serde_json::{Map, Value};

/// The JSON of an encoded `Struct`; nothing where the bytes are not one.
pub fn decode(bytes: &[u8]) -> Option<Value> {
    let mut object = Map::new();
    for (field, content) in fields(bytes)? {
        let (1, Content::Bytes(entry)) = (field, content) else { return None };
        let mut name = String::new();
        let mut value = Value::Null;
        for (field, content) in fields(entry)? {
            match (field, content) {
                (1, Content::Bytes(bytes)) => name = String::from_utf8(bytes.to_vec()).ok()?,
                (2, Content::Bytes(bytes)) => value = decode_value(bytes)?,
                _ => return None,
            }
        }
        object.insert(name, value);
    }
    Some(Value::Object(object))
}

fn decode_value(bytes: &[u8]) -> Option<Value> {
    let mut value = Value::Null;
    for (field, content) in fields(bytes)? {
        value = match (field, content) {
            (1, Content::Number(_)) => Value::Null,
            (2, Content::Fixed(bits)) => number(f64::from_bits(bits))?,
            (3, Content::Bytes(bytes)) => Value::String(String::from_utf8(bytes.to_vec()).ok()?),
            (4, Content::Number(flag)) => Value::Bool(flag != 0),
            (5, Content::Bytes(bytes)) => decode(bytes)?,
            (6, Content::Bytes(bytes)) => decode_list(bytes)?,
            _ => return None,
        };
    }
    Some(value)
}

fn decode_list(bytes: &[u8]) -> Option<Value> {
    let items = fields(bytes)?.into_iter().map(|(field, content)| match (field, content) {
        (1, Content::Bytes(bytes)) => decode_value(bytes),
        _ => None,
    });
    items.collect::<Option<Vec<Value>>>().map(Value::Array)
}

/// Whole numbers show without a fraction, as in Envoy's JSON.
fn number(value: f64) -> Option<Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        return Some(Value::from(value as i64));
    }
    serde_json::Number::from_f64(value).map(Value::Number)
}

enum Content<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Content<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let content = match tag & 7 {
            0 => Content::Number(varint(&mut bytes)?),
            1 => {
                let (fixed, rest) = bytes.split_first_chunk::<8>()?;
                bytes = rest;
                Content::Fixed(u64::from_le_bytes(*fixed))
            }
            2 => {
                let size = usize::try_from(varint(&mut bytes)?).ok()?;
                let (content, rest) = bytes.split_at_checked(size)?;
                bytes = rest;
                Content::Bytes(content)
            }
            _ => return None,
        };
        found.push((tag >> 3, content));
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// An object as an encoded `Struct`.
pub fn encode(object: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        let mut entry = Vec::new();
        put(&mut entry, 1, name.as_bytes());
        put(&mut entry, 2, &encode_value(value));
        put(&mut out, 1, &entry);
    }
    out
}

fn encode_value(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::Null => out.extend([1 << 3, 0]),
        Value::Bool(flag) => out.extend([4 << 3, u8::from(*flag)]),
        Value::Number(number) => {
            out.push(2 << 3 | 1);
            out.extend(number.as_f64().unwrap_or(f64::NAN).to_le_bytes());
        }
        Value::String(text) => put(&mut out, 3, text.as_bytes()),
        Value::Object(_) => put(&mut out, 5, &encode(value)),
        Value::Array(items) => {
            let mut list = Vec::new();
            items.iter().for_each(|item| put(&mut list, 1, &encode_value(item)));
            put(&mut out, 6, &list);
        }
    }
    out
}

fn put(out: &mut Vec<u8>, field: u8, content: &[u8]) {
    out.push(field << 3 | 2);
    let mut size = content.len();
    while size >= 0x80 {
        out.push(u8::try_from(size & 0x7f).unwrap_or(0) | 0x80);
        size >>= 7;
    }
    out.push(u8::try_from(size).unwrap_or(0));
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let long = "x".repeat(300);
        let value = json!({"a": 1, "b": [true, null, "t", {"c": 0.5}], "long": long, "empty": {}});
        assert_eq!(decode(&encode(&value)), Some(value));
        assert_eq!(decode(b"\x0a\xff"), None);
        assert_eq!(decode(b""), Some(json!({})));
    }
}
