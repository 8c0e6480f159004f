//! Why a line cannot be read. Lines themselves are never quoted: they may hold what is secret.

use std::fmt;

use tollgate_record::SCHEMA;

/// Why a line cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// It is neither JSON nor a text with a record's JSON in it.
    NotJson(String),
    /// It is JSON, but no object.
    NotAnObject,
    /// It was written by a newer version.
    NewerSchema(u64),
    /// A key that every record has is missing.
    Missing(&'static str),
    /// A key has a value of the wrong kind.
    Wrong(&'static str),
    /// The line is longer than this many bytes.
    TooLong(usize),
    /// The line does not have the form that was given.
    OtherForm,
}

impl Problem {
    /// The kind of a JSON error, without the place in the line, so that equal ones are counted together.
    pub(crate) fn not_json(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        Self::NotJson(text.split(" at line ").next().unwrap_or(&text).to_owned())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(why) => write!(f, "not JSON: {why}"),
            Self::NotAnObject => f.write_str("not a JSON object"),
            Self::NewerSchema(n) => {
                write!(f, "schema `{n}` is newer than `{SCHEMA}`, the newest that this version reads")
            }
            Self::Missing(key) => write!(f, "`{key}` is missing"),
            Self::Wrong(key) => write!(f, "`{key}` has a value of the wrong kind"),
            Self::TooLong(bytes) => write!(f, "longer than {bytes} bytes"),
            Self::OtherForm => f.write_str("not of the form that `--line` gives"),
        }
    }
}

impl std::error::Error for Problem {}
