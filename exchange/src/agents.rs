//! Agents and retries: what shared data knows of a call's workflow and of its conversation.

use crate::alerts::{AlertKind, Finding};
use crate::config::Rules;
use crate::exchange::Exchange;
use crate::reply::Refusal;
use std::cell::Cell;
use tollgate_policy::{
    Again, Arrival, Breach, Facts, Failures, LoopRule, Mode, Pages, RetryRule, SharedStore, Slot,
    StoreFailure, Tags, Then, Trail,
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
    key: Cell<Option<PrintKey>>,
}

/// What is remembered of a call until it is settled.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    reader: Option<TurnReader>,
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
        namespace: &str,
    ) -> Option<Box<Self>> {
        let any = !loops.is_empty() || retries.is_some();
        let trails = tollgate_policy::trails(namespace);
        let failures = tollgate_policy::failures(namespace);
        any.then(|| Box::new(Self { loops, retries, trails, failures, key: Cell::new(None) }))
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
        if let (Some(key), true) = (agents.key.get(), agents.needs_body(&self.facts())) {
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

    /// Heeds the rules about agents and retries. `Some` refuses the call.
    #[cold]
    #[inline(never)]
    pub(crate) fn heed_agents(&mut self, store: &dyn SharedStore, now: Timestamp) -> Option<Refusal> {
        let rules = std::rc::Rc::clone(&self.rules);
        let agents = rules.agents.as_deref()?;
        let watched = self.plan.watched.get_or_insert_default();
        let turn = watched.reader.take().map(|reader| reader.turn()).unwrap_or_default();
        watched.arrival = Arrival {
            now: seconds(now),
            bytes: self.plan.length,
            message: turn.last_message,
            tools: turn.last_tools,
        };
        self.heed_retries(agents, &turn, store)
            .or_else(|| (0..agents.loops.len()).find_map(|rule| self.heed_loop(&rules, rule, &turn, store)))
    }

    #[cold]
    #[inline(never)]
    fn heed_retries(&mut self, agents: &Agents, turn: &Turn, store: &dyn SharedStore) -> Option<Refusal> {
        let rule = agents.retries.as_ref().filter(|rule| rule.when.matches(&self.facts()))?;
        let conversation =
            self.tags.iter().fold(turn.conversation?.to_string(), |text, (_, value)| text + "/" + value);
        let slot = agents.number(&conversation);
        let model = agents.number(self.model().unwrap_or_default());
        let now = self.plan.watched.as_ref()?.arrival.now;
        let mut again = None;
        let read = agents.failures.change(store, slot, now, &mut |words| {
            again = Failures::read(words).again(now, rule.within_s, model);
            Slot::Kept
        });
        self.note_store(read);
        let watched = self.plan.watched.as_mut()?;
        watched.conversation = Some((slot, model));
        watched.again = again;
        let again = again.filter(|again| rule.most.is_some_and(|most| u64::from(again.failures) > most))?;
        let refusal = Refusal::too_many_retries(again.failures, rule.within_s);
        let mine = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let finding = Finding {
            kind: AlertKind::Retries,
            rule: RETRIES,
            slot,
            labels: self.tags.iter().map(mine).collect(),
            then: &rule.then,
            mode: rule.mode,
            within_s: rule.within_s,
            summary: refusal.message(),
        };
        self.raise_finding(finding);
        self.apply(RETRIES, &rule.then, rule.mode, again.wait_s, refusal)
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
        let mut found = None;
        let read = agents.trails.change(store, slot, arrival.now, &mut |words| {
            let mut trail = Trail::read(words);
            trail.roll(arrival.now, rule.within_s);
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
    fn apply(
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
        now: Timestamp,
    ) -> (Option<Box<Workflow>>, Option<Retry>) {
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
        let retry = watched.again.filter(|_| outcome != Outcome::NotSent).map(|again| Retry {
            attempt: u64::from(again.failures).saturating_add(1),
            kind: if again.same_model { RetryKind::Retry } else { RetryKind::Fallback },
        });
        (watched.workflow.map(Box::new), retry)
    }

    #[cold]
    #[inline(never)]
    fn close_retry(
        &mut self,
        agents: &Agents,
        watched: &Watched,
        store: &dyn SharedStore,
        outcome: Outcome,
        now: Timestamp,
    ) {
        let (Some((slot, model)), Some(rule)) = (watched.conversation, &agents.retries) else { return };
        let change: &mut dyn FnMut(&mut [u32]) -> Slot = match (outcome, watched.again) {
            (Outcome::Failed, _) => &mut |words| {
                Failures::read(words).and_another(seconds(now), rule.within_s, model).write(words);
                Slot::Written
            },
            (Outcome::Answered, Some(_)) => &mut |_| Slot::Freed,
            (Outcome::Answered, None) | (Outcome::NotSent, _) => return,
        };
        let written = agents.failures.change(store, slot, seconds(now), change);
        self.note_store(written);
    }

    fn note_store(&mut self, result: Result<(), StoreFailure>) {
        if result.is_err() {
            self.errors.push("store");
        }
    }
}

/// What the record names the rule about retries.
const RETRIES: &str = "retries";

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
