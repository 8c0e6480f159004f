//! Routes, limits and quotas: what a call may do before it is sent.

use crate::config::{Rules, UnknownModel};
use crate::exchange::{Exchange, Phase, Step};
use crate::plan::Standing;
use crate::reply::Refusal;
use crate::surroundings::{Around, Memory};
use tollgate_policy::{
    Admission, Answer, Change, Demand, Lease, MidStream, Mode, OnFailure, Op, Otherwise, Quota, QuotaRule,
    Routed, SharedStore, StoreFailure, StoreRef, route,
};
use tollgate_record::{Action, Timestamp};

/// Reservations that one store makes together, all or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Where.
    pub store: StoreRef,
    /// Whether a refusal refuses the call.
    pub mode: Mode,
    /// What.
    pub quotas: Vec<Quota>,
    /// What the same call had put aside before a step changed it.
    pub(crate) released: Vec<Op>,
}

impl Batch {
    /// The changes: what is given back, then what is put aside in the order of its keys.
    pub fn ops(&self) -> Vec<Op> {
        self.released.iter().chain(self.quotas.iter().map(|quota| &quota.op)).cloned().collect()
    }
}

impl Exchange {
    /// Decides about a call whose request is known as far as it will be.
    pub(crate) fn admit(&mut self) -> Step {
        if self.rules.agents.is_some() {
            return Step::Recall;
        }
        self.decide_with(None)
    }

    /// Goes on after [`Step::Recall`]: looks at what shared data knows of the call's workflow, or of warnings about its quotas.
    pub fn recall(&mut self, store: &dyn SharedStore, now: Timestamp) -> Step {
        if !self.plan.projected.is_empty() {
            return self.warn_of_projected(store);
        }
        self.end_watching(now);
        self.decide_with(Some((store, now)))
    }

    fn decide_with(&mut self, memory: Memory<'_>) -> Step {
        if let Some(model) = self.unknown_and_denied() {
            return self.refuse(Refusal::unknown_model(&model));
        }
        let refusal =
            self.take_route(memory).or_else(|| self.keep_limits()).or_else(|| self.bound_what_has_no_bound());
        let refusal = refusal.or_else(|| self.heed_guards());
        let refusal = refusal.or_else(|| memory.and_then(|(store, _)| self.heed_agents(store)));
        match refusal {
            Some(refusal) => self.refuse(refusal),
            None => self.ask_quotas(),
        }
    }

    /// The model, if it is to be refused because it has no price. One that is not known here cannot be looked up.
    fn unknown_and_denied(&self) -> Option<String> {
        let model = self.model().filter(|_| self.rules.unknown_model == UnknownModel::Deny)?;
        self.rules.prices.find(self.target.call.provider(), model).is_none().then(|| model.to_owned())
    }

    fn take_route(&mut self, memory: Memory<'_>) -> Option<Refusal> {
        if self.rules.routes.is_empty() {
            return None;
        }
        match route(&self.rules.routes, &self.facts(), &Around::new(self, memory)) {
            Routed::AsAsked => None,
            Routed::Forbidden { route } => {
                Some(Refusal::forbidden_model(route, self.model().unwrap_or_default()))
            }
            Routed::To { route, .. } if !self.can_rewrite() => self.unrewritable(&format!("routes[{route}]")),
            Routed::To { model, route } => {
                self.note(Action::Rewrite, &format!("routes[{route}]"));
                self.send_model(&model);
                None
            }
        }
    }

    fn keep_limits(&mut self) -> Option<Refusal> {
        if self.rules.limits.is_empty() {
            return None;
        }
        // The model may have become known, and another.
        self.plan.limits = tollgate_policy::Limits::on(&self.rules.limits, &self.facts());
        if let Some(most) = self.plan.limits.max_output_tokens
            && self.request_facts().max_output_tokens.is_none_or(|asked| asked > most)
            && self.output_bound() != Some(0)
        {
            if !self.can_limit_output() {
                return self.unrewritable("limits.max_output_tokens");
            }
            self.note(Action::Clamp, "limits.max_output_tokens");
            self.limit_output(most);
        }
        self.keep_request_cheap()
    }

    /// Holds the worst case of the call under `max_request_usd`: one that sets no bound gets what that buys.
    fn keep_request_cheap(&mut self) -> Option<Refusal> {
        let most = self.plan.limits.max_request_usd?.pico();
        let demand = self.demand();
        let price = demand.worst.price?;
        let worst = |tokens: u64| price.input.checked_add(cost_of(price.per_million_output, tokens)?);
        match demand.output_bound {
            Some(bound) if worst(bound).is_some_and(|worst| worst <= most) => None,
            Some(_) => Some(Refusal::too_expensive(most)),
            None => {
                let tokens = bought(most, price.input, price.per_million_output)?;
                let each = tokens.checked_div(self.choices()).filter(|each| *each > 0);
                match each {
                    None => Some(Refusal::too_expensive(most)),
                    Some(_) if !self.can_limit_output() => self.unrewritable("limits.max_request_usd"),
                    Some(each) => {
                        self.note(Action::Clamp, "limits.max_request_usd");
                        self.limit_output(each);
                        None
                    }
                }
            }
        }
    }

    /// Under `output: requested` no answer may be longer than what was put aside, so a request that sets no bound gets one.
    fn bound_what_has_no_bound(&mut self) -> Option<Refusal> {
        let rules = std::rc::Rc::clone(&self.rules);
        let facts = self.facts();
        let bounding = |quota: &&QuotaRule| quota.bounds_output() && quota.when.matches(&facts);
        let tightest = rules.quotas.iter().filter(bounding).min_by_key(|quota| quota.reserve.cap)?;
        if self.output_bound().is_some() {
            return None;
        }
        if !self.can_limit_output() {
            return self.unrewritable(&tightest.name);
        }
        self.note(Action::Clamp, &tightest.name);
        let each = tightest.reserve.cap.checked_div(self.choices()).unwrap_or(1).max(1);
        self.limit_output(each);
        None
    }

    /// Asks the stores of all quotas that are about the call.
    pub(crate) fn ask_quotas(&mut self) -> Step {
        if self.rules.quotas.is_empty() {
            self.phase = Phase::Passing;
            return Step::Pass;
        }
        let batches = self.batches(&self.demand());
        self.plan.unbudgeted = batches.is_empty();
        if batches.is_empty() && self.rules.unbudgeted == Otherwise::Deny {
            return self.refuse(Refusal::unbudgeted());
        }
        self.batches = batches.into_iter();
        self.next_batch()
    }

    /// Lets pass what fetches results, by a client that says who it is: they were made before, so that no rule about money saves any by
    /// refusing them. Quotas are told what they cost.
    #[cold]
    #[inline(never)]
    pub(crate) fn let_fetch(&mut self) -> Step {
        self.batches(&self.demand()).into_iter().for_each(|batch| self.without_lease(batch));
        self.phase = Phase::Passing;
        Step::Pass
    }

    fn batches(&self, demand: &Demand) -> Vec<Batch> {
        let (facts, namespace) = (self.facts(), &self.rules.namespace);
        let mut batches: Vec<Batch> = Vec::new();
        for (index, rule) in self.rules.quotas.iter().enumerate() {
            let Some(mut quota) = rule.admit(index, namespace, &facts, demand) else { continue };
            // Clients that are told what is left are told it to the last call.
            if self.rules.tells_remaining() {
                quota.op.keeps_below = 0;
            }
            let joins = |b: &&mut Batch| {
                b.mode == Mode::Enforce && rule.mode == Mode::Enforce && b.store == rule.store
            };
            match batches.iter_mut().find(joins) {
                Some(batch) => batch.quotas.push(quota),
                None => batches.push(Batch {
                    store: rule.store,
                    mode: rule.mode,
                    quotas: self.room_for(quota),
                    released: Vec::new(),
                }),
            }
        }
        // One order for all calls, so that two of them never wait for each other's keys.
        batches.iter_mut().for_each(|b| b.quotas.sort_by(|a, b| a.op.key.cmp(&b.op.key)));
        // Quotas on trial come last: what they would have refused is only of interest for calls that pass.
        batches.sort_by_key(|batch| batch.mode == Mode::Shadow);
        batches
    }

    /// A list of one, with room for all that may join it.
    fn room_for(&self, quota: Quota) -> Vec<Quota> {
        let mut quotas = Vec::with_capacity(self.rules.quotas.len());
        quotas.push(quota);
        quotas
    }

    fn next_batch(&mut self) -> Step {
        let Some(batch) = self.batches.next() else { return self.judge() };
        self.ask(batch)
    }

    fn ask(&mut self, mut batch: Batch) -> Step {
        let own = |(store, _): &mut (StoreRef, Op)| *store == batch.store;
        batch.released = self.plan.released.extract_if(.., own).map(|(_, op)| op).collect();
        self.phase = Phase::Asking(batch);
        Step::Ask
    }

    /// Goes on with a store's answer to [`Exchange::pending`].
    pub fn resume(&mut self, answer: Result<Admission, StoreFailure>) -> Step {
        let Some(batch) = self.take_asked() else { return Step::Pass };
        match answer {
            Ok(Admission::Granted(answers)) => self.granted(batch, &answers),
            Ok(Admission::Refused { index, resets_at, taken, amount }) => {
                let index = index.saturating_sub(batch.released.len());
                return self.refused(batch, index, resets_at, taken.map(|taken| (taken, amount)));
            }
            Err(StoreFailure) => {
                self.errors.push("store");
                let on_failure = self.on_failure(&batch);
                let denies = batch.mode == Mode::Enforce && on_failure == OnFailure::Deny;
                let quotas = batch.quotas.clone();
                let mode = batch.mode;
                self.without_lease(batch);
                if denies {
                    return self.refuse(Refusal::store_away());
                }
                if on_failure == OnFailure::Local {
                    return self.ask(Batch { store: StoreRef::Local, mode, quotas, released: Vec::new() });
                }
            }
        }
        self.next_batch()
    }

    fn granted(&mut self, batch: Batch, answers: &[Answer]) {
        let (store, mode) = (batch.store, batch.mode);
        let own = answers.iter().skip(batch.released.len());
        self.leases.reserve(batch.quotas.len());
        for (quota, answer) in batch.quotas.into_iter().zip(own) {
            let Answer::Reserved { lease, taken } = answer else { continue };
            let wanted = mode == Mode::Enforce && self.rules.wants_standing(quota.rule);
            if let Some(taken) = taken.filter(|_| wanted) {
                let Quota { rule, limit, .. } = quota;
                self.plan.standings.push(Standing { rule, taken, amount: lease.amount, limit });
            }
            self.leases.push((quota, store, *lease));
        }
    }

    /// A store refuses. `standing` is what is taken there, and what the call asked for.
    fn refused(
        &mut self,
        batch: Batch,
        index: usize,
        resets_at: i64,
        standing: Option<(i128, i128)>,
    ) -> Step {
        let rules = std::rc::Rc::clone(&self.rules);
        let quota = batch.quotas.get(index);
        let Some((quota, rule)) = quota.and_then(|quota| Some((quota, rules.quotas.get(quota.rule)?))) else {
            return self.refuse(Refusal::store_away());
        };
        self.raise_refusal(rule, quota, standing);
        if batch.mode == Mode::Shadow {
            self.shadow.push(rule.name.clone());
            self.without_lease(batch);
            return self.next_batch();
        }
        if let Some((taken, amount)) = standing {
            let standing = Standing { rule: quota.rule, taken, amount, limit: quota.limit };
            if let Some(step) = self.make_it_fit(rule, quota, standing) {
                return step;
            }
        }
        let seconds = resets_at.saturating_sub(self.started.unix_seconds()).max(1);
        self.refuse(Refusal::quota(rule, seconds))
    }

    /// What these quotas' call uses is booked all the same, with nothing put aside as far as is known here. A remote store
    /// that did put something aside finds it by the call's id.
    fn without_lease(&mut self, batch: Batch) {
        let store = batch.store;
        self.leases.extend(batch.quotas.into_iter().map(|quota| (quota, store, Lease::default())));
    }

    /// Takes in what was asked of a store when the client went away before the answer came.
    pub(crate) fn abandon_asking(&mut self) {
        if let Some(batch) = self.take_asked() {
            self.without_lease(batch);
        }
    }

    /// Has the stores asked once more, for a call that has changed: what it had goes back.
    pub(crate) fn ask_again(&mut self) -> Step {
        self.plan.rounds = self.plan.rounds.saturating_add(1);
        self.plan.standings.clear();
        self.shadow.clear();
        for (quota, store, lease) in std::mem::take(&mut self.leases) {
            match store {
                StoreRef::Remote(index) if !self.decides_here(index) => self.plan.void.push((quota, store)),
                _ => {
                    let op = Op { change: Change::release(lease), ..quota.op };
                    self.plan.released.push((store, op));
                }
            }
        }
        self.ask_quotas()
    }

    /// Whether calls are decided without this store.
    fn decides_here(&self, store: usize) -> bool {
        self.rules.stores.get(store).is_some_and(|store| store.sync_ms.is_some())
    }

    fn take_asked(&mut self) -> Option<Batch> {
        let asking = self.is_asking();
        match asking.then(|| std::mem::replace(&mut self.phase, Phase::Deciding))? {
            Phase::Asking(batch) => Some(batch),
            _ => None,
        }
    }

    fn on_failure(&self, batch: &Batch) -> OnFailure {
        match batch.store {
            StoreRef::Local => OnFailure::Allow,
            StoreRef::Remote(index) => {
                self.rules.stores.get(index).map_or(OnFailure::Allow, |s| s.on_failure)
            }
        }
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal) -> Step {
        self.phase = Phase::Replied;
        let action = refusal.action();
        self.decision.actions.retain(|action| *action == Action::Warn);
        self.decision.actions.push(action);
        self.decision.rule = Some(refusal.rule.clone());
        Step::Reply(refusal.into_reply(self.target.call.error_dialect()))
    }
}

impl Rules {
    /// Whether somebody looks at how full this quota's counter is.
    fn wants_standing(&self, rule: usize) -> bool {
        let acts = |rule: &QuotaRule| {
            let warns = rule.warn_when_projected.is_some();
            warns || !rule.steps.is_empty() || rule.mid_stream == MidStream::Cut
        };
        let steps = self.quotas.get(rule).is_some_and(acts);
        steps || self.tells_remaining()
    }

    fn tells_remaining(&self) -> bool {
        self.response_headers.contains(&crate::config::ResponseHeader::QuotaRemaining)
    }
}

/// What so many output tokens cost, rounded up.
pub(crate) fn cost_of(per_million: i128, tokens: u64) -> Option<i128> {
    let product = per_million.checked_mul(i128::from(tokens))?;
    product.checked_add(999_999).map(|sum| sum.div_euclid(1_000_000))
}

/// How many output tokens `room` buys after the fixed part. `None` if output costs nothing.
pub(crate) fn bought(room: i128, fixed: i128, per_million: i128) -> Option<u64> {
    let left = room.checked_sub(fixed)?.max(0);
    let tokens = left.checked_mul(1_000_000)?.checked_div(per_million).filter(|_| per_million > 0)?;
    Some(u64::try_from(tokens).unwrap_or(u64::MAX))
}
