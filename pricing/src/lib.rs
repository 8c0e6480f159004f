//! Token counts and units x rate card -> exact money.
//!
//! [`catalogue()`] or a [`PriceBook`] finds the [`RateCard`] of a model; [`quote()`] prices a
//! [`Usage`] with it. All money is integers: [`PicoUsd`]. Nothing is parsed when a program starts.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod assemble;
mod book;
mod card;
mod catalogue;
mod class;
mod compile;
mod date;
mod decimal;
mod digest;
mod error;
pub mod file;
mod index;
mod money;
mod quote;
mod refreshed;
mod situation;
mod tables;
mod tokens;
mod units;

pub use book::{Override, Pattern, PriceBook, price_names};
pub use card::{CardBuilder, OwnCard, Prices, RateCard};
pub use catalogue::{Catalogue, Found, catalogue};
pub use class::Class;
pub use decimal::DecimalText;
pub use error::{CatalogueError, PriceError, QuoteError};
pub use money::{Factor, PicoUsd, Rate};
pub use quote::{Line, Quote, Usage, quote};
pub use refreshed::Refreshed;
pub use situation::Situation;
pub use tokens::{TokenCounts, TokenKind};
pub use units::{Quantity, UnitKind, Units};
