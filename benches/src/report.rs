//! The tables that people read.

mod about;
mod holding;

use crate::args::Args;
use crate::compare::Row;
use crate::figures::{Cell, Spread};
use crate::filter::{self, Filter, NATIVE, NATIVE_PARSING, PLAIN};
use crate::gate::{self, Bound, Mark};
use crate::measured::Measured;
use crate::scale::Figures;

/// The report, which reads well as it stands too. `plot` is the name of the picture beside it.
pub fn markdown(measured: &Measured, args: &Args, plot: &str) -> String {
    let parts = [
        INTRODUCTION.to_owned(),
        stopped(measured, args),
        marks(measured),
        format!("\n## Overhead\n\n![What filters add to a call]({plot})\n"),
        table(measured, absolute, overhead),
        "\n† the filter counted fewer calls as read than were made: it does not read this kind. - it was not measured.\n"
            .to_owned(),
        "\n## The same from the quietest rounds\n\n\
         The quietest tenth of a filter's rounds over the quietest tenth of plain Envoy's: nearer to the truth where others \
         load the machine.\n"
            .to_owned(),
        table(measured, quiet, least),
        ratios(measured),
        waits(measured),
        holding::workers(measured),
        holding::streams(measured),
        holding::load(measured),
        holding::guards(measured),
        holding::stores(measured),
        core(measured),
        Figures::of(measured).map_or_else(String::new, |figures| figures.section()),
        about::legend(measured),
        about::circumstances(measured, args),
    ];
    parts.concat()
}

const INTRODUCTION: &str = "# What Tollgate costs\n\n\
    Written by `cargo xtask bench`; [README.md](README.md) says how it measures. CPU is microseconds of the whole Envoy process per \
    call, as the kernel's scheduler counts them. Each cell of the tables is the median over all rounds of what the filter adds to the \
    plain Envoy of the same round, with the middle half of the rounds in brackets. One worker, one keep-alive connection, one call at \
    a time, all on one CPU; no access log.\n";

fn stopped(measured: &Measured, args: &Args) -> String {
    let rounds = measured.table.rounds;
    let told = |why: &String| {
        let why = why.lines().next().unwrap_or_default();
        format!("\n**Ended after {rounds} of {} rounds: {why}.**\n", args.rounds)
    };
    measured.stopped.as_ref().map_or_else(String::new, told)
}

fn marks(measured: &Measured) -> String {
    let mut text = String::from("\n## Marks\n\n| what | is | may be | holds |\n|---|---:|---:|---|\n");
    for mark in gate::marks(measured) {
        let Mark { what, unit, .. } = &mark;
        let is = mark.measured.map_or_else(unknown, |figure| format!("{figure:.2} {unit}"));
        let bound = match mark.bound {
            Bound::AtMost(most) => format!("at most {most} {unit}"),
            Bound::AtLeast(least) => format!("at least {least} {unit}"),
        };
        let holds = match mark.holds() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not measured, or lost in the noise",
        };
        text.push_str(&format!("| {what} | {is} | {bound} | {holds} |\n"));
    }
    text
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
    let mut text = String::from("\n## Tollgate's overhead as a multiple of others'\n");
    text.push_str(&header("", rows));
    for tollgate in filter::ALL.iter().filter(|filter| filter.is_tollgate()) {
        for other in [NATIVE, NATIVE_PARSING, "json + sse to metadata", "lua"] {
            let cells = rows.iter().map(|row| {
                let times = measured.times(tollgate.name, other, row.workload);
                times.map_or_else(unknown, |times| format!("{times:.2}"))
            });
            line(&mut text, &format!("{} / {other}", tollgate.name), cells);
        }
    }
    text
}

/// p50 and p99, in microseconds.
fn waits(measured: &Measured) -> String {
    let rows = &measured.table.rows;
    let mut text = String::from(
        "\n## How long calls take\n\n\
         Microseconds that the client waits for its whole answer, all rounds together: p50 / p99, for plain Envoy as they are, for the \
         others what they add. A 99th percentile takes 1,000 calls.\n",
    );
    text.push_str(&header("in the path", rows));
    for filter in filter::ALL {
        let cells = rows.iter().map(|row| added_waits(row, filter.name).unwrap_or_else(unknown));
        line(&mut text, filter.name, cells);
    }
    text
}

fn added_waits(row: &Row, filter: &str) -> Option<String> {
    let (own, plain) = (row.cell(filter)?.waits()?, row.cell(PLAIN)?.waits()?);
    if filter == PLAIN {
        let p99 = plain.p99.map_or_else(unknown, |p99| format!("{p99:.0}"));
        return Some(format!("{:.0} / {p99}", plain.p50));
    }
    let p99 = own.p99.zip(plain.p99).map_or_else(unknown, |(own, plain)| format!("{:+.0}", own - plain));
    Some(format!("{:+.0} / {p99}", own.p50 - plain.p50))
}

fn core(measured: &Measured) -> String {
    if measured.core.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "\n## The core alone\n\n\
         Natively, by criterion: median of one pass, with its 95 % confidence interval.\n\n\
         | what | time | MB/s |\n|---|---:|---:|\n",
    );
    for timing in &measured.core {
        let (median, low, high) = timing.nanos;
        let rate = timing.rate().map_or_else(unknown, |rate| format!("{rate:.0}"));
        let shown = |nanos: f64| match nanos {
            ..1e4 => format!("{nanos:.0} ns"),
            1e4..1e7 => format!("{:.1} us", nanos / 1e3),
            _ => format!("{:.1} ms", nanos / 1e6),
        };
        let (median, low, high) = (shown(median), shown(low), shown(high));
        text.push_str(&format!("| `{}` | {median} [{low} {high}] | {rate} |\n", timing.name));
    }
    text
}
