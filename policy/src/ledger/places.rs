//! How many counters a quota may have, and which ones it has: shared data can neither be listed nor made smaller.

use super::{SharedStore, StoreFailure, Swap};

/// Tries to count a counter this often before it gives up: each failure means that another worker went ahead.
const MAX_CONFLICTS: usize = 64;

/// Bounds the number of counters of one quota: entries cannot be removed from shared data, and clients may
/// invent values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBudget {
    /// The key of the count.
    pub key: String,
    /// How many counters there may be; further values share one.
    pub max: u64,
    /// The key that further values share.
    pub overflow_key: String,
}

impl KeyBudget {
    /// The key under which the key of the counter with this place stands.
    pub(super) fn place(&self, place: u64) -> String {
        format!("{}/{place}", self.key)
    }

    /// The keys of the counters that there are, the first `most` of them, and how many there are.
    pub fn keys(&self, store: &dyn SharedStore, most: u64) -> (Vec<String>, u64) {
        let read = |key: &str| store.read(key).ok().flatten().map(|(bytes, _)| bytes);
        let count =
            read(&self.key).and_then(|bytes| bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b)));
        let Some(count) = count else { return (Vec::new(), 0) };
        let keys =
            (1..=count.min(most)).filter_map(|place| String::from_utf8(read(&self.place(place))?).ok());
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        keys.dedup();
        (keys, count)
    }
}

/// Takes one of a bounded number of places for `key`, once: whoever asks again for a key that has a place has it.
/// `false` if all are taken, or the store fails.
#[inline(never)]
pub fn claim_place(store: &impl SharedStore, key: &str, budget: &KeyBudget) -> bool {
    match store.read(key) {
        Ok(Some(_)) => true,
        Ok(None) => {
            claim_key(store, budget).is_ok_and(|place| place.is_some()) && store.swap(key, &[1], None).is_ok()
        }
        Err(StoreFailure) => false,
    }
}

/// Counts one more counter of a quota, if it may have one. Two workers that create the same counter at once count
/// it twice, so the bound is reached a little early, never passed.
#[inline(never)]
pub(super) fn claim_key(store: &impl SharedStore, budget: &KeyBudget) -> Result<Option<u64>, StoreFailure> {
    for _ in 0..MAX_CONFLICTS {
        let found = store.read(&budget.key)?;
        let bytes = found.as_ref().and_then(|(bytes, _)| bytes.first_chunk::<8>());
        let count = bytes.map_or(0, |b| u64::from_le_bytes(*b));
        let Some(next) = count.checked_add(1).filter(|next| *next <= budget.max) else { return Ok(None) };
        if store.swap(&budget.key, &next.to_le_bytes(), found.map(|(_, cas)| cas))? == Swap::Done {
            return Ok(Some(next));
        }
    }
    Err(StoreFailure)
}
