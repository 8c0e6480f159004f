//! Whose cost moved most from one span of days to another, and why.
//!
//! A change is taken apart in a fixed order: more calls, other models, more tokens in a call, another share of them out
//! of the cache, other prices, and what is not billed by the token. Each step changes one thing and leaves the others as
//! they were before, so the parts add up to the change exactly, whatever is rounded inside.

use std::collections::BTreeMap;

use tollgate_pricing::PicoUsd;
use tollgate_record::CostStatus;

use crate::amount::scale;
use crate::dimension::{Dimension, Lens};
use crate::row::Row;
use crate::sheet::{Cell, Chart, Sheet};
use crate::sums::Sum;
use crate::table::Table;
use crate::zone::{day_text, parse_day};

/// How the classes of tokens are told apart here: input that came fresh, was read from a cache, was written to one,
/// output, and what is not billed by the token.
const CLASSES: usize = 5;
const OTHER: usize = 4;

/// What calls of one model used and cost, by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    calls: u128,
    tokens: [u128; CLASSES],
    cost: [PicoUsd; CLASSES],
}

impl Sum for Detail {
    fn add(&mut self, row: &Row<'_>) {
        if row.status == CostStatus::NotSent {
            return;
        }
        self.calls = self.calls.saturating_add(1);
        let of = |count: Option<u64>| count.map_or(0, u128::from);
        let [input, read, write, output] =
            [row.tokens.input, row.tokens.cache_read, row.tokens.cache_creation, row.tokens.output].map(of);
        // A report whose parts are more than the whole leaves nothing of it.
        let fresh = input.checked_sub(read).and_then(|rest| rest.checked_sub(write)).unwrap_or_default();
        for (sum, count) in self.tokens.iter_mut().zip([fresh, read, write, output]) {
            *sum = sum.saturating_add(count);
        }
        let mut rest = row.usd.unwrap_or(PicoUsd::ZERO);
        for (name, amount) in &row.lines {
            let class = class(name);
            rest = rest.checked_sub(*amount).unwrap_or(rest);
            self.pay(class, *amount);
        }
        self.pay(OTHER, rest);
    }

    fn merge(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        for (sum, count) in self.tokens.iter_mut().zip(other.tokens) {
            *sum = sum.saturating_add(count);
        }
        for (class, amount) in other.cost.into_iter().enumerate() {
            self.pay(class, amount);
        }
    }
}

/// The class of a line of a cost, by its name.
fn class(line: &str) -> usize {
    match line {
        _ if line.starts_with("cache_read") => 1,
        _ if line.starts_with("cache_write") => 2,
        _ if line.starts_with("input") => 0,
        _ if line.starts_with("output") || line == "reasoning" => 3,
        _ => OTHER,
    }
}

impl Detail {
    fn pay(&mut self, class: usize, amount: PicoUsd) {
        if let Some(sum) = self.cost.get_mut(class) {
            *sum = sum.checked_add(amount).unwrap_or(*sum);
        }
    }

    fn total(&self) -> PicoUsd {
        sum(self.cost)
    }

    fn input_tokens(&self) -> u128 {
        self.tokens.iter().take(3).fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// Sums of less than 2^63 dollars never leave the range; what did would show as a part that does not move.
fn sum(amounts: impl IntoIterator<Item = PicoUsd>) -> PicoUsd {
    amounts.into_iter().fold(PicoUsd::ZERO, |sum, amount| sum.checked_add(amount).unwrap_or(sum))
}

/// Why a cost changed; the parts add up to the change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What it was.
    pub before: PicoUsd,
    /// What it is.
    pub after: PicoUsd,
    /// More calls.
    pub volume: PicoUsd,
    /// Other models.
    pub mix: PicoUsd,
    /// More tokens in a call.
    pub tokens: PicoUsd,
    /// Another share of the input out of caches, or into them.
    pub cache: PicoUsd,
    /// Other prices by the token.
    pub price: PicoUsd,
    /// What is not billed by the token: searches, images, differences of the provider's own figure.
    pub other: PicoUsd,
}

impl Change {
    /// Takes the change of calls apart whose details are known by model.
    pub fn of(before: &BTreeMap<&str, Detail>, after: &BTreeMap<&str, Detail>) -> Self {
        let calls = |details: &BTreeMap<&str, Detail>| {
            details.values().fold(0_u128, |sum, detail| sum.saturating_add(detail.calls))
        };
        let first = sum(before.values().map(Detail::total));
        let volume = scale(first, calls(after), calls(before)).unwrap_or(first);
        let none = Detail::default();
        let models = before.keys().chain(after.keys().filter(|model| !before.contains_key(*model)));
        let steps: Vec<[PicoUsd; 5]> = models
            .map(|model| steps(before.get(model).unwrap_or(&none), after.get(model).unwrap_or(&none)))
            .collect();
        let [mix, tokens, cache, price, last] =
            [0, 1, 2, 3, 4].map(|step| sum(steps.iter().filter_map(|steps| steps.get(step).copied())));
        let less = |one: PicoUsd, other: PicoUsd| one.checked_sub(other).unwrap_or(PicoUsd::ZERO);
        // Where nothing was before, or nothing is left, all of the change is that of the calls.
        let one_sided = calls(before) == 0 || calls(after) == 0;
        let all_volume = Self { before: first, after: last, volume: less(last, first), ..Self::default() };
        if one_sided {
            return all_volume;
        }
        Self {
            before: first,
            after: last,
            volume: less(volume, first),
            mix: less(mix, volume),
            tokens: less(tokens, mix),
            cache: less(cache, tokens),
            price: less(price, cache),
            other: less(last, price),
        }
    }

    /// The whole change.
    pub fn change(&self) -> PicoUsd {
        self.after.checked_sub(self.before).unwrap_or(PicoUsd::ZERO)
    }

    /// The parts, by their names.
    pub fn parts(&self) -> [(&'static str, PicoUsd); 6] {
        [
            ("volume", self.volume),
            ("mix", self.mix),
            ("tokens_per_call", self.tokens),
            ("cache_share", self.cache),
            ("price", self.price),
            ("other", self.other),
        ]
    }
}

/// What one model would have cost: with the calls of today and all else as before; then with the tokens in a call, the
/// share of caches, the prices and the rest of today, one after the other.
fn steps(before: &Detail, after: &Detail) -> [PicoUsd; 5] {
    let last = after.total();
    if before.calls == 0 || after.calls == 0 {
        // There is nothing to compare: that the model came or went is a matter of the mix.
        return [last; 5];
    }
    let by_calls = |amount: PicoUsd| scale(amount, after.calls, before.calls).unwrap_or(amount);
    let [_, _, _, output_before, other_before] = before.cost;
    let other = by_calls(other_before);
    let mix = by_calls(before.total());
    let input = |detail: &Detail| sum(detail.cost.into_iter().take(3));
    let output = at(output_before, class_tokens(before, 3), class_tokens(after, 3), cost(after, 3));
    let all_input = at(input(before), before.input_tokens(), after.input_tokens(), input(after));
    let split = (0..3).map(|class| {
        at(cost(before, class), class_tokens(before, class), class_tokens(after, class), cost(after, class))
    });
    let tokens = sum([all_input, output, other]);
    let cache = sum(split.chain([output, other]));
    let price = sum(after.cost.into_iter().take(OTHER).chain([other]));
    [mix, tokens, cache, price, last]
}

fn class_tokens(detail: &Detail, class: usize) -> u128 {
    detail.tokens.get(class).copied().unwrap_or_default()
}

fn cost(detail: &Detail, class: usize) -> PicoUsd {
    detail.cost.get(class).copied().unwrap_or(PicoUsd::ZERO)
}

/// Today's tokens at the price of before; where there was none, at today's.
fn at(cost_before: PicoUsd, before: u128, after: u128, cost_after: PicoUsd) -> PicoUsd {
    if before == 0 { cost_after } else { scale(cost_before, after, before).unwrap_or(cost_before) }
}

/// Details by day, value of a dimension, and model.
#[derive(Clone, Debug)]
pub struct Movers {
    table: Table<Detail>,
}

/// Two spans of local days, each from its first to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// The earlier one.
    pub before: (i64, i64),
    /// The later one.
    pub after: (i64, i64),
}

impl Periods {
    /// The span of days and the one of the same length before it.
    pub fn ending(first: i64, last: i64) -> Self {
        let length = last.saturating_sub(first).saturating_add(1);
        Self { before: (first.saturating_sub(length), first.saturating_sub(1)), after: (first, last) }
    }

    /// For a log from one day to another: its last week and the one before, or its halves. `None` for a single day.
    pub fn of_log(first: i64, last: i64) -> Option<Self> {
        let days = last.checked_sub(first)?.checked_add(1)?;
        let length = days.checked_div(2)?.min(7);
        (length > 0).then(|| Self::ending(last.saturating_sub(length).saturating_add(1), last))
    }
}

impl Movers {
    /// By the values of a dimension.
    pub fn new(dimension: Dimension) -> Self {
        Self { table: Table::new(vec![Dimension::Day, dimension, Dimension::Provider, Dimension::Model]) }
    }

    /// Takes a call.
    pub fn add(&mut self, row: &Row<'_>, lens: &mut Lens) {
        self.table.add(row, lens);
    }

    /// Takes all that another one took.
    pub fn merge(&mut self, other: Self) {
        self.table.merge(other.table);
    }

    /// The first and the last day with calls.
    pub fn days(&self) -> Option<(i64, i64)> {
        let days: Vec<_> =
            self.table.groups().iter().filter_map(|(values, _)| parse_day(values.first()?)).collect();
        Some((days.iter().copied().min()?, days.into_iter().max()?))
    }

    /// Each value's change, the largest first.
    pub fn changes(&self, periods: Periods) -> Vec<(String, Change)> {
        type ByModel<'a> = BTreeMap<&'a str, Detail>;
        let groups = self.table.groups();
        let names: Vec<String> =
            groups.iter().map(|(values, _)| values.get(2..).unwrap_or_default().join(" ")).collect();
        let mut values: BTreeMap<&str, [ByModel<'_>; 2]> = BTreeMap::new();
        for ((value, detail), model) in groups.iter().zip(&names) {
            let Some(day) = value.first().and_then(|day| parse_day(day)) else { continue };
            let within = |(first, last): (i64, i64)| first <= day && day <= last;
            let sides = values.entry(value.get(1).copied().unwrap_or_default()).or_default();
            for (side, _) in
                sides.iter_mut().zip([periods.before, periods.after]).filter(|(_, span)| within(*span))
            {
                side.entry(model.as_str()).or_default().merge(detail);
            }
        }
        let mut changes: Vec<_> = values
            .into_iter()
            .map(|(value, [before, after])| (value.to_owned(), Change::of(&before, &after)))
            .filter(|(_, change)| *change != Change::default())
            .collect();
        changes.sort_by_key(|(_, change)| std::cmp::Reverse(change.change().pico().unsigned_abs()));
        changes
    }

    /// The same as a sheet.
    pub fn sheet(&self, periods: Periods) -> Sheet {
        let name = self.table.dimensions().get(1).map_or("", Dimension::name);
        let span = |(first, last): (i64, i64)| format!("{} to {}", day_text(first), day_text(last));
        let title = format!("What moved, {} against {}", span(periods.after), span(periods.before));
        let mut sheet = Sheet::new("movers", title)
            .texts([name])
            .numbers(["before_usd", "after_usd", "change_usd"])
            .numbers(Change::default().parts().map(|(part, _)| part));
        let changes = self.changes(periods);
        let row = |name: &str, change: &Change| {
            let whole = [change.before, change.after, change.change()];
            let parts = change.parts().map(|(_, part)| part);
            std::iter::once(name.into())
                .chain(whole.into_iter().chain(parts).map(Cell::Usd))
                .collect::<Vec<_>>()
        };
        sheet.rows = changes.iter().map(|(value, change)| row(value, change)).collect();
        let add = |of: fn(&Change) -> PicoUsd| sum(changes.iter().map(|(_, change)| of(change)));
        let total = Change {
            before: add(|change| change.before),
            after: add(|change| change.after),
            volume: add(|change| change.volume),
            mix: add(|change| change.mix),
            tokens: add(|change| change.tokens),
            cache: add(|change| change.cache),
            price: add(|change| change.price),
            other: add(|change| change.other),
        };
        sheet.total = Some(row("all", &total));
        sheet.drawn(Chart::Bars(3))
    }
}

#[cfg(test)]
mod tests;
