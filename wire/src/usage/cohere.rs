//! Cohere's report: what counts is what is billed.

use tollgate_pricing::UnitKind;

use super::plus;
use super::reading::{Reading, Tally};
use crate::json::Value;

pub(super) fn read(value: &Value<'_>) -> Reading {
    let mut reading = Reading::default();
    let mut tally = Tally::new(value);
    let usage = &mut reading.usage;
    usage.input_image = tally.one(&["billed_units", "image_tokens"]);
    let text = tally.first(&[&["billed_units", "input_tokens"], &["tokens", "input_tokens"]]);
    usage.input = plus(text, usage.input_image);
    usage.output = tally.first(&[&["billed_units", "output_tokens"], &["tokens", "output_tokens"]]);
    usage.note(UnitKind::SearchUnits, tally.one(&["billed_units", "search_units"]));
    usage.note(UnitKind::InputImages, tally.one(&["billed_units", "images"]));
    usage.inconsistent |= tally.odd;
    reading
}
