use super::*;
use std::cell::RefCell;
use std::collections::BTreeMap;

const DAY: Window = Window::Seconds(86_400);
const NOON: i64 = 1_795_176_000;

/// A store in memory. `conflicts` makes the next swaps fail, `fails_at` makes one read fail.
#[derive(Default)]
struct Memory {
    entries: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    conflicts: RefCell<u32>,
    fails_on: Option<&'static str>,
}

impl SharedStore for Memory {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailure> {
        if self.fails_on.is_some_and(|bad| key.contains(bad)) {
            return Err(StoreFailure);
        }
        Ok(self.entries.borrow().get(key).cloned())
    }

    fn swap(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<Swap, StoreFailure> {
        if *self.conflicts.borrow() > 0 {
            *self.conflicts.borrow_mut() -= 1;
            return Ok(Swap::Conflict);
        }
        let mut entries = self.entries.borrow_mut();
        if entries.get(key).map(|(_, number)| *number) != cas {
            return Ok(Swap::Conflict);
        }
        entries.insert(key.to_owned(), (value.to_vec(), cas.unwrap_or(0) + 1));
        Ok(Swap::Done)
    }
}

impl Memory {
    fn used(&self, key: &str, now: i64) -> i128 {
        self.entries
            .borrow()
            .get(key)
            .map_or(0, |(bytes, _)| Entry::from_bytes(bytes).unwrap().used(DAY, now))
    }
}

fn op(key: &str, change: Change) -> Op {
    Op { key: key.into(), table: None, window: DAY, change, keeps_below: 0, stays_from: 0 }
}

fn reserve(amount: i128, limit: i128) -> Change {
    Change::Reserve { amount: Amount::fixed(amount), limit }
}

fn lease(admission: &Admission) -> Lease {
    match admission {
        Admission::Granted(answers) => match answers[..] {
            [Answer::Reserved { lease, .. }] => lease,
            _ => panic!("{answers:?}"),
        },
        Admission::Refused { .. } => panic!("refused"),
    }
}

#[test]
fn a_limit_of_three_admits_three_and_a_limit_of_zero_none() {
    let store = Memory::default();
    let admitted = (0..5)
        .filter(|_| matches!(perform(&store, &[op("a", reserve(1, 3))], NOON), Ok(Admission::Granted(_))));
    assert_eq!(admitted.count(), 3);
    let refused = perform(&store, &[op("b", reserve(0, 0))], NOON);
    let expected = Admission::Refused { index: 0, resets_at: 1_795_219_200, taken: Some(0), amount: 0 };
    assert_eq!(refused, Ok(expected));
}

#[test]
fn what_is_not_used_is_given_back_and_what_is_more_is_booked() {
    let store = Memory::default();
    let first = perform(&store, &[op("a", reserve(10, 10))], NOON).unwrap();
    assert!(matches!(perform(&store, &[op("a", reserve(1, 10))], NOON), Ok(Admission::Refused { .. })));
    let settle = Change::Settle { lease: lease(&first), actual: 4, output: None };
    perform(&store, &[op("a", settle)], NOON).unwrap();
    assert_eq!(store.used("a", NOON), 4);
    let second = perform(&store, &[op("a", reserve(6, 10))], NOON).unwrap();
    perform(&store, &[op("a", Change::Settle { lease: lease(&second), actual: 9, output: None })], NOON)
        .unwrap();
    assert_eq!(store.used("a", NOON), 13);
}

#[test]
fn a_batch_is_all_or_nothing() {
    let store = Memory::default();
    perform(&store, &[op("b", reserve(1, 1))], NOON).unwrap();
    let batch = [op("a", reserve(1, 1)), op("b", reserve(1, 1))];
    assert!(matches!(perform(&store, &batch, NOON), Ok(Admission::Refused { index: 1, .. })));
    assert!(matches!(perform(&store, &[op("a", reserve(1, 1))], NOON), Ok(Admission::Granted(_))));
    let failing = Memory { fails_on: Some("b"), ..Memory::default() };
    assert_eq!(perform(&failing, &batch, NOON), Err(StoreFailure));
    assert!(matches!(perform(&failing, &[op("a", reserve(1, 1))], NOON), Ok(Admission::Granted(_))));
}

#[test]
fn a_new_window_starts_from_nothing_but_open_reservations_stand() {
    let store = Memory::default();
    let late = NOON + 43_190;
    perform(&store, &[op("a", reserve(3, 4))], late).unwrap();
    let tomorrow = NOON + 43_210;
    assert!(matches!(perform(&store, &[op("a", reserve(2, 4))], tomorrow), Ok(Admission::Refused { .. })));
    assert!(matches!(perform(&store, &[op("a", reserve(1, 4))], tomorrow), Ok(Admission::Granted(_))));
}

#[test]
fn a_reservation_that_nobody_settles_expires_and_a_late_settlement_is_still_booked() {
    let store = Memory::default();
    let admission = perform(&store, &[op("a", reserve(4, 4))], NOON).unwrap();
    let later = NOON + 16 * 60;
    assert!(matches!(perform(&store, &[op("a", reserve(4, 4))], later), Ok(Admission::Granted(_))));
    perform(&store, &[op("a", Change::Settle { lease: lease(&admission), actual: 2, output: None })], later)
        .unwrap();
    assert_eq!(store.used("a", later), 2);
}

#[test]
fn conflicts_are_tried_again_and_endless_ones_are_a_failure() {
    let store = Memory { conflicts: RefCell::new(5), ..Memory::default() };
    assert!(matches!(perform(&store, &[op("a", reserve(1, 1))], NOON), Ok(Admission::Granted(_))));
    let stuck = Memory { conflicts: RefCell::new(u32::MAX), ..Memory::default() };
    assert_eq!(perform(&stuck, &[op("a", reserve(1, 1))], NOON), Err(StoreFailure));
}

/// The counter of a value of a quota that has many.
fn of_value(value: &str, change: Change, limit: i128) -> Op {
    let table = Table::new("q".to_owned());
    Op { key: format!("q/v/{value}").into(), table: Some(table.into()), stays_from: limit, ..op("", change) }
}

fn call_of(store: &Memory, value: &str, limit: i128, now: i64) -> Option<Lease> {
    match perform(store, &[of_value(value, reserve(1, limit), limit)], now).unwrap() {
        Admission::Refused { .. } => None,
        granted => Some(lease(&granted)),
    }
}

fn end_of(store: &Memory, value: &str, lease: Lease, limit: i128, now: i64) {
    let settle = Change::Settle { lease, actual: 1, output: None };
    assert!(book(store, &[of_value(value, settle, limit)], now).is_empty());
}

#[test]
fn each_of_many_values_has_a_counter_of_its_own_and_they_are_listed() {
    let store = Memory::default();
    for round in 0..3 {
        for value in 0..3000 {
            let lease = call_of(&store, &value.to_string(), 2, NOON);
            assert_eq!(lease.is_some(), round < 2, "{value}");
            lease.into_iter().for_each(|lease| end_of(&store, &value.to_string(), lease, 2, NOON));
        }
    }
    let table = Table::new("q".to_owned());
    let all = table.list(&store, usize::MAX);
    assert_eq!((all.counters.len(), all.in_all, all.estimated), (3000, 3000, false));
    let (_, entry) = all.counters.iter().find(|(value, _)| value == "/1").unwrap();
    assert_eq!((entry.used(DAY, NOON), entry.open(NOON)), (2, 0));
    let part = table.list(&store, 1000);
    assert!(part.estimated && (2800..3200).contains(&part.in_all), "{}", part.in_all);
    assert_eq!(of_value("17", Change::Reset, 0).entry(&store).unwrap().unwrap().used(DAY, NOON), 2);
    assert_eq!(of_value("x", Change::Reset, 0).entry(&store), Ok(None));
}

/// Values whose counters all stand on one page.
fn on_one_page(count: usize) -> Vec<String> {
    let page = |value: &String| {
        let op = of_value(value, Change::Reset, 0);
        op.table.as_ref().map(|table| table.find(&op).0)
    };
    let all = (0..).map(|n: u32| n.to_string()).filter(|value| page(value) == Some(1));
    all.take(count).collect()
}

#[test]
fn a_full_page_forgets_who_rests_longest_and_never_who_is_running_or_has_used_all() {
    let values = on_one_page(40);
    let (store, limit) = (Memory::default(), 3);
    // The first has used all, the second is running, the others have used one of three, each a second later.
    (0..3).for_each(|_| {
        let lease = call_of(&store, &values[0], limit, NOON).unwrap();
        end_of(&store, &values[0], lease, limit, NOON);
    });
    let running = call_of(&store, &values[1], limit, NOON).unwrap();
    let mut hand = InHand::new(8);
    for (second, value) in (0..).zip(&values[2..]) {
        let ask = [of_value(value, reserve(1, limit), limit)];
        let granted = perform_from(&store, &mut hand, &ask, NOON + second).unwrap();
        end_of(&store, value, lease(&granted), limit, NOON + second);
    }
    assert_eq!(call_of(&store, &values[0], limit, NOON + 50), None, "it has used all");
    end_of(&store, &values[1], running, limit, NOON + 50);
    let used = |value: &String| {
        let entry = of_value(value, Change::Reset, 0).entry(&store).unwrap();
        entry.map_or(0, |entry| entry.used(DAY, NOON + 50))
    };
    let all: Vec<i128> = values.iter().map(used).collect();
    let expected: Vec<i128> =
        [3, 1].into_iter().chain(std::iter::repeat_n(0, 8)).chain(std::iter::repeat_n(1, 30)).collect();
    assert_eq!(all, expected);
    assert_eq!(hand.take_crowds().iter().map(|(_, count)| count).sum::<u32>(), 8);
    // A new window needs no room: what is over goes first.
    let tomorrow = NOON + 86_400;
    assert!(call_of(&store, &values[2], limit, tomorrow).is_some());
    assert!(call_of(&store, &values[0], limit, tomorrow).is_some());
}

#[test]
fn whoever_was_refused_keeps_its_place_although_a_smaller_call_would_fit() {
    let values = on_one_page(33);
    let store = Memory::default();
    let big = |value: &str, amount| {
        let op = of_value(value, reserve(amount, 10), 10);
        match perform(&store, &[op], NOON).unwrap() {
            Admission::Refused { .. } => None,
            granted => Some(lease(&granted)),
        }
    };
    let lease = big(&values[0], 7).unwrap();
    let settle = Change::Settle { lease, actual: 7, output: None };
    book(&store, &[of_value(&values[0], settle, 10)], NOON);
    assert_eq!(big(&values[0], 7), None);
    for (second, value) in (1..).zip(&values[1..]) {
        let lease = call_of(&store, value, 10, NOON + second).unwrap();
        end_of(&store, value, lease, 10, NOON + second);
    }
    assert_eq!(big(&values[0], 7), None, "it did not come back with nothing used");
    assert!(big(&values[0], 3).is_some());
}

#[test]
fn a_page_of_running_calls_makes_values_share_a_counter_and_they_leave_nothing_there() {
    let values = on_one_page(34);
    let (store, limit) = (Memory::default(), 1);
    let open: Vec<Lease> = values[..33].iter().map(|v| call_of(&store, v, limit, NOON).unwrap()).collect();
    assert_eq!(open.iter().filter(|lease| lease.shared).count(), 1);
    assert_eq!(call_of(&store, &values[33], limit, NOON), None, "the shared one has room for one");
    for (value, lease) in values.iter().zip(open) {
        assert!(book(&store, &[of_value(value, Change::release(lease), limit)], NOON).is_empty());
    }
    let shared = store.entries.borrow()["q/other"].0.clone();
    assert_eq!(Entry::from_bytes(&shared).unwrap().open(NOON), 0);
    assert!(call_of(&store, &values[33], limit, NOON).is_some_and(|lease| !lease.shared));
}

#[test]
fn places_are_taken_once_and_run_out() {
    let store = Memory::default();
    let budget = KeyBudget { key: "n".to_owned(), max: 2 };
    let taken: Vec<_> =
        ["a", "b", "a", "c", "b"].iter().map(|key| claim_place(&store, key, &budget)).collect();
    assert_eq!(taken, [true, true, true, false, true]);
}

#[test]
fn a_refused_call_takes_no_place() {
    let store = Memory::default();
    for index in 0..10 {
        let refused = perform(&store, &[op(&format!("k{index}"), reserve(1, 0))], NOON);
        assert!(matches!(refused, Ok(Admission::Refused { .. })));
    }
    assert!(store.entries.borrow().is_empty());
}

#[test]
fn a_counter_that_cannot_be_written_keeps_no_other_from_being_booked() {
    let store = Memory { fails_on: Some("b"), ..Memory::default() };
    let settle = |key| op(key, Change::Settle { lease: Lease::default(), actual: 7, output: None });
    let left = book(&store, &[settle("a"), settle("b"), settle("c")], NOON);
    assert_eq!((store.used("a", NOON), store.used("c", NOON)), (7, 7));
    assert_eq!(left, [settle("b")]);
}

#[test]
fn entries_read_back_and_damaged_ones_start_afresh() {
    let sliding = Window::Sliding(3600);
    let mut entry = Entry::default();
    for (step, output) in (0..30).zip(100..) {
        let now = NOON + step * 60;
        let lease = Lease { expires_minute: 9, amount: 1 << 80, shared: false };
        let settle = Change::Settle { lease, actual: -5, output: Some(output) };
        entry = entry.apply(sliding, settle, now).unwrap().0;
        entry = entry.apply(sliding, reserve(3, 9999), now).unwrap().0;
    }
    let bytes = entry.to_bytes();
    assert_eq!(Entry::from_bytes(&bytes), Ok(entry));
    let whole = bytes.len() % 20;
    for cut in 0..bytes.len() {
        let between_leases = cut > bytes.len() - 15 * 20 - 1 && cut % 20 == whole;
        assert!(between_leases || Entry::from_bytes(&bytes[..cut]).is_err(), "{cut} of {}", bytes.len());
    }
    let store = Memory::default();
    store.entries.borrow_mut().insert("a".to_owned(), (b"junk".to_vec(), 7));
    assert!(matches!(perform(&store, &[op("a", reserve(1, 1))], NOON), Ok(Admission::Granted(_))));
}

#[test]
fn ids_read_back() {
    let id = ReservationId { process: u64::MAX, worker: 3, sequence: 41 };
    assert_eq!(id.to_string(), "ffffffffffffffff-3-29");
    assert_eq!(id.to_string().parse(), Ok(id));
    for junk in ["", "1-2", "1-2-3-4", "1-x-3", "1-fffffffff-3"] {
        assert!(junk.parse::<ReservationId>().is_err(), "{junk}");
    }
}

proptest::proptest! {
    /// However calls come, overlap, settle and conflict: what is used and reserved together never passes the limit by
    /// admission, and what is used is what was settled.
    #[test]
    fn the_ledger_adds_up(steps in proptest::collection::vec((0_u8..3, 1_i128..20, 0_i128..30, 0_u32..3), 1..120)) {
        let store = Memory::default();
        let (mut open, mut booked) = (Vec::new(), 0_i128);
        for (kind, amount, actual, conflicts) in steps {
            *store.conflicts.borrow_mut() = conflicts;
            if kind < 2 {
                let held: i128 = open.iter().map(|lease: &Lease| lease.amount).sum();
                let admission = perform(&store, &[op("a", reserve(amount, 100))], NOON).unwrap();
                let fits = booked + held + amount <= 100;
                proptest::prop_assert_eq!(matches!(admission, Admission::Granted(_)), fits);
                if fits { open.push(lease(&admission)); }
            } else if let Some(lease) = open.pop() {
                perform(&store, &[op("a", Change::Settle { lease, actual, output: None })], NOON).unwrap();
                booked += actual;
            }
        }
        proptest::prop_assert_eq!(store.used("a", NOON), booked);
    }
}

proptest::proptest! {
    /// However calls come: no span of the window's length ever admits more than the limit, and a fixed window admits all of it.
    #[test]
    fn a_sliding_window_admits_no_more_than_its_limit_in_any_span(
        steps in proptest::collection::vec((0_i64..40, 1_i128..8), 1..200), length in 30_i64..400,
    ) {
        let window = Window::Sliding(length);
        let (mut entry, mut now, mut admitted) = (Entry::default(), NOON, Vec::new());
        for (wait, amount) in steps {
            now += wait;
            let (next, answer) = entry.clone().apply(window, reserve(amount, 20), now).unwrap();
            let Answer::Reserved { lease, .. } = answer else {
                let Answer::Refused { resets_at, .. } = answer else { panic!("{answer:?}") };
                proptest::prop_assert!(resets_at > now);
                continue;
            };
            let settle = Change::Settle { lease, actual: amount, output: None };
            entry = next.apply(window, settle, now).unwrap().0;
            admitted.push((now, amount));
            let last: i128 = admitted.iter().filter(|(at, _)| *at > now - length).map(|(_, n)| n).sum();
            proptest::prop_assert!(last <= 20, "{last} in {length} s");
            proptest::prop_assert!(entry.to_bytes().len() < 1200);
        }
        proptest::prop_assert_eq!(entry.used(window, now + 2 * length), 0);
    }

    /// Whatever is never settled stands in nobody's way after its lease, and what was used stays.
    #[test]
    fn reservations_expire_and_what_was_used_does_not(amounts in proptest::collection::vec((1_i128..9, proptest::bool::ANY), 1..60)) {
        let (mut entry, mut used) = (Entry::default(), 0);
        for (amount, settled) in amounts {
            let (next, answer) = entry.apply(DAY, reserve(amount, 1 << 40), NOON).unwrap();
            let Answer::Reserved { lease, .. } = answer else { panic!("{answer:?}") };
            entry = next;
            if settled {
                let settle = Change::Settle { lease, actual: amount, output: None };
                entry = entry.apply(DAY, settle, NOON + 5).unwrap().0;
                used += amount;
            }
        }
        proptest::prop_assert_eq!((entry.used(DAY, NOON + 960), entry.open(NOON + 960)), (used, 0));
        let full = entry.apply(DAY, reserve(1, used + 1), NOON + 960).unwrap().1;
        let free = matches!(full, Answer::Reserved { taken: Some(taken), .. } if taken == used);
        proptest::prop_assert!(free);
    }
}

#[test]
fn a_grant_makes_room_and_a_reset_forgets_what_was_used_but_not_what_is_running() {
    let store = Memory::default();
    let first = perform(&store, &[op("a", reserve(6, 10))], NOON).unwrap();
    perform(&store, &[op("a", reserve(4, 10))], NOON).unwrap();
    assert!(matches!(perform(&store, &[op("a", reserve(1, 10))], NOON), Ok(Admission::Refused { .. })));
    assert!(book(&store, &[op("a", Change::Grant { amount: 2 })], NOON).is_empty());
    perform(&store, &[op("a", reserve(2, 10))], NOON).unwrap();
    let settle = Change::Settle { lease: lease(&first), actual: 6, output: None };
    assert!(book(&store, &[op("a", settle), op("a", Change::Reset)], NOON).is_empty());
    assert!(matches!(perform(&store, &[op("a", reserve(5, 10))], NOON), Ok(Admission::Refused { .. })));
    assert!(matches!(perform(&store, &[op("a", reserve(4, 10))], NOON), Ok(Admission::Granted(_))));
}

#[test]
fn what_is_usual_for_a_counter_is_put_aside_once_it_is_known() {
    let store = Memory::default();
    let amount = Amount { fixed: 10, per_million: 1_000_000, output: Output::Usual { at_most: 5000 } };
    let ask = || op("a", Change::Reserve { amount, limit: 1 << 40 });
    let reserved = || lease(&perform(&store, &[ask()], NOON).unwrap()).amount;
    assert_eq!(reserved(), 10 + 1024);
    for _ in 0..30 {
        let settle = Change::Settle { lease: Lease::default(), actual: 0, output: Some(70) };
        perform(&store, &[op("a", settle)], NOON).unwrap();
    }
    assert_eq!(reserved(), 10 + 95);
}
