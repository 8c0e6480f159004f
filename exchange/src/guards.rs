//! Guards: what calls showed goes into their keys' pasts, and what departs from its past is acted on.
//!
//! A call that ends costs a look-up in its worker's [`GuardBatch`]. By tick the batch is taken into the pasts in shared data, and
//! the table of verdicts is read, which is empty as long as nothing is wrong; a request only looks at the worker's own copy of it.

mod batch;

pub use batch::{Departed, Flushed, GuardBatch};

use crate::agents::Outcome;
use crate::config::Rules;
use crate::exchange::Exchange;
use crate::reply::Refusal;
use crate::settle::{AnsweredBy, Finish};
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use tollgate_policy::{GuardRule, Sample, Seen, SharedStore, Tags, Verdict, Verdicts, Watch};
use tollgate_record::{Record, Timestamp};

/// The guards of a configuration, and what this worker knows to depart from its past.
#[derive(Debug)]
pub struct Guards {
    /// The rules.
    pub rules: Vec<GuardRule>,
    /// Whether one of them wants to know which calls repeat what was said.
    pub(crate) watches_repeats: bool,
    /// A candidate's guards look at the same.
    firing: Rc<RefCell<Firing>>,
}

#[derive(Debug, Default)]
struct Firing {
    /// As they are stored, and read.
    bytes: Vec<u8>,
    verdicts: Verdicts,
    /// Whether some verdict is of a guard that needs to see the body.
    needs_body: bool,
    rewrites: bool,
}

/// What one guard saw of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// Which guard.
    pub guard: usize,
    /// The key that the call falls under.
    pub key: Rc<str>,
    /// The number under which the key's past is kept.
    pub number: u64,
    /// What it showed; `None` if that is not known.
    pub sample: Option<Sample>,
}

impl Guards {
    /// `None` if there are none.
    #[cold]
    #[inline(never)]
    pub(crate) fn new(rules: Vec<GuardRule>) -> Option<Box<Self>> {
        let any = !rules.is_empty();
        let watches_repeats = rules.iter().any(watches_repeats);
        any.then(|| Box::new(Self { rules, watches_repeats, firing: Rc::default() }))
    }

    /// Goes by what other guards of the same names have noticed.
    #[cold]
    pub(crate) fn share_verdicts(&mut self, others: &Self) {
        self.firing = Rc::clone(&others.firing);
    }

    /// Reads what departs from its past by now. `true` if that is another table than before.
    pub(crate) fn refresh(&self, namespace: &str, store: &dyn SharedStore) -> bool {
        let Ok(found) = store.read(&verdicts_key(namespace)) else { return false };
        let bytes = found.map(|(bytes, _)| bytes).unwrap_or_default();
        let Ok(mut firing) = self.firing.try_borrow_mut() else { return false };
        if firing.bytes == bytes {
            return false;
        }
        let verdicts = Verdicts::from_bytes(&bytes);
        let any = |is: fn(&GuardRule) -> bool| {
            let of =
                |(name, _, _): (&str, &str, &Verdict)| self.rules.iter().any(|r| r.name == name && is(r));
            verdicts.iter().any(of)
        };
        let (needs_body, rewrites) = (any(GuardRule::needs_body), any(|rule| rule.then.rewrites()));
        *firing = Firing { bytes, verdicts, needs_body, rewrites };
        true
    }

    /// How many keys of a guard depart from their past.
    pub(crate) fn count(&self, guard: &str) -> u64 {
        let firing = self.firing.borrow();
        let own = firing.verdicts.iter().filter(|(name, _, _)| *name == guard);
        u64::try_from(own.count()).unwrap_or(u64::MAX)
    }

    /// Whether what to do about calls depends on what their bodies say.
    pub(crate) fn needs_body(&self) -> bool {
        self.firing.borrow().needs_body
    }

    /// Whether requests may have to be changed.
    pub(crate) fn rewrites(&self) -> bool {
        self.firing.borrow().rewrites
    }

    /// Whether a tag that the body, not read yet, may decide has to be known.
    #[cold]
    #[inline(never)]
    pub(crate) fn needs_open_tag(&self, tags: &Tags) -> bool {
        let calm = self.firing.borrow().verdicts.is_empty();
        !calm && self.rules.iter().any(|rule| rule.needs_open_tag(tags))
    }

    fn verdict(&self, rule: &GuardRule, key: &str, now_s: u32) -> Option<Verdict> {
        let firing = self.firing.borrow();
        firing.verdicts.find(&rule.name, key).filter(|verdict| verdict.until_s > now_s).copied()
    }

    fn is_calm(&self) -> bool {
        self.firing.borrow().verdicts.is_empty()
    }

    /// Whether some verdict has run out, which is no reason any more to look at calls, or to wait for their bodies.
    fn has_run_out(&self, now_s: u32) -> bool {
        self.firing.borrow().verdicts.iter().any(|(_, _, verdict)| verdict.until_s <= now_s)
    }
}

impl Guarded {
    /// What a guard saw of a call of a key.
    fn new(guard: usize, key: &str, sample: Option<Sample>) -> Self {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        Self { guard, key: key.into(), number: hasher.finish(), sample }
    }
}

impl Exchange {
    /// Heeds the guards. `Some` refuses the call.
    pub(crate) fn heed_guards(&mut self) -> Option<Refusal> {
        if self.rules.guards.as_ref().is_none_or(|guards| guards.is_calm()) {
            return None;
        }
        self.heed_verdicts()
    }

    #[cold]
    #[inline(never)]
    fn heed_verdicts(&mut self) -> Option<Refusal> {
        let rules = Rc::clone(&self.rules);
        let guards = rules.guards.as_deref()?;
        let now_s = seconds(self.started);
        guards.rules.iter().find_map(|rule| {
            let verdict = guards.verdict(rule, &rule.key(&self.asked_facts())?, now_s)?;
            let left_s = i64::from(verdict.until_s.saturating_sub(now_s));
            let refusal = Refusal::guard(&rule.name, rule.judge.watch.name(), left_s);
            // Which of the calls wait is drawn by their number, so that all workers let the same share pass.
            let draw = u8::try_from(self.id.sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).unwrap_or(0);
            let wait_s = (draw < verdict.excess).then(|| u32::from(verdict.excess / 8).saturating_add(1));
            self.apply(&rule.name, &rule.then, rule.mode, wait_s, refusal)
        })
    }

    /// What each guard saw of the call.
    #[cold]
    #[inline(never)]
    pub(crate) fn guarded(&self, record: &Record, finish: &Finish) -> Vec<Guarded> {
        let Some(guards) = self.rules.guards.as_deref() else { return Vec::new() };
        let sent = self.was_sent();
        let seen = Seen {
            cost: record.cost.usd.filter(|_| sent),
            input: record.tokens.input.filter(|_| sent),
            cached: record.tokens.cache_read.filter(|_| sent),
            output: record.tokens.output.filter(|_| sent),
            failed: self.failed(finish),
            untagged: !record.missing_tags.is_empty(),
            // What fails is said again for a reason.
            repeats: self.plan.repeats.filter(|_| self.outcome(finish) == Outcome::Answered),
        };
        let facts = self.asked_facts();
        let mut guarded: Vec<Guarded> = Vec::with_capacity(guards.rules.len());
        for (guard, rule) in guards.rules.iter().enumerate().filter(|(_, rule)| rule.when.matches(&facts)) {
            // Guards mostly tell calls apart by the same.
            let sample = rule.judge.sample(&seen);
            let like = |last: &&Guarded| guards.rules.get(last.guard).is_some_and(|of| rule.has_keys_of(of));
            let one = match guarded.last().filter(like) {
                Some(last) => Guarded { guard, sample, ..last.clone() },
                None => Guarded::new(guard, &rule.key_of(&facts), sample),
            };
            guarded.push(one);
        }
        guarded
    }

    /// Whether the call failed upstream; `None` if nobody can tell: it was not sent, or the client went away first.
    fn failed(&self, finish: &Finish) -> Option<bool> {
        let answered = self.status.map(|status| status >= 400);
        let by_proxy = (finish.answered_by == AnsweredBy::Proxy).then_some(true);
        answered.or(by_proxy).filter(|_| self.was_sent())
    }

    /// The facts as the client wants them: a key stays the same when another model is sent for it.
    fn asked_facts(&self) -> tollgate_policy::Facts<'_> {
        tollgate_policy::Facts { model: self.asked_model(), ..self.facts() }
    }
}

impl Rules {
    /// Reads which keys depart from their past by now, so that rules that take the place of others act on them from their first call
    /// on, not from the next tick.
    #[cold]
    pub fn hear_guards(&self, store: &dyn SharedStore) {
        if let Some(guards) = self.guards.as_deref() {
            guards.refresh(&self.namespace, store);
        }
    }

    /// Which guards, keys and verdicts there are right now, read from shared data.
    pub(crate) fn verdicts(&self, store: &dyn SharedStore) -> Verdicts {
        let found = store.read(&verdicts_key(&self.namespace)).ok().flatten();
        found.map(|(bytes, _)| Verdicts::from_bytes(&bytes)).unwrap_or_default()
    }
}

/// Whether a guard wants to know which calls repeat what their workflow has said.
pub(crate) fn watches_repeats(rule: &GuardRule) -> bool {
    rule.judge.watch == Watch::RepeatedShare
}

fn verdicts_key(namespace: &str) -> String {
    format!("tg/1/{}/guards", namespace.replace('%', "%25").replace('/', "%2F"))
}

fn seconds(now: Timestamp) -> u32 {
    u32::try_from(now.unix_seconds()).unwrap_or(u32::MAX)
}
