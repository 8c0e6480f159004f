//! Which counters of `mode: cached` a worker has touched, and when their store hears of them.

use super::{HttpCall, Sync};
use std::collections::BTreeMap;
use tollgate_policy::{Op, SharedStore, Store, note_others};

/// The counters that this worker's calls touch.
#[derive(Debug, Default)]
pub struct Cache {
    touched: BTreeMap<String, Touched>,
    sent: Vec<Sent>,
    messages: u64,
}

#[derive(Debug)]
struct Touched {
    store: Store,
    op: Op,
    /// When a call was last admitted or booked.
    used_ms: u64,
    /// When the store was last told.
    told_ms: Option<u64>,
    /// What it has acknowledged.
    acknowledged: Option<(i128, i128)>,
}

#[derive(Debug)]
struct Sent {
    token: u32,
    at_ms: u64,
    sync: Sync,
}

/// Counters of one store and namespace, each with what was used and reserved.
type Group = (Store, Vec<(Op, i128, i128)>);

/// A counter that nobody has used for so long is told once more, if need be, and then left alone.
const RESTS_AFTER_MS: u64 = 10_000;

/// How many counters go into one message.
const MOST_PER_MESSAGE: usize = 32;

/// How many counters a worker keeps track of at a time.
const MOST: usize = 10_000;

/// A store's time-out is at most 10 s: an answer that has not come by then has gone with the configuration that waited for it.
const LOST_AFTER_MS: u64 = 11_000;

impl Cache {
    /// Notes that a call uses a counter. Past the bound it is not told of: invented values must not fill the memory.
    pub fn touch(&mut self, store: &Store, op: &Op, now_ms: u64) {
        if let Some(touched) = self.touched.get_mut(&*op.key) {
            touched.used_ms = now_ms;
        } else if self.touched.len() < MOST {
            let (store, op) = (store.clone(), op.clone());
            let touched = Touched { store, op, used_ms: now_ms, told_ms: None, acknowledged: None };
            self.touched.insert(touched.op.key.to_string(), touched);
        }
    }

    /// Whether there is nothing to tell.
    pub fn is_idle(&self) -> bool {
        self.touched.is_empty()
    }

    /// Tells the stores what is due. `send` gives the number under which the answer will come.
    #[inline(never)]
    pub fn flush(
        &mut self,
        shared: &impl SharedStore,
        proxy: &str,
        now_ms: u64,
        mut send: impl FnMut(&HttpCall) -> Option<u32>,
    ) {
        let now = seconds(now_ms);
        self.sent.retain(|sent| now_ms.saturating_sub(sent.at_ms) < LOST_AFTER_MS);
        for (store, counters) in self.due(shared, now_ms) {
            for counters in counters.chunks(MOST_PER_MESSAGE) {
                self.messages = self.messages.saturating_add(1);
                let sync = Sync {
                    proxy: proxy.to_owned(),
                    message: format!("{proxy}-{}", self.messages),
                    counters: counters.to_vec(),
                };
                if let Some(token) = send(&sync.call(&store, now)) {
                    self.sent.push(Sent { token, at_ms: now_ms, sync });
                }
            }
        }
    }

    /// What is due, by store and namespace.
    #[inline(never)]
    fn due(&mut self, shared: &impl SharedStore, now_ms: u64) -> Vec<Group> {
        let now = seconds(now_ms);
        let mut groups: Vec<Group> = Vec::new();
        self.touched.retain(|key, touched| {
            let every = u64::from(touched.store.sync_ms.unwrap_or_default());
            if touched.told_ms.is_some_and(|told| now_ms.saturating_sub(told) < every) {
                return true;
            }
            let Ok(found) = touched.op.entry(shared) else { return true };
            let entry = found.unwrap_or_default();
            let own = (entry.used(touched.op.window, now), entry.open(now));
            let rests = now_ms.saturating_sub(touched.used_ms) > RESTS_AFTER_MS;
            if rests && touched.acknowledged == Some(own) {
                return false;
            }
            touched.told_ms = Some(now_ms);
            let counter = (touched.op.clone(), own.0, own.1);
            let joins = |(store, counters): &&mut Group| {
                let first = counters.first().map(|(op, ..)| super::parts(&op.key).0);
                *store == touched.store && first == Some(super::parts(key).0)
            };
            match groups.iter_mut().find(joins) {
                Some((_, counters)) => counters.push(counter),
                None => groups.push((touched.store.clone(), vec![counter])),
            }
            true
        });
        groups
    }

    /// Takes an answer in. `None` if nothing was sent under this number; `false` if it says nothing.
    #[inline(never)]
    pub fn answered(
        &mut self,
        shared: &impl SharedStore,
        token: u32,
        status: Option<u16>,
        body: &[u8],
        now_ms: u64,
    ) -> Option<bool> {
        let index = self.sent.iter().position(|sent| sent.token == token)?;
        let Sent { sync, .. } = self.sent.swap_remove(index);
        let Some(others) = sync.others(status, body) else { return Some(false) };
        for ((op, used, open), taken) in sync.counters.iter().zip(others) {
            note_others(shared, op, taken, seconds(now_ms));
            if let Some(touched) = self.touched.get_mut(&*op.key) {
                touched.acknowledged = Some((*used, *open));
            }
        }
        Some(true)
    }
}

fn seconds(ms: u64) -> i64 {
    i64::try_from(ms / 1000).unwrap_or(i64::MAX)
}
