//! Answers, spelled: a terminal's table, CSV, JSON, a page of HTML.

mod csv;
mod html;
mod json;
mod text;

pub use csv::csv;
pub use html::{fragment, html};
pub use json::json;
pub use text::{Width, grouped, text, usd_short};

use crate::sheet::Cell;

/// How machines read a cell: plain digits, exact money.
fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Count(count) => count.to_string(),
        Cell::Usd(amount) => amount.to_string(),
        Cell::Permille(share) => fraction(*share, 10),
        Cell::Milli(thousandths) => fraction(*thousandths, 1000),
    }
}

/// A decimal out of parts of a power of ten.
fn fraction(parts: i128, of: u128) -> String {
    let sign = if parts < 0 { "-" } else { "" };
    let size = parts.unsigned_abs();
    let (whole, rest) = (size.checked_div(of).unwrap_or(size), size.checked_rem(of).unwrap_or_default());
    let digits = usize::try_from(of.ilog10()).unwrap_or_default();
    format!("{sign}{whole}.{rest:0digits$}")
}

#[cfg(test)]
mod tests;
