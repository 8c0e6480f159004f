//! The request's body on its way upstream, held or not.

use crate::exchange::{Exchange, Step};
use tollgate_wire::{BodyChange, End};

impl Exchange {
    /// Reads what arrived of a held body. It says what to do next once the body's JSON is complete.
    pub fn held_body(&mut self, fresh: &[u8], end: End) -> Option<Step> {
        let may_be_rewritten = self.may_be_rewritten();
        self.watch_piece(fresh);
        self.show_candidate(fresh, end);
        let probe = self.probe.as_mut()?;
        if let BodyChange::Behind(spaces) = probe.pass(fresh, end) {
            self.plan.behind = spaces;
        }
        // Not at the first sight of a model: the last of several is the one that counts upstream.
        let decided = (!probe.learns_more() && !may_be_rewritten) || end == End::Last;
        self.plan.held = self.plan.held.saturating_add(u64::try_from(fresh.len()).unwrap_or(u64::MAX));
        if !decided && self.plan.held > self.plan.limits.most_held_bytes() {
            return Some(self.unheld());
        }
        decided.then(|| {
            self.plan.whole = end == End::Last && self.holds_headers();
            if end == End::Last {
                self.plan.length.get_or_insert(self.plan.held);
            }
            self.resolve_body_tags();
            match self.without_required_tag() {
                Some(refusal) => self.refuse(refusal),
                None => self.admit(),
            }
        })
    }

    /// What is to become of a held body of so many bytes that was read as it came. `None` if that cannot be said without reading it
    /// again: something in it is to be changed, or it is looked at as it goes. Then it goes through [`Exchange::release_body`].
    pub fn release_seen(&mut self, held: usize, end: End) -> Option<BodyChange> {
        let all = u64::try_from(held) == Ok(self.plan.held);
        let changes = self.may_change_held() || self.plan.outline.is_some();
        let probe = self.probe.as_ref()?;
        if !all || changes || probe.facts().injected {
            return None;
        }
        self.reader = self.probe.take()?;
        self.show_candidate_rest(&[], end);
        let last = self.reader.pass(&[], end);
        Some(match std::mem::take(&mut self.plan.behind) {
            [] => last,
            spaces => BodyChange::Behind(spaces),
        })
    }

    /// Whether a rule wants the held body changed.
    fn may_change_held(&self) -> bool {
        self.plan.model.is_some() || self.plan.output_limit.is_some()
    }

    /// The whole body that was held, and perhaps changed, on its way upstream.
    pub fn release_body(&mut self, held: &[u8], end: End) -> BodyChange {
        self.probe = None;
        self.show_candidate_rest(held, end);
        self.outline(held);
        self.reader.pass(held, end)
    }

    /// Whether the request's body still has to be read.
    pub fn wants_request(&self) -> bool {
        let outline = || self.plan.outline.as_ref().is_some_and(|outline| outline.wants_more());
        let trial = || self.plan.trial.as_ref().is_some_and(|trial| trial.wants_body());
        // Rules about waste ask afterwards whether the answer had a bound.
        let matters = || self.rules.waste.is_some() || self.reader.matters_later();
        (self.reader.wants_more() && matters()) || outline() || trial()
    }

    /// A piece of the request's body on its way upstream.
    pub fn request_body(&mut self, chunk: &[u8], end: End) -> BodyChange {
        self.outline(chunk);
        self.show_candidate(chunk, end);
        self.reader.pass(chunk, end)
    }

    fn outline(&mut self, chunk: &[u8]) {
        if let Some(outline) = &mut self.plan.outline {
            outline.feed(chunk);
        }
    }
}
