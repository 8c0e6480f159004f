//! Forecasts against budgets: by how much a month will be over or under, and on which day a budget runs out.

use std::collections::BTreeMap;

use tollgate_pricing::PicoUsd;

use super::{Coming, add};
use crate::amount::{mul_div, permille};
use crate::csv_in::{CsvError, CsvTable};
use crate::sheet::Cell;
use crate::zone::{day_text, next_month, parse_day};

pub const HEADS: [&str; 8] = [
    "actual_usd",
    "forecast_usd",
    "expected_usd",
    "low_usd",
    "high_usd",
    "budget_usd",
    "over_usd",
    "over_percent",
];

/// Budgets of months, by the value of a dimension.
#[derive(Clone, Debug, Default)]
pub struct Budgets(BTreeMap<(String, String), PicoUsd>);

impl Budgets {
    /// Reads a table with the columns `month` (2026-11) and `usd`, and that of the dimension if there is one.
    ///
    /// # Errors
    /// A column that is missing, a field that is none.
    pub fn parse(text: &str, dimension: Option<&str>) -> Result<Self, String> {
        let told = |error: CsvError| error.to_string();
        let table = CsvTable::parse(text).map_err(told)?;
        let month = table.column(&["month"]).map_err(told)?;
        let usd = table.column(&["usd", "budget_usd"]).map_err(told)?;
        let value = dimension.map(|name| table.column(&[name])).transpose().map_err(told)?;
        let mut budgets = BTreeMap::new();
        for row in table.rows() {
            if parse_day(&format!("{}-01", row.get(month))).is_none() {
                return Err(format!("`{}` is no month, expected one like 2026-11", row.get(month)));
            }
            let amount = row.get(usd).parse().map_err(|error| format!("`{}`: {error}", row.get(usd)))?;
            let value = value.map_or("all", |column| row.get(column));
            if budgets.insert((value.to_owned(), row.get(month).to_owned()), amount).is_some() {
                return Err(format!("`{value}` has two budgets for {}", row.get(month)));
            }
        }
        Ok(Self(budgets))
    }

    /// A row for each month of this value that has a budget and days in the log or ahead.
    pub(super) fn rows(&self, value: &str, coming: &Coming) -> Vec<Vec<Cell>> {
        let own = self.0.iter().filter(|((known, _), _)| known == value);
        own.filter_map(|((_, month), budget)| row(value, month, *budget, coming)).collect()
    }
}

fn row(value: &str, month: &str, budget: PicoUsd, coming: &Coming) -> Option<Vec<Cell>> {
    let first = parse_day(&format!("{month}-01"))?;
    let end = next_month(first);
    let within = |day: i64| first <= day && day < end;
    let days = |start: i64, costs: &[i128]| -> Vec<(i64, i128)> {
        (start..).zip(costs.iter().copied()).filter(|(day, _)| within(*day)).collect()
    };
    let was = days(coming.first, &coming.series);
    let will = days(coming.last.checked_add(1)?, &coming.days);
    if was.is_empty() && will.is_empty() {
        return None;
    }
    let total = |days: &[(i64, i128)]| days.iter().fold(0, |sum, (_, cost)| add(sum, *cost));
    let (actual, rest) = (total(&was), total(&will));
    let expected = add(actual, rest);
    let bound = |ratio: i128| mul_div(rest, ratio.max(0).unsigned_abs(), 1000).map(|rest| add(actual, rest));
    let last_place =
        will.last().and_then(|(day, _)| usize::try_from(day.checked_sub(coming.last)?.checked_sub(1)?).ok());
    let interval = last_place.and_then(|place| coming.tried.interval(place));
    let mut spent = 0_i128;
    let runs_out = was.iter().chain(&will).find(|(_, cost)| {
        spent = add(spent, *cost);
        spent > budget.pico()
    });
    let usd = |pico: i128| Cell::Usd(PicoUsd::from_pico(pico));
    let over = expected.checked_sub(budget.pico())?;
    Some(vec![
        value.into(),
        month.into(),
        usd(actual),
        usd(rest),
        usd(expected),
        interval.and_then(|(low, _)| bound(low)).map_or(Cell::Empty, usd),
        interval.and_then(|(_, high)| bound(high)).map_or(Cell::Empty, usd),
        Cell::Usd(budget),
        usd(over),
        Cell::permille(permille(over, budget.pico())),
        runs_out.map_or(Cell::text(""), |(day, _)| Cell::text(day_text(*day))),
    ])
}
