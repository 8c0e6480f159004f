//! Counts as reported, and as they are billed.

mod anthropic;
mod bedrock;
mod cohere;
mod gemini;
mod openai;
mod reading;

use tollgate_pricing::{TokenCounts, TokenKind, Units};

pub(crate) use anthropic::Overlay;
pub(crate) use gemini::bills_one_search;
pub(crate) use reading::Reading;

use crate::json::Value;

/// Token counts of one call. Each is `None` if nobody reported it. Totals are inclusive, as in
/// OpenTelemetry: `input` contains cache reads and writes, `output` contains reasoning, and every other
/// field is a part of one of the two.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportedUsage {
    /// All input tokens.
    pub input: Option<u64>,
    /// All output tokens.
    pub output: Option<u64>,
    /// Input that was read from a cache.
    pub cache_read: Option<u64>,
    /// Input that was written to a cache, for whatever time.
    pub cache_write: Option<u64>,
    /// The share of `cache_write` that is kept for an hour.
    pub cache_write_1h: Option<u64>,
    /// Output that was thought and not shown.
    pub reasoning: Option<u64>,
    /// Audio in the input.
    pub input_audio: Option<u64>,
    /// Pictures in the input.
    pub input_image: Option<u64>,
    /// Video in the input.
    pub input_video: Option<u64>,
    /// The share of `cache_read` that is audio.
    pub cache_read_audio: Option<u64>,
    /// The share of `cache_read` that is pictures.
    pub cache_read_image: Option<u64>,
    /// The share of `cache_read` that is video.
    pub cache_read_video: Option<u64>,
    /// Audio in the output.
    pub output_audio: Option<u64>,
    /// Pictures in the output.
    pub output_image: Option<u64>,
    /// Video in the output.
    pub output_video: Option<u64>,
    /// Citations, which Perplexity's deep research bills apart. They are neither in `input` nor in
    /// `output`.
    pub citation: Option<u64>,
    /// What is counted in other things than tokens.
    pub units: Units,
    /// Whether the report contradicts itself.
    pub inconsistent: bool,
}

impl ReportedUsage {
    /// The same counts as disjoint classes. A part that is greater than its whole keeps what it says, and
    /// the rest of its whole is nothing: never less than nothing.
    pub fn counts(&self) -> TokenCounts {
        let mut counts = TokenCounts::default();
        let mut put = |kind, count: Option<u64>| {
            if let Some(count) = count {
                counts.set(kind, count);
            }
        };
        put(TokenKind::CacheReadAudio, self.cache_read_audio);
        put(TokenKind::CacheReadImage, self.cache_read_image);
        put(TokenKind::CacheReadVideo, self.cache_read_video);
        let cached = [self.cache_read_audio, self.cache_read_image, self.cache_read_video];
        put(TokenKind::CacheRead, rest(self.cache_read, &cached));
        put(TokenKind::CacheWrite1h, self.cache_write_1h);
        put(TokenKind::CacheWrite, rest(self.cache_write, &[self.cache_write_1h]));
        let audio = rest(self.input_audio, &[self.cache_read_audio]);
        let image = rest(self.input_image, &[self.cache_read_image]);
        let video = rest(self.input_video, &[self.cache_read_video]);
        put(TokenKind::InputAudio, audio);
        put(TokenKind::InputImage, image);
        put(TokenKind::InputVideo, video);
        put(TokenKind::Input, rest(self.input, &[self.cache_read, self.cache_write, audio, image, video]));
        put(TokenKind::Reasoning, self.reasoning);
        put(TokenKind::OutputAudio, self.output_audio);
        put(TokenKind::OutputImage, self.output_image);
        put(TokenKind::OutputVideo, self.output_video);
        let made = [self.reasoning, self.output_audio, self.output_image, self.output_video];
        put(TokenKind::Output, rest(self.output, &made));
        put(TokenKind::Citation, self.citation);
        counts
    }

    /// Whether nothing at all was reported.
    pub fn is_empty(&self) -> bool {
        *self == Self { inconsistent: self.inconsistent, ..Self::default() }
    }

    /// Flags parts that are greater than their whole.
    pub(crate) fn check(&mut self) {
        let cached = [self.cache_read_audio, self.cache_read_image, self.cache_read_video];
        let kept = exceeds(self.cache_write, &[self.cache_write_1h]) || exceeds(self.cache_read, &cached);
        let input = [self.cache_read, self.cache_write];
        let kinds = [self.input_audio, self.input_image, self.input_video];
        let taken = exceeds(self.input, &input) || exceeds(self.input, &kinds);
        let made = [self.reasoning, self.output_audio, self.output_image, self.output_video];
        self.inconsistent |= kept || taken || exceeds(self.output, &made);
    }
}

/// What a whole has beyond its parts. `None` if it was not reported, or the parts leave nothing.
fn rest(whole: Option<u64>, parts: &[Option<u64>]) -> Option<u64> {
    parts.iter().flatten().try_fold(whole?, |rest, part| rest.checked_sub(*part))
}

fn exceeds(whole: Option<u64>, parts: &[Option<u64>]) -> bool {
    whole.is_some() && rest(whole, parts).is_none()
}

/// Adds two counts of which either may be unknown.
pub(crate) fn plus(left: Option<u64>, right: Option<u64>) -> Option<u64> {
    match (left, right) {
        (Some(left), Some(right)) => left.checked_add(right),
        (known, None) | (None, known) => known,
    }
}

/// Reads a report that hardly needs reading; `None` leaves it to [`read`].
pub(crate) fn read_plain(kind: crate::dialect::UsageKind, raw: &[u8]) -> Option<Reading> {
    if kind == crate::dialect::UsageKind::OpenAi { openai::read_plain(raw) } else { None }
}

/// Reads a report of the dialects where one object tells all.
pub(crate) fn read(kind: crate::dialect::UsageKind, value: &Value<'_>) -> Reading {
    use crate::dialect::UsageKind;
    match kind {
        UsageKind::OpenAi | UsageKind::Bare => openai::read(value),
        UsageKind::Anthropic => Overlay::of(value).reading(),
        UsageKind::Gemini => gemini::read(value),
        UsageKind::Interactions => gemini::read_interaction(value),
        UsageKind::Converse => bedrock::read_converse(value),
        UsageKind::Invoke => bedrock::read_invoke(value),
        UsageKind::Cohere => cohere::read(value),
        UsageKind::Pages => openai::read_pages(value),
    }
}

/// Reads the counts that AWS itself makes of an invocation.
pub(crate) fn read_metrics(value: &Value<'_>) -> Reading {
    bedrock::read_metrics(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Cases<'a> = [(&'a str, ReportedUsage, &'a [(TokenKind, u64)])];

    fn check(cases: &Cases<'_>) {
        for (name, usage, expected) in cases {
            let counts: Vec<_> = usage.counts().iter().collect();
            assert_eq!(counts, *expected, "{name}");
        }
    }

    #[test]
    fn counts_are_disjoint() {
        let plain = ReportedUsage { input: Some(100), output: Some(30), ..Default::default() };
        check(&[
            ("nothing was reported", ReportedUsage::default(), &[]),
            ("totals alone", plain.clone(), &[(TokenKind::Input, 100), (TokenKind::Output, 30)]),
            (
                "caches and reasoning are taken out of their wholes",
                ReportedUsage {
                    cache_read: Some(60),
                    cache_write: Some(20),
                    cache_write_1h: Some(5),
                    reasoning: Some(10),
                    ..plain.clone()
                },
                &[
                    (TokenKind::Input, 20),
                    (TokenKind::CacheRead, 60),
                    (TokenKind::CacheWrite, 15),
                    (TokenKind::CacheWrite1h, 5),
                    (TokenKind::Output, 20),
                    (TokenKind::Reasoning, 10),
                ],
            ),
            (
                "cached audio is neither plain audio nor plain cache",
                ReportedUsage {
                    input_audio: Some(40),
                    cache_read: Some(30),
                    cache_read_audio: Some(25),
                    ..plain.clone()
                },
                &[
                    (TokenKind::Input, 55),
                    (TokenKind::CacheRead, 5),
                    (TokenKind::InputAudio, 15),
                    (TokenKind::CacheReadAudio, 25),
                    (TokenKind::Output, 30),
                ],
            ),
            (
                "a part greater than its whole keeps what it says",
                ReportedUsage { cache_read: Some(314), ..plain.clone() },
                &[(TokenKind::CacheRead, 314), (TokenKind::Output, 30)],
            ),
        ]);
    }
}
