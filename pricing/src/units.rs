//! What is billed but is no token: searches, seconds, images, pages.

use crate::decimal::DecimalText;
use core::fmt;

/// A kind of thing that is billed by number.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitKind {
    /// Calls. Every call is one, unless the usage says otherwise.
    Requests,
    /// Web searches made by the provider.
    WebSearch,
    /// Searches in social networks made by the provider.
    SocialSearch,
    /// Searches in stored files or vector stores.
    FileSearch,
    /// Queries to maps.
    MapSearch,
    /// Sessions or runs of a code interpreter.
    CodeExecution,
    /// Other calls of tools that the provider runs.
    ToolCalls,
    /// Text messages in (realtime sessions).
    TextMessages,
    /// Seconds of audio, in or out.
    AudioSeconds,
    /// Seconds of audio made by the model, where it is priced apart.
    OutputAudioSeconds,
    /// Seconds of video in.
    VideoSeconds,
    /// Seconds of video made by the model.
    OutputVideoSeconds,
    /// Seconds of compute (a GPU's, a prediction's).
    Seconds,
    /// Characters of text in.
    Characters,
    /// Characters of text made by the model.
    OutputCharacters,
    /// Images made by the model.
    Images,
    /// Images sent to the model.
    InputImages,
    /// Pixels sent to the model.
    Pixels,
    /// Pixels made by the model.
    OutputPixels,
    /// Pages of documents read.
    Pages,
    /// Pages of documents annotated.
    AnnotatedPages,
    /// Search units of a reranker.
    SearchUnits,
}

use UnitKind::{
    AnnotatedPages, AudioSeconds, Characters, CodeExecution, FileSearch, Images, InputImages, MapSearch,
    OutputAudioSeconds, OutputCharacters, OutputPixels, OutputVideoSeconds, Pages, Pixels, Requests,
    SearchUnits, Seconds, SocialSearch, TextMessages, ToolCalls, VideoSeconds, WebSearch,
};

impl UnitKind {
    /// How many kinds there are.
    pub const COUNT: usize = 22;

    /// All kinds in the order of their numbers.
    pub const ALL: [UnitKind; UnitKind::COUNT] = [
        Requests,
        WebSearch,
        SocialSearch,
        FileSearch,
        MapSearch,
        CodeExecution,
        ToolCalls,
        TextMessages,
        AudioSeconds,
        OutputAudioSeconds,
        VideoSeconds,
        OutputVideoSeconds,
        Seconds,
        Characters,
        OutputCharacters,
        Images,
        InputImages,
        Pixels,
        OutputPixels,
        Pages,
        AnnotatedPages,
        SearchUnits,
    ];

    /// The name in records and configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Requests => "requests",
            WebSearch => "web_search",
            SocialSearch => "social_search",
            FileSearch => "file_search",
            MapSearch => "map_search",
            CodeExecution => "code_execution",
            ToolCalls => "tool_calls",
            TextMessages => "text_messages",
            AudioSeconds => "audio_seconds",
            OutputAudioSeconds => "output_audio_seconds",
            VideoSeconds => "video_seconds",
            OutputVideoSeconds => "output_video_seconds",
            Seconds => "seconds",
            Characters => "characters",
            OutputCharacters => "output_characters",
            Images => "images",
            InputImages => "input_images",
            Pixels => "pixels",
            OutputPixels => "output_pixels",
            Pages => "pages",
            AnnotatedPages => "annotated_pages",
            SearchUnits => "search_units",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<UnitKind> {
        UnitKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Whether the kind is a measure of the content itself. Where the content was billed by the
    /// token, such a number is a second measure of the same thing, not one more thing to bill.
    pub const fn measures_content(self) -> bool {
        matches!(
            self,
            TextMessages
                | AudioSeconds
                | OutputAudioSeconds
                | VideoSeconds
                | OutputVideoSeconds
                | Seconds
                | Characters
                | OutputCharacters
                | Images
                | InputImages
                | Pixels
                | OutputPixels
                | Pages
        )
    }

    /// The kinds whose rate this kind is billed at, best first.
    pub const fn billed_as(self) -> &'static [UnitKind] {
        match self {
            OutputAudioSeconds => &[OutputAudioSeconds, AudioSeconds],
            AnnotatedPages => &[AnnotatedPages, Pages],
            Requests => &[Requests],
            WebSearch => &[WebSearch],
            SocialSearch => &[SocialSearch],
            FileSearch => &[FileSearch],
            MapSearch => &[MapSearch],
            CodeExecution => &[CodeExecution],
            ToolCalls => &[ToolCalls],
            TextMessages => &[TextMessages],
            AudioSeconds => &[AudioSeconds],
            VideoSeconds => &[VideoSeconds],
            OutputVideoSeconds => &[OutputVideoSeconds],
            Seconds => &[Seconds],
            Characters => &[Characters],
            OutputCharacters => &[OutputCharacters],
            Images => &[Images],
            InputImages => &[InputImages],
            Pixels => &[Pixels],
            OutputPixels => &[OutputPixels],
            Pages => &[Pages],
            SearchUnits => &[SearchUnits],
        }
    }
}

/// How much of a unit: counted in millionths, since seconds come in fractions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u64);

impl Quantity {
    /// From a count of millionths.
    pub const fn from_micros(micros: u64) -> Quantity {
        Quantity(micros)
    }

    /// From a whole number, or None if it leaves the range.
    pub const fn from_whole(whole: u64) -> Option<Quantity> {
        match whole.checked_mul(1_000_000) {
            Some(micros) => Some(Quantity(micros)),
            None => None,
        }
    }

    /// The count of millionths.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The whole number, or None if there is a fraction.
    pub const fn whole(self) -> Option<u64> {
        if self.0.is_multiple_of(1_000_000) { Some(self.0 / 1_000_000) } else { None }
    }

    /// The sum, or None if it leaves the range.
    pub const fn checked_add(self, other: Quantity) -> Option<Quantity> {
        match self.0.checked_add(other.0) {
            Some(micros) => Some(Quantity(micros)),
            None => None,
        }
    }
}

impl fmt::Display for Quantity {
    /// The exact decimal without trailing zeros: `12.5`, `2`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(DecimalText::fixed(self.0.into(), 6).as_str())
    }
}

/// What was reported of each kind of unit; a kind that nobody reported is absent, not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// A bit for each kind that was reported. Most calls report none, and this tells so at once.
    reported: u32,
    /// What was reported; zero where nothing was.
    quantities: [Quantity; UnitKind::COUNT],
}

impl Units {
    /// What was reported of that kind, a reported 0 included.
    #[expect(clippy::indexing_slicing, reason = "the array has one place for each kind")]
    pub const fn get(&self, kind: UnitKind) -> Option<Quantity> {
        if self.reported & kind.bit() == 0 { None } else { Some(self.quantities[kind as usize]) }
    }

    /// Replaces what was reported of that kind.
    #[expect(clippy::indexing_slicing, reason = "the array has one place for each kind")]
    pub const fn set(&mut self, kind: UnitKind, quantity: Quantity) {
        self.reported |= kind.bit();
        self.quantities[kind as usize] = quantity;
    }

    /// Adds to what was reported of that kind; None, and no change, if it leaves the range.
    pub fn add(&mut self, kind: UnitKind, quantity: Quantity) -> Option<()> {
        let sum = match self.get(kind) {
            Some(before) => before.checked_add(quantity)?,
            None => quantity,
        };
        self.set(kind, sum);
        Some(())
    }

    /// The kinds that were reported, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (UnitKind, Quantity)> + '_ {
        let kinds = UnitKind::ALL.into_iter().take(if self.is_empty() { 0 } else { UnitKind::COUNT });
        kinds.filter_map(|kind| Some((kind, self.get(kind)?)))
    }

    /// Whether nothing was reported.
    pub const fn is_empty(&self) -> bool {
        self.reported == 0
    }
}
