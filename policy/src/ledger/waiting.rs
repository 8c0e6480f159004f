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

mod note;

pub(super) use note::{Ended, Note};

use super::{MAX_CONFLICTS, Op, SharedStore, StoreFailure, Swap};
use note::{HEAD_BYTES, SUM_BYTES, key, read, write_head};

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
        self.note.extend([0; SUM_BYTES]);
        self.rows.push(Row { op, since, ended, at });
        self.write_row(self.rows.len().saturating_sub(1));
    }

    /// Has the note say what waits of the counter at this place.
    pub(super) fn note(&mut self, place: usize) {
        self.write_row(place);
        self.changed = true;
    }

    fn write_row(&mut self, place: usize) {
        let Some(row) = self.rows.get(place) else { return };
        let end = row.at.saturating_add(SUM_BYTES);
        let Some(written) = self.note.get_mut(row.at..end) else { return };
        match &row.ended {
            Some(ended) => ended.write_to(written),
            None => written.fill(0),
        }
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

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
