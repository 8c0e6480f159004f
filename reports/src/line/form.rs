//! Lines of plain text, read by the format string that Envoy wrote them with.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use tollgate_record::{Action, CostStatus, Tokens, UsageSource};

use super::{Call, Line};
use crate::problem::Problem;
use crate::row::{Row, usd};

/// Envoy's `text_format`, taken apart.
///
/// Read are `%START_TIME%` and the plain properties of `emit.properties`; `%REQ(X-NAME)%` is the tag `name`. A field
/// runs up to the text that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form(Vec<(String, Option<Field>)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Time,
    Property(Property),
    Tag(String),
    Skipped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Property {
    CostUsd,
    CostStatus,
    Input,
    Output,
    Model,
    Decision,
}

const PROPERTIES: [(&str, Property); 6] = [
    ("cost_usd", Property::CostUsd),
    ("cost_status", Property::CostStatus),
    ("input_tokens", Property::Input),
    ("output_tokens", Property::Output),
    ("model", Property::Model),
    ("decision", Property::Decision),
];

/// Why a format string is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormError {
    /// A `%` without its partner.
    Unclosed,
    /// Two operators with nothing between them: nobody can tell where the first one ends.
    Adjacent(String),
    /// It has no `%START_TIME%`.
    NoTime,
    /// It has none of the plain properties.
    NoProperty,
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed => f.write_str("a `%` has no partner"),
            Self::Adjacent(operator) => {
                write!(f, "nothing stands between `%{operator}%` and what follows it")
            }
            Self::NoTime => f.write_str("it has no `%START_TIME%`"),
            Self::NoProperty => {
                f.write_str("it has no `%FILTER_STATE(wasm.tollgate.NAME:PLAIN)%`, with a NAME of ")?;
                let names: Vec<_> = PROPERTIES.iter().map(|(name, _)| format!("`{name}`")).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

impl std::error::Error for FormError {}

impl Form {
    /// Reads a format string.
    ///
    /// # Errors
    /// What makes it useless.
    pub fn new(format: &str) -> Result<Self, FormError> {
        let mut parts: Vec<(String, Option<Field>)> = Vec::new();
        let mut rest = format.trim_end_matches(['\n', '\r']);
        while let Some((literal, behind)) = rest.split_once('%') {
            let (operator, behind) = behind.split_once('%').ok_or(FormError::Unclosed)?;
            if literal.is_empty() && !parts.is_empty() {
                return Err(FormError::Adjacent(operator.to_owned()));
            }
            parts.push((literal.to_owned(), Some(field(operator))));
            rest = behind;
        }
        parts.push((rest.to_owned(), None));
        let has =
            |wanted: fn(&Field) -> bool| parts.iter().filter_map(|(_, field)| field.as_ref()).any(wanted);
        if !has(|field| *field == Field::Time) {
            return Err(FormError::NoTime);
        }
        if !has(|field| matches!(field, Field::Property(_))) {
            return Err(FormError::NoProperty);
        }
        Ok(Self(parts))
    }

    pub(super) fn read<'a>(&self, line: &'a [u8]) -> Line<'a> {
        let Some(values) = std::str::from_utf8(line).ok().and_then(|line| self.values(line)) else {
            return Line::Unreadable(Problem::OtherForm);
        };
        match row(&values) {
            None => Line::OtherText,
            Some(Ok(row)) => Line::Call(Call { row, unknown_key: None }),
            Some(Err(problem)) => Line::Unreadable(problem),
        }
    }

    /// The values of the fields in a line; `None` if the line does not have this form.
    fn values<'a>(&self, line: &'a str) -> Option<Vec<(&Field, &'a str)>> {
        let mut values = Vec::new();
        let mut rest = line;
        let mut open: Option<&Field> = None;
        for (literal, field) in &self.0 {
            let end = match open {
                None => rest.starts_with(literal.as_str()).then_some(0)?,
                Some(_) if literal.is_empty() => rest.len(),
                Some(_) => memmem::find(rest.as_bytes(), literal.as_bytes())?,
            };
            let (value, behind) = rest.split_at_checked(end)?;
            values.extend(open.map(|field| (field, value)));
            rest = behind.get(literal.len()..)?;
            open = field.as_ref();
        }
        rest.is_empty().then_some(values)
    }
}

/// Lengths behind a `:`, as in `%REQ(X-TEAM):20%`, change nothing here.
fn field(operator: &str) -> Field {
    let plain =
        operator.strip_prefix("FILTER_STATE(wasm.tollgate.").and_then(|rest| rest.split([':', ')']).next());
    if operator.starts_with("START_TIME") {
        return Field::Time;
    }
    if let Some(name) = plain {
        let known = PROPERTIES.iter().find(|(known, _)| *known == name);
        return known.map_or(Field::Skipped, |(_, property)| Field::Property(*property));
    }
    let header = operator.strip_prefix("REQ(").and_then(|rest| rest.split([')', '?']).next());
    match header.map(str::to_ascii_lowercase) {
        Some(header) if !header.starts_with(':') => {
            Field::Tag(header.strip_prefix("x-").map_or(header.clone(), str::to_owned))
        }
        _ => Field::Skipped,
    }
}

/// `None` if nothing is known of the call: it was none.
fn row<'a>(values: &[(&Field, &'a str)]) -> Option<Result<Row<'a>, Problem>> {
    let mut row = Row { provider: Cow::Borrowed("-"), ..Row::default() };
    let mut status = None;
    let mut time = None;
    let mut known = false;
    for (field, value) in values.iter().filter(|(_, value)| *value != "-" && !value.is_empty()) {
        known |= matches!(field, Field::Property(_));
        let read = match field {
            Field::Time => value.parse().map(|parsed| time = Some(parsed)).is_ok(),
            Field::Property(property) => take(&mut row, &mut status, *property, value),
            Field::Tag(name) => {
                row.tags.push((Cow::Owned(name.clone()), Cow::Borrowed(value)));
                true
            }
            Field::Skipped => true,
        };
        if !read {
            return Some(Err(Problem::OtherForm));
        }
    }
    if !known {
        return None;
    }
    let Some(time) = time else { return Some(Err(Problem::OtherForm)) };
    row.time = time;
    row.status = match (status, row.usd) {
        (Some(status), _) => status,
        (None, Some(_)) => CostStatus::Priced,
        (None, None) => CostStatus::NoUsage,
    };
    if row.tokens != Tokens::default() {
        row.usage_source = UsageSource::Reported;
    }
    Some(Ok(row))
}

fn take<'a>(row: &mut Row<'a>, status: &mut Option<CostStatus>, property: Property, value: &'a str) -> bool {
    match property {
        Property::CostUsd => row.usd = usd(value),
        Property::CostStatus => *status = CostStatus::from_word(value),
        Property::Input => row.tokens.input = value.parse().ok(),
        Property::Output => row.tokens.output = value.parse().ok(),
        Property::Model => row.response_model = Some(Cow::Borrowed(value)),
        Property::Decision => row.action = Action::from_word(value).unwrap_or_default(),
    }
    match property {
        Property::CostUsd => row.usd.is_some(),
        Property::CostStatus => status.is_some(),
        Property::Input => row.tokens.input.is_some(),
        Property::Output => row.tokens.output.is_some(),
        Property::Model => true,
        Property::Decision => Action::from_word(value).is_some(),
    }
}
