//! What the provider's own tools did for an answer: counted beside the usage, or another model's usage.

use tollgate_pricing::{Quantity, UnitKind};

use super::{Draft, name};
use crate::dialect::UsageKind;
use crate::field::Role;
use crate::finds::Finds;
use crate::json::{Count, Value, each_text};
use crate::report::Part;
use crate::usage::{self, Reading};

/// The roles that tell of tools.
pub(super) const ROLES: u64 = Role::OutputType.bit()
    | Role::SearchCount.bit()
    | Role::Searches.bit()
    | Role::MapPlace.bit()
    | Role::ToolPictures.bit();

/// The model of OpenAI's tool for pictures, where the response does not name it (its API reference has it as the default).
const PICTURES_MODEL: &str = "gpt-image-1";

/// No answer rests on more queries than this.
const MOST_QUERIES: usize = 256;

/// Whether a chat model of OpenAI's is one that searches for each answer: `gpt-5-search-api`, `gpt-4o-mini-search-preview-2025-03-11`.
pub(super) fn searches_each_time(model: &str) -> bool {
    // Most names have no such letter, which is found out at once.
    memchr::memchr(b's', model.as_bytes()).is_some() && {
        let mut words = model.split('-');
        words.any(|word| word == "search") && matches!(words.next(), Some("preview" | "api"))
    }
}

/// What one document says of tools.
#[derive(Default)]
struct Told<'a> {
    searches: u64,
    /// Calls of the search tool that only looked at what a search had found.
    looks: u64,
    files: u64,
    runs: u64,
    counted: Option<u64>,
    queries: Vec<&'a [u8]>,
    pictures: Option<&'a [u8]>,
    pictures_model: Option<&'a [u8]>,
}

impl Draft {
    /// Takes in what a document says of tools.
    #[cold]
    #[inline(never)]
    pub(super) fn count_tools(&mut self, finds: &Finds) {
        let told = Told::of(finds);
        if finds.has(Role::OutputType) {
            self.beside = None;
            self.add_beside(
                UnitKind::WebSearch,
                told.searches.checked_sub(told.looks).unwrap_or(told.searches),
            );
            self.add_beside(UnitKind::FileSearch, told.files);
            self.add_beside(UnitKind::CodeExecution, told.runs);
        }
        // What the provider counts it bills: an item may stand for several searches. Nothing may just not be filled in.
        let queries = u64::try_from(told.queries.len()).ok();
        for count in [told.counted, queries].into_iter().flatten().filter(|count| *count > 0) {
            self.set_beside(UnitKind::WebSearch, count);
        }
        if finds.has(Role::MapPlace) {
            // Google bills the prompt, however many places its answer rests on.
            self.set_beside(UnitKind::MapSearch, 1);
        }
        if let Some(pictures) = told.pictures.and_then(|raw| pictures(raw, told.pictures_model)) {
            self.pictures = Some(Box::new(pictures));
        }
    }

    #[inline(never)]
    fn set_beside(&mut self, unit: UnitKind, count: u64) {
        if let Some(quantity) = Quantity::from_whole(count) {
            self.beside.get_or_insert_default().units.set(unit, quantity);
        }
    }

    /// Brings what tools did into the form in which it is billed.
    pub(super) fn bill_tools(&mut self, reading: &mut Reading) {
        let google = matches!(self.dialect.usage, UsageKind::Gemini | UsageKind::Interactions);
        if google && self.model.as_deref().map_or(self.one_search, usage::bills_one_search) {
            bill_one_search(reading);
        }
        if let Some(pictures) = self.pictures.take() {
            add_pictures(reading, *pictures);
        }
    }
}

impl<'a> Told<'a> {
    /// OpenAI's guide to web search: of the actions "search", "open_page" and "find_in_page" only searches "incur a tool call cost".
    /// Google's "Grounding with Google Search": "we ignore the empty web search queries when counting unique queries".
    fn of(finds: &'a Finds) -> Self {
        let mut told = Self::default();
        for (role, raw) in finds.iter() {
            let count = match (role, raw) {
                (Role::OutputType, b"\"web_search_call\"") => &mut told.searches,
                (Role::OutputType, b"\"file_search_call\"") => &mut told.files,
                (Role::OutputType, b"\"code_interpreter_call\"") => &mut told.runs,
                (Role::OutputAction, b"\"open_page\"" | b"\"find_in_page\"" | b"\"find\"") => &mut told.looks,
                _ => {
                    told.note(role, raw);
                    continue;
                }
            };
            *count = count.saturating_add(1);
        }
        told
    }

    fn note(&mut self, role: Role, raw: &'a [u8]) {
        match role {
            Role::SearchCount => self.counted = whole(raw),
            Role::Searches => each_text(raw, &mut |query| {
                let fresh = !query.is_empty() && !self.queries.contains(&query);
                self.queries.extend((fresh && self.queries.len() < MOST_QUERIES).then_some(query));
            }),
            Role::ToolPictures => self.pictures = Some(raw),
            Role::ToolModel => self.pictures_model = self.pictures_model.or(Some(raw)),
            _ => {}
        }
    }
}

#[cold]
#[inline(never)]
fn bill_one_search(reading: &mut Reading) {
    let units = &mut reading.usage.units;
    if let (Some(made), Some(one)) = (units.get(UnitKind::WebSearch), Quantity::from_whole(1)) {
        units.set(UnitKind::WebSearch, made.min(one));
    }
}

#[cold]
#[inline(never)]
fn add_pictures(reading: &mut Reading, pictures: Part) {
    reading.parts.push(Part { model: None, usage: reading.usage.clone(), longest_prompt: None });
    reading.usage.plus(&pictures.usage);
    reading.parts.push(pictures);
}

/// What pictures used that a tool made; `None` if it made none.
fn pictures(raw: &[u8], model: Option<&[u8]>) -> Option<Part> {
    let mut usage = usage::read(UsageKind::OpenAi, &Value::parse(raw)?).usage;
    let nothing = |count: Option<u64>| count.is_none_or(|count| count == 0);
    if nothing(usage.input) && nothing(usage.output) {
        return None;
    }
    usage.check();
    let model = model.and_then(name).unwrap_or_else(|| PICTURES_MODEL.to_owned());
    Some(Part { model: Some(model), usage, longest_prompt: None })
}

fn whole(raw: &[u8]) -> Option<u64> {
    match Value::parse(raw)?.count(&[]) {
        Count::Whole(count) => Some(count),
        _ => None,
    }
}
