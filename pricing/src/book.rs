//! The price book: the user's own prices before the catalogue's.

use crate::card::{CardBuilder, OwnCard};
use crate::catalogue::{Found, catalogue};
use crate::digest::Digest;
use crate::error::PriceError;
use crate::refreshed::Refreshed;
use crate::units::UnitKind;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// A name, or the start or the end of one: `gpt-4o`, `ft:gpt-4o-*`, `*-mini`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    part: PatternPart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PatternPart {
    Whole,
    Start,
    End,
    Middle,
}

impl Pattern {
    /// Reads a pattern; case does not count.
    ///
    /// # Errors
    /// An empty pattern, or one with `*` elsewhere than at its start or end.
    pub fn new(pattern: &str) -> Result<Pattern, PriceError> {
        let (part, text) = match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            _ if pattern == "*" => (PatternPart::Start, ""),
            (Some(rest), Some(_)) => (PatternPart::Middle, rest.strip_suffix('*').unwrap_or(rest)),
            (Some(rest), None) => (PatternPart::End, rest),
            (None, Some(rest)) => (PatternPart::Start, rest),
            (None, None) => (PatternPart::Whole, pattern),
        };
        if text.contains('*') || (text.is_empty() && pattern != "*") {
            return Err(PriceError::Pattern(pattern.into()));
        }
        Ok(Pattern { text: text.to_ascii_lowercase(), part })
    }

    /// Whether the name fits.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        match self.part {
            PatternPart::Whole => name == self.text,
            PatternPart::Start => name.starts_with(&self.text),
            PatternPart::End => name.ends_with(&self.text),
            PatternPart::Middle => name.contains(&self.text),
        }
    }
}

/// The names by which a call's price is looked up, best first: of the model that answered, then of the one asked for. Under
/// Bedrock it is the other way round: its paths name the model with where it may run (`global.`, `us.`), which has a price of
/// its own, and Anthropic's answers name the model alone.
pub fn price_names<'a>(
    provider: &str,
    asked: Option<&'a str>,
    answered: Option<&'a str>,
) -> [Option<&'a str>; 2] {
    if provider == "aws.bedrock" { [asked, answered] } else { [answered, asked] }
}

/// A user's own price for the models of a provider that fit a pattern.
#[derive(Clone, Debug)]
pub struct Override {
    provider: String,
    written: String,
    model: Pattern,
    card: OwnCard,
}

impl Override {
    /// An own price.
    ///
    /// # Errors
    /// A bad pattern, or a card that does not build.
    pub fn priced(provider: &str, model: &str, card: &CardBuilder) -> Result<Override, PriceError> {
        Override::new(provider, model, card.build()?)
    }

    /// Models that cost nothing: self-hosted ones.
    ///
    /// # Errors
    /// A bad pattern.
    pub fn free(provider: &str, model: &str) -> Result<Override, PriceError> {
        Override::new(provider, model, OwnCard::free()?)
    }

    fn new(provider: &str, model: &str, card: OwnCard) -> Result<Override, PriceError> {
        let pattern = Pattern::new(model)?;
        Ok(Override { provider: provider.into(), written: model.into(), model: pattern, card })
    }
}

/// What the filter looks prices up in: overrides first (the first that fits), then prices that arrived while it runs,
/// then the catalogue.
#[derive(Clone, Debug)]
pub struct PriceBook {
    overrides: Vec<Override>,
    refreshed: Option<Arc<Refreshed>>,
    version: String,
}

impl PriceBook {
    /// A book of the catalogue and the user's own prices.
    pub fn new(overrides: Vec<Override>) -> PriceBook {
        PriceBook::of(overrides, None)
    }

    /// A book of the same overrides with prices that have just arrived; those that arrived before are gone.
    #[must_use]
    pub fn refreshed(&self, refreshed: Arc<Refreshed>) -> PriceBook {
        PriceBook::of(self.overrides.clone(), Some(refreshed))
    }

    fn of(overrides: Vec<Override>, refreshed: Option<Arc<Refreshed>>) -> PriceBook {
        let start = Digest::new().field(catalogue().version().as_bytes());
        let start = refreshed.iter().fold(start, |digest, prices| digest.field(prices.version().as_bytes()));
        let digest = overrides.iter().fold(start, |digest, own| {
            let digest = digest.field(own.provider.as_bytes()).field(own.written.as_bytes());
            own.card.card().digest(digest)
        });
        PriceBook { overrides, refreshed, version: digest.hex() }
    }

    /// The price of a model, as [`crate::Catalogue::find`] knows it, unless an override fits. The
    /// name is the catalogue's also then, or the override's pattern where the catalogue has none.
    pub fn find(&self, provider: &str, model: &str) -> Option<Found<'_>> {
        let listed = match &self.refreshed {
            Some(refreshed) => refreshed.find(provider, model),
            None => catalogue().find(provider, model),
        };
        let own = self.overrides.iter().find(|own| own.provider == provider && own.model.matches(model));
        let Some(own) = own else { return listed };
        Some(Found {
            name: listed.map_or(&own.written, |listed| listed.name),
            provider: &own.provider,
            card: own.card.card(),
            retires_day: listed.and_then(|listed| listed.retires_day),
            own: true,
        })
    }

    /// The providers whose models the overrides are about, override by override.
    pub fn overridden(&self) -> impl Iterator<Item = &str> {
        self.overrides.iter().map(|own| own.provider.as_str())
    }

    /// Whether it is the catalogue and nothing else.
    pub fn is_catalogue(&self) -> bool {
        self.overrides.is_empty() && self.refreshed.is_none()
    }

    /// Whether an override has a price for seconds, so that the time of a call may have to be measured.
    pub fn bills_time(&self) -> bool {
        self.overrides.iter().any(|own| own.card.card().prices(UnitKind::Seconds))
    }

    /// A digest of the catalogue, of all overrides and of what arrived, 32 hexadecimal digits.
    pub fn version(&self) -> &str {
        &self.version
    }
}
