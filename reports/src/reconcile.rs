//! The log beside what a provider says it served and bills: by day, model and class of tokens, with what is likely behind
//! a difference.

mod invoice;

use std::collections::{BTreeMap, BTreeSet};

use tollgate_pricing::{PicoUsd, TokenKind, catalogue};

use crate::amount::permille;
use crate::counts::disjoint;
use crate::dimension::{Dimension, Lens};
use crate::fold::Fold;
use crate::row::Row;
use crate::selection::Selection;
use crate::sheet::{Cell, Document, Sheet};
use crate::zone::day_text;

pub use invoice::Invoice;

/// The classes in which providers report tokens.
const CLASSES: [&str; 4] = ["input", "cache_read", "cache_write", "output"];

/// What was used of a model on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Tokens by class; `None` if nobody says.
    tokens: [Option<u128>; 4],
    /// What it cost; `None` if nobody says.
    usd: Option<PicoUsd>,
}

impl Used {
    fn add_tokens(&mut self, class: usize, count: u128) {
        if let Some(sum) = self.tokens.get_mut(class) {
            *sum = Some(sum.unwrap_or_default().saturating_add(count));
        }
    }

    fn add_usd(&mut self, usd: PicoUsd) {
        let sum = self.usd.unwrap_or(PicoUsd::ZERO);
        self.usd = Some(sum.checked_add(usd).unwrap_or(sum));
    }
}

/// By UTC day, since that is what providers bill by, and model.
type Usage = BTreeMap<(i64, String), Used>;

/// Adds up the log as a provider would.
#[derive(Clone, Debug)]
pub struct Reconcile {
    lens: Lens,
    selection: Selection,
    usage: Usage,
    /// Calls that were sent and of which nobody knows what they used, by day and model.
    uncounted: BTreeMap<(i64, String), u64>,
}

impl Reconcile {
    /// Of these calls; usually those of one provider.
    pub fn new(selection: Selection) -> Self {
        Self { lens: Lens::default(), selection, usage: Usage::new(), uncounted: BTreeMap::new() }
    }

    /// Beside an invoice. The second value tells whether all is equal.
    pub fn document(&self, invoice: &Invoice) -> (Document, bool) {
        let mut sheet = Sheet::new("reconcile", "Differences").texts(["day", "model", "class"]).numbers([
            "log",
            "invoice",
            "difference",
            "difference_percent",
        ]);
        sheet = sheet.texts(["likely_cause"]);
        let invoiced_days: BTreeSet<i64> = invoice.usage.keys().map(|(day, _)| *day).collect();
        let keys: BTreeSet<&(i64, String)> = self.usage.keys().chain(invoice.usage.keys()).collect();
        let (mut equal, mut outside) = (0_u64, 0_u64);
        for key in keys {
            if !invoiced_days.contains(&key.0) {
                outside = outside.saturating_add(1);
                continue;
            }
            let (log, bill) = (self.usage.get(key).copied(), invoice.usage.get(key).copied());
            let rows = self.differences(key, log, bill, invoice);
            equal = equal.saturating_add(u64::from(rows.is_empty()));
            sheet.rows.extend(rows);
        }
        let is_equal = sheet.rows.is_empty();
        let mut facts =
            vec![format!("{equal} days of models are equal, {} figures differ", sheet.rows.len())];
        let total = |usage: &Usage| {
            let amounts = usage
                .iter()
                .filter(|((day, _), _)| invoiced_days.contains(day))
                .filter_map(|(_, used)| used.usd);
            PicoUsd::try_sum(amounts).unwrap_or_default()
        };
        if invoice.has_costs() {
            facts.push(format!("log {} USD, invoice {} USD", total(&self.usage), total(&invoice.usage)));
        }
        let mut notes = invoice.notes.clone();
        if outside > 0 {
            notes.push(format!(
                "{outside} days of models in the log are of days that the invoice does not have"
            ));
        }
        (
            Document { title: format!("Log beside {}", invoice.form), facts, sheets: vec![sheet], notes },
            is_equal,
        )
    }

    fn differences(
        &self,
        key: &(i64, String),
        log: Option<Used>,
        bill: Option<Used>,
        invoice: &Invoice,
    ) -> Vec<Vec<Cell>> {
        let (one, other) = (log.unwrap_or_default(), bill.unwrap_or_default());
        let cause = |class: Option<usize>| self.cause(key, log.as_ref(), bill.as_ref(), class, invoice);
        let mut rows = Vec::new();
        for (class, ((name, log), bill)) in CLASSES.iter().zip(one.tokens).zip(other.tokens).enumerate() {
            // What the invoice does not have in any row cannot differ.
            if invoice.has_tokens() && log.unwrap_or_default() != bill.unwrap_or_default() {
                let signed =
                    |count: Option<u128>| i128::try_from(count.unwrap_or_default()).unwrap_or(i128::MAX);
                let (log, bill) = (signed(log), signed(bill));
                let cells = [Cell::Count(log), Cell::Count(bill), Cell::Count(bill.saturating_sub(log))];
                rows.push(row(
                    key,
                    name,
                    cells,
                    permille(bill.saturating_sub(log), log),
                    &cause(Some(class)),
                ));
            }
        }
        if invoice.has_costs() && one.usd.unwrap_or_default() != other.usd.unwrap_or_default() {
            let (log, bill) = (one.usd.unwrap_or_default(), other.usd.unwrap_or_default());
            let change = bill.checked_sub(log).unwrap_or_default();
            let cells = [log, bill, change].map(Cell::Usd);
            rows.push(row(key, "usd", cells, permille(change.pico(), log.pico()), &cause(None)));
        }
        rows
    }

    fn cause(
        &self,
        key: &(i64, String),
        log: Option<&Used>,
        bill: Option<&Used>,
        class: Option<usize>,
        invoice: &Invoice,
    ) -> String {
        let (Some(one), Some(other)) = (log, bill) else {
            return match log {
                None => "calls that did not pass here, or another spelling of the model (`--alias`)".into(),
                Some(_) => {
                    "not billed yet, another account, or another spelling of the model (`--alias`)".into()
                }
            };
        };
        let all =
            |used: &Used| used.tokens.iter().flatten().fold(0_u128, |sum, count| sum.saturating_add(*count));
        if class.is_none() && (!invoice.has_tokens() || one.tokens == other.tokens) {
            return "other prices: a discount, a tier, rounding by the provider".into();
        }
        if invoice.has_tokens() && all(one) == all(other) {
            return "the same tokens in other classes: caches are counted differently".into();
        }
        if self.is_shifted(key, invoice) {
            return "calls around midnight that the provider counts on the other day".into();
        }
        match self.uncounted.get(key) {
            Some(count) if all(other) > all(one) => {
                format!("{count} calls ended without a report of what they used")
            }
            _ if all(other) > all(one) => "calls that did not pass here".into(),
            _ => "calls that the provider does not bill, or bills later".into(),
        }
    }

    /// Whether this day and the next, or the one before, are equal together.
    fn is_shifted(&self, key: &(i64, String), invoice: &Invoice) -> bool {
        let tokens = |usage: &Usage, day: i64| {
            let used = usage.get(&(day, key.1.clone())).copied().unwrap_or_default();
            used.tokens.iter().flatten().fold(0_u128, |sum, count| sum.saturating_add(*count))
        };
        let both = |usage: &Usage, other: i64| tokens(usage, key.0).saturating_add(tokens(usage, other));
        let days = [key.0.saturating_sub(1), key.0.saturating_add(1)];
        invoice.has_tokens()
            && days.into_iter().any(|day| both(&self.usage, day) == both(&invoice.usage, day))
    }
}

fn row(
    key: &(i64, String),
    class: &str,
    [log, bill, change]: [Cell; 3],
    percent: Option<i128>,
    cause: &str,
) -> Vec<Cell> {
    vec![
        Cell::text(day_text(key.0)),
        Cell::text(&key.1),
        class.into(),
        log,
        bill,
        change,
        Cell::permille(percent),
        cause.into(),
    ]
}

impl Fold for Reconcile {
    fn add(&mut self, row: &Row<'_>) {
        if !self.selection.has(row, &mut self.lens) || row.status == tollgate_record::CostStatus::NotSent {
            return;
        }
        let key = (row.time.unix_seconds().div_euclid(86_400), self.lens.value(&Dimension::Model, row));
        if row.tokens.input.is_none() && row.tokens.output.is_none() && row.units.is_empty() {
            let count = self.uncounted.entry(key.clone()).or_default();
            *count = count.saturating_add(1);
        }
        let used = self.usage.entry(key).or_default();
        for (kind, count) in disjoint(&row.tokens).iter() {
            used.add_tokens(class_of(kind), count.into());
        }
        row.usd.into_iter().for_each(|usd| used.add_usd(usd));
    }

    fn merge(&mut self, other: Self) {
        for (key, more) in other.usage {
            let used = self.usage.entry(key).or_default();
            for (class, count) in more.tokens.iter().enumerate() {
                count.iter().for_each(|count| used.add_tokens(class, *count));
            }
            more.usd.into_iter().for_each(|usd| used.add_usd(usd));
        }
        for (key, more) in other.uncounted {
            let count = self.uncounted.entry(key).or_default();
            *count = count.saturating_add(more);
        }
    }
}

/// Providers report input that came fresh, in whatever modality, and output of all sorts together.
const fn class_of(kind: TokenKind) -> usize {
    match kind {
        TokenKind::CacheRead
        | TokenKind::CacheReadAudio
        | TokenKind::CacheReadImage
        | TokenKind::CacheReadVideo => 1,
        TokenKind::CacheWrite | TokenKind::CacheWrite1h | TokenKind::CacheWriteAudio => 2,
        _ if kind.is_input() => 0,
        _ => 3,
    }
}

/// The catalogue's name of a model, so that both sides spell it alike.
fn model_name(provider: &str, model: &str) -> String {
    catalogue().find(provider, model).map_or_else(|| model.to_owned(), |found| found.name.to_owned())
}

#[cfg(test)]
mod tests;
