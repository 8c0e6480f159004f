//! Facts about a call -> decisions: tags, quotas, and the ledger that quotas are counted in.
//!
//! Nothing here knows a wire format, a proxy or a clock: callers bring facts, stored bytes and the time.
//! Each part has its configuration as the user wrote it (`raw`) and, compiled from it, rules that cannot be
//! invalid.

mod config;
mod dimension;
pub mod form;
mod guard;
mod ledger;
mod limits;
mod loops;
mod pages;
mod quota;
mod retries;
mod routes;
mod selector;
mod tags;
mod then;
mod waste;
mod window;

pub use config::{ConfigError, Money, Object, OneOrMany, Problem};
pub use guard::{
    Episode, Gauge, GuardRule, Judge, Past, PastId, PastPage, Pasts, Sample, Seen, Size, Verdict, Verdicts,
    Watch, compile_guards,
};
pub use ledger::{
    Admission, Amount, Answer, Change, Entry, GiveBack, InHand, KeyBudget, Lease, LedgerError, Listed,
    NoStore, Op, Output, OwnStore, ReservationId, SharedStore, StoreFailure, Swap, Table, UNKNOWN_OUTPUT,
    book, book_from, claim_place, look, note_others, perform, perform_beside_others, perform_from,
    taken_by_others,
};
pub use limits::{LimitRule, Limits, Otherwise, compile_limits};
pub use loops::{Arrival, Breach, LoopLimits, LoopRule, Trail, compile_loops, trails};
pub use pages::{Pages, Slot};
pub use quota::{
    CallPrice, Charge, Demand, Do, Expected, Ladder, Limit, MidStream, Mode, OnFailure, Projection, Protocol,
    Quota, QuotaRule, Reserve, ReservedOutput, Sent, Store, StoreRef, Usage, compile_quotas, warned,
};
pub use retries::{Again, Failures, RetryRule, compile_retries, failures};
pub use routes::{
    Conditions, ErrorsOver, Failed, Filled, Health, RouteRule, Routed, Surroundings, compile_routes, healths,
    route,
};
pub use selector::{Facts, Pattern, RawSelector, Selector};
pub use tags::{RawTag, Request, Required, Tag, TagRules, Tags, UNTAGGED, compile_tags, credential_digest};
pub use then::Then;
pub use waste::{Said, WasteRule, compile_waste, said_before};
pub use window::{Unit, Window, Zone, duration};
