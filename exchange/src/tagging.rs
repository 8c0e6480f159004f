//! A call's tags: most are known with its head, some only with its body.

use crate::config::Rules;
use crate::exchange::Exchange;
use crate::head::Head;
use crate::reply::Refusal;
use tollgate_policy::{Request, Required, Tags};

impl Exchange {
    /// The refusal of a call that lacks a tag that must not be missing. One that may stand in a body that cannot be read
    /// beforehand is not missing yet.
    pub(crate) fn without_required_tag(&self) -> Option<Refusal> {
        let tags = &self.rules.tags;
        let open = |name: &str| {
            tags.names().iter().position(|known| known == name).is_some_and(|i| self.tags.is_open(i))
        };
        let denied = tags.missing(&self.tags).find(|tag| tag.required == Required::Deny && !open(&tag.name));
        denied.map(|tag| Refusal::missing_tag(&tag.name, &tags.hint(tag)))
    }

    /// The refusal of a call that may have a tag that must not be missing, but only in a body that cannot be read beforehand.
    pub(crate) fn with_unseen_tag(&self) -> Option<Refusal> {
        let tags = &self.rules.tags;
        let tag = tags.missing(&self.tags).find(|tag| tag.required == Required::Deny)?;
        Some(Refusal::unseen_tag(&tag.name, &tags.hint(tag), self.plan.limits.most_held_bytes()))
    }

    pub(crate) fn needs_open_tag(&self) -> bool {
        let required = || self.rules.tags.requires_body(&self.tags);
        let agents = || self.rules.agents.as_ref().is_some_and(|agents| agents.needs_open_tag(&self.tags));
        let guards = || self.rules.guards.as_ref().is_some_and(|guards| guards.needs_open_tag(&self.tags));
        required()
            || guards()
            || self.rules.quotas.iter().any(|quota| quota.needs_open_tag(&self.tags))
            || agents()
    }

    /// Resolves the tags once more, now that their places in the body were read.
    pub(crate) fn resolve_body_tags(&mut self) {
        let Some(head) = self.head.take() else { return };
        let reader = self.probe.as_ref().unwrap_or(&self.reader);
        self.tags = resolve_tags(&self.rules, &head, Some(&reader.facts().captured));
    }
}

/// `body` is what stands at the tags' places in it, once it was read.
pub(crate) fn resolve_tags(rules: &Rules, head: &Head, body: Option<&[Option<String>]>) -> Tags {
    let header = |name: &str| head.headers.value(name);
    let path = head.text(":path");
    rules.tags.resolve(&Request { header: &header, path, properties: &head.properties, body })
}
