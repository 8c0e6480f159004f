//! Comma-separated values, as RFC 4180 has them.

use super::plain;
use crate::sheet::{Cell, Sheet};

/// Spells one sheet; money in full. The row of sums is left out: whoever adds up the column must not count it.
pub fn csv(sheet: &Sheet) -> String {
    let heads: Vec<String> = sheet.columns.iter().map(|column| quoted(&column.name)).collect();
    let mut out = format!("{}\r\n", heads.join(","));
    for row in &sheet.rows {
        let cells: Vec<String> = row.iter().map(field).collect();
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => quoted(&harmless(text)),
        other => plain(other),
    }
}

/// Spreadsheets run what looks like a formula, and values come from clients: those are kept from it by an apostrophe.
fn harmless(text: &str) -> String {
    if text.len() > 1 && text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
