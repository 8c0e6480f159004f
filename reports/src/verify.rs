//! Is a line missing, or there twice, do the lines of each cost add up to it, and does it follow from its record?

use std::fmt::Write as _;
use std::sync::Arc;

use tollgate_pricing::PicoUsd;

use crate::fold::Fold;
use crate::ids::{Ids, Worker};
use crate::reprice::{Book, Recomputed};
use crate::row::Row;

/// How many numbers, or lines, are shown.
const SHOWN: usize = 20;

/// Costs whose lines do not add up, or that do not follow from their records.
#[derive(Clone, Debug, Default)]
pub struct Verify {
    wrong: u64,
    shown: Vec<String>,
    /// The prices with which costs are computed anew, if they are.
    book: Option<Arc<Book>>,
    equal: u64,
    other_prices: u64,
    nothing: u64,
    differing: u64,
    differences: Vec<String>,
}

impl Fold for Verify {
    fn add(&mut self, row: &Row<'_>) {
        self.recompute(row);
        // A cost without lines is of a line that has none, as plain text, or there is nothing to pay.
        let Some(usd) = row.usd.filter(|usd| !row.lines.is_empty() || *usd == PicoUsd::ZERO) else { return };
        if PicoUsd::try_sum(row.lines.iter().map(|(_, amount)| *amount)) == Some(usd) {
            return;
        }
        self.wrong = self.wrong.saturating_add(1);
        if self.shown.len() < SHOWN {
            self.shown.push(format!("{}  {} {}  usd {usd}", row.id, row.provider, row.model()));
        }
    }

    fn merge(&mut self, other: Self) {
        self.wrong = self.wrong.saturating_add(other.wrong);
        self.shown.extend(other.shown);
        self.shown.truncate(SHOWN);
        for (sum, more) in [
            (&mut self.equal, other.equal),
            (&mut self.other_prices, other.other_prices),
            (&mut self.nothing, other.nothing),
            (&mut self.differing, other.differing),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.differences.extend(other.differences);
        self.differences.truncate(SHOWN);
    }
}

impl Verify {
    /// Costs are also computed anew, where they were priced with these prices.
    pub fn with(book: Arc<Book>) -> Self {
        Self { book: Some(book), ..Self::default() }
    }

    fn recompute(&mut self, row: &Row<'_>) {
        let Some(book) = &self.book else { return };
        let count = match book.recompute_row(row) {
            Recomputed::Equal => &mut self.equal,
            Recomputed::OtherPrices => &mut self.other_prices,
            Recomputed::Nothing(_) => &mut self.nothing,
            Recomputed::Differs(how) => {
                if self.differences.len() < SHOWN {
                    self.differences.push(format!("{}  {} {}  {how}", row.id, row.provider, row.model()));
                }
                &mut self.differing
            }
        };
        *count = count.saturating_add(1);
    }

    /// What computing costs anew gave, if they were.
    fn tell_recomputed(&self, text: &mut String) {
        let Some(book) = &self.book else { return };
        let Self { equal, other_prices, nothing, differing, .. } = self;
        let line =
            format!("recomputed at prices {}: {equal} costs equal, {differing} differ", book.version());
        let rest = format!("{nothing} have none to compute, {other_prices} were priced with other prices");
        writeln!(text, "{line}; {rest}").unwrap_or_default();
        for line in &self.differences {
            writeln!(text, "  differs: {line}").unwrap_or_default();
        }
        if *differing > u64::try_from(SHOWN).unwrap_or(u64::MAX) {
            writeln!(text, "  only the first {SHOWN} of {differing} are shown").unwrap_or_default();
        }
    }

    /// What there is to say, and whether all is well.
    pub fn answer(&self, ids: &Ids) -> (String, bool) {
        let mut text = String::new();
        for ((process, worker), seen) in &ids.workers {
            // Writing to a string cannot fail.
            writeln!(text, "process {process:x} worker {worker:x}: {}", describe(seen)).unwrap_or_default();
        }
        let missing = ids.workers.values().flat_map(Worker::missing).fold(0_u128, |sum, (first, last)| {
            sum.saturating_add(u128::from(last.saturating_sub(first))).saturating_add(1)
        });
        let doubled = ids.workers.values().flat_map(|worker| worker.doubled.values());
        let doubled = doubled.fold(0_u64, |sum, more| sum.saturating_add(*more));
        let strange = ids.strange();
        let line = format!("{} workers, {missing} lines missing, {doubled} too many", ids.workers.len());
        writeln!(text, "{line}, the lines of {} costs do not add up", self.wrong).unwrap_or_default();
        if missing > 0 {
            text.push_str("calls that still run have no line yet; numbers stand as in `tollgate.id`\n");
        }
        if strange > 0 {
            writeln!(text, "{strange} ids are none that Tollgate writes").unwrap_or_default();
        }
        for line in &self.shown {
            writeln!(text, "  does not add up: {line}").unwrap_or_default();
        }
        if self.wrong > u64::try_from(SHOWN).unwrap_or(u64::MAX) {
            writeln!(text, "  only the first {SHOWN} of {} are shown", self.wrong).unwrap_or_default();
        }
        self.tell_recomputed(&mut text);
        let whole = ids.workers.values().all(Worker::is_whole);
        (text, whole && strange == 0 && self.wrong == 0 && self.differing == 0)
    }
}

fn describe(seen: &Worker) -> String {
    let first = seen.runs.keys().next().copied().unwrap_or_default();
    let last = seen.runs.values().next_back().copied().unwrap_or_default();
    let mut text = format!("{first:x} to {last:x}, {} records", seen.lines);
    if first > 1 {
        text.push_str(" (what came before is not in these logs)");
    }
    let missing = seen.missing();
    if !missing.is_empty() {
        let runs = missing.iter().map(|(first, last)| {
            if first == last { format!("{first:x}") } else { format!("{first:x}-{last:x}") }
        });
        text.push_str(&format!(", missing {}", list(runs, missing.len())));
    }
    if !seen.doubled.is_empty() {
        let numbers =
            seen.doubled.iter().map(|(number, more)| format!("{number:x} x {}", more.saturating_add(1)));
        text.push_str(&format!(", doubled {}", list(numbers, seen.doubled.len())));
    }
    text
}

fn list(items: impl Iterator<Item = String>, count: usize) -> String {
    let mut text = items.take(SHOWN).collect::<Vec<_>>().join(", ");
    if count > SHOWN {
        text.push_str(&format!(" and {} more", count.saturating_sub(SHOWN)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, given: &[&str], good: bool, shown: &str) {
        let mut ids = Ids::default();
        for id in given {
            ids.insert(id);
        }
        assert_eq!(Verify::default().answer(&ids), (shown.to_owned(), good), "{name}");
    }

    #[test]
    fn every_call_has_one_line() {
        let end = ", the lines of 0 costs do not add up\n";
        check("nothing", &[], true, &format!("0 workers, 0 lines missing, 0 too many{end}"));
        check(
            "lines in another order than their calls began",
            &["a-1-3", "a-1-1", "a-1-2", "a-2-1"],
            true,
            &format!(
                "process a worker 1: 1 to 3, 3 records\nprocess a worker 2: 1 to 1, 1 records\n\
                 2 workers, 0 lines missing, 0 too many{end}"
            ),
        );
        check(
            "a log that begins later",
            &["a-1-9", "a-1-a", "a-1-b"],
            true,
            &format!(
                "process a worker 1: 9 to b, 3 records (what came before is not in these logs)\n\
                 1 workers, 0 lines missing, 0 too many{end}"
            ),
        );
        check(
            "missing and doubled lines",
            &["a-1-1", "a-1-3", "a-1-7", "a-1-3", "a-1-3"],
            false,
            &format!(
                "process a worker 1: 1 to 7, 5 records, missing 2, 4-6, doubled 3 x 3\n\
                 1 workers, 4 lines missing, 2 too many{end}\
                 calls that still run have no line yet; numbers stand as in `tollgate.id`\n"
            ),
        );
        check(
            "an id of something else",
            &["7"],
            false,
            &format!("0 workers, 0 lines missing, 0 too many{end}1 ids are none that Tollgate writes\n"),
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let mut ids = Ids::default();
        for number in 0..50 {
            ids.insert(&format!("1-1-{:x}", number * 2 + 1));
        }
        ids.insert(&format!("1-1-{:x}", u64::MAX));
        assert!(!ids.insert(&format!("1-1-{:x}", u64::MAX)));
        let (text, _) = Verify::default().answer(&ids);
        assert!(text.contains(", 26, 28 and 30 more"), "{text}");
        assert!(text.contains("doubled ffffffffffffffff x 2"), "{text}");
    }

    #[test]
    fn lines_of_a_cost_must_add_up_to_it() {
        let usd = |text: &str| text.parse::<PicoUsd>().unwrap();
        let good = Row {
            id: "a-1-1".into(),
            usd: Some(usd("0.3")),
            lines: vec![("input".into(), usd("0.3"))],
            ..Row::default()
        };
        let mut verify = Verify::default();
        for usd_more in ["0.3", "0.30001"] {
            verify.add(&Row { usd: Some(usd(usd_more)), ..good.clone() });
        }
        let (text, good) = verify.answer(&Ids::default());
        assert!(!good && text.contains("does not add up: a-1-1   -  usd 0.30001\n"), "{text}");
    }

    #[test]
    fn a_cost_must_follow_from_its_record() {
        let book = Arc::new(Book::of_catalogue());
        let call = |usd: &str, version: &str| {
            format!(
                r#"{{"tollgate.schema":1,"tollgate.id":"a-1-1","tollgate.time":"2026-11-20T12:00:00Z","gen_ai.provider.name":"openai","gen_ai.request.model":"gpt-4.1","gen_ai.usage.input_tokens":1000,"tollgate.cost.status":"priced","tollgate.cost.usd":"{usd}","tollgate.cost.list_usd":"{usd}","tollgate.cost.lines":{{"input":"{usd}"}},"tollgate.price.version":"{version}"}}"#
            )
        };
        let mut verify = Verify::with(book.clone());
        for line in [call("0.002", book.version()), call("0.003", book.version()), call("0.003", "others")] {
            let crate::Line::Call(call) = crate::LineReader::new(None).read(line.as_bytes()) else {
                panic!()
            };
            verify.add(&call.row);
        }
        let (text, good) = verify.answer(&Ids::default());
        let expected = format!(
            "recomputed at prices {}: 1 costs equal, 1 differ; 0 have none to compute, 1 were priced with other prices\n  \
             differs: a-1-1  openai gpt-4.1  logged 0.003 (list 0.003) input 0.003  recomputed 0.002 (list 0.002) input 0.002\n",
            book.version()
        );
        assert!(!good && text.ends_with(&expected), "{text}");
    }
}
