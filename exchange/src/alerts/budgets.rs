//! What quotas raise: steps that are reached, and refusals.

use super::{Alert, AlertKind, Alerts, Severity};
use crate::exchange::Exchange;
use crate::plan::Standing;
use tollgate_policy::{Mode, Projection, Quota, QuotaRule, Window};

/// An alert of a quota without a fixed window holds for so long after it was raised last.
const EPISODE_S: i64 = 60;

impl Exchange {
    /// Raises an alert for each step of a quota that this call reaches.
    pub(crate) fn raise_steps(&self, rule: &QuotaRule, standing: &Standing) {
        if let Some(alerts) = self.rules.alerts.as_ref().filter(|_| !self.plan.dry_run) {
            self.raise_reached(alerts, rule, standing);
        }
    }

    #[inline(never)]
    fn raise_reached(&self, alerts: &Alerts, rule: &QuotaRule, standing: &Standing) {
        let Some((quota, ..)) = self.leases.iter().find(|(quota, ..)| quota.rule == standing.rule) else {
            return;
        };
        let (kind, now, taken) =
            (AlertKind::BudgetWarning, self.started.unix_seconds(), standing.with_this());
        let (window_start, ends_at) = window(rule, now);
        for percent in rule.steps.percentages(taken, standing.limit) {
            alerts.raise(&(kind, &quota.op.key, percent, window_start), now, || Alert {
                summary: summary(rule, taken, standing.limit, "are used"),
                severity: Severity::Warning,
                threshold: percent.to_string(),
                value: Some(rule.limit.charge.shown(taken)),
                ..self.about(rule, quota, kind, window_start, ends_at)
            });
        }
    }

    /// Raises an alert for a counter that will pass what is to be warned of if its window goes on as it began.
    #[inline(never)]
    pub(crate) fn raise_projected(&self, rule: &QuotaRule, standing: &Standing, projection: &Projection) {
        let Some(alerts) = self.rules.alerts.as_ref().filter(|_| !self.plan.dry_run) else { return };
        let lease = self.leases.iter().find(|(quota, ..)| quota.rule == standing.rule);
        let Some((quota, ..)) = lease else { return };
        let (kind, now) = (AlertKind::BudgetProjected, self.started.unix_seconds());
        let begun = Some(projection.begun);
        alerts.raise(&(kind, &quota.op.key, projection.passes, begun), now, || Alert {
            summary: format!(
                "at this rate {}",
                summary(rule, projection.amount, standing.limit, "will be used")
            ),
            severity: Severity::Warning,
            threshold: projection.passes.to_string(),
            value: Some(rule.limit.charge.shown(projection.amount)),
            ..self.about(rule, quota, kind, begun, projection.ends)
        });
    }

    /// Raises an alert for a quota that refuses this call, or would. `standing` is what is taken, and what the call asked for.
    #[inline(never)]
    pub(crate) fn raise_refusal(&self, rule: &QuotaRule, quota: &Quota, standing: Option<(i128, i128)>) {
        let Some(alerts) = self.rules.alerts.as_ref().filter(|_| !self.plan.dry_run) else { return };
        let (kind, now) = (AlertKind::BudgetExhausted, self.started.unix_seconds());
        let (window_start, ends_at) = window(rule, now);
        let (severity, refuses) = match rule.mode {
            Mode::Enforce => (Severity::Critical, "refuses"),
            Mode::Shadow => (Severity::Info, "would refuse"),
        };
        alerts.raise(&(kind, &quota.op.key, severity, window_start), now, || {
            let taken =
                standing.map_or(String::new(), |(taken, _)| summary(rule, taken, quota.limit, "are used"));
            Alert {
                summary: format!("quota {} {refuses} calls; {taken}", rule.name),
                severity,
                threshold: rule.steps.denies_at().to_string(),
                value: standing.map(|(taken, _)| rule.limit.charge.shown(taken)),
                ..self.about(rule, quota, kind, window_start, ends_at)
            }
        });
    }

    #[inline(never)]
    fn about(
        &self,
        rule: &QuotaRule,
        quota: &Quota,
        kind: AlertKind,
        window_start: Option<i64>,
        ends_at: i64,
    ) -> Alert {
        let base = format!("{}/v", rule.base(&self.rules.namespace));
        let values = quota.op.key.strip_prefix(&base).unwrap_or_default();
        Alert {
            kind,
            rule: rule.name.clone(),
            labels: rule.labels_of(self.rules.tags.names(), values),
            threshold: String::new(),
            window_start,
            ends_at,
            starts_at: self.started.unix_seconds(),
            value: None,
            limit: rule.limit.charge.shown(quota.limit),
            unit: rule.limit.charge.name().to_owned(),
            severity: Severity::Warning,
            summary: String::new(),
        }
    }
}

fn summary(rule: &QuotaRule, taken: i128, limit: i128, are_used: &str) -> String {
    let shown = |amount: i128| rule.limit.charge.shown(amount);
    let percent = taken.saturating_mul(100).checked_div(limit).unwrap_or(100);
    format!("{} of {} {} {are_used} ({percent} %)", shown(taken), shown(limit), rule.limit.charge.name())
}

/// The window that an alert is about, and until when it holds.
fn window(rule: &QuotaRule, now: i64) -> (Option<i64>, i64) {
    match rule.window {
        Window::Seconds(_) | Window::Calendar(..) => {
            let (start, end) = rule.window.span(now);
            (Some(start), end)
        }
        Window::Sliding(_) | Window::Now => (None, now.saturating_add(EPISODE_S)),
    }
}
