//! Charges in the form of the FinOps Open Cost and Usage Specification, FOCUS 1.2
//! (<https://focus.finops.org/focus-specification/v1-2/>): one row for each day, model, class of tokens or unit, price and
//! set of tags. Columns of the specification's later drafts for AI stand as custom columns (`x_...`).

mod columns;

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value as Json};
use tollgate_policy::UNTAGGED;
use tollgate_pricing::{PicoUsd, TokenKind, UnitKind};
use tollgate_record::{CivilDate, Timestamp};

use crate::amount::split;
use crate::counts::disjoint;
use crate::dimension::{Dimension, Lens};
use crate::fold::Fold;
use crate::parquet::{Kind, Pack, Value, Writer};
use crate::row::Row;
use crate::selection::Selection;

pub use columns::Account;

/// Millionths: quantities may have six decimals.
const MICROS: u128 = 1_000_000;
const DAY: i64 = 86_400;

/// Adds up charges.
#[derive(Clone, Debug)]
pub struct Focus {
    tags: Vec<String>,
    lens: Lens,
    selection: Selection,
    charges: BTreeMap<Key, Charge>,
    /// Calls whose cost is not known: no charge can stand for them.
    pub unknown: u64,
    too_large: bool,
}

/// What makes charges one row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Seconds of the epoch at which the day begins in UTC, as the specification wants its dates.
    start: i64,
    provider: String,
    model: String,
    /// The line of the cost: a class of tokens, a unit.
    meter: String,
    operation: String,
    region: Option<String>,
    tags: Option<String>,
    /// Pico-dollars for one, where the amount is a whole multiple: rows then hold one price each.
    unit_price: Option<i128>,
    list_unit_price: Option<i128>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Charge {
    calls: u64,
    /// Millionths of what is counted.
    quantity: u128,
    billed: PicoUsd,
    list: PicoUsd,
}

impl Focus {
    /// Charges keep these tags.
    pub fn new(tags: Vec<String>, lens: Lens, selection: Selection) -> Self {
        Self { tags, lens, selection, charges: BTreeMap::new(), unknown: 0, too_large: false }
    }

    fn tags_of(&self, row: &Row<'_>) -> Option<String> {
        let carried = self.tags.iter().filter_map(|tag| Some((tag.clone(), row.tag(tag)?)));
        let carried = carried.filter(|(_, value)| *value != UNTAGGED);
        let map: Map<String, Json> = carried.map(|(tag, value)| (tag, Json::from(value))).collect();
        (!map.is_empty()).then(|| Json::Object(map).to_string())
    }

    /// Adds the lines of a call; `None` if something does not fit.
    fn charge(&mut self, row: &Row<'_>, usd: PicoUsd) -> Option<()> {
        let own = [("reported".into(), usd)];
        let lines = if row.lines.is_empty() { own.as_slice() } else { row.lines.as_slice() };
        let list = list_amounts(row, usd, lines)?;
        let day = row.time.unix_seconds().div_euclid(DAY).checked_mul(DAY)?;
        let model = self.lens.value(&Dimension::Model, row);
        let tags = self.tags_of(row);
        for ((name, billed), list) in lines.iter().zip(list) {
            let quantity = quantity(row, name)?;
            if quantity == 0 && *billed == PicoUsd::ZERO {
                continue;
            }
            let key = Key {
                start: day,
                provider: row.provider.to_string(),
                model: model.clone(),
                meter: name.to_string(),
                operation: row.operation.to_string(),
                region: row.region.as_deref().map(str::to_owned),
                tags: tags.clone(),
                unit_price: whole_price(*billed, quantity),
                list_unit_price: whole_price(list, quantity),
            };
            let charge = self.charges.entry(key).or_default();
            charge.calls = charge.calls.checked_add(1)?;
            charge.quantity = charge.quantity.checked_add(quantity)?;
            charge.billed = charge.billed.checked_add(*billed)?;
            charge.list = charge.list.checked_add(list)?;
        }
        Some(())
    }

    /// The sum of all charges; `None` if something did not fit.
    pub fn billed(&self) -> Option<PicoUsd> {
        PicoUsd::try_sum(self.charges.values().map(|charge| charge.billed)).filter(|_| !self.too_large)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.charges.len()
    }

    /// Writes CSV.
    ///
    /// # Errors
    /// Of the output.
    pub fn csv(&self, account: &Account, mut out: impl Write) -> io::Result<()> {
        let heads: Vec<&str> = columns::COLUMNS.iter().map(|(name, _)| *name).collect();
        write!(out, "{}\r\n", heads.join(","))?;
        for (key, charge) in &self.charges {
            let cells = columns::row(account, key, charge).map(|cell| cell.csv());
            write!(out, "{}\r\n", cells.join(","))?;
        }
        out.flush()
    }

    /// Writes Parquet.
    ///
    /// # Errors
    /// Of the output.
    pub fn parquet<W: Write>(&self, account: &Account, out: W, pack: Option<Pack>) -> io::Result<()> {
        let columns = columns::COLUMNS.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        let mut writer = Writer::new(out, columns, pack)?;
        for (key, charge) in &self.charges {
            let cells = columns::row(account, key, charge);
            writer.row(cells.iter().map(columns::Cell::value))?;
        }
        writer.finish().map(|_| ())
    }
}

impl Fold for Focus {
    fn add(&mut self, row: &Row<'_>) {
        if !self.selection.has(row, &mut self.lens) {
            return;
        }
        self.unknown = self.unknown.saturating_add(u64::from(row.cost_is_unknown()));
        if let Some(usd) = row.usd {
            self.too_large |= self.charge(row, usd).is_none();
        }
    }

    fn merge(&mut self, other: Self) {
        self.unknown = self.unknown.saturating_add(other.unknown);
        self.too_large |= other.too_large;
        for (key, more) in other.charges {
            let charge = self.charges.entry(key).or_default();
            let sum = || {
                Some(Charge {
                    calls: charge.calls.checked_add(more.calls)?,
                    quantity: charge.quantity.checked_add(more.quantity)?,
                    billed: charge.billed.checked_add(more.billed)?,
                    list: charge.list.checked_add(more.list)?,
                })
            };
            match sum() {
                Some(sum) => *charge = sum,
                None => self.too_large = true,
            }
        }
    }
}

/// List prices of the lines: their own amounts where nothing was adjusted, else the list price in their proportions.
fn list_amounts(
    row: &Row<'_>,
    usd: PicoUsd,
    lines: &[(std::borrow::Cow<'_, str>, PicoUsd)],
) -> Option<Vec<PicoUsd>> {
    let own = || lines.iter().map(|(_, amount)| *amount).collect();
    match row.list_usd {
        Some(list) if list != usd && usd > PicoUsd::ZERO => {
            let weights: Vec<u128> =
                lines.iter().map(|(_, amount)| amount.pico().max(0).unsigned_abs()).collect();
            split(list, &weights)
        }
        _ => Some(own()),
    }
}

/// How much a line was for, in millionths: tokens of all classes that were billed under its name, or units. One for
/// what is neither.
fn quantity(row: &Row<'_>, line: &str) -> Option<u128> {
    let named = |name: &str| row.lines.iter().any(|(line, _)| line == name);
    if TokenKind::from_name(line).is_some() {
        let counts = disjoint(&row.tokens);
        let billed_here = |kind: TokenKind| {
            kind.billed_as().iter().map(|kind| kind.name()).find(|name| named(name)) == Some(line)
        };
        let mut tokens = counts.iter().filter(|(kind, _)| billed_here(*kind));
        return tokens
            .try_fold(0_u128, |sum, (_, count)| sum.checked_add(u128::from(count)))?
            .checked_mul(MICROS);
    }
    let unit = row.units.iter().find(|(name, _)| {
        UnitKind::from_name(name).is_some_and(|kind| kind.billed_as().iter().any(|kind| kind.name() == line))
    });
    let micros = unit.and_then(|(_, quantity)| quantity.parse::<PicoUsd>().ok());
    let micros = micros.map(|amount| amount.pico().unsigned_abs().div_euclid(MICROS));
    Some(micros.unwrap_or(MICROS))
}

/// Pico-dollars for one, if that is a whole number.
fn whole_price(amount: PicoUsd, quantity: u128) -> Option<i128> {
    let scaled = amount.pico().checked_mul(i128::try_from(MICROS).ok()?)?;
    let by = i128::try_from(quantity).ok().filter(|by| *by > 0)?;
    (scaled.checked_rem(by)? == 0).then(|| scaled.checked_div(by)).flatten()
}

/// The month that holds an instant, as two instants.
fn month_of(second: i64) -> (i64, i64) {
    let day = second.div_euclid(DAY);
    let date = CivilDate::from_unix_days(day);
    let first = CivilDate { day: 1, ..date }.unix_days();
    (first.saturating_mul(DAY), crate::zone::next_month(day).saturating_mul(DAY))
}

/// `2026-11-20T00:00:00Z`.
fn instant(second: i64) -> String {
    let text = Timestamp::from_unix_nanos(second.saturating_mul(1_000_000_000)).to_string();
    text.replace(".000Z", "Z")
}

#[cfg(test)]
mod tests;
