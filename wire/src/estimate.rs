//! Counts of tokens that nobody reported, from the texts that were seen.
//!
//! Of a body the beginning of its texts is kept, and how long they are in all; a vocabulary counts the beginning, the rest is
//! taken to be like it. So memory and work are bounded whatever passes, and nothing is counted unless it is needed.
//! `docs/estimates.md` says how far the counts are from what providers report.

mod family;
mod texts;
mod vocabulary;

use std::fmt;

pub use family::Encoding;
pub use vocabulary::Vocabulary;

use crate::json::unescape;
use crate::report::{Reported, Source};
use family::Family;
use texts::TextScan;

/// So much of a body's texts is kept.
const MOST_KEPT: usize = 8 * 1024;

/// So much of a body is searched for texts; what follows is taken to be like it.
const MOST_SEARCHED: u64 = 64 * 1024;

/// Tokens of a message beside its text: its role and borders. OpenAI's cookbook, "How to count tokens with tiktoken".
const TOKENS_PER_MESSAGE: u64 = 4;

/// Keys of requests under which texts stand that a model reads, whatever the dialect.
const REQUEST_KEYS: &[&str] = &[
    "args",
    "arguments",
    "content",
    "functions",
    "input",
    "inputText",
    "instructions",
    "json",
    "message",
    "output",
    "preamble",
    "prompt",
    "query",
    "response_format",
    "responseSchema",
    "system",
    "text",
    "texts",
    "tools",
];

/// Counts the tokens of a text.
pub trait CountTokens {
    /// How many tokens the text has under that encoding; `None` if its vocabulary is not there (yet).
    fn count(&self, encoding: Encoding, text: &str) -> Option<u64>;
}

/// Counts nothing, so that texts are reckoned by their length.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVocabulary;

impl CountTokens for NoVocabulary {
    fn count(&self, _encoding: Encoding, _text: &str) -> Option<u64> {
        None
    }
}

/// The texts of a body that passes.
pub(crate) struct Texts {
    scan: TextScan,
    /// How the texts begin, escapes included.
    kept: Vec<u8>,
    /// How many bytes of text were found, escapes included.
    found: u64,
    /// How many bytes were searched.
    searched: u64,
    /// How many bytes passed in all.
    passed: u64,
}

impl Texts {
    /// Of what a model says.
    pub(crate) fn of_response(keys: &'static [&'static str]) -> Self {
        Self::new(TextScan::new(keys, b""))
    }

    fn new(scan: TextScan) -> Self {
        Self { scan, kept: Vec::new(), found: 0, searched: 0, passed: 0 }
    }

    /// Of what a model is asked.
    pub(crate) fn of_request() -> Self {
        let mut scan = TextScan::new(REQUEST_KEYS, b"\\n");
        scan.messages = Some(0);
        Self::new(scan)
    }

    /// Takes the next bytes of JSON, events or lines.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        self.passed = self.passed.saturating_add(length(chunk));
        let room = usize::try_from(MOST_SEARCHED.saturating_sub(self.searched)).unwrap_or(usize::MAX);
        let searched = chunk.get(..room).unwrap_or(chunk);
        self.searched = self.searched.saturating_add(length(searched));
        let (kept, found) = (&mut self.kept, &mut self.found);
        self.scan.feed(searched, &mut |text| {
            *found = found.saturating_add(length(text));
            let room = MOST_KEPT.saturating_sub(kept.len());
            kept.extend_from_slice(text.get(..room).unwrap_or(text));
        });
    }

    /// How many bytes they have, escapes included.
    pub(crate) fn bytes(&self) -> u64 {
        self.found
    }

    /// How many tokens they have for that model; `None` if there is no text.
    pub(crate) fn tokens(&self, model: Option<&str>, counter: &dyn CountTokens) -> Option<u64> {
        let family = Family::of(model.unwrap_or_default());
        let text = self.kept_text();
        let bytes = u128::from(self.found)
            .checked_mul(u128::from(self.passed))?
            .checked_div(u128::from(self.searched))?;
        let counted = match counter.count(family.encoding, &text) {
            Some(tokens) => {
                let kept = u128::from(length(&self.kept));
                u128::from(tokens).checked_mul(bytes)?.checked_div(kept)?
            }
            None => self.by_length(&text, bytes)?,
        };
        let tokens = counted.checked_mul(u128::from(family.percent))?.div_ceil(100);
        let messages = self.scan.messages.unwrap_or_default().saturating_mul(TOKENS_PER_MESSAGE);
        let tools = if self.scan.has_tools { family.tools } else { 0 };
        let all = u64::try_from(tokens).ok()?.checked_add(messages)?.checked_add(tools)?;
        (all > 0).then_some(all)
    }

    /// English has some 4.3 bytes a token; a character of another script is nearer to one token by itself.
    fn by_length(&self, text: &str, bytes: u128) -> Option<u128> {
        let plain = text.bytes().filter(u8::is_ascii).count();
        let others = text.chars().filter(|letter| !letter.is_ascii()).count();
        let tenths = plain.checked_mul(10)?.div_ceil(43).checked_add(others.checked_mul(2)?.div_ceil(3))?;
        u128::try_from(tenths).ok()?.checked_mul(bytes)?.checked_div(u128::from(length(&self.kept)))
    }

    fn kept_text(&self) -> String {
        let mut kept = self.kept.as_slice();
        // What was kept may end within an escape: at most twelve bytes, a pair of surrogates.
        for _ in 0..12 {
            if let Some(text) = unescape(kept) {
                return text.into_owned();
            }
            kept = kept.split_last().map_or(&[], |(_, rest)| rest);
        }
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the texts.
        f.debug_struct("Texts")
            .field("found", &self.found)
            .field("passed", &self.passed)
            .finish_non_exhaustive()
    }
}

/// What an estimate has to go by.
pub(crate) struct Seen<'a> {
    /// Texts of the request, where they count.
    pub(crate) asked: Option<&'a Texts>,
    /// Texts of the response, as long as no report of them came.
    pub(crate) said: Option<&'a Texts>,
    /// The model that answered, else the one asked for.
    pub(crate) model: Option<&'a str>,
    /// Whether the response came to its end.
    pub(crate) complete: bool,
}

impl Seen<'_> {
    /// Puts counts where nobody reported any; it is for reports that are not whole. A running count stays, unless more was seen than it says.
    pub(crate) fn fill(&self, reported: &mut Reported, counter: &dyn CountTokens) {
        let tokens = |texts: Option<&Texts>| texts.and_then(|texts| texts.tokens(self.model, counter));
        let mut usage = reported.usage.take().unwrap_or_default();
        usage.input = usage.input.or_else(|| tokens(self.asked));
        let said = tokens(self.said);
        usage.output = match (usage.output, said) {
            (Some(running), Some(said)) => Some(running.max(said)),
            (running, said) => running.or(said),
        };
        reported.usage = Some(usage).filter(|usage| !usage.is_empty());
        reported.source = match (&reported.usage, self.complete) {
            (None, _) => Source::None,
            (Some(_), false) => Source::Partial,
            (Some(_), true) => Source::Estimated,
        };
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
