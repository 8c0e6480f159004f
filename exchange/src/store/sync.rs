//! Counters that are decided about here and told to a store now and then (`mode: cached`).

use super::protocol::{self, Reply};
use super::{HttpCall, LEASE_S, life, scripts, tagged};
use tollgate_policy::{Op, Store};

/// What one proxy tells a store of some of its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The proxy's process.
    pub proxy: String,
    /// Which message of that proxy it is: its answer says so.
    pub message: String,
    /// Each counter, with what was used of it in this window and what open calls have reserved. All are of one namespace.
    pub counters: Vec<(Op, i128, i128)>,
}

impl Sync {
    /// The round trip that tells it at `now`. Telling it twice does no harm.
    pub fn call(&self, store: &Store, now: i64) -> HttpCall {
        let mut arguments = vec![
            self.proxy.clone(),
            self.message.clone(),
            now.saturating_add(LEASE_S).to_string(),
            now.to_string(),
        ];
        for (op, used, open) in &self.counters {
            let (start, end) = op.window.span(now);
            arguments.extend([used, open].map(|n| n.to_string()));
            arguments.extend([start, life(end, now)].map(|n| n.to_string()));
        }
        let keys: Vec<String> = self.counters.iter().map(|(op, ..)| tagged(&op.key)).collect();
        protocol::eval(store, scripts::SYNC, &keys, &arguments)
    }

    /// What all others have taken of each counter; `None` if the answer is none to this message.
    pub fn others(&self, status: Option<u16>, body: &[u8]) -> Option<Vec<i128>> {
        let reply = Reply::read(status, body)?;
        let ours = reply.id == self.message && reply.amounts.len() == self.counters.len();
        ours.then_some(reply.amounts)
    }
}
