//! The one thing Tollgate emits per LLM call: its schema, encoders and parser.
//!
//! A [`Record`] is plain data. One walk over it, in a fixed order, names every key and value; [`Record::to_protobuf`] and
//! [`Record::to_json`] only spell what it says, so the two can never disagree.
//! [`Record::parse`] reads it back, from this schema or an older one.

mod effect;
mod encode;
mod parse;
mod schema;
mod time;

pub use effect::Effect;
pub use parse::ParseError;
pub use schema::{
    Action, Candidate, Cost, CostStatus, Decision, Part, Record, Retry, RetryKind, SCHEMA, Tokens,
    UsageSource, Waste, WasteReason, Workflow,
};
pub use time::{CivilDate, Timestamp};

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
