//! Dry runs: what a call would cost and what would become of it, without sending it or booking anything.
//!
//! A call that carries `x-tollgate-dry-run` goes through the same rules as any other, up to the step at which it would be sent or
//! refused; counters are looked at and not changed. Its client gets a report instead.

use crate::admin::json::{Object, instant, list, quoted};
use crate::admission::cost_of;
use crate::exchange::{Exchange, HeaderEdit, Step};
use crate::head::Head;
use crate::reply::{LocalReply, Refusal};
use tollgate_policy::{
    Admission, Answer, CallPrice, Change, Demand, Entry, Lease, Op, Quota, QuotaRule, SharedStore,
    StoreFailure, StoreRef, Swap, UNKNOWN_OUTPUT, look,
};
use tollgate_pricing::PicoUsd;
use tollgate_record::Timestamp;
use tollgate_wire::{ErrorDialect, Reason};

const HEADER: &str = "x-tollgate-dry-run";

/// Whether a request asks for a dry run. `edits` take all headers of our own away, so whoever has none is not looked at again.
pub(crate) fn asked_for(head: &Head, edits: &[HeaderEdit]) -> bool {
    let present = edits.iter().any(|edit| matches!(edit, HeaderEdit::Remove(name) if name == HEADER));
    present && !matches!(head.text(HEADER), "" | "false" | "0")
}

/// The answer to a dry run of a call that cannot be metered: there is nothing to say of it, and it must not be sent.
pub(crate) fn refusal(head: &Head, reason: Reason) -> Option<LocalReply> {
    head.headers.value(HEADER)?;
    Some(Refusal::unmetered(reason.as_str()).into_reply(ErrorDialect::OpenAi))
}

impl Exchange {
    /// Whether the call is not to be sent, whatever comes of it.
    pub fn is_dry_run(&self) -> bool {
        self.plan.dry_run
    }

    /// Goes on after [`Step::Recall`], or with what the store that [`Step::Ask`] asks for would say now. Stores outside this process are not asked: they
    /// are taken to have room, and the report says so.
    #[cold]
    #[inline(never)]
    pub fn look(&mut self, store: &dyn SharedStore, now: Timestamp) -> Step {
        let Some(batch) = self.pending() else { return self.recall(&Unchanged(store), now) };
        let ops = batch.ops();
        let answer = match batch.store {
            StoreRef::Local => look(store, &ops, now.unix_seconds()),
            StoreRef::Remote(_) => Ok(Admission::Granted(ops.iter().map(unasked).collect())),
        };
        self.resume(answer)
    }

    /// The report to the client on what `step` would have come to: it takes the place of the call.
    #[cold]
    #[inline(never)]
    pub fn report(&mut self, step: &Step, store: &dyn SharedStore) -> Step {
        let body = self.report_text(step, store).into_bytes();
        self.leases.clear();
        self.plan.released.clear();
        self.plan.void.clear();
        let headers =
            vec![("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())];
        Step::Reply(LocalReply { status: 200, headers, body })
    }

    #[cold]
    #[inline(never)]
    fn report_text(&self, step: &Step, store: &dyn SharedStore) -> String {
        let demand = self.demand();
        let (mut quotas, mut usual) = (Vec::new(), None);
        for (index, rule) in self.rules.quotas.iter().enumerate() {
            let admitted = rule.admit(index, &self.rules.namespace, &self.facts(), &demand);
            let Some(quota) = admitted else { continue };
            let local = rule.store == StoreRef::Local;
            let entry = if local { quota.op.entry(store).ok().map(Option::unwrap_or_default) } else { None };
            usual = usual.max(entry.as_ref().and_then(Entry::usual_output));
            quotas.push(self.quota_met(rule, &quota, entry.as_ref()));
        }
        let mut tags = Object::new();
        self.tags.iter().for_each(|(name, value)| tags.text(name, Some(value)));
        let shadow: Vec<_> = self.shadow.iter().map(|rule| quoted(rule)).collect();
        let mut report = Object::new();
        report.put("dry_run", "true");
        report.put("would", &self.would(step));
        report.put("shadow", &list(&shadow));
        report.text("provider", Some(self.target.call.provider()));
        report.text("model", self.model());
        report.put("tags", &tags.end());
        report.put("cost_usd", &cost(&demand, usual));
        report.put("quotas", &list(&quotas));
        report.end()
    }

    /// What would be done, by which rule, and the answer to a call that would be refused.
    #[cold]
    #[inline(never)]
    fn would(&self, step: &Step) -> String {
        let mut would = Object::new();
        let actions: Vec<_> = self.decision.actions.iter().map(|action| quoted(action.as_str())).collect();
        would.text("action", Some(self.decision.action().as_str()));
        would.put("actions", &list(&actions));
        if let Some(rule) = &self.decision.rule {
            would.text("rule", Some(rule));
        }
        if let Some(limit) = self.plan.output_limit {
            would.put("max_output_tokens", &limit.to_string());
        }
        if let Some(warning) = &self.plan.warning {
            would.text("warning", Some(warning));
        }
        if let Step::Reply(reply) = step {
            would.put("status", &reply.status.to_string());
            if let Some((_, seconds)) = reply.headers.iter().find(|(name, _)| *name == "retry-after") {
                would.put("retry_after", seconds);
            }
            would.put("answer", &String::from_utf8_lossy(&reply.body));
        }
        would.end()
    }

    /// One counter that the call comes under. One in a store outside is not known here.
    #[cold]
    #[inline(never)]
    fn quota_met(&self, rule: &QuotaRule, quota: &Quota, entry: Option<&Entry>) -> String {
        let now = self.started.unix_seconds();
        let asks = match quota.op.change {
            Change::Reserve { amount, .. } => amount.of(entry.and_then(Entry::usual_output)),
            _ => None,
        };
        let store = match rule.store {
            StoreRef::Local => "local",
            StoreRef::Remote(index) => self.rules.stores.get(index).map_or("", |store| &store.name),
        };
        let mut met = Object::new();
        met.text("name", Some(&rule.name));
        met.text("key", Some(rule.values_of(&self.rules.namespace, &quota.op.key)));
        met.text("unit", Some(quota.charge.name()));
        met.text("mode", Some(rule.mode.name()));
        met.text("store", Some(store));
        let amounts = [
            ("used", entry.map(|entry| entry.used(rule.window, now))),
            ("reserved", entry.map(|entry| entry.open(now))),
            ("limit", Some(quota.limit)),
            ("asks", asks),
        ];
        for (name, amount) in amounts {
            met.text(name, amount.map(|amount| quota.charge.shown(amount)).as_deref());
        }
        met.text("resets_at", Some(&instant(rule.window.span(now).1).to_string()));
        met.end()
    }
}

/// What the call would cost: as such calls usually do, and at worst. What is not known, since the model has no price or the request sets
/// no bound, is `null`.
#[cold]
#[inline(never)]
fn cost(demand: &Demand, usual: Option<u64>) -> String {
    let usual = usual.unwrap_or(UNKNOWN_OUTPUT).min(demand.output_bound.unwrap_or(u64::MAX));
    let kinds =
        [("typical", demand.likely.price, Some(usual)), ("worst", demand.worst.price, demand.output_bound)];
    let mut cost = Object::new();
    for (name, price, tokens) in kinds {
        cost.text(name, total(price, tokens).map(|usd| usd.to_string()).as_deref());
    }
    cost.end()
}

fn total(price: Option<CallPrice>, tokens: Option<u64>) -> Option<PicoUsd> {
    let (price, tokens) = price.zip(tokens)?;
    price.input.checked_add(cost_of(price.per_million_output, tokens)?).map(PicoUsd::from_pico)
}

/// A store in which nothing is written.
struct Unchanged<'a>(&'a dyn SharedStore);

impl SharedStore for Unchanged<'_> {
    fn read(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, StoreFailure> {
        self.0.read(key)
    }

    fn swap(&self, _: &str, _: &[u8], _: Option<u32>) -> Result<Swap, StoreFailure> {
        Ok(Swap::Done)
    }
}

/// What stands in for the answer of a store that is not asked.
#[cold]
#[inline(never)]
fn unasked(op: &Op) -> Answer {
    match op.change {
        Change::Reserve { amount, .. } => {
            let amount = amount.of(None).unwrap_or(i128::MAX);
            Answer::Reserved { lease: Lease { amount, ..Lease::default() }, taken: None }
        }
        _ => Answer::Settled,
    }
}
