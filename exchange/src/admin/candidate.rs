//! `candidate`: in what the candidate configuration differs from what was done, in calls and money, by rule, since when.

use super::json::{Object, instant, list};
use super::{Asked, json_reply, mistake, quotas};
use crate::candidate::{Sums, add, load};
use crate::config::Candidate;
use crate::reply::LocalReply;
use tollgate_pricing::PicoUsd;

pub(super) fn reply(asked: &Asked<'_>) -> LocalReply {
    if let Some(name) = asked.query.unknown(&["token"]) {
        return mistake(&format!("unknown parameter `{name}`, expected none"));
    }
    let mut page = Object::new();
    page.text("now", Some(&asked.now.to_string()));
    match &asked.rules.candidate {
        Some(candidate) => put(&mut page, candidate, asked),
        None => page.text("candidate", None),
    }
    json_reply(200, page.end())
}

fn put(page: &mut Object, candidate: &Candidate, asked: &Asked<'_>) {
    let table = load(candidate, asked.store);
    let mut all = Sums::default();
    table.rows.iter().for_each(|(_, sums)| add(&mut all, sums));
    page.text("candidate", Some(&candidate.name));
    let since = i64::try_from(table.since).ok().filter(|since| *since > 0);
    page.text("since", since.map(|since| instant(since).to_string()).as_deref());
    let [differ, ..] = all;
    page.put("calls", &table.calls.to_string());
    page.put("same", &table.calls.saturating_sub(differ).to_string());
    put_sums(page, "differ", &all);
    let rows: Vec<_> = table.rows.iter().map(|(row, sums)| difference(row, sums)).collect();
    page.put("differences", &list(&rows));
    let own = Asked { rules: &candidate.rules, ..*asked };
    let quotas: Vec<_> = candidate.rules.quotas.iter().map(|rule| quotas::quota(rule, &own)).collect();
    page.put("quotas", &list(&quotas));
}

fn difference(row: &str, sums: &Sums) -> String {
    let mut fields = row.split('\t').map(|field| Some(field).filter(|field| !field.is_empty()));
    let mut object = Object::new();
    for name in ["was", "would"] {
        let mut done = Object::new();
        for part in ["action", "rule"] {
            done.text(part, fields.next().flatten());
        }
        object.put(name, &done.end());
    }
    put_sums(&mut object, "calls", sums);
    object.end()
}

#[inline(never)]
fn put_sums(object: &mut Object, calls: &str, [count, money @ .., unknown]: &Sums) {
    object.put(calls, &count.to_string());
    for (name, pico) in ["saved_usd", "added_usd", "estimated_usd"].into_iter().zip(money) {
        object.text(name, Some(&PicoUsd::from_pico(*pico).to_string()));
    }
    object.put("unknown_calls", &unknown.to_string());
}
