//! What is sent again after it failed.

use super::{Agents, Outcome, Watched, seconds};
use crate::alerts::{AlertKind, Finding};
use crate::exchange::Exchange;
use crate::reply::Refusal;
use tollgate_policy::{Failures, SharedStore, Slot};
use tollgate_record::Timestamp;
use tollgate_wire::Turn;

/// What the record names the rule about retries.
const RETRIES: &str = "retries";

impl Exchange {
    #[cold]
    #[inline(never)]
    pub(super) fn heed_retries(
        &mut self,
        agents: &Agents,
        turn: &Turn,
        store: &dyn SharedStore,
    ) -> Option<Refusal> {
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
    pub(super) fn close_retry(
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
}
