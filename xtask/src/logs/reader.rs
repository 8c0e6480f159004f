//! Access logs, plain or gzip, line by line: records, lines of other traffic, and lines that cannot be read, which are
//! counted with the reason.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use serde_json::Value;
use tollgate_record::Record;

use crate::money::grouped;

/// Every so many lines a line on standard error says how far we are.
const PROGRESS: u64 = 1_000_000;

/// The files, and what was seen in them so far.
pub struct Source {
    files: Vec<PathBuf>,
    pub tally: Tally,
}

impl Source {
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self { files, tally: Tally::default() }
    }

    /// Hands on every record.
    ///
    /// # Errors
    /// A file that cannot be opened or read.
    pub fn each(&mut self, mut take: impl FnMut(Record)) -> Result<(), String> {
        for path in &self.files {
            self.tally.files += 1;
            let mut place = Place { path, line: 0 };
            let mut lines = open(path)?;
            let mut line = Vec::new();
            while self.tally.next(&mut *lines, &mut line, &mut place)? {
                match read(&line) {
                    Ok(Some(record)) => {
                        self.tally.records += 1;
                        take(record);
                    }
                    Ok(None) => self.tally.others += 1,
                    // A log is often read while it is written.
                    Err(_) if !line.ends_with(b"\n") => self.tally.torn += 1,
                    Err(why) => self.tally.refuse(why, &place),
                }
            }
        }
        Ok(())
    }
}

/// Where a line stands.
struct Place<'a> {
    path: &'a Path,
    line: u64,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

/// What was read.
#[derive(Debug, Default)]
pub struct Tally {
    files: u64,
    lines: u64,
    records: u64,
    others: u64,
    torn: u64,
    /// By reason: how many, and where the first one stands.
    unreadable: BTreeMap<String, (u64, String)>,
}

impl Tally {
    /// Reads the next line; false at the end of the file.
    fn next(
        &mut self,
        lines: &mut dyn BufRead,
        line: &mut Vec<u8>,
        place: &mut Place<'_>,
    ) -> Result<bool, String> {
        line.clear();
        match lines.read_until(b'\n', line) {
            Ok(0) => return Ok(false),
            // What a gzip file that is still written, or was cut, holds before its end is in `line`.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.torn += 1;
                return Ok(false);
            }
            Err(error) => return Err(format!("`{}`: {error}", place.path.display())),
            Ok(_) => {}
        }
        place.line += 1;
        self.lines += 1;
        if self.lines.is_multiple_of(PROGRESS) {
            eprintln!("{} lines", grouped(self.lines.into()));
        }
        Ok(true)
    }

    fn refuse(&mut self, why: String, place: &Place<'_>) {
        let (count, _) = self.unreadable.entry(why).or_insert_with(|| (0, place.to_string()));
        *count += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unreadable: u64 = self.unreadable.values().map(|(count, _)| count).sum();
        writeln!(
            f,
            "{} lines in {} files: {} records, {} lines without a record, {unreadable} unreadable, {} torn at a file's end",
            self.lines, self.files, self.records, self.others, self.torn
        )?;
        for (why, (count, first)) in &self.unreadable {
            writeln!(f, "  unreadable: {count} times {why}; first {first}")?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>, String> {
    let told = |error: std::io::Error| format!("`{}`: {error}", path.display());
    let mut file = BufReader::new(File::open(path).map_err(told)?);
    let packed = file.fill_buf().map_err(told)?.starts_with(&[0x1f, 0x8b]);
    Ok(if packed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) })
}

/// The record in a line: the line itself, or the first of its fields that is one. `None` if there is none, as for
/// traffic that is no LLM call.
fn read(line: &[u8]) -> Result<Option<Record>, String> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let json: Value = serde_json::from_slice(line).map_err(|error| format!("not JSON: {}", kind(&error)))?;
    let fields = json.as_object().ok_or("not a JSON object")?;
    let Some(found) = std::iter::once(&json).chain(fields.values()).find_map(record_in) else {
        return Ok(None);
    };
    Record::parse(found).map(Some).map_err(|error| error.to_string())
}

/// The object with the record's keys: Envoy wraps it as `value` beside an `@type`.
fn record_in(value: &Value) -> Option<&Value> {
    let is_record = |value: &&Value| value.get("tollgate.schema").is_some();
    Some(value).filter(is_record).or_else(|| value.get("value").filter(is_record))
}

/// The error without the place in the line, so that equal ones are counted together.
fn kind(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::io::Write;

    /// A log of these bytes in a folder of its own.
    fn log(name: &str, bytes: &[u8]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tollgate-logs-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read_all(name: &str, bytes: &[u8]) -> (Vec<String>, Tally) {
        let path = log(name, bytes);
        let mut source = Source::new(vec![path.clone()]);
        let mut ids = Vec::new();
        source.each(|record| ids.push(record.id)).unwrap();
        std::fs::remove_file(path).unwrap();
        (ids, source.tally)
    }

    fn record(id: &str) -> String {
        Record { id: id.into(), ..Record::default() }.to_json()
    }

    fn check(name: &str, bytes: &[u8], ids: &[&str], counts: [u64; 4]) {
        let (found, tally) = read_all(name, bytes);
        let unreadable = tally.unreadable.values().map(|(count, _)| count).sum();
        assert_eq!(found, ids, "{name}");
        assert_eq!([tally.records, tally.others, unreadable, tally.torn], counts, "{name}: {tally}");
    }

    #[test]
    fn records_are_found_wherever_the_log_format_puts_them() {
        let (a, b) = (record("1-1-1"), record("1-1-2"));
        let wrapped = format!(r#"{{"@type":"type.googleapis.com/google.protobuf.Struct","value":{b}}}"#);
        check("bare.log", format!("{a}\n{wrapped}\n").as_bytes(), &["1-1-1", "1-1-2"], [2, 0, 0, 0]);
        let lines = format!("{{\"path\":\"/\",\"tollgate\":{a}}}\n{{\"cost\":{wrapped},\"path\":\"/\"}}\n");
        check("fields.log", lines.as_bytes(), &["1-1-1", "1-1-2"], [2, 0, 0, 0]);
        let lines = "{\"path\":\"/health\",\"tollgate\":null}\n\n{\"tollgate\":\"-\"}\n";
        check("other traffic.log", lines.as_bytes(), &[], [0, 3, 0, 0]);
        check("packed.log.gz", &gzip(&format!("{a}\n{b}\n")), &["1-1-1", "1-1-2"], [2, 0, 0, 0]);
        let twice = [gzip(&format!("{a}\n")), gzip(&format!("{b}\n"))].concat();
        check("appended.log.gz", &twice, &["1-1-1", "1-1-2"], [2, 0, 0, 0]);
    }

    #[test]
    fn lines_that_cannot_be_read_are_counted_with_the_reason() {
        let a = record("1-1-1");
        check("torn.log", format!("{a}\n{}", &a[..40]).as_bytes(), &["1-1-1"], [1, 0, 0, 1]);
        check("whole without a newline.log", a.as_bytes(), &["1-1-1"], [1, 0, 0, 0]);
        check("torn in the middle.log", format!("{}\n{a}\n", &a[..40]).as_bytes(), &["1-1-1"], [1, 0, 1, 0]);
        check("bytes.log", b"{\"a\":\"\xff\"}\n[1]\nGET / 200\n", &[], [0, 0, 3, 0]);
        let packed = gzip(&format!("{a}\n{}", "x".repeat(4000)));
        let cut = &packed[..packed.len() - 10];
        assert_eq!(read_all("cut.log.gz", cut).1.torn, 1);
        let (_, tally) = read_all("newer.log", b"{\"tollgate.schema\": 99}\n{\"tollgate.schema\": 99}\n");
        let why = "schema `99` is newer than `1`, the newest that this version reads";
        assert_eq!(
            tally.unreadable.iter().map(|(w, (n, _))| (w.as_str(), *n)).collect::<Vec<_>>(),
            [(why, 2)]
        );
        assert!(tally.to_string().contains("unreadable: 2 times schema `99`"), "{tally}");
    }
}
