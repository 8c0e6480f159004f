//! What answers a question: something that takes calls one by one, and can be shared among threads.

use crate::row::Row;

/// Takes calls in any order; two that have seen different calls can be made one.
pub trait Fold: Send + Sized {
    /// Takes a call.
    fn add(&mut self, row: &Row<'_>);
    /// Takes all that another one took.
    fn merge(&mut self, other: Self);
}
