//! What a record holds. Names and meanings are those of the record's reference in README.md.

use tollgate_pricing::PicoUsd;

use crate::time::Timestamp;

/// The schema that this version writes. Readers accept it and all older ones.
pub const SCHEMA: u64 = 1;

/// One LLM call, denied ones too, as it stands in the access log.
///
/// `None` and empty lists mean *unknown* or *not reported*; a reported zero is `Some(0)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// Process, worker and sequence: unique, and the id of the call's reservation.
    pub id: String,
    /// The instant whose prices applied.
    pub time: Timestamp,
    /// OpenTelemetry's `gen_ai.operation.name`.
    pub operation: String,
    /// OpenTelemetry's `gen_ai.provider.name`, or the operator's own name for it.
    pub provider: String,
    /// The model that went upstream, as on the wire; of a refused call the one asked for.
    pub request_model: Option<String>,
    /// The model that the client asked for, where a rule sent another.
    pub asked_model: Option<String>,
    /// The model that answered, as on the wire.
    pub response_model: Option<String>,
    /// The provider's id of the answer.
    pub response_id: Option<String>,
    /// Why each choice ended, as on the wire.
    pub finish_reasons: Vec<String>,
    /// Token counts, inclusive as in OpenTelemetry.
    pub tokens: Tokens,
    /// What else was used (`web_search`, `images` ...), as exact decimal quantities.
    pub units: Vec<(String, String)>,
    /// One entry for each model that had a part in the call, where there were several.
    pub parts: Vec<Part>,
    /// Where the counts come from.
    pub usage_source: UsageSource,
    /// The provider's report contradicts itself.
    pub inconsistent: bool,
    /// What it cost.
    pub cost: Cost,
    /// Tag names and values, in the configuration's order.
    pub tags: Vec<(String, String)>,
    /// Names of required tags that were absent.
    pub missing_tags: Vec<String>,
    /// What policy did with the call.
    pub decision: Decision,
    /// Rules in shadow mode that would have acted.
    pub shadow: Vec<String>,
    /// What a candidate configuration would have done, where that is something else.
    pub candidate: Option<Box<Candidate>>,
    /// What admission reserved, in USD.
    pub reserved: Option<PicoUsd>,
    /// What the call's workflow has come to, where a rule about agents counts it.
    pub workflow: Option<Box<Workflow>>,
    /// The call says again what failed a moment ago, where a rule about retries looks.
    pub retry: Option<Retry>,
    /// What of the call was wasted, where the configuration looks for that.
    pub waste: Vec<Waste>,
    /// The answer was streamed.
    pub stream: Option<bool>,
    /// Milliseconds from the request to the first byte of the answer's content.
    pub ttft_ms: Option<u64>,
    /// Milliseconds from the request to the end of the exchange.
    pub duration_ms: Option<u64>,
    /// The HTTP status that the client got.
    pub http_status: Option<u16>,
    /// The service tier as served.
    pub service_tier: Option<String>,
    /// The region as served.
    pub region: Option<String>,
    /// The speed as served.
    pub speed: Option<String>,
    /// What else the price depended on (`image_size`, `image_quality`, `search_context_size`), and under `price_as`
    /// the model whose price stood in for one that nobody knows.
    pub conditions: Vec<(String, String)>,
    /// Digest of the price catalogue and the operator's own prices.
    pub price_version: String,
    /// Digest of the configuration whose rules applied.
    pub config_version: String,
}

/// Token counts, inclusive: `input` contains cache reads and writes, `output` contains reasoning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All input tokens.
    pub input: Option<u64>,
    /// All output tokens.
    pub output: Option<u64>,
    /// Input tokens read from the provider's cache.
    pub cache_read: Option<u64>,
    /// Input tokens written to the provider's cache, whatever their lifetime.
    pub cache_creation: Option<u64>,
    /// Those of `cache_creation` that live for an hour.
    pub cache_creation_1h: Option<u64>,
    /// Output tokens spent on reasoning.
    pub reasoning: Option<u64>,
    /// Input tokens of audio.
    pub audio_input: Option<u64>,
    /// Output tokens of audio.
    pub audio_output: Option<u64>,
    /// Input tokens of images.
    pub image_input: Option<u64>,
    /// Output tokens of images.
    pub image_output: Option<u64>,
    /// Input tokens of video.
    pub video_input: Option<u64>,
    /// Output tokens of video.
    pub video_output: Option<u64>,
    /// Those of `cache_read` that are audio.
    pub cache_read_audio: Option<u64>,
    /// Those of `cache_read` that are images.
    pub cache_read_image: Option<u64>,
    /// Those of `cache_read` that are video.
    pub cache_read_video: Option<u64>,
    /// Tokens of citations, where a provider bills them apart; neither in `input` nor in `output`.
    pub citation: Option<u64>,
}

/// A model's share of a call that used several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// The model, as on the wire; `None` where it is the call's own.
    pub model: Option<String>,
    /// Its token counts.
    pub tokens: Tokens,
    /// Its share of the call's units.
    pub units: Vec<(String, String)>,
    /// Its cost, where it has a price.
    pub usd: Option<PicoUsd>,
    /// Where the counts are the sum of several calls: the input of the one with the longest prompt, by which tiers go.
    pub longest_prompt: Option<u64>,
}

/// What the call cost, and how that is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cost {
    /// How the cost came about, or why there is none.
    pub status: CostStatus,
    /// After adjustments.
    pub usd: Option<PicoUsd>,
    /// Before adjustments; our own quote where the provider's figure is the cost.
    pub list_usd: Option<PicoUsd>,
    /// Line items; they add up to `usd`.
    pub lines: Vec<(String, PicoUsd)>,
    /// What was used and has no rate, under [`CostStatus::Unpriced`]: `usd` is what the rest costs.
    pub unpriced: Vec<String>,
    /// The percentages by which each list price was raised or, below zero, lowered, in the order in which they apply.
    pub adjustments: Vec<String>,
    /// The provider's own figure.
    pub reported_usd: Option<PicoUsd>,
    /// What reads from the provider's cache would have cost more as plain input, at list price.
    pub saved_by_cache_usd: Option<PicoUsd>,
    /// What the model that the client asked for would have cost more for the same usage, at list price; below zero if it
    /// would have cost less.
    pub saved_by_rewrite_usd: Option<PicoUsd>,
}

/// What a workflow has come to since its span of time began, this call included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Workflow {
    /// How many calls it has made.
    pub calls: u64,
    /// What those of them cost whose cost is known.
    pub usd: PicoUsd,
    /// How long this call's request is, in hundredths of the first one's length.
    pub input_growth_percent: Option<u64>,
}

/// What a candidate configuration would have done with the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// The strongest action that would have applied.
    pub action: Action,
    /// The rule or quota that would have decided.
    pub rule: Option<String>,
    /// The model that would have been sent, where that is another one.
    pub model: Option<String>,
    /// What the call would have cost: nothing if it would have been refused, else the same tokens at the price of that model. `None` if
    /// that is not known.
    pub cost_usd: Option<PicoUsd>,
    /// Of a call that was refused: what the candidate would have put aside for it.
    pub estimated_usd: Option<PicoUsd>,
}

/// The same said again after it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Which attempt in a row this is: 2 is the first one after the failure.
    pub attempt: u64,
    /// Whether it asks the same model.
    pub kind: RetryKind,
}

/// What one remedy would have saved. Each is reckoned as if it were the only one, so several of one call overlap, and are not to be
/// added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waste {
    /// What is wrong.
    pub reason: WasteReason,
    /// What it cost, never more than the call; `None` if that is not known.
    pub usd: Option<PicoUsd>,
    /// How many input tokens it is about, where it is about a part of them: an estimate by the length of texts.
    pub tokens: Option<u64>,
}

/// What policy did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// All that applied, in order; empty means `allow`.
    pub actions: Vec<Action>,
    /// The rule or quota that decided.
    pub rule: Option<String>,
    /// When the budget that warned will be empty, if its window goes on as it began; the soonest of several.
    pub empty_at: Option<Timestamp>,
}

impl Decision {
    /// The strongest action that applied.
    pub fn action(&self) -> Action {
        self.actions.iter().copied().max().unwrap_or_default()
    }
}

/// A fixed set of words, each of which stands for one variant in the record.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// All words, weakest or first one first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that stands in the record and in stats.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The variant that a word stands for.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.as_str() == word)
            }
        }
    };
}

words! {
    /// What policy did to a call, from weakest to strongest.
    Action {
        /// Nothing.
        #[default] Allow = "allow",
        /// Let pass with a warning.
        Warn = "warn",
        /// Sent another model than asked for, by a route.
        Rewrite = "rewrite",
        /// Sent a cheaper model, by a quota's step.
        Downgrade = "downgrade",
        /// Lowered the output limit.
        Clamp = "clamp",
        /// Refused for a moment.
        Throttle = "throttle",
        /// Refused.
        Deny = "deny",
        /// Ended a running stream.
        Cut = "cut",
    }
}

words! {
    /// How a cost came about. A cost that is not known is never zero: it is absent, and this says why.
    CostStatus {
        /// Priced from the catalogue or the operator's prices.
        Priced = "priced",
        /// The provider's own figure is the cost.
        Reported = "reported",
        /// Something that was used has no rate.
        Unpriced = "unpriced",
        /// Neither catalogue nor configuration knows the model.
        UnknownModel = "unknown_model",
        /// Nobody reported what was used.
        #[default] NoUsage = "no_usage",
        /// The operator declared it free.
        Free = "free",
        /// The provider answered with an error and bills nothing.
        NotBilled = "not_billed",
        /// Refused before it was sent.
        NotSent = "not_sent",
    }
}

words! {
    /// What a call is that says again what failed.
    RetryKind {
        /// It asks the same model.
        #[default] Retry = "retry",
        /// It asks another one.
        Fallback = "fallback",
    }
}

words! {
    /// Why money was spent for nothing.
    WasteReason {
        /// Its client went away before the answer was over.
        #[default] Abandoned = "abandoned",
        /// The answer ended where its length was limited.
        CutByLength = "cut_by_length",
        /// The same request, or a text to embed, was answered before.
        Repeated = "repeated",
        /// The request begins as an earlier one did, and the provider's cache did not serve that.
        UncachedPrefix = "uncached_prefix",
        /// Turns are sent along that are older than those to be kept.
        History = "history",
    }
}

words! {
    /// Where the counts come from.
    UsageSource {
        /// The provider's report.
        Reported = "reported",
        /// Counted here.
        Estimated = "estimated",
        /// The answer was cut: what was seen.
        Partial = "partial",
        /// Nobody counted.
        #[default] None = "none",
    }
}
