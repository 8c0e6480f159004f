//! A record out of JSON: the line itself, or the field of an access log's line that holds it.
//!
//! The line is read once, front to back, and nothing is copied that stands in it unescaped.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::draft::{Draft, is_ours};
use super::scalar::Text;
use crate::problem::Problem;

/// How deep a record may stand: in a field of the line, and there under Envoy's `value`.
pub(super) const DEPTH: u8 = 2;

/// The first record in a JSON text. `None` if it holds none, as for traffic that is no LLM call.
pub fn read_line(json: &[u8]) -> Result<Option<Draft<'_>>, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let draft = Object { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|draft| deserializer.end().map(|()| draft))
        .map_err(|error| Problem::not_json(&error))?;
    match draft {
        Found::Record(draft) => Ok(Some(*draft)),
        Found::Nothing => Ok(None),
        Found::NoObject => Err(Problem::NotAnObject),
    }
}

/// The same where the record's JSON begins at the first byte and anything may follow it.
pub fn read_value(json: &[u8]) -> Option<Draft<'_>> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    match (Object { depth: 0 }).deserialize(&mut deserializer) {
        Ok(Found::Record(draft)) => Some(*draft),
        _ => None,
    }
}

/// What an object or another value turned out to hold.
enum Found<'a> {
    Record(Box<Draft<'a>>),
    Nothing,
    NoObject,
}

struct Object {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Object {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        let mut draft: Option<Box<Draft<'de>>> = None;
        let mut nested = Found::Nothing;
        while let Some(Text(key)) = map.next_key()? {
            if is_ours(&key) {
                draft.get_or_insert_default().take(key, map.next_value()?);
            } else if self.depth < DEPTH && matches!(nested, Found::Nothing) {
                let inner = map.next_value_seed(Self { depth: self.depth.wrapping_add(1) })?;
                nested = if matches!(inner, Found::NoObject) { Found::Nothing } else { inner };
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(match draft {
            Some(draft) if draft.is_record() => Found::Record(draft),
            _ => nested,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Found<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::NoObject)
    }

    fn visit_str<E>(self, _: &str) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }

    fn visit_unit<E>(self) -> Result<Found<'de>, E> {
        Ok(Found::NoObject)
    }
}
