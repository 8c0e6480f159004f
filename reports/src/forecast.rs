//! What the coming days will cost, in integers: a week's level and trend, shared out over its days as the last weeks were.
//!
//! The level is a mean of the last four weeks that weighs late ones more; the trend is the median change from week to
//! week, damped so that it fades; the share of each weekday is that of the last eight weeks. How wrong this was on the same
//! log, from every day of the past, is the interval and the back-test, beside which stands what a fair rival says: the
//! same day of the last week.

mod budget;

use std::collections::BTreeMap;

use tollgate_pricing::PicoUsd;

use crate::amount::{mul_div, permille};
use crate::dimension::{Dimension, Lens};
use crate::fold::Fold;
use crate::row::Row;
use crate::selection::Selection;
use crate::sheet::{Cell, Chart, Document, Sheet};
use crate::sums::Money;
use crate::zone::day_text;

pub use budget::Budgets;

const WEEK: usize = 7;
/// Weeks whose mean is the level, with their weights: the last one first.
const LEVEL: [i128; 4] = [4, 3, 2, 1];
/// The weighted mean of those weeks lies so many weeks before the last one.
const LEVEL_LAG: i128 = 1;
/// Weeks that tell the trend and the shares of weekdays.
const LOOK_BACK: usize = 8;
/// Percent of the trend that is left after each week.
const DAMPING: i128 = 85;
/// Days of history without which nothing is said.
pub const LEAST_DAYS: usize = 14;
/// How far ahead the past is tried.
const TRIED: usize = 28;

/// Forecasts so many days behind a series of daily costs, in pico-USD; none from less than two weeks.
pub fn forecast(days: &[i128], ahead: usize) -> Vec<i128> {
    let weeks = days.len().checked_div(WEEK).unwrap_or_default().min(LOOK_BACK);
    let recent = days.get(days.len().saturating_sub(weeks.saturating_mul(WEEK))..).unwrap_or_default();
    if days.len() < LEAST_DAYS {
        return Vec::new();
    }
    let totals: Vec<i128> = recent.chunks(WEEK).map(sum).collect();
    let (level, trend) = (level(&totals), trend(&totals));
    let whole = sum(recent).max(1);
    let of_weekday: Vec<i128> = (0..WEEK)
        .map(|weekday| {
            recent.chunks(WEEK).filter_map(|week| week.get(weekday)).fold(0, |all, day| add(all, *day))
        })
        .collect();
    let mut growth = mul_div(trend, LEVEL_LAG.unsigned_abs(), 1).unwrap_or_default();
    let mut step = trend;
    let mut out = Vec::with_capacity(ahead);
    for day in 0..ahead {
        let weekday = day.checked_rem(WEEK).unwrap_or_default();
        if weekday == 0 {
            step = mul_div(step, DAMPING.unsigned_abs(), 100).unwrap_or_default();
            growth = add(growth, step);
        }
        let total = add(level, growth).max(0);
        let share = of_weekday.get(weekday).copied().unwrap_or_default();
        out.push(mul_div(total, share.max(0).unsigned_abs(), whole.unsigned_abs()).unwrap_or_default());
    }
    out
}

/// What a fair rival says: each day as the same day of the last week.
pub fn naive(days: &[i128], ahead: usize) -> Vec<i128> {
    let last = days.get(days.len().saturating_sub(WEEK)..).unwrap_or_default();
    last.iter().copied().cycle().take(if last.is_empty() { 0 } else { ahead }).collect()
}

fn level(totals: &[i128]) -> i128 {
    let weighed = totals.iter().rev().zip(LEVEL);
    let (sum, weights) = weighed.fold((0_i128, 0_i128), |(sum, weights), (total, weight)| {
        (add(sum, total.checked_mul(weight).unwrap_or_default()), add(weights, weight))
    });
    mul_div(sum, 1, weights.max(1).unsigned_abs()).unwrap_or_default()
}

/// The median change from week to week.
fn trend(totals: &[i128]) -> i128 {
    let mut changes: Vec<i128> =
        totals.iter().zip(totals.iter().skip(1)).map(|(one, next)| next.saturating_sub(*one)).collect();
    changes.sort_unstable();
    let middle = changes.len().checked_div(2).unwrap_or_default();
    changes.get(middle).copied().unwrap_or_default()
}

fn sum(days: &[i128]) -> i128 {
    days.iter().fold(0, |sum, day| add(sum, *day))
}

/// Costs of days are far from the ends of the range; one that is not would be there for anybody to see.
const fn add(one: i128, other: i128) -> i128 {
    one.saturating_add(other)
}

/// How wrong forecasts from every day of the past were.
#[derive(Clone, Debug, Default)]
pub struct BackTest {
    /// For each week ahead: the sums of what was, of the model's errors and of the rival's.
    pub weeks: [[i128; 3]; 4],
    /// What was, in thousandths of what the model had said for all days up to it, in ascending order; by week ahead.
    ratios: [Vec<i128>; 4],
    /// Forecasts that were made.
    pub origins: usize,
}

/// Tries the model on the past: from each day that has enough history before it and days behind it.
pub fn back_test(days: &[i128]) -> BackTest {
    let mut test = BackTest::default();
    for origin in LEAST_DAYS.saturating_mul(2)..days.len() {
        let (past, future) = days.split_at_checked(origin).unwrap_or((days, &[]));
        let (model, rival) = (forecast(past, TRIED), naive(past, TRIED));
        test.origins = test.origins.saturating_add(1);
        let (mut said, mut was) = (0_i128, 0_i128);
        for (place, ((actual, model), rival)) in future.iter().zip(model).zip(rival).enumerate() {
            let week = place.checked_div(WEEK).unwrap_or_default();
            if let Some([actuals, errors, rivals]) = test.weeks.get_mut(week) {
                *actuals = add(*actuals, *actual);
                *errors = add(*errors, actual.saturating_sub(model).saturating_abs());
                *rivals = add(*rivals, actual.saturating_sub(rival).saturating_abs());
            }
            (said, was) = (add(said, model), add(was, *actual));
            if place.checked_rem(WEEK) == WEEK.checked_sub(1) {
                let ratio = mul_div(was, 1000, said.max(1).unsigned_abs());
                test.ratios.get_mut(week).into_iter().for_each(|ratios| ratios.extend(ratio));
            }
        }
    }
    test.ratios.iter_mut().for_each(|ratios| ratios.sort_unstable());
    test
}

impl BackTest {
    /// Tenths of a percent that the model and its rival were off, over all weeks.
    pub fn errors(&self) -> Option<(i128, i128)> {
        let all = self.weeks.iter().fold([0_i128; 3], |all, week| {
            let mut both = all;
            both.iter_mut().zip(week).for_each(|(sum, more)| *sum = add(*sum, *more));
            both
        });
        let [actual, model, rival] = all;
        permille(model, actual).zip(permille(rival, actual))
    }

    /// What 8 of 10 past forecasts so far ahead stayed within, in thousandths of the forecast.
    fn interval(&self, day: usize) -> Option<(i128, i128)> {
        let week = day.checked_div(WEEK)?.min(3);
        let ratios = self.ratios.get(week).filter(|ratios| ratios.len() >= 10)?;
        let at = |percent: usize| ratios.get(ratios.len().checked_mul(percent)?.checked_div(100)?);
        Some((*at(10)?, *at(90)?))
    }

    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("backtest", "How wrong such forecasts were on this log")
            .texts(["weeks_ahead"])
            .numbers(["off_percent", "same_day_last_week_off_percent"]);
        for (week, [actual, model, rival]) in self.weeks.iter().enumerate() {
            if *actual > 0 {
                let ahead = Cell::text(week.saturating_add(1).to_string());
                sheet.rows.push(vec![
                    ahead,
                    Cell::permille(permille(*model, *actual)),
                    Cell::permille(permille(*rival, *actual)),
                ]);
            }
        }
        sheet
    }
}

/// Adds up what days cost, by the values of a dimension or all in one.
#[derive(Clone, Debug)]
pub struct Daily {
    by: Option<Dimension>,
    lens: Lens,
    selection: Selection,
    days: BTreeMap<String, BTreeMap<i64, Money>>,
    /// The last second of the local clock that was seen.
    last: Option<i64>,
}

impl Daily {
    /// By the values of a dimension, or of all calls together.
    pub fn new(by: Option<Dimension>, lens: Lens, selection: Selection) -> Self {
        Self { by, lens, selection, days: BTreeMap::new(), last: None }
    }

    /// The last day that is whole: one that ends in the evening may have more to come.
    fn last_whole_day(&self) -> Option<i64> {
        const EVENING: i64 = 23 * 3600;
        let last = self.last?;
        let day = last.div_euclid(86_400);
        if last.rem_euclid(86_400) >= EVENING { Some(day) } else { day.checked_sub(1) }
    }

    /// One value's cost of each day from the first of the log to the last whole one; a day without calls cost nothing.
    fn series(&self, value: &str) -> Option<(i64, Vec<i128>)> {
        let last = self.last_whole_day()?;
        let first = self.days.values().filter_map(|days| days.keys().next()).min().copied()?;
        let days = self.days.get(value)?;
        let cost = |day: i64| days.get(&day).map_or(0, |money| money.amount().pico());
        Some((first, (first..=last).map(cost).collect()))
    }

    /// The answer, so many days ahead and against budgets if there are any.
    pub fn document(&self, ahead: usize, budgets: &Budgets) -> Document {
        let mut document = Document { title: "Forecast".into(), ..Document::default() };
        let Some(last) = self.last_whole_day() else {
            document.facts.push("no call was found".into());
            return document;
        };
        let name = self.by.as_ref().map_or("series", Dimension::name);
        let mut days = Sheet::new("forecast", format!("The days behind {}", day_text(last)))
            .texts([name, "day"])
            .numbers(["expected_usd", "low_usd", "high_usd"])
            .drawn(if self.by.is_none() { Chart::Line(2) } else { Chart::None });
        let mut variance = Sheet::new("budget", "Against the budget")
            .texts([name, "month"])
            .numbers(budget::HEADS)
            .texts(["runs_out"]);
        let mut test = None;
        for value in self.days.keys() {
            let Some((first, series)) = self.series(value) else { continue };
            let tried = back_test(&series);
            let coming = Coming { first, last, days: forecast(&series, ahead), series, tried };
            days.rows.extend((0..coming.days.len()).map(|place| coming.row(value, place)));
            variance.rows.extend(budgets.rows(value, &coming));
            test = Some(coming);
        }
        match &test {
            Some(coming) if coming.series.len() < LEAST_DAYS => {
                document.facts.push(format!(
                    "a forecast needs {LEAST_DAYS} whole days, this log has {}",
                    coming.series.len()
                ));
            }
            _ => {}
        }
        if !variance.rows.is_empty() {
            document.sheets.push(variance);
        }
        document.sheets.push(days);
        if let (None, Some(coming)) = (&self.by, &test) {
            document.facts.push(coming.verdict());
            document.sheets.push(coming.tried.sheet());
        }
        document.notes.push("low and high hold what 8 of 10 forecasts from past days held, for the sum of the days up to then".into());
        document
    }
}

impl Fold for Daily {
    fn add(&mut self, row: &Row<'_>) {
        if !self.selection.has(row, &mut self.lens) {
            return;
        }
        let seconds = self.lens.zone().local_seconds(row.time);
        self.last = self.last.max(Some(seconds));
        let value = match &self.by {
            Some(by) => self.lens.value(by, row),
            None => "all".to_owned(),
        };
        let money = self.days.entry(value).or_default().entry(seconds.div_euclid(86_400)).or_default();
        row.usd.into_iter().for_each(|usd| money.add(usd));
    }

    fn merge(&mut self, other: Self) {
        self.last = self.last.max(other.last);
        for (value, days) in other.days {
            let own = self.days.entry(value).or_default();
            for (day, money) in days {
                own.entry(day).or_default().add(money.amount());
            }
        }
    }
}

/// What was and what will be.
struct Coming {
    first: i64,
    last: i64,
    series: Vec<i128>,
    days: Vec<i128>,
    tried: BackTest,
}

impl Coming {
    fn row(&self, value: &str, place: usize) -> Vec<Cell> {
        let expected = self.days.get(place).copied().unwrap_or_default();
        let usd = |pico: i128| Cell::Usd(PicoUsd::from_pico(pico));
        let bound =
            |ratio: i128| mul_div(expected, ratio.max(0).unsigned_abs(), 1000).map_or(Cell::Empty, usd);
        let (low, high) = self
            .tried
            .interval(place)
            .map_or((Cell::Empty, Cell::Empty), |(low, high)| (bound(low), bound(high)));
        let day = self.last.saturating_add(1).saturating_add(i64::try_from(place).unwrap_or(i64::MAX));
        vec![value.into(), Cell::text(day_text(day)), usd(expected), low, high]
    }

    fn verdict(&self) -> String {
        match self.tried.errors() {
            None => "the log is too short to try forecasts on its past".into(),
            Some((model, rival)) => {
                let percent =
                    |permille: i128| format!("{}.{} %", permille.div_euclid(10), permille.rem_euclid(10));
                let better = if model < rival { "better" } else { "no better" };
                format!(
                    "tried from {} past days, forecasts of up to 4 weeks were {} off a day; the same day of the last week is {} off, \
                     so the model is {better}",
                    self.tried.origins,
                    percent(model),
                    percent(rival)
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
