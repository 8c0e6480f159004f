//! The end of a call: Reported -> TokenCounts -> Quote -> Record, and what stores are told.

use crate::exchange::Exchange;
use tollgate_policy::{Op, Required, Sent, StoreRef};
use tollgate_pricing::{Factor, Found, PicoUsd, Quote, Situation, TokenCounts, Usage, quote};
use tollgate_record::{Cost, CostStatus, Part, Record, Timestamp, Tokens, UsageSource};
use tollgate_wire::{Ended, Problem, Reported, ReportedUsage, Source};

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub struct Finish {
    /// When.
    pub now: Timestamp,
    /// Whether the response was seen to its end, or the stream was cut.
    pub ended: Ended,
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
    /// Kinds of trouble for `tollgate_errors`.
    pub errors: Vec<&'static str>,
    /// Names of the tags that the call does not carry.
    pub absent_tags: Vec<String>,
    /// Names of the tags for which the client claimed something else than what it cannot make up.
    pub tag_conflicts: Vec<String>,
}

impl Exchange {
    /// Ends the call. It takes the exchange, so nothing can be settled twice.
    pub fn settle(mut self: Box<Self>, finish: Finish) -> Settled {
        let reported = self.response.take().map(|reader| reader.finish(finish.ended)).unwrap_or_default();
        let bill = Bill::new(&self, &reported);
        let mut record = self.record(&reported, finish.now);
        let usage = tollgate_policy::Usage {
            cost: bill.cost.usd,
            input: record.tokens.input,
            output: record.tokens.output,
        };
        record.parts = bill.parts;
        record.cost = bill.cost;
        let errors = reported.problems.iter().filter_map(error_kind).chain(bill.errors);
        let mut counts = Counts { tokens: bill.tokens, model: bill.model, ..Counts::default() };
        counts.errors = self.errors.iter().copied().chain(errors).collect();
        counts.errors.dedup();
        counts.tag_conflicts = self.tags.conflicts().to_vec();
        counts.absent_tags = self.tags.absent().map(str::to_owned).collect();
        Settled { record, bookings: self.bookings(&usage), counts }
    }

    fn record(&self, reported: &Reported, now: Timestamp) -> Record {
        let usage = reported.usage.as_ref();
        let facts = self.reader.facts();
        Record {
            id: self.id.to_string(),
            time: self.started,
            operation: self.call.operation().as_str().to_owned(),
            provider: self.call.provider().to_owned(),
            request_model: self.model().map(str::to_owned),
            response_model: reported.model.clone(),
            response_id: reported.id.clone(),
            finish_reasons: reported.finish_reasons.clone(),
            tokens: usage.map(tokens).unwrap_or_default(),
            units: usage.map(units).unwrap_or_default(),
            usage_source: source(reported.source),
            inconsistent: reported.problems.has(Problem::Inconsistent)
                || usage.is_some_and(|u| u.inconsistent),
            tags: self.tags.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            missing_tags: self.missing_tags(),
            decision: self.decision.clone(),
            shadow: self.shadow.clone(),
            stream: self.response_was_stream(reported).or(facts.stream),
            ttft_ms: self.first_content.and_then(|t| t.millis_since(self.started)),
            duration_ms: now.millis_since(self.started),
            http_status: self.status,
            service_tier: reported.service_tier.clone(),
            region: reported.region.clone(),
            speed: reported.speed.clone(),
            price_version: self.rules.price_version.clone(),
            config_version: self.rules.version.clone(),
            ..Record::default()
        }
    }

    fn response_was_stream(&self, reported: &Reported) -> Option<bool> {
        (self.was_sent() && self.status.is_some()).then_some(reported.stream)
    }

    fn missing_tags(&self) -> Vec<String> {
        let required = self.rules.tags.missing(&self.tags).filter(|tag| tag.required != Required::No);
        required.map(|tag| tag.name.clone()).collect()
    }

    /// What each store books: all that one store holds of this call goes there together.
    fn bookings(&self, usage: &tollgate_policy::Usage) -> Vec<(StoreRef, Vec<Op>)> {
        let sent = if self.was_sent() { Sent::Yes } else { Sent::No };
        let mut bookings: Vec<(StoreRef, Vec<Op>)> = Vec::new();
        for (quota, store, lease) in &self.leases {
            let op = quota.settle(*lease, usage, sent);
            match bookings.iter_mut().find(|(s, _)| s == store) {
                Some((_, ops)) => ops.push(op),
                None => bookings.push((*store, vec![op])),
            }
        }
        bookings
    }
}

/// What a call costs, before it stands in a record.
struct Bill {
    cost: Cost,
    parts: Vec<Part>,
    tokens: TokenCounts,
    model: Option<String>,
    errors: Option<&'static str>,
}

impl Bill {
    fn new(exchange: &Exchange, reported: &Reported) -> Self {
        let served = reported.model.as_deref();
        let found = find(exchange, served);
        let mut bill = Self {
            cost: Cost { reported_usd: reported.cost, ..Cost::default() },
            parts: Vec::new(),
            tokens: reported.usage.as_ref().map(ReportedUsage::counts).unwrap_or_default(),
            model: found.as_ref().map(|f| f.name.to_owned()),
            errors: None,
        };
        bill.cost.status = status_without_price(exchange, reported);
        let billable = bill.cost.status == CostStatus::Priced;
        if let (true, Some(usage)) = (billable, &reported.usage) {
            bill.price(exchange, reported, found, usage);
        }
        bill
    }

    fn price(
        &mut self,
        exchange: &Exchange,
        reported: &Reported,
        found: Option<Found<'_>>,
        usage: &ReportedUsage,
    ) {
        let factors = exchange.rules.factors(&exchange.facts());
        let pricing = Pricing { exchange, reported, factors: &factors };
        if reported.parts.is_empty() {
            self.add(found.map(|f| pricing.quote(&f, usage)));
        } else {
            for part in &reported.parts {
                let own = part.model.as_deref().map(|model| find(exchange, Some(model)));
                let quoted = own.unwrap_or(found).map(|f| pricing.quote(&f, &part.usage));
                let usd = quoted.as_ref().and_then(|(_, q)| q.as_ref().ok()).map(|q| q.total);
                self.parts.push(Part { model: part.model.clone(), tokens: tokens(&part.usage), usd });
                self.add(quoted);
            }
        }
        if let (Some(figure), true) = (reported.cost, exchange.trusts_reported_cost()) {
            self.take_reported(figure, reported);
        }
        if self.cost.status == CostStatus::UnknownModel {
            self.cost = Cost {
                status: CostStatus::UnknownModel,
                reported_usd: self.cost.reported_usd,
                ..Cost::default()
            };
        }
    }

    /// Adds a quote to the sum. What is missing from it weighs more than what is known.
    fn add(&mut self, quoted: Option<(bool, Result<Quote, &'static str>)>) {
        let Some((free, quoted)) = quoted else { return self.cost.status = CostStatus::UnknownModel };
        let quoted = match quoted {
            Ok(quoted) => quoted,
            Err(kind) => {
                self.errors = Some(kind);
                return self.cost.status = CostStatus::Unpriced;
            }
        };
        if self.cost.status == CostStatus::Priced {
            self.cost.status = match (quoted.unpriced.is_empty(), free) {
                (false, _) => CostStatus::Unpriced,
                (true, true) => CostStatus::Free,
                (true, false) => CostStatus::Priced,
            };
        }
        let known = !quoted.lines.is_empty() || quoted.unpriced.is_empty();
        if known {
            self.cost.usd = sum(self.cost.usd, quoted.total);
            self.cost.list_usd = sum(self.cost.list_usd, quoted.list);
        }
        for line in &quoted.lines {
            self.add_line(line.name, line.amount);
        }
    }

    fn add_line(&mut self, name: &str, amount: PicoUsd) {
        match self.cost.lines.iter_mut().find(|(known, _)| known == name) {
            Some((_, total)) => *total = sum(Some(*total), amount).unwrap_or(*total),
            None => self.cost.lines.push((name.to_owned(), amount)),
        }
    }

    /// The provider's own figure is the cost; our quote at list price stays beside it.
    fn take_reported(&mut self, figure: PicoUsd, reported: &Reported) {
        self.cost.status = CostStatus::Reported;
        self.cost.usd = Some(figure);
        let split: Vec<_> =
            reported.cost_lines.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect();
        let adds_up = PicoUsd::try_sum(split.iter().map(|(_, amount)| *amount)) == Some(figure);
        self.cost.lines =
            if adds_up && !split.is_empty() { split } else { vec![("reported".to_owned(), figure)] };
    }
}

/// A sum that does not fit is not known.
fn sum(so_far: Option<PicoUsd>, more: PicoUsd) -> Option<PicoUsd> {
    so_far.unwrap_or(PicoUsd::ZERO).checked_add(more)
}

struct Pricing<'a> {
    exchange: &'a Exchange,
    reported: &'a Reported,
    factors: &'a [Factor],
}

impl Pricing<'_> {
    /// Whether the model is free, and its quote.
    fn quote(&self, found: &Found<'_>, usage: &ReportedUsage) -> (bool, Result<Quote, &'static str>) {
        let facts = self.exchange.reader.facts();
        let situation = Situation {
            time_unix_s: self.exchange.started.unix_seconds(),
            service_tier: self.reported.service_tier.as_deref(),
            region: self.reported.region.as_deref(),
            speed: self.reported.speed.as_deref(),
            image_size: facts.image_size.as_deref(),
            image_quality: facts.image_quality.as_deref(),
            ..Situation::default()
        };
        let usage = Usage { tokens: usage.counts(), units: usage.units };
        (found.card.is_free(), quote(&found.card, &usage, &situation, self.factors).map_err(|_| "limit"))
    }
}

impl Exchange {
    fn trusts_reported_cost(&self) -> bool {
        self.rules.trusted_costs.iter().any(|provider| provider == self.call.provider())
    }
}

/// The price of the model that answered; where the catalogue does not know that name (an alias of the upstream's
/// own), of the one asked for.
fn find<'a>(exchange: &'a Exchange, served: Option<&str>) -> Option<Found<'a>> {
    let provider = exchange.call.provider();
    let names = [served, exchange.model()].into_iter().flatten();
    names.filter_map(|model| exchange.rules.prices.find(provider, model)).next()
}

/// Why there can be no price, or [`CostStatus::Priced`] if there can.
fn status_without_price(exchange: &Exchange, reported: &Reported) -> CostStatus {
    match exchange.status {
        _ if !exchange.was_sent() => CostStatus::NotSent,
        Some(status) if status >= 400 => CostStatus::NotBilled,
        _ if reported.usage.is_none() => CostStatus::NoUsage,
        _ => CostStatus::Priced,
    }
}

fn tokens(usage: &ReportedUsage) -> Tokens {
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
    }
}

fn units(usage: &ReportedUsage) -> Vec<(String, String)> {
    usage.units.iter().map(|(kind, quantity)| (kind.name().to_owned(), quantity.to_string())).collect()
}

const fn source(source: Source) -> UsageSource {
    match source {
        Source::Reported => UsageSource::Reported,
        Source::Partial => UsageSource::Partial,
        Source::None => UsageSource::None,
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
