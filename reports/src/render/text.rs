//! Tables for a terminal.

use tollgate_pricing::PicoUsd;

use super::fraction;
use crate::sheet::{Cell, Chart, Document, Sheet};

/// How much of a sheet is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    /// Rows of each sheet; the others are only counted.
    pub rows: usize,
}

/// Texts of more characters are cut.
const MAX_TEXT: usize = 44;

/// Spells a document for people. Money is rounded to a millionth of a dollar, and never to nothing.
pub fn text(document: &Document, width: Width) -> String {
    let mut out = String::new();
    if !document.title.is_empty() {
        out.push_str(&format!("{}\n", document.title));
    }
    document.facts.iter().for_each(|fact| out.push_str(&format!("  {fact}\n")));
    for sheet in &document.sheets {
        out.push_str(&format!("\n{}\n", sheet.title));
        table(sheet, width, &mut out);
    }
    if !document.notes.is_empty() {
        out.push('\n');
    }
    document.notes.iter().for_each(|note| out.push_str(&format!("note: {note}\n")));
    out
}

fn table(sheet: &Sheet, width: Width, out: &mut String) {
    if sheet.rows.is_empty() {
        return out.push_str("  nothing\n");
    }
    let left_out = sheet.rows.len().saturating_sub(width.rows);
    // Of days the last ones are of interest, of anything else the first ones: those with the most money.
    let is_time = matches!(sheet.chart, Chart::Line(_));
    let shown =
        sheet.rows.iter().skip(if is_time { left_out } else { 0 }).take(width.rows).chain(&sheet.total);
    let rows: Vec<Vec<String>> = shown.map(|row| row.iter().map(cell).collect()).collect();
    let heads: Vec<String> = sheet.columns.iter().map(|column| column.name.clone()).collect();
    let widths: Vec<usize> = (0..heads.len())
        .map(|place| {
            let of = |row: &Vec<String>| row.get(place).map_or(0, |text| text.chars().count());
            rows.iter().chain([&heads]).map(of).max().unwrap_or_default()
        })
        .collect();
    line(sheet, &heads, &widths, out);
    let more = if is_time { "before these" } else { "more" };
    if is_time && left_out > 0 {
        out.push_str(&format!("  ... and {left_out} rows {more}\n"));
    }
    for (place, row) in rows.iter().enumerate() {
        if sheet.total.is_some() && place.checked_add(1) == Some(rows.len()) {
            if left_out > 0 && !is_time {
                out.push_str(&format!("  ... and {left_out} {more} rows\n"));
            }
            let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            line(sheet, &dashes, &widths, out);
        }
        line(sheet, row, &widths, out);
    }
    if sheet.total.is_none() && left_out > 0 && !is_time {
        out.push_str(&format!("  ... and {left_out} {more} rows\n"));
    }
}

fn line(sheet: &Sheet, row: &[String], widths: &[usize], out: &mut String) {
    let mut text = String::from(" ");
    for ((column, value), width) in sheet.columns.iter().zip(row).zip(widths) {
        let blank = " ".repeat(width.saturating_sub(value.chars().count()));
        let (before, after) = if column.number { (blank.as_str(), "") } else { ("", blank.as_str()) };
        text.push_str(&format!(" {before}{value}{after} "));
    }
    out.push_str(text.trim_end());
    out.push('\n');
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Empty => "-".into(),
        Cell::Text(text) => printable(text),
        Cell::Count(count) => {
            let sign = if *count < 0 { "-" } else { "" };
            format!("{sign}{}", grouped(count.unsigned_abs()))
        }
        Cell::Usd(amount) => usd_short(*amount),
        Cell::Permille(share) => format!("{} %", fraction(*share, 10)),
        Cell::Milli(parts) => fraction(*parts, 1000),
    }
}

/// Values come from clients: what could move a terminal's cursor is replaced.
fn printable(text: &str) -> String {
    let shown: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    match shown.char_indices().nth(MAX_TEXT) {
        None => shown,
        Some((cut, _)) => format!("{}…", shown.get(..cut).unwrap_or_default()),
    }
}

/// Pico-dollars in a millionth of a dollar.
const MICRO: u128 = 1_000_000;

/// `1,240.500000`, rounded half up to a millionth of a dollar; what is less than that stands in full.
pub fn usd_short(amount: PicoUsd) -> String {
    let size = amount.pico().unsigned_abs();
    if size > 0 && size < MICRO {
        return amount.to_string();
    }
    let sign = if amount.pico() < 0 { "-" } else { "" };
    let micros = size.saturating_add(MICRO.div_euclid(2)).div_euclid(MICRO);
    format!("{sign}{}.{:06}", grouped(micros.div_euclid(MICRO)), micros.rem_euclid(MICRO))
}

/// `1,234,567`.
pub fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len().saturating_mul(2));
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digits.len().saturating_sub(place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
