use super::*;
use crate::ledger::{NoStore, OwnStore};

/// Of two guards: spend's pasts are long ones.
const SPEND: u32 = guard_number(0xaaaa_aaaa, Gauge::Rate);
const COST: u32 = guard_number(0x5555_5555, Gauge::Value);

fn pasts() -> Pasts {
    Pasts::new("a/b", 2)
}

/// A key of page 7.
fn key(number: u64) -> u64 {
    (number << 32) | 7
}

/// Notes that a past was seen, and how often that is by now.
fn count(store: &OwnStore, (number, guard): (u64, u32), now: u32) -> u32 {
    let mut seen = 0;
    let change = &mut |page: &mut PastPage| {
        let words = page.words(PastId::new(key(number), guard));
        seen = u32::from_le_bytes(words[1]) + 1;
        (words[0], words[1]) = (now.to_le_bytes(), seen.to_le_bytes());
    };
    pasts().change(store, 7, change).unwrap();
    seen
}

fn bytes(store: &OwnStore) -> usize {
    store.entries()["tg/1/a%2Fb/pasts/7"].0.len()
}

#[test]
fn each_key_has_a_past_under_each_guard() {
    let store = OwnStore::default();
    for time in 1..4 {
        for one in [(1, SPEND), (1, COST), (2, COST), (2, SPEND), (3, COST)] {
            assert_eq!(count(&store, one, time), time);
        }
    }
    assert_eq!(bytes(&store), 2 * 248 + 3 * 48);
    assert_eq!((Pasts::page(key(1)), Pasts::page(Pasts::PAGES * 9 + 1)), (7, 1));
}

#[test]
fn a_page_is_changed_as_one_and_again_where_another_worker_was_first() {
    let store = OwnStore::default();
    count(&store, (2, COST), 1);
    store.conflict_next(2);
    let mut rounds = 0;
    let change = &mut |page: &mut PastPage| {
        rounds += 1;
        for id in [(1, SPEND), (1, COST), (2, COST), (1, SPEND)] {
            let words = page.words(PastId::new(key(id.0), id.1));
            words[0] = [1; 4];
            words[1][0] += 1;
        }
    };
    pasts().change(&store, 7, change).unwrap();
    assert_eq!(rounds, 3);
    assert_eq!([(1, SPEND), (1, COST), (2, COST)].map(|one| count(&store, one, 2)), [3, 2, 3]);
    assert_eq!(pasts().change(&NoStore, 7, &mut |_| ()), Err(StoreFailure));
    store.conflict_next(u32::MAX);
    assert_eq!(pasts().change(&store, 7, &mut |_| ()), Err(StoreFailure), "others write all the time");
}

#[test]
fn the_past_of_that_guard_makes_room_that_was_not_seen_for_longest() {
    let store = OwnStore::default();
    count(&store, (1, COST), 1);
    for number in 1..=16 {
        count(&store, (number, SPEND), 10 + u32::try_from(number).unwrap());
    }
    assert_eq!(count(&store, (1, SPEND), 30), 2, "it is the newest now");
    assert_eq!(count(&store, (17, SPEND), 31), 1);
    assert_eq!(bytes(&store), 16 * 248 + 48);
    assert_eq!([(1, SPEND), (3, SPEND), (1, COST)].map(|one| count(&store, one, 32)), [3, 2, 2]);
    assert_eq!(count(&store, (2, SPEND), 33), 1, "it was forgotten");
}

#[test]
fn what_guards_knew_that_are_gone_is_forgotten_first_and_bounded() {
    let store = OwnStore::default();
    for gone in 1..=9 {
        for number in 1..=16 {
            count(&store, (number, guard_number(gone << 8, Gauge::Value)), gone);
        }
    }
    assert_eq!(bytes(&store), 4 * 16 * 48, "as much as four guards have");
    for guard in [COST, SPEND] {
        for number in 1..=16 {
            count(&store, (number, guard), 10);
        }
    }
    for guard in [COST, SPEND] {
        for number in 1..=16 {
            assert_eq!(count(&store, (number, guard), 11), 2);
        }
    }
    assert_eq!(bytes(&store), 3 * 16 * 48 + 16 * 248);
}

#[test]
fn pages_that_cannot_be_read_are_begun_anew() {
    let cut_off = [PastId::new(key(4), COST).head().to_le_bytes().to_vec(), vec![1; 9]].concat();
    for damaged in [vec![1; 7], vec![0; 61], vec![0xff; 300], cut_off] {
        let store = OwnStore::default();
        assert_eq!(store.swap("tg/1/a%2Fb/pasts/7", &damaged, None), Ok(Swap::Done));
        assert_eq!([count(&store, (4, COST), 1), count(&store, (4, COST), 2)], [1, 2]);
    }
}

proptest::proptest! {
    #[test]
    fn pasts_are_found_again_in_any_order(seen in proptest::collection::vec((0_u64..6, 0_u32..3), 0..60)) {
        let store = OwnStore::default();
        let mut counts = std::collections::BTreeMap::new();
        for (number, guard) in seen {
            let guard = guard_number(guard << 8, if guard == 1 { Gauge::Rate } else { Gauge::Share });
            let counted = counts.entry((number, guard)).or_insert(0);
            *counted += 1;
            assert_eq!(count(&store, (number, guard), *counted), *counted);
        }
    }
}
