//! Reading, printing and rounding of money.

use tollgate_pricing::{Factor, PicoUsd, PriceError, Quantity, Rate};

#[test]
fn amounts_are_read_and_printed_exactly() {
    let cases = [
        ("zero is plain", "0", 0, "0"),
        ("cents keep no trailing zeros", "12.50", 12_500_000_000_000, "12.5"),
        ("small amounts have no exponent", "0.0001234", 123_400_000, "0.0001234"),
        ("one pico-dollar is the smallest", "0.000000000001", 1, "0.000000000001"),
        ("amounts may be negative", "-0.5", -500_000_000_000, "-0.5"),
        ("zero has no sign", "-0", 0, "0"),
        ("leading zeros do not count", "007", 7_000_000_000_000, "7"),
        ("a large amount", "99999999999999999", 99_999_999_999_999_999_000_000_000_000, "99999999999999999"),
    ];
    for (name, text, pico, printed) in cases {
        let amount: PicoUsd = text.parse().unwrap();
        assert_eq!(amount.pico(), pico, "{name}");
        assert_eq!(amount.to_string(), printed, "{name}");
    }
}

#[test]
fn what_is_no_amount_is_refused() {
    let cases = [
        ("nothing", ""),
        ("a sign alone", "-"),
        ("a plus sign", "+1"),
        ("an exponent", "1e3"),
        ("spaces", " 1"),
        ("no digit before the point", ".5"),
        ("no digit after the point", "5."),
        ("two points", "1.2.3"),
        ("a thousands separator", "1,000"),
        ("other digits", "١"),
        ("words", "NaN"),
        ("more than 12 decimals", "0.0000000000001"),
        ("more than an integer of 128 bits", "999999999999999999999999999999"),
    ];
    for (name, text) in cases {
        assert!(text.parse::<PicoUsd>().is_err(), "{name}");
    }
}

#[test]
fn sums_do_not_wrap() {
    let most = PicoUsd::from_pico(i128::MAX);
    let one = PicoUsd::from_pico(1);
    assert_eq!(most.checked_add(one), None);
    assert_eq!(PicoUsd::from_pico(i128::MIN).checked_sub(one), None);
    assert_eq!(PicoUsd::from_pico(i128::MIN).checked_neg(), None);
    assert_eq!(PicoUsd::try_sum([most, one]), None);
    assert_eq!(PicoUsd::try_sum([one, one]), Some(PicoUsd::from_pico(2)));
}

#[test]
fn nanos_are_split_off_downwards() {
    let cases = [(0, 0, 0), (999, 0, 999), (1000, 1, 0), (1501, 1, 501), (-1, -1, 999), (-1000, -1, 0)];
    for (pico, nanos, rest) in cases {
        assert_eq!(PicoUsd::from_pico(pico).split_nanos(), (nanos, rest), "{pico}");
    }
}

#[test]
fn rates_are_exact_fractions() {
    let cases = [
        ("a price per million tokens", "2.50", 1_000_000, 2_500_000, 1),
        ("a price per hour does not fit whole pico-dollars", "0.04", 3600, 100_000_000, 9),
        ("a price finer than a pico-dollar is kept", "0.0000000000001", 1, 1, 10),
        ("no price", "0", 1_000_000, 0, 1),
    ];
    for (name, usd, per, pico, down) in cases {
        let rate = Rate::from_usd_per(usd, per).unwrap();
        assert_eq!((rate.pico(), rate.per().get()), (pico, down), "{name}");
    }
}

#[test]
fn impossible_rates_are_refused() {
    assert_eq!(Rate::from_usd_per("-1", 1), Err(PriceError::Negative("-1".into())));
    assert_eq!(Rate::from_usd_per("1", 0), Err(PriceError::TooLarge("1".into())));
    assert_eq!(Rate::from_usd_per("99999999999", 1), Err(PriceError::TooLarge("99999999999".into())));
    assert_eq!(Rate::from_usd_per("1e3", 1), Err(PriceError::Decimal("1e3".into())));
}

#[test]
fn factors_are_exact_fractions() {
    let cases = [("-12.5", 7, 8), ("0", 1, 1), ("10", 11, 10), ("-100", 0, 1), ("0.01", 10_001, 10_000)];
    for (percent, up, down) in cases {
        let factor = Factor::from_percent(percent).unwrap();
        assert_eq!((factor.up(), factor.down().get()), (up, down), "{percent}");
    }
    assert_eq!(Factor::from_percent("-100.01"), Err(PriceError::Negative("-100.01".into())));
    assert_eq!(Factor::from_decimal("1.1"), Factor::from_percent("10"));
    assert!(Factor::from_decimal("-1").is_err());
}

#[test]
fn quantities_print_as_decimals() {
    for (micros, printed) in [(12_500_000, "12.5"), (2_000_000, "2"), (1, "0.000001"), (0, "0")] {
        assert_eq!(Quantity::from_micros(micros).to_string(), printed);
    }
    assert_eq!(Quantity::from_micros(2_000_000).whole(), Some(2));
    assert_eq!(Quantity::from_micros(2_500_000).whole(), None);
    assert_eq!(Quantity::from_whole(u64::MAX), None);
}
