//! JSON values that are no containers, borrowed where they can be.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tollgate_pricing::PicoUsd;

/// A name: a key of an object.
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A value. Reading one never fails for its kind: whoever wants another kind says so with the key's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    Text(Cow<'a, str>),
    Whole(u64),
    Flag(bool),
    Null,
    /// An object of strings; whole numbers in it stand as text.
    Pairs(Vec<(Cow<'a, str>, Cow<'a, str>)>),
    /// A number that is not whole, a list, or an object that holds something else.
    Other,
}

impl<'a> Scalar<'a> {
    /// The text, or the whole number as one.
    fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Whole(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }

    pub fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn whole(self) -> Option<u64> {
        match self {
            Self::Whole(number) => Some(number),
            _ => None,
        }
    }

    pub fn flag(self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    pub fn usd(self) -> Option<PicoUsd> {
        self.text().and_then(|text| usd(&text))
    }

    /// Names and texts; an empty object is a list of none.
    pub fn pairs(self) -> Option<Vec<(Cow<'a, str>, Cow<'a, str>)>> {
        match self {
            Self::Pairs(pairs) => Some(pairs),
            _ => None,
        }
    }
}

/// Pico-dollars in a unit of the last decimal, by how many decimals there are.
const POWERS: [i128; 13] = [
    1_000_000_000_000,
    100_000_000_000,
    10_000_000_000,
    1_000_000_000,
    100_000_000,
    10_000_000,
    1_000_000,
    100_000,
    10_000,
    1_000,
    100,
    10,
    1,
];

/// Exact dollars. Amounts of up to 18 digits, which nearly all are, take a short way.
pub fn usd(text: &str) -> Option<PicoUsd> {
    let bytes = text.as_bytes();
    let mut digits = 0_u64;
    let mut point = None;
    if bytes.len() > 18 {
        return text.parse().ok();
    }
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                let digit = u64::from(byte.wrapping_sub(b'0'));
                digits = digits.checked_mul(10)?.checked_add(digit)?;
            }
            b'.' if point.is_none() && place > 0 => point = Some(place),
            _ => return text.parse().ok(),
        }
    }
    let fraction = point.map_or(Some(0), |place| bytes.len().checked_sub(place)?.checked_sub(1))?;
    if bytes.is_empty() || (point.is_some() && fraction == 0) {
        return text.parse().ok();
    }
    Some(PicoUsd::from_pico(i128::from(digits).checked_mul(*POWERS.get(fraction)?)?))
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(u64::try_from(number).map_or(Scalar::Other, Scalar::Whole))
    }

    /// A whole number that was spelled as a double: 1e16 comes back from Envoy as `1e+16`.
    fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
        let whole = number >= 0.0 && number.fract() == 0.0 && number < 1.8e19;
        Ok(if whole { Scalar::Whole(number as u64) } else { Scalar::Other })
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        let mut pairs = Vec::with_capacity(4);
        while let Some(Text(key)) = map.next_key()? {
            match map.next_value::<Scalar<'de>>()?.into_text() {
                Some(text) => pairs.push((key, text)),
                None => {
                    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                    return Ok(Scalar::Other);
                }
            }
        }
        Ok(Scalar::Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::usd;

    #[test]
    fn the_short_way_reads_what_the_long_way_reads() {
        for text in [
            "0",
            "0.0001408",
            "12.5",
            "1",
            "0.000000000001",
            "0.0000000000001",
            "",
            ".",
            "1.",
            ".5",
            "-0.5",
            "1e3",
            "123456789012345678",
            "12345678901234567890.5",
            "1.2.3",
            "007",
            "99999999999999999.",
            " 1",
        ] {
            assert_eq!(usd(text), text.parse().ok(), "{text}");
        }
    }
}
