//! Token counts, split into classes that do not overlap.

/// A class of tokens. The classes are disjoint: `Input` is what no other input class holds.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// Input that is neither cached nor of a modality of its own.
    Input,
    /// Input read from a prompt cache.
    CacheRead,
    /// Input written to a prompt cache with the usual life (5 minutes at Anthropic).
    CacheWrite,
    /// Input written to a prompt cache that lives one hour.
    CacheWrite1h,
    /// Audio input.
    InputAudio,
    /// Image input.
    InputImage,
    /// Video input.
    InputVideo,
    /// Audio input read from a cache.
    CacheReadAudio,
    /// Image input read from a cache.
    CacheReadImage,
    /// Video input read from a cache.
    CacheReadVideo,
    /// Audio input written to a cache.
    CacheWriteAudio,
    /// Output that no other output class holds.
    Output,
    /// Output spent on reasoning.
    Reasoning,
    /// Audio output.
    OutputAudio,
    /// Image output.
    OutputImage,
    /// Video output.
    OutputVideo,
    /// Output of citations that is priced apart (Perplexity's deep research).
    Citation,
}

use TokenKind::{
    CacheRead, CacheReadAudio, CacheReadImage, CacheReadVideo, CacheWrite, CacheWrite1h, CacheWriteAudio,
    Citation, Input, InputAudio, InputImage, InputVideo, Output, OutputAudio, OutputImage, OutputVideo,
    Reasoning,
};

impl TokenKind {
    /// How many classes there are.
    pub const COUNT: usize = 17;

    /// All classes in the order of their numbers.
    pub const ALL: [TokenKind; TokenKind::COUNT] = [
        Input,
        CacheRead,
        CacheWrite,
        CacheWrite1h,
        InputAudio,
        InputImage,
        InputVideo,
        CacheReadAudio,
        CacheReadImage,
        CacheReadVideo,
        CacheWriteAudio,
        Output,
        Reasoning,
        OutputAudio,
        OutputImage,
        OutputVideo,
        Citation,
    ];

    /// The name in records and configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Input => "input",
            CacheRead => "cache_read",
            CacheWrite => "cache_write",
            CacheWrite1h => "cache_write_1h",
            InputAudio => "input_audio",
            InputImage => "input_image",
            InputVideo => "input_video",
            CacheReadAudio => "cache_read_audio",
            CacheReadImage => "cache_read_image",
            CacheReadVideo => "cache_read_video",
            CacheWriteAudio => "cache_write_audio",
            Output => "output",
            Reasoning => "reasoning",
            OutputAudio => "output_audio",
            OutputImage => "output_image",
            OutputVideo => "output_video",
            Citation => "citation",
        }
    }

    /// The class of that name.
    pub fn from_name(name: &str) -> Option<TokenKind> {
        TokenKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether the tokens were sent (true) or made by the model (false).
    pub const fn is_input(self) -> bool {
        (self as u8) < (Output as u8)
    }

    /// The classes whose rate this class is billed at, best first: its own, then its parents'.
    /// A cached modality falls to the cache rate before the modality's.
    pub const fn billed_as(self) -> &'static [TokenKind] {
        match self {
            Input => &[Input],
            CacheRead => &[CacheRead, Input],
            CacheWrite => &[CacheWrite, Input],
            CacheWrite1h => &[CacheWrite1h, CacheWrite, Input],
            InputAudio => &[InputAudio, Input],
            InputImage => &[InputImage, Input],
            InputVideo => &[InputVideo, Input],
            CacheReadAudio => &[CacheReadAudio, CacheRead, InputAudio, Input],
            CacheReadImage => &[CacheReadImage, CacheRead, InputImage, Input],
            CacheReadVideo => &[CacheReadVideo, CacheRead, InputVideo, Input],
            CacheWriteAudio => &[CacheWriteAudio, CacheWrite, InputAudio, Input],
            Output => &[Output],
            Reasoning => &[Reasoning, Output],
            OutputAudio => &[OutputAudio, Output],
            OutputImage => &[OutputImage, Output],
            OutputVideo => &[OutputVideo, Output],
            Citation => &[Citation, Output],
        }
    }
}

/// A count for each class; a class that was not set counts nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    counts: [u64; TokenKind::COUNT],
}

impl TokenCounts {
    /// The tokens of that class alone.
    #[expect(clippy::indexing_slicing, reason = "the array has one place for each class")]
    pub const fn get(&self, kind: TokenKind) -> u64 {
        self.counts[kind as usize]
    }

    /// Replaces the count of that class.
    #[expect(clippy::indexing_slicing, reason = "the array has one place for each class")]
    pub const fn set(&mut self, kind: TokenKind, count: u64) {
        self.counts[kind as usize] = count;
    }

    /// Adds to the count of that class; None, and no change, if it leaves the range.
    pub fn add(&mut self, kind: TokenKind, count: u64) -> Option<()> {
        self.set(kind, self.get(kind).checked_add(count)?);
        Some(())
    }

    /// The sum of both, class by class, or None if one leaves the range.
    pub fn checked_add(&self, other: &TokenCounts) -> Option<TokenCounts> {
        let mut sum = *self;
        TokenKind::ALL.into_iter().try_for_each(|kind| sum.add(kind, other.get(kind)))?;
        Some(sum)
    }

    /// All input tokens, cached ones included; None if the sum leaves the range.
    pub fn input_total(&self) -> Option<u64> {
        self.total(TokenKind::is_input)
    }

    /// All output tokens, reasoning included; None if the sum leaves the range.
    pub fn output_total(&self) -> Option<u64> {
        self.total(|kind| !kind.is_input())
    }

    fn total(&self, wanted: impl Fn(TokenKind) -> bool) -> Option<u64> {
        self.iter().filter(|(kind, _)| wanted(*kind)).try_fold(0u64, |sum, (_, count)| sum.checked_add(count))
    }

    /// The classes that count something.
    pub fn iter(&self) -> impl Iterator<Item = (TokenKind, u64)> + '_ {
        TokenKind::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }

    /// Whether no class counts anything.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }
}
