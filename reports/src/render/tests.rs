use super::*;
use crate::sheet::{Chart, Document, Sheet};

fn document() -> Document {
    let mut sheet = Sheet::new("feature", "By feature").texts(["feature"]).numbers([
        "calls",
        "cost_usd",
        "share_percent",
    ]);
    let row = |name: &str, calls, usd: &str, share| {
        vec![name.into(), Cell::Count(calls), Cell::usd(usd.parse().ok()), Cell::permille(share)]
    };
    sheet.rows.push(row("answers", 1_234_567, "12.3456785", Some(987)));
    sheet.rows.push(row("<b>,\"x\"\u{7}", 1, "0.000000000001", None));
    sheet.rows.push(row("=SUM(A1)", -1, "-3", Some(-5)));
    sheet.total = Some(row("all", 1_234_567, "9.345678500001", Some(1000)));
    Document {
        title: "Spend".into(),
        facts: vec!["a fact".into()],
        sheets: vec![sheet.drawn(Chart::Bars(2))],
        notes: vec!["a note".into()],
    }
}

#[test]
fn people_get_aligned_tables() {
    let expected = "Spend\n  a fact\n\nBy feature\n  \
        feature       calls        cost_usd  share_percent\n  \
        answers   1,234,567       12.345679         98.7 %\n  \
        <b>,\"x\"\u{fffd}          1  0.000000000001              -\n  \
        ... and 1 more rows\n  \
        --------  ---------  --------------  -------------\n  \
        all       1,234,567        9.345679        100.0 %\n\n\
        note: a note\n";
    let got = text(&document(), Width { rows: 2 });
    assert_eq!(
        got.lines().map(str::trim_end).collect::<Vec<_>>(),
        expected.lines().map(str::trim_end).collect::<Vec<_>>(),
        "{got}"
    );
}

#[test]
fn machines_get_exact_numbers() {
    let expected = "feature,calls,cost_usd,share_percent\r\nanswers,1234567,12.3456785,98.7\r\n\
        \"<b>,\"\"x\"\"\u{7}\",1,0.000000000001,\r\n'=SUM(A1),-1,-3,-0.5\r\n";
    assert_eq!(csv(&document().sheets[0]), expected);
    let json: serde_json::Value = serde_json::from_str(&json(&document())).unwrap();
    assert_eq!(json["sheets"]["feature"][0]["cost_usd"], "12.3456785");
    assert_eq!(json["sheets"]["feature"][0]["calls"], 1_234_567);
    assert_eq!(json["sheets"]["feature"][1]["share_percent"], serde_json::Value::Null);
    assert_eq!(json["sheets"]["feature"][2]["share_percent"], -0.5);
}

#[test]
fn a_page_needs_nothing_else_and_values_stay_text() {
    let page = html(&document());
    assert!(page.contains("&lt;b&gt;,&quot;x&quot;") && !page.contains("<b>"), "{page}");
    for outside in ["http://", "https://", "<script", "<link", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("style=\"width:100.0%\""), "{page}");
    assert!(page.contains("class=\"bar minus\""), "{page}");
    let mut line = document();
    line.sheets[0].chart = Chart::Line(1);
    assert!(html(&line).contains("<polyline points=\"0,0 500,200 1000,200\"/>"), "{}", html(&line));
}
