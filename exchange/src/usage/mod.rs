//! Who used what, by the hour and the day: a bounded table in the data that all workers share.
//!
//! Each worker gathers what its calls came to in a [`UsageBatch`], without asking the host for anything, and merges it
//! into the shared [`Table`]s by tick: so a call costs one look-up, and the tables add up to the log after a flush.

mod batch;
pub(crate) mod bytes;
mod sums;
mod table;

pub(crate) use batch::{REASON, Subject, dimensions, load};
pub use batch::{UsageBatch, Window};
pub(crate) use sums::Sums;
pub(crate) use table::{Group, Table};

/// The dimensions that every table has before the tags.
pub(crate) const FIXED: [&str; 2] = ["provider", "model"];

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
pub(crate) mod tests;
