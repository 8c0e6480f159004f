//! What admission makes of a call: how it is changed, and how much of which budget is put aside for it.

use crate::agents::Watched;
use crate::candidate::Trial;
use crate::config::ResponseHeader;
use crate::cut::Cut;
use crate::exchange::{Exchange, HeaderEdit, request_reader};
use crate::head::Head;
use crate::reply::Refusal;
use tollgate_policy::{Charge, Limits, Op, Otherwise, Projection, Quota, StoreRef};
use tollgate_pricing::PicoUsd;
use tollgate_record::Action;
use tollgate_wire::{End, INJECTION_ROOM, Injection, OutlineReader, Rewrite};

/// What admission makes of a call. Nothing in it costs anything for a call that no rule is about.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The bounds on this call.
    pub limits: Limits,
    /// The model that is sent instead of the one asked for.
    pub model: Option<String>,
    /// The model that the client asked for, where another is sent.
    pub asked: Option<String>,
    /// The bound that each answer gets.
    pub output_limit: Option<u64>,
    /// The body's length, once it is known.
    pub length: Option<u64>,
    /// The bytes that have come of a body that is held.
    pub held: u64,
    /// White space that goes behind a held body, so that it gets the length that was announced.
    pub behind: &'static [u8],
    /// A signature covers the request: it may not be changed.
    pub signed: bool,
    /// The whole body is held, and the headers with it.
    pub whole: bool,
    /// How often the call was admitted anew because a step had changed it.
    pub rounds: u8,
    /// How full the counters are that have steps, or that somebody wants to hear of.
    pub standings: Vec<Standing>,
    /// Reservations of an earlier round, to be given back by the store that has them.
    pub released: Vec<(StoreRef, Op)>,
    /// Counters of an earlier round in stores that find by the call's id what was put aside.
    pub void: Vec<(Quota, StoreRef)>,
    /// No quota is about the call, although there are some.
    pub unbudgeted: bool,
    /// How far the answer's stream may go.
    pub cut: Option<Box<Cut>>,
    /// The call is not to be sent.
    pub dry_run: bool,
    /// What a warning says to the client.
    pub warning: Option<String>,
    /// What is remembered of it for rules about agents.
    pub watched: Option<Box<Watched>>,
    /// Whether it says what its workflow has said twice before, where a guard asks and it is known.
    pub repeats: Option<bool>,
    /// Quotas that will be passed if their windows go on as they began, until it is known whether somebody was warned of that.
    pub projected: Vec<(Standing, Projection)>,
    /// The same call under the candidate's rules.
    pub trial: Option<Box<Trial>>,
    /// Reads the request as it goes upstream, where waste is looked for.
    pub outline: Option<Box<OutlineReader>>,
}

/// How full a counter is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The quota's index.
    pub rule: usize,
    /// What was used and reserved before this call.
    pub taken: i128,
    /// What this call put aside.
    pub amount: i128,
    /// What the window allows.
    pub limit: i128,
}

impl Standing {
    /// Used and reserved with this call.
    pub(crate) fn with_this(&self) -> i128 {
        self.taken.saturating_add(self.amount)
    }
}

/// A held request's body as it goes upstream, and what its headers must say then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The body.
    pub body: Vec<u8>,
    /// For the request's headers.
    pub edits: Vec<HeaderEdit>,
}

impl Exchange {
    /// Notes what the head says of how far the call can be changed.
    pub(crate) fn plan_for(&mut self, head: &Head) {
        self.plan.length = if head.ends { Some(0) } else { head.content_length() };
        if !self.rules.limits.is_empty() {
            self.plan.limits = Limits::on(&self.rules.limits, &self.facts());
        }
        self.plan.signed = head.signed();
        if let Some(wastes) = &self.rules.waste {
            self.plan.outline = wastes.reader(&self.facts());
        }
    }

    /// Whether the request's model can still be replaced, and its answer be bounded.
    pub(crate) fn can_rewrite(&self) -> bool {
        let body_matters = self.target.call.path_model().is_none() || self.plan.output_limit.is_some();
        !self.plan.signed && (self.plan.whole || !body_matters)
    }

    /// Whether a limit can be put on each answer.
    pub(crate) fn can_limit_output(&self) -> bool {
        let named = self.request_facts().max_output_tokens.is_some();
        !self.plan.signed && self.plan.whole && (named || self.target.call.takes_output_limit())
    }

    /// A rule would have to change the request and cannot. `Some` refuses the call.
    pub(crate) fn unrewritable(&mut self, rule: &str) -> Option<Refusal> {
        if !self.errors.contains(&"limit") {
            self.errors.push("limit");
        }
        let denies = self.plan.limits.on_unrewritable() == Otherwise::Deny;
        denies.then(|| Refusal::unrewritable(rule))
    }

    /// Notes what a rule did; the strongest names the rule that decided.
    pub(crate) fn note(&mut self, action: Action, rule: &str) {
        if self.decision.actions.is_empty() || action > self.decision.action() {
            self.decision.rule = Some(rule.to_owned());
        }
        if !self.decision.actions.contains(&action) {
            self.decision.actions.push(action);
        }
    }

    /// Sends another model than asked for.
    pub(crate) fn send_model(&mut self, model: &str) {
        if self.plan.asked.is_none() {
            self.plan.asked = self.asked_model().map(str::to_owned);
        }
        self.plan.model = Some(model.to_owned());
    }

    /// Bounds each answer.
    pub(crate) fn limit_output(&mut self, tokens: u64) {
        self.plan.output_limit = Some(self.plan.output_limit.map_or(tokens, |limit| limit.min(tokens)));
    }

    /// What the request's headers must say now that it goes on, apart from what goes with a changed body.
    pub fn passing_edits(&self) -> Vec<HeaderEdit> {
        let path = self
            .plan
            .model
            .as_ref()
            .and_then(|model| self.target.call.rewrite_path(&self.target.path, model));
        let path = path.map(|path| HeaderEdit::Set(":path", path));
        // An event cannot be taken out of a compressed stream, nor put into one.
        let plain = self.plan.cut.as_ref().map(|_| HeaderEdit::Set("accept-encoding", "identity".to_owned()));
        path.into_iter().chain(plain).collect()
    }

    /// The changed body of a request that was held whole, before anything else is done to it. `None` if nothing is to be
    /// changed. Where the host does not take the edits, [`Exchange::forgo_rewrite`] goes back to the body as it came.
    pub fn rewrite(&mut self, held: &[u8], end: End) -> Option<Rewritten> {
        let rewrite =
            Rewrite { model: self.plan.model.as_deref(), max_output_tokens: self.plan.output_limit };
        if rewrite == Rewrite::default() || end == End::Open {
            return None;
        }
        let Ok(body) = self.target.call.rewrite_body(held, &rewrite) else {
            self.forgo_rewrite();
            return None;
        };
        let body = body?;
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let mut edits = Vec::new();
        if self.plan.length.is_some() {
            let room = if matches!(self.injection, Injection::Length(_)) { INJECTION_ROOM } else { 0 };
            edits.push(HeaderEdit::Set("content-length", length.saturating_add(room).to_string()));
        }
        let injection = match self.injection {
            Injection::Length(_) => Injection::Length(length),
            other => other,
        };
        self.reader = request_reader(&self.rules, &self.target.call, injection);
        Some(Rewritten { body, edits })
    }

    /// The request goes on as it came, although a rule wanted it changed; that is counted.
    pub fn forgo_rewrite(&mut self) {
        (self.plan.model, self.plan.asked, self.plan.output_limit) = (None, None, None);
        self.decision.actions.retain(|a| !matches!(a, Action::Rewrite | Action::Downgrade | Action::Clamp));
        self.errors.push("host");
        self.reader = request_reader(&self.rules, &self.target.call, self.injection);
    }
}

impl Exchange {
    /// Headers of our own for the client, as the configuration wants them.
    pub(crate) fn own_headers(&self) -> Vec<HeaderEdit> {
        let mut edits = Vec::new();
        for header in &self.rules.response_headers {
            let value = match header {
                ResponseHeader::Decision => Some(self.decision.action().as_str().to_owned()),
                ResponseHeader::QuotaRemaining => self.remaining(),
                ResponseHeader::EstimatedCost => self.reserved_usd().map(|usd| usd.to_string()),
            };
            edits.extend(value.map(|value| HeaderEdit::Set(header.name(), value)));
        }
        if let Some(warning) = self.plan.warning.as_ref().filter(|_| !edits.is_empty()) {
            edits.push(HeaderEdit::Set("x-tollgate-warning", warning.clone()));
        }
        edits
    }

    /// What is left of the quota that is nearest to its limit: `team-month=12.5`.
    fn remaining(&self) -> Option<String> {
        let left = |standing: &Standing| standing.limit.saturating_sub(standing.with_this()).max(0);
        let share = |standing: &&Standing| {
            left(standing).saturating_mul(1_000_000).checked_div(standing.limit).unwrap_or(0)
        };
        let tightest = self.plan.standings.iter().min_by_key(share)?;
        let rule = self.rules.quotas.get(tightest.rule)?;
        Some(format!("{}={}", rule.name, rule.limit.charge.shown(left(tightest))))
    }

    /// What admission put aside for the call in money.
    pub(crate) fn reserved_usd(&self) -> Option<PicoUsd> {
        let usd = self.leases.iter().filter(|(quota, _, _)| quota.charge == Charge::Usd);
        usd.map(|(_, _, lease)| PicoUsd::from_pico(lease.amount)).max()
    }
}
