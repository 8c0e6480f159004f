//! A configuration that the proxy passes as an encoded `google.protobuf.Struct`: Envoy hands over its bytes, not JSON.
//!
//! A Struct is `map<string, Value> fields = 1`; a Value is one of null 1, number 2 (double), string 3, bool 4, Struct 5, ListValue 6
//! (`repeated Value values = 1`), see protobuf's `struct.proto`.

use serde_json::{Map, Number, Value};

/// Deeper nesting than this is no configuration.
const MAX_DEPTH: u32 = 32;

/// Reads an encoded Struct; `None` if the bytes are none.
pub(super) fn from_struct(bytes: &[u8]) -> Option<Value> {
    object(bytes, MAX_DEPTH)
}

fn object(mut bytes: &[u8], depth: u32) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let mut members = Map::new();
    while !bytes.is_empty() {
        let Field::Bytes(1, entry) = field(&mut bytes)? else { return None };
        let (name, value) = member(entry, depth)?;
        members.insert(name, value);
    }
    Some(Value::Object(members))
}

fn member(mut entry: &[u8], depth: u32) -> Option<(String, Value)> {
    let (mut name, mut member) = (String::new(), Value::Null);
    while !entry.is_empty() {
        match field(&mut entry)? {
            Field::Bytes(1, text) => name = String::from_utf8(text.to_vec()).ok()?,
            Field::Bytes(2, bytes) => member = value(bytes, depth)?,
            _ => return None,
        }
    }
    Some((name, member))
}

fn value(mut bytes: &[u8], depth: u32) -> Option<Value> {
    if bytes.is_empty() {
        return Some(Value::Null);
    }
    let value = match field(&mut bytes)? {
        Field::Varint(1, _) => Value::Null,
        Field::Double(2, number) => Value::Number(exact(number)?),
        Field::Bytes(3, text) => String::from_utf8(text.to_vec()).ok()?.into(),
        Field::Varint(4, flag) => Value::Bool(flag != 0),
        Field::Bytes(5, inner) => object(inner, depth)?,
        Field::Bytes(6, inner) => list(inner, depth)?,
        _ => return None,
    };
    bytes.is_empty().then_some(value)
}

fn list(mut bytes: &[u8], depth: u32) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let mut values = Vec::new();
    while !bytes.is_empty() {
        let Field::Bytes(1, one) = field(&mut bytes)? else { return None };
        values.push(value(one, depth)?);
    }
    Some(Value::Array(values))
}

/// Whole numbers that a double holds exactly are whole again.
fn exact(number: f64) -> Option<Number> {
    let whole = number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0;
    if whole { Some((number as i64).into()) } else { Number::from_f64(number) }
}

enum Field<'a> {
    Varint(u64, u64),
    Double(u64, f64),
    Bytes(u64, &'a [u8]),
}

/// Takes one field off the front.
fn field<'a>(bytes: &mut &'a [u8]) -> Option<Field<'a>> {
    let tag = varint(bytes)?;
    let number = tag >> 3;
    match tag & 7 {
        0 => Some(Field::Varint(number, varint(bytes)?)),
        1 => {
            let (double, rest) = bytes.split_first_chunk::<8>()?;
            *bytes = rest;
            Some(Field::Double(number, f64::from_le_bytes(*double)))
        }
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            let (value, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Some(Field::Bytes(number, value))
        }
        _ => None,
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_record::Record;

    #[test]
    fn what_the_record_encodes_reads_back() {
        let record = Record {
            id: "1-2-3".into(),
            missing_tags: vec!["team".into()],
            stream: Some(true),
            ..Record::default()
        };
        let json: Value = serde_json::from_str(&record.to_json()).unwrap();
        assert_eq!(from_struct(&record.to_protobuf()), Some(json));
    }

    #[test]
    fn numbers_are_whole_again_and_lists_and_null_are_read() {
        // {"a": [1.0, null]}: a Struct of one entry whose value is a list of a double and a null.
        let mut list = vec![0x0a, 9, 0x11];
        list.extend(1.0_f64.to_le_bytes());
        list.extend([0x0a, 2, 0x08, 0]);
        let value = [&[0x32, list.len() as u8][..], &list].concat();
        let entry = [&[0x0a, 1, b'a', 0x12, value.len() as u8][..], &value].concat();
        let bytes = [&[0x0a, entry.len() as u8][..], &entry].concat();
        assert_eq!(from_struct(&bytes), Some(serde_json::json!({"a": [1, null]})));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _any = from_struct(&bytes);
        }
    }
}
