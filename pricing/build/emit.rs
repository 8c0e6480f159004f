//! Tables -> Rust source of constants.

use crate::compile::OwnIndex;
use crate::money::{Factor, Rate};
use crate::tables::{Card, Fact, Row, Section, When};
use std::fmt::Write;

/// The source of the catalogue's constants.
pub fn rust(tables: &OwnIndex, version: &str) -> String {
    let cards = &tables.cards;
    let mut out = String::from("// Made by build.rs from catalogue/*.json.\n");
    push(&mut out, format_args!("pub(super) const VERSION: &str = {version:?};"));
    push(&mut out, format_args!("const TEXT: &str = {:?};", cards.text));
    array(&mut out, "RATES", "Rate", &cards.rates, rate);
    array(&mut out, "FACTORS", "Factor", &cards.factors, factor);
    array(&mut out, "TIERS", "u64", &cards.tiers, u64::to_string);
    array(&mut out, "ROWS", "Row", &cards.rows, row);
    array(&mut out, "FACTS", "Fact", &cards.facts, fact);
    array(&mut out, "WHENS", "When", &cards.whens, when);
    array(&mut out, "SECTIONS", "Section", &cards.sections, section);
    array(&mut out, "CARDS", "Card", &cards.cards, card);
    array(&mut out, "PROVIDERS", "Provider", &tables.providers, |p| {
        let run = format!("first_name: {}, names: {}, first_rule: {}", p.first_name, p.names, p.first_rule);
        let rest =
            format!("rules: {}, first_fallback: {}, fallbacks: {}", p.rules, p.first_fallback, p.fallbacks);
        format!("Provider {{ name: Span({}), {run}, {rest} }}", p.name.0)
    });
    let name = |n: &crate::index::Name| format!("Name {{ text: Span({}), entry: {} }}", n.text.0, n.entry);
    array(&mut out, "SPELLINGS", "Name", &tables.spellings, name);
    array(&mut out, "FALLBACKS", "u16", &tables.fallbacks, u16::to_string);
    array(&mut out, "ENTRIES", "Entry", &tables.entries, |e| {
        format!("Entry {{ name: Span({}), card: {}, retires: {} }}", e.name.0, e.card, e.retires)
    });
    array(&mut out, "NAMES", "Name", &tables.names, name);
    array(&mut out, "RULES", "Rule", &tables.rules, |r| {
        let (fit, text, unless) = (r.fit, r.text.0, r.unless.0);
        format!(
            "Rule {{ fit: Fit::{fit:?}, text: Span({text}), unless: Span({unless}), entry: {} }}",
            r.entry
        )
    });
    out
}

fn array<T>(out: &mut String, name: &str, kind: &str, items: &[T], source: impl Fn(&T) -> String) {
    push(out, format_args!("static {name}: [{kind}; {}] = [", items.len()));
    items.iter().for_each(|item| push(out, format_args!("{},", source(item))));
    push(out, format_args!("];"));
}

fn push(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _ = writeln!(out, "{line}");
}

fn rate(rate: &Rate) -> String {
    format!("rate({}, {})", rate.pico(), rate.per())
}

fn factor(factor: &Factor) -> String {
    format!("factor({}, {})", factor.up(), factor.down())
}

fn row(row: &Row) -> String {
    format!("Row {{ class: {}, tier: {}, rate: {} }}", row.class, row.tier, row.rate)
}

fn fact(fact: &Fact) -> String {
    format!("Fact {{ dimension: {}, value: Span({}) }}", fact.dimension, fact.value.0)
}

fn when(when: &When) -> String {
    let period = format!("from: {}, until: {}", when.from, when.until);
    let hours = format!("day_from: {}, day_until: {}, days: {}", when.day_from, when.day_until, when.days);
    format!("When {{ {period}, {hours}, first: {}, len: {} }}", when.first, when.len)
}

fn section(section: &Section) -> String {
    let effect = section.effect;
    let run = format!("len: {}, when: {}, first: {}", section.len, section.when, section.first);
    format!("Section {{ effect: Effect::{effect:?}, {run} }}")
}

fn card(card: &Card) -> String {
    format!("Card {{ first: {}, len: {}, terms: Terms::{:?} }}", card.first, card.len, card.terms)
}
