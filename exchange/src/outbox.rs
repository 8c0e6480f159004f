//! What must still go out after a call has ended, and nobody can wait for.

use std::collections::VecDeque;

/// Something to send: a settlement, later alerts and refresh requests. Sending it twice must do no harm at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parcel<T> {
    load: T,
    attempts: u32,
    due_ms: u64,
}

/// A bounded queue, flushed by tick, retried with growing pauses.
#[derive(Debug)]
pub struct Outbox<T> {
    waiting: VecDeque<Parcel<T>>,
    sent: Vec<Sent<T>>,
    capacity: usize,
    dropped: u64,
}

/// A parcel that is under way.
#[derive(Debug)]
struct Sent<T> {
    /// Who sent it: answers to a sender that is gone never come.
    sender: u32,
    /// The number that its answer will carry.
    token: u32,
    parcel: Parcel<T>,
}

const FIRST_PAUSE_MS: u64 = 100;

/// What waits must be sent well within 5 s of the store's return.
const LONGEST_PAUSE_MS: u64 = 2_000;

/// How many parcels are under way at a time: a store that comes back must not get all at once.
const WINDOW: usize = 32;

impl<T> Outbox<T> {
    /// A queue for at most this many parcels, those under way included.
    pub fn new(capacity: usize) -> Self {
        Self { waiting: VecDeque::new(), sent: Vec::new(), capacity, dropped: 0 }
    }

    /// Adds a parcel, due at once. One too many is dropped and counted.
    pub fn push(&mut self, load: T) {
        if self.len() >= self.capacity {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.waiting.push_back(Parcel { load, attempts: 0, due_ms: 0 });
    }

    /// Sends what is due, as far as the window goes. `send` gives the number under which the answer will come, or nothing if it could
    /// not be sent.
    pub fn flush(&mut self, sender: u32, now_ms: u64, mut send: impl FnMut(&T) -> Option<u32>) {
        for _ in 0..self.waiting.len() {
            if self.sent.len() >= WINDOW {
                return;
            }
            let Some(parcel) = self.waiting.pop_front() else { return };
            if parcel.due_ms > now_ms {
                self.waiting.push_back(parcel);
                continue;
            }
            match send(&parcel.load) {
                Some(token) => self.sent.push(Sent { sender, token, parcel }),
                None => self.retry(parcel, now_ms),
            }
        }
    }

    /// Takes an answer; `taken` says whether it ends the parcel. `None` if nothing was sent under this number.
    pub fn answered(&mut self, token: u32, now_ms: u64, taken: impl FnOnce(&T) -> bool) -> Option<bool> {
        let index = self.sent.iter().position(|sent| sent.token == token)?;
        let Sent { parcel, .. } = self.sent.swap_remove(index);
        let taken = taken(&parcel.load);
        if !taken {
            self.retry(parcel, now_ms);
        }
        Some(taken)
    }

    /// Takes back what `sender`, which goes away, had sent and has no answer to: the next flush sends it again.
    pub fn forget(&mut self, sender: u32) {
        let (gone, staying) = self.sent.drain(..).partition(|sent| sent.sender == sender);
        self.sent = staying;
        let gone: Vec<Sent<T>> = gone;
        self.waiting.extend(gone.into_iter().map(|sent| Parcel { due_ms: 0, ..sent.parcel }));
    }

    fn retry(&mut self, mut parcel: Parcel<T>, now_ms: u64) {
        let doubled = 1_u64.checked_shl(parcel.attempts.min(16)).and_then(|n| FIRST_PAUSE_MS.checked_mul(n));
        parcel.attempts = parcel.attempts.saturating_add(1);
        parcel.due_ms = now_ms.saturating_add(doubled.unwrap_or(LONGEST_PAUSE_MS).min(LONGEST_PAUSE_MS));
        self.waiting.push_back(parcel);
    }

    /// How many parcels are in the queue or under way.
    pub fn len(&self) -> usize {
        self.waiting.len().saturating_add(self.sent.len())
    }

    /// Whether nothing is left to send or to hear of.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many did not fit since the last time this was asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_is_sent_again_with_growing_pauses() {
        let mut outbox = Outbox::new(8);
        outbox.push("a");
        let mut sent_at = Vec::new();
        for now in (0..8000).step_by(50) {
            let mut token = None;
            outbox.flush(1, now, |_| {
                token = Some(7);
                sent_at.push(now);
                token
            });
            if let Some(token) = token {
                assert_eq!(outbox.answered(token, now, |_| false), Some(false));
            }
        }
        assert_eq!(sent_at, [0, 100, 300, 700, 1500, 3100, 5100, 7100]);
        assert_eq!(outbox.len(), 1);
    }

    #[test]
    fn a_taken_parcel_is_gone_and_a_second_answer_is_nobodys() {
        let mut outbox = Outbox::new(8);
        outbox.push("a");
        outbox.flush(1, 0, |_| Some(3));
        assert_eq!(outbox.answered(4, 0, |_| true), None);
        assert_eq!(outbox.answered(3, 0, |load| *load == "a"), Some(true));
        assert!(outbox.answered(3, 0, |_| true).is_none() && outbox.is_empty());
    }

    #[test]
    fn the_queue_is_bounded_and_counts_what_it_drops() {
        let mut outbox = Outbox::new(2);
        for load in ["a", "b", "c"] {
            outbox.push(load);
        }
        assert_eq!((outbox.len(), outbox.take_dropped(), outbox.take_dropped()), (2, 1, 0));
    }

    #[test]
    fn no_more_than_a_window_is_under_way_and_each_answer_makes_room() {
        let mut outbox = Outbox::new(1000);
        (0..100_u32).for_each(|load| outbox.push(load));
        let mut order = Vec::new();
        let mut send = |load: &u32| {
            order.push(*load);
            Some(*load)
        };
        outbox.flush(1, 0, &mut send);
        for token in 0..100 {
            assert!(outbox.sent.len() <= WINDOW);
            assert_eq!(outbox.answered(token, 0, |_| true), Some(true));
            outbox.flush(1, 0, &mut send);
        }
        assert!(outbox.is_empty() && order.into_iter().eq(0..100));
    }

    #[test]
    fn what_a_sender_took_with_it_is_sent_again_by_another() {
        let mut outbox = Outbox::new(8);
        outbox.push("a");
        outbox.flush(1, 0, |_| Some(3));
        outbox.push("b");
        outbox.flush(2, 0, |_| Some(4));
        outbox.forget(1);
        let mut sent = Vec::new();
        outbox.flush(2, 0, |load| {
            sent.push(*load);
            Some(5)
        });
        assert_eq!((sent, outbox.len()), (vec!["a"], 2));
    }
}
