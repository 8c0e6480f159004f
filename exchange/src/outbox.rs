//! What must still go out after a call has ended, and nobody can wait for.

use std::collections::VecDeque;

/// Something to send: a settlement, later alerts and refresh requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel<T> {
    /// Sending it twice does no harm at the other end, since it knows this id.
    pub id: String,
    /// What to send.
    pub load: T,
    attempts: u32,
    due_ms: u64,
}

/// A bounded queue, flushed by tick, retried with growing pauses.
#[derive(Debug)]
pub struct Outbox<T> {
    waiting: VecDeque<Parcel<T>>,
    /// Sent, by the number that its answer will carry.
    sent: Vec<(u32, Parcel<T>)>,
    capacity: usize,
    dropped: u64,
}

const FIRST_PAUSE_MS: u64 = 100;
const LONGEST_PAUSE_MS: u64 = 5_000;

impl<T> Outbox<T> {
    /// A queue for at most this many parcels, those under way included.
    pub fn new(capacity: usize) -> Self {
        Self { waiting: VecDeque::new(), sent: Vec::new(), capacity, dropped: 0 }
    }

    /// Adds a parcel, due at once. One with an id that is in the queue already, and one too many, is not added; only the
    /// latter counts as dropped.
    pub fn push(&mut self, id: String, load: T) {
        let known = self.waiting.iter().chain(self.sent.iter().map(|(_, p)| p)).any(|p| p.id == id);
        if known {
            return;
        }
        if self.len() >= self.capacity {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.waiting.push_back(Parcel { id, load, attempts: 0, due_ms: 0 });
    }

    /// Sends what is due. `send` gives the number under which the answer will come, or nothing if it could not be sent.
    pub fn flush(&mut self, now_ms: u64, mut send: impl FnMut(&Parcel<T>) -> Option<u32>) {
        for _ in 0..self.waiting.len() {
            let Some(parcel) = self.waiting.pop_front() else { return };
            if parcel.due_ms > now_ms {
                self.waiting.push_back(parcel);
                continue;
            }
            match send(&parcel) {
                Some(token) => self.sent.push((token, parcel)),
                None => self.retry(parcel, now_ms),
            }
        }
    }

    /// Takes an answer. `false` if nothing was sent under this number.
    pub fn answered(&mut self, token: u32, taken: bool, now_ms: u64) -> bool {
        let Some(index) = self.sent.iter().position(|(t, _)| *t == token) else { return false };
        let (_, parcel) = self.sent.swap_remove(index);
        if !taken {
            self.retry(parcel, now_ms);
        }
        true
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
        outbox.push("a".to_owned(), 1);
        let mut sent_at = Vec::new();
        for now in (0..8000).step_by(50) {
            let mut token = None;
            outbox.flush(now, |_| {
                token = Some(7);
                sent_at.push(now);
                token
            });
            if let Some(token) = token {
                assert!(outbox.answered(token, false, now));
            }
        }
        assert_eq!(sent_at, [0, 100, 300, 700, 1500, 3100, 6300]);
        assert_eq!(outbox.len(), 1);
    }

    #[test]
    fn a_taken_parcel_is_gone_and_a_second_answer_is_nobodys() {
        let mut outbox = Outbox::new(8);
        outbox.push("a".to_owned(), ());
        outbox.flush(0, |_| Some(3));
        assert!(!outbox.answered(4, true, 0));
        assert!(outbox.answered(3, true, 0));
        assert!(!outbox.answered(3, true, 0) && outbox.is_empty());
    }

    #[test]
    fn the_queue_is_bounded_and_counts_what_it_drops() {
        let mut outbox = Outbox::new(2);
        for id in ["a", "b", "b", "c"] {
            outbox.push(id.to_owned(), ());
        }
        assert_eq!((outbox.len(), outbox.take_dropped(), outbox.take_dropped()), (2, 1, 0));
    }
}
