use super::*;
use crate::render::csv;
use proptest::prelude::*;

fn call(team: &'static str, provider: &'static str, pico: i128) -> Row<'static> {
    let tags = if team == UNTAGGED { Vec::new() } else { vec![("team".into(), team.into())] };
    Row { tags, provider: provider.into(), usd: Some(PicoUsd::from_pico(pico)), ..Row::default() }
}

const USD: i128 = 1_000_000_000_000;

fn check(name: &str, rules: &str, expected: &str) {
    let mut allocate = Allocate::new(Rules::parse(rules).unwrap(), Lens::default(), Selection::default());
    for (team, provider, usd) in
        [("ads", "openai", 10), ("search", "openai", 20), ("search", "azure", 30), (UNTAGGED, "openai", 6)]
    {
        allocate.add(&call(team, provider, usd * USD));
    }
    let table = csv(&allocate.document().unwrap().sheets[0]).replace("\r\n", "\n");
    assert_eq!(table, expected, "{name}");
}

#[test]
fn each_rule_moves_or_names_money() {
    check(
        "showback",
        r#"{"by":"team"}"#,
        "team,metered_usd,total_usd\nsearch,50,50\nads,10,10\nuntagged,6,6\n",
    );
    check(
        "untagged by what the others pay",
        r#"{"by":"team","untagged":"proportional"}"#,
        "team,metered_usd,untagged_usd,total_usd\nsearch,50,5,55\nads,10,1,11\nuntagged,6,-6,0\n",
    );
    check(
        "untagged evenly, a shared cost by fixed parts, one of them without usage",
        r#"{"by":"team","untagged":"even","shared":[{"name":"platform","usd":"100","split":{"fixed":{"ads":"1","law":"3"}}}]}"#,
        "team,metered_usd,untagged_usd,platform_usd,total_usd\nlaw,0,2,75,77\nsearch,50,2,0,52\nads,10,2,25,37\nuntagged,6,-6,0,0\n",
    );
    check(
        "provisioned throughput instead of metered cost, a commitment missed by 4, credits",
        r#"{"by":"team","provisioned":[{"name":"ptu","usd":"45","where":["provider=azure"]}],
            "commitments":[{"name":"openai_commitment","usd":"40","where":["provider=openai"]}],
            "credits":[{"name":"credit","usd":"18","where":["provider=openai"]}]}"#,
        "team,metered_usd,ptu_usd,openai_commitment_usd,credit_usd,total_usd\n\
         search,50,15,2.222222222222,-10,57.222222222222\nads,10,0,1.111111111111,-5,6.111111111111\nuntagged,6,0,0.666666666667,-3,3.666666666667\n",
    );
    check(
        "capacity that nobody used stands where everybody sees it",
        r#"{"by":"team","provisioned":[{"name":"ptu","usd":"7","where":["provider=none"]}]}"#,
        "team,metered_usd,ptu_usd,total_usd\nsearch,50,0,50\nads,10,0,10\n(no usage),0,7,7\nuntagged,6,0,6\n",
    );
    check(
        "mark-up for one, and whole dollars that add up",
        r#"{"by":"team","untagged":"keep","markup":[{"for":["ads"],"percent":"5"},{"percent":"1"}],"round_to":"1"}"#,
        "team,metered_usd,markup_usd,rounding_usd,total_usd\nsearch,50,0.5,-0.5,50\nads,10,0.5,0.5,11\nuntagged,6,0.06,-0.06,6\n",
    );
}

#[test]
fn rules_that_cannot_be_are_refused() {
    for (json, expected) in [
        ("{}", "missing field `by`"),
        (r#"{"by":""}"#, "by: must not be empty"),
        (r#"{"by":"team","x":1}"#, "unknown field `x`"),
        (r#"{"by":"team","untagged":"odd"}"#, "unknown variant `odd`, expected one of `keep`"),
        (r#"{"by":"team","untagged":{"fixed":{"a":"0"}}}"#, "untagged.fixed: needs at least one part"),
        (
            r#"{"by":"team","credits":[{"name":"c","usd":"1","where":["x"]}]}"#,
            "credits[0].where[0]: `x` is no filter",
        ),
        (r#"{"by":"team","credits":[{"name":"c","usd":1}]}"#, "invalid type: "),
        (r#"{"by":"team","markup":[{"percent":"much"}]}"#, "markup[0].percent: "),
    ] {
        let error = Rules::parse(json).unwrap_err();
        assert!(error.starts_with(expected), "{json}: {error}");
    }
}

proptest! {
    #[test]
    fn whatever_the_rules_every_column_and_row_adds_up(
        calls in proptest::collection::vec((0..4_usize, 0..2_usize, 0_i128..(1 << 80)), 0..30),
        amounts in proptest::collection::vec(0_i128..(1 << 80), 4),
        splits in proptest::collection::vec(0..3_usize, 2),
        cents in 0..3_usize,
        percent in 0_i32..50,
    ) {
        let usd = |place: usize| PicoUsd::from_pico(amounts[place]).to_string();
        let split = |place: usize| [r#""proportional""#, r#""even""#, r#"{"fixed":{"a":"1","b":"2.5"}}"#][splits[place]];
        let round = ["", r#","round_to":"0.01""#, r#","round_to":"3""#][cents];
        let json = format!(
            r#"{{"by":"team","untagged":{},"shared":[{{"name":"s","usd":"{}","split":{}}}],
                "provisioned":[{{"name":"p","usd":"{}","where":["provider=x"]}}],
                "commitments":[{{"name":"c","usd":"{}","where":["provider=y"]}}],
                "credits":[{{"name":"k","usd":"{}"}}],"markup":[{{"percent":"{percent}"}}]{round}}}"#,
            split(0), usd(0), split(1), usd(1), usd(2), usd(3)
        );
        let mut allocate = Allocate::new(Rules::parse(&json).unwrap(), Lens::default(), Selection::default());
        let mut metered = 0_i128;
        for (team, provider, pico) in calls {
            metered += pico;
            allocate.add(&call(["a", "b", "c", UNTAGGED][team], ["x", "y"][provider], pico));
        }
        let groups: BTreeMap<_, _> = allocate.groups.iter().map(|((payer, bits), money)| ((payer.as_ref(), *bits), *money)).collect();
        let bill = Bill::of(&allocate.rules, &groups).unwrap();
        let total = PicoUsd::try_sum(bill.so_far().unwrap()).unwrap();
        prop_assert_eq!(total, bill.expected);
        let column = |name: &str| bill.columns.iter().find(|(known, _)| known == name).map(|(_, all)| PicoUsd::try_sum(all.iter().copied()).unwrap().pico());
        prop_assert_eq!(column("metered_usd"), Some(metered));
        prop_assert_eq!(column("s_usd"), Some(amounts[0]));
        prop_assert_eq!(column("untagged_usd").unwrap_or(0), 0);
        let unit = [0, USD / 100, 3 * USD][cents];
        if unit > 0 {
            prop_assert!(bill.so_far().unwrap().iter().all(|amount| amount.pico() % unit == 0));
            prop_assert!(column("rounding_usd").unwrap().abs() * 2 <= unit);
        }
    }
}
