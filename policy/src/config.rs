//! What configuration parsing shares: errors with the field's path, money, one-or-many.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;
use tollgate_pricing::PicoUsd;

/// A field that cannot be: where it stands, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The field's path, such as `quotas[2].window`.
    pub path: String,
    /// What is wrong and what would be right.
    pub problem: Problem,
}

/// What is wrong with a field, as a sentence without its path.
pub type Problem = String;

impl ConfigError {
    /// An error at `path`.
    pub fn new(path: impl Into<String>, problem: impl Into<Problem>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }

    /// The same error, seen from one level further out.
    #[inline(never)]
    pub fn within(self, outer: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{outer}{joint}{}", self.path), problem: self.problem }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" | "." => f.write_str(&self.problem),
            path => write!(f, "{path}: {}", self.problem),
        }
    }
}

impl std::error::Error for ConfigError {}

/// An amount of USD in the configuration: a decimal string. A JSON number is refused, since it has already
/// been through a binary float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money(pub PicoUsd);

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MoneyVisitor)
    }
}

impl Money {
    /// What is expected of it.
    pub(crate) const EXPECTED: &str = "USD as a decimal string such as \"12.50\"";
}

struct MoneyVisitor;

impl Visitor<'_> for MoneyVisitor {
    type Value = Money;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Money::EXPECTED)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Money, E> {
        match text.parse::<PicoUsd>() {
            Ok(amount) if amount >= PicoUsd::ZERO => Ok(Money(amount)),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

/// A JSON object that reads as `T`. Without it, a list would pass for an object: its members taken in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            One(String),
            Many(Vec<String>),
        }
        match Either::deserialize(deserializer) {
            Ok(Either::One(one)) => Ok(Self(vec![one])),
            Ok(Either::Many(many)) if !many.is_empty() => Ok(Self(many)),
            Ok(Either::Many(_)) => Err(D::Error::custom("an empty list never matches")),
            Err(_) => Err(D::Error::custom("expected a string or a list of strings")),
        }
    }
}

/// Reads a whole number that may be spelled as a double, as `google.protobuf.Struct` does.
pub(crate) fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Whole;
    impl Visitor<'_> for Whole {
        type Value = u64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number, not negative")
        }
        fn visit_u64<E>(self, n: u64) -> Result<u64, E> {
            Ok(n)
        }
        fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<u64, E> {
            let exact = n >= 0.0 && n.fract() == 0.0 && n <= 9_007_199_254_740_992.0;
            if exact { Ok(n as u64) } else { Err(E::invalid_value(Unexpected::Float(n), &self)) }
        }
    }
    deserializer.deserialize_any(Whole).map(Some)
}
