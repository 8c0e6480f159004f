//! Batches of changes on a store: admissions all or nothing, bookings each for itself.

use super::page::{Room, Write};
use super::table::{Home, fate};
use super::waiting::Ended;
use super::{Admission, Answer, Change, InHand, Op, SharedStore, StoreFailure, Swap};

/// Tries to swap an entry this often before it gives up: each failure means that another worker went ahead.
pub(super) const MAX_CONFLICTS: usize = 64;

/// Performs a batch in order, all or nothing: what was put aside is given back, last first, when a later one is
/// refused or the store fails. So a batch never admits too much; under contention it may admit too little.
pub fn perform(store: &impl SharedStore, ops: &[Op], now: i64) -> Result<Admission, StoreFailure> {
    perform_from(store, &mut InHand::new(0), ops, now)
}

/// The same for a worker that has something in hand.
#[inline(never)]
pub fn perform_from(
    store: &impl SharedStore,
    hand: &mut InHand,
    ops: &[Op],
    now: i64,
) -> Result<Admission, StoreFailure> {
    hand.make_sure(store, now);
    let admission = perform_all(store, hand, ops, now);
    hand.write_waiting(store, now);
    admission
}

fn perform_all(
    store: &impl SharedStore,
    hand: &mut InHand,
    ops: &[Op],
    now: i64,
) -> Result<Admission, StoreFailure> {
    let mut answers = Vec::with_capacity(ops.len());
    for (index, op) in ops.iter().enumerate() {
        match admit_one(store, hand, op, now) {
            Ok(Answer::Refused { resets_at, taken, amount }) => {
                roll_back(store, hand, ops, &answers, now);
                return Ok(Admission::Refused { index, resets_at, taken: Some(taken), amount });
            }
            Ok(answer) => answers.push(answer),
            Err(failure) => {
                roll_back(store, hand, ops, &answers, now);
                return Err(failure);
            }
        }
    }
    Ok(Admission::Granted(answers))
}

fn admit_one(store: &impl SharedStore, hand: &mut InHand, op: &Op, now: i64) -> Result<Answer, StoreFailure> {
    match hand.take(op, now) {
        Some(answer) => Ok(answer),
        None => change_one(store, hand, op, op.change, now),
    }
}

/// Gives back what `answers` put aside, last first. A store that fails here leaves a lease that expires.
fn roll_back(store: &impl SharedStore, hand: &mut InHand, ops: &[Op], answers: &[Answer], now: i64) {
    for (op, answer) in ops.iter().zip(answers).rev() {
        if let Answer::Reserved { lease, .. } = answer {
            let _expires_by_itself = change_one(store, hand, op, Change::release(*lease), now);
        }
    }
}

/// What a batch would come to now. Nothing is changed.
#[cold]
#[inline(never)]
pub fn look(store: &dyn SharedStore, ops: &[Op], now: i64) -> Result<Admission, StoreFailure> {
    let mut answers = Vec::with_capacity(ops.len());
    for (index, op) in ops.iter().enumerate() {
        // What was put aside by looking was put aside nowhere, and is not given back.
        let Change::Reserve { .. } = op.change else {
            answers.push(Answer::Settled);
            continue;
        };
        match op
            .entry(store)?
            .unwrap_or_default()
            .apply(op.window, op.change, now)
            .map_err(|_| StoreFailure)?
            .1
        {
            Answer::Refused { resets_at, taken, amount } => {
                return Ok(Admission::Refused { index, resets_at, taken: Some(taken), amount });
            }
            answer => answers.push(answer),
        }
    }
    Ok(Admission::Granted(answers))
}

/// Books a call: every counter for itself, so that one that cannot be written keeps no other from being settled. The answer is
/// what could not be written.
pub fn book(store: &impl SharedStore, ops: &[Op], now: i64) -> Vec<Op> {
    book_from(store, &mut InHand::new(0), ops, now)
}

/// The same for a worker that counts how often others went ahead of it, and may let ends of calls wait.
#[inline(never)]
pub fn book_from(store: &impl SharedStore, hand: &mut InHand, ops: &[Op], now: i64) -> Vec<Op> {
    hand.make_sure(store, now);
    let fails = |op: &&Op| !hand.lets_wait(op, now) && change_one(store, hand, op, op.change, now).is_err();
    let lost = ops.iter().filter(fails).cloned().collect();
    hand.write_waiting(store, now);
    lost
}

/// Changes a counter, and takes along what waits for it.
fn change_one(
    store: &impl SharedStore,
    hand: &mut InHand,
    op: &Op,
    change: Change,
    now: i64,
) -> Result<Answer, StoreFailure> {
    // What waits is never about the counter that values without room of their own share.
    let ended = if change.is_shared() { None } else { hand.take_waiting(op) };
    let changed = change_with(store, hand, op, (change, ended.as_ref()), now);
    let stands = matches!(changed, Ok((_, Stands::Yes)));
    if let Some(ended) = ended.filter(|_| !stands) {
        hand.put_back(op, ended);
    }
    changed.map(|(answer, _)| answer)
}

/// Whether a counter was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Yes,
    No,
}

#[inline(never)]
pub(super) fn change_with(
    store: &impl SharedStore,
    hand: &mut InHand,
    op: &Op,
    (change, ended): (Change, Option<&Ended>),
    now: i64,
) -> Result<(Answer, Stands), StoreFailure> {
    let mut home = if change.is_shared() { shared(op) } else { Home::of(op) };
    for _ in 0..MAX_CONFLICTS {
        let mut read = home.read(store)?;
        // Bytes that cannot be read were written by another version under the same key: start afresh.
        let mut entry = read.entry(&home).unwrap_or_default();
        if let Some(ended) = ended {
            entry = entry.absorb(ended).map_err(|_| StoreFailure)?;
        }
        let (mut next, mut answer) = entry.apply(op.window, change, now).map_err(|_| StoreFailure)?;
        let refused = matches!(answer, Answer::Refused { .. });
        if refused && next.has_room_but_for_leases(change) {
            hand.note_transient(op);
        }
        // Whoever was refused once must not make room for others and come back with nothing used.
        if refused && read.stays(&home) {
            return Ok((answer, Stands::No));
        }
        let ahead = match &mut answer {
            Answer::Reserved { lease, .. } => {
                lease.shared = matches!((&home, &op.table), (Home::Own(_), Some(_)));
                hand.put_aside(op, &answer, &mut next)
            }
            _ => None,
        };
        let settles = matches!(change, Change::Settle { .. });
        let stays =
            refused || (settles && read.is_marked()) || (op.stays_from > 0 && next.takes(op.stays_from));
        let write = Write { value: &next.to_bytes(), stays, now: u32::try_from(now).unwrap_or(u32::MAX) };
        match home.put(&mut read, write, &|value| fate(value, op.window, now)) {
            Room::Made => {}
            Room::Forgot(counters) => hand.note_crowd(op, counters),
            Room::None => {
                hand.note_crowd(op, 1);
                home = shared(op);
                continue;
            }
        }
        if home.swap(store, &read)? == Swap::Done {
            hand.keep(op, ahead);
            return Ok((answer, Stands::Yes));
        }
        hand.note_conflict(op);
    }
    Err(StoreFailure)
}

/// The counter that values without room of their own share.
fn shared(op: &Op) -> Home<'_> {
    match &op.table {
        Some(table) => Home::Own(table.shared_key().into()),
        None => Home::of(op),
    }
}
