//! What a configuration says that is legal and does nothing.

use super::Rules;
use tollgate_policy::Selector;
use tollgate_wire::is_provider;

impl Rules {
    /// Rules that are about no call, each with its path and the reason.
    #[cold]
    #[inline(never)]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (place, quota) in self.quotas.iter().enumerate() {
            if let Some((field, why)) = quota.impossible(&self.tags) {
                warnings.push(format!("quotas[{place}].{field}: {why}: it never matches"));
            }
        }
        let routes = self.routes.iter().map(|route| ("routes", &route.when));
        let routes = routes.enumerate();
        let limits = self.limits.iter().map(|limit| ("limits", &limit.when)).enumerate();
        let mut check = |(place, (list, when)): (usize, (&str, &Selector))| {
            if let Some((field, why)) = when.impossible(&self.tags) {
                warnings.push(format!("{list}[{place}].when.{field}: {why}: it never matches"));
            }
        };
        let adjustments = self.adjustments.iter().map(|adjustment| ("pricing.adjustments", &adjustment.when));
        routes.for_each(&mut check);
        limits.for_each(&mut check);
        adjustments.enumerate().for_each(&mut check);
        let priced = self.prices.overridden().enumerate();
        let priced = priced.map(|(place, name)| (format!("pricing.overrides[{place}].provider"), name));
        let trusted = self.trusted_costs.iter().enumerate();
        let trusted =
            trusted.map(|(place, name)| (format!("pricing.trust_reported_cost[{place}]"), name.as_str()));
        for (path, name) in priced.chain(trusted).filter(|(_, name)| !self.calls_provider(name)) {
            let why = "is neither a known provider nor one of `upstreams`: it never matches";
            warnings.push(format!("{path}: `{name}` {why}"));
        }
        if let Some(candidate) = &self.candidate {
            // What it says of prices was said of the active configuration.
            let own =
                candidate.rules.warnings().into_iter().filter(|warning| !warning.starts_with("pricing"));
            warnings.extend(own.map(|warning| format!("candidate.{warning}")));
            let here = "a candidate counts in this process only";
            warnings.extend(candidate.counted_here.iter().map(|path| format!("candidate.{path}: {here}")));
        }
        warnings
    }

    /// Whether some call may be one to a provider of that name.
    fn calls_provider(&self, name: &str) -> bool {
        is_provider(name) || self.upstreams.iter().any(|upstream| upstream.wire.provider == name)
    }
}
