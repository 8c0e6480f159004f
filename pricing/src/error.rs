//! What can be wrong with a price, and with a quote.

use alloc::boxed::Box;
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
        }
    }
}

impl core::error::Error for PriceError {}

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
