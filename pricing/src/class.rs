//! Anything that can have a rate: a class of tokens or a kind of unit, as one small number.

use crate::tokens::TokenKind;
use crate::units::UnitKind;

/// A class of tokens or a kind of unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Billed by the token.
    Token(TokenKind),
    /// Billed by number.
    Unit(UnitKind),
}

impl Class {
    /// The name in records and configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Token(kind) => kind.name(),
            Class::Unit(kind) => kind.name(),
        }
    }

    /// The class of that name.
    pub fn from_name(name: &str) -> Option<Class> {
        TokenKind::from_name(name).map(Class::Token).or_else(|| UnitKind::from_name(name).map(Class::Unit))
    }

    /// For how many things a written price stands: 1,000,000 tokens, or one unit.
    pub const fn written_per(self) -> u64 {
        match self {
            Class::Token(_) => 1_000_000,
            Class::Unit(_) => 1,
        }
    }

    /// The number by which tables name the class, below 64: units start at 32.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Class::Token(kind) => kind as u8,
            Class::Unit(kind) => 32 | kind as u8,
        }
    }
}
