//! Two workers, all that they can do, in all orders, and one's step between any two accesses of the other's.

use super::note::{GONE_S, op_of};
use super::*;
use crate::ledger::entry::Entry;
use crate::ledger::{
    Admission, Amount, Answer, Change, GiveBack, InHand, Lease, NOTHING, Table, book_from, perform_from,
};
use crate::window::Window;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

const DAY: Window = Window::Seconds(86_400);
const NOON: i64 = 1_795_176_000;
const LIMIT: i128 = 4_000;
const KEYS: [&str; 2] = ["tg/1/v/quota/v/v", "tg/1/v/quota/v/v/v/v"];

/// What a worker can do, and what can happen to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Admit(usize),
    /// Its oldest call ends, and has used so much.
    End(usize, i128),
    Tick(usize),
    /// Its memory is gone, and its calls with it.
    Trap(usize),
    /// Asks for more than is in hand.
    AskMuch(usize),
    /// A third worker takes all that is left, and keeps it.
    Fill,
    /// Nobody does anything for longer than a worker that lives is ever silent.
    Stall,
}

use Step::{Admit, AskMuch, End, Fill, Stall, Tick, Trap};

const STEPS: [Step; 12] = [
    Admit(0),
    AskMuch(0),
    AskMuch(1),
    End(0, 3),
    End(1, 3),
    End(0, 9),
    Tick(0),
    Tick(1),
    Trap(0),
    Trap(1),
    Fill,
    Stall,
];

struct World {
    entries: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    hands: [RefCell<InHand>; 2],
    open: RefCell<Vec<(usize, Lease)>>,
    /// What ended calls have used.
    used: Cell<i128>,
    now: Cell<i64>,
    writes: Cell<u32>,
    key: &'static str,
}

impl World {
    /// Both workers are busy: each has three calls open and some in hand.
    fn new(key: &'static str) -> Self {
        let world = Self {
            entries: RefCell::default(),
            hands: [RefCell::new(InHand::new(8)), RefCell::new(InHand::new(8))],
            open: RefCell::default(),
            used: Cell::new(0),
            now: Cell::new(NOON),
            writes: Cell::new(0),
            key,
        };
        [Admit(0), Admit(0), Admit(1), Admit(1), Admit(0), Admit(1)]
            .iter()
            .for_each(|step| world.run(*step, &world));
        world
    }

    fn op(&self, change: Change) -> Op {
        let table = (self.key != KEYS[0]).then(|| Arc::new(Table::new("tg/1/v/quota/v".to_owned())));
        Op { key: self.key.into(), table, window: DAY, change, keeps_below: LIMIT, stays_from: LIMIT }
    }

    fn run(&self, step: Step, store: &impl SharedStore) {
        let now = self.now.get();
        match step {
            Admit(worker) => self.admit(worker, 5, &mut self.hands[worker].borrow_mut(), store),
            AskMuch(worker) => self.admit(worker, 60, &mut self.hands[worker].borrow_mut(), store),
            Fill => self.admit(2, LIMIT - self.counter().1, &mut InHand::new(0), store),
            End(worker, actual) => {
                let place = self.open.borrow().iter().position(|(other, _)| *other == worker);
                let Some((_, lease)) = place.map(|place| self.open.borrow_mut().remove(place)) else {
                    return;
                };
                // Its line is in the log, whatever happens while it is booked.
                self.used.set(self.used.get() + actual);
                let change = Change::Settle { lease, actual, output: Some(7) };
                let lost = book_from(store, &mut self.hands[worker].borrow_mut(), &[self.op(change)], now);
                assert!(lost.is_empty());
            }
            Tick(worker) => {
                let hand = &mut self.hands[worker].borrow_mut();
                hand.settle_for_others(store, now);
                hand.give_back(store, GiveBack::Idle, now);
            }
            Trap(worker) => {
                *self.hands[worker].borrow_mut() = InHand::new(8);
                self.open.borrow_mut().retain(|(other, _)| *other != worker);
            }
            Stall => self.now.set(now + GONE_S + 1),
        }
    }

    fn admit(&self, worker: usize, amount: i128, hand: &mut InHand, store: &impl SharedStore) {
        let change = Change::Reserve { amount: Amount::fixed(amount), limit: LIMIT };
        if let Ok(Admission::Granted(answers)) = perform_from(store, hand, &[self.op(change)], self.now.get())
            && let [Answer::Reserved { lease, .. }] = answers[..]
        {
            self.open.borrow_mut().push((worker, lease));
        }
    }

    fn entry(&self) -> Entry {
        self.op(NOTHING).entry(self).unwrap().unwrap_or_default()
    }

    /// Used, and used or reserved.
    fn counter(&self) -> (i128, i128) {
        let used = self.entry().used(DAY, self.now.get());
        (used, used + self.entry().open(self.now.get()))
    }

    /// No limit can be passed: what is taken is never less than what is used, open and in hand.
    fn check_taken(&self, steps: &[Step]) {
        let open: i128 = self.open.borrow().iter().map(|(_, lease)| lease.amount).sum();
        let held: i128 = self.hands.iter().map(|hand| hand.borrow().held()).sum();
        assert!(self.counter().1 >= self.used.get() + open + held, "{steps:?}: {:?}", self.counter());
    }

    /// Once all was quiet for a while, what is used is what ended calls have used.
    fn check_used(&self, steps: &[Step]) {
        for _ in 0..2 {
            self.run(Stall, self);
            self.run(Tick(0), self);
            self.run(Tick(1), self);
        }
        assert_eq!(self.counter().0, self.used.get(), "{steps:?}");
        self.check_taken(steps);
        let now = self.now.get() + 1000;
        assert_eq!(self.entry().open(now), 0, "{steps:?}: what a trap took along has expired");
    }
}

impl SharedStore for World {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailure> {
        Ok(self.entries.borrow().get(key).cloned())
    }

    fn swap(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<Swap, StoreFailure> {
        let mut entries = self.entries.borrow_mut();
        let held = entries.get(key).map(|(_, number)| *number);
        if held != cas && cas != Some(0) {
            return Ok(Swap::Conflict);
        }
        self.writes.set(self.writes.get() + 1);
        entries.insert(key.to_owned(), (value.to_vec(), self.writes.get()));
        Ok(Swap::Done)
    }
}

/// The same shared data, where another step comes in between: before the access of this number.
struct Between<'a> {
    world: &'a World,
    left: Cell<u32>,
    step: Step,
}

impl Between<'_> {
    fn access(&self) {
        self.left.set(self.left.get().wrapping_sub(1));
        if self.left.get() == 0 {
            self.world.run(self.step, self.world);
        }
    }
}

impl SharedStore for Between<'_> {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailure> {
        self.access();
        self.world.read(key)
    }

    fn swap(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<Swap, StoreFailure> {
        self.access();
        self.world.swap(key, value, cas)
    }
}

#[test]
fn in_any_order_of_steps_no_limit_is_passed_and_nothing_is_lost_or_booked_twice() {
    fn all(before: &mut Vec<Step>, depth: usize) {
        let world = World::new(KEYS[before.len() % 2]);
        for step in before.iter() {
            world.run(*step, &world);
            world.check_taken(before);
        }
        world.check_used(before);
        for step in STEPS.into_iter().filter(|_| depth > 0) {
            before.push(step);
            all(before, depth - 1);
            before.pop();
        }
    }
    all(&mut Vec::new(), 4);
}

#[test]
fn another_workers_step_may_come_between_any_two_accesses() {
    let of = |step: Step| match step {
        Admit(worker) | AskMuch(worker) | End(worker, _) | Tick(worker) | Trap(worker) => Some(worker),
        Fill => Some(2),
        Stall => None,
    };
    let (mut came, mut never) = (0, 0);
    for first in STEPS {
        for second in STEPS {
            for (outer, inner) in STEPS.iter().flat_map(|outer| STEPS.map(|inner| (*outer, inner))) {
                if of(inner).is_none() || of(outer) == of(inner) {
                    continue;
                }
                for access in 1..9 {
                    let steps = [End(0, 3), first, second, outer, inner];
                    let world = World::new(KEYS[access as usize % 2]);
                    [End(0, 3), first, second].iter().for_each(|step| world.run(*step, &world));
                    let between = Between { world: &world, left: Cell::new(access), step: inner };
                    world.run(outer, &between);
                    if between.left.get() > 0 && between.left.get() <= access {
                        never += 1;
                        break;
                    }
                    came += 1;
                    world.check_taken(&steps);
                    world.check_used(&steps);
                }
            }
        }
    }
    assert!(came > 5_000 && never > 0, "{came} {never}");
}

#[test]
fn the_end_of_a_busy_workers_call_costs_one_write() {
    let world = World::new(KEYS[0]);
    world.run(End(0, 3), &world);
    let before = world.writes.get();
    (0..2).for_each(|_| world.run(End(0, 3), &world));
    assert_eq!((world.writes.get() - before, world.counter().0), (2, 0));
    world.run(Admit(0), &world);
    assert_eq!(
        (world.writes.get() - before, world.counter().0),
        (2, 0),
        "it was admitted from what is in hand"
    );
    world.run(Tick(0), &world);
    assert_eq!(world.counter().0, 9);
    let quiet = world.writes.get();
    world.run(Tick(0), &world);
    assert!(world.writes.get() <= quiet + 1, "nothing waits any more");
}

#[test]
fn what_ended_in_a_window_that_is_over_counts_in_no_other() {
    let world = World::new(KEYS[0]);
    world.run(End(0, 3), &world);
    world.now.set(NOON + 43_200);
    world.run(End(1, 4), &world);
    world.run(Tick(1), &world);
    world.run(Tick(0), &world);
    assert_eq!(world.counter().0, 4);
}

#[test]
fn without_a_place_for_a_note_calls_are_booked_as_they_end() {
    struct NoNotes(World);
    impl SharedStore for NoNotes {
        fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailure> {
            if key.contains("waiting") { Err(StoreFailure) } else { self.0.read(key) }
        }
        fn swap(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<Swap, StoreFailure> {
            self.0.swap(key, value, cas)
        }
    }
    let store = NoNotes(World::new(KEYS[1]));
    for used in [3, 6, 9] {
        store.0.run(End(0, 3), &store);
        assert_eq!(store.0.counter().0, used);
    }
}

#[test]
fn notes_read_back_and_damaged_ones_are_anybodys() {
    let ended = Ended { slot: NOON, actual: -7, released: [(3, 1 << 90), (9, 2)], outputs: Vec::new() };
    let mut waiting = Waiting::default();
    waiting.wait_again(op_of(KEYS[0]), ended.clone(), NOON);
    waiting.wait_again(op_of(KEYS[1]), ended.clone(), NOON);
    write_head(&mut waiting.note, NOON);
    let note = |bytes: &[u8]| Note { written: NOON, bytes: bytes.to_vec() };
    let rows = note(&waiting.note).rows();
    let tables: Vec<_> =
        rows.iter().map(|(op, ended)| (&*op.key, op.table.is_some(), ended.clone())).collect();
    assert_eq!(tables, [(KEYS[0], false, ended.clone()), (KEYS[1], true, ended)]);
    for cut in 0..waiting.note.len() {
        assert!(note(&waiting.note[..cut]).rows().len() < 2);
    }
    for junk in [&b""[..], b"\x01", b"junk and more of it"] {
        let world = World::new(KEYS[0]);
        world.entries.borrow_mut().insert("tg/1/waiting/0".to_owned(), (junk.to_vec(), 7));
        [End(0, 3), Tick(1), End(0, 3), Trap(0)].iter().for_each(|step| world.run(*step, &world));
        world.check_used(&[]);
    }
}
