//! A call's labels, as they may stand in a metric's name.

use crate::config::{Label, Rules, View};
use crate::settle::Settled;
use std::borrow::Cow;

/// Past this length a label's value is cut: names of metrics live as long as the proxy.
const MAX_LABEL_BYTES: usize = 128;
/// The label value of all label sets past `max_series`.
pub(crate) const OTHER: &str = "__other__";
/// The label value of a model that neither catalogue nor configuration knows.
pub(crate) const UNKNOWN: &str = "__unknown__";

/// `;view=...` and the view's labels; the second value says whether the label set is one that nobody can invent.
pub(super) fn labels(view: &View, rules: &Rules, settled: &Settled) -> (String, bool) {
    let mut text = format!(";view={}", view.name);
    let mut reserved = true;
    for label in &view.labels {
        let (name, value, known) = label_value(*label, rules, settled);
        reserved &= known;
        text.extend([";", name, "=", &value]);
    }
    (text, reserved)
}

pub(super) fn label_value<'a>(
    label: Label,
    rules: &'a Rules,
    settled: &'a Settled,
) -> (&'a str, Cow<'a, str>, bool) {
    let record = &settled.record;
    match label {
        Label::Provider => ("provider", tame(&record.provider), true),
        Label::Operation => ("operation", Cow::Borrowed(&*record.operation), true),
        Label::Model => ("model", model_label(settled), true),
        Label::Tag(index) => {
            let value = record.tags.get(index).map_or(tollgate_policy::UNTAGGED, |(_, value)| value.as_str());
            let tag = rules.tags.tags().get(index);
            let known = value == tollgate_policy::UNTAGGED || tag.is_some_and(|t| t.names_value(value));
            (tag.map_or("tag", |t| t.name.as_str()), tame(value), known)
        }
    }
}

pub(super) fn model_label(settled: &Settled) -> Cow<'_, str> {
    settled.counts.model.as_deref().map_or(Cow::Borrowed(UNKNOWN), tame)
}

/// The series that all label sets past the bound share; it keeps the view's labels, so that sums stay right.
pub(super) fn other(view: &View, settled: &Settled) -> String {
    let name = |label: &Label| match label {
        Label::Provider => "provider",
        Label::Operation => "operation",
        Label::Model => "model",
        Label::Tag(index) => settled.record.tags.get(*index).map_or("tag", |(name, _)| name.as_str()),
    };
    view.labels
        .iter()
        .fold(format!(";view={}", view.name), |text, label| text + ";" + name(label) + "=" + OTHER)
}

/// A value as it may stand in a metric's name.
pub(super) fn tame(value: &str) -> Cow<'_, str> {
    let fits = value.len() <= MAX_LABEL_BYTES && !value.ends_with('.');
    if fits && value.bytes().all(|byte| (b' '..0x7f).contains(&byte) && byte != b';') {
        return Cow::Borrowed(value);
    }
    let end = (0..=MAX_LABEL_BYTES.min(value.len())).rev().find(|end| value.is_char_boundary(*end));
    let cut = end.and_then(|end| value.get(..end)).unwrap_or(value);
    let plain = |c: char| if c == ';' || c.is_control() { '_' } else { c };
    let tidy: String = cut.chars().map(plain).collect();
    // A trailing dot would be lost by the proxy.
    Cow::Owned(if tidy.ends_with('.') { tidy + "_" } else { tidy })
}

/// Everything that labels are made of. No text has the byte 0xff in it, so values of two calls cannot run into each other.
pub(super) fn put_key(key: &mut Vec<u8>, settled: &Settled) {
    let record = &settled.record;
    let model = settled.counts.model.as_deref().unwrap_or_default();
    let tags = record.tags.iter().map(|(_, value)| value.as_str());
    key.clear();
    for value in [&*record.provider, &*record.operation, model].into_iter().chain(tags) {
        key.extend_from_slice(value.as_bytes());
        key.push(0xff);
    }
}
