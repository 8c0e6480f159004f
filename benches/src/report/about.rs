//! What the names in the tables stand for, and where all that was measured.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use crate::args::Args;
use crate::filter;
use crate::measured::Measured;

/// What is what.
pub fn legend(measured: &Measured) -> String {
    let mut text = String::from("\n## What is what\n\n");
    for row in &measured.table.rows {
        text.push_str(&format!("* `{}`: {}; {} calls a sample\n", row.workload, row.about, row.calls));
    }
    for filter in filter::ALL {
        text.push_str(&format!("* {}: {}\n", filter.name, filter.about));
    }
    text
}

/// Machine, versions, command.
pub fn circumstances(measured: &Measured, args: &Args) -> String {
    let mut text = String::from("\n## Circumstances\n\n");
    let size = |file: &std::path::Path| fs::metadata(file).map(|file| file.len()).ok();
    let estimate = args.wasm.estimate.as_deref().and_then(size);
    let facts = [
        ("machine", Some(machine())),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("load average at the end", read("/proc/loadavg")),
        ("Envoy", envoy_version(args)),
        ("rustc", output(Command::new("rustc").arg("--version"))),
        (
            "tollgate.wasm",
            size(&args.wasm.tollgate).map(|bytes| format!("{bytes} bytes, of commit {}", commit())),
        ),
        ("tollgate-estimate.wasm", estimate.map(|bytes| format!("{bytes} bytes"))),
        ("rounds", Some(measured.table.rounds.to_string())),
        ("command", Some(format!("`{}`", args.command()))),
    ];
    for (name, fact) in facts {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "* {name}: {}", fact.unwrap_or_else(super::unknown));
    }
    text
}

/// Envoy names its own path first, which is nobody's business.
fn envoy_version(args: &Args) -> Option<String> {
    let text = output(Command::new(&args.envoy).arg("--version"))?;
    text.split_once("version: ").map(|(_, version)| version.to_owned())
}

fn machine() -> String {
    let cpus = read("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().next().and_then(|line| line.strip_prefix("MemTotal:")).map(str::trim);
    format!(
        "{count} x {}, {} of memory",
        model.map_or("-", |(_, name)| name),
        memory.map_or_else(super::unknown, str::to_owned)
    )
}

fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    output(&mut git).unwrap_or_else(super::unknown)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
