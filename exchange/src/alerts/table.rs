//! All alerts that hold, in the data that all workers share: what is to be told to whom, and when.
//!
//! A worker that tells something claims it first, so that no other does; a claim that nobody answers for, because its VM is gone, runs
//! out and is taken up by the next worker. So the table is a queue that outlives a VM: what is in it is told at least once.

use super::destination::Destination;
use super::{Alert, AlertKind, Severity, Status};
use crate::usage::bytes::{Reader, Writer};

/// So many alerts are kept in all.
pub(super) const MOST_ROWS: usize = 1000;
/// So many are kept of one rule and kind; its further keys share one.
pub(super) const MOST_OF_RULE: usize = 200;
/// An alert that could not be told is given up so long after its end.
const GIVE_UP_S: i64 = 3600;
/// After failures the next try comes after one second, then after twice as long each time, up to this.
const LONGEST_PAUSE_S: i64 = 60;
/// By how much longer than its time-out an answer is waited for.
const GRACE_S: i64 = 5;
const VERSION: u128 = 1;

/// The alerts, and when the first of them is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub rows: Vec<Row>,
}

/// One alert, and how far who has been told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The alert's fingerprint.
    pub id: u64,
    pub alert: Alert,
    deliveries: Vec<Delivery>,
}

/// How far one destination has been told of one alert.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Delivery {
    to: String,
    stage: Stage,
    due: i64,
    attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not been told.
    New,
    /// It has been told that it holds.
    Told,
    /// It has been told that it is over, or does not want to know.
    Done,
}

/// What became of an alert that was raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merged {
    /// It is there.
    Kept,
    /// It shares one with other keys of its rule.
    Folded,
    /// There is no room.
    Dropped,
}

/// What a destination is told of the alert with this fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub id: u64,
    pub status: Status,
}

/// What a destination answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has taken it.
    Taken,
    /// It has not, and wants to be left alone for so many seconds.
    Refused { pause_s: i64 },
}

impl Table {
    /// Takes in an alert. One that is there already goes on with its new value, and its new end if that is later.
    #[inline(never)]
    pub(super) fn merge(&mut self, mut alert: Alert) -> Merged {
        let mut id = alert.fingerprint();
        if self.refresh(id, &alert) {
            return Merged::Kept;
        }
        let of_rule = |row: &&Row| row.alert.rule == alert.rule && row.alert.kind == alert.kind;
        let mut merged = Merged::Kept;
        if self.rows.iter().filter(of_rule).count() >= MOST_OF_RULE {
            alert.fold();
            id = alert.fingerprint();
            if self.refresh(id, &alert) {
                return Merged::Folded;
            }
            merged = Merged::Folded;
        }
        if self.rows.len() >= MOST_ROWS {
            return Merged::Dropped;
        }
        self.rows.push(Row { id, alert, deliveries: Vec::new() });
        merged
    }

    #[inline(never)]
    fn refresh(&mut self, id: u64, alert: &Alert) -> bool {
        let Some(row) = self.rows.iter_mut().find(|row| row.id == id) else { return false };
        let ends_at = row.alert.ends_at.max(alert.ends_at);
        let anew = alert.starts_at >= row.alert.ends_at;
        let starts_at = if anew { alert.starts_at } else { row.alert.starts_at.min(alert.starts_at) };
        // It was over, and only waited for others to hear of that.
        for delivery in row.deliveries.iter_mut().filter(|delivery| anew && delivery.stage == Stage::Done) {
            (delivery.stage, delivery.due) = (Stage::New, 0);
        }
        row.alert = Alert { ends_at, starts_at, ..alert.clone() };
        true
    }

    /// Ends what a quota has raised for these labels; who was told that it held is told so now.
    #[inline(never)]
    pub(super) fn end_budget(&mut self, rule: &str, labels: &[(String, String)], now: i64) {
        use AlertKind::{BudgetExhausted, BudgetProjected, BudgetWarning};
        for row in &mut self.rows {
            let budget = matches!(row.alert.kind, BudgetWarning | BudgetExhausted | BudgetProjected);
            if budget && row.alert.rule == rule && row.alert.labels == labels {
                row.alert.ends_at = row.alert.ends_at.min(now);
                let told = row.deliveries.iter_mut().filter(|delivery| delivery.stage == Stage::Told);
                told.for_each(|delivery| delivery.due = now);
            }
        }
    }

    /// Claims what is due for a destination, `most` alerts of it.
    #[inline(never)]
    pub(super) fn claim(&mut self, to: &Destination, now: i64, most: usize) -> Vec<Notice> {
        let until = now.saturating_add(i64::from(to.timeout_ms.div_ceil(1000))).saturating_add(GRACE_S);
        let mut claimed = Vec::new();
        for row in &mut self.rows {
            if claimed.len() >= most || !to.wants(&row.alert) {
                continue;
            }
            let over = now >= row.alert.ends_at;
            let Some(delivery) = row.delivery(to).filter(|delivery| now >= delivery.due) else { continue };
            let status = match (delivery.stage, over) {
                (Stage::New, _) | (Stage::Told, false) => Status::Firing,
                (Stage::Told, true) if to.resolved => Status::Resolved,
                (Stage::Told | Stage::Done, _) => continue,
            };
            delivery.due = until;
            claimed.push(Notice { id: row.id, status });
        }
        claimed
    }

    /// The rows that notices are about.
    pub(super) fn told(&self, notices: &[Notice]) -> Vec<(Status, &Row)> {
        let row = |notice: &Notice| Some((notice.status, self.rows.iter().find(|row| row.id == notice.id)?));
        notices.iter().filter_map(row).collect()
    }

    /// Notes an answer, and whether it was the first of its kind to be taken.
    pub(super) fn answered(&mut self, to: &Destination, notice: Notice, answer: Answer, now: i64) -> bool {
        let Some(row) = self.rows.iter_mut().find(|row| row.id == notice.id) else { return false };
        let ends_at = row.alert.ends_at;
        let Some(delivery) = row.delivery(to) else { return false };
        let before = delivery.stage;
        match answer {
            Answer::Refused { pause_s } => {
                let doubled = 1_i64.checked_shl(delivery.attempts.min(16)).unwrap_or(LONGEST_PAUSE_S);
                delivery.attempts = delivery.attempts.saturating_add(1);
                delivery.due = now.saturating_add(doubled.min(LONGEST_PAUSE_S).max(pause_s));
            }
            Answer::Taken => {
                let goes_on = to.resolved || to.repeat_s.is_some();
                let firing = notice.status == Status::Firing;
                delivery.attempts = 0;
                delivery.stage = if firing && goes_on { Stage::Told } else { Stage::Done };
                delivery.due = to.repeat_s.map_or(ends_at, |every| now.saturating_add(every).min(ends_at));
            }
        }
        before != delivery.stage
    }

    /// Takes out what is over and told to all, and what has been over for long. Which destinations never took one.
    #[inline(never)]
    pub(super) fn sweep<'a>(&mut self, destinations: &'a [Destination], now: i64) -> Vec<&'a str> {
        let mut lost = Vec::new();
        self.rows.retain_mut(|row| {
            if now < row.alert.ends_at {
                return true;
            }
            let late = now >= row.alert.ends_at.saturating_add(GIVE_UP_S);
            let mut open = false;
            for to in destinations {
                if !to.wants(&row.alert) {
                    continue;
                }
                let stage = row.delivery(to).map_or(Stage::Done, |delivery| delivery.stage);
                open |= stage == Stage::New || (stage == Stage::Told && to.resolved);
                lost.extend((late && stage == Stage::New).then_some(to.name.as_str()));
            }
            open && !late
        });
        lost
    }

    /// When the first of all alerts is due for somebody.
    fn next_due(&self) -> i64 {
        let due = |row: &Row| {
            let told = row.deliveries.iter().filter(|delivery| delivery.stage != Stage::Done);
            // One that nobody was told of has no deliveries yet.
            let first = told.map(|delivery| delivery.due).min();
            if row.deliveries.is_empty() {
                0
            } else {
                first.unwrap_or(row.alert.ends_at).min(row.alert.ends_at)
            }
        };
        self.rows.iter().map(due).min().unwrap_or(i64::MAX)
    }

    /// Whether something in stored bytes may be due, without reading all of them.
    pub(super) fn may_be_due(bytes: &[u8], now: i64) -> bool {
        let mut from = Reader(bytes);
        let due = from.number().filter(|version| *version == VERSION).and_then(|_| from.fitting::<i64>());
        due.is_none_or(|due| due <= now)
    }

    /// The table as versioned bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.number(VERSION);
        put_instant(&mut out, self.next_due());
        out.length(self.rows.len());
        for row in &self.rows {
            out.number(row.id.into());
            put_alert(&mut out, &row.alert);
            out.length(row.deliveries.len());
            for delivery in &row.deliveries {
                out.text(&delivery.to);
                out.number(delivery.stage as u128);
                put_instant(&mut out, delivery.due);
                out.number(delivery.attempts.into());
            }
        }
        out.0
    }

    /// Reads what [`Table::to_bytes`] wrote; `None` if it was another version.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        if from.number()? != VERSION {
            return None;
        }
        let _due = from.number()?;
        let mut table = Self::default();
        for _ in 0..from.fitting::<usize>()? {
            table.rows.push(read_row(&mut from)?);
        }
        Some(table)
    }
}

impl Row {
    /// How far a destination has been told; it is there, whether or not it was before.
    #[inline(never)]
    fn delivery(&mut self, to: &Destination) -> Option<&mut Delivery> {
        if !self.deliveries.iter().any(|delivery| delivery.to == to.name) {
            let to = to.name.clone();
            self.deliveries.push(Delivery { to, stage: Stage::New, due: 0, attempts: 0 });
        }
        self.deliveries.iter_mut().find(|delivery| delivery.to == to.name)
    }
}

fn put_alert(out: &mut Writer, alert: &Alert) {
    out.number(alert.kind as u128);
    out.number(alert.severity as u128);
    // Zero stands for none: no window began in 1970.
    put_instant(out, alert.window_start.unwrap_or(0));
    put_instant(out, alert.starts_at);
    put_instant(out, alert.ends_at);
    // Likewise: a value that is known has at least one digit.
    let value = alert.value.as_deref().unwrap_or_default();
    let texts = [&alert.rule, &alert.threshold, value, &alert.limit, &alert.unit, &alert.summary];
    texts.into_iter().for_each(|text| out.text(text));
    out.length(alert.labels.len());
    alert.labels.iter().flat_map(|(name, value)| [name, value]).for_each(|text| out.text(text));
}

fn put_instant(out: &mut Writer, seconds: i64) {
    out.number(u128::try_from(seconds).unwrap_or_default());
}

fn read_row(from: &mut Reader<'_>) -> Option<Row> {
    let mut row = Row { id: from.fitting()?, alert: read_alert(from)?, deliveries: Vec::new() };
    for _ in 0..from.fitting::<usize>()? {
        let to = from.text()?;
        let stage = [Stage::New, Stage::Told, Stage::Done].get(from.fitting::<usize>()?).copied()?;
        row.deliveries.push(Delivery { to, stage, due: from.fitting()?, attempts: from.fitting()? });
    }
    Some(row)
}

#[inline(never)]
fn read_alert(from: &mut Reader<'_>) -> Option<Alert> {
    let kind = AlertKind::ALL.get(from.fitting::<usize>()?).copied()?;
    let (_, severity) = Severity::NAMES.get(from.fitting::<usize>()?).copied()?;
    let window_start = Some(from.fitting::<i64>()?).filter(|start| *start != 0);
    let (starts_at, ends_at) = (from.fitting()?, from.fitting()?);
    let (rule, threshold) = (from.text()?, from.text()?);
    let value = Some(from.text()?).filter(|value| !value.is_empty());
    let (limit, unit, summary) = (from.text()?, from.text()?, from.text()?);
    let mut labels = Vec::new();
    for _ in 0..from.fitting::<usize>()? {
        labels.push((from.text()?, from.text()?));
    }
    Some(Alert {
        kind,
        rule,
        labels,
        threshold,
        window_start,
        ends_at,
        starts_at,
        value,
        limit,
        unit,
        severity,
        summary,
    })
}

#[cfg(test)]
mod tests;
