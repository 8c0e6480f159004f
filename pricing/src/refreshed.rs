//! Prices that arrive while the filter runs: files of the catalogue's form, checked whole.

use crate::catalogue::{Found, catalogue};
use crate::compile::{Compiler, OwnIndex};
use crate::digest::Digest;
use crate::error::{CatalogueError, PriceError};
use crate::file::ProviderFile;
use crate::index::Index;
use alloc::format;
use alloc::string::String;

/// How many models may arrive: twice as many as are compiled in. Tables count to 65,535.
const MAX_MODELS: usize = 10_000;

/// Prices that go before the compiled-in ones.
#[derive(Clone, Debug)]
pub struct Refreshed {
    index: OwnIndex,
    version: String,
}

impl Refreshed {
    /// Checks files and makes tables of them. Either all of it is good or nothing is taken.
    ///
    /// # Errors
    /// The first value that is wrong, with its path: a rate below zero or out of range, a name that leads to two models,
    /// an unknown class or condition, an empty rule, more than 10,000 models. The path starts with the place of the
    /// file, `[0]`, unless there is only one.
    pub fn new(files: &[ProviderFile]) -> Result<Refreshed, CatalogueError> {
        let models = files.iter().map(|file| file.models.len()).fold(0, usize::saturating_add);
        if models > MAX_MODELS {
            return Err(PriceError::TooMany(format!("{models} models").into()).into());
        }
        let mut compiler = Compiler::default();
        for (number, file) in files.iter().enumerate() {
            let outer = if files.len() == 1 { String::new() } else { format!("[{number}]") };
            compiler.add(file).map_err(|error| error.within(&outer))?;
        }
        let index = compiler.finish(|provider| catalogue().provider_known(provider))?;
        let version = digest(&index.view()).hex();
        Ok(Refreshed { index, version })
    }

    /// A digest of all that makes a price, 32 hexadecimal digits. Sources and dates of checking do not count.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How many models there are.
    pub fn len(&self) -> usize {
        self.index.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.entries.is_empty()
    }

    /// The price of a model, from here or from the catalogue. What is named whole goes before what only a rule matches
    /// or what is the family of a snapshot, so that a few models that arrive do not take over their neighbours' names.
    pub(crate) fn find(&self, provider: &str, model: &str) -> Option<Found<'_>> {
        let (own, built_in) = (self.index.view(), catalogue());
        own.find_whole(provider, model)
            .or_else(|| self.current(built_in.find_whole(provider, model)?))
            .or_else(|| own.find(provider, model))
            .or_else(|| self.current(built_in.find(provider, model)?))
    }

    /// The newer price of the same model, where there is one: the catalogue knows more names of it.
    fn current<'a>(&'a self, found: Found<'a>) -> Option<Found<'a>> {
        Some(self.index.view().find_whole(found.provider, found.name).unwrap_or(found))
    }
}

fn digest(index: &Index<'_>) -> Digest {
    let tables = index.tables;
    let names = |digest: Digest, names: &[crate::index::Name]| {
        names
            .iter()
            .fold(digest, |digest, name| digest.field(tables.bytes(name.text)).number(name.entry.into()))
    };
    let start = names(names(Digest::new(), index.spellings), index.names);
    let rules = index.rules.iter().fold(start, |digest, rule| {
        let digest = digest.number(rule.fit as u64).number(rule.entry.into());
        digest.field(tables.bytes(rule.text)).field(tables.bytes(rule.unless))
    });
    let providers = index.providers.iter().fold(rules, |digest, provider| {
        digest.number(provider.names.into()).number(provider.rules.into()).number(provider.fallbacks.into())
    });
    let fallbacks = index.fallbacks.iter().fold(providers, |digest, other| digest.number((*other).into()));
    index.entries.iter().fold(fallbacks, |digest, entry| {
        let digest = digest.field(tables.bytes(entry.name)).number(entry.retires.into());
        index.card(entry).digest(digest)
    })
}
