//! What can be wrong with a price, and with a quote.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::fmt;

/// A price, rate, factor or rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriceError {
    /// Not a plain decimal number (no exponent, no plus sign, no spaces).
    Decimal(Box<str>),
    /// A decimal with more than 12 places, finer than one pico-USD.
    TooFine(Box<str>),
    /// A rate below zero, or a factor below -100 %.
    Negative(Box<str>),
    /// A value too large for the exact integers that we count in.
    TooLarge(Box<str>),
    /// A class of tokens or units that we do not know.
    UnknownClass(Box<str>),
    /// A dimension of the situation (service tier, region, ...) that we do not know.
    UnknownDimension(Box<str>),
    /// A model pattern with `*` elsewhere than at its start or end, or an empty one.
    Pattern(Box<str>),
    /// Two rates for one class, tier and condition, or two prices for one model.
    Duplicate(Box<str>),
    /// A card or a table with more parts than its index can count.
    TooMany(Box<str>),
    /// A period that ends before it starts, or a time of day that is none.
    Period(Box<str>),
    /// Not a day as `YYYY-MM-DD`.
    Date(Box<str>),
    /// Not a time of day as `HH:MM`.
    Time(Box<str>),
    /// Not one of `mon` to `sun`.
    Weekday(Box<str>),
    /// Not a whole number.
    Number(Box<str>),
    /// A name that leads to two models, or to two providers.
    NamedTwice(Box<str>),
    /// A provider that no file is about.
    UnknownProvider(Box<str>),
}

impl fmt::Display for PriceError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PriceError::Decimal(text) => write!(out, "not a decimal number: `{text}`"),
            PriceError::TooFine(text) => write!(out, "more than 12 decimals: `{text}`"),
            PriceError::Negative(text) => write!(out, "must not be below zero: `{text}`"),
            PriceError::TooLarge(text) => write!(out, "too large: `{text}`"),
            PriceError::UnknownClass(text) => write!(out, "unknown class of tokens or units: `{text}`"),
            PriceError::UnknownDimension(text) => write!(out, "unknown price condition: `{text}`"),
            PriceError::Pattern(text) => {
                write!(out, "`*` may stand only at the start or the end of a model: `{text}`")
            }
            PriceError::Duplicate(text) => write!(out, "priced twice: `{text}`"),
            PriceError::TooMany(text) => write!(out, "too many parts: `{text}`"),
            PriceError::Period(text) => write!(out, "not a period: `{text}`"),
            PriceError::Date(text) => write!(out, "not a date: `{text}`"),
            PriceError::Time(text) => write!(out, "not a time of day: `{text}`"),
            PriceError::Weekday(text) => write!(out, "not a day of the week, `mon` to `sun`: `{text}`"),
            PriceError::Number(text) => write!(out, "not a whole number: `{text}`"),
            PriceError::NamedTwice(text) => write!(out, "named twice: `{text}`"),
            PriceError::UnknownProvider(text) => write!(out, "no such provider: `{text}`"),
        }
    }
}

impl core::error::Error for PriceError {}

/// What is wrong with a catalogue's file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueError {
    /// The field, as `models[3].lists[0].rates.input`.
    pub path: String,
    /// What is wrong with it.
    pub why: PriceError,
}

impl CatalogueError {
    /// The same error, seen from one level further out.
    pub(crate) fn within(self, outer: &str) -> CatalogueError {
        let flush = outer.is_empty() || self.path.is_empty() || self.path.starts_with('[');
        let joint = if flush { "" } else { "." };
        CatalogueError { path: format!("{outer}{joint}{}", self.path), why: self.why }
    }
}

impl From<PriceError> for CatalogueError {
    fn from(why: PriceError) -> CatalogueError {
        CatalogueError { path: String::new(), why }
    }
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(out, "{}: ", self.path)?;
        }
        write!(out, "{}", self.why)
    }
}

impl core::error::Error for CatalogueError {}

/// Why no exact price could be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuoteError {
    /// Counts times rates leave the range of the exact integers; the line is named.
    Overflow(&'static str),
}

impl fmt::Display for QuoteError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QuoteError::Overflow(line) => write!(out, "cost is too large to count: `{line}`"),
        }
    }
}

impl core::error::Error for QuoteError {}
