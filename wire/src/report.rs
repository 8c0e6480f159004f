//! What a response turned out to report.

use tollgate_pricing::PicoUsd;

use crate::usage::ReportedUsage;

/// Everything that one response said about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reported {
    /// The model that answered, as on the wire.
    pub model: Option<String>,
    /// The response's id.
    pub id: Option<String>,
    /// Why generation ended, one for each choice, as on the wire.
    pub finish_reasons: Vec<String>,
    /// The counts, where any were reported.
    pub usage: Option<ReportedUsage>,
    /// How far the counts can be relied on.
    pub source: Source,
    /// Whether the response came as a stream of events.
    pub stream: bool,
    /// Whether it is, or was, made in the background, so that it is told as often as it is fetched.
    pub background: bool,
    /// The service tier that served the call.
    pub service_tier: Option<String>,
    /// The region of inference, where the response names one.
    pub region: Option<String>,
    /// The speed that served the call (Anthropic).
    pub speed: Option<String>,
    /// How much context a web search brought in, where its price depends on it (Perplexity).
    pub search_context_size: Option<String>,
    /// What the provider says the call costs.
    pub cost: Option<PicoUsd>,
    /// How the provider splits that cost.
    pub cost_lines: Vec<(&'static str, PicoUsd)>,
    /// One entry for each model, where one call used several; together they are `usage`.
    pub parts: Vec<Part>,
    /// What was wrong with the response.
    pub problems: Problems,
}

/// The share of one model in a call that used several.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The model; `None` is the one that the response names.
    pub model: Option<String>,
    /// Its share of the counts.
    pub usage: ReportedUsage,
    /// Where the counts are the sum of several calls: the input of the one with the longest prompt.
    pub longest_prompt: Option<u64>,
}

/// Where the counts come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The provider's final report.
    Reported,
    /// What was seen of a response that did not come to its end: a running count, or a count of our own.
    Partial,
    /// Nobody reported anything: a count of our own.
    Estimated,
    /// Nothing was reported.
    #[default]
    None,
}

/// Something that was wrong with a body. None of them harms the call itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Problem {
    /// The body is not what its dialect allows, or ended too early.
    Malformed,
    /// A value that was wanted is longer than the cap.
    Overlong,
    /// A report contradicts itself.
    Inconsistent,
    /// The body's encoding cannot be read.
    Encoded,
    /// The usage chunk that we asked for could not be taken out.
    UsageLeftIn,
    /// The stream carried an error.
    ErrorInStream,
    /// A frame's checksum is wrong.
    Checksum,
}

impl Problem {
    /// Every problem.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::Overlong,
        Self::Inconsistent,
        Self::Encoded,
        Self::UsageLeftIn,
        Self::ErrorInStream,
        Self::Checksum,
    ];

    /// The name that counters and logs use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Overlong => "overlong",
            Self::Inconsistent => "inconsistent",
            Self::Encoded => "encoded",
            Self::UsageLeftIn => "usage_left_in",
            Self::ErrorInStream => "error_in_stream",
            Self::Checksum => "checksum",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of [`Problem`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Problems(u8);

impl Problems {
    /// Adds one.
    pub fn add(&mut self, problem: Problem) {
        self.0 |= problem.bit();
    }

    /// Whether it is in the set.
    pub fn has(self, problem: Problem) -> bool {
        self.0 & problem.bit() != 0
    }

    /// Whether nothing was wrong.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are in the set.
    pub fn iter(self) -> impl Iterator<Item = Problem> {
        Problem::ALL.into_iter().filter(move |problem| self.has(*problem))
    }
}
