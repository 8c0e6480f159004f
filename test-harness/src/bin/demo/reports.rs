//! The access log once more, as finance reads it: what `tollgate report` says must be what Envoy counted.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;
use tollgate_test_harness::Error;
use tollgate_test_harness::envoy::Envoy;
use tollgate_test_harness::stats::Series;

use crate::{money, path};

/// Prints the report by each of these tags, and returns those that differ from the counters.
pub fn report(envoy: &Envoy, series: &[Series]) -> Result<Vec<String>, Error> {
    let log = envoy.access_log().display().to_string();
    println!(
        "\nThe same from the access log, by `tollgate report {log}`, which must equal Envoy's counters:\n"
    );
    let mut wrong = Vec::new();
    for tag in ["team", "feature", "customer"] {
        let (reported, counted) = (reported(&log, tag)?, counted(series, tag));
        let total: u128 = reported.values().sum();
        let agrees = !reported.is_empty() && reported == counted;
        println!(
            "  by {tag:<10} {:>14} USD, {}",
            money::usd(total),
            if agrees { "equal" } else { "not equal" }
        );
        wrong.extend(
            (!agrees).then(|| format!("`tollgate report` by {tag} says {reported:?}, Envoy {counted:?}")),
        );
    }
    Ok(wrong)
}

/// Pico-USD by the values of a tag, as the report has them.
fn reported(log: &str, tag: &str) -> Result<BTreeMap<String, u128>, Error> {
    let mut command = Command::new(path("TOLLGATE_CLI")?);
    let output = command.args(["report", log, "--quiet", "--format", "json", "--by", tag]).output();
    let output = output.map_err(|error| Error::File(format!("`tollgate`: {error}")))?;
    let json: Value = serde_json::from_slice(&output.stdout).map_err(|error| {
        Error::File(format!("`tollgate report`: {error}: {}", String::from_utf8_lossy(&output.stderr)))
    })?;
    let rows = json["sheets"]["by"].as_array().into_iter().flatten();
    let row = |row: &Value| Some((row[tag].as_str()?.to_owned(), money::pico(row["cost_usd"].as_str()?)?));
    Ok(rows.filter_map(row).filter(|(_, amount)| *amount > 0).collect())
}

/// Pico-USD by the values of a tag, as Envoy's counters have them.
fn counted(series: &[Series], tag: &str) -> BTreeMap<String, u128> {
    let mut sums = BTreeMap::new();
    let of_view = |one: &&Series| {
        one.name == "tollgate_cost_nanousd" && one.labels.get("view").is_some_and(|view| view == tag)
    };
    for one in series.iter().filter(of_view).filter(|one| one.value > 0.0) {
        let value = one.labels.get(tag).cloned().unwrap_or_default();
        *sums.entry(value).or_insert(0) += one.value as u128 * 1000;
    }
    sums
}
