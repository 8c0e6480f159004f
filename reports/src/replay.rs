//! What quotas would have done to past calls: the filter's own policy over a log, with a configuration that is not in force
//! yet. Every quota acts here, those in shadow mode too.
//!
//! A call is admitted and settled at once, with what it turned out to use, so what long calls reserve while others come is
//! not seen; calls that were refused when the log was written say nothing of what they would have used and are left out.

use std::sync::Arc;

use serde_json::Value;
use tollgate_policy::{
    Admission, Answer, Demand, Do, Expected, Facts, OwnStore, Quota, QuotaRule, Sent, StoreFailure, Tags,
    UNTAGGED, Usage, book, compile_quotas, perform,
};
use tollgate_pricing::PicoUsd;
use tollgate_record::CostStatus;

use crate::dimension::Lens;
use crate::fold::Fold;
use crate::price;
use crate::reprice::Book;
use crate::row::Row;
use crate::selection::Selection;
use crate::sheet::{Cell, Document, Sheet};
use crate::sums::Money;

/// Runs calls through quotas, in the order in which they come.
pub struct Replay {
    tag_names: Vec<String>,
    rules: Vec<QuotaRule>,
    namespace: String,
    store: OwnStore,
    lens: Lens,
    selection: Selection,
    /// What models cost.
    prices: Arc<Book>,
    /// Whether all calls are priced anew.
    anew: bool,
    /// Calls that cannot be priced anew and keep their cost.
    unpriced: u64,
    calls: u64,
    cost: Money,
    blocked: Tally,
    by_rule: Vec<Effects>,
    left_out: u64,
    store_failures: u64,
}

/// Calls and what they cost.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    calls: u64,
    cost: Money,
}

impl Tally {
    fn add(&mut self, usd: Option<PicoUsd>) {
        self.calls = self.calls.saturating_add(1);
        usd.into_iter().for_each(|usd| self.cost.add(usd));
    }
}

/// What one quota would have done.
#[derive(Clone, Debug, Default)]
struct Effects {
    about: u64,
    denied: Tally,
    warned: u64,
    downgraded: u64,
    /// What the cheaper models would have cost less.
    saved: Money,
    unpriced: u64,
    clamped: u64,
    throttled: u64,
    /// The day of the first refusal.
    first: Option<String>,
}

impl Replay {
    /// With the quotas of a configuration of the filter (JSON). Its other parts do nothing here.
    ///
    /// # Errors
    /// With the path of the field.
    pub fn new(config: &str, lens: Lens, selection: Selection) -> Result<Self, String> {
        let json: Value = serde_json::from_str(config).map_err(|error| error.to_string())?;
        let fields = json.as_object().ok_or("a configuration is a JSON object")?;
        let tags = fields.get("tags").and_then(Value::as_object);
        let tag_names: Vec<String> = tags.into_iter().flat_map(|tags| tags.keys().cloned()).collect();
        let stores = fields.get("stores").unwrap_or(&Value::Null);
        let quotas = fields.get("quotas").ok_or("it has no `quotas`, so nothing would happen")?;
        let (rules, _) = compile_quotas(quotas, stores, &tag_names).map_err(|error| error.to_string())?;
        let namespace = fields.get("namespace").and_then(Value::as_str).unwrap_or("default").to_owned();
        Ok(Self {
            by_rule: vec![Effects::default(); rules.len()],
            tag_names,
            rules,
            namespace,
            store: OwnStore::default(),
            lens,
            selection,
            prices: Arc::new(Book::of_catalogue()),
            anew: false,
            unpriced: 0,
            calls: 0,
            cost: Money::default(),
            blocked: Tally::default(),
            left_out: 0,
            store_failures: 0,
        })
    }

    /// Prices calls anew, at these prices, before quotas count them.
    pub fn at(&mut self, prices: Arc<Book>) {
        self.prices = prices;
        self.anew = true;
    }

    /// What a call costs here.
    fn cost_of(&mut self, row: &Row<'_>) -> Option<PicoUsd> {
        let anew = if self.anew { self.prices.cost(row) } else { Ok(None) };
        anew.unwrap_or_else(|_| {
            self.unpriced = self.unpriced.saturating_add(1);
            None
        })
        .or(row.usd)
    }

    fn call(&mut self, row: &Row<'_>, usd: Option<PicoUsd>) {
        let carried = |name: &String| {
            (name.clone(), row.tag(name).filter(|value| *value != UNTAGGED).map(str::to_owned))
        };
        let tags = Tags::new(self.tag_names.iter().map(carried).collect());
        let facts = Facts {
            tags: &tags,
            provider: &row.provider,
            model: row.request_model.as_deref().or(row.response_model.as_deref()),
            operation: &row.operation,
            host: "",
            path: "",
            route: None,
            cluster: None,
        };
        let expected = Expected { input_tokens: row.tokens.input, price: None };
        let demand = Demand { likely: expected, worst: expected, output_bound: row.tokens.output };
        let rules = self.rules.iter().enumerate();
        let quotas: Vec<Quota> =
            rules.filter_map(|(place, rule)| rule.admit(place, &self.namespace, &facts, &demand)).collect();
        let now = row.time.unix_seconds();
        let ops: Vec<_> = quotas.iter().map(|quota| quota.op.clone()).collect();
        for quota in &quotas {
            self.effects(quota.rule, |effects| effects.about = effects.about.saturating_add(1));
        }
        match perform(&self.store, &ops, now) {
            Ok(Admission::Granted(answers)) => self.granted(row, usd, &quotas, &answers),
            Ok(Admission::Refused { index, .. }) => {
                self.blocked.add(usd);
                if let Some(quota) = quotas.get(index) {
                    let day = row.time.to_string();
                    self.effects(quota.rule, |effects| {
                        effects.denied.add(usd);
                        effects.first.get_or_insert(day);
                    });
                }
            }
            Err(StoreFailure) => self.store_failures = self.store_failures.saturating_add(1),
        }
    }

    fn granted(&mut self, row: &Row<'_>, usd: Option<PicoUsd>, quotas: &[Quota], answers: &[Answer]) {
        let now = row.time.unix_seconds();
        let usage = Usage { cost: usd, input: row.tokens.input, output: row.tokens.output };
        let mut settled = Vec::with_capacity(quotas.len());
        for (quota, answer) in quotas.iter().zip(answers) {
            let Answer::Reserved { lease, taken } = answer else { continue };
            settled.push(quota.settle(*lease, &usage, Sent::Yes));
            let taken = taken.unwrap_or_default().saturating_add(lease.amount);
            let steps: Vec<Do> = match self.rules.get(quota.rule) {
                Some(rule) => rule.steps.reached(taken, quota.limit).map(|(_, step)| step.clone()).collect(),
                None => Vec::new(),
            };
            steps.iter().for_each(|step| self.step(quota.rule, step, row, usd));
        }
        let failed = book(&self.store, &settled, now).len();
        self.store_failures = self.store_failures.saturating_add(u64::try_from(failed).unwrap_or(u64::MAX));
    }

    fn step(&mut self, rule: usize, step: &Do, row: &Row<'_>, usd: Option<PicoUsd>) {
        let prices = Arc::clone(&self.prices);
        self.effects(rule, |effects| {
            let count = match step {
                Do::Warn => &mut effects.warned,
                Do::Downgrade { to } => {
                    let then = price::with_model(row, to, &prices);
                    let saved = then.zip(usd).and_then(|(then, usd)| usd.checked_sub(then));
                    match saved {
                        Some(saved) => effects.saved.add(saved),
                        None => effects.unpriced = effects.unpriced.saturating_add(1),
                    }
                    &mut effects.downgraded
                }
                Do::Clamp { .. } => &mut effects.clamped,
                Do::Throttle => &mut effects.throttled,
            };
            *count = count.saturating_add(1);
        });
    }

    fn effects(&mut self, rule: usize, change: impl FnOnce(&mut Effects)) {
        if let Some(effects) = self.by_rule.get_mut(rule) {
            change(effects);
        }
    }

    /// The answer.
    pub fn document(&self) -> Document {
        let facts = vec![format!(
            "of {} calls, {} USD, these quotas would have refused {}, {} USD",
            self.calls,
            self.cost.amount(),
            self.blocked.calls,
            self.blocked.cost.amount()
        )];
        Document {
            title: "Quotas over past calls".into(),
            facts,
            sheets: vec![self.sheet()],
            notes: self.notes(),
        }
    }

    fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::new("replay", "By quota").texts(["quota"]).numbers([
            "calls",
            "denied_calls",
            "denied_usd",
            "warned_calls",
            "downgraded_calls",
            "saved_usd",
            "clamped_calls",
            "throttled_calls",
        ]);
        sheet = sheet.texts(["first_denied"]);
        for (rule, effects) in self.rules.iter().zip(&self.by_rule) {
            sheet.rows.push(vec![
                Cell::text(&rule.name),
                Cell::count(effects.about),
                Cell::count(effects.denied.calls),
                effects.denied.cost.into(),
                Cell::count(effects.warned),
                Cell::count(effects.downgraded),
                effects.saved.into(),
                Cell::count(effects.clamped),
                Cell::count(effects.throttled),
                effects.first.as_deref().map_or(Cell::text(""), Cell::from),
            ]);
        }
        sheet
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "quotas in shadow mode act here like the others; a call that one quota refuses reaches no other"
                .into(),
        ];
        let unpriced = self.by_rule.iter().fold(0_u64, |sum, effects| sum.saturating_add(effects.unpriced));
        for (count, what) in [
            (self.left_out, "calls were refused when the log was written and are left out"),
            (
                unpriced,
                "calls would have been sent to a cheaper model whose price is not known; nothing is saved by them here",
            ),
            (
                self.unpriced,
                "calls could not be priced anew and keep their cost; `tollgate whatif --prices` says why",
            ),
            (self.store_failures, "times a counter could not be kept"),
        ] {
            if count > 0 {
                notes.push(format!("{count} {what}"));
            }
        }
        notes
    }
}

impl Fold for Replay {
    fn add(&mut self, row: &Row<'_>) {
        if !self.selection.has(row, &mut self.lens) {
            return;
        }
        if row.status == CostStatus::NotSent {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let usd = self.cost_of(row);
        self.calls = self.calls.saturating_add(1);
        usd.into_iter().for_each(|usd| self.cost.add(usd));
        self.call(row, usd);
    }

    /// Quotas depend on the order of the calls, so there is never a second one to merge.
    fn merge(&mut self, _: Self) {}
}

#[cfg(test)]
mod tests;
