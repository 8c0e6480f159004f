//! Quotas in a Redis that is reached through Webdis, Redis's HTTP front: `POST /` with `EVAL/...` as the body.
//!
//! One script admits a whole batch and one books a whole call, so each is atomic and one round trip. The arguments are
//! integers as text; keys and arguments are percent-encoded, since `/` separates a command's parts.

use serde_json::Value;
use tollgate_policy::{Admission, Answer, Change, Lease, Op, StoreFailure};

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

/// Admits a batch or none of it.
///
/// For each key there are five arguments: amount, limit, window start, window end, key's life in seconds. A counter is a hash of
/// `window` (its start), `used` and `open` (reserved). It answers -1 if all were put aside, else the place of the refusal.
const ADMIT: &str = "for i=1,#KEYS do \
local a=(i-1)*5 \
local h=redis.call('HMGET',KEYS[i],'window','used','open') \
local used=0 \
if h[1]==ARGV[a+3] then used=tonumber(h[2] or 0) end \
local taken=used+tonumber(h[3] or 0) \
if taken+tonumber(ARGV[a+1])>tonumber(ARGV[a+2]) or taken>=tonumber(ARGV[a+2]) then return i-1 end \
end \
for i=1,#KEYS do \
local a=(i-1)*5 \
if redis.call('HGET',KEYS[i],'window')~=ARGV[a+3] then redis.call('HSET',KEYS[i],'window',ARGV[a+3],'used',0) end \
redis.call('HINCRBY',KEYS[i],'open',ARGV[a+1]) \
redis.call('EXPIRE',KEYS[i],ARGV[a+5]) \
end \
return -1";

/// Books a call once: the first key holds the call's id, so a settlement that is sent again changes nothing.
///
/// For each further key there are four arguments: reserved, used, window start, key's life in seconds.
const SETTLE: &str = "if not redis.call('SET',KEYS[1],1,'NX','EX',ARGV[1]) then return 0 end \
for i=2,#KEYS do \
local a=1+(i-2)*4 \
if redis.call('HGET',KEYS[i],'window')~=ARGV[a+3] then redis.call('HSET',KEYS[i],'window',ARGV[a+3],'used',0) end \
redis.call('HINCRBY',KEYS[i],'used',ARGV[a+2]) \
local open=redis.call('HINCRBY',KEYS[i],'open',-tonumber(ARGV[a+1])) \
if open<0 then redis.call('HSET',KEYS[i],'open',0) end \
redis.call('EXPIRE',KEYS[i],ARGV[a+4]) \
end \
return 1";

/// How long the mark of a settled call is kept: longer than any retry goes on.
const SETTLED_MARK_S: i64 = 3600;

/// The round trip that admits a batch.
pub fn admission_call(cluster: &str, timeout_ms: u32, ops: &[Op], now: i64) -> HttpCall {
    let keys: Vec<&str> = ops.iter().map(|op| op.key.as_str()).collect();
    let mut arguments = Vec::with_capacity(ops.len().saturating_mul(5));
    for op in ops {
        let (start, end) = op.window.span(now);
        let (amount, limit) = match op.change {
            Change::Reserve { amount, limit } => (amount, limit),
            Change::Settle { actual, .. } => (actual, i128::MAX),
        };
        arguments.extend([amount, limit].map(|n| n.to_string()));
        arguments.extend([start, end, life(end, now)].map(|n| n.to_string()));
    }
    call(cluster, timeout_ms, ADMIT, &keys, &arguments)
}

/// The round trip that books a call.
pub fn settlement_call(cluster: &str, timeout_ms: u32, id: &str, ops: &[Op], now: i64) -> HttpCall {
    let mark = format!("tg/1/settled/{id}");
    let keys: Vec<&str> =
        std::iter::once(mark.as_str()).chain(ops.iter().map(|op| op.key.as_str())).collect();
    let mut arguments = vec![SETTLED_MARK_S.to_string()];
    for op in ops {
        let (start, end) = op.window.span(now);
        let (reserved, actual) = match op.change {
            Change::Settle { lease, actual } => (lease.amount, actual),
            Change::Reserve { .. } => (0, 0),
        };
        arguments.extend([reserved, actual].map(|n| n.to_string()));
        arguments.extend([start, life(end, now)].map(|n| n.to_string()));
    }
    call(cluster, timeout_ms, SETTLE, &keys, &arguments)
}

/// A counter outlives its window by an hour, for calls that end late.
fn life(window_end: i64, now: i64) -> i64 {
    window_end.saturating_sub(now).saturating_add(3600)
}

fn call(cluster: &str, timeout_ms: u32, script: &str, keys: &[&str], arguments: &[String]) -> HttpCall {
    let count = keys.len().to_string();
    let parts = ["EVAL", script, &count].into_iter().chain(keys.iter().copied());
    let parts = parts.chain(arguments.iter().map(String::as_str)).map(encode);
    HttpCall {
        cluster: cluster.to_owned(),
        timeout_ms,
        body: parts.collect::<Vec<_>>().join("/").into_bytes(),
    }
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
            Change::Reserve { amount, .. } => Answer::Reserved(Lease { expires_minute: 0, amount }),
            Change::Settle { .. } => Answer::Settled,
        };
        return Ok(Admission::Granted(ops.iter().map(lease).collect()));
    }
    let index = usize::try_from(answer).map_err(|_| StoreFailure)?;
    let op = ops.get(index).ok_or(StoreFailure)?;
    Ok(Admission::Refused { index, resets_at: op.window.span(now).1 })
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
