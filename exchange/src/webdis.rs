//! Quotas in a Redis that is reached through Webdis, Redis's HTTP front: `POST /` with `EVAL/...` as the body.
//!
//! One script admits a whole batch and one books a whole call, so each is atomic and one round trip. The arguments are
//! integers as text; keys and arguments are percent-encoded, since `/` separates a command's parts.

use serde_json::Value;
use tollgate_policy::{Admission, Amount, Answer, Change, Lease, Op, Store, StoreFailure};

/// A call to an HTTP cluster of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// The cluster.
    pub cluster: String,
    /// How long to wait.
    pub timeout_ms: u32,
    /// The body of a `POST /`.
    pub body: Vec<u8>,
}

/// What both scripts share. A counter is a hash of `window` (its start), `used`, `open` (reserved in all) and `r:<id>` (reserved by one
/// call); a sorted set beside it has the ids by the second at which they expire. A window only ever rolls forward: a message that comes
/// late counts in the newer one.
const SHARED: &str = "local function release(k,id) \
local r=redis.call('HGET',k,'r:'..id) \
if r then if r~='0' then redis.call('HINCRBY',k,'open','-'..r) end \
redis.call('HDEL',k,'r:'..id) end \
redis.call('ZREM',k..':leases',id) end \
local function roll(k,start) \
if tonumber(redis.call('HGET',k,'window') or -1)<tonumber(start) then redis.call('HSET',k,'window',start,'used',0) end end \
local function keep(k,life) redis.call('EXPIRE',k,life) redis.call('EXPIRE',k..':leases',life) end ";

/// Admits a batch or none of it, and sweeps what nobody settled. A call that asks again, since a step has changed it, gives back what
/// it had.
///
/// Arguments: the call's id, now, when its lease expires; then for each key amount, limit, window start, key's life in seconds. It
/// answers -1 if all were put aside, else the place of the refusal.
const ADMIT: &str = "local id,now=ARGV[1],ARGV[2] \
for i=1,#KEYS do \
local k,a=KEYS[i],3+(i-1)*4 \
for _,old in ipairs(redis.call('ZRANGEBYSCORE',k..':leases','-inf',now)) do release(k,old) end \
release(k,id) \
roll(k,ARGV[a+3]) \
local taken=tonumber(redis.call('HGET',k,'used') or 0)+tonumber(redis.call('HGET',k,'open') or 0) \
if taken+tonumber(ARGV[a+1])>tonumber(ARGV[a+2]) or taken>=tonumber(ARGV[a+2]) then return i-1 end \
end \
for i=1,#KEYS do \
local k,a=KEYS[i],3+(i-1)*4 \
redis.call('HINCRBY',k,'open',ARGV[a+1]) \
redis.call('HSET',k,'r:'..id,ARGV[a+1]) \
redis.call('ZADD',k..':leases',ARGV[3],id) \
keep(k,ARGV[a+4]) \
end \
return -1";

/// Books a call once, and gives back what it reserved, if it did: an answer that was never heard may have been a yes.
///
/// The first key is the mark of a settled call. Arguments: the mark's life, the call's id; then for each further key used, window start,
/// key's life in seconds. It answers 0 if the call was settled before.
const SETTLE: &str = "if redis.call('EXISTS',KEYS[1])==1 then return 0 end \
for i=2,#KEYS do \
local k,a=KEYS[i],2+(i-2)*3 \
release(k,ARGV[2]) \
roll(k,ARGV[a+2]) \
redis.call('HINCRBY',k,'used',ARGV[a+1]) \
keep(k,ARGV[a+3]) \
end \
redis.call('SET',KEYS[1],1,'EX',ARGV[1]) \
return 1";

/// How long the mark of a settled call is kept: longer than any retry goes on.
const SETTLED_MARK_S: i64 = 3600;

/// How long a reservation that nobody settles stands in the way of others.
const LEASE_S: i64 = 900;

/// The round trip that admits a batch.
pub fn admission_call(store: &Store, id: &str, ops: &[Op], now: i64) -> HttpCall {
    let keys: Vec<&str> = ops.iter().map(|op| op.key.as_str()).collect();
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
    call(store, ADMIT, &keys, &arguments)
}

/// The round trip that books a call.
pub fn settlement_call(store: &Store, id: &str, ops: &[Op], now: i64) -> HttpCall {
    let mark = format!("tg/1/settled/{}/{id}", store.name);
    let keys: Vec<&str> =
        std::iter::once(mark.as_str()).chain(ops.iter().map(|op| op.key.as_str())).collect();
    let mut arguments = vec![SETTLED_MARK_S.to_string(), id.to_owned()];
    for op in ops {
        let (start, end) = op.window.span(now);
        let actual = match op.change {
            Change::Settle { actual, .. } => actual,
            Change::Grant { amount } => amount.saturating_neg(),
            Change::Reserve { .. } | Change::Reset => 0,
        };
        arguments.push(actual.to_string());
        arguments.extend([start, life(end, now)].map(|n| n.to_string()));
    }
    call(store, SETTLE, &keys, &arguments)
}

/// A counter outlives its window by an hour, for calls that end late.
fn life(window_end: i64, now: i64) -> i64 {
    window_end.saturating_sub(now).saturating_add(3600)
}

fn call(store: &Store, script: &str, keys: &[&str], arguments: &[String]) -> HttpCall {
    let (script, count) = (format!("{SHARED}{script}"), keys.len().to_string());
    let parts = ["EVAL", &script, &count].into_iter().chain(keys.iter().copied());
    let parts = parts.chain(arguments.iter().map(String::as_str)).map(encode);
    let body = parts.collect::<Vec<_>>().join("/").into_bytes();
    HttpCall { cluster: store.cluster.clone(), timeout_ms: store.timeout_ms, body }
}

/// Percent-encodes all but unreserved characters (RFC 3986, section 2.3). Webdis reads `.` as the start of a format suffix.
fn encode(part: &str) -> String {
    use std::fmt::Write;
    part.bytes().fold(String::with_capacity(part.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Reads the answer to [`admission_call`].
pub fn parse_admission(
    status: Option<u16>,
    body: &[u8],
    ops: &[Op],
    now: i64,
) -> Result<Admission, StoreFailure> {
    let answer = number(status, body).ok_or(StoreFailure)?;
    if answer == -1 {
        let lease = |op: &Op| match op.change {
            Change::Reserve { amount, .. } => Answer::Reserved {
                lease: Lease { expires_minute: 0, amount: put_aside(&amount) },
                taken: None,
            },
            Change::Settle { .. } | Change::Grant { .. } | Change::Reset => Answer::Settled,
        };
        return Ok(Admission::Granted(ops.iter().map(lease).collect()));
    }
    let index = usize::try_from(answer).map_err(|_| StoreFailure)?;
    let op = ops.get(index).ok_or(StoreFailure)?;
    let amount = match op.change {
        Change::Reserve { amount, .. } => put_aside(&amount),
        Change::Settle { .. } | Change::Grant { .. } | Change::Reset => 0,
    };
    Ok(Admission::Refused { index, resets_at: op.window.span(now).1, taken: None, amount })
}

/// What is usual is not known in the store.
fn put_aside(amount: &Amount) -> i128 {
    amount.of(None).unwrap_or(i128::MAX)
}

/// Whether a settlement stands, now or since an earlier try.
pub fn settlement_taken(status: Option<u16>, body: &[u8]) -> bool {
    matches!(number(status, body), Some(0 | 1))
}

/// Webdis wraps a reply as `{"EVAL": 1}`.
fn number(status: Option<u16>, body: &[u8]) -> Option<i64> {
    if status != Some(200) {
        return None;
    }
    serde_json::from_slice::<Value>(body).ok()?.get("EVAL")?.as_i64()
}
