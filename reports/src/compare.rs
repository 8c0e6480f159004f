//! Two sorts of calls beside each other, before and after a change of prompt or model, and whether a difference can be
//! chance.
//!
//! A difference of two means is held against its standard error (Welch). Sums of squares are exact integers, so is the
//! comparison; only the error itself is rounded down to a whole unit.

use crate::amount::{mul_div, permille, square_root};
use crate::dimension::Lens;
use crate::fold::Fold;
use crate::row::Row;
use crate::selection::Selection;
use crate::sheet::{Cell, Document, Sheet};

/// What is compared, and in which unit it is added up.
const MEASURES: [&str; 5] = [
    "cost_nano_usd_per_call",
    "input_tokens_per_call",
    "output_tokens_per_call",
    "duration_ms_per_call",
    "failed_permille",
];
const N: usize = MEASURES.len();

/// Two sorts of calls.
#[derive(Clone, Debug)]
pub struct Compare {
    lens: Lens,
    selection: Selection,
    sides: [Side; 2],
}

#[derive(Clone, Debug)]
struct Side {
    name: String,
    filter: Selection,
    calls: u64,
    measures: [Moments; N],
}

/// Count, sum and sum of squares. Values past the range are counted and left out.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: u128,
    sum: u128,
    squares: u128,
    too_large: bool,
}

impl Moments {
    fn add(&mut self, value: u64) {
        let value = u128::from(value);
        let next = || {
            Some((
                self.count.checked_add(1)?,
                self.sum.checked_add(value)?,
                self.squares.checked_add(value.checked_mul(value)?)?,
            ))
        };
        match next() {
            Some((count, sum, squares)) => (self.count, self.sum, self.squares) = (count, sum, squares),
            None => self.too_large = true,
        }
    }

    fn merge(&mut self, other: &Self) {
        let next = || {
            Some((
                self.count.checked_add(other.count)?,
                self.sum.checked_add(other.sum)?,
                self.squares.checked_add(other.squares)?,
            ))
        };
        self.too_large |= other.too_large;
        match next() {
            Some((count, sum, squares)) => (self.count, self.sum, self.squares) = (count, sum, squares),
            None => self.too_large = true,
        }
    }

    /// Thousandths of the mean.
    fn mean(&self) -> Option<i128> {
        if self.too_large {
            return None;
        }
        mul_div(i128::try_from(self.sum).ok()?, 1000, self.count)
    }

    /// The square of the mean's standard error, in millionths: the variance of a sample by its size.
    fn error(&self) -> Option<u128> {
        let before = self.count.checked_sub(1).filter(|rest| *rest > 0 && !self.too_large)?;
        let of_sum = mul_div(i128::try_from(self.sum).ok()?, self.sum, self.count)?;
        let spread = i128::try_from(self.squares).ok()?.checked_sub(of_sum)?.max(0);
        let variance = mul_div(spread, 1_000_000, before)?;
        mul_div(variance, 1, self.count).map(i128::unsigned_abs)
    }
}

/// How many standard errors make a difference that comes by chance once in 20, 100, 1,000 times; in hundredths.
const LEVELS: [(u128, &str); 3] = [(329, "99.9 %"), (258, "99 %"), (196, "95 %")];

impl Compare {
    /// Two sorts of calls, by name and filter.
    pub fn new(
        lens: Lens,
        selection: Selection,
        one: (String, Selection),
        other: (String, Selection),
    ) -> Self {
        let side = |(name, filter)| Side { name, filter, calls: 0, measures: [Moments::default(); N] };
        Self { lens, selection, sides: [side(one), side(other)] }
    }

    /// The answer.
    pub fn document(&self) -> Document {
        let [one, other] = &self.sides;
        let mut sheet = Sheet::new("compare", format!("{} against {}", other.name, one.name))
            .texts(["measure"])
            .numbers(["before", "after", "change", "change_percent", "standard_errors"])
            .texts(["sure"]);
        for ((name, before), after) in MEASURES.iter().zip(&one.measures).zip(&other.measures) {
            sheet.rows.push(row(name, before, after));
        }
        let facts = vec![
            format!("before: {} calls, {}", one.calls, one.name),
            format!("after: {} calls, {}", other.calls, other.name),
        ];
        let notes = vec![
            "`sure` says how sure it is that the difference is not chance; empty is less than 95 %".into(),
            "calls are taken for independent of each other; those of one workflow may not be".into(),
        ];
        Document { title: "Before and after".into(), facts, sheets: vec![sheet], notes }
    }
}

fn row(name: &str, before: &Moments, after: &Moments) -> Vec<Cell> {
    let (one, other) = (before.mean(), after.mean());
    let change = one.zip(other).and_then(|(one, other)| other.checked_sub(one));
    let error =
        before.error().zip(after.error()).and_then(|(one, other)| one.checked_add(other)).map(square_root);
    // Thousandths by thousandths: hundredths of a standard error.
    let errors = change.zip(error).and_then(|(change, error)| mul_div(change, 100, error.max(1)));
    let sure = errors.and_then(|errors| LEVELS.iter().find(|(least, _)| errors.unsigned_abs() >= *least));
    let milli = |value: Option<i128>| value.map_or(Cell::Empty, Cell::Milli);
    vec![
        name.into(),
        milli(one),
        milli(other),
        milli(change),
        Cell::permille(change.zip(one).and_then(|(change, one)| permille(change, one))),
        milli(errors.and_then(|errors| errors.checked_mul(10))),
        sure.map_or(Cell::text(""), |(_, level)| Cell::text(*level)),
    ]
}

impl Fold for Compare {
    fn add(&mut self, row: &Row<'_>) {
        if !self.selection.has(row, &mut self.lens) {
            return;
        }
        let lens = &mut self.lens;
        let Some(side) = self.sides.iter_mut().find(|side| side.filter.has(row, lens)) else { return };
        side.calls = side.calls.saturating_add(1);
        let nanos = row.usd.and_then(|usd| u64::try_from(usd.split_nanos().0).ok());
        let failed = row.http_status.map(|status| if status >= 400 { 1000 } else { 0 });
        let values = [nanos, row.tokens.input, row.tokens.output, row.duration_ms, failed];
        for (moments, value) in side.measures.iter_mut().zip(values) {
            value.into_iter().for_each(|value| moments.add(value));
        }
    }

    fn merge(&mut self, other: Self) {
        for (side, more) in self.sides.iter_mut().zip(&other.sides) {
            side.calls = side.calls.saturating_add(more.calls);
            for (moments, others) in side.measures.iter_mut().zip(&more.measures) {
                moments.merge(others);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_record::Tokens;

    fn filter(text: &str) -> (String, Selection) {
        let mut selection = Selection::default();
        selection.filter(text).unwrap();
        (text.to_owned(), selection)
    }

    fn check(name: &str, before: &[u64], after: &[u64], change: i128, sure: &str) {
        let mut compare =
            Compare::new(Lens::default(), Selection::default(), filter("prompt=a"), filter("prompt=b"));
        for (prompt, counts) in [("a", before), ("b", after), ("c", before)] {
            for count in counts {
                let tokens = Tokens { output: Some(*count), ..Tokens::default() };
                compare.add(&Row { tags: vec![("prompt".into(), prompt.into())], tokens, ..Row::default() });
            }
        }
        let sheet = &compare.document().sheets[0];
        assert_eq!(
            (&sheet.rows[2][3], &sheet.rows[2][6]),
            (&Cell::Milli(change), &Cell::text(sure)),
            "{name}: {:?}",
            sheet.rows[2]
        );
    }

    #[test]
    fn a_difference_is_held_against_its_error() {
        let noisy: Vec<u64> = (0..100).map(|number| 100 + number * 37 % 50).collect();
        let more: Vec<u64> = noisy.iter().map(|count| count + 10).collect();
        check("the same", &noisy, &noisy, 0, "");
        check("more, many times", &noisy, &more, 10_000, "99.9 %");
        check("more, five times", &noisy[..5], &more[..5], 10_000, "");
        // Means 120 and 125, each with variance 250 and 20 values: the error is 5.
        let spread: Vec<u64> = (0..20).map(|number| if number % 2 == 0 { 105 } else { 135 }).collect();
        let shifted: Vec<u64> = spread.iter().map(|count| count + 11).collect();
        check("about two errors", &spread, &shifted, 11_000, "95 %");
        check("one value has no spread", &[5], &[9], 4_000, "");
    }
}
