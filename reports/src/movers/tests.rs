use super::*;
use proptest::prelude::*;

fn detail(calls: u128, tokens: [u128; 4], cost: [i128; 5]) -> Detail {
    let [a, b, c, d] = tokens;
    Detail { calls, tokens: [a, b, c, d, 0], cost: cost.map(PicoUsd::from_pico) }
}

fn check(name: &str, before: &[(&str, Detail)], after: &[(&str, Detail)], expected: [i128; 6]) {
    let change = Change::of(&before.iter().copied().collect(), &after.iter().copied().collect());
    assert_eq!(change.parts().map(|(_, part)| part.pico()), expected, "{name}: {change:?}");
    assert_eq!(sum(change.parts().map(|(_, part)| part)), change.change(), "{name}");
}

#[test]
fn each_cause_is_told_from_the_others() {
    let usual = detail(10, [1000, 0, 0, 100], [2000, 0, 0, 800, 0]);
    check("nothing changed", &[("m", usual)], &[("m", usual)], [0; 6]);
    check(
        "twice the calls",
        &[("m", usual)],
        &[("m", detail(20, [2000, 0, 0, 200], [4000, 0, 0, 1600, 0]))],
        [2800, 0, 0, 0, 0, 0],
    );
    check(
        "longer prompts",
        &[("m", usual)],
        &[("m", detail(10, [1500, 0, 0, 100], [3000, 0, 0, 800, 0]))],
        [0, 0, 1000, 0, 0, 0],
    );
    check(
        "half of the input out of the cache, which was never used before",
        &[("m", usual)],
        &[("m", detail(10, [500, 500, 0, 100], [1000, 250, 0, 800, 0]))],
        [0, 0, 0, -750, 0, 0],
    );
    check(
        "a price that fell",
        &[("m", usual)],
        &[("m", detail(10, [1000, 0, 0, 100], [1000, 0, 0, 800, 0]))],
        [0, 0, 0, 0, -1000, 0],
    );
    check(
        "searches",
        &[("m", usual)],
        &[("m", detail(10, [1000, 0, 0, 100], [2000, 0, 0, 800, 70]))],
        [0, 0, 0, 0, 0, 70],
    );
    let cheap = detail(10, [1000, 0, 0, 100], [200, 0, 0, 80, 0]);
    check("another model", &[("m", usual)], &[("n", cheap)], [0, -2520, 0, 0, 0, 0]);
    check("a feature that is new", &[], &[("m", usual)], [2800, 0, 0, 0, 0, 0]);
    check("a feature that is gone", &[("m", usual)], &[], [-2800, 0, 0, 0, 0, 0]);
}

fn any_detail() -> impl Strategy<Value = Detail> {
    let count = || prop_oneof![Just(0_u128), 0..1_000_000_u128, 0..(1_u128 << 60)];
    let cost = || prop_oneof![Just(0_i128), 0..(1_i128 << 70)];
    (count(), [count(), count(), count(), count()], [cost(), cost(), cost(), cost(), cost()])
        .prop_map(|(calls, tokens, cost)| detail(calls, tokens, cost))
}

proptest! {
    #[test]
    fn the_parts_add_up_to_the_change(
        before in proptest::collection::btree_map("[a-d]", any_detail(), 0..4),
        after in proptest::collection::btree_map("[a-d]", any_detail(), 0..4),
    ) {
        let named = |side: &BTreeMap<String, Detail>| -> Vec<(String, Detail)> {
            side.iter().map(|(name, detail)| (name.clone(), *detail)).collect()
        };
        let (before, after) = (named(&before), named(&after));
        let side = |side: &'static [(String, Detail)]| side.iter().map(|(name, detail)| (name.as_str(), *detail)).collect();
        let (before, after): (&'static [_], &'static [_]) = (before.leak(), after.leak());
        let (one, other): (BTreeMap<&str, Detail>, BTreeMap<&str, Detail>) = (side(before), side(after));
        let change = Change::of(&one, &other);
        prop_assert_eq!(change.before, sum(one.values().map(Detail::total)));
        prop_assert_eq!(change.after, sum(other.values().map(Detail::total)));
        prop_assert_eq!(sum(change.parts().map(|(_, part)| part)), change.change());
    }
}

#[test]
fn spans_are_of_one_length_and_meet() {
    assert_eq!(Periods::of_log(0, 29), Some(Periods { before: (16, 22), after: (23, 29) }));
    assert_eq!(Periods::of_log(0, 4), Some(Periods { before: (1, 2), after: (3, 4) }));
    assert_eq!(Periods::of_log(7, 7), None);
    assert_eq!(Periods::ending(31, 58), Periods { before: (3, 30), after: (31, 58) });
}

#[test]
fn a_row_is_split_by_the_lines_of_its_cost() {
    let usd = |text: &str| text.parse::<PicoUsd>().unwrap();
    let row = Row {
        tokens: tollgate_record::Tokens {
            input: Some(100),
            cache_read: Some(60),
            output: Some(5),
            ..Default::default()
        },
        usd: Some(usd("1")),
        lines: vec![
            ("input".into(), usd("0.4")),
            ("cache_read".into(), usd("0.1")),
            ("web_search".into(), usd("0.3")),
        ],
        status: CostStatus::Priced,
        ..Row::default()
    };
    let mut detail = Detail::default();
    detail.add(&row);
    detail.add(&Row { status: CostStatus::NotSent, ..row });
    assert_eq!(detail.tokens, [40, 60, 0, 5, 0]);
    assert_eq!(detail.cost, [usd("0.4"), usd("0.1"), usd("0"), usd("0"), usd("0.5")]);
    assert_eq!((detail.calls, detail.total()), (1, usd("1")));
}
