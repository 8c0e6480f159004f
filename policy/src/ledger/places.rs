//! How many entries there may be of a kind: shared data cannot be made smaller.

use super::{SharedStore, StoreFailure, Swap};

/// Tries to count an entry this often before it gives up: each failure means that another worker went ahead.
const MAX_CONFLICTS: usize = 64;

/// Bounds the number of entries of a kind: they cannot be removed from shared data, and clients may invent values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBudget {
    /// The key of the count.
    pub key: String,
    /// How many entries there may be.
    pub max: u64,
}

/// Takes one of a bounded number of places for `key`, once: whoever asks again for a key that has a place has it.
/// `false` if all are taken, or the store fails.
#[inline(never)]
pub fn claim_place(store: &impl SharedStore, key: &str, budget: &KeyBudget) -> bool {
    match store.read(key) {
        Ok(Some(_)) => true,
        Ok(None) => claim_key(store, budget) == Ok(true) && store.swap(key, &[1], None).is_ok(),
        Err(StoreFailure) => false,
    }
}

/// Counts one more, if there may be one. Two workers that create the same entry at once count it twice, so the bound is reached a
/// little early, never passed.
#[inline(never)]
fn claim_key(store: &impl SharedStore, budget: &KeyBudget) -> Result<bool, StoreFailure> {
    for _ in 0..MAX_CONFLICTS {
        let found = store.read(&budget.key)?;
        let bytes = found.as_ref().and_then(|(bytes, _)| bytes.first_chunk::<8>());
        let count = bytes.map_or(0, |b| u64::from_le_bytes(*b));
        let Some(next) = count.checked_add(1).filter(|next| *next <= budget.max) else { return Ok(false) };
        if store.swap(&budget.key, &next.to_le_bytes(), found.map(|(_, cas)| cas))? == Swap::Done {
            return Ok(true);
        }
    }
    Err(StoreFailure)
}
