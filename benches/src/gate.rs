//! What must hold: the marks that Tollgate sets itself, most of them against native filters in the same run.

use crate::filter::{
    self, BODY_RULE, BY_LENGTH, GUARDED, INFLATE, NATIVE, NATIVE_PARSING, NO_OP, TAGS, TAGS_QUOTAS, TOLLGATE,
    UNGUARDED, VOCABULARY,
};
use crate::measured::Measured;
use crate::workload::{
    JSON, REQUEST_100K, SSE_BR, SSE_BURST, SSE_GZIP, SSE_PACED, SSE_ZSTD, UNREPORTED, USERS,
};

/// Whether a mark that is missed is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gated {
    /// It ends the command with an error.
    Yes,
    /// It is printed.
    No,
}

/// A mark, and how far it is.
pub struct Mark {
    /// What is measured.
    pub what: String,
    /// What it may be.
    pub bound: Bound,
    /// What it is; nothing where it was not measured, or drowns in the noise.
    pub measured: Option<f64>,
    /// Of both.
    pub unit: &'static str,
}

/// What a figure may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// So much or less.
    AtMost(f64),
    /// So much or more.
    AtLeast(f64),
}

impl Mark {
    /// Whether it holds, as far as is known.
    pub fn holds(&self) -> Option<bool> {
        self.measured.map(|measured| match self.bound {
            Bound::AtMost(most) => measured <= most,
            Bound::AtLeast(least) => measured >= least,
        })
    }
}

/// All marks.
pub fn marks(measured: &Measured) -> Vec<Mark> {
    let times = |workload: &str, ours: &str, theirs: &str, most: f64| Mark {
        what: format!("`{workload}`: {ours} over {theirs}"),
        bound: Bound::AtMost(most),
        measured: measured.times(ours, theirs, workload),
        unit: "times",
    };
    let micros = |ours: &str, less: &str, most: f64| Mark {
        what: format!("`{JSON}`: {ours}, less {less}"),
        bound: Bound::AtMost(most),
        measured: measured.between(ours, less, JSON).map(|over| over.median).filter(|micros| *micros > 0.0),
        unit: "us",
    };
    let mut marks = vec![
        times(SSE_BURST, TOLLGATE, NATIVE, 0.10),
        times(SSE_PACED, TOLLGATE, NATIVE, 1.0),
        times(JSON, TOLLGATE, NATIVE_PARSING, 1.5),
        times(JSON, TAGS_QUOTAS, NATIVE_PARSING, 2.5),
        micros(TAGS, TOLLGATE, 10.0),
        micros(TAGS_QUOTAS, TAGS, 30.0),
        times(REQUEST_100K, BODY_RULE, NATIVE_PARSING, 1.0),
    ];
    let busy = |workload: &str, ours: &str, theirs: &str, most: f64| Mark {
        what: format!("`{workload}` under load: {ours} over {theirs}"),
        bound: Bound::AtMost(most),
        measured: measured.times_under_load(ours, theirs, workload),
        unit: "times",
    };
    marks.extend([
        busy(SSE_BURST, TOLLGATE, NATIVE, 0.10),
        busy(JSON, TOLLGATE, NATIVE_PARSING, 1.5),
        busy(JSON, TAGS_QUOTAS, NATIVE_PARSING, 2.5),
    ]);
    marks.extend([SSE_GZIP, SSE_BR, SSE_ZSTD].map(|workload| over_inflation(measured, workload)));
    marks.push(guards(measured));
    marks.push(further_worker(measured));
    marks.extend(measured.streams.iter().filter_map(open_stream));
    marks.push(tokenizer(measured));
    marks
}

/// What a compressed stream costs over a plain one, as a multiple of its inflation.
fn over_inflation(measured: &Measured, workload: &str) -> Mark {
    let ours = || Some(measured.added(TOLLGATE, workload)? - measured.added(TOLLGATE, SSE_BURST)?);
    let inflation = || Some(measured.added(INFLATE, workload)? - measured.over(NO_OP, workload)?.median);
    let known = |micros: &f64| *micros > 0.0;
    let times = ours().filter(known).zip(inflation().filter(known));
    Mark {
        what: format!("`{workload}` over `{SSE_BURST}`: {TOLLGATE} over {INFLATE} (less the no-op)"),
        bound: Bound::AtMost(1.0),
        measured: times.map(|(ours, inflation)| ours / inflation),
        unit: "times",
    }
}

fn guards(measured: &Measured) -> Mark {
    Mark {
        what: format!("`{JSON}`: {}, less {}, with {USERS} live keys", GUARDED.name, UNGUARDED.name),
        bound: Bound::AtMost(10.0),
        measured: measured.guards.map(|guards| guards.sum().median).filter(|micros| *micros > 0.0),
        unit: "us",
    }
}

fn further_worker(measured: &Measured) -> Mark {
    let each = |name| Some(measured.weight(name)?.per_worker()? as f64);
    let over = each(TOLLGATE).zip(each(NO_OP)).map(|(ours, theirs)| (ours - theirs) / f64::from(1 << 20));
    Mark {
        what: format!("a further worker: {TOLLGATE} less {NO_OP}"),
        bound: Bound::AtMost(4.0),
        measured: over,
        unit: "MiB",
    }
}

/// Past the share of a VM that its decoders have together, what was shared out unevenly and what others hold.
const DECODERS_MIB: f64 = 144.0;

/// Each stream where its memory is bounded; br and zstd, whose windows are as wide as the sender likes, all together.
fn open_stream(held: &crate::streams::Held) -> Option<Mark> {
    let each = |most| ("the VM's memory for each open stream", most, held.vm_each() as f64 / 1024.0, "KiB");
    let all =
        ("the VM's memory for all open streams", DECODERS_MIB, held.vm as f64 / f64::from(1 << 20), "MiB");
    let (what, most, measured, unit) = match held.workload {
        "open-plain" => each(8.0),
        "open-gzip" => each(64.0),
        "open-br" | "open-zstd" => all,
        _ => return None,
    };
    let what = format!("`{}`: {what}", held.workload);
    Some(Mark { what, bound: Bound::AtMost(most), measured: Some(measured), unit })
}

/// Of each text so much is kept and counted: `MOST_KEPT` in `wire/src/estimate.rs`.
const COUNTED_BYTES: f64 = 8192.0;

/// What tiktoken-rs was measured to do in Envoy's V8 by itself.
const TIKTOKEN_MB_PER_S: f64 = 18.0;

fn tokenizer(measured: &Measured) -> Mark {
    let added = |name| measured.added(name, UNREPORTED);
    let micros = added(VOCABULARY).zip(added(BY_LENGTH)).map(|(counted, reckoned)| counted - reckoned);
    Mark {
        what: format!("`{UNREPORTED}`: tokens counted, two texts of {COUNTED_BYTES} bytes a call"),
        bound: Bound::AtLeast(TIKTOKEN_MB_PER_S),
        measured: micros.filter(|micros| *micros > 0.0).map(|micros| 2.0 * COUNTED_BYTES / micros),
        unit: "MB/s",
    }
}

/// What does not hold, in sentences.
pub fn broken(measured: &Measured) -> Vec<String> {
    let missed = |mark: &Mark| {
        let (Some(false), Some(figure)) = (mark.holds(), mark.measured) else { return None };
        let bound = match mark.bound {
            Bound::AtMost(most) => format!("at most {most}"),
            Bound::AtLeast(least) => format!("at least {least}"),
        };
        Some(format!("{}: {figure:.3} {}, {bound} may be", mark.what, mark.unit))
    };
    let mut broken: Vec<String> = marks(measured).iter().filter_map(missed).collect();
    broken.extend(unread(measured));
    broken
}

/// A Tollgate that meters nothing is fast for no good reason.
fn unread(measured: &Measured) -> Vec<String> {
    let ours = || filter::ALL.iter().filter(|filter| filter.is_tollgate() || filter.is_estimating());
    let rows = measured.table.rows.iter();
    let cells = rows.flat_map(|row| {
        ours().filter_map(|filter| Some((row.workload, filter.name, row.cell(filter.name)?)))
    });
    // Without a vocabulary nobody counts what nobody reports.
    let expected =
        |(workload, filter, _): &(&str, &str, _)| !(*workload == UNREPORTED && *filter == TOLLGATE);
    let unread = cells.filter(|(_, _, cell)| cell.read == Some(false)).filter(expected);
    unread.map(|(workload, filter, _)| format!("{filter} did not read all calls of `{workload}`")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Row, Table};
    use crate::filter::PLAIN;
    use crate::streams::Held;

    fn measured(rows: Vec<Row>, vm: u64) -> Measured {
        let held = Held { workload: "open-plain", streams: 1000, plain: 0, tollgate: 0, vm };
        Measured { table: Table { rows, rounds: 1 }, streams: vec![held], ..Measured::default() }
    }

    fn burst(tollgate: f64) -> Row {
        Row::of(SSE_BURST, &[(PLAIN, 200.0), (TOLLGATE, 200.0 + tollgate), (NATIVE, 1200.0)])
    }

    #[test]
    fn a_slow_down_breaks_a_mark_and_is_told_in_a_sentence() {
        assert_eq!(broken(&measured(vec![burst(100.0)], 8_192_000)), [""; 0]);
        let slower = broken(&measured(vec![burst(101.0)], 8_192_000));
        assert_eq!(
            slower,
            ["`sse-burst`: tollgate over ai_protocol_manager: 0.101 times, at most 0.1 may be"]
        );
        let heavier = broken(&measured(vec![burst(100.0)], 8_200_000));
        assert_eq!(heavier.len(), 1, "{heavier:?}");
    }

    #[test]
    fn what_was_not_measured_or_drowns_in_the_noise_breaks_nothing_and_is_no_success() {
        let negative = Row::of(SSE_PACED, &[(PLAIN, 200.0), (TOLLGATE, 300.0), (NATIVE, 150.0)]);
        let measured = measured(vec![negative], 0);
        assert_eq!(broken(&measured), [""; 0]);
        let marks = marks(&measured);
        let paced = marks.iter().find(|mark| mark.what.contains(SSE_PACED)).expect("a mark");
        assert_eq!((paced.measured, paced.holds()), (None, None));
    }

    #[test]
    fn a_compressed_stream_is_held_against_its_inflation() {
        let gzip = |tollgate| {
            let row = &[(PLAIN, 100.0), (NO_OP, 110.0), (INFLATE, 210.0), (TOLLGATE, tollgate)];
            over_inflation(&measured(vec![burst(50.0), Row::of(SSE_GZIP, row)], 0), SSE_GZIP).measured
        };
        // 100 us are the inflation's.
        assert_eq!(gzip(250.0), Some(1.0));
        assert_eq!(gzip(300.0), Some(1.5));
        assert_eq!(gzip(140.0), None, "cheaper than without a coding is noise, and no success");
    }
}
