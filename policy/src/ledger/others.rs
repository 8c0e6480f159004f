//! What is taken outside of this process, as far as it is known here: decisions that a fleet's store is not asked for
//! look at that and at this process's own counter.

use super::{Admission, Answer, Change, Op, SharedStore, StoreFailure, Swap, claim_place, perform};

/// Notes what others have taken of a counter, as a store said at `now`. What does not fit into the bounded number of keys is not noted.
#[inline(never)]
pub fn note_others(store: &impl SharedStore, op: &Op, taken: i128, now: i64) {
    /// Overwrites whatever is there.
    const ANYWAY: Option<u32> = Some(0);
    let key = key(op);
    if claim_place(store, &key, &op.budget) {
        let value = [&op.window.span(now).0.to_le_bytes()[..], &taken.to_le_bytes()].concat();
        let _the_next_answer_says_it_again: Result<Swap, StoreFailure> = store.swap(&key, &value, ANYWAY);
    }
}

/// What others have taken in this window, when it was heard of last.
#[inline(never)]
pub fn taken_by_others(store: &impl SharedStore, op: &Op, now: i64) -> Result<i128, StoreFailure> {
    let found = store.read(&key(op))?;
    let value = found.as_ref().and_then(|(bytes, _)| {
        let (start, rest) = bytes.split_first_chunk::<8>()?;
        let taken = i128::from_le_bytes(*rest.first_chunk::<16>()?);
        (i64::from_le_bytes(*start) >= op.window.span(now).0).then_some(taken)
    });
    // INVARIANT: nothing heard of in this window is nothing taken in it, as far as is known here.
    Ok(value.unwrap_or_default())
}

/// [`perform`] on this process's own counters, with what others have taken out of the limits.
#[inline(never)]
pub fn perform_beside_others(
    store: &impl SharedStore,
    ops: &[Op],
    now: i64,
) -> Result<Admission, StoreFailure> {
    let others: Vec<i128> = ops.iter().map(|op| taken_by_others(store, op, now)).collect::<Result<_, _>>()?;
    let lowered: Vec<Op> = ops.iter().zip(&others).map(|(op, others)| lower(op, *others)).collect();
    let with = |index: usize, own: i128| own.saturating_add(others.get(index).copied().unwrap_or_default());
    Ok(match perform(store, &lowered, now)? {
        Admission::Granted(answers) => {
            let add = |(index, answer)| match answer {
                Answer::Reserved { lease, taken } => {
                    Answer::Reserved { lease, taken: taken.map(|own| with(index, own)) }
                }
                other => other,
            };
            Admission::Granted(answers.into_iter().enumerate().map(add).collect())
        }
        Admission::Refused { index, resets_at, taken, amount } => {
            Admission::Refused { index, resets_at, taken: taken.map(|own| with(index, own)), amount }
        }
    })
}

fn lower(op: &Op, others: i128) -> Op {
    let change = match op.change {
        Change::Reserve { amount, limit } => Change::Reserve { amount, limit: limit.saturating_sub(others) },
        change => change,
    };
    Op { change, ..op.clone() }
}

fn key(op: &Op) -> String {
    format!("{}:others", op.key)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
