//! One counter, as pure data: an entry, a change and the time give the next entry and an answer.

use super::sketch::Sketch;
use super::{Amount, Answer, Change, Lease, LedgerError};
use crate::window::Window;

/// One counter: what was used in its window, what open calls have reserved, and how long its answers usually are.
///
/// Reservations are kept by the minute in which they expire, so an entry has a bounded size however many calls
/// are open, and whoever comes by later sweeps what nobody settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// What was used, by the second at which its window, or its slot of a sliding one, began; oldest first.
    slots: Vec<(i64, i128)>,
    leases: Vec<Lease>,
    outputs: Sketch,
}

/// How long a reservation that nobody settles stands in the way of others. A stream may be open for longer: then
/// its cost is booked when it ends, but is not reserved any more.
const LEASE_MINUTES: u32 = 15;

impl Entry {
    /// The next entry, and the answer to `change` at `now` (seconds of the epoch).
    pub fn apply(mut self, window: Window, change: Change, now: i64) -> Result<(Self, Answer), LedgerError> {
        self.roll(window, now);
        self.sweep(minute(now));
        let answer = match change {
            Change::Reserve { amount, limit } => self.reserve(amount, limit, window, now)?,
            Change::Settle { lease, actual, output } => {
                self.settle(lease, actual, output, window.slot(now))?
            }
            Change::Grant { amount } => self.grant(amount, window.slot(now))?,
            Change::Reset => self.reset(),
        };
        Ok((self, answer))
    }

    /// What was used in the window that holds `now`.
    pub fn used(&self, window: Window, now: i64) -> i128 {
        let mut current = self.clone();
        current.roll(window, now);
        current.slots.iter().fold(0, |sum, (_, amount)| sum.saturating_add(*amount))
    }

    /// What open calls have reserved at `now`.
    pub fn open(&self, now: i64) -> i128 {
        let open = self.leases.iter().filter(|lease| lease.expires_minute > minute(now));
        open.fold(0, |sum, lease| sum.saturating_add(lease.amount))
    }

    /// What 95 of 100 answers of this counter do not pass, once there were enough of them.
    pub fn usual_output(&self) -> Option<u64> {
        self.outputs.p95()
    }

    /// Forgets what is over. A clock that ran back does not reopen an old window.
    fn roll(&mut self, window: Window, now: i64) {
        let oldest = window.oldest_slot(now);
        self.slots.retain(|(start, _)| *start >= oldest);
    }

    fn sweep(&mut self, now_minute: u32) {
        self.leases.retain(|lease| lease.expires_minute > now_minute);
    }

    fn taken(&self) -> Result<i128, LedgerError> {
        let used = self.slots.iter().map(|(_, amount)| *amount);
        let open = self.leases.iter().map(|lease| lease.amount);
        used.chain(open).try_fold(0_i128, i128::checked_add).ok_or(LedgerError::Overflow)
    }

    /// Whether so much is used and reserved.
    pub(super) fn takes(&self, amount: i128) -> bool {
        self.taken().is_ok_and(|taken| taken >= amount)
    }

    /// Whether a reservation that was refused would fit if running calls used nothing of what they have put aside.
    #[cold]
    pub(super) fn has_room_but_for_leases(&self, change: Change) -> bool {
        let Change::Reserve { amount, limit } = change else { return false };
        let used = self.slots.iter().try_fold(0_i128, |sum, (_, used)| sum.checked_add(*used));
        let with_this =
            used.zip(amount.of(self.outputs.p95())).and_then(|(used, more)| used.checked_add(more));
        !self.leases.is_empty() && used < Some(limit) && with_this.is_some_and(|sum| sum <= limit)
    }

    fn reserve(
        &mut self,
        amount: Amount,
        limit: i128,
        window: Window,
        now: i64,
    ) -> Result<Answer, LedgerError> {
        let taken = self.taken()?;
        let amount = amount.of(self.outputs.p95()).ok_or(LedgerError::Overflow)?;
        let with_this = taken.checked_add(amount).ok_or(LedgerError::Overflow)?;
        // INVARIANT: a call that may use nothing is refused too once the limit is reached.
        if with_this > limit || taken >= limit {
            let oldest = self.slots.first().map(|(start, _)| *start);
            return Ok(Answer::Refused { resets_at: window.resets_at(oldest, now), taken, amount });
        }
        let expires_minute = Self::expires_minute(now);
        self.add_lease(expires_minute, amount)?;
        Ok(Answer::Reserved { lease: Lease { expires_minute, amount, shared: false }, taken: Some(taken) })
    }

    /// When a reservation that is made at `now` expires.
    pub(super) fn expires_minute(now: i64) -> u32 {
        minute(now).saturating_add(LEASE_MINUTES)
    }

    /// Puts `more` aside, and gives `back`. `false`, and nothing changes, if a sum does not fit.
    pub(super) fn exchange(&mut self, back: Lease, more: Lease) -> bool {
        let mut next = self.clone();
        let done = next.add_lease(more.expires_minute, more.amount).and_then(|()| next.release(back));
        if done.is_ok() {
            *self = next;
        }
        done.is_ok()
    }

    fn add_lease(&mut self, expires_minute: u32, amount: i128) -> Result<(), LedgerError> {
        if let Some(lease) = self.leases.iter_mut().find(|l| l.expires_minute == expires_minute) {
            lease.amount = lease.amount.checked_add(amount).ok_or(LedgerError::Overflow)?;
        } else if amount != 0 {
            self.leases.push(Lease { expires_minute, amount, shared: false });
        }
        Ok(())
    }

    fn settle(
        &mut self,
        lease: Lease,
        actual: i128,
        output: Option<u64>,
        slot: i64,
    ) -> Result<Answer, LedgerError> {
        self.use_up(actual, slot)?;
        self.release(lease)?;
        if let Some(tokens) = output {
            self.outputs.note(tokens);
        }
        Ok(Answer::Settled)
    }

    pub(super) fn release(&mut self, lease: Lease) -> Result<(), LedgerError> {
        // A lease that was swept meanwhile stands in nobody's way any more.
        if let Some(open) = self.leases.iter_mut().find(|l| l.expires_minute == lease.expires_minute) {
            open.amount = open.amount.checked_sub(lease.amount).ok_or(LedgerError::Overflow)?;
        }
        self.leases.retain(|l| l.amount > 0);
        Ok(())
    }

    /// Adds to what was used in a slot, which may be over: then it is forgotten with it.
    pub(super) fn use_in(&mut self, amount: i128, slot: i64) -> Result<(), LedgerError> {
        let later = self.slots.iter().rev().take_while(|(start, _)| *start > slot).count();
        let place = self.slots.len().saturating_sub(later);
        let before = place.checked_sub(1).and_then(|before| self.slots.get_mut(before));
        match before.filter(|(start, _)| *start == slot) {
            Some((_, used)) => *used = used.checked_add(amount).ok_or(LedgerError::Overflow)?,
            None if amount != 0 => self.slots.insert(place, (slot, amount)),
            None => {}
        }
        Ok(())
    }

    /// Takes in how long an answer was.
    pub(super) fn note_output(&mut self, tokens: u64) {
        self.outputs.note(tokens);
    }

    /// Adds to what was used, in the newest slot that there is if the clock ran back.
    fn use_up(&mut self, amount: i128, slot: i64) -> Result<(), LedgerError> {
        match self.slots.last_mut().filter(|(start, _)| *start >= slot) {
            Some((_, used)) => *used = used.checked_add(amount).ok_or(LedgerError::Overflow)?,
            None if amount != 0 => self.slots.push((slot, amount)),
            None => {}
        }
        Ok(())
    }

    fn grant(&mut self, amount: i128, slot: i64) -> Result<Answer, LedgerError> {
        self.use_up(amount.checked_neg().ok_or(LedgerError::Overflow)?, slot)?;
        Ok(Answer::Settled)
    }

    /// What open calls have reserved stands: they are still running.
    fn reset(&mut self) -> Answer {
        self.slots.clear();
        Answer::Settled
    }

    const VERSION: u8 = 2;

    /// The entry as versioned bytes: version, number of slots, slots, length of the sketch, sketch, then the
    /// leases, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let sketch = self.outputs.bytes();
        let length = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        let mut bytes = Vec::with_capacity(128);
        bytes.extend([Self::VERSION, length(self.slots.len())]);
        for (start, used) in &self.slots {
            bytes.extend(start.to_le_bytes());
            bytes.extend(used.to_le_bytes());
        }
        bytes.push(length(sketch.len()));
        bytes.extend(sketch);
        for lease in &self.leases {
            bytes.extend(lease.expires_minute.to_le_bytes());
            bytes.extend(lease.amount.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`Entry::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LedgerError> {
        Self::read(bytes).ok_or(LedgerError::Unreadable)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.strip_prefix(&[Self::VERSION])?.split_first()?;
        let (slots, rest) = rest.split_at_checked(usize::from(*count).checked_mul(24)?)?;
        let (length, rest) = rest.split_first()?;
        let (sketch, rest) = rest.split_at_checked(usize::from(*length))?;
        let slot = |chunk: &[u8]| {
            let (start, used) = chunk.split_first_chunk::<8>()?;
            Some((i64::from_le_bytes(*start), i128::from_le_bytes(*used.first_chunk::<16>()?)))
        };
        let lease = |chunk: &[u8]| {
            let (minute, amount) = chunk.split_first_chunk::<4>()?;
            let amount = i128::from_le_bytes(*amount.first_chunk::<16>()?);
            Some(Lease { expires_minute: u32::from_le_bytes(*minute), amount, shared: false })
        };
        Some(Self {
            slots: slots.chunks(24).map(slot).collect::<Option<_>>()?,
            leases: rest.chunks(20).map(lease).collect::<Option<_>>()?,
            outputs: Sketch::from_bytes(sketch)?,
        })
    }
}

pub(super) fn minute(now: i64) -> u32 {
    u32::try_from(now.div_euclid(60)).unwrap_or(0)
}
