//! One line of a log -> calls: Envoy's JSON, plain text with a record's JSON in it or of a form that is given, OTLP JSON.

mod form;
mod otlp;

use memchr::memmem::Finder;

use crate::problem::Problem;
use crate::row::{Row, read_line, read_short, read_value};

pub use form::{Form, FormError};

/// Where a record's JSON begins is tried at so many braces of a line of text.
const MAX_BRACES: usize = 32;

/// Reads lines. One for each thread.
pub struct LineReader {
    form: Option<Form>,
    schema_key: Finder<'static>,
    otlp_key: Finder<'static>,
    our_key: Finder<'static>,
}

/// What a line turned out to be.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all lines are calls: a box for each would only cost")]
pub enum Line<'a> {
    /// One call.
    Call(Call<'a>),
    /// Some calls, and what could not be read of others.
    Batch(Vec<Result<Call<'static>, Problem>>),
    /// JSON without a record, or nothing at all.
    Other,
    /// Text without a record.
    OtherText,
    /// Something that should have been one of these.
    Unreadable(Problem),
}

/// A call, and what was strange about its record.
#[derive(Clone, Debug, PartialEq)]
pub struct Call<'a> {
    /// What reports need of it.
    pub row: Row<'a>,
    /// A key under our names that this version does not know.
    pub unknown_key: Option<String>,
}

impl LineReader {
    /// `form` says how lines of plain text are to be read that hold no record's JSON.
    pub fn new(form: Option<Form>) -> Self {
        Self {
            form,
            schema_key: Finder::new("\"tollgate.schema\""),
            otlp_key: Finder::new("\"resourceLogs\""),
            our_key: Finder::new("\"tollgate."),
        }
    }

    /// Reads one line, with or without its newline.
    pub fn read<'a>(&self, line: &'a [u8]) -> Line<'a> {
        let line = line.trim_ascii();
        match line.first() {
            None => Line::Other,
            Some(b'{') if self.is_otlp(line) => otlp::read(line),
            Some(b'{') => json(line),
            Some(_) => self.text(line),
        }
    }

    fn is_otlp(&self, line: &[u8]) -> bool {
        let start = line.get(..64).unwrap_or(line);
        self.otlp_key.find(start).is_some()
    }

    fn text<'a>(&self, line: &'a [u8]) -> Line<'a> {
        if let Some(key) = self.schema_key.find(line) {
            let braces = memchr::memchr_iter(b'{', line.get(..key).unwrap_or_default()).take(MAX_BRACES);
            for brace in braces {
                let rest = line.get(brace..).unwrap_or_default();
                if let Some(draft) = read_value(rest) {
                    return call(draft.finish(rest), None);
                }
            }
        }
        match &self.form {
            Some(form) => form.read(line),
            None if self.our_key.find(line).is_some() => {
                Line::Unreadable(Problem::NotJson("a part of a line".into()))
            }
            None => Line::OtherText,
        }
    }
}

fn json(line: &[u8]) -> Line<'_> {
    match read_short(line) {
        Some(Some(row)) => Line::Call(Call { row, unknown_key: None }),
        Some(None) => Line::Other,
        None => json_with_care(line),
    }
}

fn json_with_care(line: &[u8]) -> Line<'_> {
    match read_line(line) {
        Ok(None) => Line::Other,
        Ok(Some(mut draft)) => {
            let unknown = draft.unknown_key.take().map(std::borrow::Cow::into_owned);
            call(draft.finish(line), unknown)
        }
        Err(problem) => Line::Unreadable(problem),
    }
}

fn call(row: Result<Row<'_>, Problem>, unknown_key: Option<String>) -> Line<'_> {
    match row {
        Ok(row) => Line::Call(Call { row, unknown_key }),
        Err(problem) => Line::Unreadable(problem),
    }
}

#[cfg(test)]
mod tests;
