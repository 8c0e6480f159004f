//! What would past traffic have cost at the prices of the working tree?

use std::collections::BTreeMap;
use std::fmt;

use tollgate_pricing::PicoUsd;
use tollgate_record::{CostStatus, Record, Timestamp};

use crate::money::{grouped, signed};
use crate::price::{self, Book};
use crate::reasons::Reasons;

/// A twelfth of the mean Gregorian year, in milliseconds.
const MONTH_MS: i128 = 2_629_746_000;
/// How many rows of a table are shown.
const SHOWN: usize = 20;

/// Old and new list prices of the same calls.
pub struct Report {
    book: Book,
    total: Sums,
    span: Option<(Timestamp, Timestamp)>,
    /// By what costs are shown: the model, then tags.
    tables: Vec<(String, BTreeMap<String, Sums>)>,
    /// Calls whose cost is the provider's own figure.
    reported: u64,
    /// Calls whose cost is not their list price.
    adjusted: u64,
    /// Calls without a cost in the log that would have one now.
    newly: u64,
    skipped: Reasons,
}

/// Sums over calls.
#[derive(Clone, Copy, Default)]
struct Sums {
    calls: u64,
    before: PicoUsd,
    after: PicoUsd,
    too_large: bool,
}

impl Sums {
    fn add(&mut self, before: PicoUsd, after: PicoUsd) {
        self.calls += 1;
        match (self.before.checked_add(before), self.after.checked_add(after)) {
            (Some(before), Some(after)) => (self.before, self.after) = (before, after),
            _ => self.too_large = true,
        }
    }

    fn change(&self) -> PicoUsd {
        self.after.checked_sub(self.before).unwrap_or(PicoUsd::ZERO)
    }
}

impl Report {
    /// `by` names the tags by which costs are shown; `team` if there are none.
    pub fn new(book: Book, by: Vec<String>) -> Self {
        let tags = if by.is_empty() { vec!["team".to_owned()] } else { by };
        let names = tags.into_iter().chain(["model".to_owned()]);
        Self {
            book,
            total: Sums::default(),
            span: None,
            tables: names.map(|name| (name, BTreeMap::new())).collect(),
            reported: 0,
            adjusted: 0,
            newly: 0,
            skipped: Reasons::default(),
        }
    }

    pub fn add(&mut self, record: &Record) {
        let (first, last) = self.span.unwrap_or((record.time, record.time));
        self.span = Some((first.min(record.time), last.max(record.time)));
        if record.cost.status == CostStatus::Reported {
            self.reported += 1;
            return;
        }
        let after = match self.book.price(record).map(|priced| priced.list) {
            Ok(after) => after,
            Err(why) => return self.skipped.add(why.to_string()),
        };
        self.newly += u64::from(record.cost.list_usd.is_none());
        self.adjusted += u64::from(record.cost.usd != record.cost.list_usd);
        // A call whose price nobody knew is new money in full.
        let before = record.cost.list_usd.unwrap_or(PicoUsd::ZERO);
        self.total.add(before, after);
        for (name, rows) in &mut self.tables {
            rows.entry(value(record, name)).or_default().add(before, after);
        }
    }

    /// A change over the span of the log, as a change of a month. `None` if the log spans no time.
    fn monthly(&self, change: PicoUsd) -> Option<PicoUsd> {
        let span = self.span_ms()?;
        change.pico().checked_mul(MONTH_MS)?.checked_div(span).map(PicoUsd::from_pico)
    }

    /// The log's span; at least a minute, below which a month says nothing.
    fn span_ms(&self) -> Option<i128> {
        let (first, last) = self.span?;
        last.millis_since(first).map(i128::from).filter(|ms| *ms >= 60_000)
    }

    fn headline(&self) -> String {
        let change = self.total.change();
        let over = format!(
            "{} calls, at list prices: {} -> {} USD",
            self.total.calls, self.total.before, self.total.after
        );
        if self.total.too_large {
            return format!("the sums leave the range of the exact integers ({over})");
        }
        if change == PicoUsd::ZERO {
            return format!("this update changes nothing ({over})");
        }
        match (self.monthly(change), self.span_ms()) {
            (Some(month), Some(ms)) => {
                let span = span(ms);
                format!(
                    "this update costs you {} a month; {} in the {span} of this log ({over})",
                    signed(month),
                    signed(change)
                )
            }
            _ => format!(
                "this update costs you {} for this log ({over}); it spans no minute, so nothing is said of a month",
                signed(change)
            ),
        }
    }
}

/// The record's value of a tag, or its provider and model.
fn value(record: &Record, name: &str) -> String {
    if name == "model" {
        return format!("{} {}", record.provider, price::model(record));
    }
    let tag = record.tags.iter().find(|(tag, _)| tag == name);
    tag.map_or_else(|| "untagged".to_owned(), |(_, value)| value.clone())
}

/// `3 days 4 h`, `5 h 30 min`.
fn span(ms: i128) -> String {
    let minutes = ms / 60_000;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{} days {hours} h", grouped(days.unsigned_abs())),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        for (name, rows) in &self.tables {
            self.table(f, name, rows)?;
        }
        let notes = [
            (self.newly, "calls had no price in the log and have one now"),
            (
                self.adjusted,
                "calls cost another amount than their list price (adjustments); list prices are compared",
            ),
            (
                self.reported,
                "calls cost what their provider reported, whatever our prices; they are left out",
            ),
        ];
        for (count, note) in notes.iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "note: {count} {note}")?;
        }
        self.skipped.write(f, "left out")
    }
}

impl Report {
    /// The rows that change, most money first.
    fn table(&self, f: &mut fmt::Formatter<'_>, name: &str, rows: &BTreeMap<String, Sums>) -> fmt::Result {
        let mut changed: Vec<_> = rows.iter().filter(|(_, sums)| sums.change() != PicoUsd::ZERO).collect();
        changed.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.change().pico().unsigned_abs()));
        if changed.is_empty() {
            return Ok(());
        }
        let per = if self.span_ms().is_some() { "a month" } else { "in this log" };
        writeln!(f, "by {name}, {per}:")?;
        for (value, sums) in changed.iter().take(SHOWN) {
            let change = self.monthly(sums.change()).unwrap_or(sums.change());
            writeln!(f, "  {value:<40} {:>20}   {} calls", signed(change), sums.calls)?;
        }
        if changed.len() > SHOWN {
            writeln!(f, "  and {} more", changed.len() - SHOWN)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_record::{Cost, Tokens};

    const START: i64 = 1_795_176_000_000_000_000;

    /// A call of a million input tokens, which cost 2 dollars with gpt-4.1, at an hour after the start.
    fn call(hour: i64, team: &str, model: &str, list_usd: Option<&str>) -> Record {
        let list_usd = list_usd.and_then(|usd| usd.parse().ok());
        let status = if list_usd.is_some() { CostStatus::Priced } else { CostStatus::UnknownModel };
        Record {
            time: Timestamp::from_unix_nanos(START + hour * 3_600_000_000_000),
            provider: "openai".into(),
            request_model: Some(model.into()),
            tokens: Tokens { input: Some(1_000_000), ..Tokens::default() },
            cost: Cost { status, usd: list_usd, list_usd, ..Cost::default() },
            tags: vec![("team".into(), team.into())],
            ..Record::default()
        }
    }

    fn report(by: &[&str], records: &[Record]) -> String {
        let by = by.iter().map(|&tag| tag.to_owned()).collect();
        let mut report = Report::new(Book::of_catalogue(), by);
        records.iter().for_each(|record| report.add(record));
        report.to_string()
    }

    #[test]
    fn a_change_is_shown_by_the_month_by_team_and_by_model() {
        let text = report(
            &[],
            &[
                call(0, "ads", "gpt-4.1", Some("1.50")),
                call(1, "search", "gpt-4.1", Some("2")),
                call(3, "search", "gpt-4.1-mini", Some("0.41")),
                call(73, "ads", "gpt-nobody-knows", None),
            ],
        );
        // 0.49 dollars in 73 hours are 4.90 in 730.485 hours.
        let expected = "this update costs you +$4.90 a month; +$0.49 in the 3 days 1 h of this log \
                        (3 calls, at list prices: 3.91 -> 4.4 USD)\n";
        assert!(text.starts_with(expected), "{text}");
        for row in [
            "by team, a month:\n  ads                                                    +$5.00   1 calls\n  search",
            "openai gpt-4.1                                         +$5.00   2 calls\n",
            "openai gpt-4.1-mini                                    -$0.10   1 calls\n",
            "left out: 1 with unknown model `openai gpt-nobody-knows`\n",
        ] {
            assert!(text.contains(row), "`{row}` in {text}");
        }
    }

    #[test]
    fn what_has_a_price_only_now_is_new_money() {
        let text = report(&["feature"], &[call(0, "ads", "gpt-4.1", None)]);
        assert!(text.starts_with("this update costs you +$2.00 for this log"), "{text}");
        assert!(text.contains("by feature, in this log:\n  untagged  "), "{text}");
        assert!(text.contains("note: 1 calls had no price in the log and have one now\n"), "{text}");
    }

    #[test]
    fn what_the_provider_reported_does_not_change() {
        let mut record = call(0, "ads", "gpt-4.1", Some("1"));
        record.cost.status = CostStatus::Reported;
        let text = report(&[], &[record]);
        assert!(text.starts_with("this update changes nothing (0 calls"), "{text}");
        assert!(text.contains("note: 1 calls cost what their provider reported"), "{text}");
    }
}
