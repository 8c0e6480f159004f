//! Quotas in a Redis that is reached over HTTP.
//!
//! One script admits a whole batch and one books a whole call, so each is atomic and one round trip. Every answer names the call that
//! it is for: a front that hands a late answer to the next request's client (Webdis 0.1.9 does, once a client was gone) must not
//! admit or refuse anybody.

mod cache;
mod protocol;
mod scripts;
mod sync;

pub use cache::Cache;
pub use sync::Sync;

use protocol::Reply;
use tollgate_policy::{Admission, Amount, Answer, Change, Lease, Op, Store, StoreFailure};

/// A call to an HTTP cluster of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// The cluster.
    pub cluster: String,
    /// The host that is asked for.
    pub host: String,
    /// How long to wait.
    pub timeout_ms: u32,
    /// The body's type.
    pub content_type: &'static str,
    /// The body of a `POST /`.
    pub body: Vec<u8>,
}

/// How long the mark of a settled call is kept: an admission or a settlement that comes later than that finds no trace of the call.
const SETTLED_MARK_S: i64 = 3600;

/// How long a reservation that nobody settles stands in the way of others.
const LEASE_S: i64 = 900;

/// The round trip that admits a batch.
pub fn admission_call(store: &Store, id: &str, ops: &[Op], now: i64) -> HttpCall {
    let mut arguments = vec![id.to_owned(), now.to_string(), now.saturating_add(LEASE_S).to_string()];
    for op in ops {
        let (start, end) = op.window.span(now);
        let (amount, limit) = match op.change {
            Change::Reserve { amount, limit } => (put_aside(&amount), limit),
            Change::Settle { .. } | Change::Grant { .. } | Change::Reset => (0, i128::MAX),
        };
        arguments.extend([amount, limit].map(|n| n.to_string()));
        arguments.extend([start, life(end, now)].map(|n| n.to_string()));
    }
    protocol::eval(store, scripts::ADMIT, &keys(store, id, ops.iter().map(|op| &*op.key)), &arguments)
}

/// What a store is still to be told of a call that has ended. It is kept until the store has taken it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    store: Store,
    id: String,
    counters: Vec<Counter>,
}

/// One counter of a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counter {
    key: String,
    /// `None` forgets what was used.
    used: Option<i128>,
    window_start: i64,
    life_s: i64,
}

impl Settlement {
    /// What `ops` book of the call `id`, in the windows of `now`.
    pub fn new(store: &Store, id: &str, ops: &[Op], now: i64) -> Self {
        let counter = |op: &Op| {
            let (window_start, end) = op.window.span(now);
            let used = match op.change {
                Change::Settle { actual, .. } => Some(actual),
                Change::Grant { amount } => Some(amount.saturating_neg()),
                Change::Reserve { .. } => Some(0),
                Change::Reset => None,
            };
            Counter { key: op.key.to_string(), used, window_start, life_s: life(end, now) }
        };
        Self { store: store.clone(), id: id.to_owned(), counters: ops.iter().map(counter).collect() }
    }

    /// The round trip that books it. Making it twice books once.
    pub fn call(&self) -> HttpCall {
        let mut arguments = vec![self.id.clone(), SETTLED_MARK_S.to_string()];
        for counter in &self.counters {
            arguments.push(counter.used.map_or_else(|| "reset".to_owned(), |used| used.to_string()));
            arguments.extend([counter.window_start, counter.life_s].map(|n| n.to_string()));
        }
        let counters = self.counters.iter().map(|counter| counter.key.as_str());
        protocol::eval(&self.store, scripts::SETTLE, &keys(&self.store, &self.id, counters), &arguments)
    }

    /// Whether the store's answer says that it stands, now or since an earlier try.
    pub fn taken(&self, status: Option<u16>, body: &[u8]) -> bool {
        let reply = Reply::read(status, body).filter(|reply| reply.id == self.id);
        reply.is_some_and(|reply| matches!(reply.verdict, 0 | 1))
    }
}

/// A counter outlives its window by an hour, for calls that end late. The longest window is a year.
fn life(window_end: i64, now: i64) -> i64 {
    const LONGEST_S: i64 = 400 * 86_400;
    window_end.saturating_sub(now).saturating_add(3600).min(LONGEST_S)
}

/// The keys of a script: the mark of the settled call, then the counters.
///
/// What all keys of a namespace begin with is in braces, Redis Cluster's hash tag: a script's keys must lie on one node.
fn keys<'a>(store: &Store, id: &str, counters: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut tag = "tg/1";
    let mut keys = vec![String::new()];
    for key in counters {
        tag = parts(key).0;
        keys.push(tagged(key));
    }
    if let Some(mark) = keys.first_mut() {
        *mark = format!("{{{tag}}}/settled/{}/{id}", store.name);
    }
    keys
}

pub(crate) fn tagged(key: &str) -> String {
    let (tag, rest) = parts(key);
    format!("{{{tag}}}{rest}")
}

/// `tg/1/namespace`, and the rest of a key.
fn parts(key: &str) -> (&str, &str) {
    let end = key.match_indices('/').nth(2).map_or(key.len(), |(index, _)| index);
    key.split_at_checked(end).unwrap_or((key, ""))
}

/// Reads the answer to [`admission_call`].
pub fn parse_admission(
    status: Option<u16>,
    body: &[u8],
    id: &str,
    ops: &[Op],
    now: i64,
) -> Result<Admission, StoreFailure> {
    let reply = Reply::read(status, body).filter(|reply| reply.id == id).ok_or(StoreFailure)?;
    if reply.verdict == -1 {
        let lease = |(index, op): (usize, &Op)| match op.change {
            Change::Reserve { amount, .. } => Answer::Reserved {
                lease: Lease { amount: put_aside(&amount), ..Lease::default() },
                taken: reply.amounts.get(index).copied(),
            },
            Change::Settle { .. } | Change::Grant { .. } | Change::Reset => Answer::Settled,
        };
        return Ok(Admission::Granted(ops.iter().enumerate().map(lease).collect()));
    }
    let index = usize::try_from(reply.verdict).map_err(|_| StoreFailure)?;
    let op = ops.get(index).ok_or(StoreFailure)?;
    let amount = match op.change {
        Change::Reserve { amount, .. } => put_aside(&amount),
        Change::Settle { .. } | Change::Grant { .. } | Change::Reset => 0,
    };
    Ok(Admission::Refused {
        index,
        resets_at: op.window.span(now).1,
        taken: reply.amounts.get(index).copied(),
        amount,
    })
}

/// The counter that has refused a call only for what running calls have put aside, and may not use, if [`parse_admission`] read a
/// refusal there.
#[cold]
#[inline(never)]
pub fn refused_while_reserved<'a>(body: &[u8], ops: &'a [Op]) -> Option<&'a Op> {
    let reply = Reply::read(Some(200), body)?;
    let index = usize::try_from(reply.verdict).ok()?;
    let (taken, used) = (*reply.amounts.get(index)?, *reply.amounts.get(index.checked_add(1)?)?);
    let op = ops.get(index)?;
    let Change::Reserve { amount, limit } = op.change else { return None };
    let with_this = used.checked_add(put_aside(&amount))?;
    (used < taken && used < limit && with_this <= limit).then_some(op)
}

/// What is usual is not known in the store.
fn put_aside(amount: &Amount) -> i128 {
    amount.of(None).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests;
