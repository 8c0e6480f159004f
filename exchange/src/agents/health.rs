//! How the models' calls fare, for routes that send others while one fails.

use super::{Agents, seconds};
use crate::exchange::Exchange;
use crate::settle::Finish;
use tollgate_policy::{Failed, Health, SharedStore, Slot};

impl Agents {
    /// How calls of a model fared in the last so many seconds: how many there were, and how many failed.
    pub(crate) fn health(
        &self,
        store: &dyn SharedStore,
        model: (&str, &str),
        for_s: u32,
        now: u32,
    ) -> Option<(u64, u64)> {
        let mut lately = None;
        let read = &mut |words: &mut [u32]| {
            lately = Some(Health::read(words).lately(now, for_s));
            Slot::Kept
        };
        self.healths.change(store, self.model_number(model, for_s), now, read).ok()?;
        lately
    }

    fn model_number(&self, (provider, model): (&str, &str), for_s: u32) -> u64 {
        self.number(&format!("{for_s}/{provider}/{model}"))
    }
}

impl Exchange {
    /// Counts the call for or against its model. A client that went away before an answer says nothing of it.
    pub(super) fn note_health(&mut self, agents: &Agents, store: &dyn SharedStore, finish: &Finish) {
        let now = seconds(finish.now);
        let failed = match (self.was_sent(), self.status) {
            (false, _) | (true, None) => return,
            (true, Some(status)) if status >= 500 || status == 429 => Failed::Yes,
            (true, Some(_)) => Failed::No,
        };
        for for_s in &agents.error_spans_s {
            let model = (self.target.call.provider(), self.model().unwrap_or_default());
            let slot = agents.model_number(model, *for_s);
            let written = agents.healths.change(store, slot, now, &mut |words| {
                let mut health = Health::read(words);
                health.count(now, *for_s, failed);
                health.write(words);
                Slot::Written
            });
            self.note_store(written);
        }
    }
}
