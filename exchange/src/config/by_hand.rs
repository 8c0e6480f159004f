//! What of a configuration is read by hand, taken out before the rest is read.

use crate::refresh::PolicyFile;
use serde_json::Value;

/// The rules that policy reads by hand.
pub(super) struct ByHand {
    pub quotas: Value,
    pub routes: Value,
    pub limits: Value,
    pub loops: Value,
    pub guards: Value,
    pub retries: Value,
    pub waste: Value,
    pub stores: Value,
    pub price_feed: Value,
    pub policy: Value,
    pub alerts: Value,
}

impl ByHand {
    /// What has arrived goes before what is configured.
    pub(super) fn take_out_of(configuration: &mut Value, arrived: Option<&PolicyFile>) -> Self {
        let mut take = |name: &str| {
            let configured = configuration.as_object_mut().and_then(|members| members.remove(name));
            let arrived = arrived.and_then(|file| file.member(name)).cloned();
            arrived.or(configured)
        };
        let mut list = |name: &str| take(name).unwrap_or_else(|| Value::Array(Vec::new()));
        let (quotas, routes, limits, loops) = (list("quotas"), list("routes"), list("limits"), list("loops"));
        let (alerts, guards) = (list("alerts"), list("guards"));
        let (retries, waste) = (take("retries").unwrap_or_default(), take("waste").unwrap_or_default());
        let (stores, policy) = (take("stores").unwrap_or_default(), take("policy").unwrap_or_default());
        let pricing = configuration.get_mut("pricing").and_then(Value::as_object_mut);
        let price_feed = pricing.and_then(|members| members.remove("refresh")).unwrap_or_default();
        Self { quotas, routes, limits, loops, guards, retries, waste, stores, price_feed, policy, alerts }
    }
}
