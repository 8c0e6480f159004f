//! Finds a few fields in JSON of any length, in chunks of any size.
//!
//! A table names the wanted paths, at most 64; a set of bits says at each depth which of them are still
//! possible. What no path leads into is skipped at the speed of `memchr`, without a stack: nesting there
//! is only counted. Memory is the depth of the longest path plus one captured value, up to a cap.

pub(crate) mod blocks;
mod skip;
mod table;
mod wants;

use skip::Skip;
pub(crate) use table::Table;
pub(crate) use wants::{Content, Path, Root, Set, Sink, Want, Wants, indices, want};
use wants::{bit, bits_below};

use crate::json::unescape;

/// A captured value longer than this is given up.
pub(crate) const LONGEST_VALUE: usize = 64 * 1024;

/// An object key longer than this is none of ours, even if every letter of it is escaped.
pub(crate) const LONGEST_KEY: usize = 256;

/// More segments than this has no path.
pub(crate) const DEEPEST: usize = 8;

/// The scanner.
#[derive(Debug)]
pub(crate) struct Scanner {
    wants: Wants,
    root: Root,
    levels: Vec<Level>,
    state: State,
    /// What the value that comes next may be.
    next: Next,
    /// The wants whose value is being captured into `buffer`.
    capture: Set,
    buffer: Vec<u8>,
    overflow: bool,
    keys: Keys,
    pub(crate) overlong: bool,
    pub(crate) malformed: bool,
}

/// Whether a key may be written with escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    Escaped,
    Plain,
}

/// A container that some path leads into.
#[derive(Clone, Copy, Debug)]
struct Level {
    is_object: bool,
    /// The wants that lead through this container.
    alive: Set,
    /// The wants that end at this container.
    ends: Set,
    /// Which segment of a path the children match.
    segment: usize,
    content: Content,
    mark: usize,
}

/// The wants that a value matches, and which segment its own children would match.
#[derive(Clone, Copy, Debug, Default)]
struct Next {
    ends: Set,
    deeper: Set,
    segment: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before, between and after documents.
    Outside,
    /// After `{`.
    KeyOrEnd,
    /// After a comma in an object.
    KeyStart,
    Key,
    KeyEscape,
    Colon,
    /// After `[`.
    ValueOrEnd,
    Value,
    /// Inside a value that is skipped or captured whole.
    Inside(Skip),
    /// After a value in a container.
    AfterValue,
    Broken,
}

impl Scanner {
    /// A scanner for a table of at most 64 wants.
    pub(crate) fn new(wants: impl Into<Wants>, root: Root) -> Self {
        Self {
            wants: wants.into(),
            root,
            levels: Vec::with_capacity(DEEPEST),
            state: State::Outside,
            next: Next::default(),
            capture: 0,
            buffer: Vec::new(),
            overflow: false,
            keys: Keys::Escaped,
            overlong: false,
            malformed: false,
        }
    }

    /// From here on a key that is written with escapes is none of ours.
    pub(crate) fn with_plain_keys(mut self) -> Self {
        self.keys = Keys::Plain;
        self
    }

    /// Reads on.
    pub(crate) fn feed(&mut self, chunk: &[u8], sink: &mut impl Sink) {
        let mut rest = chunk;
        while let Some((byte, tail)) = rest.split_first() {
            let at = chunk.len().saturating_sub(rest.len());
            rest = match self.state {
                State::Broken => return,
                State::Inside(skip) => self.inside(skip, rest, sink),
                State::Key => self.key(rest, sink),
                State::KeyEscape => self.key_escape(rest),
                _ if byte.is_ascii_whitespace() => tail,
                _ => self.structure(*byte, rest, at, sink),
            };
        }
    }

    /// Forgets a document that is still open, for the next one. Flags stay.
    pub(crate) fn restart(&mut self) {
        self.levels.clear();
        self.state = State::Outside;
        self.capture = 0;
        self.buffer.clear();
    }

    /// Whether no document is open.
    pub(crate) fn is_outside(&self) -> bool {
        self.state == State::Outside && self.levels.is_empty()
    }

    /// Takes one byte that stands between keys and values, and returns what is left.
    fn structure<'a>(&mut self, byte: u8, rest: &'a [u8], at: usize, sink: &mut impl Sink) -> &'a [u8] {
        match (self.state, byte) {
            (State::Outside, _) => self.open_root(byte, sink),
            (State::KeyOrEnd, b'}') | (State::ValueOrEnd, b']') => self.close(at, sink),
            (State::KeyOrEnd | State::KeyStart, b'"') => {
                self.fill();
                self.state = State::Key;
                self.buffer.clear();
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::Value | State::ValueOrEnd, _) => return self.begin(byte, rest, at, sink),
            (State::AfterValue, b',' | b'}' | b']') => self.after(byte, at, sink),
            _ => self.give_up(),
        }
        rest.get(1..).unwrap_or_default()
    }

    fn open_root(&mut self, byte: u8, sink: &impl Sink) {
        let all = bits_below(self.wants.len());
        match byte {
            b'{' => self.push(true, all, 0, 0, sink),
            b'[' if self.root == Root::ObjectsOrArray => self.push(false, all, 0, 0, sink),
            // A byte order mark may stand before the text.
            0xef | 0xbb | 0xbf => {}
            _ => self.give_up(),
        }
    }

    fn push(&mut self, is_object: bool, alive: Set, ends: Set, segment: usize, sink: &impl Sink) {
        let content = Content::Empty;
        self.levels.push(Level { is_object, alive, ends, segment, content, mark: sink.mark() });
        self.state = if is_object { State::KeyOrEnd } else { State::ValueOrEnd };
        if !is_object {
            self.expect_element();
        }
    }

    fn fill(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.content = Content::Filled;
        }
    }

    /// Sets what the elements of the innermost array match.
    fn expect_element(&mut self) {
        let Some(level) = self.levels.last() else { return };
        // Elements of an outermost array are documents: they match what the array itself would.
        self.next = if self.levels.len() == 1 {
            Next { ends: 0, deeper: level.alive, segment: 0 }
        } else {
            self.matching(level.alive, level.segment, b"*")
        };
    }

    fn matching(&self, alive: Set, segment: usize, key: &[u8]) -> Next {
        let index = &self.wants.table().index;
        // Most other keys differ in their lengths already.
        let alike = alive & index.of_length(segment, key.len());
        let fits = |want: &Want| want.path.key(segment).is_some_and(|wanted| wanted.as_bytes() == key);
        let fitting = indices(alike).filter(|index| self.wants.get(*index).is_some_and(fits));
        let found = fitting.fold(0, |found, index| found | bit(index));
        let ends = found & index.ending_at(segment);
        Next { ends, deeper: found & !ends, segment: segment.saturating_add(1) }
    }

    fn key<'a>(&mut self, rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let Some(end) = memchr::memchr2(b'"', b'\\', rest) else {
            self.keep_key(rest);
            return &[];
        };
        let (part, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if tail.first() == Some(&b'\\') {
            self.keep_key(part);
            self.keep_key(b"\\");
            self.state = State::KeyEscape;
        } else if self.buffer.is_empty() {
            self.end_key(part, sink);
        } else {
            self.keep_key(part);
            let key = std::mem::take(&mut self.buffer);
            let refused = self.keys == Keys::Plain && key.contains(&b'\\');
            let plain = unescape(&key).filter(|_| !refused).unwrap_or_default();
            self.end_key(plain.as_bytes(), sink);
            self.buffer = key;
        }
        // Nearly always the colon is the next byte.
        if let (State::Colon, Some(rest)) = (self.state, tail.strip_prefix(b"\":")) {
            self.state = State::Value;
            return rest;
        }
        tail.get(1..).unwrap_or_default()
    }

    /// Takes the one byte after a backslash, so that an escaped quote does not end the key.
    fn key_escape<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        self.keep_key(rest.get(..1).unwrap_or_default());
        self.state = State::Key;
        rest.get(1..).unwrap_or_default()
    }

    /// Keeps a part of a key. One that is too long is kept long enough to match nothing.
    fn keep_key(&mut self, part: &[u8]) {
        let room = LONGEST_KEY.saturating_sub(self.buffer.len());
        self.buffer.extend(part.iter().take(room));
    }

    fn end_key(&mut self, key: &[u8], sink: &mut impl Sink) {
        self.state = State::Colon;
        let Some(level) = self.levels.last().copied() else { return };
        self.next = self.matching(level.alive, level.segment, key);
        let wants = self.next.ends | self.next.deeper;
        if wants != 0 {
            sink.repeats(wants, level.mark);
        }
    }

    /// Begins a value.
    fn begin<'a>(&mut self, byte: u8, rest: &'a [u8], at: usize, sink: &mut impl Sink) -> &'a [u8] {
        self.fill();
        let next = self.next;
        if next.ends != 0 {
            sink.begins(next.ends, byte, at);
        }
        let container = matches!(byte, b'{' | b'[');
        let index = &self.wants.table().index;
        let refused = if container { index.scalars } else { 0 };
        self.capture = next.ends & index.values & !refused;
        self.buffer.clear();
        self.overflow = false;
        if container && self.capture == 0 && (next.ends | next.deeper) != 0 {
            self.push(byte == b'{', next.deeper, next.ends, next.segment, sink);
            return rest.get(1..).unwrap_or_default();
        }
        match Skip::begin(byte) {
            Some(skip) => self.inside(skip, rest, sink),
            None => {
                self.give_up();
                &[]
            }
        }
    }

    /// Skips on inside a value, and keeps what is passed if the value is wanted.
    fn inside<'a>(&mut self, skip: Skip, rest: &'a [u8], sink: &mut impl Sink) -> &'a [u8] {
        let (skip, passed) = skip.pass(rest);
        let (part, tail) = rest.split_at_checked(passed).unwrap_or((rest, &[]));
        match skip {
            None => self.end_value(part, sink),
            Some(skip) => {
                self.state = State::Inside(skip);
                if self.capture != 0 {
                    self.keep_value(part);
                }
            }
        }
        tail
    }

    fn keep_value(&mut self, part: &[u8]) {
        if self.buffer.len().saturating_add(part.len()) > LONGEST_VALUE {
            self.overflow = true;
            self.buffer.clear();
        }
        if !self.overflow {
            self.buffer.extend_from_slice(part);
        }
    }

    /// Ends a value with its last part. One that came in a single part is never copied here.
    fn end_value(&mut self, part: &[u8], sink: &mut impl Sink) {
        self.state = State::AfterValue;
        if self.capture == 0 {
            return;
        }
        let whole = self.buffer.is_empty() && !self.overflow && part.len() <= LONGEST_VALUE;
        if !whole {
            self.keep_value(part);
        }
        if self.overflow {
            self.overlong = true;
        } else {
            sink.value(self.capture, if whole { part } else { &self.buffer });
        }
        self.capture = 0;
    }

    /// Takes a comma or a closing bracket after a value.
    fn after(&mut self, byte: u8, at: usize, sink: &mut impl Sink) {
        let is_object = self.levels.last().is_some_and(|level| level.is_object);
        match (byte, is_object) {
            (b',', true) => self.state = State::KeyStart,
            (b',', false) => {
                self.expect_element();
                self.state = State::Value;
            }
            (b'}', true) | (b']', false) => self.close(at, sink),
            _ => self.give_up(),
        }
    }

    fn close(&mut self, at: usize, sink: &mut impl Sink) {
        let Some(level) = self.levels.pop() else { return self.give_up() };
        let outermost = level.segment == 0 && level.is_object;
        if outermost || level.ends != 0 {
            sink.closes(level.ends, level.content, at);
        }
        self.state = if self.levels.is_empty() { State::Outside } else { State::AfterValue };
    }

    fn give_up(&mut self) {
        self.state = State::Broken;
        self.malformed = true;
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;
