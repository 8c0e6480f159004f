//! The configuration: as the user wrote it (`raw`), and as rules that cannot be invalid (`compile`).

mod by_hand;
mod candidate;
mod compile;
mod emit;
mod feeds;
mod pricing;
mod property;
mod raw;
mod structs;
mod upstream;
mod warnings;

pub use candidate::Candidate;
pub(crate) use candidate::is_candidates;
pub use compile::{Adjustment, Estimate, Hold, Rules, UnknownModel};
pub(crate) use compile::{digest, json};
pub(crate) use emit::Label;
pub use emit::{ResponseHeader, View};
pub use property::Property;
pub(crate) use upstream::early_facts;
pub use upstream::{OnUnmetered, Upstream};

#[cfg(test)]
mod tests;
