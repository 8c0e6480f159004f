//! `usage?by=feature&window=hour&top=20`: who used what, in this window and the one before.

use super::json::{list, quoted};
use super::{Asked, json_reply, mistake};
use crate::reply::LocalReply;
use crate::usage::{Group, Subject, Sums, Table, Window, dimensions, load};
use std::collections::BinaryHeap;
use tollgate_record::Timestamp;

const DEFAULT_TOP: usize = 20;
const MAX_TOP: usize = 1000;

/// What was asked.
pub(super) struct Question {
    pub by: Vec<String>,
    pub window: Window,
    pub top: usize,
}

pub(super) fn reply(asked: &Asked<'_>) -> LocalReply {
    match Question::read(asked) {
        Ok(question) => json_reply(200, question.answer(asked)),
        Err(problem) => mistake(&problem),
    }
}

impl Question {
    pub fn read(asked: &Asked<'_>) -> Result<Self, String> {
        let query = &asked.query;
        if let Some(name) = query.unknown(&["by", "window", "top", "token"]) {
            return Err(format!("unknown parameter `{name}`, expected one of `by`, `window`, `top`"));
        }
        let known: Vec<_> = dimensions(asked.rules).collect();
        let by = query.value("by").unwrap_or_else(|| "model".to_owned());
        let by: Vec<String> = by.split(',').map(str::to_owned).collect();
        if let Some(unknown) = by.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("unknown `by={unknown}`, expected one or two of `{}`", known.join("`, `")));
        }
        if by.len() > 2 || by.first() == by.get(1) {
            return Err("`by` takes one name, or two different ones separated by a comma".to_owned());
        }
        let window = match query.value("window").as_deref() {
            None | Some("hour") => Window::Hour,
            Some("day") => Window::Day,
            Some(other) => return Err(format!("unknown `window={other}`, expected one of `hour`, `day`")),
        };
        let top = query.value("top").map_or(Some(DEFAULT_TOP), |top| top.parse().ok());
        let top = top.filter(|top| (1..=MAX_TOP).contains(top));
        let top = top.ok_or_else(|| format!("`top` is not a number between 1 and {MAX_TOP}"))?;
        Ok(Self { by, window, top })
    }

    fn answer(&self, asked: &Asked<'_>) -> String {
        let index = self.window.index(asked.now);
        let part = |index: i64| {
            self.part(&load(asked.rules, Subject::Usage, self.window, index, asked.store), index)
        };
        format!(
            r#"{{"by":{},"dimensions":{},"waste":{},"candidate":{},"window":"{}","now":"{}","current":{},"previous":{}}}"#,
            list(&self.by.iter().map(|name| quoted(name)).collect::<Vec<_>>()),
            list(&dimensions(asked.rules).map(quoted).collect::<Vec<_>>()),
            asked.rules.waste.is_some(),
            asked.rules.candidate.is_some(),
            self.window.name(),
            asked.now,
            part(index),
            part(index.saturating_sub(1)),
        )
    }

    /// The members of a row's labels: what was asked for by, and the values at these places of these columns.
    #[inline(never)]
    pub fn labels(&self, table: &Table, columns: &[Option<usize>], places: &[u16]) -> String {
        let values = columns.iter().zip(places).map(|(column, place)| table.value(*column, *place));
        let labels = self.by.iter().zip(values).map(|(name, value)| quoted(name) + ":" + &quoted(value));
        labels.collect::<Vec<_>>().join(",")
    }

    /// One window: its total, the dearest rows, and what the others add up to.
    fn part(&self, table: &Table, index: i64) -> String {
        let columns: Vec<_> = self.by.iter().map(|name| table.column(name)).collect();
        let mut groups: BinaryHeap<Group> = table.grouped(&columns).into();
        let (total, mut rest, mut rows) = (sum(groups.iter()), Vec::new(), Vec::new());
        while let Some(group) = groups.pop() {
            if rows.len() >= self.top {
                rest.push(group);
                continue;
            }
            let labels = self.labels(table, &columns, &group.key);
            rows.push(format!(r#"{{"labels":{{{labels}}},{}}}"#, figures(&group.sums)));
        }
        format!(
            r#"{{"start":"{}","end":"{}","total":{{{}}},"rows":{},"rest":{{"rows":{},{}}}}}"#,
            instant(self.window, index),
            instant(self.window, index.saturating_add(1)),
            figures(&total),
            list(&rows),
            rest.len(),
            figures(&sum(rest.iter())),
        )
    }
}

fn sum<'a>(groups: impl Iterator<Item = &'a Group>) -> Sums {
    groups.fold(Sums::default(), |total, group| total.plus_known(group.sums))
}

fn figures(sums: &Sums) -> String {
    let Sums { calls, denied, unpriced, input, cache_read, output, cost } = sums;
    format!(
        r#""calls":{calls},"denied":{denied},"unpriced":{unpriced},"input_tokens":{input},"cache_read_tokens":{cache_read},"output_tokens":{output},"cost_usd":"{cost}""#
    )
}

/// When a window begins.
pub(super) fn instant(window: Window, index: i64) -> Timestamp {
    Timestamp::from_unix_nanos(index.saturating_mul(window.seconds()).saturating_mul(1_000_000_000))
}
