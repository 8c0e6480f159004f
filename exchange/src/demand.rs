//! What a call may use and cost, as far as is known before it is sent.

use crate::exchange::Exchange;
use tollgate_policy::{CallPrice, Demand, Expected, ReservedOutput};
use tollgate_pricing::{Factor, Found, Situation, TokenCounts, TokenKind, Usage, quote};
use tollgate_wire::Operation;

/// A usual text has so many bytes for each of its tokens, JSON around it included.
pub(crate) const USUAL_BYTES_PER_TOKEN: u64 = 4;

/// Output is priced by so many tokens at a time, so that no fraction is lost.
const MILLION: u64 = 1_000_000;

impl Exchange {
    /// What the call may use. Nothing is reckoned that no rule asks for.
    pub(crate) fn demand(&self) -> Demand {
        let quotas = &self.rules.quotas;
        let cost_matters = self.plan.dry_run || self.plan.limits.max_request_usd.is_some();
        if !quotas.iter().any(|quota| !quota.counts_calls()) && !cost_matters {
            return Demand::default();
        }
        let requested = quotas.iter().any(|quota| quota.reserve.output == ReservedOutput::Requested);
        let worst = requested || cost_matters;
        let bytes = self.plan.length;
        let likely = bytes.map(|bytes| bytes.div_ceil(USUAL_BYTES_PER_TOKEN));
        let pricing = Pricing::of(self);
        let expected = |input: Option<u64>, kinds: &[TokenKind]| Expected {
            input_tokens: input,
            price: pricing.as_ref().zip(input).and_then(|(pricing, input)| pricing.dearest(input, kinds)),
        };
        Demand {
            likely: expected(likely, &[TokenKind::Input]),
            // No token of a text is shorter than a byte.
            worst: if worst { expected(bytes, &DEAREST) } else { Expected::default() },
            output_bound: self.output_bound(),
        }
    }

    /// The output tokens that the request allows, all answers together.
    pub(crate) fn output_bound(&self) -> Option<u64> {
        if matches!(
            self.target.call.operation(),
            Operation::Embeddings | Operation::Rerank | Operation::Moderation
        ) {
            return Some(0);
        }
        let asked = self.request_facts().max_output_tokens;
        let each = match (asked, self.plan.output_limit) {
            (Some(asked), Some(limit)) => Some(asked.min(limit)),
            (asked, limit) => asked.or(limit),
        };
        each.and_then(|each| each.checked_mul(self.choices()))
    }

    /// How many answers the request asks for.
    pub(crate) fn choices(&self) -> u64 {
        self.request_facts().choices.unwrap_or(1).max(1)
    }
}

/// Input may be billed as any of these, whatever the request says.
const DEAREST: [TokenKind; 3] = [TokenKind::Input, TokenKind::CacheWrite, TokenKind::CacheWrite1h];

struct Pricing<'a> {
    found: Found<'a>,
    situation: Situation<'a>,
    factors: Vec<Factor>,
}

impl<'a> Pricing<'a> {
    /// `None` if the model or its price is not known.
    fn of(exchange: &'a Exchange) -> Option<Self> {
        let rules = &exchange.rules;
        let found =
            rules.last_prices.find(&rules.prices, exchange.target.call.provider(), exchange.model()?)?;
        let situation = Situation {
            time_unix_s: exchange.started.unix_seconds(),
            service_tier: exchange.request_facts().service_tier.as_deref(),
            region: exchange.region(),
            ..Situation::default()
        };
        let adjustments = exchange.rules.adjustments(&exchange.facts());
        Some(Self { found, situation, factors: adjustments.iter().map(|a| a.factor).collect() })
    }

    /// The dearest way in which this input may be billed, and a million tokens of output after it.
    fn dearest(&self, input: u64, kinds: &[TokenKind]) -> Option<CallPrice> {
        let prices = kinds.iter().filter_map(|kind| {
            let (input_alone, output) = self.price(*kind, input, TokenKind::Output)?;
            let reasoning = match kinds.len() {
                1 => None,
                _ => self.price(*kind, input, TokenKind::Reasoning).map(|(_, reasoning)| reasoning),
            };
            let per_million_output = reasoning.map_or(output, |reasoning| output.max(reasoning));
            Some(CallPrice { input: input_alone, per_million_output })
        });
        prices.reduce(|one, other| CallPrice {
            input: one.input.max(other.input),
            per_million_output: one.per_million_output.max(other.per_million_output),
        })
    }

    /// What the input costs, and a million tokens of that kind of output after it. `None` where a class has no rate.
    fn price(&self, input: TokenKind, count: u64, output: TokenKind) -> Option<(i128, i128)> {
        let mut tokens = TokenCounts::default();
        tokens.set(input, count);
        tokens.set(output, MILLION);
        let usage = Usage { tokens, ..Usage::default() };
        let quote = quote(&self.found.card, &usage, &self.situation, &self.factors).ok()?;
        let for_output = output.billed_as().iter().map(|kind| kind.name());
        let line = for_output.filter_map(|name| quote.lines.iter().find(|line| line.name == name)).next();
        let output = line.map_or(0, |line| line.amount.pico());
        let priced = quote.unpriced.is_empty();
        priced.then_some((quote.total.pico().checked_sub(output)?, output))
    }
}
