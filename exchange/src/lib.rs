//! One LLM call's life, without I/O: ties wire, pricing, policy and record together.
//!
//! [`Rules::compile`] turns a configuration into rules. For each request, [`Exchange::start`] says what to do next
//! as a [`Step`]; the adapter performs it and hands the answer back with [`Exchange::resume`]. Bytes go through
//! [`Exchange::request_body`] and [`Exchange::response_body`] as they pass. [`Exchange::settle`] consumes the exchange, so
//! that nothing can be settled twice, and gives the [`Record`](tollgate_record::Record) and what must be told to stores and stats.
//!
//! Nothing here names a proxy, reads a clock or holds a global.

mod admin;
mod admission;
mod agents;
mod alerts;
mod batches;
mod bill;
mod candidate;
mod config;
mod cut;
mod demand;
mod dry_run;
mod edits;
mod exchange;
mod feed;
mod guards;
mod head;
mod inventory;
mod outbox;
mod passing;
mod plan;
mod refresh;
mod reply;
mod settle;
mod stats;
mod steps;
mod store;
mod surroundings;
mod tagging;
mod target;
mod usage;
mod usual;
mod waste;

pub use admin::{Access, Admin, AdminAnswer, QuotaChange};
pub use admission::Batch;
pub use agents::Agents;
pub use alerts::{
    Alert, AlertAnswer, AlertCall, AlertKind, AlertNews, AlertSender, Alerts, Destination, Fate, Severity,
};
pub use batches::first_time;
pub use candidate::CandidateBatch;
pub use config::{
    Adjustment, Candidate, Estimate, Hold, OnUnmetered, Property, ResponseHeader, Rules, UnknownModel,
    Upstream, View,
};
pub use exchange::{Exchange, HeaderEdit, Start, Step, Unmetered};
pub use feed::{Arrival, Brought, Feed, FeedKind, FeedSource, Streak};
pub use guards::{Departed, Flushed, GuardBatch, Guarded, Guards};
pub use head::{Head, HeaderPairs};
pub use inventory::{InventoryBatch, Metered};
pub use outbox::Outbox;
pub use plan::Rewritten;
pub use refresh::{MAX_CATALOGUE_BYTES, PolicyFile, parse_catalogue};
pub use reply::LocalReply;
pub use settle::{Aids, AnsweredBy, Counts, Finish, Settled};
pub use stats::{Gauges, MetricKind, MetricSink, SeriesPlaces, Stats};
pub use store::{Cache, HttpCall, Settlement, Sync, admission_call, parse_admission, refused_while_reserved};
/// Prices that have arrived, as [`Feed`] hands them on.
pub use tollgate_pricing::Refreshed;
/// A process's secret for fingerprints, as [`Agents::set_print_key`] takes it.
pub use tollgate_wire::{BodyChange, PrintKey};
pub use usage::{UsageBatch, Window};
pub use usual::seen_here;
pub use waste::Wastes;
