//! What must hold, or the comparison fails.

use crate::Measured;
use crate::filter::{self, NATIVE, NATIVE_PARSING, NO_OP, PLAIN, TOLLGATE};
use crate::workload::{JSON, SSE_BURST};

/// Whether a broken gate is an error.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gated {
    /// It ends the command with an error.
    Yes,
    /// It is printed.
    No,
}

const SSE_BURST_TIMES_NATIVE: f64 = 0.25;
const JSON_TIMES_NATIVE: f64 = 2.0;
const BYTES_OVER_NO_OP: u64 = 4 << 20;

/// What does not hold, in sentences.
pub fn broken(measured: &Measured) -> Vec<String> {
    let mut broken = Vec::new();
    broken.extend(too_slow(measured, SSE_BURST, NATIVE, SSE_BURST_TIMES_NATIVE));
    broken.extend(too_slow(measured, JSON, NATIVE_PARSING, JSON_TIMES_NATIVE));
    broken.extend(too_heavy(measured));
    broken.extend(unread(measured));
    broken
}

/// Tollgate's overhead as a multiple of another filter's; nothing where the other one has none.
pub fn times(measured: &Measured, workload: &str, tollgate: &str, other: &str) -> Option<f64> {
    let row = measured.table.row(workload)?;
    let plain = row.cell(PLAIN)?;
    let (ours, theirs) = (row.cell(tollgate)?.over(plain)?, row.cell(other)?.over(plain)?);
    (theirs.median > 0.0).then(|| ours.median / theirs.median)
}

fn too_slow(measured: &Measured, workload: &str, other: &str, limit: f64) -> Option<String> {
    let times = times(measured, workload, TOLLGATE, other)?;
    (times > limit)
        .then(|| format!("`{workload}` costs {times:.2} times what {other} adds, at most {limit} may be"))
}

fn too_heavy(measured: &Measured) -> Option<String> {
    let per_worker = |name| Some(measured.memory.iter().find(|weight| weight.filter == name)?.per_worker);
    let over = per_worker(TOLLGATE)?.saturating_sub(per_worker(NO_OP)?);
    (over > BYTES_OVER_NO_OP).then(|| {
        format!("a worker's VM weighs {over} bytes more than a no-op's, at most {BYTES_OVER_NO_OP} may be")
    })
}

/// A Tollgate that meters nothing is fast for no good reason.
fn unread(measured: &Measured) -> Vec<String> {
    let tollgates = || filter::ALL.iter().filter(|filter| filter.is_tollgate());
    let gated = measured.table.rows.iter().filter(|row| [JSON, SSE_BURST].contains(&row.workload));
    let cells = gated.flat_map(|row| {
        tollgates().filter_map(|filter| Some((row.workload, filter.name, row.cell(filter.name)?)))
    });
    let unread = cells.filter(|(_, _, cell)| cell.read == Some(false));
    unread.map(|(workload, filter, _)| format!("{filter} did not read all calls of `{workload}`")).collect()
}
