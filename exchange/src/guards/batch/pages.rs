//! What guards saw, page by page: each page is read and written once for all keys that stand in it, and all guards that watch them.

use super::super::{Guarded, Guards};
use super::Judged;
use std::collections::BinaryHeap;
use tollgate_policy::{Episode, GuardRule, Past, PastPage, Pasts, Sample, SharedStore, Verdict};

/// What guards saw, by the page and the key, in the order in which it was seen.
pub(super) struct ByPage<'a> {
    seen: &'a [Guarded],
    /// A page, a part of a key's number, and a place among what was seen.
    order: Vec<u64>,
}

/// The pages, and how keys are judged.
pub(super) struct Pages<'a> {
    pub guards: &'a Guards,
    pub pasts: Pasts,
    /// Whether nothing departed from its past until now.
    pub is_calm: bool,
    pub store: &'a dyn SharedStore,
    pub now_s: u32,
}

/// The bits of an order that are a place: more than a batch can have.
const PLACE_BITS: u32 = 24;
/// Those of a page's number are the first.
const PAGE_BITS: u32 = Pasts::PAGES.trailing_zeros();

impl<'a> ByPage<'a> {
    /// Puts what was seen into its order. A heap sorts a little slower than slices do, and is 4 KB less code.
    pub fn of(seen: &'a [Guarded]) -> Self {
        let order = |(place, one): (u64, &Guarded)| {
            let key = (one.number >> 32 << 32) >> PAGE_BITS;
            (Pasts::page(one.number) << (64 - PAGE_BITS)) | (key >> PLACE_BITS << PLACE_BITS) | place
        };
        let order: BinaryHeap<u64> = (0..1 << PLACE_BITS).zip(seen).map(order).collect();
        Self { seen, order: order.into_sorted_vec() }
    }

    fn seen_at(&self, order: u64) -> Option<&'a Guarded> {
        self.seen.get(usize::try_from(order & ((1 << PLACE_BITS) - 1)).ok()?)
    }

    /// What was seen of each page.
    fn pages(&self) -> impl Iterator<Item = &[u64]> {
        self.order.chunk_by(|a, b| page(*a) == page(*b))
    }

    /// What was seen of each key of a page. Should a number's part not tell two of them apart, it may come in several pieces.
    fn keys<'b>(&self, page: &'b [u64]) -> impl Iterator<Item = &'b [u64]> {
        page.chunk_by(|a, b| self.seen_at(*a).map(|one| one.number) == self.seen_at(*b).map(|one| one.number))
    }
}

const fn page(order: u64) -> u64 {
    order >> (64 - PAGE_BITS)
}

impl<'a> Pages<'a> {
    /// Takes what was seen into the pasts. `found` hears what there is to say; `lost` counts what the store would not take.
    pub fn judge(&self, seen: &ByPage<'a>, lost: &mut u64, found: &mut dyn FnMut(Judged<'a>)) {
        let (mut judged, mut samples) = (Vec::new(), Vec::new());
        for of_page in seen.pages() {
            let change = &mut |page: &mut PastPage| {
                // Where another worker wrote first, all of the page is done again.
                judged.clear();
                for of_key in seen.keys(of_page) {
                    self.judge_key(seen, of_key, page, (&mut samples, &mut judged));
                }
            };
            let number = of_page.first().map_or(0, |order| page(*order));
            if self.pasts.change(self.store, number, change).is_ok() {
                judged.drain(..).for_each(&mut *found);
            } else {
                *lost = lost.saturating_add(u64::try_from(of_page.len()).unwrap_or(u64::MAX));
            }
        }
    }

    /// Takes what all guards saw of one key into its pasts.
    #[inline(never)]
    fn judge_key(
        &self,
        seen: &ByPage<'a>,
        of_key: &[u64],
        page: &mut PastPage,
        (samples, judged): (&mut Vec<Sample>, &mut Vec<Judged<'a>>),
    ) {
        for (guard, rule) in self.guards.rules.iter().enumerate() {
            samples.clear();
            let mut any = None;
            let all = of_key.iter().filter_map(|order| seen.seen_at(*order));
            for one in all.filter(|one| one.guard == guard) {
                samples.extend(one.sample);
                any = Some(one);
            }
            let Some(one) = any else { continue };
            let words = page.words(rule.past_id(one.number));
            let mut past = Past::read(&rule.judge, words, self.now_s);
            let episode = past.absorb(&rule.judge, self.now_s, samples);
            past.write(words);
            let goes_on = past.fired_s > 0 && past.until_s(&rule.judge) > self.now_s;
            if episode.is_some() || goes_on || !self.is_calm && self.is_known(rule, &one.key) {
                judged.push(self.say(rule, &one.key, (&past, episode, goes_on)));
            }
        }
    }

    /// Whether workers go by a verdict about the key.
    #[cold]
    fn is_known(&self, rule: &GuardRule, key: &str) -> bool {
        self.guards.verdict(rule, key, 0).is_some()
    }

    /// What there is to say of a key with this past.
    #[cold]
    #[inline(never)]
    fn say(
        &self,
        rule: &'a GuardRule,
        key: &'a str,
        (past, episode, goes_on): (&Past, Option<Episode>, bool),
    ) -> Judged<'a> {
        let excess = past.excess(&rule.judge, self.now_s);
        let until_s = past.until_s(&rule.judge);
        let verdict = goes_on.then_some(Verdict { since_s: past.fired_s, until_s, excess });
        Judged { rule, key, episode, verdict, shown: past.shown(&rule.judge, self.now_s) }
    }
}
