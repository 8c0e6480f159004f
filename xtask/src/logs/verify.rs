//! Is a line missing, or there twice? Each worker numbers its calls without gaps, so the ids tell.

use std::collections::BTreeMap;
use std::fmt;

use tollgate_policy::ReservationId;

use crate::Verdict;

/// How many numbers are shown of a worker's missing ones, and of its doubled ones.
const SHOWN: usize = 20;

/// What was seen of each worker.
#[derive(Default)]
pub struct Report {
    workers: BTreeMap<(u64, u32), Worker>,
    strange: BTreeMap<String, u64>,
}

/// The numbers of one worker's calls.
#[derive(Default)]
struct Worker {
    records: u64,
    /// Runs of numbers that were seen, by their first: the last.
    runs: BTreeMap<u64, u64>,
    /// Numbers that came again, and how often.
    doubled: BTreeMap<u64, u64>,
}

impl Report {
    pub fn add(&mut self, id: &str) {
        match id.parse::<ReservationId>() {
            Ok(id) => self.workers.entry((id.process, id.worker)).or_default().add(id.sequence),
            Err(()) => *self.strange.entry(id.to_owned()).or_default() += 1,
        }
    }

    pub fn verdict(&self) -> Verdict {
        let whole = self.workers.values().all(|worker| worker.runs.len() == 1 && worker.doubled.is_empty());
        if whole && self.strange.is_empty() { Verdict::Good } else { Verdict::Bad }
    }
}

impl Worker {
    fn add(&mut self, number: u64) {
        self.records += 1;
        let before = self.runs.range(..=number).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| number <= last) {
            *self.doubled.entry(number).or_default() += 1;
            return;
        }
        let first = match before {
            Some((first, last)) if last + 1 == number => first,
            _ => number,
        };
        // A run that starts right behind the number is joined to it.
        let behind = number.checked_add(1).and_then(|next| self.runs.remove(&next));
        self.runs.insert(first, behind.unwrap_or(number));
    }

    /// The runs of numbers between the first and the last that were not seen.
    fn missing(&self) -> Vec<(u64, u64)> {
        let next = self.runs.iter().skip(1);
        self.runs.iter().zip(next).map(|((_, last), (first, _))| (last + 1, first - 1)).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((process, worker), seen) in &self.workers {
            writeln!(f, "process {process:x} worker {worker:x}: {seen}")?;
        }
        for (id, count) in &self.strange {
            writeln!(f, "`{id}` is no id of a call: {count} times")?;
        }
        let gaps = || self.workers.values().flat_map(Worker::missing);
        let missing: u128 = gaps().map(|(first, last)| u128::from(last - first) + 1).sum();
        let doubled: u64 = self.workers.values().flat_map(|worker| worker.doubled.values()).sum();
        writeln!(f, "{} workers, {missing} lines missing, {doubled} too many", self.workers.len())?;
        if missing > 0 {
            writeln!(f, "calls that still run have no line yet; numbers stand as in `tollgate.id`")?;
        }
        Ok(())
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.runs.keys().next().copied().unwrap_or_default();
        let last = self.runs.values().next_back().copied().unwrap_or_default();
        write!(f, "{first:x} to {last:x}, {} records", self.records)?;
        if first > 1 {
            f.write_str(" (what came before is not in these logs)")?;
        }
        let missing = self.missing();
        if !missing.is_empty() {
            write!(
                f,
                ", missing {}",
                list(missing.iter().map(|(first, last)| run(*first, *last)), missing.len())
            )?;
        }
        if !self.doubled.is_empty() {
            let doubled = self.doubled.iter().map(|(number, more)| format!("{number:x} x {}", more + 1));
            write!(f, ", doubled {}", list(doubled, self.doubled.len()))?;
        }
        Ok(())
    }
}

fn run(first: u64, last: u64) -> String {
    if first == last { format!("{first:x}") } else { format!("{first:x}-{last:x}") }
}

fn list(items: impl Iterator<Item = String>, count: usize) -> String {
    let mut text = items.take(SHOWN).collect::<Vec<_>>().join(", ");
    if count > SHOWN {
        text.push_str(&format!(" and {} more", count - SHOWN));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, ids: &[&str], verdict: Verdict, shown: &str) {
        let mut report = Report::default();
        ids.iter().for_each(|id| report.add(id));
        assert_eq!(report.verdict(), verdict, "{name}");
        assert_eq!(report.to_string(), shown, "{name}");
    }

    #[test]
    fn every_call_has_one_line() {
        check("nothing", &[], Verdict::Good, "0 workers, 0 lines missing, 0 too many\n");
        check(
            "lines in another order than their calls began",
            &["a-1-3", "a-1-1", "a-1-2", "a-2-1"],
            Verdict::Good,
            "process a worker 1: 1 to 3, 3 records\n\
             process a worker 2: 1 to 1, 1 records\n\
             2 workers, 0 lines missing, 0 too many\n",
        );
        check(
            "a log that begins later",
            &["a-1-9", "a-1-a", "a-1-b"],
            Verdict::Good,
            "process a worker 1: 9 to b, 3 records (what came before is not in these logs)\n\
             1 workers, 0 lines missing, 0 too many\n",
        );
        check(
            "missing and doubled lines",
            &["a-1-1", "a-1-3", "a-1-7", "a-1-3", "a-1-3"],
            Verdict::Bad,
            "process a worker 1: 1 to 7, 5 records, missing 2, 4-6, doubled 3 x 3\n\
             1 workers, 4 lines missing, 2 too many\n\
             calls that still run have no line yet; numbers stand as in `tollgate.id`\n",
        );
        check(
            "another process is another count",
            &["a-1-1", "b-1-1", "a-1-2"],
            Verdict::Good,
            "process a worker 1: 1 to 2, 2 records\n\
             process b worker 1: 1 to 1, 1 records\n\
             2 workers, 0 lines missing, 0 too many\n",
        );
        check(
            "an id of something else",
            &["7"],
            Verdict::Bad,
            "`7` is no id of a call: 1 times\n0 workers, 0 lines missing, 0 too many\n",
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let mut report = Report::default();
        (0..50).for_each(|number| report.add(&format!("1-1-{:x}", number * 2 + 1)));
        assert!(report.to_string().contains(", 26, 28 and 29 more\n"), "{report}");
        let last = format!("1-1-{:x}", u64::MAX);
        report.add(&last);
        report.add(&last);
        assert!(report.to_string().contains("ffffffffffffffff"), "{report}");
    }
}
