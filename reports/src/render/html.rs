//! One page of HTML that needs nothing else: no script, no font, no picture, so it can be sent by mail.

mod chart;

use super::text::grouped;
use super::{fraction, usd_short};
use crate::sheet::{Cell, Chart, Column, Document, Sheet};

/// Rows of a table that stand open; the others open with a click.
const OPEN_ROWS: usize = 12;
/// Rows of a table at all: a page is for reading, CSV is for all rows.
const MAX_ROWS: usize = 2_000;

const STYLE: &str = include_str!("html/style.css");

/// Spells a document as a page.
pub fn html(document: &Document) -> String {
    let title = escaped(&document.title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<header>\n<h1>{title}</h1>\n{}</header>\n<main>\n{}</main>\n</body>\n</html>\n",
        head(document),
        body(document)
    )
}

/// Spells a document as a part of another page: all but its title.
pub fn fragment(document: &Document) -> String {
    head(document) + &body(document)
}

/// What is to be read first, and where the tables are.
fn head(document: &Document) -> String {
    let facts: String = document.facts.iter().map(|fact| format!("<li>{}</li>\n", escaped(fact))).collect();
    let link =
        |sheet: &Sheet| format!("<a href=\"#{}\">{}</a>\n", escaped(sheet.name), escaped(&sheet.title));
    let links: String = document.sheets.iter().map(link).collect();
    let facts = if facts.is_empty() { facts } else { format!("<ul class=\"facts\">\n{facts}</ul>\n") };
    let links =
        if links.is_empty() { links } else { format!("<nav aria-label=\"Tables\">\n{links}</nav>\n") };
    facts + &links
}

fn body(document: &Document) -> String {
    let sheets: String = document.sheets.iter().map(section).collect();
    let notes: String = document.notes.iter().map(|note| format!("<li>{}</li>\n", escaped(note))).collect();
    if notes.is_empty() {
        return sheets;
    }
    format!("{sheets}<h2>Notes</h2>\n<ul class=\"notes\">\n{notes}</ul>\n")
}

fn section(sheet: &Sheet) -> String {
    let drawn = match sheet.chart {
        Chart::None => String::new(),
        Chart::Bars(column) => chart::bars(sheet, column),
        Chart::Line(column) => chart::line(sheet, column),
    };
    let rows = sheet.rows.get(..sheet.rows.len().min(OPEN_ROWS)).unwrap_or_default();
    let more = sheet.rows.get(OPEN_ROWS..sheet.rows.len().min(MAX_ROWS)).unwrap_or_default();
    let mut body = table(sheet, rows, sheet.total.as_ref());
    if !more.is_empty() {
        let left = sheet.rows.len().saturating_sub(OPEN_ROWS);
        body.push_str(&format!(
            "<details><summary>{left} more rows</summary>\n{}</details>\n",
            table(sheet, more, None)
        ));
    }
    if sheet.rows.is_empty() {
        body = "<p class=\"nothing\">nothing</p>\n".into();
    }
    format!(
        "<section id=\"{}\">\n<h2>{}</h2>\n{drawn}{body}</section>\n",
        escaped(sheet.name),
        escaped(&sheet.title)
    )
}

fn table(sheet: &Sheet, rows: &[Vec<Cell>], total: Option<&Vec<Cell>>) -> String {
    let head: String = sheet
        .columns
        .iter()
        .map(|column| {
            format!("<th scope=\"col\"{}>{}</th>", class(column), escaped(&column.name.replace('_', " ")))
        })
        .collect();
    let row = |cells: &Vec<Cell>| {
        let cells: String = sheet
            .columns
            .iter()
            .zip(cells)
            .map(|(column, cell)| format!("<td{}>{}</td>", class(column), escaped(&shown(cell))))
            .collect();
        format!("<tr>{cells}</tr>\n")
    };
    let foot = total.map_or_else(String::new, |total| format!("<tfoot>{}</tfoot>\n", row(total)));
    let body: String = rows.iter().map(row).collect();
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table>\n<thead><tr>{head}</tr></thead>\n\
         <tbody>\n{body}</tbody>\n{foot}</table></div>\n",
        escaped(&sheet.title)
    )
}

const fn class(column: &Column) -> &'static str {
    if column.number { " class=\"n\"" } else { "" }
}

/// A cell as people read it.
fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Empty => "–".into(),
        Cell::Text(text) => text.clone(),
        Cell::Count(count) if *count < 0 => format!("−{}", grouped(count.unsigned_abs())),
        Cell::Count(count) => grouped(count.unsigned_abs()),
        Cell::Usd(amount) => usd_short(*amount).replace('-', "−"),
        Cell::Permille(share) => format!("{} %", fraction(*share, 10).replace('-', "−")),
        Cell::Milli(parts) => fraction(*parts, 1000).replace('-', "−"),
    }
}

/// Values come from clients; in a page they are text and nothing else.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
