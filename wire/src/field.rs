//! What the fields mean that scanners look for.

/// The meaning of a wanted field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    // Of requests and responses alike.
    /// The model's name.
    Model,
    /// The service tier asked for or served.
    Tier,

    // Of requests.
    /// Whether the answer is to be streamed.
    Stream,
    /// The object that may hold `include_usage`.
    StreamOptions,
    /// `stream_options.include_usage`.
    IncludeUsage,
    /// A bound on the output's tokens.
    MaxOutput,
    /// How many answers are asked for.
    Choices,
    /// Size of the pictures asked for.
    ImageSize,
    /// Quality of the pictures asked for.
    ImageQuality,
    /// Text that is to be spoken.
    SpokenText,
    /// A text or number that the configuration asks for.
    Captured,

    // Of responses.
    /// The response's id.
    Id,
    /// The report of usage. The last one counts, or overlays the earlier ones.
    Usage,
    /// Why generation ended; one for each choice.
    Finish,
    /// How a response stands, where that is not told in the end alone. The last one counts.
    Status,
    /// Why a response is incomplete; it says more than its status.
    StatusReason,
    /// An error in place of, or in the middle of, a response.
    Error,
    /// The list of choices.
    ChoiceList,
    /// An element of the list of choices.
    Choice,
    /// The kind of an output item, by which calls of server tools are counted.
    OutputType,
    /// What a server tool did, where several things have one kind of item: only a search is billed as one.
    OutputAction,
    /// How many web searches the provider itself counted.
    SearchCount,
    /// The web searches that a response made.
    Searches,
    /// A place on a map that an answer rests on.
    MapPlace,
    /// What pictures used that a server tool made.
    ToolPictures,
    /// The model that made them.
    ToolModel,
    /// Whether a response is made in the background: its request is answered before there is any usage.
    Background,
    /// A count of input tokens that stands alone; several are added up.
    InputCount,
    /// A count of output tokens that stands alone; several are added up.
    OutputCount,
    /// A count of cached input tokens that stands alone.
    CacheReadCount,
    /// A count of reasoning tokens that stands alone.
    ReasoningCount,
    /// AWS's own measurement of an invocation.
    Metrics,
    /// Faster or slower serving, where it is told beside the usage.
    Speed,
    /// Seconds of audio, where they are told beside the usage.
    AudioSeconds,
    /// A picture that was made.
    Picture,
    /// A base64 text that holds the vendor's own event.
    Payload,
}

impl Role {
    /// A set of roles with this one in it.
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u64
    }

    /// The roles whose event, where they are not null, is always read. Other fields are read along.
    pub(crate) const DECISIVE: u64 = Self::Usage.bit()
        | Self::Finish.bit()
        | Self::Error.bit()
        | Self::Metrics.bit()
        | Self::InputCount.bit()
        | Self::OutputCount.bit()
        | Self::CacheReadCount.bit()
        | Self::ReasoningCount.bit();

    /// Whether an event that carries it, not null, is always read.
    pub(crate) const fn is_decisive(self) -> bool {
        Self::DECISIVE & self.bit() != 0
    }

    /// Whether only a text, a number or a word is taken, so that a path may lead on through a container there.
    pub(crate) const fn is_scalar(self) -> bool {
        matches!(self, Self::Captured)
    }

    /// Whether only its presence is asked for.
    pub(crate) const fn is_sight(self) -> bool {
        matches!(
            self,
            Self::StreamOptions
                | Self::Error
                | Self::ChoiceList
                | Self::Choice
                | Self::Picture
                | Self::MapPlace
        )
    }
}
