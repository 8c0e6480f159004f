//! From provider and model to an entry: names sorted for binary search, then the few rules that
//! match by a part of the name.

use crate::tables::{Span, Tables, run};
use alloc::borrow::Cow;
use alloc::string::String;

/// One priced model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The model's name in the catalogue.
    pub name: Span,
    /// Place in `Tables::cards`.
    pub card: u16,
    /// The day since the Unix epoch on which the provider takes the model away; 0 if not known.
    pub retires: u16,
}

/// A whole name and the entry that it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub text: Span,
    pub entry: u16,
}

/// How a rule matches a part of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Prefix,
    Suffix,
    Contains,
    /// A prefix that a digit follows.
    Numbered,
    /// A prefix, then `-` or `@` and a date, and nothing else.
    Dated,
}

/// A part of a name and the entry that it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub fit: Fit,
    pub text: Span,
    /// The rule does not match names that contain this (if not empty).
    pub unless: Span,
    pub entry: u16,
}

/// One provider: its runs of names (sorted) and rules (first match wins).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Provider {
    pub name: Span,
    pub first_name: u16,
    pub names: u16,
    pub first_rule: u16,
    pub rules: u16,
    /// Run in `Index::fallbacks`: the providers whose models this one also serves.
    pub first_fallback: u16,
    pub fallbacks: u16,
}

/// The whole look-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Index<'a> {
    pub tables: Tables<'a>,
    pub providers: &'a [Provider],
    /// Every spelling of a provider, sorted, with its place in `providers`.
    pub spellings: &'a [Name],
    pub fallbacks: &'a [u16],
    pub entries: &'a [Entry],
    pub names: &'a [Name],
    pub rules: &'a [Rule],
}

/// A provider's place in `Index::providers`.
type Place = u16;

impl<'a> Index<'a> {
    /// The place of a provider, in any spelling.
    pub fn place(&self, name: &str) -> Option<Place> {
        self.lookup(self.spellings, name)
    }

    pub fn provider(&self, place: Place) -> Option<&'a Provider> {
        self.providers.get(usize::from(place))
    }

    /// The entry of a model with the provider that sells it: by its name as it stands, then by ever
    /// looser readings of it.
    pub fn search(&self, place: Place, model: &str) -> Option<(&'a Provider, &'a Entry)> {
        // Nearly all names are whole names; the rules are tried for the others only.
        if let Some(found) = self.search_whole(place, model) {
            return Some(found);
        }
        let model = lower(model);
        let bare = without_path(&model);
        let provider = self.provider(place)?;
        let written = self.find_as_written(provider, &model);
        let known =
            written.or_else(|| if bare == model { None } else { self.find_as_written(provider, bare) });
        known.or_else(|| self.find_snapshot(provider, bare))
    }

    /// The entry of a model by its whole name, or by the last part of its path.
    pub fn search_whole(&self, place: Place, model: &str) -> Option<(&'a Provider, &'a Entry)> {
        let model = lower(model);
        let provider = self.provider(place)?;
        let entry = self.whole_name(provider, &model);
        let entry = entry.or_else(|| self.whole_name(provider, without_path(&model)))?;
        Some((provider, self.entries.get(usize::from(entry))?))
    }

    fn find_as_written(&self, provider: &'a Provider, model: &str) -> Option<(&'a Provider, &'a Entry)> {
        self.find_with_fallbacks(provider, model).or_else(|| {
            let dashed = with_dashed_date(model)?;
            self.find_with_fallbacks(provider, &dashed)
        })
    }

    /// A snapshot that no rule names costs what its family costs. Fine-tunes have prices of their
    /// own: only their snapshot's date and their owner's suffix are taken away, never the `ft:`.
    fn find_snapshot(&self, provider: &'a Provider, model: &str) -> Option<(&'a Provider, &'a Entry)> {
        let family = without_owner(model);
        let known = if family == model { None } else { self.find_with_fallbacks(provider, family) };
        known.or_else(|| self.find_with_fallbacks(provider, without_date(family)?))
    }

    fn find_with_fallbacks(&self, provider: &'a Provider, model: &str) -> Option<(&'a Provider, &'a Entry)> {
        self.find_own(provider, model).or_else(|| {
            let others = run(self.fallbacks, provider.first_fallback, provider.fallbacks).iter();
            let mut others = others.filter_map(|place| self.provider(*place));
            others.find_map(|other| self.find_own(other, model))
        })
    }

    fn find_own(&self, provider: &'a Provider, model: &str) -> Option<(&'a Provider, &'a Entry)> {
        let number = self.whole_name(provider, model).or_else(|| self.matched(provider, model))?;
        Some((provider, self.entries.get(usize::from(number))?))
    }

    fn whole_name(&self, provider: &Provider, model: &str) -> Option<u16> {
        self.lookup(run(self.names, provider.first_name, provider.names), model)
    }

    /// Every entry that a whole name leads to, with its provider.
    pub fn owned(&self) -> impl Iterator<Item = (&'a Provider, &'a Entry)> {
        let (names, entries) = (self.names, self.entries);
        self.providers.iter().flat_map(move |provider| {
            let own = run(names, provider.first_name, provider.names).iter();
            own.filter_map(move |name| Some((provider, entries.get(usize::from(name.entry))?)))
        })
    }

    fn lookup(&self, names: &[Name], wanted: &str) -> Option<u16> {
        let wanted = wanted.as_bytes();
        let place = names.binary_search_by(|name| self.tables.bytes(name.text).cmp(wanted)).ok()?;
        names.get(place).map(|name| name.entry)
    }

    fn matched(&self, provider: &Provider, model: &str) -> Option<u16> {
        let rules = run(self.rules, provider.first_rule, provider.rules);
        rules.iter().find(|rule| self.matches(rule, model)).map(|rule| rule.entry)
    }

    fn matches(&self, rule: &Rule, model: &str) -> bool {
        let text = self.tables.text(rule.text);
        let unless = self.tables.text(rule.unless);
        let hit = match rule.fit {
            Fit::Prefix => model.starts_with(text),
            Fit::Suffix => model.ends_with(text),
            Fit::Contains => model.contains(text),
            Fit::Numbered => {
                let rest = model.strip_prefix(text);
                rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
            }
            Fit::Dated => model.strip_prefix(text).is_some_and(is_date_suffix),
        };
        hit && (unless.is_empty() || !model.contains(unless))
    }
}

fn lower(model: &str) -> Cow<'_, str> {
    if model.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(model.to_ascii_lowercase())
    } else {
        Cow::Borrowed(model)
    }
}

/// What stands before the model in paths and ARNs of resources: `publishers/google/models/x`,
/// `arn:aws:bedrock:us-east-1::foundation-model/x`.
const PATHS: [&str; 3] = ["models/", "inference-profile/", "foundation-model/"];

/// The last part of a resource path that ends in a model. Vertex's OpenAI-compatible endpoint wants its own models as `google/x`.
fn without_path(model: &str) -> &str {
    let bare = PATHS.iter().find_map(|path| model.rsplit_once(path)).map(|(_, bare)| bare);
    bare.or_else(|| model.strip_prefix("google/")).unwrap_or(model)
}

/// `ft:gpt-4o-2024-08-06:acme::id` without what the owner added; `name:20230824-v2` without the
/// version; `name:nitro` without the tag that only says by what OpenRouter sorts the sellers. Other tags (`:free`, `:online`)
/// change the price and stay.
fn without_owner(model: &str) -> &str {
    if let Some(tuned) = model.strip_prefix("ft:") {
        let end = tuned.find(':').and_then(|at| at.checked_add("ft:".len()));
        return end.and_then(|end| model.get(..end)).unwrap_or(model);
    }
    let same = |tag: &str| {
        tag.starts_with(|c: char| c.is_ascii_digit()) || matches!(tag, "nitro" | "floor" | "exacto")
    };
    model.split_once(':').filter(|(_, tag)| same(tag)).map_or(model, |(name, _)| name)
}

/// The name without `-2024-08-06`, `-20240806`, `@20240806` or `-latest` at its end.
fn without_date(model: &str) -> Option<&str> {
    let dated = model.char_indices().filter(|(_, c)| matches!(c, '-' | '@'));
    let mut cuts = dated.filter_map(|(at, _)| Some((model.get(..at)?, model.get(at..)?)));
    let cut = cuts.find(|(_, tail)| is_date_suffix(tail) || *tail == "-latest");
    cut.map(|(family, _)| family).filter(|family| !family.is_empty())
}

/// `-20240806`, `@20240806`, `-2024-08-06`.
fn is_date_suffix(tail: &str) -> bool {
    let Some(date) = tail.strip_prefix(['-', '@']) else { return false };
    is_compact_date(date) || is_dashed_date(date)
}

fn is_compact_date(date: &str) -> bool {
    date.len() == 8 && date.starts_with("20") && date.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_dashed_date(date: &str) -> bool {
    let mut parts = date.split('-');
    let lengths = [4, 2, 2].map(|length| parts.next().is_some_and(|part| is_number(part, length)));
    lengths.iter().all(|fits| *fits) && parts.next().is_none() && date.starts_with("20")
}

fn is_number(part: &str, length: usize) -> bool {
    part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())
}

/// Resellers write `gpt-5.2-20251211` for `gpt-5.2-2025-12-11`.
fn with_dashed_date(model: &str) -> Option<String> {
    let mut parts = model.split('-');
    let date = parts.find_map(|part| {
        let date = part.split(':').next()?;
        is_compact_date(date).then_some(date)
    })?;
    let (year, rest) = date.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    Some(model.replacen(date, &alloc::format!("{year}-{month}-{day}"), 1))
}
