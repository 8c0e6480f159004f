//! What a call costs: the models that had a part in it, their quotes, and whose figure counts.

mod instead;
mod last;
mod saved;

pub(crate) use last::LastPrices;

use crate::config::UnknownModel;
use crate::exchange::Exchange;
use crate::settle::{AnsweredBy, Finish, tokens, units};
use tollgate_pricing::{
    Factor, Found, PicoUsd, Quantity, Quote, Situation, TokenCounts, TokenKind, UnitKind, Usage, price_names,
    quote,
};
use tollgate_record::{Cost, CostStatus, Part};
use tollgate_wire::{Reported, ReportedUsage};

/// What a call costs, before it stands in a record.
pub(crate) struct Bill {
    pub cost: Cost,
    pub parts: Vec<Part>,
    /// What the price depended on besides what the record says anyway.
    pub conditions: Vec<(String, String)>,
    pub tokens: TokenCounts,
    /// The name under which the price was found.
    pub model: Option<String>,
    /// The provider has said when it takes the model away, or its price changes on a day that is known.
    pub retires: bool,
    /// How far the provider's own figure and our quote at list price are apart.
    pub drift: Option<PicoUsd>,
    pub errors: Option<&'static str>,
}

impl Bill {
    pub(crate) fn new(exchange: &Exchange, reported: &Reported, answered_by: AnsweredBy) -> Self {
        let found = find(exchange, reported.model.as_deref());
        let mut bill = Self {
            cost: Cost { reported_usd: reported.cost, ..Cost::default() },
            parts: Vec::new(),
            conditions: Vec::new(),
            tokens: reported.usage.as_ref().map(ReportedUsage::counts).unwrap_or_default(),
            model: found.as_ref().map(|f| f.entry.name.to_owned()),
            retires: found.as_ref().is_some_and(|f| f.is_dated(exchange.started.unix_seconds())),
            drift: None,
            errors: None,
        };
        bill.cost.status = status_without_price(exchange, reported, answered_by);
        match (bill.cost.status, &reported.usage, reported.cost) {
            (CostStatus::Priced, Some(usage), _) => bill.price(exchange, reported, found, usage),
            // A provider may say what a call costs and not what it used.
            (CostStatus::NoUsage, None, Some(figure)) if exchange.trusts_reported_cost() => {
                bill.take_reported(figure, reported);
            }
            // What is free is free whatever it used: OpenAI's moderations report nothing.
            (CostStatus::NoUsage, None, None) if found.is_some_and(|f| f.entry.card.is_free()) => {
                let nothing = Some(PicoUsd::ZERO);
                bill.cost =
                    Cost { status: CostStatus::Free, usd: nothing, list_usd: nothing, ..Cost::default() };
            }
            _ => {}
        }
        bill
    }

    fn price(
        &mut self,
        exchange: &Exchange,
        reported: &Reported,
        found: Option<Price<'_>>,
        usage: &ReportedUsage,
    ) {
        let adjustments = exchange.rules.adjustments(&exchange.facts());
        let factors: Vec<Factor> = adjustments.iter().map(|adjustment| adjustment.factor).collect();
        let pricing = Pricing { exchange, reported, factors: &factors };
        let used = Usage { tokens: self.tokens, units: usage.units };
        if reported.parts.is_empty() {
            self.add(found.map(|f| pricing.quote(&f.entry, &used, None)));
        }
        let mut stand_in = found.and_then(|f| f.stands_in);
        for part in &reported.parts {
            let own = part.model.as_deref().map(|model| find_part(exchange, model)).unwrap_or(found);
            stand_in = stand_in.or(own.and_then(|f| f.stands_in));
            let used = Usage { tokens: part.usage.counts(), units: part.usage.units };
            let quoted = own.map(|f| pricing.quote(&f.entry, &used, part.longest_prompt));
            let usd = quoted.as_ref().and_then(|q| q.quote.as_ref()).map(|q| q.total);
            let (tokens, units) = (tokens(&part.usage), units(&part.usage));
            self.parts.push(Part {
                model: part.model.clone(),
                tokens,
                units,
                usd,
                longest_prompt: part.longest_prompt,
            });
            self.add(quoted);
        }
        self.conditions = pricing.conditions(stand_in);
        if exchange.plan.asked.is_some() {
            self.cost.saved_by_rewrite_usd = pricing.saved_by_rewrite(&used, &self.cost);
        }
        if let Some(figure) = reported.cost {
            self.compare(figure);
            if exchange.trusts_reported_cost() {
                self.take_reported(figure, reported);
            }
        }
        if matches!(self.cost.status, CostStatus::Priced | CostStatus::Unpriced) {
            self.cost.adjustments = adjustments.iter().map(|a| a.percent.clone()).collect();
        }
        if self.cost.status == CostStatus::UnknownModel {
            let reported_usd = self.cost.reported_usd;
            self.cost = Cost { status: CostStatus::UnknownModel, reported_usd, ..Cost::default() };
            self.conditions.clear();
        }
    }

    /// Adds a quote to the sum. What is missing from it weighs more than what is known.
    fn add(&mut self, quoted: Option<Quoted>) {
        let Some(quoted) = quoted else { return self.cost.status = CostStatus::UnknownModel };
        let Some(quote) = quoted.quote else {
            self.errors = Some("limit");
            return self.cost.status = CostStatus::Unpriced;
        };
        // Of a call that several models had a part in, all must be free for it to be.
        let free = quoted.free && (self.cost.usd.is_none() || self.cost.status == CostStatus::Free);
        if matches!(self.cost.status, CostStatus::Priced | CostStatus::Free) {
            self.cost.status = match (quote.unpriced.is_empty(), free) {
                (false, _) => CostStatus::Unpriced,
                (true, true) => CostStatus::Free,
                (true, false) => CostStatus::Priced,
            };
        }
        if !quote.lines.is_empty() || quote.unpriced.is_empty() {
            self.cost.usd = sum(self.cost.usd, quote.total);
            self.cost.list_usd = sum(self.cost.list_usd, quote.list);
        }
        if let Some(saved) = quoted.saved_by_cache {
            self.cost.saved_by_cache_usd = sum(self.cost.saved_by_cache_usd, saved);
        }
        for line in &quote.lines {
            self.add_line(line.name, line.amount);
        }
        for name in quote.unpriced {
            if !self.cost.unpriced.iter().any(|known| known == name) {
                self.cost.unpriced.push(name.to_owned());
            }
        }
    }

    fn add_line(&mut self, name: &str, amount: PicoUsd) {
        match self.cost.lines.iter_mut().find(|(known, _)| known == name) {
            Some((_, total)) => *total = sum(Some(*total), amount).unwrap_or(*total),
            None => self.cost.lines.push((name.to_owned(), amount)),
        }
    }

    /// Notes how far the provider's figure is from our own, so that a stale price shows the same minute.
    fn compare(&mut self, figure: PicoUsd) {
        if self.cost.status == CostStatus::Priced {
            let apart = self.cost.list_usd.and_then(|list| figure.checked_sub(list));
            self.drift = apart.map(|d| PicoUsd::from_pico(d.pico().checked_abs().unwrap_or(i128::MAX)));
        }
    }

    /// The provider's own figure is the cost; our quote at list price stays beside it.
    fn take_reported(&mut self, figure: PicoUsd, reported: &Reported) {
        self.cost.status = CostStatus::Reported;
        self.cost.unpriced.clear();
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

/// One model's quote.
struct Quoted {
    free: bool,
    /// `None` if an amount does not fit.
    quote: Option<Quote>,
    /// What its cache reads would have cost more as plain input, at list price.
    saved_by_cache: Option<PicoUsd>,
}

struct Pricing<'a> {
    exchange: &'a Exchange,
    reported: &'a Reported,
    factors: &'a [Factor],
}

impl Pricing<'_> {
    fn quote(&self, found: &Found<'_>, usage: &Usage, prompt_tokens: Option<u64>) -> Quoted {
        let situation = Situation { prompt_tokens, ..self.situation() };
        let quote = quote(&found.card, usage, &situation, self.factors).ok();
        let saved_by_cache = quote.as_ref().and_then(|quote| saved_by_cache(found, usage, &situation, quote));
        Quoted { free: found.card.is_free(), quote, saved_by_cache }
    }

    fn situation(&self) -> Situation<'_> {
        let facts = self.exchange.reader.facts();
        Situation {
            time_unix_s: self.exchange.started.unix_seconds(),
            service_tier: self.reported.service_tier.as_deref(),
            region: region(self.exchange, self.reported),
            speed: self.reported.speed.as_deref(),
            search_context_size: self.reported.search_context_size.as_deref(),
            image_size: facts.image_size.as_deref(),
            image_quality: facts.image_quality.as_deref(),
            ..Situation::default()
        }
    }

    /// What the situation has that no other field of the record tells.
    fn conditions(&self, stand_in: Option<&str>) -> Vec<(String, String)> {
        let situation = self.situation();
        let all = [
            ("image_quality", situation.image_quality),
            ("image_size", situation.image_size),
            ("price_as", stand_in),
            ("search_context_size", situation.search_context_size),
        ];
        let known = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
        known.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// Where the call was served: as the response says, else as host and path do.
pub(crate) fn region<'a>(exchange: &'a Exchange, reported: &'a Reported) -> Option<&'a str> {
    // Anthropic writes `not_available` where somebody else serves its models.
    let told = reported.region.as_deref();
    told.filter(|region| *region != "not_available").or_else(|| exchange.region()).or(told)
}

fn saved_by_cache(
    found: &Found<'_>,
    usage: &Usage,
    situation: &Situation<'_>,
    real: &Quote,
) -> Option<PicoUsd> {
    let read = usage.tokens.get(TokenKind::CacheRead);
    if read == 0 {
        return None;
    }
    let mut plain = *usage;
    plain.tokens.set(TokenKind::CacheRead, 0);
    plain.tokens.add(TokenKind::Input, read)?;
    quote(&found.card, &plain, situation, &[]).ok()?.list.checked_sub(real.list)
}

impl Exchange {
    /// Counts the seconds of a call whose model the operator prices by the second: no provider reports them. A call takes from
    /// its request to the end of its answer.
    pub(crate) fn measure_time(&self, reported: &mut Reported, finish: &Finish) {
        let answered = self.was_sent() && self.status.is_some_and(|status| status < 400);
        if !self.rules.prices.bills_time() || !answered || !reported.parts.is_empty() {
            return;
        }
        let own = find(self, reported.model.as_deref()).filter(|price| price.entry.own);
        let millis = finish.now.millis_since(self.started).and_then(|millis| millis.checked_mul(1000));
        if let (Some(price), Some(micros)) = (own, millis)
            && price.entry.card.prices(UnitKind::Seconds)
        {
            let usage = reported.usage.get_or_insert_default();
            if usage.units.get(UnitKind::Seconds).is_none() {
                usage.units.set(UnitKind::Seconds, Quantity::from_micros(micros));
            }
        }
    }

    fn trusts_reported_cost(&self) -> bool {
        self.rules.trusted_costs.iter().any(|provider| provider == self.target.call.provider())
    }
}

/// The price of the model that answered; where the catalogue does not know that name (an alias of the upstream's
/// own), of the one asked for; where it knows neither, of the one that stands in for unknown ones.
fn find<'a>(exchange: &'a Exchange, served: Option<&'a str>) -> Option<Price<'a>> {
    look_up(exchange, price_names(exchange.target.call.provider(), exchange.model(), served))
}

/// The same for a model that had a part in a call.
fn find_part<'a>(exchange: &'a Exchange, model: &'a str) -> Option<Price<'a>> {
    look_up(exchange, [Some(model), exchange.model()])
}

fn look_up<'a>(exchange: &'a Exchange, names: [Option<&'a str>; 2]) -> Option<Price<'a>> {
    let stand_in = match &exchange.rules.unknown_model {
        UnknownModel::PriceAs(model) => Some(model.as_str()),
        UnknownModel::Record | UnknownModel::Deny => None,
    };
    let provider = exchange.target.call.provider();
    let rules = &exchange.rules;
    let known = |model| rules.last_prices.find(&rules.prices, provider, model);
    let own = names.into_iter().flatten().find_map(known);
    let own = own.map(|entry| Price { entry, stands_in: None });
    own.or_else(|| Some(Price { entry: known(stand_in?)?, stands_in: stand_in }))
}

impl Price<'_> {
    /// Whether the model goes away, or its price changes after an instant, on a day that is known.
    fn is_dated(&self, unix_s: i64) -> bool {
        self.entry.retires_day.is_some() || self.entry.card.changes_after(unix_s)
    }
}

/// What a model costs.
#[derive(Clone, Copy)]
struct Price<'a> {
    entry: Found<'a>,
    /// The model's name, where its price stands in for that of one that nobody knows.
    stands_in: Option<&'a str>,
}

/// Why there can be no price, or [`CostStatus::Priced`] if there can.
fn status_without_price(exchange: &Exchange, reported: &Reported, answered_by: AnsweredBy) -> CostStatus {
    match exchange.status {
        _ if !exchange.was_sent() => CostStatus::NotSent,
        // The bodies of errors are not read: no provider is known to bill one, and of 177 recorded ones none has usage.
        Some(status) if status >= 400 && answered_by == AnsweredBy::Upstream => CostStatus::NotBilled,
        _ if reported.usage.is_none() && exchange.target.call.is_fetch() => CostStatus::NotBilled,
        _ if reported.usage.is_none() => CostStatus::NoUsage,
        _ => CostStatus::Priced,
    }
}
