//! What destinations are sent.

use super::destination::{Destination, Format};
use super::table::Row;
use super::{Alert, AlertKind, Status, instant};
use crate::admin::quoted;

/// An Alertmanager that hears nothing of an alert for so many repeats takes it for over.
const REPEATS: i64 = 4;

impl Format {
    /// The body's type.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Alertmanager | Self::Slack => "application/json",
            Self::CloudEvents => "application/cloudevents+json",
        }
    }

    /// How many alerts go into one message.
    pub(super) const fn most(self) -> usize {
        match self {
            Self::Alertmanager => 64,
            Self::Slack => 20,
            Self::CloudEvents => 1,
        }
    }
}

/// The body that tells a destination of these alerts.
#[inline(never)]
pub(super) fn body(to: &Destination, namespace: &str, told: &[(Status, &Row)], now: i64) -> String {
    let mut out = Json::default();
    match to.format {
        Format::Alertmanager => {
            out.0.push('[');
            for (status, row) in told {
                alertmanager(&mut out, to, namespace, *status, &row.alert, now);
            }
            out.0.push(']');
        }
        Format::Slack => {
            let lines: Vec<String> =
                told.iter().map(|(status, row)| to.template.text(&row.alert, *status, slack)).collect();
            out.open();
            out.text("text", &lines.join("\n"));
            out.close();
        }
        Format::CloudEvents => {
            told.iter().for_each(|(status, row)| event(&mut out, to, namespace, *status, row))
        }
    }
    out.0
}

/// Alertmanager's `postableAlert` (its API's version 2). Labels alone tell alerts apart there.
#[inline(never)]
fn alertmanager(out: &mut Json, to: &Destination, namespace: &str, status: Status, alert: &Alert, now: i64) {
    let (name, window_start) = (alert_name(alert.kind), alert.window_start.map(instant).unwrap_or_default());
    let own = [
        ("alertname", name.as_str()),
        ("tollgate_namespace", namespace),
        ("rule", &alert.rule),
        ("severity", alert.severity.name()),
        ("threshold", &alert.threshold),
        ("window_start", &window_start),
    ];
    let labels: Vec<(String, &str)> =
        to.labels.iter().map(|(name, value)| (label_name(name), value.as_str())).collect();
    let replaced = |name: &str| labels.iter().any(|(other, _)| other == name);
    out.open();
    out.inner("labels");
    for (name, value) in own.iter().filter(|(name, _)| !replaced(name)) {
        out.text(name, value);
    }
    for (name, value) in &alert.labels {
        let mut name = label_name(name);
        if own.iter().any(|(known, _)| *known == name) {
            name.insert_str(0, "tag_");
        }
        if !replaced(&name) {
            out.text(&name, value);
        }
    }
    for (name, value) in &labels {
        out.text(name, value);
    }
    out.close();
    out.inner("annotations");
    out.text("summary", &to.template.text(alert, status, |text| text));
    out.figures(alert);
    out.close();
    let silence = to.repeat_s.unwrap_or_default().saturating_mul(REPEATS);
    out.text("startsAt", &instant(alert.starts_at));
    out.text("endsAt", &instant(alert.ends_at.min(now.saturating_add(silence))));
    out.close();
}

/// An event as CloudEvents 1.0 has it in its JSON format. Source and id tell events apart: the same alert has the same ones,
/// whoever tells it.
#[inline(never)]
fn event(out: &mut Json, to: &Destination, namespace: &str, status: Status, row: &Row) {
    let alert = &row.alert;
    let (starts_at, ends_at) = (instant(alert.starts_at), instant(alert.ends_at));
    let fingerprint = format!("{:016x}", row.id);
    let mut id = fingerprint.clone();
    if alert.window_start.is_none() {
        // Without a window the same may happen again.
        id.extend(["-", &alert.starts_at.to_string()]);
    }
    id.extend(["-", status.name()]);
    out.open();
    out.text("specversion", "1.0");
    out.text("type", &("tollgate.alert.".to_owned() + alert.kind.name()));
    out.text("source", &source(namespace));
    out.text("id", &id);
    out.text("time", if status == Status::Firing { &starts_at } else { &ends_at });
    out.text("subject", &alert.rule);
    out.text("datacontenttype", "application/json");
    out.inner("data");
    out.text("kind", alert.kind.name());
    out.text("status", status.name());
    out.text("severity", alert.severity.name());
    out.text("namespace", namespace);
    out.text("rule", &alert.rule);
    out.text("threshold", &alert.threshold);
    out.text("window_start", &alert.window_start.map(instant).unwrap_or_default());
    out.text("starts_at", &starts_at);
    out.text("ends_at", &ends_at);
    out.text("fingerprint", &fingerprint);
    out.text("text", &to.template.text(alert, status, |text| text));
    out.figures(alert);
    out.inner("labels");
    for (name, value) in alert.labels.iter().chain(&to.labels) {
        out.text(name, value);
    }
    out.close();
    out.close();
    out.close();
}

/// A relative reference (RFC 3986): all but unreserved characters are escaped.
#[inline(never)]
fn source(namespace: &str) -> String {
    let mut text = "/tollgate/".to_owned();
    for byte in namespace.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// `TollgateBudgetWarning`.
#[inline(never)]
fn alert_name(kind: AlertKind) -> String {
    let mut name = "Tollgate".to_owned();
    let mut begins = true;
    for c in kind.name().chars() {
        if c != '_' {
            name.push(if begins { c.to_ascii_uppercase() } else { c });
        }
        begins = c == '_';
    }
    name
}

/// A name as Alertmanager takes it: letters, digits and `_`, no digit in front.
#[inline(never)]
fn label_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let digit = name.starts_with(|c: char| c.is_ascii_digit());
    digit.then_some('_').into_iter().chain(name.chars().map(plain)).collect()
}

/// What Slack asks to be escaped: else a tag's value could call everybody in a channel.
fn slack(text: String) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

/// JSON objects of texts, one after the other or one in the other.
#[derive(Default)]
struct Json(String);

impl Json {
    /// Begins an object of a list, or the only one.
    #[inline(never)]
    fn open(&mut self) {
        self.separate();
        self.0.push('{');
    }

    /// Begins an object that is a member.
    #[inline(never)]
    fn inner(&mut self, name: &str) {
        self.separate();
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":{");
    }

    /// A member; an empty one is left out.
    #[inline(never)]
    fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.separate();
            self.0.push_str(&quoted(name));
            self.0.push(':');
            self.0.push_str(&quoted(value));
        }
    }

    #[inline(never)]
    fn figures(&mut self, alert: &Alert) {
        self.text("value", alert.value.as_deref().unwrap_or_default());
        self.text("limit", &alert.limit);
        self.text("unit", &alert.unit);
    }

    fn close(&mut self) {
        self.0.push('}');
    }

    fn separate(&mut self) {
        if self.0.ends_with(['}', '"']) {
            self.0.push(',');
        }
    }
}

#[cfg(test)]
mod tests;
