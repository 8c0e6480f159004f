//! The configuration: as the user wrote it (`raw`), and as rules that cannot be invalid (`compile`).

mod compile;
mod feeds;
mod pricing;
mod property;
mod raw;
mod structs;
mod warnings;

pub use compile::{
    Adjustment, Estimate, Hold, OnUnmetered, ResponseHeader, Rules, UnknownModel, Upstream, View,
};
pub(crate) use compile::{Label, digest, early_facts, json};
pub use property::Property;

#[cfg(test)]
mod tests;
