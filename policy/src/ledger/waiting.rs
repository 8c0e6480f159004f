//! What calls have used that have ended, where it waits to be written into their counters.
//!
//! Reading and writing a counter is most of what the end of a call costs. So a worker whose calls come one after the other on a counter
//! that is far from its limit lets their ends wait: the next admission that writes the counter anyway takes them along, or the next
//! tick does. Until then what the calls had reserved stands, and what one has used beyond that comes out of what the worker has
//! in hand: so a limit is never passed, and what waits is never more than a tick late.
//!
//! A VM that traps takes its memory along. So what waits also stands in one entry of shared data, a worker's *note*, which this
//! worker alone writes, without a look at what stands there; when a worker was not heard of for some seconds, another books what
//! its note says.

use super::entry::Entry;
use super::{LedgerError, MAX_CONFLICTS, NOTHING, Op, SharedStore, StoreFailure, Swap, Table};
use crate::window::Window;
use std::sync::Arc;

/// Counters of which something waits at a time: so a tick takes a bounded time, and a note has a bounded length.
const MOST_ROWS: usize = 32;

/// What waits does so for this long, if no tick comes.
const LONGEST_S: i64 = 1;

/// Answers whose lengths wait with a counter.
const MOST_OUTPUTS: usize = 64;

/// Notes of a process: one for each worker that lives.
const MOST_NOTES: u32 = 1024;

/// A worker that has written its note this long ago looks whether it is its own still before it writes again.
const SURE_S: i64 = 2;

/// After there was no place for a note, nothing waits for so long.
const CLOSED_S: i64 = 60;

/// A note that was written so long ago is that of a worker that is gone, or that has nothing to say. Between this and [`SURE_S`] lies
/// what a worker may at worst lose between its look at the clock and its write.
const GONE_S: i64 = 5;

/// What calls that have ended come to in one counter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ended {
    /// The start of the slot in which they ended.
    pub slot: i64,
    /// What they have used.
    pub actual: i128,
    /// What goes back, by the minute in which it would expire.
    pub released: [(u32, i128); 2],
    /// How long their answers were.
    pub outputs: Vec<u64>,
}

impl Ended {
    /// Gives back so much more; `false` if there is no room for another minute.
    pub(super) fn release(&mut self, minute: u32, amount: i128) -> bool {
        let own = |(other, held): &&mut (u32, i128)| *other == minute || *held == 0;
        let Some(place) = self.released.iter_mut().find(own) else { return amount == 0 };
        let Some(sum) = place.1.checked_add(amount) else { return false };
        *place = (minute, sum);
        true
    }

    #[inline(never)]
    fn to_bytes(&self) -> [u8; SUM_BYTES] {
        let mut bytes = [0; SUM_BYTES];
        let [(m0, a0), (m1, a1)] = self.released;
        let parts: [&[u8]; 6] = [
            &self.slot.to_le_bytes(),
            &self.actual.to_le_bytes(),
            &m0.to_le_bytes(),
            &a0.to_le_bytes(),
            &m1.to_le_bytes(),
            &a1.to_le_bytes(),
        ];
        for (place, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *place = *byte;
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; SUM_BYTES]) -> Option<Self> {
        let (slot, rest) = bytes.split_first_chunk::<8>()?;
        let (actual, rest) = rest.split_first_chunk::<16>()?;
        let lease = |rest: &[u8]| {
            let (minute, amount) = rest.split_first_chunk::<4>()?;
            Some((u32::from_le_bytes(*minute), i128::from_le_bytes(*amount.first_chunk::<16>()?)))
        };
        Some(Self {
            slot: i64::from_le_bytes(*slot),
            actual: i128::from_le_bytes(*actual),
            released: [lease(rest)?, lease(rest.get(20..)?)?],
            outputs: Vec::new(),
        })
    }
}

/// Of a note: the length of a key, the key, and what waits, in so many bytes.
const SUM_BYTES: usize = 64;

/// A note begins with its version and the second in which it was written.
const HEAD_BYTES: usize = 9;
const VERSION: u8 = 1;

/// Counters of which something waits, and the note of it.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    rows: Vec<Row>,
    /// The note as it is to be written: its head, then the rows.
    note: Vec<u8>,
    /// The note does not say what waits.
    changed: bool,
    place: Option<Place>,
    /// When notes of workers that are gone are looked for again.
    look_at: i64,
    /// Nothing waits before this second: there was no place for a note.
    closed_until: i64,
}

/// One counter of which something waits.
#[derive(Debug)]
struct Row {
    op: Op,
    /// Since when.
    since: i64,
    /// `None` once it was taken along.
    ended: Option<Ended>,
    /// Where it stands in the note.
    at: usize,
}

/// Where this worker's note stands.
#[derive(Debug)]
struct Place {
    number: u32,
    key: String,
    /// When it was written.
    written: i64,
}

impl Place {
    fn is_sure(&self, now: i64) -> bool {
        (0..SURE_S).contains(&now.saturating_sub(self.written))
    }
}

impl Waiting {
    /// Whether something waits.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What waits of a counter, for more to be added; `place` is where it was last. `None` where it may wait no longer, or there is no room.
    ///
    /// What is added shows once [`Waiting::note`] is called.
    pub(super) fn of(&mut self, op: &Op, place: &mut usize, now: i64) -> Option<&mut Ended> {
        let slot = op.window.slot(now);
        if self.rows.get(*place).is_none_or(|row| row.op.key != op.key) {
            if self.rows.len() >= MOST_ROWS || self.closed_until > now {
                return None;
            }
            *place = self.rows.len();
            self.add(op.clone(), None, now);
        }
        let row = self.rows.get_mut(*place)?;
        if row.ended.is_none() {
            row.since = now;
        }
        let ended = row.ended.get_or_insert_with(|| Ended { slot, ..Ended::default() });
        let young = (0..=LONGEST_S).contains(&now.saturating_sub(row.since));
        (young && ended.slot == slot && ended.outputs.len() < MOST_OUTPUTS).then_some(ended)
    }

    fn add(&mut self, op: Op, ended: Option<Ended>, since: i64) {
        if self.note.is_empty() {
            self.note.resize(HEAD_BYTES, 0);
        }
        let length = u16::try_from(op.key.len()).unwrap_or(u16::MAX);
        let key = op.key.as_bytes();
        self.note.extend(length.to_le_bytes());
        self.note.extend(key.iter().take(usize::from(length)));
        let at = self.note.len();
        self.note.extend(ended.as_ref().map_or([0; SUM_BYTES], Ended::to_bytes));
        self.rows.push(Row { op, since, ended, at });
    }

    /// Has the note say what waits of the counter at this place.
    pub(super) fn note(&mut self, place: usize) {
        let Some(row) = self.rows.get(place) else { return };
        let bytes = row.ended.as_ref().map_or([0; SUM_BYTES], Ended::to_bytes);
        let end = row.at.saturating_add(SUM_BYTES);
        if let Some(written) = self.note.get_mut(row.at..end) {
            written.copy_from_slice(&bytes);
        }
        self.changed = true;
    }

    /// Takes what waits of a counter along.
    #[inline(never)]
    pub(super) fn take(&mut self, op: &Op, place: usize) -> Option<Ended> {
        let row = self.rows.get_mut(place).filter(|row| row.op.key == op.key)?;
        let ended = row.ended.take()?;
        self.note(place);
        Some(ended)
    }

    /// Lets it wait again: it could not be written.
    #[cold]
    #[inline(never)]
    pub(super) fn put_back(&mut self, op: &Op, place: usize, ended: Ended) {
        if let Some(row) = self.rows.get_mut(place).filter(|row| row.op.key == op.key) {
            row.ended = Some(ended);
            self.note(place);
        }
    }

    /// Takes all that waits.
    pub(super) fn take_all(&mut self) -> Vec<(Op, Ended)> {
        self.note.truncate(HEAD_BYTES);
        self.changed |= self.rows.iter().any(|row| row.ended.is_some());
        std::mem::take(&mut self.rows).into_iter().filter_map(|row| Some((row.op, row.ended?))).collect()
    }

    /// Lets it wait again after [`Waiting::take_all`].
    pub(super) fn wait_again(&mut self, op: Op, ended: Ended, now: i64) {
        self.add(op, Some(ended), now);
    }

    /// Forgets what waits if somebody else has booked it, because this worker was not heard of for so long. To be called before anything
    /// is done about what waits.
    #[inline]
    pub(super) fn make_sure(&mut self, store: &impl SharedStore, now: i64) {
        if !self.rows.is_empty() && self.place.as_ref().is_some_and(|place| !place.is_sure(now)) {
            self.renew(store, now);
        }
    }

    #[cold]
    #[inline(never)]
    fn renew(&mut self, store: &impl SharedStore, now: i64) {
        let Some(Place { number, written, key }) = self.place.take() else { return };
        match self.claim_one(store, number, Some(written), now) {
            Ok(Claim::Made(_)) => return,
            // A store that fails says nothing of what others did.
            Err(StoreFailure) => return self.place = Some(Place { number, written, key }),
            Ok(Claim::Taken) => {}
        }
        self.rows.clear();
        self.note.truncate(HEAD_BYTES);
        self.changed = false;
    }

    /// Writes the note, if it does not say what waits. The answer is the note of a worker that is gone, whose place it took.
    ///
    /// # Errors
    /// There is no place for it: what waits has to be booked at once.
    #[inline]
    pub(super) fn write(&mut self, store: &impl SharedStore, now: i64) -> Result<Option<Note>, StoreFailure> {
        if !std::mem::take(&mut self.changed) {
            return Ok(None);
        }
        match &mut self.place {
            Some(place) if place.is_sure(now) => {
                place.written = now;
                write_head(&mut self.note, now);
                // What stands there is this worker's own: nobody else writes a note that is as young.
                store.swap(&place.key, &self.note, Some(0)).map(|_| None)
            }
            _ => self.claim(store, now).inspect_err(|_| self.closed_until = now.saturating_add(CLOSED_S)),
        }
    }

    /// Finds a place for the note: the one it had, or the first that is free.
    #[cold]
    #[inline(never)]
    fn claim(&mut self, store: &impl SharedStore, now: i64) -> Result<Option<Note>, StoreFailure> {
        if let Some(Place { number, written, .. }) = self.place.take()
            && let Claim::Made(found) = self.claim_one(store, number, Some(written), now)?
        {
            return Ok(found);
        }
        for number in 0..MOST_NOTES {
            if let Claim::Made(found) = self.claim_one(store, number, None, now)? {
                return Ok(found);
            }
        }
        Err(StoreFailure)
    }

    /// Takes a place that is free, or that holds what this worker wrote there in the second `own`.
    #[cold]
    #[inline(never)]
    fn claim_one(
        &mut self,
        store: &impl SharedStore,
        number: u32,
        own: Option<i64>,
        now: i64,
    ) -> Result<Claim, StoreFailure> {
        let key = key(number);
        for _ in 0..MAX_CONFLICTS {
            let (found, cas) = read(store, &key)?;
            let mine = found.as_ref().is_some_and(|note| own == Some(note.written));
            let free = found.as_ref().is_none_or(|note| note.is_left(now));
            // Whoever looks at a place that it had before is not after what others have left there.
            if !mine && (!free || own.is_some()) {
                return Ok(Claim::Taken);
            }
            write_head(&mut self.note, now);
            if store.swap(&key, &self.note, cas)? == Swap::Done {
                self.place = Some(Place { number, key, written: now });
                return Ok(Claim::Made(found.filter(|_| !mine)));
            }
        }
        Ok(Claim::Taken)
    }

    /// Takes the notes of workers that are gone away; asked by tick.
    #[inline(never)]
    #[cold]
    pub(super) fn left_by_others(&mut self, store: &impl SharedStore, now: i64) -> Vec<Note> {
        if (1..=SURE_S).contains(&self.look_at.saturating_sub(now)) {
            return Vec::new();
        }
        self.look_at = now.saturating_add(SURE_S);
        let mut left = Vec::new();
        let mut empty = Vec::new();
        write_head(&mut empty, 0);
        for number in 0..MOST_NOTES {
            let key = key(number);
            let Ok((found, cas)) = read(store, &key) else { break };
            if cas.is_none() {
                break;
            }
            let own = self.place.as_ref().is_some_and(|place| place.number == number);
            let note = found.filter(|note| !own && note.is_left(now) && note.says_something());
            if note.is_some() && store.swap(&key, &empty, cas) == Ok(Swap::Done) {
                left.extend(note);
            }
        }
        left
    }
}

/// What came of an attempt to take a place.
enum Claim {
    /// It is taken; what a worker that is gone had left there.
    Made(Option<Note>),
    /// Somebody else has it.
    Taken,
}

/// A note that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note {
    written: i64,
    bytes: Vec<u8>,
}

impl Note {
    /// Whether its worker is gone, or has had nothing to say for long.
    fn is_left(&self, now: i64) -> bool {
        now.saturating_sub(self.written) >= GONE_S
    }

    fn says_something(&self) -> bool {
        self.bytes.len() > HEAD_BYTES
    }

    /// What waited, by counter, as far as it can be read.
    pub(super) fn rows(&self) -> Vec<(Op, Ended)> {
        let mut rest = self.bytes.get(HEAD_BYTES..).unwrap_or_default();
        let next = || {
            let (length, behind) = rest.split_first_chunk::<2>()?;
            let (key, behind) = behind.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            let (ended, behind) = behind.split_first_chunk::<SUM_BYTES>()?;
            rest = behind;
            Some((op_of(std::str::from_utf8(key).ok()?), Ended::from_bytes(ended)?))
        };
        let rows = std::iter::from_fn(next);
        rows.filter(|(_, ended)| ended.actual != 0 || ended.released.iter().any(|(_, a)| *a != 0)).collect()
    }
}

fn key(number: u32) -> String {
    format!("tg/1/waiting/{number}")
}

/// The note under a key, and the number to swap it with. One that cannot be read was written by another version: anybody's.
fn read(store: &impl SharedStore, key: &str) -> Result<(Option<Note>, Option<u32>), StoreFailure> {
    let Some((bytes, cas)) = store.read(key)? else { return Ok((None, None)) };
    let written = bytes.strip_prefix(&[VERSION]).and_then(|rest| rest.first_chunk::<8>());
    let written = written.map(|written| i64::from_le_bytes(*written));
    Ok((written.map(|written| Note { written, bytes }), Some(cas)))
}

fn write_head(note: &mut Vec<u8>, now: i64) {
    if note.len() < HEAD_BYTES {
        note.resize(HEAD_BYTES, 0);
    }
    for (place, byte) in note.iter_mut().zip([VERSION].into_iter().chain(now.to_le_bytes())) {
        *place = byte;
    }
}

/// What is known of a counter by its key alone. A window without an end forgets nothing of it: who comes by later knows better.
fn op_of(key: &str) -> Op {
    // `tg/1/{namespace}/quota/{name}/v`, and values behind it where the quota has a counter for each.
    let values = key
        .match_indices('/')
        .nth(4)
        .filter(|(at, _)| key.get(*at..).is_some_and(|rest| rest.starts_with("/v/")));
    let base = values.and_then(|(at, _)| key.get(..at));
    Op {
        key: key.into(),
        table: base.map(|base| Arc::new(Table::new(base.to_owned()))),
        window: Window::Seconds(i64::MAX),
        change: NOTHING,
        keeps_below: 0,
        stays_from: 0,
    }
}

impl Entry {
    /// Takes in what calls that have ended come to.
    #[inline(never)]
    pub(super) fn absorb(mut self, ended: &Ended) -> Result<Self, LedgerError> {
        self.use_in(ended.actual, ended.slot)?;
        for (minute, amount) in ended.released {
            self.release(super::Lease { expires_minute: minute, amount, shared: false })?;
        }
        ended.outputs.iter().for_each(|tokens| self.note_output(*tokens));
        Ok(self)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
