//! The short way to a row, which nearly all lines go: no allocation but for lists, no text looked at twice.

use std::borrow::Cow;

use super::Row;
use super::cursor::Cursor;
use super::draft::{Draft, Field, Slot, find, is_ours};
use super::json::DEPTH;
use super::scalar::{Scalar, usd};

/// The record in a line of JSON: what [`read_line`](super::read_line) says, or `None` where the line needs a closer look:
/// it cannot be read, or something stands in it that is seldom there.
pub fn read(line: &[u8]) -> Option<Option<Row<'_>>> {
    let mut cursor = Cursor::new(std::str::from_utf8(line).ok()?)?;
    let mut search = Search { draft: Draft::default(), objects: 0, owner: None };
    search.object(&mut cursor, 0)?;
    if !cursor.is_done() {
        return None;
    }
    match search.owner {
        None => Some(None),
        Some(_) => search.draft.finish(line).ok().map(Some),
    }
}

struct Search<'a> {
    draft: Draft<'a>,
    /// Objects that were begun.
    objects: usize,
    /// The one that holds the record.
    owner: Option<usize>,
}

impl<'a> Search<'a> {
    fn object(&mut self, cursor: &mut Cursor<'a>, depth: u8) -> Option<()> {
        let this = self.objects;
        self.objects = this.checked_add(1)?;
        cursor.members(|cursor, name| match find(name) {
            Some(key) => self.field(cursor, this, key.field),
            // A later version's.
            None if is_ours(name) => None,
            None if depth < DEPTH && self.owner.is_none() && cursor.peek()? == b'{' => {
                self.object(cursor, depth.checked_add(1)?)
            }
            None => cursor.skip(),
        })?;
        // Our names without a record: another object may have one.
        let is_without = self.owner == Some(this) && !self.draft.is_record();
        if is_without { None } else { Some(()) }
    }

    fn field(&mut self, cursor: &mut Cursor<'a>, object: usize, field: Field) -> Option<()> {
        // Which of two objects with our names is the record is decided elsewhere.
        if *self.owner.get_or_insert(object) != object {
            return None;
        }
        match field {
            Field::Unread => cursor.skip(),
            Field::Amounts(slot) => self.amounts(cursor, slot),
            _ => match cursor.scalar()? {
                Scalar::Null => Some(()),
                value => self.draft.put(field, value),
            },
        }
    }

    fn amounts(&mut self, cursor: &mut Cursor<'a>, slot: Slot) -> Option<()> {
        let mut amounts = Vec::with_capacity(4);
        cursor.members(|cursor, name| {
            amounts.push((Cow::Borrowed(name), usd(cursor.text()?)?));
            Some(())
        })?;
        self.draft.put_amounts(slot, amounts);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_line;
    use super::*;
    use proptest::prelude::*;

    const GOLDEN: &str = include_str!("../../../record/src/golden.json");
    const OTHER: &str = r#"{"path":"/v1?q=\"a\"","duration":1.5,"cost":1.408e-05,"headers":{"a":[1,-2,null,true]},"bytes":0}"#;

    /// The golden record in one line.
    fn flat() -> String {
        GOLDEN.replace('\n', " ").trim().to_owned()
    }

    /// What the long way says, where it has nothing to complain of.
    fn long(line: &[u8]) -> Option<Option<Row<'_>>> {
        match read_line(line).ok()? {
            None => Some(None),
            Some(draft) if draft.unknown_key.is_some() => None,
            Some(draft) => draft.finish(line).ok().map(Some),
        }
    }

    #[test]
    fn usual_lines_go_the_short_way() {
        let golden = flat();
        let close = golden.replace(' ', "");
        let wrapped = format!(r#"{{"a":{OTHER},"tollgate":{{"@type":"t","value":{close}}},"b":{OTHER}}}"#);
        for line in [&golden, &close, &wrapped, OTHER, "{}", r#" {"a": "ü"} "#] {
            let read = read(line.as_bytes());
            assert!(read.is_some(), "{line}");
            assert_eq!(read, long(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn what_is_unusual_takes_the_long_way() {
        let golden = flat();
        for (name, line) in [
            ("torn", r#"{"tollgate.schema":1,"#.to_owned()),
            ("a key of a later version", golden.replacen("tollgate.speed", "tollgate.later", 1)),
            ("an escape", golden.replacen("search", "s\\u0065arch", 1)),
            ("a double", golden.replacen(": 1200", ": 1.2e+3", 1)),
            ("two records", format!(r#"{{"a":{golden},"b":{golden},"tollgate.id":"x"}}"#)),
            ("our names without a record", r#"{"gen_ai.provider.name":"openai"}"#.to_owned()),
            ("two lines in one", format!("{golden}{golden}")),
        ] {
            assert_eq!(read(line.as_bytes()), None, "{name}");
        }
    }

    proptest! {
        /// Whatever is done to a line, the short way says what the long way says, or nothing.
        #[test]
        fn no_way_is_wrong(
            at in 0..2400_usize, cut in 0..3_usize, with in "[\\[\\]{}\",:0-9a-z.\\\\ -]{0,3}", wrapped in any::<bool>(),
        ) {
            let golden = flat();
            let line = if wrapped { format!(r#"{{"a":1.5,"r":{golden},"z":"\n"}}"#) } else { golden };
            let mut bytes = line.into_bytes();
            let (start, end) = (at.min(bytes.len()), (at + cut).min(bytes.len()));
            bytes.splice(start..end, with.into_bytes());
            if let Some(short) = read(&bytes) {
                prop_assert_eq!(Some(short), long(&bytes), "{}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}
