//! Quotas in stores that decisions do not wait for.

use crate::host::{self, SharedData};
use crate::root::{Root, millis, process};
use tollgate_exchange::{Batch, Exchange};
use tollgate_policy::{
    Admission, Op, SharedStore, StoreFailure, StoreRef, note_others, perform_beside_others, perform_from,
};
use tollgate_policy::{Answer, Change, OnFailure, Store};
use tollgate_record::Timestamp;

impl Root {
    /// What this process alone can say of a batch; `None` if a store outside has to be asked.
    pub fn decide_here(
        &self,
        exchange: &Exchange,
        batch: &Batch,
        ops: &[Op],
        now: Timestamp,
    ) -> Option<Result<Admission, StoreFailure>> {
        let seconds = now.unix_seconds();
        match batch.store {
            StoreRef::Local if exchange.asks_stand_in() => {
                Some(perform_beside_others(&SharedData, &mut self.in_hand.borrow_mut(), ops, seconds))
            }
            StoreRef::Local => Some(self.reserve_here(ops, now)),
            StoreRef::Remote(index) => {
                let rules = exchange.rules();
                let store = rules.stores.get(index).filter(|store| store.sync_ms.is_some())?;
                self.touch(store, ops, now);
                Some(perform_beside_others(&SharedData, &mut self.in_hand.borrow_mut(), ops, seconds))
            }
        }
    }

    /// Performs a batch in this process.
    #[inline(never)]
    pub fn reserve_here(&self, ops: &[Op], now: Timestamp) -> Result<Admission, StoreFailure> {
        perform_from(&SharedData, &mut self.in_hand.borrow_mut(), ops, now.unix_seconds())
    }

    /// Notes that these counters have to be told to their store.
    pub fn touch(&self, store: &Store, ops: &[Op], now: Timestamp) {
        let mut cache = self.cache.borrow_mut();
        ops.iter().for_each(|op| cache.touch(store, op, millis(now)));
    }

    /// By tick: tells stores what was used, and so hears of the others.
    pub fn flush_cache(&self, now: Timestamp) {
        let mut cache = self.cache.borrow_mut();
        if !cache.is_idle() {
            cache.flush(&SharedData, &format!("{:x}", process(now)), millis(now), host::send);
        }
    }
}

/// Where a store's absence is to be stood in for, what it said last is kept.
pub fn remember(
    shared: &impl SharedStore,
    store: Option<&Store>,
    ops: &[Op],
    admission: &Admission,
    now: i64,
) {
    if store.is_none_or(|store| store.on_failure != OnFailure::Local) {
        return;
    }
    let note = |op: &Op, taken: Option<i128>, more: i128| {
        if let (Change::Reserve { .. }, Some(taken)) = (op.change, taken) {
            note_others(shared, op, taken.saturating_add(more), now);
        }
    };
    match admission {
        Admission::Granted(answers) => {
            for (op, answer) in ops.iter().zip(answers) {
                if let Answer::Reserved { lease, taken } = answer {
                    note(op, *taken, lease.amount);
                }
            }
        }
        Admission::Refused { index, taken, .. } => {
            ops.get(*index).into_iter().for_each(|op| note(op, *taken, 0));
        }
    }
}
