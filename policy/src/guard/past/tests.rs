use super::*;
use crate::guard::{Size, Watch, compile_guards};

const DAY: u32 = 86_400;

fn judge(watch: &str, more: &str) -> Judge {
    let json = format!(r#"[{{"name":"a","watch":"{watch}"{more}}}]"#);
    compile_guards(&serde_json::from_str(&json).unwrap(), &[]).unwrap().remove(0).judge
}

/// Days of calls that are `every` seconds apart; what the sample of each is, by its number. When something began or ended.
fn live(
    judge: &Judge,
    past: &mut Past,
    from_s: u32,
    days: u32,
    every: u32,
    value: impl Fn(u32) -> u64,
) -> Vec<(u32, Episode)> {
    let calls = days * DAY / every;
    let sample = |value: u64| {
        if matches!(judge.watch.gauge(), Gauge::Share | Gauge::March) {
            Sample(value as u32)
        } else {
            Size::of(value).into()
        }
    };
    let one = |past: &mut Past, call: u32| {
        let now_s = from_s + call * every;
        past.absorb(judge, now_s, &[sample(value(call))]).map(|episode| (now_s - from_s, episode))
    };
    (0..calls).filter_map(|call| one(past, call)).collect()
}

/// A key that has made a call a minute for ten days.
fn grown_up(judge: &Judge, usual: u64) -> Past {
    let mut past = Past::new(judge, 20_000 * DAY);
    assert_eq!(live(judge, &mut past, 20_000 * DAY, 10, 60, |_| usual), [], "steady calls");
    past
}

const LATER: u32 = 20_010 * DAY;

fn began(judge: &Judge, past: &mut Past, every: u32, value: u64) -> Option<u32> {
    let found = live(judge, past, LATER, 1, every, |_| value);
    found.first().map(|(after_s, _)| *after_s)
}

#[test]
fn what_stays_under_the_factor_never_fires_and_what_is_far_above_fires_soon() {
    for (watch, usual, every, value, fires_within) in [
        ("spend_rate", 1_000_000, 16, 1_000_000, None),
        ("spend_rate", 1_000_000, 6, 1_000_000, Some(180)),
        ("spend_rate", 1_000_000, 1, 1_000_000, Some(12)),
        ("spend_rate", 1_000_000, 30, 20_000_000, Some(300)),
        ("cost_per_call", 1_000_000, 60, 1_900_000, None),
        ("cost_per_call", 1_000_000, 60, 8_000_000, Some(180)),
        ("cost_per_token", 1_000_000, 60, 16_000_000, Some(60)),
        ("input_tokens", 900, 60, 4_000, Some(360)),
        ("error_rate", 0, 60, 1, Some(420)),
        ("repeated_share", 0, 60, 1, Some(3_060)),
    ] {
        let judge = judge(watch, "");
        let found = began(&judge, &mut grown_up(&judge, usual), every, value);
        match (found, fires_within) {
            (None, None) => {}
            (Some(after), Some(most)) => assert!(after <= most, "{watch} {every} {value}: {after}"),
            other => assert_eq!(other, (None, None), "{watch} {every} {value}"),
        }
    }
}

#[test]
fn what_has_begun_ends_after_the_cool_down_and_not_before() {
    let judge = judge("spend_rate", r#","cool_down":"10m""#);
    let mut past = grown_up(&judge, 1_000_000);
    let storm = |call: u32| if call < 60 { 1_000_000_000 } else { 1 };
    let found = live(&judge, &mut past, LATER, 1, 10, storm);
    let [(began, Episode::Began), (ended, Episode::Ended)] = found.as_slice() else { panic!("{found:?}") };
    assert!(*began < 60 && (1200..4000).contains(ended), "{found:?}");
}

#[test]
fn a_new_key_is_not_judged_before_two_days_of_it_are_known() {
    for watch in ["spend_rate", "cost_per_call", "input_tokens", "error_rate"] {
        let judge = judge(watch, "");
        let mut past = Past::new(&judge, LATER);
        let found = live(&judge, &mut past, LATER, 2, 60, |call| if call % 700 < 350 { 1 } else { 1 << 20 });
        assert_eq!(found, [], "{watch}");
    }
}

#[test]
fn a_key_goes_on_learning_however_long_it_was_quiet_and_a_late_worker_ends_no_day() {
    let judge = judge("cost_per_call", r#","learn":"1s""#);
    let call = [Size::of(1_000_000).into(); 50];
    let mut past = Past::new(&judge, LATER);
    for (after_s, days) in [(0, 0), (1, 1), (0, 1), (2, 2), (2 + 40_000, 3), (40_003, 4)] {
        past.absorb(&judge, LATER + after_s, &call);
        assert_eq!(past.days, days, "after {after_s} s");
    }
}

#[test]
fn a_key_whose_calls_differ_much_needs_more_to_stand_out() {
    let judge = judge("cost_per_call", "");
    let mut past = Past::new(&judge, 20_000 * DAY);
    let rough = |call: u32| if call.wrapping_mul(2_654_435_761) >> 28 < 2 { 100_000_000 } else { 1_000_000 };
    assert_eq!(live(&judge, &mut past, 20_000 * DAY, 10, 60, rough), []);
    let (even, odd) = (
        began(&judge, &mut grown_up(&judge, 1_000_000), 60, 8_000_000),
        began(&judge, &mut past, 60, 8_000_000),
    );
    assert!(even.is_some() && odd.is_none_or(|odd| Some(odd) > even), "{even:?} {odd:?}");
}

#[test]
fn a_share_of_calls_that_grows_with_the_overshoot_is_too_many() {
    let judge = judge("spend_rate", "");
    let mut past = grown_up(&judge, 1_000_000);
    let mut shares = Vec::new();
    for second in 0..120 {
        past.absorb(&judge, LATER + second, &[Size::of(1_000_000).into()]);
        shares.push(past.excess(&judge, LATER + second));
    }
    assert!(shares.is_sorted() && shares[0] == 0 && shares[119] > 128, "{shares:?}");
}

#[test]
fn a_march_is_told_of_at_its_fourth_call_where_it_is_not_usual_and_at_its_fifth_where_answers_are_short() {
    let judge = judge("steady_growth", "");
    let call = |input: u32, output: u32| u64::from(input << 12 | output);
    let any = |number: u32| {
        let mixed = number.wrapping_mul(2_654_435_761);
        call(100 + (mixed >> 16) % 5000, 1 + (mixed >> 4) % 300)
    };
    let job = |number: u32| call(100 + number % 60 * 70, 40);
    let [usual, mut marching] = [&any as &dyn Fn(u32) -> u64, &job].map(|value| {
        let mut past = Past::new(&judge, 20_000 * DAY);
        assert_eq!(live(&judge, &mut past, 20_000 * DAY, 10, 20, value), []);
        past
    });
    assert_eq!(live(&judge, &mut marching, LATER, 1, 20, job), [], "a job whose calls always do");
    for (output, after_s) in [(120, 60), (48, 60), (47, 80)] {
        let agent = |number: u32| call(900 + number * 412, output);
        let value = |number: u32| if number < 8 { agent(number) } else { any(number) };
        let found = live(&judge, &mut usual.clone(), LATER, 1, 20, value);
        let [(began, Episode::Began), (ended, Episode::Ended)] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert!(*began == after_s && (700..2000).contains(ended), "{output}: {found:?}");
    }
}

#[test]
fn spend_below_the_floor_is_let_be() {
    let judge = judge("spend_rate", r#","floor_usd_per_minute":"0.05""#);
    let mut past = grown_up(&judge, 1_000_000_000);
    assert_eq!(
        began(&judge, &mut past, 2, 1_000_000_000),
        None,
        "0.03 USD a minute, thirty times what is usual"
    );
    assert!(began(&judge, &mut past, 1, 2_000_000_000).is_some(), "0.12 USD a minute");
}

#[test]
fn stored_pasts_are_the_same_and_any_words_can_be_read() {
    for watch in ["spend_rate", "cost_per_call", "steady_growth"] {
        let judge = judge(watch, "");
        let past = grown_up(&judge, 1_000_000);
        let gauge = judge.watch.gauge();
        let mut words = vec![[0; 4]; Past::words(gauge)];
        past.write(&mut words);
        assert_eq!(Past::read(&judge, &words, LATER), past);
        assert_eq!(Past::read(&judge, &vec![[0; 4]; words.len()], LATER), Past::new(&judge, LATER));
    }
    assert_eq!(Past::words(Watch::SpendRate.gauge()) * 4 + 8, 248, "bytes a key, its place included");
    assert_eq!(Past::words(Watch::CostPerCall.gauge()) * 4 + 8, 48);
    assert_eq!(Past::words(Watch::SteadyGrowth.gauge()) * 4 + 8, 248);
}

proptest::proptest! {
    #[test]
    fn no_words_and_no_samples_break_it(
        words in proptest::collection::vec(proptest::array::uniform4(proptest::num::u8::ANY), 60),
        samples in proptest::collection::vec(proptest::num::u32::ANY, 0..20),
        now_s in proptest::num::u32::ANY,
    ) {
        let samples: Vec<Sample> = samples.into_iter().map(Sample).collect();
        for watch in ["spend_rate", "cost_per_call", "cost_per_token", "input_tokens", "error_rate", "untagged_share", "repeated_share", "steady_growth"] {
            let judge = judge(watch, "");
            let mut past = Past::read(&judge, &words, now_s);
            let _any = past.absorb(&judge, now_s, &samples);
            let _any = (past.excess(&judge, now_s), past.shown(&judge, now_s));
        }
    }
}
