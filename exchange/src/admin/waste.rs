//! `waste?by=team&window=day&top=20`: what was wasted, by reason and key, in this window and the one before, and what that is a day.

use super::json::{list, quoted};
use super::usage::{Question, instant};
use super::{Asked, json_reply, mistake};
use crate::reply::LocalReply;
use crate::usage::{Group, REASON, Subject, Sums, Table, load};
use std::collections::BinaryHeap;
use tollgate_pricing::PicoUsd;

const DAY_S: i64 = 86_400;
/// A window that has just begun says nothing of a day: it is taken to last so long at least.
const LEAST_S: i64 = 60;

pub(super) fn reply(asked: &Asked<'_>) -> LocalReply {
    match Question::read(asked) {
        Ok(question) => json_reply(200, answer(&question, asked)),
        Err(problem) => mistake(&problem),
    }
}

fn answer(question: &Question, asked: &Asked<'_>) -> String {
    let index = question.window.index(asked.now);
    let begun = index.saturating_mul(question.window.seconds());
    let passed = asked.now.unix_seconds().saturating_sub(begun).max(LEAST_S);
    format!(
        r#"{{"by":{},"configured":{},"window":"{}","now":"{}","current":{},"previous":{}}}"#,
        list(&question.by.iter().map(|name| quoted(name)).collect::<Vec<_>>()),
        asked.rules.waste.is_some(),
        question.window.name(),
        asked.now,
        part(question, asked, index, passed),
        part(question, asked, index.saturating_sub(1), question.window.seconds()),
    )
}

/// One window, of which so many seconds have passed. Reasons overlap, so there is no total.
fn part(question: &Question, asked: &Asked<'_>, index: i64, passed_s: i64) -> String {
    let table = load(asked.rules, Subject::Waste, question.window, index, asked.store);
    let reason = table.column(REASON);
    let reasons = rows(&table, &[reason], usize::MAX, passed_s, &|_| String::new());
    let columns: Vec<_> = question.by.iter().map(|name| table.column(name)).collect();
    let labels = |group: &Group| {
        let places = group.key.get(1..).unwrap_or_default();
        format!(r#""labels":{{{}}},"#, question.labels(&table, &columns, places))
    };
    let all: Vec<_> = std::iter::once(reason).chain(columns.iter().copied()).collect();
    format!(
        r#"{{"start":"{}","end":"{}","reasons":{},"rows":{}}}"#,
        instant(question.window, index),
        instant(question.window, index.saturating_add(1)),
        list(&reasons),
        list(&rows(&table, &all, question.top, passed_s, &labels)),
    )
}

/// The dearest rows by these columns, of which the reason is the first one.
fn rows(
    table: &Table,
    columns: &[Option<usize>],
    top: usize,
    passed_s: i64,
    labels: &dyn Fn(&Group) -> String,
) -> Vec<String> {
    let mut groups: BinaryHeap<Group> = table.grouped(columns).into();
    let mut rows = Vec::new();
    while let Some(group) = groups.pop().filter(|_| rows.len() < top) {
        let reason = columns.first().zip(group.key.first());
        let reason = reason.map_or("", |(column, place)| table.value(*column, *place));
        let labels = labels(&group);
        rows.push(format!(r#"{{"reason":{},{labels}{}}}"#, quoted(reason), figures(&group.sums, passed_s)));
    }
    rows
}

fn figures(sums: &Sums, passed_s: i64) -> String {
    let Sums { calls, unpriced, input, cost, .. } = sums;
    let a_day = cost.pico().checked_mul(DAY_S.into()).and_then(|sum| sum.checked_div(passed_s.into()));
    let a_day = a_day.map_or("null".to_owned(), |pico| quoted(&PicoUsd::from_pico(pico).to_string()));
    format!(
        r#""calls":{calls},"unpriced":{unpriced},"input_tokens":{input},"usd":"{cost}","usd_per_day":{a_day}"#
    )
}
