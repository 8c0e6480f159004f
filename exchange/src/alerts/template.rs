//! The text of an alert, as the operator wants it.

use super::{Alert, Status, instant};
use tollgate_policy::ConfigError;

/// A text with places for what is known of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(String);

/// What places may name, besides `label.NAME`.
const FIELDS: [&str; 13] = [
    "kind",
    "severity",
    "status",
    "rule",
    "labels",
    "threshold",
    "value",
    "limit",
    "unit",
    "window_start",
    "starts_at",
    "ends_at",
    "summary",
];

/// Longer ones would be cut by those who show them.
const MOST_BYTES: usize = 4_000;

impl Template {
    /// What a destination says that has no template of its own.
    pub(super) const DEFAULT: &str = "{severity} {status}: {rule} ({labels}): {summary}";

    /// Reads `{field}` and `{label.NAME}`; `{{` and `}}` stand for braces.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.len() > MOST_BYTES {
            let problem = format!("`{}` bytes are more than {MOST_BYTES}", text.len());
            return Err(ConfigError::new("template", problem));
        }
        let known = |name: &str| {
            let known = name.starts_with("label.") || FIELDS.contains(&name);
            known.then(String::new).ok_or_else(|| {
                let fields = FIELDS.join("}`, `{");
                format!("unknown field `{{{name}}}`, expected one of `{{{fields}}}`, `{{label.NAME}}`")
            })
        };
        match fill(text, &known) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(problem) => Err(ConfigError::new("template", problem)),
        }
    }

    /// The text of one alert. Values are given to `tame` first: they come from clients.
    pub(super) fn text(&self, alert: &Alert, status: Status, tame: fn(String) -> String) -> String {
        fill(&self.0, &|name| Ok(tame(value(alert, status, name)))).unwrap_or_default()
    }
}

/// A template with its places filled by `value`. The error is a sentence without a path.
#[inline(never)]
fn fill(template: &str, value: &dyn Fn(&str) -> Result<String, String>) -> Result<String, String> {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, from)) = rest.find(['{', '}']).and_then(|at| rest.split_at_checked(at)) {
        text.push_str(before);
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            text.push(if from.starts_with('{') { '{' } else { '}' });
            rest = after;
            continue;
        }
        let Some((name, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) else {
            return Err("a `{` or `}` stands alone; `{{` and `}}` stand for braces".to_owned());
        };
        text.push_str(&value(name)?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[inline(never)]
fn value(alert: &Alert, status: Status, field: &str) -> String {
    let text = match field {
        "kind" => alert.kind.name(),
        "severity" => alert.severity.name(),
        "status" => status.name(),
        "rule" => &alert.rule,
        "labels" => return alert.labels_text(),
        "threshold" => &alert.threshold,
        "value" => alert.value.as_deref().unwrap_or_default(),
        "limit" => &alert.limit,
        "unit" => &alert.unit,
        "window_start" => return alert.window_start.map(instant).unwrap_or_default(),
        "starts_at" => return instant(alert.starts_at),
        "ends_at" => return instant(alert.ends_at),
        "summary" => &alert.summary,
        other => {
            let name = other.strip_prefix("label.");
            let found = alert.labels.iter().find(|(known, _)| Some(known.as_str()) == name);
            found.map_or("", |(_, value)| value)
        }
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::tests::alert;

    #[test]
    fn places_are_filled_and_values_are_tamed() {
        let said = |template: &str| {
            let template = Template::parse(template).unwrap();
            template.text(&alert("calls", "a<b"), Status::Firing, |text| text.replace('<', "&lt;"))
        };
        for (template, text) in [
            (Template::DEFAULT, "warning firing: calls (team=a&lt;b): quota calls is used to 81 percent"),
            ("{{{label.team}}} <{threshold} %> {label.none}.", "{a&lt;b} <80 %> ."),
            ("{kind} {value}/{limit} {unit}", "budget_warning 8.1/10 usd"),
            (
                "{window_start} {starts_at} {ends_at}",
                "1970-01-01T00:00:00.000Z 1970-01-01T00:01:40.000Z 1970-01-01T01:00:00.000Z",
            ),
            ("", ""),
        ] {
            assert_eq!(said(template), text, "{template}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for (template, problem) in [
            ("{usd}", "template: unknown field `{usd}`, expected one of `{kind}`, `{severity}`"),
            ("{rule", "template: a `{` or `}` stands alone"),
            ("rule}", "template: a `{` or `}` stands alone"),
        ] {
            let error = Template::parse(template).unwrap_err().to_string();
            assert!(error.starts_with(problem), "{error}");
        }
    }
}
