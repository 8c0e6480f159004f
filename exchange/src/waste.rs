//! Waste: what of a call's cost one remedy or other would have saved.
//!
//! The request is read as it passes, and nothing waits for that. All else is done when the call is settled.

mod shares;

use crate::bill::Bill;
use crate::exchange::Exchange;
use crate::settle::{Aids, Finish};
use shares::{Shares, part_of};
use std::cell::Cell;
use tollgate_policy::{Facts, Pages, Said, SharedStore, Slot, WasteRule, said_before};
use tollgate_pricing::{PicoUsd, TokenCounts};
use tollgate_record::{CostStatus, Timestamp, Waste, WasteReason};
use tollgate_wire::{Beginning, Ended, Operation, Outline, OutlineReader, PrintKey, Reported};

/// How calls are looked at for waste, and what is known of earlier ones.
#[derive(Debug)]
pub struct Wastes {
    /// Which calls, and how.
    pub rule: WasteRule,
    said: Pages,
    key: Cell<Option<PrintKey>>,
}

/// How the providers say that an answer ended where its length was limited.
const TOO_LONG: [&str; 8] = [
    "length",
    "max_tokens",
    "MAX_TOKENS",
    "max_output_tokens",
    "max_length",
    "model_length",
    "model_context_window_exceeded",
    "ERROR_LIMIT",
];

/// What a call that is settled is looked at with.
struct Look<'a> {
    wastes: &'a Wastes,
    store: &'a dyn SharedStore,
    print_key: PrintKey,
    /// What calls have in common that are compared with each other.
    key: String,
    began_ms: u64,
    now_ms: u64,
    answered: bool,
}

impl Wastes {
    #[cold]
    #[inline(never)]
    pub(crate) fn new(rule: WasteRule, namespace: &str) -> Box<Self> {
        Box::new(Self { rule, said: said_before(namespace), key: Cell::new(None) })
    }

    /// Sets the process's secret for fingerprints. Without one nothing that a call says is looked at.
    pub fn set_print_key(&self, key: PrintKey) {
        self.key.set(Some(key));
    }

    /// What reads the request of a call that may be looked at.
    #[cold]
    #[inline(never)]
    pub(crate) fn reader(&self, facts: &Facts<'_>) -> Option<Box<OutlineReader>> {
        let key = self.key.get().filter(|_| self.rule.when.may_match(facts))?;
        Some(Box::new(OutlineReader::new(key, self.rule.keep_turns)))
    }
}

impl Exchange {
    /// What of the call was wasted, where the configuration looks for that.
    #[cold]
    #[inline(never)]
    pub(crate) fn wasted(
        &self,
        wastes: &Wastes,
        reported: &Reported,
        bill: &Bill,
        finish: &Finish,
        aids: Aids<'_>,
    ) -> Vec<Waste> {
        let paid = !matches!(bill.cost.status, CostStatus::NotSent | CostStatus::NotBilled);
        if !paid || !wastes.rule.when.matches(&self.facts()) {
            return Vec::new();
        }
        let whole = |reason| Waste { reason, usd: bill.cost.usd, tokens: None };
        let mut waste = Vec::new();
        if self.was_abandoned(finish, aids) {
            waste.push(whole(WasteReason::Abandoned));
        }
        if reported.finish_reasons.iter().any(|reason| TOO_LONG.contains(&reason.as_str())) {
            waste.push(whole(WasteReason::CutByLength));
        }
        let outline = self.plan.outline.as_ref().and_then(|reader| reader.outline());
        if let (Some(outline), Some(print_key)) = (outline, wastes.key.get()) {
            let look = Look {
                wastes,
                store: aids.store,
                print_key,
                key: wastes.rule.key(&self.facts()),
                began_ms: millis(self.started),
                now_ms: millis(finish.now),
                answered: finish.ended == Ended::Complete && self.status.is_some_and(|status| status < 400),
            };
            let input = reported.usage.as_ref().and_then(|usage| usage.input);
            waste.extend(self.repeated(&look, &outline, bill.cost.usd, input));
            waste.extend(self.shares(&look, &outline, reported, bill));
        }
        waste
    }

    /// Whether the client went away when the provider had the whole request, and before the answer was over.
    fn was_abandoned(&self, finish: &Finish, aids: Aids<'_>) -> bool {
        let working = self.status.is_some() || !self.reader.wants_more();
        finish.ended == Ended::Cut && working && !self.is_cut() && (aids.client_left)()
    }

    /// Whether the call went upstream without any bound on its answer, although it could have had one.
    pub(crate) fn has_no_output_limit(&self, wastes: &Wastes) -> bool {
        let writes = matches!(
            self.target.call.operation(),
            Operation::Chat | Operation::TextCompletion | Operation::GenerateContent
        );
        let facts = self.reader.facts();
        let named = facts.max_output_tokens.is_some() || self.plan.output_limit.is_some();
        let read = !self.reader.wants_more() && !facts.malformed;
        writes
            && read
            && !named
            && self.was_sent()
            && self.target.call.takes_output_limit()
            && wastes.rule.when.matches(&self.facts())
    }

    /// The whole request was answered before, or some of the texts to embed were.
    fn repeated(
        &self,
        look: &Look<'_>,
        outline: &Outline,
        cost: Option<PicoUsd>,
        tokens: Option<u64>,
    ) -> Option<Waste> {
        let within_ms = look.wastes.rule.within_ms;
        let operation = self.target.call.operation();
        let again = look.said("body", outline.body, None, within_ms).is_some();
        if again || operation != Operation::Embeddings {
            return again.then_some(Waste { reason: WasteReason::Repeated, usd: cost, tokens: None });
        }
        let seen = |(print, bytes): &(u64, u64)| look.said("text", *print, None, within_ms).map(|_| *bytes);
        let bytes: u64 = outline.inputs.iter().filter_map(seen).fold(0, u64::saturating_add);
        let usd = cost.and_then(|usd| shares::share(usd, bytes, outline.bytes));
        let tokens = tokens.map(|tokens| part_of(tokens, bytes, outline.bytes));
        (bytes > 0).then_some(Waste { reason: WasteReason::Repeated, usd, tokens })
    }

    /// What goes by the share that a part of the request has in its input: nothing where that is not known.
    fn shares(&self, look: &Look<'_>, outline: &Outline, reported: &Reported, bill: &Bill) -> Vec<Waste> {
        let tokens = &bill.tokens;
        let (Some(input), Some(cost)) = (tokens.input_total(), bill.cost.usd) else { return Vec::new() };
        let priced = bill.cost.status == CostStatus::Priced && reported.parts.is_empty();
        let consistent = reported.usage.as_ref().is_some_and(|usage| !usage.inconsistent);
        if !priced || !consistent || outline.media || self.target.call.operation() == Operation::Embeddings {
            return Vec::new();
        }
        let (rule, beginning) = (&look.wastes.rule, look.beginning_said(outline));
        let opening = outline.opening.map_or(0, |opening| opening.bytes);
        let shares = Shares {
            said: part_of(input, beginning, outline.bytes),
            old: part_of(input, outline.old_bytes, outline.bytes),
            kept: part_of(input, opening, outline.bytes),
        };
        let instead = |(reason, count, instead): (WasteReason, u64, TokenCounts)| {
            let usd = cost.checked_sub(self.cost_with(reported, instead)?)?;
            let saves = usd.pico() > 0 && usd <= cost;
            saves.then_some(Waste { reason, usd: Some(usd), tokens: Some(count) })
        };
        let uncached = shares.uncached(tokens, rule.least_cached_tokens);
        let history = shares.without_history(tokens);
        let uncached = uncached.map(|(count, tokens)| (WasteReason::UncachedPrefix, count, tokens));
        let history = history.map(|(count, tokens)| (WasteReason::History, count, tokens));
        [uncached, history].into_iter().flatten().filter_map(instead).collect()
    }
}

impl Look<'_> {
    /// What is known of a print if it was said before this call and not too long ago. The call takes its place if it was answered.
    fn said(&self, kind: &str, print: u64, whole: Option<&Beginning>, within_ms: u64) -> Option<Said> {
        let text = format!("{kind}/{print}/{}", self.key);
        let slot = self.print_key.print(text.as_bytes());
        let now_s = u32::try_from(self.now_ms.div_euclid(1000)).unwrap_or(u32::MAX);
        let mut found = Said::default();
        let written = self.wastes.said.change(self.store, slot, now_s, &mut |words| {
            found = Said::read(words);
            let (messages, print) = whole.map_or((0, 0), |whole| (whole.messages, whole.print));
            Said { at_ms: self.now_ms, messages, print }.write(words);
            if self.answered { Slot::Written } else { Slot::Kept }
        });
        Some(found).filter(|found| written.is_ok() && found.was_before(self.began_ms, within_ms))
    }

    /// How many bytes of the request's beginning were said before.
    fn beginning_said(&self, outline: &Outline) -> u64 {
        let within_ms = self.wastes.rule.cached_for_ms;
        let head = outline.head.filter(|head| self.said("head", head.print, None, within_ms).is_some());
        let opened = outline.opening.and_then(|opening| {
            let said = self.said("opening", opening.print, outline.beginnings.last(), within_ms)?;
            let longest = |one: &&Beginning| one.messages == said.messages && one.print == said.print;
            Some(outline.beginnings.iter().find(longest).copied().unwrap_or(opening))
        });
        opened.or(head).map_or(0, |beginning| beginning.bytes)
    }
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.unix_nanos().div_euclid(1_000_000)).unwrap_or(0)
}
