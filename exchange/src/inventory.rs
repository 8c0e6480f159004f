//! Which LLM hosts are called, on what paths and with which credentials: the audit of endpoints that nobody approved.
//!
//! Each worker gathers in an [`InventoryBatch`] and merges it by tick into one bounded table in the data that all workers share.
//! Credentials are known by the beginning of their digest alone.

use crate::head::Head;
use std::collections::BTreeMap;
use std::fmt::Write;
use tollgate_policy::{Request, SharedStore, Swap, credential_digest};
use tollgate_record::Timestamp;

/// So many rows are kept; what is new after that shares one.
const MOST_ROWS: usize = 512;
/// So many rows of a worker wait for a merge.
const MOST_WAITING: usize = 128;
/// A name of a host or a path is cut at this length.
const MOST_BYTES: usize = 96;
/// So many digits of a credential's SHA-256 tell it from others.
const FINGERPRINT: usize = 12;
/// Attempts to write while other workers do.
const ATTEMPTS: usize = 16;

/// What tells rows apart: host, family of paths, fingerprint, and whether such calls are metered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub host: String,
    pub path: String,
    pub credential: String,
    pub metered: bool,
}

/// When calls of a row were seen, in seconds since the Unix epoch, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub first: i64,
    pub last: i64,
    pub calls: u64,
}

pub(crate) type Inventory = BTreeMap<Row, Seen>;

/// What a worker has seen since its last merge.
#[derive(Debug, Default)]
pub struct InventoryBatch(Inventory);

/// Whether a call to an LLM host can be metered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metered {
    /// It is.
    Yes,
    /// It goes by, or is refused.
    No,
}

impl InventoryBatch {
    /// Notes a call to an LLM host.
    pub fn note(&mut self, head: &Head, metered: Metered, now: Timestamp) {
        let header = |name: &str| head.headers.value(name);
        let path = head.text(":path");
        let request = Request { header: &header, path, properties: &[], body: None };
        let digest = credential_digest(&request).unwrap_or_default();
        let row = Row {
            host: tame(crate::exchange::without_port(head.text(":authority"))),
            path: family(path),
            credential: digest.chars().take(FINGERPRINT).collect(),
            metered: metered == Metered::Yes,
        };
        let seconds = now.unix_seconds();
        add(&mut self.0, row, Seen { first: seconds, last: seconds, calls: 1 }, MOST_WAITING);
    }

    /// Merges into the shared table; `false` if the store did not take it, and what was seen waits for the next time.
    pub fn flush(&mut self, namespace: &str, store: &dyn SharedStore) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let key = key(namespace);
        for _ in 0..ATTEMPTS {
            let Ok(stored) = store.read(&key) else { return false };
            let (mut table, cas) =
                stored.map_or((Inventory::new(), None), |(bytes, cas)| (parse(&bytes), Some(cas)));
            for (row, seen) in &self.0 {
                add(&mut table, row.clone(), *seen, MOST_ROWS);
            }
            if store.swap(&key, written(&table).as_bytes(), cas) == Ok(Swap::Done) {
                self.0.clear();
                return true;
            }
        }
        false
    }
}

/// The shared table.
pub(crate) fn load(namespace: &str, store: &dyn SharedStore) -> Inventory {
    let stored = store.read(&key(namespace)).ok().flatten();
    stored.map(|(bytes, _)| parse(&bytes)).unwrap_or_default()
}

fn key(namespace: &str) -> String {
    format!("tg/1/{}/inventory", namespace.replace('/', "%2F"))
}

/// Adds to a row. Past the bound, rows that are new share one.
fn add(table: &mut Inventory, row: Row, seen: Seen, most: usize) {
    let fits = table.contains_key(&row) || table.len() < most;
    let other = || Row {
        host: "__other__".to_owned(),
        path: String::new(),
        credential: String::new(),
        metered: row.metered,
    };
    let row = if fits { row.clone() } else { other() };
    table
        .entry(row)
        .and_modify(|known| {
            known.first = known.first.min(seen.first);
            known.last = known.last.max(seen.last);
            known.calls = known.calls.saturating_add(seen.calls);
        })
        .or_insert(seen);
}

/// The first segments of a path, without those that look like somebody's id or name.
fn family(path: &str) -> String {
    let plain = path.split(['?', '#']).next().unwrap_or(path);
    let own = |segment: &str| segment.len() > 24 || segment.bytes().filter(u8::is_ascii_digit).count() > 3;
    let segments = plain.split('/').filter(|segment| !segment.is_empty()).take(4);
    tame(&segments.fold(String::new(), |text, segment| text + "/" + if own(segment) { "*" } else { segment }))
}

/// A text that cannot break a row, of bounded length.
fn tame(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '_' } else { c.to_ascii_lowercase() };
    let mut tame: String = text.chars().map(plain).collect();
    let end = (0..=MOST_BYTES).rev().find(|end| tame.is_char_boundary(*end)).unwrap_or(0);
    tame.truncate(end);
    tame
}

fn written(table: &Inventory) -> String {
    table.iter().fold(String::new(), |mut text, (row, seen)| {
        let Row { host, path, credential, metered } = row;
        let Seen { first, last, calls } = seen;
        let _infallible = writeln!(text, "{host}\t{path}\t{credential}\t{metered}\t{first}\t{last}\t{calls}");
        text
    })
}

/// What cannot be read is left out.
fn parse(bytes: &[u8]) -> Inventory {
    let text = String::from_utf8_lossy(bytes);
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(Row, Seen)> {
    let mut fields = line.split('\t');
    let mut text = || fields.next().map(str::to_owned);
    let (host, path, credential) = (text()?, text()?, text()?);
    let metered = text()?.parse().ok()?;
    let (first, last) = (text()?.parse().ok()?, text()?.parse().ok()?);
    let calls = text()?.parse().ok()?;
    Some((Row { host, path, credential, metered }, Seen { first, last, calls }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(host: &str) -> Row {
        Row { host: host.into(), path: "/v1/chat".into(), credential: "abc".into(), metered: true }
    }

    #[test]
    fn paths_are_told_by_family() {
        for (path, expected) in [
            ("/v1/chat/completions?x=1", "/v1/chat/completions"),
            ("/v1/threads/thread_abc12345/runs", "/v1/threads/*/runs"),
            ("//v1/a/b/c/d/e", "/v1/a/b/c"),
            ("/", ""),
            ("/V1/a\tb\n", "/v1/a_b_"),
        ] {
            assert_eq!(family(path), expected, "{path}");
        }
    }

    #[test]
    fn a_table_reads_back_and_stays_bounded() {
        let mut table = Inventory::new();
        for number in 0..2_000_i64 {
            let seen = Seen { first: number, last: number, calls: 1 };
            add(&mut table, row(&format!("host{}", number % 1000)), seen, MOST_ROWS);
        }
        assert_eq!(parse(written(&table).as_bytes()), table);
        assert_eq!(table.len(), MOST_ROWS + 1, "the rest shares a row");
        assert_eq!(table.values().map(|seen| seen.calls).sum::<u64>(), 2_000, "no call is lost");
        assert_eq!(table.get(&row("host7")), Some(&Seen { first: 7, last: 1007, calls: 2 }));
        assert!(parse(b"nonsense\n\xff\t\t\t\t\t\n").is_empty());
    }
}
