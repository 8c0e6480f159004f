//! Shared data without a proxy.

use super::{SharedStore, StoreFailure, Swap};
use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;

/// Shared data of a process without a proxy, as Envoy has it: for the replay of logs, for benches and tests.
#[derive(Debug, Default)]
pub struct OwnStore {
    entries: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    conflicts: Cell<u32>,
    accesses: Cell<u64>,
}

impl OwnStore {
    /// The values, and the numbers to swap them with.
    pub fn entries(&self) -> Ref<'_, BTreeMap<String, (Vec<u8>, u32)>> {
        self.entries.borrow()
    }

    /// How often it was asked.
    pub fn accesses(&self) -> u64 {
        self.accesses.get()
    }

    /// Has so many of the next writes find that somebody else was first.
    pub fn conflict_next(&self, writes: u32) {
        self.conflicts.set(writes);
    }

    fn count(&self) {
        self.accesses.set(self.accesses.get().saturating_add(1));
    }
}

impl SharedStore for OwnStore {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailure> {
        self.count();
        Ok(self.entries.borrow().get(key).cloned())
    }

    fn swap(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<Swap, StoreFailure> {
        self.count();
        if let Some(left) = self.conflicts.get().checked_sub(1) {
            self.conflicts.set(left);
            return Ok(Swap::Conflict);
        }
        let mut entries = self.entries.borrow_mut();
        let stored = entries.get(key).map(|(_, number)| *number);
        if stored != cas && cas != Some(0) {
            return Ok(Swap::Conflict);
        }
        // Numbers begin at 1, as Envoy's do: 0 stands for any.
        let next = stored.and_then(|number| number.checked_add(1)).unwrap_or(1);
        entries.insert(key.to_owned(), (value.to_vec(), next));
        Ok(Swap::Done)
    }
}

/// Shared data that fails at each access.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStore;

impl SharedStore for NoStore {
    fn read(&self, _: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailure> {
        Err(StoreFailure)
    }

    fn swap(&self, _: &str, _: &[u8], _: Option<u32>) -> Result<Swap, StoreFailure> {
        Err(StoreFailure)
    }
}
