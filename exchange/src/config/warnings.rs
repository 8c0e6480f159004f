//! What a configuration says that is legal and does nothing.

use super::Rules;
use tollgate_policy::Selector;

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
        routes.for_each(&mut check);
        limits.for_each(&mut check);
        warnings
    }
}
