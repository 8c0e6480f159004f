//! Agents and retries: what shared data knows of a call's workflow and of its conversation.

mod health;
mod retries;

use crate::alerts::{AlertKind, Finding};
use crate::config::Rules;
use crate::exchange::Exchange;
use crate::reply::Refusal;
use crate::settle::Finish;
use std::cell::Cell;
use tollgate_policy::{
    Again, Arrival, Breach, Conditions, Facts, LoopRule, Mode, Pages, RetryRule, RouteRule, SharedStore,
    Slot, StoreFailure, Tags, Then, Trail, failures, healths, trails,
};
use tollgate_pricing::PicoUsd;
use tollgate_record::{Action, Retry, RetryKind, Timestamp, Workflow};
use tollgate_wire::{PrintKey, Turn, TurnReader};

/// The rules that need a memory.
#[derive(Debug)]
pub struct Agents {
    /// About agents, by workflow.
    pub loops: Vec<LoopRule>,
    /// About what is sent again.
    pub retries: Option<RetryRule>,
    trails: Pages,
    failures: Pages,
    healths: Pages,
    /// Over how many seconds routes count a model's errors.
    error_spans_s: Vec<u32>,
    key: Cell<Option<PrintKey>>,
}

/// What is remembered of a call until it is settled.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    reader: Option<TurnReader>,
    turn: Option<Turn>,
    arrival: Arrival,
    /// The workflows that it was counted in: which rule, and which of its slots.
    entered: Vec<(usize, u64)>,
    /// Its conversation's slot, and the print of its model.
    conversation: Option<(u64, u64)>,
    again: Option<Again>,
    workflow: Option<Workflow>,
}

/// How a call ended for those who watch agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It never went upstream.
    NotSent,
    /// It was answered with an error, not to its end, or not at all.
    Failed,
    /// It was answered.
    Answered,
}

impl Agents {
    /// `None` if there is nothing to remember.
    #[cold]
    #[inline(never)]
    pub(crate) fn new(
        loops: Vec<LoopRule>,
        retries: Option<RetryRule>,
        routes: &[RouteRule],
        namespace: &str,
    ) -> Option<Box<Self>> {
        let conditions = || routes.iter().filter_map(|route| route.conditions.as_deref());
        let mut error_spans_s = Vec::new();
        for span in conditions().filter_map(Conditions::counts_errors) {
            if !error_spans_s.contains(&span) {
                error_spans_s.push(span);
            }
        }
        let asked = conditions().any(|one| one.asks_for_tools() || one.remembers());
        (asked || !loops.is_empty() || retries.is_some()).then(|| {
            Box::new(Self {
                loops,
                retries,
                trails: trails(namespace),
                failures: failures(namespace),
                healths: healths(namespace),
                error_spans_s,
                key: Cell::new(None),
            })
        })
    }

    /// Sets the process's secret for fingerprints. Without one nothing that a call says is looked at.
    pub fn set_print_key(&self, key: PrintKey) {
        self.key.set(Some(key));
    }

    /// Whether a rule that may be about the call depends on what its body says.
    #[cold]
    #[inline(never)]
    pub(crate) fn needs_body(&self, facts: &Facts<'_>) -> bool {
        self.loops.iter().any(|rule| rule.needs_body() && rule.when.may_match(facts))
            || self.retries.as_ref().is_some_and(|rule| rule.when.may_match(facts))
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn needs_open_tag(&self, tags: &Tags) -> bool {
        self.loops.iter().any(|rule| rule.needs_open_tag(tags))
    }

    pub(crate) fn needs_route(&self) -> bool {
        let retries = self.retries.as_ref().is_some_and(|rule| rule.when.needs_route());
        retries || self.loops.iter().any(|rule| rule.when.needs_route())
    }

    /// Whether a rule may change the request.
    pub(crate) fn rewrites(&self) -> bool {
        let retries = self.retries.as_ref().is_some_and(|rule| rule.then.rewrites());
        retries || self.loops.iter().any(|rule| rule.then.rewrites())
    }

    /// A number for a text, by which it is found again.
    #[cold]
    #[inline(never)]
    fn number(&self, text: &str) -> u64 {
        self.key.get().unwrap_or(PrintKey([0; 16])).print(text.as_bytes())
    }
}

impl Exchange {
    /// A body that is held is read for what it says, where a rule asks for that.
    pub(crate) fn watch_body(&mut self) {
        let Some(agents) = &self.rules.agents else { return };
        let wanted = agents.needs_body(&self.facts()) || self.route_asks_for_tools();
        if let (Some(key), true) = (agents.key.get(), wanted) {
            self.plan.watched.get_or_insert_default().reader = Some(TurnReader::new(key));
        }
    }

    /// A piece of the held body.
    #[inline(never)]
    pub(crate) fn watch_piece(&mut self, fresh: &[u8]) {
        if let Some(reader) = self.plan.watched.as_mut().and_then(|watched| watched.reader.as_mut()) {
            reader.feed(fresh);
        }
    }

    /// Takes down what is known of the call before the rules look at it.
    pub(crate) fn end_watching(&mut self, now: Timestamp) {
        let bytes = self.plan.length;
        let watched = self.plan.watched.get_or_insert_default();
        watched.turn = watched.reader.take().map(|reader| reader.turn()).or(watched.turn);
        let said = |of: fn(&Turn) -> Option<u64>| watched.turn.as_ref().and_then(of);
        let (message, tools) = (said(|turn| turn.last_message), said(|turn| turn.last_tools));
        watched.arrival = Arrival { now: seconds(now), bytes, message, tools };
    }

    /// Whether the call tells of tools, as far as its body was read.
    pub(crate) fn tells_of_tools(&self) -> Option<bool> {
        self.plan.watched.as_ref()?.turn.map(|turn| turn.has_tools)
    }

    /// Heeds the rules about agents and retries. `Some` refuses the call.
    #[cold]
    #[inline(never)]
    pub(crate) fn heed_agents(&mut self, store: &dyn SharedStore) -> Option<Refusal> {
        let rules = std::rc::Rc::clone(&self.rules);
        let agents = rules.agents.as_deref()?;
        let turn = self.plan.watched.as_ref()?.turn.unwrap_or_default();
        self.heed_retries(agents, &turn, store)
            .or_else(|| (0..agents.loops.len()).find_map(|rule| self.heed_loop(&rules, rule, &turn, store)))
    }

    #[cold]
    #[inline(never)]
    fn heed_loop(
        &mut self,
        rules: &Rules,
        index: usize,
        turn: &Turn,
        store: &dyn SharedStore,
    ) -> Option<Refusal> {
        let agents = rules.agents.as_deref()?;
        let rule = agents.loops.get(index)?;
        let slot = agents.number(&rule.workflow(&self.facts(), turn.opening)?);
        let arrival = self.plan.watched.as_ref()?.arrival;
        let asked = rules.guards.as_ref().is_some_and(|guards| guards.watches_repeats);
        let (mut found, mut repeats) = (None, None);
        let read = agents.trails.change(store, slot, arrival.now, &mut |words| {
            let mut trail = Trail::read(words);
            trail.roll(arrival.now, rule.within_s);
            repeats = asked.then(|| trail.repeats(&rule.limits, &arrival)).flatten();
            let breach = trail.breach(&rule.limits, &arrival);
            let wait = breach.and_then(|breach| trail.pause(breach, arrival.now));
            let stops = rule.mode == Mode::Enforce && stops(rule, breach, wait);
            if !stops {
                trail.enter(&rule.limits, &arrival);
            }
            trail.write(words);
            found = Some((breach, wait, stops, workflow(&trail, &arrival)));
            if stops { Slot::Kept } else { Slot::Written }
        });
        self.note_store(read);
        // It repeats itself if it does so by any rule.
        self.plan.repeats = self.plan.repeats.max(repeats);
        let (breach, wait, stops, workflow) = found?;
        let watched = self.plan.watched.as_mut()?;
        watched.workflow.get_or_insert(workflow);
        if !stops {
            watched.entered.push((index, slot));
        }
        let refusal = Refusal::agent(&rule.name, breach?);
        let finding = Finding {
            kind: AlertKind::Loop,
            rule: &rule.name,
            slot,
            labels: rule.labels(&self.facts()),
            then: &rule.then,
            mode: rule.mode,
            within_s: rule.within_s,
            summary: refusal.message(),
        };
        self.raise_finding(finding);
        self.apply(&rule.name, &rule.then, rule.mode, wait, refusal)
    }

    /// Does what a rule wants done about a call. `Some` refuses it.
    #[cold]
    #[inline(never)]
    pub(crate) fn apply(
        &mut self,
        rule: &str,
        then: &Then,
        mode: Mode,
        wait_s: Option<u32>,
        refusal: Refusal,
    ) -> Option<Refusal> {
        if mode == Mode::Shadow {
            self.shadow.push(rule.to_owned());
            return None;
        }
        match then {
            Then::Alert => {
                self.note(Action::Warn, rule);
                self.plan.warning = Some(refusal.message().to_owned());
                None
            }
            Then::Throttle => wait_s.map(|wait| refusal.for_a_moment(i64::from(wait))),
            Then::Deny => Some(refusal),
            Then::Downgrade { to } => {
                if self.model() == Some(to) {
                    return None;
                }
                if !self.can_rewrite() {
                    return self.unrewritable(rule);
                }
                self.note(Action::Downgrade, rule);
                self.send_model(to);
                None
            }
        }
    }

    /// Notes how the call ended, and what its workflow has come to with it.
    #[cold]
    #[inline(never)]
    pub(crate) fn close_watch(
        &mut self,
        store: &dyn SharedStore,
        cost: Option<PicoUsd>,
        outcome: Outcome,
        finish: &Finish,
    ) -> (Option<Box<Workflow>>, Option<Retry>) {
        let now = finish.now;
        let rules = std::rc::Rc::clone(&self.rules);
        let (Some(agents), Some(mut watched)) = (rules.agents.as_deref(), self.plan.watched.take()) else {
            return (None, None);
        };
        for (place, (index, slot)) in watched.entered.clone().into_iter().enumerate() {
            let Some(rule) = agents.loops.get(index) else { continue };
            let arrival = watched.arrival;
            let mut known = None;
            let written = agents.trails.change(store, slot, seconds(now), &mut |words| {
                let mut trail = Trail::read(words);
                match outcome {
                    Outcome::NotSent => trail.leave(&rule.limits, &arrival),
                    Outcome::Failed => trail.forgive(&rule.limits, &arrival),
                    Outcome::Answered => {}
                }
                trail.spend(cost.map_or(0, PicoUsd::pico));
                trail.write(words);
                known = Some(workflow(&trail, &arrival));
                Slot::Written
            });
            self.note_store(written);
            if place == 0 {
                watched.workflow = known;
            }
        }
        self.close_retry(agents, &watched, store, outcome, now);
        self.note_health(agents, store, finish);
        let retry = watched.again.filter(|_| outcome != Outcome::NotSent).map(|again| Retry {
            attempt: u64::from(again.failures).saturating_add(1),
            kind: if again.same_model { RetryKind::Retry } else { RetryKind::Fallback },
        });
        (watched.workflow.map(Box::new), retry)
    }

    fn note_store(&mut self, result: Result<(), StoreFailure>) {
        if result.is_err() {
            self.errors.push("store");
        }
    }
}

/// Whether the rule keeps the call from going on.
fn stops(rule: &LoopRule, breach: Option<Breach>, wait: Option<u32>) -> bool {
    match rule.then {
        Then::Deny => breach.is_some(),
        Then::Throttle => wait.is_some(),
        Then::Alert | Then::Downgrade { .. } => false,
    }
}

fn workflow(trail: &Trail, arrival: &Arrival) -> Workflow {
    Workflow {
        calls: u64::from(trail.calls()),
        usd: PicoUsd::from_pico(trail.spent()),
        input_growth_percent: trail.growth_percent(arrival.bytes),
    }
}

fn seconds(now: Timestamp) -> u32 {
    u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX)
}
