//! `alerts`: who is told, and how.

use super::template::Template;
use super::{Alert, AlertKind, Severity};
use serde_json::Value;
use std::fmt;
use tollgate_policy::form::{Form, list, one_or_many, word};
use tollgate_policy::{ConfigError, Pattern, duration};

/// Who is told of alerts: a cluster of the proxy, and how it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// Its name in the configuration and in stats.
    pub name: String,
    /// The proxy's cluster.
    pub cluster: String,
    /// The host that is asked for.
    pub host: String,
    /// The path, which may have a secret in it.
    pub path: String,
    /// Further headers, which may have secrets in them.
    pub headers: Vec<(String, String)>,
    /// How long an answer is waited for.
    pub timeout_ms: u32,
    pub(super) format: Format,
    pub(super) labels: Vec<(String, String)>,
    pub(super) template: Template,
    /// How often an alert that holds is told again, in seconds; `None`: never.
    pub(super) repeat_s: Option<i64>,
    /// Whether the end of an alert is told.
    pub(super) resolved: bool,
    kinds: Vec<AlertKind>,
    rules: Vec<Pattern>,
    least: Severity,
}

/// Nothing of it is shown that may be a secret.
impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How a destination is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Alertmanager's API, version 2.
    Alertmanager,
    /// A message as Slack's incoming webhooks take it, and others that imitate them.
    Slack,
    /// One `CloudEvents` 1.0 event, in structured JSON.
    CloudEvents,
}

const FIELDS: &[&str] = &[
    "name",
    "cluster",
    "host",
    "path",
    "format",
    "headers",
    "on",
    "rules",
    "min_severity",
    "labels",
    "template",
    "send_resolved",
    "repeat",
    "timeout",
];
const FORMATS: [(&str, Format); 3] =
    [("alertmanager", Format::Alertmanager), ("slack", Format::Slack), ("cloudevents", Format::CloudEvents)];
const ALERTMANAGER_PATH: &str = "/api/v2/alerts";
const DEFAULT_REPEAT_S: i64 = 60;
const DEFAULT_TIMEOUT_S: i64 = 5;
const LONGEST_TIMEOUT_S: i64 = 60;
/// Headers that are made here, or that would break the request.
const OWN_HEADERS: [&str; 6] =
    ["content-type", "content-length", "host", "transfer-encoding", "connection", "te"];

/// Reads the `alerts` of a configuration.
#[inline(never)]
pub(super) fn destinations(value: &Value) -> Result<Vec<Destination>, ConfigError> {
    let all = list(value, Destination::read).map_err(|error| error.within("alerts"))?;
    for (index, one) in all.iter().enumerate() {
        if all.iter().take(index).any(|other| other.name == one.name) {
            let problem = format!("`{}` stands twice", one.name);
            return Err(ConfigError::new(format!("alerts[{index}].name"), problem));
        }
    }
    Ok(all)
}

impl Destination {
    /// Whether it wants to hear of an alert.
    pub(super) fn wants(&self, alert: &Alert) -> bool {
        let rule = || self.rules.is_empty() || self.rules.iter().any(|rule| rule.matches(&alert.rule));
        alert.severity >= self.least && self.kinds.contains(&alert.kind) && rule()
    }

    #[inline(never)]
    fn read(value: &Value) -> Result<Self, ConfigError> {
        let form = Form::read(value, FIELDS)?;
        let needed = |name: &'static str| {
            let given = form.text(name)?.filter(|text| !text.is_empty());
            given.ok_or_else(|| ConfigError::new(name, "is needed, and must not be empty"))
        };
        let cluster = needed("cluster")?;
        let format = form.word("format", &FORMATS)?.ok_or_else(|| {
            ConfigError::new("format", "is needed: `alertmanager`, `slack` or `cloudevents`")
        })?;
        let kinds = strings(&form, "on")?.iter().map(|name| kind(name)).collect::<Result<Vec<_>, _>>()?;
        let rules = strings(&form, "rules")?;
        Ok(Self {
            name: needed("name")?.to_owned(),
            cluster: cluster.to_owned(),
            host: form.text("host")?.unwrap_or(cluster).to_owned(),
            path: path(&form, format)?.to_owned(),
            headers: headers(&form)?,
            timeout_ms: timeout_ms(&form)?,
            format,
            labels: texts(&form, "labels")?,
            template: Template::parse(form.text("template")?.unwrap_or(Template::DEFAULT))?,
            repeat_s: repeat_s(&form, format)?,
            resolved: form.flag("send_resolved")?.unwrap_or(format == Format::Alertmanager),
            kinds: if kinds.is_empty() { AlertKind::ALL.to_vec() } else { kinds },
            rules: rules.iter().map(|rule| Pattern::new(rule)).collect(),
            least: form.word("min_severity", &Severity::NAMES)?.unwrap_or(Severity::Info),
        })
    }
}

fn kind(name: &str) -> Result<AlertKind, ConfigError> {
    word(name, &AlertKind::ALL.map(|kind| (kind.name(), kind))).map_err(|error| error.within("on"))
}

/// One string, or a list of them.
#[inline(never)]
fn strings(form: &Form<'_>, name: &str) -> Result<Vec<String>, ConfigError> {
    form.value(name).map_or(Ok(Vec::new()), |value| one_or_many(value).map_err(|error| error.within(name)))
}

/// The path is not shown in errors: webhooks carry their secret in it.
fn path<'a>(form: &Form<'a>, format: Format) -> Result<&'a str, ConfigError> {
    let path = match (form.text("path")?, format) {
        (Some(path), _) => path,
        (None, Format::Alertmanager) => ALERTMANAGER_PATH,
        (None, _) => return Err(ConfigError::new("path", "is needed, as in `/services/...`")),
    };
    if !path.starts_with('/') || path.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(ConfigError::new("path", "must begin with `/` and contain no spaces"));
    }
    Ok(path)
}

fn repeat_s(form: &Form<'_>, format: Format) -> Result<Option<i64>, ConfigError> {
    match (seconds(form, "repeat")?, format) {
        (given, Format::Alertmanager) => Ok(Some(given.unwrap_or(DEFAULT_REPEAT_S))),
        (Some(_), _) => Err(ConfigError::new("repeat", "needs `format: alertmanager`")),
        (None, _) => Ok(None),
    }
}

fn timeout_ms(form: &Form<'_>) -> Result<u32, ConfigError> {
    let seconds = seconds(form, "timeout")?.unwrap_or(DEFAULT_TIMEOUT_S);
    let legal = u32::try_from(seconds.saturating_mul(1000)).ok().filter(|_| seconds <= LONGEST_TIMEOUT_S);
    legal.ok_or_else(|| ConfigError::new("timeout", format!("is longer than {LONGEST_TIMEOUT_S}s")))
}

fn seconds(form: &Form<'_>, field: &str) -> Result<Option<i64>, ConfigError> {
    let read = |text: &str| {
        duration(text).map_err(|_| {
            let problem = format!("`{text}` is no duration from 1s to 366d such as 90s, 15m, 6h, 2d");
            ConfigError::new(field, problem)
        })
    };
    form.text(field)?.map(read).transpose()
}

/// An object of strings, of which none is shown in errors.
#[inline(never)]
fn texts(form: &Form<'_>, name: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let Some(value) = form.value(name) else { return Ok(Vec::new()) };
    let Value::Object(members) = value else { return Err(ConfigError::new(name, "expected an object")) };
    let mut texts = Vec::new();
    for (member, value) in members {
        let Some(value) = value.as_str() else {
            return Err(ConfigError::new(format!("{name}.{member}"), "expected a string"));
        };
        texts.push((member.clone(), value.to_owned()));
    }
    Ok(texts)
}

/// Values are not shown in errors: they are secrets.
#[inline(never)]
fn headers(form: &Form<'_>) -> Result<Vec<(String, String)>, ConfigError> {
    let headers = texts(form, "headers")?;
    for (name, value) in &headers {
        let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        let problem = if name.is_empty() || !name.bytes().all(token) {
            "is no header's name: lower-case letters, digits, `-`, `_` and `.`"
        } else if OWN_HEADERS.contains(&name.as_str()) {
            "is set by Tollgate or the proxy"
        } else if value.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            "its value contains a control character"
        } else {
            continue;
        };
        return Err(ConfigError::new(format!("headers.{name}"), problem));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(fields: &Value) -> String {
        let mut alerts = json!([{"name": "a", "cluster": "c", "format": "slack", "path": "/T0/secret"}]);
        alerts[0].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        destinations(&alerts).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_path_and_without_secrets() {
        for (fields, message) in [
            (json!({"name": ""}), "alerts[0].name: is needed"),
            (json!({"cluster": null}), "alerts[0].cluster: is needed"),
            (
                json!({"format": "teams"}),
                "alerts[0].format: unknown value `teams`, expected one of `alertmanager`",
            ),
            (
                json!({"format": null}),
                "alerts[0].format: is needed: `alertmanager`, `slack` or `cloudevents`",
            ),
            (json!({"path": null}), "alerts[0].path: is needed, as in `/services/...`"),
            (json!({"path": "T0/secret"}), "alerts[0].path: must begin with `/` and contain no spaces"),
            (json!({"path": "/a secret"}), "alerts[0].path: must begin with `/` and contain no spaces"),
            (
                json!({"on": ["budget"]}),
                "alerts[0].on: unknown value `budget`, expected one of `budget_warning`",
            ),
            (
                json!({"min_severity": "page"}),
                "alerts[0].min_severity: unknown value `page`, expected one of `info`",
            ),
            (json!({"repeat": "1m"}), "alerts[0].repeat: needs `format: alertmanager`"),
            (json!({"timeout": "61s"}), "alerts[0].timeout: is longer than 60s"),
            (json!({"timeout": "soon"}), "alerts[0].timeout: `soon` is no duration from 1s to 366d"),
            (
                json!({"template": "{team}"}),
                "alerts[0].template: unknown field `{team}`, expected one of `{kind}`",
            ),
            (json!({"headers": "secret"}), "alerts[0].headers: expected an object"),
            (json!({"headers": {"x-key": 7}}), "alerts[0].headers.x-key: expected a string"),
            (json!({"headers": {"X-Key": "secret"}}), "alerts[0].headers.X-Key: is no header's name"),
            (
                json!({"headers": {"host": "secret"}}),
                "alerts[0].headers.host: is set by Tollgate or the proxy",
            ),
            (
                json!({"headers": {"x-key": "secret\n"}}),
                "alerts[0].headers.x-key: its value contains a control",
            ),
            (json!({"url": "https://secret"}), "alerts[0].url: unknown field `url`, expected one of `name`"),
        ] {
            let error = refused(&fields);
            assert!(error.starts_with(message) && !error.contains("secret"), "{fields}: {error}");
        }
        let twice = json!([{"name": "a", "cluster": "c", "format": "alertmanager"}, {"name": "a", "cluster": "c", "format": "alertmanager"}]);
        assert_eq!(destinations(&twice).unwrap_err().to_string(), "alerts[1].name: `a` stands twice");
    }

    #[test]
    fn an_alertmanager_needs_its_cluster_alone_and_no_secret_is_shown() {
        let alerts = json!([{"name": "am", "cluster": "c", "format": "alertmanager", "headers": {"authorization": "secret"}}]);
        let one = destinations(&alerts).unwrap().remove(0);
        assert_eq!((one.host.as_str(), one.path.as_str(), one.timeout_ms), ("c", "/api/v2/alerts", 5000));
        assert_eq!((one.repeat_s, one.resolved), (Some(60), true));
        assert_eq!(format!("{one:?}"), r#"Destination { name: "am", .. }"#);
    }
}
