//! What is taken outside of this process, as far as it is known here: decisions that a fleet's store is not asked for
//! look at that and at this process's own counter.

use super::page::{Fate, Write};
use super::table::Home;
use super::{
    Admission, Answer, Change, InHand, MAX_CONFLICTS, Op, SharedStore, StoreFailure, Swap, perform_from,
};

/// Notes what others have taken of a counter, as a store said at `now`. What finds no room is not noted.
#[inline(never)]
pub fn note_others(store: &impl SharedStore, op: &Op, taken: i128, now: i64) {
    let start = op.window.span(now).0;
    let value = [&start.to_le_bytes()[..], &taken.to_le_bytes()].concat();
    let write = Write { value: &value, stays: false, now: u32::try_from(now).unwrap_or(u32::MAX) };
    let fate = |value: &[u8]| if read(value, start).is_some() { Fate::Rests } else { Fate::Over };
    let home = home(op);
    for _ in 0..MAX_CONFLICTS {
        let Ok(mut found) = home.read(store) else { return };
        let _the_next_answer_says_it_again = home.put(&mut found, write, &fate);
        if home.swap(store, &found) != Ok(Swap::Conflict) {
            return;
        }
    }
}

/// What others have taken in this window, when it was heard of last.
#[inline(never)]
pub fn taken_by_others(store: &impl SharedStore, op: &Op, now: i64) -> Result<i128, StoreFailure> {
    let home = home(op);
    let found = home.read(store)?;
    let value = read(found.value(&home), op.window.span(now).0);
    // INVARIANT: nothing heard of in this window is nothing taken in it, as far as is known here.
    Ok(value.unwrap_or_default())
}

/// What was noted in the window that begins at `start`, or in a later one.
fn read(value: &[u8], start: i64) -> Option<i128> {
    let (noted, rest) = value.split_first_chunk::<8>()?;
    let taken = i128::from_le_bytes(*rest.first_chunk::<16>()?);
    (i64::from_le_bytes(*noted) >= start).then_some(taken)
}

/// [`perform_from`] on this process's own counters, with what others have taken out of the limits.
#[inline(never)]
pub fn perform_beside_others(
    store: &impl SharedStore,
    hand: &mut InHand,
    ops: &[Op],
    now: i64,
) -> Result<Admission, StoreFailure> {
    let others: Vec<i128> = ops.iter().map(|op| taken_by_others(store, op, now)).collect::<Result<_, _>>()?;
    let lowered: Vec<Op> = ops.iter().zip(&others).map(|(op, others)| lower(op, *others)).collect();
    let with = |index: usize, own: i128| own.saturating_add(others.get(index).copied().unwrap_or_default());
    Ok(match perform_from(store, hand, &lowered, now)? {
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
    // What is left changes with every word from the store: nothing is put aside for later.
    Op { change, keeps_below: 0, ..op.clone() }
}

fn home(op: &Op) -> Home<'_> {
    match &op.table {
        Some(table) => Home::Paged(table, table.others(op)),
        None => Home::Own(format!("{}:others", op.key).into()),
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
