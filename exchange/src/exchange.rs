//! The step machine: one call from its request's head to its settlement.

use crate::admission::Batch;
use crate::config::{Hold, OnUnmetered, Rules, UnknownModel, Upstream, early_facts};
use crate::dry_run;
use crate::edits::{injection, remove_own_headers, request_edits};
use crate::head::{Head, HeaderPairs};
use crate::plan::Plan;
use crate::reply::{LocalReply, Refusal};
use crate::tagging::resolve_tags;
use crate::target::Target;
use std::rc::Rc;
use tollgate_policy::{
    Facts, Lease, Otherwise, Quota, QuotaRule, ReservationId, StoreFailure, StoreRef, Tags,
};
use tollgate_record::{Decision, Timestamp};
use tollgate_wire::{
    Call, End, Injection, Reason, RequestFacts, RequestHead, RequestReader, ResponseHead, ResponseReader,
    Traffic, classify,
};

/// What a request is to Tollgate.
pub enum Start {
    /// No LLM call: it is not looked at again.
    Ignore,
    /// An LLM host is called, but nothing can be metered.
    Unmetered(Unmetered),
    /// An LLM call. Apply the edits to the request's headers, then perform the step.
    Begin(Box<Exchange>, Vec<HeaderEdit>, Step),
}

/// A call that cannot be metered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmetered {
    /// The host, without its port.
    pub host: String,
    /// Why.
    pub reason: &'static str,
    /// The answer to the client, where the configuration has such calls refused; else the call goes by.
    pub refusal: Option<LocalReply>,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hold the request, and feed [`Exchange::held_body`] what arrives.
    NeedBody,
    /// Have a store perform [`Exchange::pending`], and call [`Exchange::resume`] with its answer.
    Ask,
    /// Answer the client; nothing goes upstream.
    Reply(LocalReply),
    /// Give the exchange what all workers share: [`Exchange::recall`].
    Recall,
    /// Let the request go.
    Pass,
}

/// A change to headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// The header has this one value from now on.
    Set(&'static str, String),
    /// The header is gone.
    Remove(String),
}

/// One LLM call, from its request's head to its settlement.
pub struct Exchange {
    pub(crate) rules: Rc<Rules>,
    pub(crate) id: ReservationId,
    pub(crate) started: Timestamp,
    pub(crate) target: Rc<Target>,
    pub(crate) tags: Tags,
    pub(crate) reader: RequestReader,
    pub(crate) decision: Decision,
    pub(crate) shadow: Vec<String>,
    pub(crate) leases: Vec<(Quota, StoreRef, Lease)>,
    pub(crate) response: Option<ResponseReader>,
    pub(crate) status: Option<u16>,
    pub(crate) first_content: Option<Timestamp>,
    pub(crate) errors: Vec<&'static str>,
    route: Option<String>,
    cluster: Option<String>,
    pub(crate) phase: Phase,
    /// Kept while the body, which was not read yet, may still decide tags.
    pub(crate) head: Option<Box<Head>>,
    /// Reads the held body ahead of `reader`, whose place it takes if the body then goes on as it came.
    pub(crate) probe: Option<RequestReader>,
    pub(crate) batches: std::vec::IntoIter<Batch>,
    pub(crate) injection: Injection,
    pub(crate) plan: Plan,
}

#[derive(Debug)]
pub(crate) enum Phase {
    Deciding,
    Holding,
    Asking(Batch),
    Passing,
    Replied,
}

impl Exchange {
    /// Looks at a request's head. `id` is asked for only if it is an LLM call.
    pub fn start(
        rules: &Rc<Rules>,
        head: &Head,
        id: impl FnOnce() -> ReservationId,
        now: Timestamp,
    ) -> Start {
        if let Some(target) = rules.targets.find(rules, head) {
            return Self::begin(rules, head, target, id, now);
        }
        let host = without_port(head.text(":authority"));
        let path = head.text(":path");
        let no_tags = Tags::default();
        let upstream = rules.upstream(&early_facts(&no_tags, host, path, head));
        match classify(&request_head(head), upstream.map(|upstream| &upstream.wire)) {
            Traffic::Other => Start::Ignore,
            Traffic::Unmetered(reason) => Start::Unmetered(Unmetered {
                host: host.to_owned(),
                reason: reason.as_str(),
                refusal: upstream
                    .and_then(|upstream| refusal(upstream, reason))
                    .or_else(|| dry_run::refusal(head, reason)),
            }),
            Traffic::Llm(call) => {
                let target = Rc::new(Target::new(call, host, path));
                rules.targets.keep(rules, head, &target);
                Self::begin(rules, head, target, id, now)
            }
        }
    }

    fn begin(
        rules: &Rc<Rules>,
        head: &Head,
        target: Rc<Target>,
        id: impl FnOnce() -> ReservationId,
        now: Timestamp,
    ) -> Start {
        let injection = injection(head, &target.call);
        let mut edits = request_edits(head, injection);
        let asks_dry_run = dry_run::asked_for(head, &edits);
        let dry_run = asks_dry_run && rules.dry_run == Otherwise::Pass;
        // What is not sent has no record, so it takes no number either: numbers have no gaps.
        let id = if dry_run { ReservationId::default() } else { id() };
        let mut exchange = Self::new(rules, head, target, (id, now), injection);
        exchange.plan.dry_run = dry_run;
        let step = match asks_dry_run && !dry_run {
            true => exchange.refuse(Refusal::dry_run()),
            false => exchange.decide(head),
        };
        if let Some(candidate) = rules.candidate.as_deref().filter(|_| !asks_dry_run) {
            exchange.try_out(candidate, head);
        }
        edits.extend(rules.tags.stripped().map(|name| HeaderEdit::Remove(name.to_owned())));
        Start::Begin(exchange, edits, step)
    }

    /// A call of which nothing is decided yet. It came at `started`.
    pub(crate) fn new(
        rules: &Rc<Rules>,
        head: &Head,
        target: Rc<Target>,
        (id, started): (ReservationId, Timestamp),
        injection: Injection,
    ) -> Box<Self> {
        Box::new(Self {
            rules: Rc::clone(rules),
            id,
            started,
            tags: resolve_tags(rules, head, head.ends.then_some(&[])),
            reader: request_reader(rules, &target.call, injection),
            decision: Decision::default(),
            shadow: Vec::new(),
            leases: Vec::new(),
            response: None,
            status: None,
            first_content: None,
            errors: Vec::new(),
            route: head.route.clone(),
            cluster: head.cluster.clone(),
            phase: Phase::Deciding,
            head: (!rules.tags.pointers().is_empty()).then(|| Box::new(head.clone())),
            probe: None,
            batches: Vec::new().into_iter(),
            injection,
            plan: Plan::default(),
            target,
        })
    }

    pub(crate) fn decide(&mut self, head: &Head) -> Step {
        self.plan_for(head);
        if let Some(refusal) = self.without_required_tag() {
            return self.refuse(refusal);
        }
        if self.target.call.is_fetch() {
            return self.let_fetch();
        }
        if head.ends || (!self.needs_body() && !self.needs_open_tag() && !self.plan.dry_run) {
            return self.admit();
        }
        // Where only the body waits the headers go upstream, which a dry run must not do.
        if self.plan.dry_run && !(self.can_hold(head) && self.holds_headers()) {
            return self.admit();
        }
        if !self.can_hold(head) {
            return self.unheld();
        }
        self.phase = Phase::Holding;
        self.watch_body();
        self.probe = Some(request_reader(&self.rules, &self.target.call, self.injection));
        Step::NeedBody
    }

    /// A rule needs a body that cannot be held. If the configuration does not say what then, the call passes, unless it may lack a tag
    /// without which none is to pass: whoever hides its body must not get around that.
    pub(crate) fn unheld(&mut self) -> Step {
        self.errors.push("limit");
        match self.plan.limits.on_large_body() {
            Some(Otherwise::Pass) => self.admit(),
            Some(Otherwise::Deny) => self.refuse(Refusal::unheld(self.plan.limits.most_held_bytes())),
            None => match self.with_unseen_tag() {
                Some(refusal) => self.refuse(refusal),
                None => self.admit(),
            },
        }
    }

    /// Whether a rule that may be about the call depends on what its body says.
    fn needs_body(&self) -> bool {
        let rules = &self.rules;
        let facts = self.facts();
        let unknown = facts.model.is_none();
        (unknown && rules.unknown_model == UnknownModel::Deny)
            || rules.quotas.iter().any(|quota| quota.needs_body() && quota.when.may_match(&facts))
            || rules.routes.iter().any(|route| unknown && route.when.may_match(&facts))
            || self.route_asks_for_tools()
            || rules.limits.iter().any(|limit| limit.needs_body() && limit.when.may_match(&facts))
            || rules.guards.as_ref().is_some_and(|guards| guards.needs_body())
            || rules.agents.as_ref().is_some_and(|agents| agents.needs_body(&facts))
    }

    /// Whether the end of a held body has to be waited for, although what it asks for is known: it may be changed.
    pub(crate) fn may_be_rewritten(&self) -> bool {
        let rules = &self.rules;
        let quota = |quota: &QuotaRule| quota.steps.rewrites() || quota.bounds_output();
        rules.quotas.iter().any(quota)
            || rules.routes.iter().any(tollgate_policy::RouteRule::rewrites)
            || rules.limits.iter().any(tollgate_policy::LimitRule::needs_body)
            || rules.guards.as_ref().is_some_and(|guards| guards.rewrites())
            || rules.agents.as_ref().is_some_and(|agents| agents.rewrites())
    }

    /// Where the call is served, as far as its host and path say it.
    pub(crate) fn region(&self) -> Option<&str> {
        self.target.region.as_deref()
    }

    fn can_hold(&self, head: &Head) -> bool {
        let readable = head.headers.value("content-encoding").is_none();
        let limits = &self.plan.limits;
        let bounded =
            head.content_length().map_or(limits.holds_chunked(), |length| length <= limits.most_held_bytes());
        self.rules.hold != Hold::Never && !head.ends && readable && bounded
    }

    /// Whether the request's headers wait too while its body is held.
    pub fn holds_headers(&self) -> bool {
        self.rules.hold == Hold::Headers
    }

    /// Whether a held request is waiting for its body.
    pub fn is_holding(&self) -> bool {
        matches!(self.phase, Phase::Holding)
    }

    /// Whether a store is being asked.
    pub fn is_asking(&self) -> bool {
        matches!(self.phase, Phase::Asking(_))
    }

    /// The rules that admitted the call, and that will settle it.
    pub fn rules(&self) -> Rc<Rules> {
        Rc::clone(&self.rules)
    }

    /// Whether a piece of the response may have to be replaced.
    pub fn may_replace_response(&self) -> bool {
        self.response.is_some() && (self.reader.facts().injected || self.plan.cut.is_some())
    }

    /// The call's id.
    pub fn id(&self) -> ReservationId {
        self.id
    }

    /// Whether the client got an error.
    pub fn is_error(&self) -> bool {
        self.status.is_some_and(|status| status >= 400)
    }

    /// Whether it was let go and no provider is known to have answered: it may never have been sent.
    pub fn may_lack_an_answer(&self) -> bool {
        self.was_sent() && self.status.is_none_or(|status| status >= 400)
    }

    /// What the store is to perform under [`Step::Ask`], and the instant that windows are reckoned by.
    pub fn pending(&self) -> Option<&Batch> {
        match &self.phase {
            Phase::Asking(batch) => Some(batch),
            _ => None,
        }
    }

    /// Whether what is asked of the local store belongs to one that is away: what others took counts too.
    pub fn asks_stand_in(&self) -> bool {
        let rule = self.pending().and_then(|batch| {
            batch.quotas.first().filter(|_| batch.store == StoreRef::Local).map(|quota| quota.rule)
        });
        rule.and_then(|rule| self.rules.quotas.get(rule)).is_some_and(|rule| rule.store != StoreRef::Local)
    }

    /// Decides about a request whose body or whose store's answer does not come, and counts it.
    pub fn give_up_waiting(&mut self) -> Step {
        match self.phase {
            Phase::Holding => {
                self.tire_candidate();
                self.unheld()
            }
            Phase::Asking(_) => self.resume(Err(StoreFailure)),
            _ => Step::Pass,
        }
    }

    /// Takes back that the body may grow: the host would not raise its announced length.
    pub fn forgo_injection(&mut self) {
        self.injection = Injection::Off;
        self.reader = request_reader(&self.rules, &self.target.call, Injection::Off);
        // Nothing of a held body has come yet.
        self.probe =
            self.probe.take().map(|_| request_reader(&self.rules, &self.target.call, Injection::Off));
    }

    /// The response's head. The edits are for the client's eyes.
    pub fn response_head(&mut self, headers: &HeaderPairs) -> Vec<HeaderEdit> {
        self.status = headers.text(":status").and_then(|s| s.parse().ok());
        // Where only the body waits, the upstream has the headers and may answer before anything is decided.
        if self.rules.hold == Hold::Body && matches!(self.phase, Phase::Holding) {
            self.phase = Phase::Passing;
            self.free_candidate();
        }
        let mut edits = remove_own_headers(headers);
        if self.was_sent() {
            edits.extend(self.open_response(headers));
        }
        edits.extend(self.own_headers());
        edits
    }

    fn open_response(&mut self, headers: &HeaderPairs) -> Option<HeaderEdit> {
        let counts = headers.beginning(BEDROCK);
        let pairs: Vec<_> = counts.filter_map(|(k, v)| Some((str(k)?, str(v)?))).collect();
        let head = ResponseHead {
            status: self.status.unwrap_or(0),
            content_type: headers.text("content-type"),
            content_encoding: headers.text("content-encoding"),
            headers: &pairs,
        };
        let reader = ResponseReader::new(&self.target.call, self.reader.facts(), &head)
            .within(&self.rules.decoder_memory);
        let counts = self.rules.estimate.counts() || self.plan.cut.is_some();
        self.response = Some(if counts { reader.estimating() } else { reader });
        // The body may come out shorter than announced once our own usage chunk is taken out of it.
        let changes = self.reader.facts().injected || self.plan.cut.is_some();
        let shrinks = changes && headers.value("content-length").is_some();
        shrinks.then(|| HeaderEdit::Remove("content-length".to_owned()))
    }

    /// A piece of the response's body on its way to the client; `Some` replaces it. `now` is asked for once.
    pub fn response_body(
        &mut self,
        chunk: &[u8],
        end: End,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<Vec<u8>> {
        let response = self.response.as_mut()?;
        let replaced = response.feed(chunk, end);
        if self.first_content.is_none() && response.saw_content() {
            self.first_content = Some(now());
        }
        if self.plan.cut.is_some() { self.cut(chunk, replaced) } else { replaced }
    }

    /// Whether the call went upstream, as far as is known here.
    pub fn was_sent(&self) -> bool {
        matches!(self.phase, Phase::Passing)
    }

    /// The model that is asked for, or sent instead, as far as it is known by now.
    pub(crate) fn model(&self) -> Option<&str> {
        self.plan.model.as_deref().or_else(|| self.asked_model())
    }

    /// The model that the client asked for.
    pub(crate) fn asked_model(&self) -> Option<&str> {
        let of = |reader: &'_ RequestReader| reader.facts().model.is_some();
        let reader = self.probe.as_ref().filter(|p| of(p)).unwrap_or(&self.reader);
        reader.facts().model.as_deref()
    }

    pub(crate) fn host(&self) -> &str {
        &self.target.host
    }

    /// What is called: host and path, without the query.
    pub(crate) fn place(&self) -> String {
        let path = self.target.path.split_once('?').map_or(self.target.path.as_str(), |(path, _)| path);
        format!("{}{path}", self.target.host)
    }

    /// What the request asks for, as far as it was read.
    pub(crate) fn request_facts(&self) -> &RequestFacts {
        self.probe.as_ref().unwrap_or(&self.reader).facts()
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            tags: &self.tags,
            provider: self.target.call.provider(),
            model: self.model(),
            operation: self.target.call.operation().as_str(),
            host: &self.target.host,
            path: &self.target.path,
            route: self.route.as_deref(),
            cluster: self.cluster.as_deref(),
        }
    }
}

/// The refusal of a call that cannot be metered, where the configuration wants one.
fn refusal(upstream: &Upstream, reason: Reason) -> Option<LocalReply> {
    let denied = upstream.on_unmetered == OnUnmetered::Deny;
    denied.then(|| Refusal::unmetered(reason.as_str()).into_reply(upstream.wire.error_dialect()))
}

pub(crate) fn request_reader(rules: &Rules, call: &Call, injection: Injection) -> RequestReader {
    let reader = RequestReader::with_pointers(call, injection, &rules.pointers);
    if rules.estimate.counts() || rules.cuts { reader.estimating(call) } else { reader }
}

fn request_head(head: &Head) -> RequestHead<'_> {
    let upgrade = head.headers.text("upgrade").or_else(|| head.headers.text(":protocol"));
    RequestHead {
        method: head.text(":method"),
        host: head.text(":authority"),
        path: head.text(":path"),
        content_type: head.headers.text("content-type"),
        content_encoding: head.headers.text("content-encoding"),
        upgrade,
    }
}

/// Headers in which Bedrock tells token counts.
const BEDROCK: &[u8] = b"x-amzn-bedrock-";

fn str(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// `host:443` -> `host`; a bare IPv6 address keeps its brackets.
pub(crate) fn without_port(authority: &str) -> &str {
    let after_address = authority.rfind(']').unwrap_or(0);
    match authority.rfind(':') {
        Some(colon) if colon > after_address => authority.get(..colon).unwrap_or(authority),
        _ => authority,
    }
}
