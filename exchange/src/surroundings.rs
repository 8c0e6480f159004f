//! What the conditions of routes ask of a call's surroundings.

use crate::demand::USUAL_BYTES_PER_TOKEN;
use crate::exchange::Exchange;
use tollgate_policy::{Charge, Demand, Filled, SharedStore, Surroundings};
use tollgate_record::Timestamp;
use tollgate_wire::PrintKey;

/// What all workers share, and the time; nothing where no rule asks for it.
pub(crate) type Memory<'a> = Option<(&'a dyn SharedStore, Timestamp)>;

/// One call's surroundings.
pub(crate) struct Around<'a> {
    exchange: &'a Exchange,
    memory: Memory<'a>,
}

impl<'a> Around<'a> {
    pub(crate) const fn new(exchange: &'a Exchange, memory: Memory<'a>) -> Self {
        Self { exchange, memory }
    }
}

impl Surroundings for Around<'_> {
    fn now(&self) -> i64 {
        self.exchange.started.unix_seconds()
    }

    fn input_tokens(&self) -> Option<u64> {
        self.exchange.plan.length.map(|bytes| bytes.div_ceil(USUAL_BYTES_PER_TOKEN))
    }

    fn has_tools(&self) -> Option<bool> {
        self.exchange.tells_of_tools()
    }

    fn filled(&self, quota: usize) -> Option<Filled> {
        let (store, now) = self.memory?;
        let rules = &self.exchange.rules;
        let rule = rules.quotas.get(quota)?;
        let own = rule.admit(quota, &rules.namespace, &self.exchange.facts(), &Demand::default())?;
        // A counter that was never written is empty.
        let entry = own.op.entry(store).ok()?.unwrap_or_default();
        let open = entry.open(now.unix_seconds());
        let taken = match rule.limit.charge {
            Charge::InFlight => open,
            _ => entry.used(rule.window, now.unix_seconds()).checked_add(open)?,
        };
        Some(Filled { taken, limit: own.limit })
    }

    fn health(&self, model: &str, for_s: u32) -> Option<(u64, u64)> {
        let (store, now) = self.memory?;
        let agents = self.exchange.rules.agents.as_deref()?;
        let now = u32::try_from(now.unix_seconds()).ok()?;
        agents.health(store, (self.exchange.target.call.provider(), model), for_s, now)
    }

    fn draw(&self, route: usize, by: Option<usize>) -> Option<u64> {
        let value = by.and_then(|tag| self.exchange.tags.known(tag));
        let drawn = match value {
            Some(value) => format!("{route}/{value}"),
            None => format!("{route}/{}", self.exchange.id),
        };
        // Whoever knows the value may know which way it goes.
        PrintKey([0; 16]).print(drawn.as_bytes()).checked_rem(100)
    }
}

impl Exchange {
    /// Whether a route that may be about the call asks for its tools.
    pub(crate) fn route_asks_for_tools(&self) -> bool {
        let asks = |route: &&tollgate_policy::RouteRule| {
            route.conditions.as_ref().is_some_and(|conditions| conditions.asks_for_tools())
        };
        let routes = &self.rules.routes;
        !routes.is_empty() && routes.iter().filter(asks).any(|route| route.when.may_match(&self.facts()))
    }
}
