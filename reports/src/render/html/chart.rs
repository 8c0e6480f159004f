//! Charts in a page: bars of HTML, lines of SVG. Lengths are integers, thousandths of the whole.

use super::{escaped, shown};
use crate::amount::mul_div;
use crate::sheet::{Cell, Sheet};

/// How many bars are drawn.
const BARS: usize = 12;
/// The picture of a line, in units of its own.
const WIDTH: i128 = 1000;
const HEIGHT: i128 = 200;

/// What a bar or a point is as high as.
const fn height(cell: &Cell) -> Option<i128> {
    match cell {
        Cell::Count(count) => Some(*count),
        Cell::Usd(amount) => Some(amount.pico()),
        Cell::Permille(parts) | Cell::Milli(parts) => Some(*parts),
        Cell::Empty | Cell::Text(_) => None,
    }
}

/// A bar for each of the first rows; what is below zero is drawn in another colour.
pub fn bars(sheet: &Sheet, column: usize) -> String {
    let rows: Vec<_> = sheet.rows.iter().filter_map(|row| Some((row, row.get(column)?))).take(BARS).collect();
    let highest =
        rows.iter().filter_map(|(_, cell)| height(cell)).map(i128::unsigned_abs).max().unwrap_or_default();
    if highest == 0 {
        return String::new();
    }
    let bar = |(row, cell): &(&Vec<Cell>, &Cell)| {
        let size = height(cell).unwrap_or_default();
        let length = mul_div(size.checked_abs()?, 1000, highest)?;
        let sign = if size < 0 { " minus" } else { "" };
        Some(format!(
            "<li><span class=\"label\">{}</span><span class=\"bar{sign}\"><i style=\"width:{}.{}%\"></i></span>\
             <span class=\"value\">{}</span></li>\n",
            escaped(&label(sheet, row)),
            length.div_euclid(10),
            length.rem_euclid(10),
            escaped(&shown(cell))
        ))
    };
    let name = sheet.columns.get(column).map_or("", |column| column.name.as_str()).replace('_', " ");
    let all: String = rows.iter().filter_map(bar).collect();
    format!("<figure><figcaption>{}</figcaption>\n<ol class=\"bars\">\n{all}</ol></figure>\n", escaped(&name))
}

/// All texts of a row.
fn label(sheet: &Sheet, row: &[Cell]) -> String {
    let texts =
        sheet.columns.iter().zip(row).filter(|(column, _)| !column.number).map(|(_, cell)| shown(cell));
    texts.collect::<Vec<_>>().join(" · ")
}

/// A line through the rows in their order, from zero up.
pub fn line(sheet: &Sheet, column: usize) -> String {
    let rows: Vec<_> = sheet
        .rows
        .iter()
        .filter_map(|row| Some((label(sheet, row), height(row.get(column)?)?, shown(row.get(column)?))))
        .collect();
    let highest = rows.iter().map(|(_, size, _)| *size).max().unwrap_or_default();
    let last = rows.len().saturating_sub(1);
    if highest <= 0 || last == 0 {
        return String::new();
    }
    let point = |(place, (label, size, value)): (usize, &(String, i128, String))| {
        let x = mul_div(WIDTH, u128::try_from(place).ok()?, u128::try_from(last).ok()?)?;
        let up = mul_div(HEIGHT, size.unsigned_abs(), highest.unsigned_abs())?;
        let y = HEIGHT.checked_sub(if *size < 0 { 0 } else { up })?;
        Some((x, y, format!("{label}: {value}")))
    };
    let points: Vec<_> = rows.iter().enumerate().filter_map(point).collect();
    let path: Vec<String> = points.iter().map(|(x, y, _)| format!("{x},{y}")).collect();
    let dots: String = points
        .iter()
        .map(|(x, y, title)| {
            format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"4\"><title>{}</title></circle>\n", escaped(title))
        })
        .collect();
    let name = sheet.columns.get(column).map_or("", |column| column.name.as_str()).replace('_', " ");
    let (first, end) = (rows.first().map_or("", |row| &row.0), rows.last().map_or("", |row| &row.0));
    let top = rows.iter().find(|(_, size, _)| *size == highest).map_or("", |row| &row.2);
    format!(
        "<figure class=\"line\"><figcaption>{name}</figcaption>\n<div class=\"axis\"><span>{top}</span><span>0</span></div>\n\
         <svg viewBox=\"-6 -6 1012 212\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{name} from {first} to {end}, at most {top}\">\n\
         <polygon points=\"0,{HEIGHT} {path} {WIDTH},{HEIGHT}\"/>\n<polyline points=\"{path}\"/>\n{dots}</svg>\n\
         <div class=\"ends\"><span>{first}</span><span>{end}</span></div></figure>\n",
        name = escaped(&name),
        top = escaped(top),
        first = escaped(first),
        end = escaped(end),
        path = path.join(" "),
    )
}
