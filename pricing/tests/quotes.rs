//! Quotes from hand-made cards, one rule each.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test may panic, and its figures are small"
)]

use tollgate_pricing::{
    CardBuilder, Factor, OwnCard, PriceError, Prices, Quantity, Quote, QuoteError, Situation, TokenKind,
    UnitKind, Usage, quote,
};

/// 2026-11-20T12:00:00Z.
const NOON_S: i64 = 1_795_176_000;
const HOUR_S: i64 = 3600;

struct Case {
    name: &'static str,
    card: CardBuilder,
    usage: Usage,
    situation: Situation<'static>,
    adjustments: Vec<Factor>,
    /// `name amount` of each line, then `unpriced name`.
    expected: &'static [&'static str],
    total: &'static str,
}

#[test]
fn usage_is_priced_by_the_card() {
    for case in cases() {
        check(&case);
    }
}

fn check(case: &Case) {
    let card = case.card.build().unwrap();
    let quote = quote(&card.card(), &case.usage, &case.situation, &case.adjustments).unwrap();
    assert_eq!(lines(&quote), case.expected, "{}", case.name);
    assert_eq!(quote.total.to_string(), case.total, "{}", case.name);
}

fn lines(quote: &Quote) -> Vec<String> {
    let lines = quote.lines.iter().map(|line| format!("{} {}", line.name, line.amount));
    lines.chain(quote.unpriced.iter().map(|name| format!("unpriced {name}"))).collect()
}

fn cases() -> Vec<Case> {
    [tokens(), tiers(), situations(), times(), units(), adjusted()].into_iter().flatten().collect()
}

fn tokens() -> Vec<Case> {
    let basic = || card(&[("input", "2.50"), ("cache_read", "1.25"), ("output", "10")]);
    vec![
        Case {
            usage: usage(&[(TokenKind::Input, 200), (TokenKind::CacheRead, 1000), (TokenKind::Output, 300)]),
            expected: &["input 0.0005", "cache_read 0.00125", "output 0.003"],
            total: "0.00475",
            ..case("each class costs its own rate", basic())
        },
        Case { total: "0", ..case("nothing used costs nothing", basic()) },
        Case {
            usage: usage(&[
                (TokenKind::Input, 10),
                (TokenKind::CacheWrite1h, 10),
                (TokenKind::InputAudio, 20),
            ]),
            expected: &["input 0.0001"],
            total: "0.0001",
            ..case("a class without a rate is billed at its parent's, on one line", basic())
        },
        Case {
            usage: usage(&[(TokenKind::CacheReadAudio, 8), (TokenKind::Reasoning, 5)]),
            expected: &["cache_read 0.00001", "output 0.00005"],
            total: "0.00006",
            ..case("cached audio falls to the cache rate, reasoning to output", basic())
        },
        Case {
            usage: usage(&[(TokenKind::CacheReadAudio, 8)]),
            expected: &["input_audio 0.00008"],
            total: "0.00008",
            ..case(
                "cached audio without a cache rate costs what audio costs",
                card(&[("input", "1"), ("input_audio", "10")]),
            )
        },
        Case {
            usage: usage(&[(TokenKind::CacheWrite, 4), (TokenKind::CacheWrite1h, 4)]),
            expected: &["cache_write 0.000015", "cache_write_1h 0.000024"],
            total: "0.000039",
            ..case(
                "cache writes of an hour have a rate of their own",
                card(&[("input", "3"), ("cache_write", "3.75"), ("cache_write_1h", "6")]),
            )
        },
        Case {
            usage: usage(&[(TokenKind::Input, 10), (TokenKind::Output, 10)]),
            expected: &["input 0.00001", "unpriced output"],
            total: "0.00001",
            ..case("a class without any rate is named, not free", card(&[("input", "1")]))
        },
        Case {
            usage: usage(&[(TokenKind::Output, 10)]),
            expected: &["output 0"],
            total: "0",
            ..case("a rate of zero is a price", card(&[("input", "1"), ("output", "0")]))
        },
    ]
}

fn tiers() -> Vec<Case> {
    let tiered = || {
        let prices = prices(&[("input", "1"), ("output", "2")]);
        let prices = prices.rate_above(200_000, "input", "3").unwrap();
        let prices = prices.rate_above(200_000, "output", "4").unwrap();
        CardBuilder::new().list(prices.rate_above(500_000, "input", "5").unwrap())
    };
    vec![
        Case {
            usage: usage(&[(TokenKind::Input, 200_000), (TokenKind::Output, 10)]),
            expected: &["input 0.2", "output 0.00002"],
            total: "0.20002",
            ..case("the start of a tier is still below it", tiered())
        },
        Case {
            usage: usage(&[(TokenKind::Input, 200_001), (TokenKind::Output, 10)]),
            expected: &["input 0.600003", "output 0.00004"],
            total: "0.600043",
            ..case("one token more reprices the whole call", tiered())
        },
        Case {
            usage: usage(&[(TokenKind::Input, 1), (TokenKind::CacheRead, 200_000)]),
            expected: &["input 0.600003"],
            total: "0.600003",
            ..case("cached tokens count towards the tier", tiered())
        },
        Case {
            usage: usage(&[(TokenKind::Input, 500_001), (TokenKind::Output, 10)]),
            expected: &["input 2.500005", "output 0.00004"],
            total: "2.500045",
            ..case("the highest tier that is passed counts, class by class", tiered())
        },
        Case {
            usage: usage(&[(TokenKind::Input, 10), (TokenKind::Output, 300_000)]),
            expected: &["input 0.00001", "output 0.6"],
            total: "0.60001",
            ..case("output does not count towards the tier", tiered())
        },
        Case {
            usage: usage(&[(TokenKind::Input, 300_000)]),
            situation: Situation { service_tier: Some("flex"), ..noon() },
            expected: &["input 0.15"],
            total: "0.15",
            ..case(
                "a flat rate of a service tier has no context tiers",
                tiered().variant(when("service_tier", "flex", &[("input", "0.5")])),
            )
        },
    ]
}

fn situations() -> Vec<Case> {
    let tiers = || {
        let list = card(&[("input", "2"), ("cache_read", "1"), ("output", "4")]);
        let list = list.variant(when("service_tier", "flex", &[("input", "1"), ("output", "2")]));
        list.variant(when("service_tier", "priority", &[("input", "4")]))
    };
    let used = usage(&[(TokenKind::Input, 10), (TokenKind::CacheRead, 10), (TokenKind::Output, 10)]);
    let in_tier = |name, tier: Option<&'static str>, expected, total| Case {
        usage: used,
        situation: Situation { service_tier: tier, ..noon() },
        expected,
        total,
        ..case(name, tiers())
    };
    let list: &[&str] = &["input 0.00002", "cache_read 0.00001", "output 0.00004"];
    let uplifted =
        || card(&[("input", "1"), ("web_search", "0.01")]).uplift(factor("1.1"), when("region", "us", &[]));
    let elsewhere = || card(&[("input", "1")]).uplift(factor("1.1"), when("region", "!global", &[]));
    let search = with_units(usage(&[(TokenKind::Input, 10)]), UnitKind::WebSearch, 1_000_000);
    vec![
        in_tier("no tier costs the list", None, list, "0.00007"),
        in_tier("the default tier is no surcharge", Some("default"), list, "0.00007"),
        in_tier("on-demand is no surcharge", Some("on_demand"), list, "0.00007"),
        in_tier("an unknown tier costs the list", Some("provisioned"), list, "0.00007"),
        in_tier(
            "flex replaces what it names, the cache keeps the list's rate",
            Some("flex"),
            &["input 0.00001", "cache_read 0.00001", "output 0.00002"],
            "0.00004",
        ),
        in_tier(
            "a tier is the same in Vertex's spelling",
            Some("ON_DEMAND_FLEX"),
            &["input 0.00001", "cache_read 0.00001", "output 0.00002"],
            "0.00004",
        ),
        in_tier(
            "priority costs more",
            Some("priority"),
            &["input 0.00004", "cache_read 0.00001", "output 0.00004"],
            "0.00009",
        ),
        Case {
            usage: search,
            situation: Situation { region: Some("us"), ..noon() },
            expected: &["input 0.000011", "web_search 0.01"],
            total: "0.010011",
            ..case("a region's uplift is on tokens, not on tools", uplifted())
        },
        Case {
            usage: search,
            expected: &["input 0.00001", "web_search 0.01"],
            total: "0.01001",
            ..case("without a known region there is no uplift", uplifted())
        },
        Case {
            usage: usage(&[(TokenKind::Input, 10)]),
            situation: Situation { region: Some("not_available"), ..noon() },
            expected: &["input 0.00001"],
            total: "0.00001",
            ..case("a region that is not told is not known", elsewhere())
        },
        Case {
            usage: usage(&[(TokenKind::Input, 10)]),
            situation: Situation { region: Some("europe-west4"), ..noon() },
            expected: &["input 0.000011"],
            total: "0.000011",
            ..case("an uplift may count everywhere but in one region", elsewhere())
        },
    ]
}

fn times() -> Vec<Case> {
    let used = usage(&[(TokenKind::Input, 1_000_000)]);
    let at = |name, card, hours: i64, total| Case {
        usage: used,
        situation: Situation { time_unix_s: NOON_S + hours * HOUR_S, ..noon() },
        expected: if total == "1" { &["input 1"] } else { &["input 2"] },
        total,
        ..case(name, card)
    };
    let two = || prices(&[("input", "2")]);
    let dated = || card(&[("input", "1")]).list(two().between(NOON_S, NOON_S + HOUR_S).unwrap());
    let night = || card(&[("input", "1")]).list(two().daily(22 * 3600, 2 * 3600).unwrap());
    let weekdays =
        || card(&[("input", "1")]).list(two().weekdays(&["mon", "tue", "wed", "thu", "fri"]).unwrap());
    vec![
        at("on a Friday, a price for weekdays", weekdays(), 11, "2"),
        at("not on a Saturday", weekdays(), 12, "1"),
        at("nor on a Sunday", weekdays(), 59, "1"),
        at("on a Monday again", weekdays(), 60, "2"),
        at("on the first day of 1970, a Thursday", weekdays(), -(NOON_S / HOUR_S), "2"),
        at("on the last Sunday before it", weekdays(), -(NOON_S / HOUR_S) - 73, "1"),
        at("before its start a price does not count", dated(), -1, "1"),
        at("at its start it does", dated(), 0, "2"),
        at("at its end it no longer does", dated(), 1, "1"),
        at("before a window that runs over midnight", night(), 9, "1"),
        at("at its start", night(), 10, "2"),
        at("after midnight", night(), 13, "2"),
        at("at its end", night(), 14, "1"),
        at("before 1970 too", night(), -(NOON_S / HOUR_S) - 1, "2"),
    ]
}

#[test]
fn a_card_says_whether_its_prices_change_on_a_day_that_is_known() {
    let two = || prices(&[("input", "2")]);
    let always = card(&[("input", "1")]);
    let night = card(&[("input", "1")]).list(two().daily(22 * 3600, 2 * 3600).unwrap());
    let dated = card(&[("input", "1")]).list(two().between(NOON_S, i64::MAX).unwrap());
    let ending = card(&[("input", "1")]).variant(two().between(i64::MIN, NOON_S).unwrap());
    for (name, card, at_s, changes) in [
        ("one price", &always, NOON_S, false),
        ("every night is no change", &night, NOON_S, false),
        ("a price to come", &dated, NOON_S - 1, true),
        ("a price that has come", &dated, NOON_S, false),
        ("a price that ends", &ending, NOON_S - 1, true),
        ("a price that has ended", &ending, NOON_S, false),
    ] {
        assert_eq!(card.build().unwrap().card().changes_after(at_s), changes, "{name}");
    }
}

fn units() -> Vec<Case> {
    let one = |kind, micros| with_units(Usage::default(), kind, micros);
    let token = usage(&[(TokenKind::Input, 10)]);
    vec![
        Case {
            usage: with_units(
                usage(&[(TokenKind::Input, 10), (TokenKind::InputAudio, 375)]),
                UnitKind::AudioSeconds,
                30_000_000,
            ),
            expected: &["input 0.00001", "audio_seconds 0.003"],
            total: "0.00301",
            ..case(
                "audio that is billed by the second is not billed by its tokens, too",
                card(&[("input", "1"), ("audio_seconds", "0.0001")]),
            )
        },
        Case {
            usage: with_units(usage(&[(TokenKind::InputAudio, 375)]), UnitKind::AudioSeconds, 30_000_000),
            expected: &["input_audio 0.00075", "audio_seconds 0.003"],
            total: "0.00375",
            ..case(
                "unless its tokens have a rate of their own",
                card(&[("input", "1"), ("input_audio", "2"), ("audio_seconds", "0.0001")]),
            )
        },
        Case {
            usage: one(UnitKind::AudioSeconds, 12_500_000),
            expected: &["audio_seconds 0.00125"],
            total: "0.00125",
            ..case("seconds come in fractions", card(&[("audio_seconds", "0.0001")]))
        },
        Case {
            usage: token,
            expected: &["input 0.00001", "requests 0.005"],
            total: "0.00501",
            ..case("a call is one request", card(&[("input", "1"), ("requests", "0.005")]))
        },
        Case {
            usage: with_units(token, UnitKind::WebSearch, 2_000_000),
            expected: &["input 0.00001", "unpriced web_search"],
            total: "0.00001",
            ..case("a search without a rate is named", card(&[("input", "1")]))
        },
        Case {
            usage: with_units(token, UnitKind::AudioSeconds, 2_000_000),
            expected: &["input 0.00001"],
            total: "0.00001",
            ..case(
                "seconds of what was billed by the token are no second thing to bill",
                card(&[("input", "1")]),
            )
        },
        Case {
            usage: one(UnitKind::AudioSeconds, 2_000_000),
            expected: &["unpriced audio_seconds"],
            total: "0",
            ..case("seconds that nothing bills are named", card(&[("input", "1")]))
        },
        Case {
            usage: one(UnitKind::WebSearch, 0),
            total: "0",
            ..case("a reported zero needs no rate", card(&[("input", "1")]))
        },
        Case {
            usage: one(UnitKind::Images, 3_000_000),
            situation: Situation { image_size: Some("1024x1024"), image_quality: Some("hd"), ..noon() },
            expected: &["images 0.24"],
            total: "0.24",
            ..case("images cost by size and quality", {
                let hd = when("image_quality", "hd", &[("images", "0.08")])
                    .when("image_size", "1024x1024")
                    .unwrap();
                card(&[("images", "0.04")]).variant(hd)
            })
        },
    ]
}

fn adjusted() -> Vec<Case> {
    let half = || card(&[("input", "0.000001")]);
    vec![
        Case {
            usage: usage(&[(TokenKind::Input, 1_000_000), (TokenKind::Output, 1_000_000)]),
            adjustments: vec![factor("0.875"), factor("1.1")],
            expected: &["input 0.9625", "output 1.925"],
            total: "2.8875",
            ..case("adjustments multiply, one after the other", card(&[("input", "1"), ("output", "2")]))
        },
        Case {
            usage: usage(&[(TokenKind::Input, 1)]),
            adjustments: vec![factor("0.5")],
            expected: &["input 0"],
            total: "0",
            ..case("half a pico-dollar is rounded to the even zero", half())
        },
        Case {
            usage: usage(&[(TokenKind::Input, 3)]),
            adjustments: vec![factor("0.5")],
            expected: &["input 0.000000000002"],
            total: "0.000000000002",
            ..case("one and a half is rounded to the even two", half())
        },
        Case {
            usage: usage(&[(TokenKind::Input, 5)]),
            adjustments: vec![factor("0.5")],
            expected: &["input 0.000000000002"],
            total: "0.000000000002",
            ..case("two and a half is rounded to the even two", half())
        },
        Case {
            usage: usage(&[(TokenKind::Input, 3)]),
            adjustments: vec![factor("0.5"), factor("0.5"), factor("2")],
            expected: &["input 0.000000000002"],
            total: "0.000000000002",
            ..case("a line is rounded once, after all adjustments", half())
        },
    ]
}

#[test]
fn the_list_price_stands_beside_the_adjusted_one() {
    let card = card(&[("input", "1")]).build().unwrap();
    let used = usage(&[(TokenKind::Input, 1_000_000)]);
    let quote = quote(&card.card(), &used, &noon(), &[factor("0.5")]).unwrap();
    assert_eq!((quote.list.to_string(), quote.total.to_string()), ("1".into(), "0.5".into()));
}

#[test]
fn a_free_model_costs_nothing_whatever_was_used() {
    let card = OwnCard::free().unwrap();
    let used = with_units(usage(&[(TokenKind::Output, u64::MAX)]), UnitKind::WebSearch, 1);
    assert_eq!(quote(&card.card(), &used, &noon(), &[]), Ok(Quote::default()));
}

#[test]
fn overflow_is_an_error() {
    let card = card(&[("input", "10000000"), ("output", "10000000")]).build().unwrap();
    let both = usage(&[(TokenKind::Input, u64::MAX), (TokenKind::CacheRead, 1)]);
    assert_eq!(quote(&card.card(), &both, &noon(), &[]), Err(QuoteError::Overflow("input")));
    let most = usage(&[(TokenKind::Output, u64::MAX)]);
    let more = [factor("1000000"), factor("1000000")];
    assert_eq!(quote(&card.card(), &most, &noon(), &more), Err(QuoteError::Overflow("output")));
}

#[test]
fn cards_that_contradict_themselves_are_refused() {
    let twice = card_of(prices(&[("input", "1"), ("input", "2")])).build();
    assert_eq!(twice.err(), Some(PriceError::Duplicate("input above 0".into())));
    assert_eq!(Prices::new().rate("inputs", "1").err(), Some(PriceError::UnknownClass("inputs".into())));
    assert_eq!(Prices::new().rate("input", "-1").err(), Some(PriceError::Negative("-1".into())));
    assert_eq!(Prices::new().when("tier", "x").err(), Some(PriceError::UnknownDimension("tier".into())));
    assert!(Prices::new().between(5, 5).is_err());
    assert!(Prices::new().daily(90_000, 0).is_err());
    assert!(Prices::new().weekdays(&["Monday"]).is_err());
}

fn case(name: &'static str, card: CardBuilder) -> Case {
    let (usage, situation) = (Usage::default(), noon());
    Case { name, card, usage, situation, adjustments: Vec::new(), expected: &[], total: "0" }
}

fn noon() -> Situation<'static> {
    Situation { time_unix_s: NOON_S, ..Situation::default() }
}

fn card(rates: &[(&str, &str)]) -> CardBuilder {
    card_of(prices(rates))
}

fn card_of(prices: Prices) -> CardBuilder {
    CardBuilder::new().list(prices)
}

fn prices(rates: &[(&str, &str)]) -> Prices {
    rates.iter().fold(Prices::new(), |prices, (class, usd)| prices.rate(class, usd).unwrap())
}

fn when(dimension: &str, value: &str, rates: &[(&str, &str)]) -> Prices {
    prices(rates).when(dimension, value).unwrap()
}

fn factor(text: &str) -> Factor {
    Factor::from_decimal(text).unwrap()
}

fn usage(counts: &[(TokenKind, u64)]) -> Usage {
    let mut usage = Usage::default();
    counts.iter().for_each(|(kind, count)| usage.tokens.set(*kind, *count));
    usage
}

fn with_units(mut usage: Usage, kind: UnitKind, micros: u64) -> Usage {
    usage.units.set(kind, Quantity::from_micros(micros));
    usage
}
