//! The views as SQL, on real engines over an exported log, say what `tollgate report` says, to the last pico-dollar.
//! `TOLLGATE_ENGINES` names the folder of their Python packages; `cargo xtask test` sets it up.

mod programs;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use programs::{run, tollgate};

/// A log with whatever a real one has beside calls, its report and its export.
fn prepare(folder: &Path) -> (PathBuf, Value) {
    std::fs::create_dir_all(folder).expect("a folder for the test");
    let (log, parquet) = (folder.join("access.log"), folder.join("calls.parquet"));
    let text = tollgate(&["generate", "--lines", "70000", "--days", "12"]);
    let twice: String = text.lines().take(10).map(|line| format!("{line}\n")).collect();
    let no_tags = text.lines().take(40).map(|line| {
        let line = line.replace("\"tollgate.id\":\"18d", "\"tollgate.id\":\"18e");
        let start = line.find("\"tollgate.tags\"").expect("a line has tags");
        let end = line.find("\"tollgate.time\"").expect("a line has a time");
        format!("{}{}\n", &line[..start], &line[end..])
    });
    let no_tags: String = no_tags.collect();
    std::fs::write(&log, format!("{text}{twice}{no_tags}{{\"path\":\"/health\"}}\nnot a line"))
        .expect("the log is written");
    let (log, out) = (log.to_string_lossy(), parquet.to_string_lossy());
    tollgate(&["export", &log, "--quiet", "--parquet", &out]);
    let report = tollgate(&["report", &log, "--quiet", "--format", "json"]);
    (parquet, serde_json::from_str(&report).expect("a report is JSON"))
}

/// What both have, as text: decimals without zeros at their end, rows in one order.
fn rows(view: &Value, columns: &[&str]) -> Vec<Vec<String>> {
    let cell = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let is_decimal = text.contains('.') && text.parse::<f64>().is_ok();
        if is_decimal { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    let all = view.as_array().expect("a view has rows");
    let mut rows: Vec<Vec<String>> =
        all.iter().map(|row| columns.iter().map(|column| cell(&row[*column])).collect()).collect();
    rows.sort();
    rows
}

#[test]
fn engines_and_report_agree() {
    let Some(packages) = std::env::var_os("TOLLGATE_ENGINES") else {
        return println!(
            "not tested: TOLLGATE_ENGINES names no folder of DuckDB and ClickHouse; run `cargo xtask test`"
        );
    };
    let folder = std::env::temp_dir().join(format!("tollgate-engines-{}", std::process::id()));
    let (parquet, report) = prepare(&folder);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sums = ["calls", "cost_usd", "input_tokens", "output_tokens", "refused_calls"];
    let flows = ["workflows", "calls", "cost_usd", "p50_usd", "p95_usd", "max_usd"];
    for engine in ["duckdb", "clickhouse", "bigquery"] {
        let mut python = Command::new("python3");
        python.arg(root.join("reports/cli/tests/engines.py")).arg(engine);
        python.arg(root.join(format!("envoy-config/sql/{engine}.sql"))).arg(&parquet);
        let answer = run(python.env("PYTHONPATH", &packages).current_dir(&folder));
        let answer: Value = serde_json::from_str(&answer).expect("the engine's answer is JSON");
        for (view, by, numbers) in [
            ("feature", &["feature"][..], &sums[..]),
            ("model", &["provider", "model"], &sums),
            ("team", &["team"], &sums),
            ("customer", &["customer"], &sums),
            ("workflow", &["feature"], &flows),
            ("trend", &["day"], &sums),
        ] {
            let columns = [by, numbers].concat();
            let expected = rows(&report["sheets"][view], &columns);
            assert!(expected.len() > 2, "{view} has rows");
            assert_eq!(rows(&answer[view], &columns), expected, "{view} on {engine}");
            println!("{engine} {view}: {} rows are the report's", expected.len());
        }
    }
    std::fs::remove_dir_all(folder).expect("the folder of the test is removed");
}

/// Of `tables.sql` and `vector.yaml`: lines are sent as they are, and ClickHouse makes calls of them.
#[test]
fn a_log_that_is_shipped_says_what_the_report_says() {
    let Some(packages) = std::env::var_os("TOLLGATE_ENGINES") else {
        return println!(
            "not tested: TOLLGATE_ENGINES names no folder of ClickHouse; run `cargo xtask test`"
        );
    };
    let folder = std::env::temp_dir().join(format!("tollgate-shipped-{}", std::process::id()));
    let (_, report) = prepare(&folder);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let place = |path: &str| root.join("envoy-config").join(path);
    let vector = std::fs::read_to_string(place("clickhouse/vector.yaml")).expect("there is a configuration");
    assert!(vector.contains("table: tollgate_lines") && vector.contains("skip_unknown_fields: true"));
    let mut python = Command::new("python3");
    python.arg(root.join("reports/cli/tests/engines.py")).arg("shipped").arg(place("sql/clickhouse.sql"));
    python.arg(folder.join("access.log")).arg(place("clickhouse/tables.sql"));
    let answer = run(python.env("PYTHONPATH", &packages).current_dir(&folder));
    let answer: Value = serde_json::from_str(&answer).expect("the engine's answer is JSON");
    let sums = ["calls", "cost_usd", "input_tokens", "output_tokens", "refused_calls"];
    for (view, by) in [("feature", "feature"), ("team", "team"), ("customer", "customer"), ("trend", "day")] {
        let columns = [&[by][..], &sums].concat();
        assert_eq!(rows(&answer[view], &columns), rows(&report["sheets"][view], &columns), "{view}");
    }
    let flows = ["feature", "workflows", "calls", "cost_usd", "p50_usd", "p95_usd", "max_usd"];
    assert_eq!(rows(&answer["workflow"], &flows), rows(&report["sheets"]["workflow"], &flows));
    // The health check, and the line that is none.
    assert_eq!(rows(&answer["other"], &["is_json", "lines"]), [["0", "1"], ["1", "1"]]);
    std::fs::remove_dir_all(folder).expect("the folder of the test is removed");
}
