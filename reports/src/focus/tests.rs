use super::*;
use crate::csv_in::CsvTable;
use tollgate_record::{CostStatus, Tokens};

fn usd(text: &str) -> PicoUsd {
    text.parse().unwrap()
}

/// 1,200 input tokens, 1,000 of them cached, 300 output tokens, 100 of them reasoning without a price of its own.
fn call() -> Row<'static> {
    Row {
        time: "2026-10-31T23:59:59Z".parse().unwrap(),
        operation: "chat".into(),
        provider: "openai".into(),
        response_model: Some("gpt-4.1".into()),
        tokens: Tokens {
            input: Some(1200),
            cache_read: Some(1000),
            output: Some(300),
            reasoning: Some(100),
            ..Tokens::default()
        },
        status: CostStatus::Priced,
        usd: Some(usd("0.0033")),
        list_usd: Some(usd("0.0033")),
        lines: vec![
            ("input".into(), usd("0.0004")),
            ("cache_read".into(), usd("0.0005")),
            ("output".into(), usd("0.0024")),
        ],
        tags: vec![("team".into(), "a \"b\"".into()), ("workflow".into(), "w".into())],
        ..Row::default()
    }
}

fn export(rows: &[Row<'_>]) -> (Focus, CsvTable) {
    let mut focus = Focus::new(vec!["team".into()], Lens::default(), Selection::default());
    rows.iter().for_each(|row| focus.add(row));
    let account = Account { id: "acme".into(), name: "Acme".into(), sub_account: "team".into() };
    let mut out = Vec::new();
    focus.csv(&account, &mut out).unwrap();
    let table = CsvTable::parse(std::str::from_utf8(&out).unwrap()).unwrap();
    (focus, table)
}

fn column<'a>(table: &'a CsvTable, name: &str) -> Vec<&'a str> {
    let place = table.column(&[name]).unwrap();
    table.rows().map(|row| row.get(place)).collect()
}

#[test]
fn each_line_of_a_cost_is_a_charge() {
    let (focus, table) = export(&[call(), call()]);
    assert_eq!(column(&table, "SkuMeter"), ["Cache Read Tokens", "Input Tokens", "Output Tokens"]);
    assert_eq!(column(&table, "ConsumedQuantity"), ["2000.0", "400.0", "600.0"]);
    assert_eq!(column(&table, "ListUnitPrice"), ["0.0000005", "0.000002", "0.000008"]);
    assert_eq!(column(&table, "BilledCost"), ["0.001", "0.0008", "0.0048"]);
    assert_eq!(column(&table, "x_CallCount"), ["2", "2", "2"]);
    assert_eq!(column(&table, "ChargePeriodStart")[0], "2026-10-31T00:00:00Z");
    assert_eq!(column(&table, "BillingPeriodEnd")[0], "2026-11-01T00:00:00Z");
    assert_eq!(column(&table, "Tags")[0], r#"{"team":"a \"b\""}"#);
    assert_eq!(focus.billed(), Some(usd("0.0066")));
}

#[test]
fn discounts_prices_that_differ_and_unknown_costs_keep_their_sums() {
    let discounted = Row {
        usd: Some(usd("0.00297")),
        lines: vec![
            ("input".into(), usd("0.00036")),
            ("cache_read".into(), usd("0.00045")),
            ("output".into(), usd("0.00216")),
        ],
        ..call()
    };
    let searched = Row {
        usd: Some(usd("0.02")),
        list_usd: None,
        lines: vec![("web_search".into(), usd("0.02"))],
        units: vec![("web_search".into(), "2".into())],
        tags: Vec::new(),
        ..call()
    };
    let unknown =
        Row { status: CostStatus::UnknownModel, usd: None, list_usd: None, lines: Vec::new(), ..call() };
    let reported = Row {
        status: CostStatus::Reported,
        usd: Some(usd("0.01")),
        list_usd: None,
        lines: Vec::new(),
        ..call()
    };
    let all = [call(), discounted, searched, unknown, reported];
    let (focus, table) = export(&all);
    let sum = |name: &str| PicoUsd::try_sum(column(&table, name).iter().map(|text| usd(text))).unwrap();
    assert_eq!((focus.unknown, focus.billed()), (1, Some(usd("0.03627"))));
    assert_eq!((sum("BilledCost"), sum("ListCost")), (usd("0.03627"), usd("0.0366")));
    let meters = column(&table, "SkuMeter");
    let place = meters.iter().position(|meter| *meter == "Web Search").unwrap();
    assert_eq!(
        (column(&table, "ConsumedQuantity")[place], column(&table, "ConsumedUnit")[place]),
        ("2.0", "Units")
    );
    assert_eq!(column(&table, "Tags")[place], "");
}
