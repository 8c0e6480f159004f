//! `POST quotas/{name}/{value}...?grant=AMOUNT` or `?reset`: gives a counter more room in this window, or forgets what it has used.

use super::json::{Object, quoted};
use super::query::segment;
use super::quotas::counter;
use super::{Asked, json_reply, mistake};
use crate::reply::LocalReply;
use tollgate_policy::{Change, Charge, Op, QuotaRule, Store, StoreRef};
use tollgate_pricing::PicoUsd;

/// A change to a counter that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaChange {
    /// Where the counter is kept.
    pub store: StoreRef,
    /// What is to happen to it.
    pub op: Op,
    /// Who did what, for the log: no secret stands in it.
    pub audit: String,
}

/// The answer to `GET quotas/{name}/{value}...`: one counter, of which there may be more than a list can show.
pub(super) fn show(path: &str, asked: &Asked<'_>) -> LocalReply {
    let found = find(path, asked).and_then(|(rule, values)| {
        let op = rule.op(&asked.rules.namespace, &values, Change::Reset);
        if let Some(store) = outside(rule, asked) {
            return Err(elsewhere(&op, store));
        }
        let entry = op.entry(asked.store).map_err(|_| away())?.ok_or_else(nothing_counted)?;
        let mut page = Object::new();
        page.text("quota", Some(&rule.name));
        page.text("unit", Some(rule.limit.charge.name()));
        page.put("counter", &counter(rule, asked, values.trim_start_matches('/'), &entry));
        Ok(json_reply(200, page.end()))
    });
    found.unwrap_or_else(|refusal| refusal)
}

/// The quota that a path names, and the values of its counter as they stand in the key.
fn find<'a>(path: &str, asked: &'a Asked<'_>) -> Result<(&'a QuotaRule, String), LocalReply> {
    let unreadable = || mistake("the path is no UTF-8");
    let parts = path.split('/').map(segment).collect::<Option<Vec<_>>>().ok_or_else(unreadable)?;
    let (name, parts) = parts.split_first().ok_or_else(unreadable)?;
    let rule = asked.rules.quotas.iter().find(|rule| rule.name == *name);
    let rule = rule.ok_or_else(|| not_there(&format!("there is no quota `{name}`")))?;
    let values = rule.values_key(parts).ok_or_else(|| {
        let (expected, given) = (rule.counts_by(), parts.len());
        mistake(&format!("the quota `{name}` counts by {expected} values, {given} are in the path"))
    })?;
    Ok((rule, values))
}

/// The store that alone decides about a quota's calls, if there is one: what stands here is only how long answers are.
pub(super) fn outside<'a>(rule: &QuotaRule, asked: &'a Asked<'_>) -> Option<&'a Store> {
    let StoreRef::Remote(index) = rule.store else { return None };
    asked.rules.stores.get(index).filter(|store| store.sync_ms.is_none())
}

/// The answer where a counter stands in a store that is not asked: where it can be seen.
fn elsewhere(op: &Op, store: &Store) -> LocalReply {
    let key = crate::store::tagged(&op.key);
    json_reply(
        501,
        error(&format!(
            "counters are not shown from here: the counter is `{key}` in the store `{}`",
            store.name
        )),
    )
}

fn nothing_counted() -> LocalReply {
    not_there("no call has come under these values yet")
}

/// The answer, and what is to be done before it is given. The error answers a request that cannot be honoured.
pub(super) fn answer(
    path: &str,
    asked: &Asked<'_>,
    who: &str,
) -> Result<(LocalReply, QuotaChange), LocalReply> {
    let (rule, values) = find(path, asked)?;
    let name = &rule.name;
    let (change, what) = change(rule, asked)?;
    let op = rule.op(&asked.rules.namespace, &values, change);
    let labels = rule.labels_of(asked.rules.tags.names(), &values);
    let values = values.trim_start_matches('/');
    let audit = format!("{what} of quota {}, counter {}, by {}", quoted(name), quoted(values), quoted(who));
    let answer = match rule.store {
        StoreRef::Local => local(rule, asked, op, values, audit),
        StoreRef::Remote(index) => remote(rule, asked, index, op, audit),
    }?;
    if let Some(alerts) = &asked.rules.alerts {
        alerts.end_budget(&rule.name, labels);
    }
    Ok(answer)
}

fn local(
    rule: &QuotaRule,
    asked: &Asked<'_>,
    op: Op,
    values: &str,
    audit: String,
) -> Result<(LocalReply, QuotaChange), LocalReply> {
    let found = op.entry(asked.store).map_err(|_| away())?;
    let before = found.ok_or_else(nothing_counted)?;
    let (after, _) =
        before.clone().apply(op.window, op.change, asked.now.unix_seconds()).map_err(|_| away())?;
    let used = |entry: &tollgate_policy::Entry| {
        rule.limit.charge.shown(entry.used(rule.window, asked.now.unix_seconds()))
    };
    let audit = format!("{audit}: {} used before, {} after", used(&before), used(&after));
    let mut page = Object::new();
    page.text("quota", Some(&rule.name));
    page.text("unit", Some(rule.limit.charge.name()));
    page.put("before", &counter(rule, asked, values, &before));
    page.put("after", &counter(rule, asked, values, &after));
    Ok((json_reply(200, page.end()), QuotaChange { store: rule.store, op, audit }))
}

/// A store outside is told, and nobody waits for it.
fn remote(
    rule: &QuotaRule,
    asked: &Asked<'_>,
    index: usize,
    op: Op,
    audit: String,
) -> Result<(LocalReply, QuotaChange), LocalReply> {
    let store = asked.rules.stores.get(index).ok_or_else(away)?;
    let mut page = Object::new();
    page.text("quota", Some(&rule.name));
    page.text("sent_to", Some(&store.name));
    Ok((json_reply(202, page.end()), QuotaChange { store: rule.store, op, audit }))
}

/// What is asked for, and the same in words.
fn change(rule: &QuotaRule, asked: &Asked<'_>) -> Result<(Change, String), LocalReply> {
    const LEGAL: &str = "expected `?reset` or `?grant=AMOUNT`";
    let (query, charge) = (&asked.query, rule.limit.charge);
    if let Some(name) = query.unknown(&["token", "reset", "grant"]) {
        return Err(mistake(&format!("unknown parameter `{name}`, {LEGAL}")));
    }
    if charge == Charge::InFlight {
        return Err(mistake("a quota of calls in flight has nothing to grant or to reset"));
    }
    match (query.value("reset"), query.value("grant")) {
        (Some(_), None) => Ok((Change::Reset, "reset".to_owned())),
        (None, Some(text)) => {
            let amount = match charge {
                Charge::Usd => text.parse().ok().map(PicoUsd::pico),
                _ => text.parse::<u64>().ok().map(i128::from),
            };
            let amount = amount.filter(|amount| *amount > 0);
            let amount = amount
                .ok_or_else(|| mistake(&format!("`{text}` is no amount of {} above zero", charge.name())))?;
            Ok((Change::Grant { amount }, format!("grant of {} {}", charge.shown(amount), charge.name())))
        }
        _ => Err(mistake(LEGAL)),
    }
}

fn error(problem: &str) -> String {
    let mut page = Object::new();
    page.text("error", Some(problem));
    page.end()
}

fn not_there(problem: &str) -> LocalReply {
    json_reply(404, error(problem))
}

/// The answer where the counter cannot be read or written.
pub(super) fn away() -> LocalReply {
    json_reply(503, error("the counter cannot be changed at the moment"))
}
