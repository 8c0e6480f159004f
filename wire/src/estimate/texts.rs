//! Finds the texts in a body, whatever its shape: strings under certain keys, and all of an object or of a list of tools there.
//!
//! It looks at quotes alone, so JSON, events and lines are all the same to it, and a body that is cut anywhere reads alike.

use memchr::{memchr, memchr2};

/// A key longer than this is none of ours.
const LONGEST_KEY: usize = 24;

/// The search between two chunks.
#[derive(Debug)]
pub(super) struct TextScan {
    keys: &'static [&'static str],
    /// What is put after each text.
    between_texts: &'static [u8],
    state: State,
    takes: Takes,
    /// The string that may turn out to be a key.
    word: Vec<u8>,
    /// How many keys `role` were passed, if they are counted.
    pub(super) messages: Option<u64>,
    /// A list of tools was passed.
    pub(super) has_tools: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between,
    String,
    /// After a backslash in a string.
    Escape,
    /// After a string that is no text: a colon makes it a key.
    After,
}

/// Whether the next string is a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    No,
    /// If it comes at once.
    Next,
    /// If it is in this list.
    List,
    /// And every other one, keys too, until so many containers have closed.
    All(u32),
}

/// Keys whose lists are described to the model as a whole.
const TOOLS: [&[u8]; 2] = [b"tools", b"functions"];

impl TextScan {
    pub(super) fn new(keys: &'static [&'static str], between_texts: &'static [u8]) -> Self {
        Self {
            keys,
            between_texts,
            state: State::Between,
            takes: Takes::No,
            word: Vec::new(),
            messages: None,
            has_tools: false,
        }
    }

    /// Reads on. Texts go to `sink` in pieces, escapes included.
    pub(super) fn feed(&mut self, chunk: &[u8], sink: &mut dyn FnMut(&[u8])) {
        let mut rest = chunk;
        while let Some((byte, tail)) = rest.split_first() {
            rest = match self.state {
                State::Between => self.between(*byte, rest, tail),
                State::String => self.string(rest, sink),
                State::Escape => {
                    self.keep(&[*byte], sink);
                    self.state = State::String;
                    tail
                }
                State::After => self.after(*byte, rest, tail),
            };
        }
    }

    fn between<'a>(&mut self, byte: u8, rest: &'a [u8], tail: &'a [u8]) -> &'a [u8] {
        if self.takes == Takes::No {
            let Some(quote) = memchr(b'"', rest) else { return &[] };
            self.open();
            return rest.get(quote.saturating_add(1)..).unwrap_or_default();
        }
        match (byte, self.takes) {
            (b'"', _) => self.open(),
            (b'{' | b'[', Takes::All(depth)) => self.takes = Takes::All(depth.saturating_add(1)),
            (b'}' | b']', Takes::All(depth)) => {
                let left = depth.saturating_sub(1);
                self.takes = if left == 0 { Takes::No } else { Takes::All(left) };
            }
            (_, Takes::All(_)) => {}
            (b'{', Takes::Next) => self.takes = Takes::All(1),
            (b'[', Takes::Next) if TOOLS.contains(&self.word.as_slice()) => {
                self.has_tools = true;
                self.takes = Takes::All(1);
            }
            (b'[', Takes::Next) => self.takes = Takes::List,
            (b',', Takes::List) => {}
            _ if byte.is_ascii_whitespace() => {}
            _ => self.takes = Takes::No,
        }
        tail
    }

    fn open(&mut self) {
        // The word stays where it still tells what the list is that begins after it.
        if self.takes == Takes::No {
            self.word.clear();
        }
        self.state = State::String;
    }

    fn string<'a>(&mut self, rest: &'a [u8], sink: &mut dyn FnMut(&[u8])) -> &'a [u8] {
        let end = memchr2(b'"', b'\\', rest);
        let (part, tail) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
        self.keep(part, sink);
        match tail.first() {
            Some(b'\\') => {
                self.keep(b"\\", sink);
                self.state = State::Escape;
            }
            Some(_) => self.close(sink),
            None => {}
        }
        tail.get(1..).unwrap_or_default()
    }

    fn keep(&mut self, part: &[u8], sink: &mut dyn FnMut(&[u8])) {
        if self.takes != Takes::No {
            sink(part);
        } else {
            let room = LONGEST_KEY.saturating_sub(self.word.len());
            self.word.extend(part.iter().take(room));
        }
    }

    fn close(&mut self, sink: &mut dyn FnMut(&[u8])) {
        if self.takes != Takes::No {
            sink(self.between_texts);
        }
        self.state = if self.takes == Takes::No { State::After } else { State::Between };
        if self.takes == Takes::Next {
            self.takes = Takes::No;
        }
    }

    fn after<'a>(&mut self, byte: u8, rest: &'a [u8], tail: &'a [u8]) -> &'a [u8] {
        if byte.is_ascii_whitespace() {
            return tail;
        }
        self.state = State::Between;
        if byte != b':' {
            return rest;
        }
        if self.word == b"role" {
            self.messages = self.messages.and_then(|messages| messages.checked_add(1));
        }
        if self.keys.iter().any(|key| key.as_bytes() == self.word) {
            self.takes = Takes::Next;
        }
        tail
    }
}
