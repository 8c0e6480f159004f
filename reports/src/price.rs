//! What a recorded call would cost with another model, at list prices.

use tollgate_pricing::{PicoUsd, Quantity, Situation, UnitKind, Units, Usage, quote};

use crate::amount::scale;
use crate::counts::disjoint;
use crate::reprice::Book;
use crate::row::Row;

/// What the call costs with another model: the same tokens at its list price, lowered or raised as the call's own was.
/// `None` if the model is unknown, has no price for something that was used, or nothing is known of what was used.
pub fn with_model(row: &Row<'_>, model: &str, prices: &Book) -> Option<PicoUsd> {
    row.usd?;
    let found = prices.find_elsewhere(&row.provider, model)?;
    let situation = Situation { time_unix_s: row.time.unix_seconds(), ..Situation::default() };
    let usage = Usage { tokens: disjoint(&row.tokens), units: units(row)? };
    let quote = quote(&found.card, &usage, &situation, &[]).ok().filter(|quote| quote.unpriced.is_empty())?;
    match (row.usd, row.list_usd) {
        (Some(usd), Some(list)) if usd != list && list > PicoUsd::ZERO => {
            scale(quote.list, usd.pico().max(0).unsigned_abs(), list.pico().unsigned_abs())
        }
        _ => Some(quote.list),
    }
}

fn units(row: &Row<'_>) -> Option<Units> {
    let mut units = Units::default();
    for (name, quantity) in &row.units {
        let micros = quantity.parse::<PicoUsd>().ok()?.pico().checked_div(1_000_000)?;
        units.set(UnitKind::from_name(name)?, Quantity::from_micros(u64::try_from(micros).ok()?));
    }
    Some(units)
}
