//! The gate on what calls cost holds: it fails when the plugin is slower, and when a figure has grown by a little more than is tolerated.
//!
//! `TOLLGATE_WASM` and `TOLLGATE_TRAP_WASM` are paths of plugins; `cargo xtask test` sets both.
#![cfg(feature = "host")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::given;
use tollgate_test_harness::host::Compiled;
use tollgate_test_harness::scenario::budget::{Purpose, run_all};
use tollgate_test_harness::scenario::run::Counts;

fn own(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn gate(compiled: &Compiled, budgets: &Path, purpose: Purpose) -> Counts {
    run_all(compiled, &own("scenarios/budget"), budgets, purpose).unwrap()
}

#[test]
fn a_figure_that_has_grown_by_four_percent_fails_whichever_it_is() {
    let Some(wasm) = given("TOLLGATE_WASM") else { return };
    let compiled = Compiled::new(&wasm).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("budget.json");
    gate(&compiled, &file, Purpose::Update);
    let honest: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let cases = honest.as_object().unwrap().len();
    let counts = gate(&compiled, &file, Purpose::Check);
    assert_eq!((counts.passed, counts.failed), (cases, 0), "the same plugin costs the same twice");
    for figure in ["fuel", "host_calls", "bytes_copied", "memory_bytes"] {
        let mut doctored = honest.clone();
        // What is measured is then 4 % more than the budget at the least.
        for budget in doctored.as_object_mut().unwrap().values_mut() {
            let now = budget[figure].as_u64().unwrap();
            budget[figure] = json!(now * 100 / 104);
        }
        fs::write(&file, doctored.to_string()).unwrap();
        let counts = gate(&compiled, &file, Purpose::Check);
        assert_eq!((counts.passed, counts.failed), (0, cases), "{figure}");
    }
}

#[test]
fn a_plugin_that_is_built_to_be_slower_does_not_pass() {
    // Built for another test with few optimisations: the same work in more instructions.
    let Some(slower) = given("TOLLGATE_TRAP_WASM") else { return };
    let counts = gate(&Compiled::new(&slower).unwrap(), &own("budget.json"), Purpose::Check);
    assert_eq!(counts.passed, 0, "{} cases were let pass", counts.passed);
    assert!(counts.failed > 0);
}
