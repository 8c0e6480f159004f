//! The overhead as a picture: a row for each workload, a bar for each filter, each row on a scale of its own.

use std::fmt::Write;

use crate::filter::{self, INFLATE, NATIVE, NATIVE_PARSING, NO_OP, PLAIN};
use crate::measured::Measured;

const WIDTH: f64 = 860.0;
/// Where bars begin.
const LEFT: f64 = 260.0;
/// How long the longest bar of a workload is.
const LONGEST: f64 = 500.0;
const BAR: f64 = 16.0;
const TITLE: f64 = 26.0;
const GAP: f64 = 10.0;

/// The picture as SVG. Bars are medians of what a filter adds; one that adds nothing measurable has none.
pub fn svg(measured: &Measured) -> String {
    let (mut body, mut y) = (String::new(), GAP);
    for row in &measured.table.rows {
        let bars: Vec<(&str, f64)> = filter::ALL
            .iter()
            .filter(|filter| filter.name != PLAIN)
            .filter_map(|filter| Some((filter.name, measured.over(filter.name, row.workload)?.median)))
            .collect();
        let longest = bars.iter().map(|(_, micros)| *micros).fold(1.0, f64::max);
        text(&mut body, GAP, y + BAR, "start", "bold", &format!("{}: {}", row.workload, row.about));
        y += TITLE;
        for (name, micros) in bars {
            let length = (micros / longest).max(0.0) * LONGEST;
            text(&mut body, LEFT - 6.0, y + 12.0, "end", "normal", name);
            // Writing into a string cannot fail.
            let _ = writeln!(
                body,
                r#"<rect x="{LEFT}" y="{:.0}" width="{length:.1}" height="{:.0}" fill="{}"/>"#,
                y + 1.0,
                BAR - 3.0,
                colour(name)
            );
            text(&mut body, LEFT + length + 5.0, y + 12.0, "start", "normal", &format!("{micros:+.0} us"));
            y += BAR;
        }
        y += GAP;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Microseconds of CPU that filters add to a call</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

fn colour(filter: &str) -> &'static str {
    match filter {
        NO_OP | INFLATE => "#9aa5b1",
        NATIVE | NATIVE_PARSING => "#c05621",
        name if name.starts_with("tollgate") => "#2b6cb0",
        _ => "#d69e2e",
    }
}

fn text(into: &mut String, x: f64, y: f64, anchor: &str, weight: &str, what: &str) {
    let what = what.replace('&', "&amp;").replace('<', "&lt;");
    // Writing into a string cannot fail.
    let _ = writeln!(
        into,
        r##"<text x="{x:.0}" y="{y:.0}" text-anchor="{anchor}" font-weight="{weight}" fill="#1a202c">{what}</text>"##
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Row, Table};
    use crate::filter::TOLLGATE;

    #[test]
    fn the_longest_bar_is_the_dearest_filter_and_nothing_is_drawn_to_the_left() {
        let row = Row::of("sse-burst", &[(PLAIN, 100.0), (TOLLGATE, 200.0), (NATIVE, 1100.0), (NO_OP, 90.0)]);
        let table = Table { rows: vec![row], rounds: 1 };
        let svg = svg(&Measured { table, ..Measured::default() });
        for expected in ["width=\"50.0\"", "width=\"500.0\"", "width=\"0.0\"", "+100 us", "-10 us"] {
            assert!(svg.contains(expected), "{expected}: {svg}");
        }
        assert_eq!(svg.matches("<rect").count(), 4, "{svg}");
    }
}
