//! A report in the making: what the documents of a response have said so far.

mod tools;

use tollgate_pricing::{Quantity, UnitKind};

use crate::batch::Batch;
use crate::call::{Call, StreamCounts};
use crate::dialect::{Dialect, Finishes, UsageKind};
use crate::estimate::Texts;
use crate::field::Role;
use crate::finds::Finds;
use crate::json::{Count, Value, unescape};
use crate::providers::{self, Habit};
use crate::report::{Part, Problem, Problems, Reported, Source};
use crate::usage::{self, Overlay, Reading, ReportedUsage, plus};

/// Names longer than this are no names.
pub(crate) const LONGEST_NAME: usize = 512;

/// More ends than this are not told one by one.
const MOST_FINISHES: usize = 128;

/// What is known of a response.
#[derive(Debug)]
pub(crate) struct Draft {
    dialect: &'static Dialect,
    habits: &'static [Habit],
    counts: StreamCounts,
    pub(crate) id: Option<String>,
    pub(crate) model: Option<String>,
    tier: Option<String>,
    speed: Option<String>,
    background: bool,
    finishes: Vec<String>,
    /// The last report.
    usage: Option<Vec<u8>>,
    /// All reports laid over each other, in the dialects where that counts.
    overlay: Option<Box<Overlay>>,
    metrics: Option<Vec<u8>>,
    /// The lines so far, where each document is a call of its own.
    batch: Option<Box<Batch>>,
    /// Counts in headers. These three are rare and large, so a reader has room for them only where they come.
    headers: Option<Box<ReportedUsage>>,
    /// Counts that stand alone in the body.
    bare: Option<Box<ReportedUsage>>,
    /// Things that are counted beside the usage.
    beside: Option<Box<ReportedUsage>>,
    /// What pictures used that a server tool made: another model's, so another price's.
    pictures: Option<Box<Part>>,
    /// The path names a model of which a prompt costs one search, however many it makes.
    one_search: bool,
    /// The texts, as long as no report of them has come, where they are to be counted.
    pub(crate) texts: Option<Box<Texts>>,
    pub(crate) documents: u64,
    pub(crate) problems: Problems,
}

impl Draft {
    pub(crate) fn new(call: &Call) -> Self {
        Self {
            dialect: call.dialect(),
            habits: providers::habits(call.provider()),
            counts: call.stream_counts(),
            id: None,
            model: None,
            tier: None,
            speed: None,
            background: false,
            finishes: Vec::new(),
            usage: None,
            overlay: None,
            metrics: None,
            batch: call.is_batch().then(Box::default),
            headers: None,
            bare: None,
            beside: None,
            pictures: None,
            one_search: call.path_model().is_some_and(usage::bills_one_search),
            texts: None,
            documents: 0,
            problems: Problems::default(),
        }
    }

    /// Takes in one document.
    pub(crate) fn absorb(&mut self, finds: &Finds) {
        self.documents = self.documents.saturating_add(1);
        if finds.has(Role::Error) {
            self.problems.add(Problem::ErrorInStream);
        }
        if finds.overlong {
            self.problems.add(Problem::Overlong);
        }
        if finds.has(Role::Picture) {
            self.add_beside(UnitKind::Images, finds.pictures);
        }
        if self.dialect.finishes == Finishes::Replace && (finds.has(Role::Finish) || finds.has(Role::Status))
        {
            self.finishes.clear();
        }
        if self.counts == StreamCounts::Last {
            self.forget_counts(finds);
        }
        // Keys come in any order, but a reason says more than the status.
        for (role, raw) in finds.iter().filter(|(role, _)| *role != Role::StatusReason) {
            self.take(role, raw);
        }
        if finds.has(Role::StatusReason) {
            finds
                .iter()
                .filter(|(role, _)| *role == Role::StatusReason)
                .for_each(|(role, raw)| self.take(role, raw));
        }
        if finds.has_any(tools::ROLES) {
            self.count_tools(finds);
        }
        self.end_line();
    }

    /// Takes in what a line of a batch said.
    fn end_line(&mut self) {
        let Some(mut batch) = self.batch.take() else { return };
        let mut reading = self.reading();
        self.apply_habits(&mut reading);
        reading.usage.check();
        batch.add(self.model.take(), &reading.usage);
        self.usage = None;
        self.overlay = None;
        self.finishes.clear();
        self.batch = Some(batch);
    }

    fn take(&mut self, role: Role, raw: &[u8]) {
        match role {
            Role::Id => replace(&mut self.id, name(raw)),
            Role::Model => replace(&mut self.model, name(raw)),
            Role::Tier => replace(&mut self.tier, name(raw)),
            Role::Speed => replace(&mut self.speed, name(raw)),
            Role::Finish => self.finish(name(raw)),
            Role::Status | Role::StatusReason => {
                self.finishes.clear();
                self.finish(name(raw).filter(|status| status != "in_progress" && status != "queued"));
            }
            Role::Usage => self.take_usage(raw),
            Role::Background => self.background = raw == b"true",
            Role::Metrics => self.metrics = Some(raw.to_vec()),
            Role::InputCount | Role::OutputCount | Role::CacheReadCount | Role::ReasoningCount => {
                self.add_bare(role, raw);
            }
            Role::AudioSeconds => {
                let seconds = Value::parse(raw).and_then(|value| value.decimal(&[]));
                self.beside.get_or_insert_default().note_decimal(UnitKind::AudioSeconds, seconds);
            }
            _ => {}
        }
    }

    /// Forgets the counts that a document tells anew.
    fn forget_counts(&mut self, finds: &Finds) {
        let Some(bare) = &mut self.bare else { return };
        for (role, _) in finds.iter() {
            if let Some(count) = bare_count(bare, role) {
                *count = None;
            }
        }
    }

    fn take_usage(&mut self, raw: &[u8]) {
        if !raw.starts_with(b"{") {
            self.problems.add(Problem::Malformed);
            return;
        }
        // Anthropic's first report says little of the output: its texts may still have to be counted.
        if matches!(self.dialect.usage, UsageKind::Anthropic | UsageKind::Invoke) {
            match Value::parse(raw) {
                Some(value) => self.overlay.get_or_insert_default().add(&value),
                None => return self.problems.add(Problem::Malformed),
            }
        } else if self.usage.is_some() && !raw.iter().any(u8::is_ascii_digit) {
            // An empty object, or one of nulls, behind a report takes nothing of it back.
            return;
        } else {
            self.texts = None;
        }
        // Where the last report tells all, the others need not be parsed.
        let usage = self.usage.get_or_insert_default();
        usage.clear();
        usage.extend_from_slice(raw);
    }

    fn finish(&mut self, reason: Option<String>) {
        if self.finishes.len() < MOST_FINISHES {
            self.finishes.extend(reason.filter(|reason| !reason.is_empty()));
        }
    }

    /// Adds a count that stands alone.
    fn add_bare(&mut self, role: Role, raw: &[u8]) {
        let bare = self.bare.get_or_insert_default();
        let read = Value::parse(raw).map(|value| value.count(&[]));
        bare.inconsistent |= matches!(read, Some(Count::Odd | Count::Absent));
        if let (Some(Count::Whole(more)), Some(count)) = (read, bare_count(bare, role)) {
            *count = plus(*count, Some(more));
        }
    }

    fn add_beside(&mut self, unit: UnitKind, count: u64) {
        if let Some(quantity) = Quantity::from_whole(count).filter(|_| count > 0) {
            let _too_many = self.beside.get_or_insert_default().units.add(unit, quantity);
        }
    }

    /// Looks for texts in these bytes, where they are to be counted.
    pub(crate) fn see_texts(&mut self, bytes: &[u8]) {
        if let Some(texts) = &mut self.texts {
            texts.feed(bytes);
        }
    }

    /// Characters that the request had spoken.
    pub(crate) fn spoken(&mut self, characters: Option<u64>) {
        self.add_beside(UnitKind::Characters, characters.unwrap_or_default());
    }

    /// Takes the token counts that Bedrock puts into headers of answers that are not streamed.
    pub(crate) fn take_headers(&mut self, headers: &[(&str, &str)]) {
        for (name, value) in headers {
            let Some(name) = name.strip_prefix("x-amzn-bedrock-") else { continue };
            let usage = self.headers.get_or_insert_default();
            let slot = match name {
                "input-token-count" => &mut usage.input,
                "output-token-count" => &mut usage.output,
                "cache-read-input-token-count" => &mut usage.cache_read,
                "cache-write-input-token-count" => &mut usage.cache_write,
                // InvokeModel has them nowhere else (its API reference, "Response Syntax").
                "service-tier" => {
                    self.tier = header_text(value);
                    continue;
                }
                "performanceconfig-latency" => {
                    self.speed = header_text(value);
                    continue;
                }
                _ => continue,
            };
            *slot = value.trim().parse().ok();
        }
        if let Some(usage) = &mut self.headers {
            let cached = plus(usage.cache_read, usage.cache_write);
            usage.input = usage.input.and_then(|input| plus(Some(input), cached));
        }
    }

    /// In streams, counts that stand alone are running ones of which AWS's measurement tells the end.
    pub(crate) fn forget_running_counts(&mut self) {
        self.bare = None;
    }

    /// Whether a document is the whole answer.
    pub(crate) fn is_one_document(&self) -> bool {
        self.batch.is_none()
    }

    /// Whether the first report of a stream has a count of the output already, which only the last one has whole.
    pub(crate) fn begins_with_a_count(&self) -> bool {
        let anthropic = || self.overlay.as_ref().is_some_and(|overlay| overlay.is_anthropic());
        match self.dialect.usage {
            UsageKind::Anthropic => true,
            UsageKind::Invoke => self.metrics.is_none() && anthropic(),
            _ => false,
        }
    }

    /// Whether the response has told how it ended.
    pub(crate) fn is_finished(&self) -> bool {
        !self.finishes.is_empty()
    }

    /// The report.
    pub(crate) fn into_reported(mut self, whole: Whole) -> Reported {
        let mut reading = self.reading();
        self.apply_habits(&mut reading);
        if let Some(batch) = self.batch.take() {
            (reading.usage, reading.parts) = batch.total();
            reading.tier = Some("batch".to_owned());
            let mut models = reading.parts.iter().map(|part| part.model.clone());
            let first = models.next().flatten();
            self.model = first.filter(|first| models.all(|model| model.as_ref() == Some(first)));
        }
        for (unit, quantity) in self.beside.iter().flat_map(|beside| beside.units.iter()) {
            if reading.usage.units.get(unit).is_none() {
                reading.usage.units.set(unit, quantity);
            }
        }
        self.bill_tools(&mut reading);
        reading.usage.check();
        if reading.usage.inconsistent {
            self.problems.add(Problem::Inconsistent);
        }
        let usage = (!reading.usage.is_empty()).then_some(reading.usage);
        let source = match (&usage, whole) {
            (None, _) => Source::None,
            (Some(_), Whole::Yes) => Source::Reported,
            (Some(_), Whole::No) => Source::Partial,
        };
        Reported {
            model: self.model,
            id: self.id,
            finish_reasons: self.finishes,
            usage,
            source,
            stream: false,
            background: self.background,
            service_tier: reading.tier.or(self.tier),
            region: reading.region,
            speed: reading.speed.or(self.speed),
            search_context_size: reading.search_context_size,
            cost: reading.cost,
            cost_lines: reading.cost_lines,
            parts: reading.parts,
            problems: self.problems,
        }
    }

    fn reading(&mut self) -> Reading {
        let mut reading = self.report();
        let metrics = self.metrics.as_deref().and_then(Value::parse).map(|value| usage::read_metrics(&value));
        if let Some(metrics) = metrics {
            fill(&mut reading.usage, &metrics.usage);
        }
        for other in [&self.headers, &self.bare].into_iter().flatten() {
            fill(&mut reading.usage, other);
        }
        reading
    }

    /// What the reports of usage say.
    fn report(&mut self) -> Reading {
        let kind = self.dialect.usage;
        let Some(raw) = self.usage.as_deref() else { return Reading::default() };
        if let Some(reading) = usage::read_plain(kind, raw) {
            return reading;
        }
        let Some(value) = Value::parse(raw) else {
            self.problems.add(Problem::Malformed);
            return Reading::default();
        };
        if kind == UsageKind::Anthropic {
            return self.overlaid().unwrap_or_default();
        }
        let reading = usage::read(kind, &value);
        let nothing = kind == UsageKind::Invoke && reading.usage.is_empty();
        let anthropic = self.overlay.as_ref().is_some_and(|overlay| overlay.is_anthropic());
        self.overlaid().filter(|_| nothing || anthropic).unwrap_or(reading)
    }

    fn overlaid(&self) -> Option<Reading> {
        self.overlay.as_ref().map(|overlay| overlay.reading())
    }

    fn apply_habits(&self, reading: &mut Reading) {
        if self.dialect.usage != UsageKind::OpenAi || self.dialect.finishes == Finishes::Replace {
            return;
        }
        let google = self.model.as_deref().is_some_and(|model| model.starts_with("google/"));
        let usage = &mut reading.usage;
        for habit in self.habits {
            match habit {
                Habit::ReasoningApart | Habit::ReasoningApartForGoogle if reading.reasoning_added => {}
                Habit::ReasoningApartForGoogle if !google => {}
                Habit::ReasoningApart | Habit::ReasoningApartForGoogle => {
                    usage.output = plus(usage.output, usage.reasoning);
                }
                Habit::HiddenThinking => {
                    usage.output = plus(usage.output, reading.unexplained);
                    usage.reasoning = usage.reasoning.or(reading.unexplained);
                }
                Habit::SearchModels if self.model.as_deref().is_some_and(tools::searches_each_time) => {
                    usage.note(UnitKind::WebSearch, usage.input.map(|_| 1));
                }
                Habit::SearchModels => {}
                Habit::TakesIncludeUsage | Habit::TakesIncludeUsageByVersion => {}
            }
        }
    }
}

/// Whether the report that was seen is the final one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    Yes,
    No,
}

/// The count that stands alone under that role.
fn bare_count(bare: &mut ReportedUsage, role: Role) -> Option<&mut Option<u64>> {
    match role {
        Role::InputCount => Some(&mut bare.input),
        Role::OutputCount => Some(&mut bare.output),
        Role::CacheReadCount => Some(&mut bare.cache_read),
        Role::ReasoningCount => Some(&mut bare.reasoning),
        _ => None,
    }
}

/// Takes from `other` what `usage` does not know.
fn fill(usage: &mut ReportedUsage, other: &ReportedUsage) {
    usage.input = usage.input.or(other.input);
    usage.output = usage.output.or(other.output);
    usage.cache_read = usage.cache_read.or(other.cache_read);
    usage.cache_write = usage.cache_write.or(other.cache_write);
    usage.reasoning = usage.reasoning.or(other.reasoning);
    usage.inconsistent |= other.inconsistent;
}

/// The text of a string, if it is one and short enough for a name.
pub(crate) fn name(raw: &[u8]) -> Option<String> {
    let inner = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let text = unescape(inner).filter(|text| !text.is_empty() && text.len() <= LONGEST_NAME)?;
    Some(text.into_owned())
}

/// What a header says, if it is short enough for a name.
fn header_text(value: &str) -> Option<String> {
    Some(value.trim()).filter(|text| !text.is_empty() && text.len() <= LONGEST_NAME).map(str::to_owned)
}

fn replace(slot: &mut Option<String>, found: Option<String>) {
    if found.is_some() {
        *slot = found;
    }
}
