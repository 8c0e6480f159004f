//! Stats as name, labels and value, whichever engine they come from.

use std::collections::BTreeMap;
use std::fmt;

/// One series of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Without prefix and labels, for example `tollgate_tokens`.
    pub name: String,
    /// For example `team` -> `search`.
    pub labels: BTreeMap<String, String>,
    /// Counts and gauges are whole numbers; Envoy prints sums of histograms with a fraction.
    pub value: f64,
}

impl Series {
    /// Reads a stat's name as the plugin gives it: `name;key=value;key=value`.
    pub fn from_wire_name(name: &str, value: f64) -> Self {
        let mut parts = name.split(';');
        let name = parts.next().unwrap_or_default().to_owned();
        let labels = parts.map(|part| part.split_once('=').unwrap_or((part, "")));
        Self { name, labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(), value }
    }

    /// Whether this series is of that metric and has at least those labels.
    pub fn matches(&self, pattern: &Self) -> bool {
        self.name == pattern.name
            && pattern.labels.iter().all(|(key, value)| self.labels.get(key) == Some(value))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.labels.iter().try_for_each(|(key, value)| write!(f, ";{key}={value}"))?;
        write!(f, ": {}", self.value)
    }
}

/// The sum over all series that match.
pub fn sum(all: &[Series], pattern: &Series) -> f64 {
    all.iter().filter(|series| series.matches(pattern)).map(|series| series.value).sum()
}

/// Reads Prometheus' text format.
pub fn parse_prometheus(text: &str) -> Vec<Series> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Series> {
    let name_ends = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(name_ends);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => parse_labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    Some(Series { name: name.to_owned(), labels, value: value.trim().parse().ok()? })
}

/// The labels up to the closing brace, and what stands behind it.
fn parse_labels(mut rest: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (key, quoted) = rest.split_once("=\"")?;
        let (value, behind) = unquote(quoted)?;
        labels.insert(key.to_owned(), value);
        rest = behind;
    }
}

/// A value up to its closing quote, with `\\`, `\"` and `\n` undone.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let found: Vec<String> = parse_prometheus(line).iter().map(Series::to_string).collect();
        assert_eq!(found, [expected], "{line}");
    }

    #[test]
    fn lines_of_prometheus_are_read() {
        check("up 1", "up: 1");
        check("up{} 1", "up: 1");
        check("a{team=\"x\",model=\"gpt-4.1\"} 12", "a;model=gpt-4.1;team=x: 12");
        check(r#"a{t="q\"{}, \\ e"} 0.5"#, r#"a;t=q"{}, \ e: 0.5"#);
        assert_eq!(parse_prometheus("# TYPE a counter\n\njunk"), []);
    }

    #[test]
    fn a_pattern_sums_over_the_labels_that_it_does_not_name() {
        let all = ["r;team=a;d=allow", "r;team=a;d=deny", "r;team=b;d=allow"]
            .map(|name| Series::from_wire_name(name, 2.0));
        assert_eq!(sum(&all, &Series::from_wire_name("r;team=a", 0.0)), 4.0);
        assert_eq!(sum(&all, &Series::from_wire_name("r", 0.0)), 6.0);
        assert_eq!(sum(&all, &Series::from_wire_name("r;team=c", 0.0)), 0.0);
    }
}
