//! What `tollgate focus` writes is FOCUS 1.2 to the foundation's own validator, and adds up to the report.
//! `TOLLGATE_FOCUS` names the validator's folder; `cargo xtask test` sets it up.

mod programs;

use std::path::{Path, PathBuf};
use std::process::Command;

use programs::{run, tollgate};

/// What a source of such charges has, of what the specification makes conditional.
const CAN: &str = "ACCOUNT_NAMING_SUPPORTED,NEGOTIATED_PRICING_SUPPORTED,PUBLIC_PRICE_LIST_SUPPORTED,\
    USAGE_MEASUREMENT_SUPPORTED,UNIT_PRICING_SUPPORTED,SUB_ACCOUNT_SUPPORTED,REGION_SUPPORTED,TAGGING_SUPPORTED";
/// An empty invoice meets one of two alternatives, so the other one is never met; the rule of both passes.
const OTHER_ALTERNATIVE: &str = "- InvoiceId-C-005-C:";

fn validate(validator: &Path, file: &Path) {
    let python =
        std::fs::read_to_string(validator.join("tollgate-python")).expect("the set-up names a Python");
    let mut command = Command::new(python.trim());
    command.args([
        "-m",
        "focus_validator.main",
        "--validate-version",
        "1.2.0.1",
        "--block-download",
        "--show-violations",
    ]);
    command.args(["--applicability-criteria", CAN, "--data-file"]).arg(file);
    // It looks for its list of currencies from where it stands.
    let said = run(command.current_dir(validator));
    let counts =
        said.lines().find(|line| line.starts_with("Total: ")).expect("it says how many rules passed");
    println!("{}: {counts}", file.display());
    let passed =
        counts.split("Pass: ").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|n| n.parse().ok());
    assert!(passed.is_some_and(|passed: u32| passed >= 250), "{counts}");
    let failures: Vec<&str> = said
        .split("--- Failures")
        .nth(1)
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("- "))
        .collect();
    assert!(failures.iter().all(|line| line.starts_with(OTHER_ALTERNATIVE)), "{failures:#?}");
}

fn files(folder: &Path) -> [PathBuf; 3] {
    std::fs::create_dir_all(folder).expect("a folder for the test");
    ["access.log", "focus.csv", "focus.parquet"].map(|name| folder.join(name))
}

#[test]
fn the_validator_finds_no_error_and_nothing_is_lost() {
    let folder = std::env::temp_dir().join(format!("tollgate-focus-{}", std::process::id()));
    let [log, csv, parquet] = files(&folder);
    std::fs::write(&log, tollgate(&["generate", "--lines", "4000", "--days", "40"]))
        .expect("the log is written");
    let log = log.to_string_lossy();
    for out in [&csv, &parquet] {
        tollgate(&["focus", &log, "--quiet", "--output", &out.to_string_lossy()]);
    }
    let text = std::fs::read_to_string(&csv).expect("there is CSV");
    // BilledCost is the first column.
    let cells = text.lines().skip(1).filter_map(|line| line.split(',').next());
    let billed: f64 = cells.map(|cell| cell.parse::<f64>().expect("costs are decimals")).sum();
    let report: serde_json::Value =
        serde_json::from_str(&tollgate(&["report", &log, "--quiet", "--by", "month", "--format", "json"]))
            .expect("a report is JSON");
    let months = report["sheets"]["by"].as_array().expect("there are rows");
    let reported: f64 = months
        .iter()
        .map(|row| row["cost_usd"].as_str().expect("money is text").parse::<f64>().expect("a decimal"))
        .sum();
    assert!(months.len() == 2 && (billed - reported).abs() < 1e-9, "{billed} billed, {reported} reported");
    match std::env::var_os("TOLLGATE_FOCUS").map(PathBuf::from) {
        Some(validator) => [&csv, &parquet].into_iter().for_each(|file| validate(&validator, file)),
        None => println!(
            "not validated: TOLLGATE_FOCUS names no folder of focus-validator; run `cargo xtask test`"
        ),
    }
    std::fs::remove_dir_all(folder).expect("the folder of the test is removed");
}
