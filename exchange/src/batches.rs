//! Results of a batch, and responses that are made in the background, cost once, however often they are fetched.

use sha2::{Digest, Sha256};
use tollgate_policy::{SharedStore, Swap};
use tollgate_wire::{Reported, Source};

/// So many downloads are remembered, the latest ones, in one value of 32 KB that only downloads of results read.
const MOST: usize = 4096;

/// Attempts to write while other workers do.
const ATTEMPTS: usize = 32;

/// Whether results have not been counted yet in this process; from now on they have. `results` tells them from all others. If
/// the store does not answer they count: twice is better than never.
pub fn first_time(store: &dyn SharedStore, namespace: &str, results: &str) -> bool {
    let key = format!("tg/1/{}/batches", namespace.replace('/', "%2F"));
    let digest = Sha256::digest(results.as_bytes());
    let Some(mark) = digest.first_chunk::<8>() else { return true };
    for _ in 0..ATTEMPTS {
        let Ok(stored) = store.read(&key) else { return true };
        let (mut marks, cas) = stored.map_or((Vec::new(), None), |(bytes, cas)| (bytes, Some(cas)));
        if marks.chunks_exact(8).any(|known| known == mark) {
            return false;
        }
        marks.extend_from_slice(mark);
        let beyond = marks.len().saturating_sub(MOST.saturating_mul(8));
        marks.drain(..beyond);
        if store.swap(&key, &marks, cas) == Ok(Swap::Done) {
            return true;
        }
    }
    true
}

/// A report that counts for nothing: of a download that was cut, or made before.
pub(crate) fn without_usage(reported: Reported) -> Reported {
    Reported { usage: None, parts: Vec::new(), source: Source::None, ..reported }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_policy::{NoStore, OwnStore};

    #[test]
    fn results_count_once_and_what_is_remembered_is_bounded() {
        let store = OwnStore::default();
        store.conflict_next(3);
        assert!(first_time(&store, "a", "one"), "others write too");
        assert!(!first_time(&store, "a", "one"));
        assert!(first_time(&store, "b", "one"), "another namespace");
        for number in 0..MOST {
            assert!(first_time(&store, "a", &number.to_string()));
        }
        assert!(first_time(&store, "a", "one"), "forgotten by now");
        assert!(store.entries().values().all(|(value, _)| value.len() <= MOST * 8));
        assert!(first_time(&NoStore, "a", "one"), "counted rather than lost");
    }
}
