//! What holds for every price, tried on random ones.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test may panic, and its figures are small"
)]

use proptest::prelude::*;
use tollgate_pricing::{
    CardBuilder, Factor, PicoUsd, Prices, Quote, Rate, Situation, TokenKind, Usage, catalogue, quote,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn amounts_print_what_they_read(pico in any::<i64>()) {
        let amount = PicoUsd::from_pico(i128::from(pico));
        prop_assert_eq!(amount.to_string().parse::<PicoUsd>(), Ok(amount));
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in ".{0,40}") {
        let _ = text.parse::<PicoUsd>();
        let _ = Rate::from_usd_per(&text, 1);
        let _ = Factor::from_percent(&text);
        let _ = catalogue().find("openai", &text);
        let _ = catalogue().find("aws.bedrock", &text);
        let _ = catalogue().find(&text, "gpt-4o");
    }

    #[test]
    fn nanos_and_rest_are_the_amount(pico in any::<i64>()) {
        let (nanos, rest) = PicoUsd::from_pico(i128::from(pico)).split_nanos();
        prop_assert_eq!(nanos * 1000 + rest, i128::from(pico));
        prop_assert!((0..1000).contains(&rest));
    }

    #[test]
    fn lines_add_up(usage in usages(), model in models(), factor in factors()) {
        let quote = price(model, &usage, &[factor]);
        prop_assert_eq!(PicoUsd::try_sum(quote.lines.iter().map(|line| line.amount)), Some(quote.total));
        prop_assert_eq!(PicoUsd::try_sum(quote.lines.iter().map(|line| line.list)), Some(quote.list));
    }

    #[test]
    fn one_more_token_never_costs_less(usage in usages(), model in models(), kind in kinds()) {
        let mut more = usage;
        more.tokens.add(kind, 1).unwrap();
        prop_assert!(price(model, &more, &[]).total >= price(model, &usage, &[]).total);
    }

    #[test]
    fn adjusting_by_nothing_changes_nothing(usage in usages(), model in models()) {
        let same = Factor::from_percent("0").unwrap();
        prop_assert_eq!(price(model, &usage, &[same, same]), price(model, &usage, &[]));
    }

    #[test]
    fn a_discount_never_costs_more(usage in usages(), model in models(), percent in 0u32..=100) {
        let factor = Factor::from_percent(&format!("-{percent}")).unwrap();
        let quote = price(model, &usage, &[factor]);
        prop_assert!(quote.total <= quote.list);
    }

    #[test]
    fn higher_tiers_never_make_a_larger_call_cheaper(
        start in 1u64..1_000_000, base in 1u32..1000, more in 0u32..1000, input in 0u64..2_000_000,
    ) {
        let prices = Prices::new().rate("input", &base.to_string()).unwrap();
        let prices = prices.rate_above(start, "input", &(base + more).to_string()).unwrap();
        let card = CardBuilder::new().list(prices).build().unwrap();
        let cost = |input| {
            let mut usage = Usage::default();
            usage.tokens.set(TokenKind::Input, input);
            quote(&card.card(), &usage, &Situation::default(), &[]).unwrap().total
        };
        prop_assert!(cost(input) <= cost(input + 1));
        prop_assert_eq!(cost(start + 1).pico(), i128::from(start + 1) * i128::from(base + more) * 1_000_000);
    }

    #[test]
    fn rounding_is_half_to_even(count in 0u64..1_000_000, up in 1u64..1000, down in 1u64..1000) {
        let usd = "0.000001";
        let prices = Prices::new().rate("input", usd).unwrap();
        let card = CardBuilder::new().list(prices).build().unwrap();
        let mut usage = Usage::default();
        usage.tokens.set(TokenKind::Input, count);
        let factor = Factor::new(up, down.try_into().unwrap());
        let ours = quote(&card.card(), &usage, &Situation::default(), &[factor]).unwrap().total.pico();
        // The exact value is count * up / down; twice its distance to ours is at most one.
        let twice = 2 * (ours * i128::from(down) - i128::from(count) * i128::from(up)).abs();
        prop_assert!(twice <= i128::from(down));
        prop_assert!(twice < i128::from(down) || ours % 2 == 0);
    }
}

fn price(model: (&str, &str), usage: &Usage, adjustments: &[Factor]) -> Quote {
    let found = catalogue().find(model.0, model.1).unwrap();
    quote(&found.card, usage, &Situation { time_unix_s: 1_795_176_000, ..Situation::default() }, adjustments)
        .unwrap()
}

fn kinds() -> impl Strategy<Value = TokenKind> {
    prop::sample::select(TokenKind::ALL.to_vec())
}

fn usages() -> impl Strategy<Value = Usage> {
    prop::collection::vec((kinds(), 0u64..10_000_000), 0..8).prop_map(|counts| {
        let mut usage = Usage::default();
        counts.into_iter().for_each(|(kind, count)| usage.tokens.set(kind, count));
        usage
    })
}

fn models() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop::sample::select(vec![
        ("openai", "gpt-4o"),
        ("openai", "gpt-5-2025-08-07"),
        ("anthropic", "claude-sonnet-4-5"),
        ("gcp.gemini", "gemini-2.5-pro"),
        ("x_ai", "grok-4.3"),
        ("aws.bedrock", "amazon.nova-pro-v1:0"),
    ])
}

fn factors() -> impl Strategy<Value = Factor> {
    (1u64..10_000, 1u64..10_000).prop_map(|(up, down)| Factor::new(up, down.try_into().unwrap()))
}
