//! Reads a JSON body, and splices the option in while it passes.

use super::RequestFacts;
use super::edits::{Edit, Edits};
use crate::End;
use crate::call::Call;
use crate::draft::{LONGEST_NAME, name};
use crate::field::Role;
use crate::json::{Count, Value, unescape};
use crate::pointer::Pointers;
use crate::stream::json_fields::{Content, Root, Scanner, Set, Sink, Wants, indices};

/// Reads one JSON object.
#[derive(Debug)]
pub(super) struct JsonReader {
    scanner: Scanner,
    state: State,
}

/// What the sink has to know.
#[derive(Debug)]
struct State {
    wants: Wants,
    /// How many of them are the dialect's; what the configuration asks for follows.
    own: usize,
    path_has_model: bool,
    injects: bool,
    edits: Edits,
    /// The key `stream_options` stood there.
    options_seen: bool,
    /// `include_usage` stood in the `stream_options` that is open.
    member_seen: bool,
    /// The object is over; what may follow does not count.
    over: bool,
}

impl JsonReader {
    pub(super) fn new(call: &Call, injects: bool, pointers: &Pointers) -> Self {
        let mut wants = call.request_wants();
        let own = wants.len();
        if !pointers.wants().is_empty() {
            wants = Wants::own(wants.iter().chain(pointers.wants()).cloned().collect());
        }
        let state = State {
            wants: wants.clone(),
            own,
            path_has_model: call.path_model().is_some(),
            injects,
            edits: Edits::default(),
            options_seen: false,
            member_seen: false,
            over: false,
        };
        Self { scanner: Scanner::new(wants, Root::Objects), state }
    }

    /// Reads on; returns the changed chunk, if it is changed. `room` is by how much the body may still grow.
    pub(super) fn feed(
        &mut self,
        chunk: &[u8],
        end: End,
        room: &mut u64,
        facts: &mut RequestFacts,
    ) -> Option<Vec<u8>> {
        if !self.state.over {
            self.scanner.feed(chunk, &mut Reading { state: &mut self.state, facts, room });
            let broken = self.scanner.malformed && !self.state.over;
            facts.malformed |= broken || (end == End::Last && !self.state.over);
        }
        self.state.edits.apply(chunk)
    }

    pub(super) fn matters_later(&self) -> bool {
        let bound = |role: Role| matches!(role, Role::MaxOutput | Role::Choices | Role::Tier);
        !self.state.path_has_model || !self.state.wants.iter().all(|want| bound(want.role))
    }

    pub(super) fn wants_more(&self) -> bool {
        !self.state.over && !self.scanner.malformed
    }
}

/// The reader at work on one chunk.
struct Reading<'a> {
    state: &'a mut State,
    facts: &'a mut RequestFacts,
    room: &'a mut u64,
}

impl Reading<'_> {
    fn has(&self, wants: Set, role: Role) -> bool {
        indices(wants).any(|index| self.state.wants.get(index).is_some_and(|want| want.role == role))
    }

    /// Makes a change if there is room for it.
    fn edit(&mut self, at: usize, put: &'static [u8], instead_of: &'static [u8]) {
        let edit = Edit { at, put, instead_of };
        if let Some(room) = self.room.checked_sub(edit.growth()) {
            *self.room = room;
            self.state.edits.push(edit);
            self.facts.injected = true;
        }
    }

    fn take(&mut self, role: Role, raw: &[u8]) {
        let facts = &mut *self.facts;
        match role {
            Role::Model if !self.state.path_has_model => facts.model = name(raw),
            Role::Stream => facts.stream = flag(raw).or(facts.stream),
            Role::IncludeUsage => facts.asked_usage = flag(raw),
            Role::MaxOutput => facts.max_output_tokens = count(raw).or(facts.max_output_tokens),
            Role::Choices => facts.choices = count(raw),
            Role::Tier => facts.service_tier = name(raw),
            Role::ImageSize => facts.image_size = name(raw),
            Role::ImageQuality => facts.image_quality = name(raw),
            Role::SpokenText => facts.characters = characters(raw),
            _ => {}
        }
    }
}

impl Sink for Reading<'_> {
    fn begins(&mut self, wants: Set, first: u8, at: usize) {
        if self.state.over || !self.state.injects {
            return;
        }
        let known_off = self.facts.stream == Some(false);
        if self.has(wants, Role::StreamOptions) {
            self.state.options_seen = true;
            self.state.member_seen = false;
            // A call that is no stream may carry null, but not the object: null waits for certainty.
            if first == b'n' && self.facts.stream == Some(true) {
                self.edit(at, br#"{"include_usage":true}"#, b"null");
            }
        }
        if self.has(wants, Role::IncludeUsage) {
            self.state.member_seen = true;
            match first {
                b'f' if !known_off => self.edit(at, b"true ", b"false"),
                b'n' if !known_off => self.edit(at, b"true", b"null"),
                _ => {}
            }
        }
    }

    fn value(&mut self, wants: Set, raw: &[u8]) {
        if self.state.over {
            return;
        }
        for index in indices(wants) {
            if let Some(want) = self.state.wants.get(index) {
                self.take(want.role, raw);
            }
            let place = index.checked_sub(self.state.own);
            if let Some(slot) = place.and_then(|place| self.facts.captured.get_mut(place)) {
                *slot = captured(raw);
            }
        }
    }

    fn closes(&mut self, wants: Set, content: Content, at: usize) {
        if self.state.over {
            return;
        }
        let root = wants == 0;
        self.state.over = root;
        if !self.state.injects {
            return;
        }
        let put: &'static [u8] = match (root, content) {
            (true, Content::Empty) => br#""stream_options":{"include_usage":true}"#,
            (true, Content::Filled) => br#","stream_options":{"include_usage":true}"#,
            (false, Content::Empty) => br#""include_usage":true"#,
            (false, Content::Filled) => br#","include_usage":true"#,
        };
        let wanted = if root {
            self.facts.stream == Some(true) && !self.state.options_seen
        } else {
            self.has(wants, Role::StreamOptions)
                && self.facts.stream != Some(false)
                && !self.state.member_seen
        };
        if wanted {
            self.edit(at, put, b"");
        }
    }
}

/// A text or a number, if it is short enough.
fn captured(raw: &[u8]) -> Option<String> {
    let number = raw.first().is_some_and(|byte| matches!(byte, b'-' | b'0'..=b'9'));
    let number = || str::from_utf8(raw).ok().filter(|text| number && text.len() <= LONGEST_NAME);
    name(raw).or_else(|| number().map(str::to_owned))
}

fn flag(raw: &[u8]) -> Option<bool> {
    match raw {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

fn count(raw: &[u8]) -> Option<u64> {
    match Value::parse(raw)?.count(&[]) {
        Count::Whole(count) => Some(count),
        _ => None,
    }
}

fn characters(raw: &[u8]) -> Option<u64> {
    let inner = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    u64::try_from(unescape(inner)?.chars().count()).ok()
}
