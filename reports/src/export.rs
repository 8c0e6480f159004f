//! Calls as a table for engines that hold more than one machine reads: one row each, tags as columns of their own.

use std::io::{self, Write};

use serde_json::{Map, Value as Json};

use crate::dimension::{Dimension, Lens};
use crate::parquet::{Kind, Pack, Value, Writer};
use crate::row::Row;
use crate::selection::Selection;

/// Tags that have columns unless others are named.
pub const TAGS: [&str; 5] = ["team", "feature", "customer", "workflow", "environment"];

const BEFORE_TAGS: [(&str, Kind); 7] = [
    ("id", Kind::Text),
    ("time", Kind::Micros),
    ("operation", Kind::Text),
    ("provider", Kind::Text),
    ("model", Kind::Text),
    ("request_model", Kind::Text),
    ("response_model", Kind::Text),
];
const AFTER_TAGS: [(&str, Kind); 21] = [
    ("tags", Kind::Text),
    ("input_tokens", Kind::Whole),
    ("cache_read_tokens", Kind::Whole),
    ("cache_write_tokens", Kind::Whole),
    ("output_tokens", Kind::Whole),
    ("reasoning_tokens", Kind::Whole),
    ("usage_source", Kind::Text),
    ("cost_status", Kind::Text),
    ("cost_usd", Kind::Usd),
    ("list_usd", Kind::Usd),
    ("saved_by_cache_usd", Kind::Usd),
    ("cost_lines", Kind::Text),
    ("decision", Kind::Text),
    ("rule", Kind::Text),
    ("stream", Kind::Flag),
    ("http_status", Kind::Whole),
    ("duration_ms", Kind::Whole),
    ("service_tier", Kind::Text),
    ("region", Kind::Text),
    ("price_version", Kind::Text),
    ("units", Kind::Text),
];

/// Writes calls as Parquet.
pub struct Export<W> {
    writer: Writer<W>,
    tags: Vec<String>,
    lens: Lens,
    selection: Selection,
    failed: Option<io::Error>,
    /// Calls that were written.
    pub rows: u64,
}

impl<W: Write> Export<W> {
    /// With a column for each of these tags.
    ///
    /// # Errors
    /// Of the output.
    pub fn new(
        out: W,
        tags: Vec<String>,
        lens: Lens,
        selection: Selection,
        pack: Option<Pack>,
    ) -> io::Result<Self> {
        let fixed = |(name, kind): (&str, Kind)| (name.to_owned(), kind);
        let own = tags.iter().map(|tag| (tag.clone(), Kind::Text));
        let columns = BEFORE_TAGS.map(fixed).into_iter().chain(own).chain(AFTER_TAGS.map(fixed));
        let writer = Writer::new(out, columns.collect(), pack)?;
        Ok(Self { writer, tags, lens, selection, failed: None, rows: 0 })
    }

    /// Whether a tag's name is taken by a column of another meaning.
    pub fn is_reserved(tag: &str) -> bool {
        BEFORE_TAGS.iter().chain(&AFTER_TAGS).any(|(name, _)| *name == tag)
    }

    /// Takes a call. Once the output has failed nothing more is written.
    pub fn add(&mut self, row: &Row<'_>) {
        if self.failed.is_some() || !self.selection.has(row, &mut self.lens) {
            return;
        }
        let model = self.lens.value(&Dimension::Model, row);
        let texts = Texts { model, tags: object(&row.tags), units: object(&row.units), lines: lines(row) };
        let tags: Vec<Value<'_>> = self.tags.iter().map(|tag| Value::text(row.tag(tag))).collect();
        let values = before(row, &texts).into_iter().chain(tags).chain(after(row, &texts));
        match self.writer.row(values) {
            Ok(()) => self.rows = self.rows.saturating_add(1),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Of the output.
    pub fn finish(self) -> io::Result<u64> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.writer.finish()?;
        Ok(self.rows)
    }
}

/// Texts that are made for a row.
struct Texts {
    model: String,
    tags: Option<String>,
    units: Option<String>,
    lines: Option<String>,
}

fn before<'a>(row: &'a Row<'_>, texts: &'a Texts) -> [Value<'a>; 7] {
    [
        Value::Text(&row.id),
        Value::Whole(row.time.unix_nanos().div_euclid(1000)),
        Value::Text(&row.operation),
        Value::Text(&row.provider),
        Value::Text(&texts.model),
        Value::text(row.request_model.as_deref()),
        Value::text(row.response_model.as_deref()),
    ]
}

fn after<'a>(row: &'a Row<'_>, texts: &'a Texts) -> [Value<'a>; 21] {
    let tokens = &row.tokens;
    [
        Value::text(texts.tags.as_deref()),
        Value::count(tokens.input),
        Value::count(tokens.cache_read),
        Value::count(tokens.cache_creation),
        Value::count(tokens.output),
        Value::count(tokens.reasoning),
        Value::Text(row.usage_source.as_str()),
        Value::Text(row.status.as_str()),
        Value::usd(row.usd),
        Value::usd(row.list_usd),
        Value::usd(row.saved_by_cache),
        Value::text(texts.lines.as_deref()),
        Value::Text(row.action.as_str()),
        Value::text(row.rule.as_deref()),
        row.stream.map_or(Value::None, Value::Flag),
        Value::count(row.http_status),
        Value::count(row.duration_ms),
        Value::text(row.service_tier.as_deref()),
        Value::text(row.region.as_deref()),
        Value::Text(&row.price_version),
        Value::text(texts.units.as_deref()),
    ]
}

type Pairs<'a> = [(std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)];

/// Names and values as JSON.
fn object(pairs: &Pairs<'_>) -> Option<String> {
    let map: Map<String, Json> =
        pairs.iter().map(|(name, value)| (name.to_string(), Json::from(value.as_ref()))).collect();
    (!map.is_empty()).then(|| Json::Object(map).to_string())
}

fn lines(row: &Row<'_>) -> Option<String> {
    let map: Map<String, Json> =
        row.lines.iter().map(|(name, amount)| (name.to_string(), Json::from(amount.to_string()))).collect();
    (!map.is_empty()).then(|| Json::Object(map).to_string())
}
