//! Comma-separated values of others: budgets, revenues, invoices.

use std::fmt;

/// A table with a head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CsvTable {
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Why a text is no table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CsvError {
    /// It has no head.
    Empty,
    /// A quoted field has no end.
    Unclosed,
    /// A row has another number of fields than the head.
    Ragged(usize),
    /// None of these columns is there.
    NoColumn(String),
}

impl fmt::Display for CsvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("there is no head"),
            Self::Unclosed => f.write_str("a quoted field has no end"),
            Self::Ragged(row) => write!(f, "row {row} has another number of fields than the head"),
            Self::NoColumn(names) => write!(f, "there is no column {names}"),
        }
    }
}

impl std::error::Error for CsvError {}

impl CsvTable {
    /// Reads a table; fields may be quoted, lines end as they do anywhere.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, CsvError> {
        let mut rows = fields(text.strip_prefix('\u{feff}').unwrap_or(text))?.into_iter();
        let heads: Vec<String> =
            rows.next().ok_or(CsvError::Empty)?.into_iter().map(|head| head.trim().to_owned()).collect();
        let rows: Vec<Vec<String>> =
            rows.filter(|row| row.iter().any(|field| !field.trim().is_empty())).collect();
        match rows.iter().position(|row| row.len() != heads.len()) {
            Some(place) => Err(CsvError::Ragged(place.saturating_add(2))),
            None => Ok(Self { heads, rows }),
        }
    }

    /// Whether there is such a column.
    pub fn has(&self, name: &str) -> bool {
        self.heads.iter().any(|head| head.eq_ignore_ascii_case(name))
    }

    /// The names of the columns.
    pub fn heads(&self) -> &[String] {
        &self.heads
    }

    /// The place of the first of these columns that is there.
    ///
    /// # Errors
    /// None is.
    pub fn column(&self, names: &[&str]) -> Result<usize, CsvError> {
        let place = |name: &&str| self.heads.iter().position(|head| head.eq_ignore_ascii_case(name));
        let wanted = || names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
        names.iter().find_map(place).ok_or_else(|| CsvError::NoColumn(wanted()))
    }

    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = Fields<'_>> {
        self.rows.iter().map(|row| Fields(row))
    }
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(&'a [String]);

impl<'a> Fields<'a> {
    /// The field of a column, without the blanks around it.
    pub fn get(&self, column: usize) -> &'a str {
        self.0.get(column).map_or("", |field| field.trim())
    }
}

fn fields(text: &str) -> Result<Vec<Vec<String>>, CsvError> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            c => field.push(c),
        }
    }
    if quoted {
        return Err(CsvError::Unclosed);
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_or_refused() {
        let table =
            CsvTable::parse("\u{feff}customer, Revenue \r\n\"a, b\",1\n\"say \"\"x\"\"\",2\n\n").unwrap();
        let column = table.column(&["nothing", "revenue"]).unwrap();
        let rows: Vec<_> = table.rows().map(|row| (row.get(0), row.get(column))).collect();
        assert_eq!(rows, [("a, b", "1"), ("say \"x\"", "2")]);
        for (text, expected) in [
            ("", "there is no head"),
            ("a,b\n1\n", "row 2 has another"),
            ("a\n\"x", "a quoted field has no end"),
        ] {
            assert!(CsvTable::parse(text).unwrap_err().to_string().starts_with(expected), "{text}");
        }
        assert_eq!(table.column(&["x", "y"]).unwrap_err().to_string(), "there is no column `x` or `y`");
    }
}
