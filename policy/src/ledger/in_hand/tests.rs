use super::*;
use crate::ledger::{Admission, Amount, OwnStore, book_from, perform_from};
use crate::window::Window;

const DAY: Window = Window::Seconds(86_400);
const NOON: i64 = 1_795_176_000;

/// Used and reserved.
fn counter(store: &OwnStore) -> (i128, i128) {
    let entries = store.entries();
    let entry = entries.get("a").map(|(bytes, _)| Entry::from_bytes(bytes).unwrap()).unwrap_or_default();
    (entry.used(DAY, NOON), entry.open(NOON))
}

fn op(amount: i128, limit: i128) -> Op {
    let change = Change::Reserve { amount: Amount::fixed(amount), limit };
    Op { key: "a".into(), table: None, window: DAY, change, keeps_below: limit, stays_from: 0 }
}

fn admit(store: &OwnStore, hand: &mut InHand, amount: i128, limit: i128, now: i64) -> Option<Lease> {
    match perform_from(store, hand, &[op(amount, limit)], now).unwrap() {
        Admission::Granted(answers) => match answers[..] {
            [Answer::Reserved { lease, .. }] => Some(lease),
            _ => panic!("{answers:?}"),
        },
        Admission::Refused { .. } => None,
    }
}

fn settle(store: &OwnStore, hand: &mut InHand, lease: Lease, actual: i128) {
    let change = Change::Settle { lease, actual, output: None };
    assert!(book_from(store, hand, &[Op { change, ..op(0, 1) }], NOON).is_empty());
}

#[test]
fn a_busy_worker_asks_for_one_admission_in_seventeen() {
    let (store, mut hand) = (OwnStore::default(), InHand::new(8));
    admit(&store, &mut hand, 5, 1 << 40, NOON);
    let before = store.accesses();
    let leases: Vec<_> = (0..1700).map(|_| admit(&store, &mut hand, 5, 1 << 40, NOON).unwrap()).collect();
    assert_eq!(store.accesses() - before, 2 * 100);
    leases.into_iter().for_each(|lease| settle(&store, &mut hand, lease, 4));
    assert_eq!(
        store.accesses() - before,
        2 * 100 + 1700 + 1,
        "ends of calls wait, and are noted by one write each"
    );
    hand.give_back(&store, GiveBack::All, NOON);
    assert_eq!(counter(&store), (1700 * 4, 5));
}

#[test]
fn a_worker_without_calls_gives_back_what_it_has_in_hand() {
    let (store, mut hand) = (OwnStore::default(), InHand::new(8));
    let leases: Vec<_> = (0..2).map(|_| admit(&store, &mut hand, 5, 1 << 40, NOON).unwrap()).collect();
    assert_eq!(counter(&store), (0, 2 * 5 + 16 * 5));
    hand.give_back(&store, GiveBack::Idle, NOON);
    assert_eq!(counter(&store), (0, 2 * 5 + 16 * 5), "a call came by since the last look");
    hand.give_back(&store, GiveBack::Idle, NOON);
    assert_eq!((counter(&store), hand.is_empty()), ((0, 2 * 5), true));
    leases.into_iter().for_each(|lease| settle(&store, &mut hand, lease, 1));
    assert_eq!(counter(&store), (2, 0));
}

#[test]
fn calls_that_are_rare_leave_nothing_in_hand() {
    let (store, mut hand) = (OwnStore::default(), InHand::new(8));
    for _ in 0..3 {
        admit(&store, &mut hand, 5, 1 << 40, NOON);
        hand.give_back(&store, GiveBack::Idle, NOON);
        hand.give_back(&store, GiveBack::Idle, NOON);
    }
    assert_eq!(counter(&store), (0, 3 * 5));
}

#[test]
fn a_limit_that_comes_near_is_counted_call_by_call() {
    let (store, mut hand) = (OwnStore::default(), InHand::new(8));
    let admitted = (0..200).filter(|_| admit(&store, &mut hand, 1, 90, NOON).is_some()).count();
    hand.give_back(&store, GiveBack::All, NOON);
    assert_eq!((admitted, counter(&store)), (90, (0, 90)));
}

#[test]
fn a_new_limit_holds_from_the_next_call() {
    let (store, mut hand) = (OwnStore::default(), InHand::new(8));
    for _ in 0..3 {
        assert!(admit(&store, &mut hand, 5, 1 << 40, NOON).is_some());
    }
    assert!(
        admit(&store, &mut hand, 5, 15, NOON).is_none(),
        "fifteen calls' worth are in hand under the old limit"
    );
}

#[test]
fn what_is_in_hand_for_too_long_is_not_used() {
    let (store, mut hand) = (OwnStore::default(), InHand::new(8));
    for _ in 0..2 {
        admit(&store, &mut hand, 5, 1 << 40, NOON);
    }
    let before = store.accesses();
    let late = admit(&store, &mut hand, 5, 1 << 40, NOON + 120).unwrap();
    assert_eq!((store.accesses() - before, late.expires_minute), (2, Entry::expires_minute(NOON + 120)));
}

#[test]
fn conflicts_are_told_by_counter() {
    let (store, mut hand) = (OwnStore::default(), InHand::new(0));
    admit(&store, &mut hand, 5, 10, NOON);
    store.conflict_next(3);
    admit(&store, &mut hand, 5, 10, NOON);
    assert_eq!(hand.take_conflicts(), vec![Arc::<str>::from("a"); 3]);
    assert!(hand.take_conflicts().is_empty());
}

#[test]
fn refusals_for_what_is_put_aside_alone_are_told_by_counter() {
    let (store, mut hand) = (OwnStore::default(), InHand::new(0));
    let told = |hand: &mut InHand| hand.take_transient().len();
    let first = admit(&store, &mut hand, 6, 10, NOON).unwrap();
    assert_eq!((admit(&store, &mut hand, 5, 10, NOON), told(&mut hand)), (None, 1), "6 may come back");
    assert_eq!((admit(&store, &mut hand, 11, 10, NOON), told(&mut hand)), (None, 0), "never fits");
    settle(&store, &mut hand, first, 6);
    assert_eq!((admit(&store, &mut hand, 5, 10, NOON), told(&mut hand)), (None, 0), "6 are used");
}

proptest::proptest! {
    /// However the calls of two workers come, overlap and settle, and whenever they give back what they have in hand: what is
    /// used and reserved never passes the limit by admission, and in the end it is what was settled and is open.
    #[test]
    fn two_workers_never_pass_a_limit(
        steps in proptest::collection::vec((0_usize..2, 0_u8..8, 1_i128..9, 0_i128..9, 0_u32..2), 1..200), limit in 1_i128..5000,
    ) {
        let store = OwnStore::default();
        let (mut hands, mut open, mut used) = ([InHand::new(2), InHand::new(2)], Vec::new(), 0);
        for (worker, kind, amount, actual, conflicts) in steps {
            store.conflict_next(conflicts);
            let hand = &mut hands[worker];
            match kind {
                0..5 => {
                    let lease = admit(&store, hand, amount, limit, NOON);
                    let (booked, reserved) = counter(&store);
                    proptest::prop_assert!(lease.is_none() || booked + reserved <= limit.max(used));
                    open.extend(lease);
                }
                5 | 6 => if let Some(lease) = open.pop() {
                    let lease: Lease = lease;
                    let actual = actual.min(lease.amount);
                    settle(&store, hand, lease, actual);
                    used += actual;
                },
                _ => hand.give_back(&store, GiveBack::Idle, NOON),
            }
        }
        store.conflict_next(0);
        hands.iter_mut().for_each(|hand| hand.give_back(&store, GiveBack::All, NOON));
        proptest::prop_assert_eq!(counter(&store), (used, open.iter().map(|lease| lease.amount).sum()));
    }
}
