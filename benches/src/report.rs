//! The tables that people read.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use crate::Measured;
use crate::args::Args;
use crate::compare::Row;
use crate::figures::{Cell, Spread};
use crate::filter::{self, Filter, NATIVE, NATIVE_PARSING, PLAIN};
use crate::gate;

/// The report, which reads well as it stands too.
pub fn markdown(measured: &Measured, args: &Args) -> String {
    let parts = [
        "# What Tollgate costs inside Envoy\n\n\
         CPU microseconds of the whole Envoy process per call, as the kernel's scheduler counts them (nanoseconds, \
         `/proc/PID/task/*/schedstat`).\n\
         Each cell is the median over all rounds of what the filter adds to the plain Envoy of the same round, with \
         the middle half of the rounds in brackets. One worker, one keep-alive connection, one call at a time; \
         no access log.\n"
            .to_owned(),
        table(measured, absolute, overhead),
        "\n† the filter counted fewer calls as read than were made: it does not read this kind.\n".to_owned(),
        "\n## The same from the quietest rounds\n\n\
         The quietest tenth of a filter's rounds over the quietest tenth of plain Envoy's: nearer to the truth where others \
         load the machine.\n"
            .to_owned(),
        table(measured, quiet, least),
        ratios(measured),
        memory(measured),
        legend(measured),
        circumstances(args),
    ];
    parts.concat()
}

fn table(
    measured: &Measured,
    of_plain: impl Fn(&Cell) -> String,
    overhead: impl Fn(&Filter, &Row) -> String,
) -> String {
    let rows = &measured.table.rows;
    let mut text = header("in the path", rows);
    for filter in filter::ALL {
        let cells = rows.iter().map(|row| match filter.name {
            PLAIN => row.cell(PLAIN).map_or_else(unknown, &of_plain),
            _ => overhead(filter, row),
        });
        line(&mut text, filter.name, cells);
    }
    text
}

fn least(filter: &Filter, row: &Row) -> String {
    let quiet = |name| row.cell(name)?.quiet();
    let over = quiet(filter.name).zip(quiet(PLAIN)).map(|(with, without)| with - without);
    over.map_or_else(unknown, |over| format!("{over:+.1}"))
}

fn header(first: &str, rows: &[Row]) -> String {
    let mut text = String::from("\n");
    line(&mut text, first, rows.iter().map(|row| row.workload.to_owned()));
    line(&mut text, "---", rows.iter().map(|_| "---:".to_owned()));
    text
}

fn line(text: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    text.push_str(&format!("| {first} | {} |\n", cells.join(" | ")));
}

fn unknown() -> String {
    "-".to_owned()
}

fn absolute(cell: &Cell) -> String {
    let shown = |spread: Spread| format!("{:.0} [{:.0} {:.0}]", spread.median, spread.low, spread.high);
    cell.absolute().map_or_else(unknown, shown)
}

fn quiet(cell: &Cell) -> String {
    cell.quiet().map_or_else(unknown, |micros| format!("{micros:.0}"))
}

fn overhead(filter: &Filter, row: &Row) -> String {
    let cells = row.cell(filter.name).zip(row.cell(PLAIN));
    let Some((cell, spread)) = cells.and_then(|(cell, plain)| Some((cell, cell.over(plain)?))) else {
        return unknown();
    };
    let mark = if cell.read == Some(false) { " †" } else { "" };
    format!("{:+.1} [{:+.0} {:+.0}]{mark}", spread.median, spread.low, spread.high)
}

fn ratios(measured: &Measured) -> String {
    let rows = &measured.table.rows;
    let mut text = String::from("\n## Tollgate's overhead as a multiple of the native filter's\n");
    text.push_str(&header("", rows));
    for tollgate in filter::ALL.iter().filter(|filter| filter.is_tollgate()) {
        for native in [NATIVE, NATIVE_PARSING] {
            let cells = rows.iter().map(|row| {
                let times = gate::times(measured, row.workload, tollgate.name, native);
                times.map_or_else(unknown, |times| format!("{times:.2}"))
            });
            line(&mut text, &format!("{} / {native}", tollgate.name), cells);
        }
    }
    text
}

fn memory(measured: &Measured) -> String {
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    let mut text = String::from(
        "\n## Memory\n\n\
         Resident MiB of Envoy after calls on every worker. A process has one VM more than workers.\n\n\
         | in the path | one worker | each further worker | wasm memories, in pages of 64 KiB |\n\
         |---|---:|---:|---|\n",
    );
    for weight in &measured.memory {
        let pages: Vec<String> = weight.pages.iter().map(u64::to_string).collect();
        let cells = [mib(weight.one_worker), mib(weight.per_worker), pages.join(" ")];
        line(&mut text, weight.filter, cells.into_iter());
    }
    text
}

fn legend(measured: &Measured) -> String {
    let mut text = String::from("\n## What is what\n\n");
    for row in &measured.table.rows {
        text.push_str(&format!("* `{}`: {}; {} calls a sample\n", row.workload, row.about, row.calls));
    }
    for filter in filter::ALL {
        text.push_str(&format!("* {}: {}\n", filter.name, filter.about));
    }
    text
}

fn circumstances(args: &Args) -> String {
    let mut text = String::from("\n## Circumstances\n\n");
    let size = fs::metadata(&args.wasm.tollgate).map(|file| file.len().to_string());
    let facts = [
        ("machine", Some(machine())),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("load average at the end", read("/proc/loadavg")),
        ("Envoy", envoy_version(args)),
        ("plugin", size.ok().map(|bytes| format!("{bytes} bytes, of commit {}", commit()))),
        ("command", Some(format!("`{}`", args.command()))),
    ];
    for (name, fact) in facts {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "* {name}: {}", fact.unwrap_or_else(unknown));
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
        memory.map_or_else(unknown, str::to_owned)
    )
}

fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    output(&mut git).unwrap_or_else(unknown)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
