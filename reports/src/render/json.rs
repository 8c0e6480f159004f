//! JSON for machines: counts are numbers, money is exact decimal strings.

use serde_json::{Map, Value, json};

use super::plain;
use crate::sheet::{Cell, Document, Sheet};

/// Spells a document.
pub fn json(document: &Document) -> String {
    let sheets: Map<String, Value> =
        document.sheets.iter().map(|sheet| (sheet.name.to_owned(), rows(sheet))).collect();
    let all = json!({
        "title": document.title,
        "facts": document.facts,
        "notes": document.notes,
        "sheets": sheets,
    });
    // A value of strings and numbers always has a spelling.
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

fn rows(sheet: &Sheet) -> Value {
    let row = |cells: &Vec<Cell>| {
        let pairs = sheet.columns.iter().zip(cells);
        Value::Object(pairs.map(|(column, cell)| (column.name.clone(), value(cell))).collect())
    };
    sheet.rows.iter().map(row).collect()
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Count(count) => match i64::try_from(*count) {
            Ok(count) => count.into(),
            Err(_) => count.to_string().into(),
        },
        Cell::Permille(_) | Cell::Milli(_) => {
            let text = plain(cell);
            serde_json::from_str(&text).unwrap_or(Value::String(text))
        }
        _ => Value::String(plain(cell)),
    }
}
