//! What calls may cost inside the VM: counted on the wasm host, held against a file.
//!
//! Counts, not times: they are the same on every machine, so that a regression shows in the change that made it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::file::{Call, Case, File};
use super::on_host::Prepared;
use super::run::Counts;
use super::{Engine, check, load};
use crate::Error;
use crate::costs::Costs;
use crate::host::{Compiled, Host};

/// By how many percent a figure may grow.
const TOLERANCE_PERCENT: u64 = 3;
/// A little more than the time between two ticks.
const TICK: Duration = Duration::from_millis(300);

/// What the last call of a case costs, with what ticks do for it; those before it warm up what is made once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Instructions, as wasmtime counts them.
    pub fuel: u64,
    /// Calls of host functions.
    pub host_calls: u64,
    /// Bytes that were copied into and out of the VM.
    pub bytes_copied: u64,
    /// Size of the VM's memory.
    pub memory_bytes: u64,
}

impl From<&Costs> for Budget {
    fn from(costs: &Costs) -> Self {
        Self {
            fuel: costs.fuel,
            host_calls: costs.host_calls(),
            bytes_copied: costs.bytes_in + costs.bytes_out,
            memory_bytes: costs.memory_bytes,
        }
    }
}

/// Budgets by file and case.
type Budgets = BTreeMap<String, Budget>;

/// What becomes of the file of budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// What is measured is held against it.
    Check,
    /// What is measured is written into it.
    Update,
}

/// Makes the calls of all cases with a plugin that counts its branches, and writes for each branch how often it was taken and how
/// often not, a line each.
///
/// # Errors
/// Where a scenario cannot be read, a case does not hold, or the plugin does not count.
pub fn count_branches(compiled: &Compiled, scenarios: &Path, to: &Path) -> Result<Counts, Error> {
    let (mut sums, mut counts) = (Vec::new(), Counts::default());
    for (name, file) in load(scenarios)? {
        let mut host = Prepared::new(&file)?.start(compiled)?;
        for case in &file.cases {
            if let Err(wrong) = cost(&file, case, &mut host)? {
                return Err(Error::File(format!("{name}: {}: {}", case.name, wrong.join("; "))));
            }
            counts.passed += 1;
        }
        let branches = host.branches();
        sums.resize(branches.len(), (0, 0));
        for (sum, count) in sums.iter_mut().zip(branches) {
            *sum = (sum.0 + count.0, sum.1 + count.1);
        }
    }
    if sums.is_empty() {
        return Err(Error::File(
            "the plugin does not count its branches: `tollgate-hints count` makes one".to_owned(),
        ));
    }
    let lines: String = sums.iter().map(|(taken, not)| format!("{taken} {not}\n")).collect();
    fs::write(to, lines).map_err(|error| Error::File(format!("`{}`: {error}", to.display())))?;
    Ok(counts)
}

/// Runs all cases of a folder and holds what they cost against the budgets.
///
/// # Errors
/// Where a scenario or the file of budgets cannot be read.
pub fn run_all(
    compiled: &Compiled,
    scenarios: &Path,
    budgets: &Path,
    purpose: Purpose,
) -> Result<Counts, Error> {
    let mut measured = Budgets::new();
    let mut counts = Counts::default();
    for (name, file) in load(scenarios)? {
        let mut host = Prepared::new(&file)?.start(compiled)?;
        for case in &file.cases {
            let key = format!("{name}: {}", case.name);
            match cost(&file, case, &mut host)? {
                Ok(budget) => {
                    measured.insert(key, budget);
                }
                Err(wrong) => {
                    counts.failed += 1;
                    println!("{key} ... FAILED");
                    wrong.iter().for_each(|line| println!("    {line}"));
                }
            }
        }
    }
    match purpose {
        Purpose::Update => write(budgets, &measured)?,
        Purpose::Check => compare(&read(budgets)?, &measured, &mut counts),
    }
    Ok(counts)
}

/// What the last call of a case costs, or what did not hold.
fn cost(file: &File, case: &Case, host: &mut Host) -> Result<Result<Budget, Vec<String>>, Error> {
    let mut last = None;
    for call in &case.calls {
        for _ in 0..call.times {
            last = Some(call);
            let (_, wrong) = one(file, call, host)?;
            if !wrong.is_empty() {
                return Ok(Err(wrong));
            }
        }
    }
    let Some(call) = last else { return Ok(Err(vec!["no call was made".to_owned()])) };
    once_more(file, call, host)
}

/// What a call costs, with its share of what a tick does for two of its kind.
fn once_more(file: &File, call: &Call, host: &mut Host) -> Result<Result<Budget, Vec<String>>, Error> {
    host.pass(TICK)?;
    one(file, call, host)?;
    let (costs, wrong) = one(file, call, host)?;
    let Some(costs) = costs.filter(|_| wrong.is_empty()) else { return Ok(Err(wrong)) };
    let mut ticked = || -> Result<u64, Error> {
        host.pass(TICK)?;
        Ok(host.costs_since_the_last_call().fuel)
    };
    let (busy, idle) = (ticked()?, ticked()?);
    let mut budget = Budget::from(&costs);
    budget.fuel += busy.saturating_sub(idle) / 2;
    Ok(Ok(budget))
}

fn one(file: &File, call: &Call, engine: &mut dyn Engine) -> Result<(Option<Costs>, Vec<String>), Error> {
    let (request, reply) = (call.request.to_http(), file.reply(&call.reply)?);
    let outcome = engine.call(&request, &reply)?;
    let wrong = check::differences(&call.expect, &outcome, &request, &reply);
    Ok((outcome.costs, wrong))
}

fn compare(budgets: &Budgets, measured: &Budgets, counts: &mut Counts) {
    for (key, now) in measured {
        let Some(budget) = budgets.get(key) else {
            counts.failed += 1;
            println!("{key} ... FAILED: it has no budget; `cargo xtask budget` writes one");
            continue;
        };
        let grown = grown(*budget, *now);
        let verdict = if grown.is_empty() { "ok" } else { "FAILED" };
        println!(
            "{key} ... {verdict}: {} of fuel, {} host calls, {} bytes copied",
            now.fuel, now.host_calls, now.bytes_copied
        );
        grown.iter().for_each(|line| println!("    {line}"));
        if grown.is_empty() { counts.passed += 1 } else { counts.failed += 1 }
    }
    for key in budgets.keys().filter(|key| !measured.contains_key(*key)) {
        counts.failed += 1;
        println!("{key} ... FAILED: it has a budget, but no case of that name was run");
    }
}

/// The figures that grew by more than is tolerated.
fn grown(budget: Budget, now: Budget) -> Vec<String> {
    let figures = [
        ("fuel", budget.fuel, now.fuel),
        ("host calls", budget.host_calls, now.host_calls),
        ("bytes copied", budget.bytes_copied, now.bytes_copied),
        ("bytes of memory", budget.memory_bytes, now.memory_bytes),
    ];
    let over = figures.iter().filter(|(_, budget, now)| now * 100 > budget * (100 + TOLERANCE_PERCENT));
    let percent = |budget: u64, now: u64| (now.saturating_sub(budget) * 100).checked_div(budget).unwrap_or(0);
    over.map(|(name, budget, now)| format!("{name}: {budget} -> {now}, {} % more", percent(*budget, *now)))
        .collect()
}

fn read(path: &Path) -> Result<Budgets, Error> {
    let failed = |why: String| Error::File(format!("`{}`: {why}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}

fn write(path: &Path, budgets: &Budgets) -> Result<(), Error> {
    let failed = |why: String| Error::File(format!("`{}`: {why}", path.display()));
    let text = serde_json::to_string_pretty(budgets).map_err(|error| failed(error.to_string()))?;
    fs::write(path, text + "\n").map_err(|error| failed(error.to_string()))?;
    println!("{} budgets written to {}", budgets.len(), path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { fuel: 1000, host_calls: 20, bytes_copied: 4000, memory_bytes: 1_000_000 };

    #[test]
    fn what_grows_by_more_than_three_percent_is_named() {
        for (name, now, expected) in [
            ("nothing changed", BUDGET, vec![]),
            ("three percent more", Budget { fuel: 1030, ..BUDGET }, vec![]),
            ("a little beyond", Budget { fuel: 1031, ..BUDGET }, vec!["fuel: 1000 -> 1031, 3 % more"]),
            ("less", Budget { fuel: 10, ..BUDGET }, vec![]),
            (
                "one host call more in twenty",
                Budget { host_calls: 21, ..BUDGET },
                vec!["host calls: 20 -> 21, 5 % more"],
            ),
        ] {
            assert_eq!(grown(BUDGET, now), expected, "{name}");
        }
    }

    #[test]
    fn a_case_without_a_budget_and_a_budget_without_a_case_fail() {
        let of = |key: &str| Budgets::from([(key.to_owned(), BUDGET)]);
        let mut counts = Counts::default();
        compare(&of("old"), &of("new"), &mut counts);
        assert_eq!((counts.passed, counts.failed), (0, 2));
    }
}
