//! What a worker has put aside for calls that are still to come, so that most admissions ask nobody.
//!
//! Reading and writing shared data is most of what an admission costs. A worker that admits one call after the other on a counter
//! that is far from its limit puts a little more aside than the call at hand needs, in the same write, and admits the next
//! calls from that. What it has in hand is reserved like any open call's: so a limit is never passed, it goes back when no call
//! comes for a while, and what a worker that is gone had in hand expires.

use super::entry::{Entry, minute};
use super::waiting::{Ended, Waiting};
use super::{Answer, Change, Lease, NOTHING, Op, SharedStore, book_from, change_with};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// A worker puts aside what so many calls like the one at hand need,
const CALLS: i128 = 16;

/// and at most this share of what is left: a limit that comes near is counted call by call.
const SHARE: i128 = 64;

/// What is in hand is used for so many minutes of its lease at most, so that a call's own reservation stands long enough.
const FRESH_MINUTES: u32 = 1;

/// What a worker has put aside for calls that are still to come.
#[derive(Debug, Default)]
pub struct InHand {
    /// The counters that the worker's calls came by lately.
    counters: HashMap<Arc<str>, Kept, BuildHasherDefault<Words>>,
    /// Of how many counters something is kept in hand.
    most: usize,
    /// Ends of calls that are not in their counters yet.
    waiting: Waiting,
    /// The keys at which another worker went ahead.
    conflicts: Vec<Arc<str>>,
    /// The keys that found no room at once, and how many others went for them or had to share.
    crowds: Vec<(Arc<str>, u32)>,
    /// The keys that refused a call for what running calls have put aside, not for what was used.
    transient: Vec<Arc<str>>,
}

/// What is in hand of one counter.
#[derive(Clone, Debug)]
struct Kept {
    /// How to give it back, and under which window and limit it was put aside.
    op: Op,
    lease: Lease,
    /// What was usual for the counter, used and reserved in it, when it was looked at last.
    usual: Option<u64>,
    taken: i128,
    /// A call came by since the last look.
    in_use: bool,
    /// The limit was far away, and calls came one after the other, when it was looked at last.
    busy: bool,
    /// The place at which ends of calls wait.
    place: usize,
}

/// What a write has put aside for later, to be kept once the write stands.
#[derive(Debug)]
pub(super) struct Ahead {
    lease: Lease,
    usual: Option<u64>,
    taken: i128,
}

/// Which counters give back what is in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveBack {
    /// Those that no call came by since this was asked last.
    Idle,
    /// All: the worker goes away.
    All,
}

/// Past this number none of them is counted until they were taken.
const MOST_CONFLICTS: usize = 1024;

impl InHand {
    /// Keeps something in hand of at most so many counters at a time.
    pub fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Admits a call from what is in hand. `None` if the counter has to be asked.
    pub(super) fn take(&mut self, op: &Op, now: i64) -> Option<Answer> {
        let kept = self.kept(op)?;
        kept.in_use = true;
        let Change::Reserve { amount, .. } = op.change else { return None };
        if !kept.is_for(op, now) {
            return None;
        }
        // Whether a call that may use nothing passes depends on what is left right now.
        let amount = amount.of(kept.usual).filter(|amount| *amount > 0)?;
        let rest = kept.lease.amount.checked_sub(amount).filter(|rest| *rest >= 0)?;
        let taken = kept.taken;
        kept.lease.amount = rest;
        kept.taken = taken.saturating_add(amount);
        let lease = Lease { amount, ..kept.lease };
        Some(Answer::Reserved { lease, taken: Some(taken) })
    }

    /// Puts more aside in `next`, in which `answer` was given to a call, and gives back there what is left in hand.
    pub(super) fn put_aside(&self, op: &Op, answer: &Answer, next: &mut Entry) -> Option<Ahead> {
        let Answer::Reserved { lease, taken: Some(taken) } = answer else { return None };
        if op.keeps_below <= 0 || self.most == 0 {
            return None;
        }
        let taken = taken.saturating_add(lease.amount);
        let ahead =
            |amount: i128| Ahead { lease: Lease { amount, ..*lease }, usual: next.usual_output(), taken };
        // A counter that no call came by lately is not worth it.
        let Some(kept) = self.counters.get(&op.key) else { return Some(ahead(0)) };
        // What is in hand may stand in another counter than the one that answers now.
        if kept.lease.amount > 0 && kept.lease.shared != lease.shared {
            return None;
        }
        let left = op.keeps_below.saturating_sub(taken).saturating_add(kept.lease.amount);
        let share = left.checked_div(SHARE).unwrap_or_default();
        let amount = lease.amount.saturating_mul(CALLS).min(share);
        let ahead = ahead(if amount < lease.amount { 0 } else { amount });
        next.exchange(kept.lease, ahead.lease).then_some(ahead)
    }

    /// Keeps what a write that stands has put aside.
    pub(super) fn keep(&mut self, op: &Op, ahead: Option<Ahead>) {
        let Some(Ahead { lease, usual, taken }) = ahead else { return };
        if self.counters.len() < self.most || self.counters.contains_key(&op.key) {
            let busy = lease.amount > 0;
            let kept = Kept { op: op.clone(), lease, usual, taken, in_use: true, busy, place: 0 };
            match self.kept(op) {
                Some(known) => *known = Kept { place: known.place, ..kept },
                None => _ = self.counters.insert(Arc::clone(&op.key), kept),
            }
        }
    }

    /// Whether the end of a call may wait to be written; it does then.
    pub(super) fn lets_wait(&mut self, op: &Op, now: i64) -> bool {
        let Change::Settle { lease, actual, output } = op.change else { return false };
        if op.keeps_below <= 0 || lease.shared {
            return false;
        }
        // Not by `Self::kept`: what waits is borrowed beside it.
        let Some(kept) = self.counters.get_mut(&op.key).filter(|kept| kept.is_busy_with(op)) else {
            return false;
        };
        // INVARIANT: what stands in the counter is never less than what is used and open: what a call has used beyond its
        // reservation comes out of what is in hand.
        let more = actual.saturating_sub(lease.amount).max(0);
        let Some(rest) = kept.lease.amount.checked_sub(more).filter(|rest| *rest >= 0) else { return false };
        let Some(ended) = self.waiting.of(op, &mut kept.place, now) else { return false };
        let mut next = Ended { outputs: Vec::new(), ..*ended };
        let released =
            next.release(lease.expires_minute, lease.amount) && next.release(kept.lease.expires_minute, more);
        let Some(sum) = next.actual.checked_add(actual).filter(|_| released) else { return false };
        (ended.actual, ended.released) = (sum, next.released);
        ended.outputs.extend(output);
        kept.lease.amount = rest;
        self.waiting.note(kept.place);
        true
    }

    /// What waits for this counter.
    pub(super) fn take_waiting(&mut self, op: &Op) -> Option<Ended> {
        if self.waiting.is_empty() {
            return None;
        }
        let place = self.kept(op)?.place;
        self.waiting.take(op, place)
    }

    /// Lets it wait again.
    pub(super) fn put_back(&mut self, op: &Op, ended: Ended) {
        if let Some(place) = self.kept(op).map(|kept| kept.place) {
            self.waiting.put_back(op, place, ended);
        }
    }

    #[inline(never)]
    fn kept(&mut self, op: &Op) -> Option<&mut Kept> {
        self.counters.get_mut(&op.key)
    }

    /// To be called before anything is done with what waits, see [`Waiting::make_sure`].
    pub(super) fn make_sure(&mut self, store: &impl SharedStore, now: i64) {
        self.waiting.make_sure(store, now);
    }

    /// Writes down what waits, where a worker finds it that outlives this one; what cannot be written down is booked at once.
    pub(super) fn write_waiting(&mut self, store: &impl SharedStore, now: i64) {
        match self.waiting.write(store, now) {
            Ok(None) => {}
            Ok(Some(note)) => self.book_rows(store, note.rows(), now),
            Err(_) => {
                let all = self.waiting.take_all();
                self.book_rows(store, all, now);
            }
        }
    }

    /// Writes what waits into its counters: asked by tick, and before somebody looks at them.
    #[inline(never)]
    pub fn settle_waiting(&mut self, store: &impl SharedStore, now: i64) {
        if self.waiting.is_empty() {
            return;
        }
        self.make_sure(store, now);
        let all = self.waiting.take_all();
        self.book_rows(store, all, now);
        self.write_waiting(store, now);
    }

    /// Books what waited in workers that are gone. Asked by tick; it looks every few seconds.
    #[inline(never)]
    pub fn settle_for_others(&mut self, store: &impl SharedStore, now: i64) {
        for note in self.waiting.left_by_others(store, now) {
            self.book_rows(store, note.rows(), now);
        }
    }

    /// What cannot be written waits on.
    fn book_rows(&mut self, store: &impl SharedStore, rows: Vec<(Op, Ended)>, now: i64) {
        for (op, ended) in rows {
            if change_with(store, self, &op, (NOTHING, Some(&ended)), now).is_err() {
                self.waiting.wait_again(op, ended, now);
            }
        }
    }

    /// Gives back what no call has come for. Asked now and then, by tick.
    #[inline(never)]
    pub fn give_back(&mut self, store: &impl SharedStore, which: GiveBack, now: i64) {
        self.settle_waiting(store, now);
        let mut back = Vec::new();
        self.counters.retain(|_, kept| {
            let stays = std::mem::take(&mut kept.in_use) && which == GiveBack::Idle;
            if !stays && kept.lease.amount > 0 {
                back.push(Op { change: Change::release(kept.lease), ..kept.op.clone() });
            }
            stays
        });
        let _expires_by_itself = book_from(store, self, &back, now);
    }

    /// What is in hand of all counters.
    #[cfg(test)]
    pub(super) fn held(&self) -> i128 {
        self.counters.values().map(|kept| kept.lease.amount).sum()
    }

    /// Whether there is nothing to give back or to write.
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty() && self.waiting.is_empty()
    }

    pub(super) fn note_conflict(&mut self, op: &Op) {
        if self.conflicts.len() < MOST_CONFLICTS {
            self.conflicts.push(Arc::clone(&op.key));
        }
    }

    pub(super) fn note_crowd(&mut self, op: &Op, counters: u32) {
        if self.crowds.len() < MOST_CONFLICTS {
            self.crowds.push((Arc::clone(&op.key), counters));
        }
    }

    /// Notes that a counter has refused a call for what running calls have put aside, and may not use.
    pub fn note_transient(&mut self, op: &Op) {
        if self.transient.len() < MOST_CONFLICTS {
            self.transient.push(Arc::clone(&op.key));
        }
    }

    /// The keys of counters that refused a call for what running calls have put aside, and may not use; once for each refusal.
    pub fn take_transient(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.transient)
    }

    /// The keys of counters that found their page full, and how many counters were forgotten or shared for that.
    pub fn take_crowds(&mut self) -> Vec<(Arc<str>, u32)> {
        std::mem::take(&mut self.crowds)
    }

    /// The keys of counters at which another worker went ahead, so that they had to be read again; once for each time.
    pub fn take_conflicts(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.conflicts)
    }
}

impl Kept {
    /// Whether calls come one after the other, far from the limit, and nothing was configured anew since.
    fn is_busy_with(&self, op: &Op) -> bool {
        self.busy && !self.lease.shared && self.op.window == op.window
    }

    /// Whether a call may be admitted from this: nothing was configured anew since, and the lease is young.
    fn is_for(&self, op: &Op, now: i64) -> bool {
        let limit = |op: &Op| match op.change {
            Change::Reserve { limit, .. } => Some(limit),
            _ => None,
        };
        let fresh = Entry::expires_minute(now).saturating_sub(FRESH_MINUTES);
        let same = limit(&self.op) == limit(op) && self.op.window == op.window && op.keeps_below > 0;
        // A clock that ran back makes leases that are too young.
        same && self.lease.expires_minute >= fresh && self.lease.expires_minute > minute(now)
    }
}

/// Hashes keys eight bytes at a time. There are no random numbers here with which a hash could be made that nobody can foresee; whoever
/// makes keys collide, of which there are [`InHand::new`]'s at most, has them compared.
#[derive(Default)]
struct Words(u64);

impl Hasher for Words {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        self.mix(rest.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

impl Words {
    const fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
