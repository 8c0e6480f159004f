//! Facts about a call -> decisions: tags, quotas, and the ledger that quotas are counted in.
//!
//! Nothing here knows a wire format, a proxy or a clock: callers bring facts, stored bytes and the time.
//! Each part has its configuration as the user wrote it (`raw`) and, compiled from it, rules that cannot be
//! invalid.

mod config;
mod ledger;
mod quota;
mod selector;
mod tags;
mod window;

pub use config::{ConfigError, Money, Object, OneOrMany, Problem};
pub use ledger::{
    Admission, Answer, Change, Entry, KeyBudget, Lease, LedgerError, Op, ReservationId, SharedStore,
    StoreFailure, Swap, book, claim_place, perform,
};
pub use quota::{
    Charge, Limit, Mode, OnFailure, Quota, QuotaRule, RawQuota, RawStore, Sent, Store, StoreRef, Usage,
    compile_quotas,
};
pub use selector::{Facts, Pattern, RawSelector, Selector};
pub use tags::{RawTag, Request, Required, Tag, TagRules, Tags, UNTAGGED, compile_tags};
pub use window::{RawWindow, Window};
