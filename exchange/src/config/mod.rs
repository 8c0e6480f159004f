//! The configuration: as the user wrote it (`raw`), and as rules that cannot be invalid (`compile`).

mod compile;
mod pricing;
mod raw;
mod structs;

pub use compile::{
    Adjustment, Estimate, Hold, OnUnmetered, Property, ResponseHeader, Rules, UnknownModel, Upstream, View,
};
pub(crate) use compile::{Label, early_facts};

#[cfg(test)]
mod tests;
