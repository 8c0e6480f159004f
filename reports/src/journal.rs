//! What was read: how many lines of which kind, what could not be read and why, and no call twice.

use std::collections::BTreeMap;
use std::fmt;

use tollgate_record::Timestamp;

use crate::ids::Ids;
use crate::line::{Call, Line, LineReader};
use crate::problem::Problem;

/// Lines are written when calls end and calls take a while, so times may run back by as much as a long stream lasts.
const BACKWARD_MS: u64 = 3_600_000;
/// How many names of unknown keys are kept.
const MAX_NAMES: usize = 20;
/// How many kinds of problems are kept: what JSON parsers say is bounded, but nobody promised it.
const MAX_PROBLEMS: usize = 100;

/// A piece of a file that ends at the end of a line, or of the file.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The file, by its place in the list.
    pub file: usize,
    /// Whole lines.
    pub bytes: Vec<u8>,
    /// Whether the file ends here.
    pub ends_file: bool,
    /// Lines before these that were too long to be read.
    pub too_long: u64,
    /// Too long for more than this many bytes.
    pub max_line: usize,
}

/// The lines of a chunk, read.
#[derive(Debug, Default)]
pub struct Parsed<'a> {
    file: usize,
    /// Calls, with their line in the chunk, counted from 1.
    pub calls: Vec<(u64, Call<'a>)>,
    lines: u64,
    others: u64,
    other_texts: u64,
    problems: Vec<(u64, Problem)>,
    torn: u64,
}

impl<'a> Parsed<'a> {
    /// Reads all lines of a chunk. This is what takes time, and needs nothing but the chunk.
    pub fn of(reader: &LineReader, chunk: &'a Chunk) -> Self {
        let mut parsed = Self { file: chunk.file, ..Self::default() };
        for _ in 0..chunk.too_long {
            parsed.lines = parsed.lines.saturating_add(1);
            parsed.problems.push((parsed.lines, Problem::TooLong(chunk.max_line)));
        }
        let mut rest = chunk.bytes.as_slice();
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).and_then(|end| end.checked_add(1));
            let (line, behind) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
            parsed.lines = parsed.lines.saturating_add(1);
            parsed.take(reader.read(line), end.is_none() && chunk.ends_file);
            rest = behind;
        }
        parsed
    }

    fn take(&mut self, line: Line<'a>, is_torn: bool) {
        match line {
            Line::Call(call) => self.calls.push((self.lines, call)),
            Line::Batch(calls) => calls.into_iter().for_each(|call| match call {
                Ok(call) => self.calls.push((self.lines, call)),
                Err(problem) => self.problems.push((self.lines, problem)),
            }),
            Line::Other => self.others = self.others.saturating_add(1),
            Line::OtherText if !is_torn => self.other_texts = self.other_texts.saturating_add(1),
            // A log is often read while it is written.
            Line::Unreadable(_) | Line::OtherText if is_torn => self.torn = self.torn.saturating_add(1),
            Line::Unreadable(problem) => self.problems.push((self.lines, problem)),
            Line::OtherText => {}
        }
    }
}

/// What was read so far. Chunks are entered in the order in which they stand in the logs, so that of two lines with
/// one id the first one counts, whichever thread read them.
#[derive(Default)]
pub struct Journal {
    files: Vec<String>,
    lines_of_file: BTreeMap<usize, u64>,
    last_time: Option<(usize, Timestamp)>,
    /// The ids that were seen.
    pub ids: Ids,
    /// Counts of lines.
    pub tally: Tally,
}

/// Counts of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files, standard input included.
    pub files: u64,
    /// Lines of all kinds.
    pub lines: u64,
    /// Calls that count.
    pub records: u64,
    /// JSON without a record.
    pub others: u64,
    /// Text without a record.
    pub other_texts: u64,
    /// Lines that a file's end cut.
    pub torn: u64,
    /// Calls left out since their id stood before, and where the first one stands.
    pub doubled: Option<(u64, String)>,
    /// Calls without an id, which cannot be told from their doubles.
    pub without_id: u64,
    /// How often times ran back by more than an hour, where first, and from when to when.
    pub backward: Option<(u64, String)>,
    /// Keys of a later version, and how many records have them.
    pub unknown_keys: BTreeMap<String, u64>,
    /// By reason: how many lines, and where the first one stands.
    pub unreadable: BTreeMap<Problem, (u64, String)>,
    /// The first and the last instant.
    pub span: Option<(Timestamp, Timestamp)>,
}

impl Journal {
    /// For files of these names.
    pub fn new(files: Vec<String>) -> Self {
        Self { files, ..Self::default() }
    }

    /// Adds a file behind the others, and says its place.
    pub fn add_file(&mut self, name: &str) -> usize {
        self.files.push(name.to_owned());
        self.files.len().saturating_sub(1)
    }

    /// Enters a chunk, and takes those calls out of it that were seen before.
    pub fn enter(&mut self, parsed: &mut Parsed<'_>) {
        let before = self.lines_of_file.get(&parsed.file).copied();
        if before.is_none() {
            self.tally.files = self.tally.files.saturating_add(1);
        }
        let before = before.unwrap_or_default();
        let file = self.files.get(parsed.file).map_or("-", String::as_str);
        let place = |line: u64| format!("{file}:{}", before.saturating_add(line));
        for (line, problem) in parsed.problems.drain(..) {
            self.tally.refuse(problem, || place(line));
        }
        let last_time = &mut self.last_time;
        let (ids, tally) = (&mut self.ids, &mut self.tally);
        parsed.calls.retain(|(line, call)| {
            let place = || place(*line);
            let new = tally.admit(ids, call, place);
            if new {
                tally.look_at_the_clock(last_time, parsed.file, call.row.time, place);
            }
            new
        });
        self.lines_of_file.insert(parsed.file, before.saturating_add(parsed.lines));
        self.tally.count(parsed);
    }
}

impl Tally {
    fn count(&mut self, parsed: &Parsed<'_>) {
        let calls = u64::try_from(parsed.calls.len()).unwrap_or(u64::MAX);
        for (sum, more) in [
            (&mut self.lines, parsed.lines),
            (&mut self.records, calls),
            (&mut self.others, parsed.others),
            (&mut self.other_texts, parsed.other_texts),
            (&mut self.torn, parsed.torn),
        ] {
            *sum = sum.saturating_add(more);
        }
    }

    fn admit(&mut self, ids: &mut Ids, call: &Call<'_>, place: impl Fn() -> String) -> bool {
        if call.row.id.is_empty() {
            self.without_id = self.without_id.saturating_add(1);
        } else if !ids.insert(&call.row.id) {
            let (count, _) = self.doubled.get_or_insert_with(|| (0, place()));
            *count = count.saturating_add(1);
            return false;
        }
        let room = self.unknown_keys.len() < MAX_NAMES;
        if let Some(key) =
            call.unknown_key.as_ref().filter(|key| room || self.unknown_keys.contains_key(*key))
        {
            let count = self.unknown_keys.entry(key.clone()).or_default();
            *count = count.saturating_add(1);
        }
        let time = call.row.time;
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
        true
    }

    fn look_at_the_clock(
        &mut self,
        last: &mut Option<(usize, Timestamp)>,
        file: usize,
        time: Timestamp,
        place: impl Fn() -> String,
    ) {
        let before = last.filter(|(of, _)| *of == file).map(|(_, time)| time);
        if let Some(before) =
            before.filter(|before| before.millis_since(time).is_some_and(|ms| ms > BACKWARD_MS))
        {
            let (count, _) =
                self.backward.get_or_insert_with(|| (0, format!("from {before} to {time} at {}", place())));
            *count = count.saturating_add(1);
        }
        *last = Some((file, time));
    }

    fn refuse(&mut self, problem: Problem, place: impl Fn() -> String) {
        let full = self.unreadable.len() >= MAX_PROBLEMS && !self.unreadable.contains_key(&problem);
        let problem = if full { Problem::NotJson("other reasons".into()) } else { problem };
        let (count, _) = self.unreadable.entry(problem).or_insert_with(|| (0, place()));
        *count = count.saturating_add(1);
    }

    /// Lines that should have been read and were not.
    pub fn unreadable_lines(&self) -> u64 {
        self.unreadable.values().fold(0, |sum, (count, _)| sum.saturating_add(*count))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} lines in {} files: {} calls, {} lines without a record, {} unreadable, {} torn at a file's end",
            self.lines,
            self.files,
            self.records,
            self.others.saturating_add(self.other_texts),
            self.unreadable_lines(),
            self.torn
        )?;
        for (why, (count, first)) in &self.unreadable {
            writeln!(f, "  unreadable: {count} times {why}; first {first}")?;
        }
        if let Some((count, first)) = &self.doubled {
            writeln!(f, "  left out: {count} lines whose `tollgate.id` stood before; first {first}")?;
        }
        if self.without_id > 0 {
            writeln!(
                f,
                "  note: {} calls have no `tollgate.id`, so doubles among them would be counted",
                self.without_id
            )?;
        }
        if let Some((count, first)) = &self.backward {
            writeln!(f, "  note: times run back by more than an hour {count} times; first {first}")?;
        }
        for (key, count) in &self.unknown_keys {
            writeln!(
                f,
                "  note: {count} records have `{key}`, which this version does not know; it is ignored"
            )?;
        }
        if self.other_texts > 0 && self.records == 0 {
            writeln!(f, "  note: lines of plain text are read with `--line FORMAT`, Envoy's format string")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, time: &str) -> String {
        format!(
            r#"{{"tollgate.schema":1,"tollgate.id":"{id}","tollgate.time":"{time}","gen_ai.provider.name":"p","tollgate.cost.status":"free"}}"#
        )
    }

    fn read(chunks: &[(usize, &str, bool)]) -> (Vec<String>, Journal) {
        let mut journal = Journal::new(vec!["a.log".into(), "b.log".into()]);
        let reader = LineReader::new(None);
        let mut ids = Vec::new();
        for (file, text, ends_file) in chunks {
            let chunk = Chunk {
                file: *file,
                bytes: text.as_bytes().to_vec(),
                ends_file: *ends_file,
                ..Chunk::default()
            };
            let mut parsed = Parsed::of(&reader, &chunk);
            journal.enter(&mut parsed);
            ids.extend(parsed.calls.iter().map(|(_, call)| call.row.id.to_string()));
        }
        (ids, journal)
    }

    const NOON: &str = "2026-11-20T12:00:00Z";

    #[test]
    fn a_call_counts_once_however_often_it_is_logged() {
        let (a, b) = (record("a-1-1", NOON), record("a-1-2", NOON));
        let odd = record("made by hand", NOON);
        let (ids, journal) =
            read(&[(0, &format!("{a}\n{b}\n{odd}\n"), true), (1, &format!("{b}\n{odd}\n{a}"), true)]);
        assert_eq!(ids, ["a-1-1", "a-1-2", "made by hand"]);
        assert_eq!(journal.tally.doubled, Some((3, "b.log:1".to_owned())));
        assert_eq!((journal.tally.records, journal.tally.lines, journal.tally.torn), (3, 6, 0));
    }

    #[test]
    fn a_torn_end_is_no_error_and_a_torn_middle_is_one() {
        let a = record("a-1-1", NOON);
        let (ids, journal) = read(&[(0, &format!("{a}\n{}", &a[..50]), true)]);
        assert_eq!((ids.len(), journal.tally.torn, journal.tally.unreadable_lines()), (1, 1, 0));
        let (_, journal) = read(&[(0, &format!("{}\n{a}\n", &a[..50]), true)]);
        assert_eq!((journal.tally.torn, journal.tally.unreadable_lines()), (0, 1));
        assert!(
            journal.tally.to_string().contains("unreadable: 1 times not JSON: EOF while"),
            "{}",
            journal.tally
        );
        assert!(journal.tally.to_string().contains("; first a.log:1"), "{}", journal.tally);
    }

    #[test]
    fn places_are_counted_over_chunks() {
        let a = record("a-1-1", NOON);
        let (_, journal) = read(&[(0, "{}\n{}\n", false), (0, &format!("{a}\n{{\n"), true)]);
        let (_, (count, place)) = journal.tally.unreadable.first_key_value().unwrap();
        assert_eq!((*count, place.as_str()), (1, "a.log:4"));
    }

    #[test]
    fn a_clock_that_jumps_back_is_told_and_another_file_is_no_jump() {
        let later = record("a-1-1", "2026-11-20T14:00:00Z");
        let (earlier, soon) = (record("a-1-2", NOON), record("a-1-3", "2026-11-20T11:30:00Z"));
        let (_, journal) = read(&[(0, &format!("{later}\n{earlier}\n{soon}\n"), true)]);
        let (count, place) = journal.tally.backward.unwrap();
        assert_eq!(count, 1);
        assert_eq!(place, "from 2026-11-20T14:00:00.000Z to 2026-11-20T12:00:00.000Z at a.log:2");
        let (_, journal) = read(&[(0, &later, true), (1, &earlier, true)]);
        assert_eq!(journal.tally.backward, None);
    }
}
