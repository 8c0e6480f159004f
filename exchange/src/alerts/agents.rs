//! What rules about agents and retries raise.

use super::{Alert, AlertKind, Severity};
use crate::exchange::Exchange;
use tollgate_policy::{Mode, Then};

/// What a rule has found.
pub(crate) struct Finding<'a> {
    pub kind: AlertKind,
    /// The rule's name.
    pub rule: &'a str,
    /// Where its workflow or conversation is kept: what tells it from others.
    pub slot: u64,
    /// Whom it is about.
    pub labels: Vec<(String, String)>,
    pub then: &'a Then,
    pub mode: Mode,
    /// For so many seconds the workflow is remembered.
    pub within_s: u32,
    /// What was found, in a sentence.
    pub summary: &'a str,
}

impl Exchange {
    /// Raises an alert for an agent or a client that a rule is against.
    #[cold]
    #[inline(never)]
    pub(crate) fn raise_finding(&self, finding: Finding<'_>) {
        let Some(alerts) = &self.rules.alerts else { return };
        let now = self.started.unix_seconds();
        let severity = match (finding.mode, finding.then) {
            (Mode::Shadow, _) => Severity::Info,
            (Mode::Enforce, Then::Deny) => Severity::Critical,
            (Mode::Enforce, _) => Severity::Warning,
        };
        let identity = (finding.kind, finding.rule, finding.slot, severity);
        alerts.raise(&identity, now, || Alert {
            kind: finding.kind,
            rule: finding.rule.to_owned(),
            labels: finding.labels,
            threshold: String::new(),
            window_start: None,
            ends_at: now.saturating_add(i64::from(finding.within_s)),
            starts_at: now,
            value: None,
            limit: String::new(),
            unit: String::new(),
            severity,
            summary: finding.summary.to_owned(),
        });
    }
}
