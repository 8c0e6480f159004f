//! The end of a call: Reported -> TokenCounts -> Quote -> Record, and what stores are told.

use crate::agents::Outcome;
use crate::batches::without_usage;
use crate::bill::{Bill, region};
use crate::config::Estimate;
use crate::exchange::{Exchange, Phase};
use crate::guards::Guarded;
use crate::waste::Wastes;
use std::mem;
use tollgate_policy::{Lease, NoStore, Op, Quota, Required, Sent, SharedStore, StoreRef};
use tollgate_pricing::{PicoUsd, TokenCounts};
use tollgate_record::{Record, Timestamp, Tokens, UsageSource};
use tollgate_wire::{CountTokens, Ended, NoVocabulary, Problem, Reported, ReportedUsage, Source};

/// Who made a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredBy {
    /// The provider.
    Upstream,
    /// The proxy: a time-out, a reset. The provider may have worked, and bill for it.
    Proxy,
    /// The proxy, or nobody, before any upstream was picked: a later filter refused, no route, no healthy host. Nothing was sent.
    Nobody,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub struct Finish {
    /// When.
    pub now: Timestamp,
    /// Whether the response was seen to its end, or the stream was cut.
    pub ended: Ended,
    /// Who made the response.
    pub answered_by: AnsweredBy,
}

/// What settling may ask for beyond the call itself.
#[derive(Clone, Copy)]
pub struct Aids<'a> {
    /// Counts tokens that nobody reported.
    pub vocabulary: &'a dyn CountTokens,
    /// Whether results of a batch, told apart by this text, have not been counted yet. It is asked only about those.
    pub first_time: &'a dyn Fn(&str) -> bool,
    /// What all workers share. It is asked only where a rule about agents is, or waste is looked for.
    pub store: &'a dyn SharedStore,
    /// Whether it was the client that broke off. It is asked only of an answer that was cut, where waste is looked for.
    pub client_left: &'a dyn Fn() -> bool,
}

/// A settled call.
#[derive(Clone, Debug)]
pub struct Settled {
    /// What is emitted.
    pub record: Record,
    /// What each store is to book; the record's id makes a booking unique.
    pub bookings: Vec<(StoreRef, Vec<Op>)>,
    /// What stats need besides the record.
    pub counts: Counts,
}

/// What stats need besides the record.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Tokens as they are billed: disjoint.
    pub tokens: TokenCounts,
    /// The catalogue's or the configuration's name of the model; `None` if neither knows it.
    pub model: Option<String>,
    /// The provider has said when it takes the model away, or its price changes on a day that is known.
    pub retires: bool,
    /// How far the provider's own figure and our quote at list price are apart.
    pub drift: Option<PicoUsd>,
    /// The host of a call whose answer could not be read, and why.
    pub unmetered: Option<(String, &'static str)>,
    /// Kinds of trouble for `tollgate_errors`.
    pub errors: Vec<&'static str>,
    /// There are quotas, and none is about the call.
    pub unbudgeted: bool,
    /// The call went upstream without any bound on its answer, where that is looked for.
    pub unlimited_output: bool,
    /// Names of the tags that the call does not carry.
    pub absent_tags: Vec<String>,
    /// Names of the tags for which the client claimed something else than what it cannot make up.
    pub tag_conflicts: Vec<String>,
    /// What guards saw.
    pub guarded: Vec<Guarded>,
    /// A candidate has judged the call, too; where it differs, the record says how.
    pub tried: bool,
}

impl Exchange {
    /// Ends the call. It takes the exchange, so nothing can be settled twice.
    pub fn settle(self: Box<Self>, finish: Finish) -> Settled {
        let aids = Aids {
            vocabulary: &NoVocabulary,
            first_time: &|_| true,
            store: &NoStore,
            client_left: &|| false,
        };
        self.settle_with(finish, aids)
    }

    /// The same with what else there is to ask.
    pub fn settle_with(mut self: Box<Self>, finish: Finish, aids: Aids<'_>) -> Settled {
        self.abandon_asking();
        if finish.answered_by == AnsweredBy::Nobody {
            self.never_sent();
        }
        self.resolve_body_tags();
        let mut reported = self.reported(finish.ended, aids);
        self.measure_time(&mut reported, &finish);
        let bill = Bill::new(&self, &reported, finish.answered_by);
        let trial = self.plan.trial.take();
        let trial = trial.map(|trial| self.close_trial(*trial, (&reported, &bill), &finish, aids.store));
        let wasted = |wastes: &Wastes| self.wasted(wastes, &reported, &bill, &finish, aids);
        let waste = self.rules.waste.as_deref().map(wasted).unwrap_or_default();
        let mut record = self.record(&mut reported, finish.now);
        let usage = tollgate_policy::Usage {
            cost: bill.cost.usd,
            input: record.tokens.input,
            output: record.tokens.output,
        };
        if self.plan.watched.is_some() {
            let outcome = self.outcome(&finish);
            (record.workflow, record.retry) = self.close_watch(aids.store, usage.cost, outcome, &finish);
        }
        record.waste = waste;
        record.parts = bill.parts;
        record.conditions = bill.conditions;
        record.cost = bill.cost;
        let errors = reported.problems.iter().filter_map(error_kind).chain(bill.errors);
        let mut counts = Counts {
            tokens: bill.tokens,
            model: bill.model,
            retires: bill.retires,
            drift: bill.drift,
            ..Counts::default()
        };
        counts.errors = self.errors.iter().copied().chain(errors).collect();
        counts.errors.dedup();
        counts.unmetered = unread(&reported).map(|reason| (self.host().to_owned(), reason));
        counts.tag_conflicts = self.tags.conflicts().to_vec();
        counts.unbudgeted = self.plan.unbudgeted;
        let unlimited = |wastes: &Wastes| self.has_no_output_limit(wastes);
        counts.unlimited_output = self.rules.waste.as_deref().is_some_and(unlimited);
        counts.absent_tags = self.tags.absent().map(str::to_owned).collect();
        if self.rules.guards.is_some() {
            counts.guarded = self.guarded(&record, &finish);
        }
        let mut bookings = self.bookings(&usage);
        if let Some(trial) = trial {
            counts.tried = trial.both_decided;
            record.candidate = trial.differs;
            bookings.extend((!trial.ops.is_empty()).then_some((StoreRef::Local, trial.ops)));
        }
        record.tags = self.tags.take_pairs();
        Settled { record, bookings, counts }
    }

    /// What was admitted here went no further: nothing was used, and what the proxy answered is no provider's answer.
    #[cold]
    fn never_sent(&mut self) {
        self.phase = Phase::Replied;
        self.response = None;
    }

    pub(crate) fn outcome(&self, finish: &Finish) -> Outcome {
        match (self.was_sent(), self.status, finish.ended) {
            (false, ..) => Outcome::NotSent,
            (true, Some(status), Ended::Complete) if status < 400 => Outcome::Answered,
            (true, ..) => Outcome::Failed,
        }
    }

    fn reported(&mut self, ended: Ended, aids: Aids<'_>) -> Reported {
        let Some(reader) = self.response.take() else { return Reported::default() };
        let counts = self.rules.estimate == Estimate::Auto;
        let counter = if counts { aids.vocabulary } else { &NoVocabulary };
        let reported = reader.finish_counting(ended, &self.reader, counter);
        if !(self.target.call.is_fetch() || reported.background) || reported.usage.is_none() {
            return reported;
        }
        let whole = self.status == Some(200) && reported.source == Source::Reported;
        let counts = whole && self.counts_once(&reported, aids);
        if counts { reported } else { without_usage(reported) }
    }

    /// Whether what is told again and again is told for the first time: by the request that has it made or by one that fetches it.
    /// What was not made in the background was counted when it was made.
    #[cold]
    #[inline(never)]
    fn counts_once(&self, reported: &Reported, aids: Aids<'_>) -> bool {
        match (&reported.id, self.target.call.is_batch()) {
            (_, true) => (aids.first_time)(&self.place()),
            (Some(id), false) => reported.background && (aids.first_time)(id),
            (None, false) => false,
        }
    }

    /// The record without its cost and its tags. It takes the texts out of what was reported.
    fn record(&self, reported: &mut Reported, now: Timestamp) -> Record {
        let region = region(self, reported).map(str::to_owned);
        let usage = reported.usage.as_ref();
        let facts = self.reader.facts();
        Record {
            id: self.id.to_text(),
            time: self.started,
            operation: self.target.call.operation().as_str().to_owned(),
            provider: self.target.call.provider().to_owned(),
            request_model: self.sent_or_asked_model().map(str::to_owned),
            asked_model: self.plan.asked.clone().filter(|_| self.was_sent()),
            reserved: self.reserved_usd(),
            response_model: reported.model.take(),
            response_id: reported.id.take(),
            finish_reasons: mem::take(&mut reported.finish_reasons),
            tokens: usage.map(tokens).unwrap_or_default(),
            units: usage.map(units).unwrap_or_default(),
            usage_source: source(reported.source),
            inconsistent: reported.problems.has(Problem::Inconsistent)
                || usage.is_some_and(|u| u.inconsistent),
            missing_tags: self.missing_tags(),
            decision: self.decision.clone(),
            shadow: self.shadow.clone(),
            stream: self.response_was_stream(reported).or(facts.stream),
            ttft_ms: self.first_content.and_then(|t| t.millis_since(self.started)),
            duration_ms: now.millis_since(self.started),
            http_status: self.status,
            service_tier: reported.service_tier.take(),
            region,
            speed: reported.speed.take(),
            price_version: self.rules.price_version.clone(),
            config_version: self.rules.version.clone(),
            ..Record::default()
        }
    }

    /// The model that went upstream; of a call that did not, the one asked for.
    fn sent_or_asked_model(&self) -> Option<&str> {
        let asked = self.plan.asked.as_deref().filter(|_| !self.was_sent());
        asked.or_else(|| self.model())
    }

    fn response_was_stream(&self, reported: &Reported) -> Option<bool> {
        (self.was_sent() && self.status.is_some()).then_some(reported.stream)
    }

    fn missing_tags(&self) -> Vec<String> {
        let required = self.rules.tags.missing(&self.tags).filter(|tag| tag.required != Required::No);
        required.map(|tag| tag.name.clone()).collect()
    }

    /// Whether it only asked for results, and there were none that had not been counted. To ask is no call of a model.
    fn fetched_nothing(&self, usage: &tollgate_policy::Usage) -> bool {
        self.target.call.is_fetch() && *usage == tollgate_policy::Usage::default()
    }

    /// What each store books: all that one store holds of this call goes there together.
    pub(crate) fn bookings(&self, usage: &tollgate_policy::Usage) -> Vec<(StoreRef, Vec<Op>)> {
        let sent = if self.was_sent() && !self.fetched_nothing(usage) { Sent::Yes } else { Sent::No };
        let mut bookings: Vec<(StoreRef, Vec<Op>)> = Vec::new();
        let all = self.leases.len().saturating_add(self.plan.void.len());
        let current = self.leases.iter().map(|(quota, store, lease)| (quota, store, *lease, sent));
        let has = |quota: &Quota| self.leases.iter().any(|(other, _, _)| other.op.key == quota.op.key);
        let void = self.plan.void.iter().filter(|(quota, _)| !has(quota));
        let void = void.map(|(quota, store)| (quota, store, Lease::default(), Sent::No));
        for (quota, store, lease, sent) in current.chain(void) {
            let op = quota.settle(lease, usage, sent);
            match bookings.iter_mut().find(|(s, _)| s == store) {
                Some((_, ops)) => ops.push(op),
                None => {
                    let mut ops = Vec::with_capacity(all);
                    ops.push(op);
                    bookings.push((*store, ops));
                }
            }
        }
        bookings
    }
}

pub(crate) fn tokens(usage: &ReportedUsage) -> Tokens {
    Tokens {
        input: usage.input,
        output: usage.output,
        cache_read: usage.cache_read,
        cache_creation: usage.cache_write,
        cache_creation_1h: usage.cache_write_1h,
        reasoning: usage.reasoning,
        audio_input: usage.input_audio,
        audio_output: usage.output_audio,
        image_input: usage.input_image,
        image_output: usage.output_image,
        video_input: usage.input_video,
        video_output: usage.output_video,
        cache_read_audio: usage.cache_read_audio,
        cache_read_image: usage.cache_read_image,
        cache_read_video: usage.cache_read_video,
        citation: usage.citation,
    }
}

pub(crate) fn units(usage: &ReportedUsage) -> Vec<(String, String)> {
    usage.units.iter().map(|(kind, quantity)| (kind.name().to_owned(), quantity.to_string())).collect()
}

const fn source(source: Source) -> UsageSource {
    match source {
        Source::Reported => UsageSource::Reported,
        Source::Partial => UsageSource::Partial,
        Source::Estimated => UsageSource::Estimated,
        Source::None => UsageSource::None,
    }
}

/// Why an answer that should have a report could not be read.
fn unread(reported: &Reported) -> Option<&'static str> {
    let problems = reported.problems;
    match (&reported.usage, problems.has(Problem::Overlong), problems.has(Problem::Encoded)) {
        (Some(_), _, _) | (None, false, false) => None,
        (None, true, _) => Some("overlong"),
        (None, false, true) => Some("encoding"),
    }
}

/// The kind under which a problem with a body counts; what the provider says of itself is no trouble of ours.
fn error_kind(problem: Problem) -> Option<&'static str> {
    match problem {
        Problem::Inconsistent | Problem::ErrorInStream => None,
        Problem::Overlong => Some("limit"),
        _ => Some("decoder"),
    }
}
