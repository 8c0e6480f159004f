//! Work on many things, some at a time.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Error;

/// Does `work` for each of `things`, up to `at_once` of them at a time and the first ones first. The results are in no order.
///
/// # Errors
/// Where `work` panicked.
pub fn side_by_side<T: Sync, R: Send>(
    things: &[T],
    at_once: NonZero<usize>,
    work: impl Fn(&T) -> R + Sync,
) -> Result<Vec<R>, Error> {
    let next = AtomicUsize::new(0);
    let one_after_the_other = || {
        let more = std::iter::from_fn(|| things.get(next.fetch_add(1, Ordering::Relaxed)));
        more.map(&work).collect::<Vec<R>>()
    };
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once.get()).map(|_| scope.spawn(one_after_the_other)).collect();
        threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Result<Vec<_>, _>>()
    });
    let done = done.map_err(|_| Error::File("a thread ended early, see its message above".to_owned()))?;
    Ok(done.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_done_once_and_a_panic_is_an_error() {
        let at_once = NonZero::new(3).unwrap();
        let numbers: Vec<u32> = (0..100).collect();
        let mut done = side_by_side(&numbers, at_once, |number| *number).unwrap();
        done.sort_unstable();
        assert_eq!(done, numbers);
        let panics = side_by_side(&numbers, at_once, |number| assert_ne!(*number, 50));
        assert!(panics.unwrap_err().to_string().contains("ended early"));
    }
}
