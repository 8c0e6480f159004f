//! Prints of a request's beginnings: what of it was said before is known again, and how long that is.
//!
//! Tools and system prompt come first for a provider's cache wherever they stand in the body, so a beginning is both of them and the first so
//! many messages. Marks that switch a cache on, and move with the last message, stay out of it.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use super::frame::{Among, Role, Section};
use super::lexer::{Lexer, Token};
use super::{PrintKey, TOOLS};

/// So many of the last beginnings are kept: a turn adds few messages.
const MOST_MARKS: usize = 64;
/// So many texts to embed are told apart.
const MOST_INPUTS: usize = 32;

/// Where messages or texts to embed are.
const TURNS: [&[u8]; 10] = [
    b"messages",
    b"input",
    b"contents",
    b"content",
    b"prompt",
    b"message",
    b"inputs",
    b"texts",
    b"requests",
    b"inputText",
];
/// Where system prompts are, if not among the messages.
const SYSTEM: [&[u8]; 5] =
    [b"system", b"instructions", b"systemInstruction", b"system_instruction", b"preamble"];
/// Marks of caches, which move as a conversation grows.
const CACHING: [&[u8]; 2] = [b"cache_control", b"cachePoint"];
/// Pictures, sound and files: their tokens do not go by the length of what stands for them.
const MEDIA: [&[u8]; 12] = [
    b"image_url",
    b"input_audio",
    b"inlineData",
    b"inline_data",
    b"fileData",
    b"file_data",
    b"file_id",
    b"source",
    b"image",
    b"video",
    b"document",
    b"audio",
];
/// Whose messages are answers.
const ANSWERS: [&[u8]; 2] = [b"assistant", b"model"];
/// The longest role that matters.
const LONGEST_ROLE: usize = 9;

/// A beginning of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Its fingerprint.
    pub print: u64,
    /// How many messages it has.
    pub messages: u32,
    /// How many bytes of texts and keys.
    pub bytes: u64,
}

/// What a request says, as far as that is needed to know its beginnings again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The whole request, whatever its white space and its marks of caches.
    pub body: u64,
    /// Tools, system prompt, and the messages before the user's first one. `None` if there is nothing of all that.
    pub head: Option<Beginning>,
    /// The same with the user's first message.
    pub opening: Option<Beginning>,
    /// The last beginnings, shortest first. The last one of all is the whole conversation.
    pub beginnings: Vec<Beginning>,
    /// Bytes of messages that are older than the turns to be kept and younger than the opening.
    pub old_bytes: u64,
    /// Of the first texts to embed: print and bytes.
    pub inputs: Vec<(u64, u64)>,
    /// Bytes of tools, system prompt and all messages.
    pub bytes: u64,
    /// There are pictures, sound or files, so that lengths say nothing of tokens.
    pub media: bool,
}

/// Push reader of an [`Outline`] out of a JSON body.
pub struct OutlineReader {
    lexer: Lexer,
    reading: Reading,
}

impl fmt::Debug for OutlineReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutlineReader").finish_non_exhaustive()
    }
}

/// A part that is hashed by itself.
struct Part {
    hasher: DefaultHasher,
    bytes: u64,
}

impl Part {
    fn new(key: PrintKey) -> Self {
        Self { hasher: key.hasher(), bytes: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        self.hasher.write(bytes);
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }
}

/// A place among the messages: the chain of their prints so far, and their bytes.
#[derive(Clone, Copy)]
struct Mark {
    chain: u64,
    bytes: u64,
}

struct Reading {
    key: PrintKey,
    section: Section,
    tools: Part,
    system: Part,
    message: Part,
    /// All that is none of these.
    rest: Part,
    /// All messages so far.
    chain: DefaultHasher,
    bytes: u64,
    messages: u32,
    marks: VecDeque<Mark>,
    /// Before the user's first message, and after it.
    head: Mark,
    opening: Option<(u32, Mark)>,
    /// Where the last turns to be kept begin, one for each, oldest first.
    turns: VecDeque<u64>,
    keep_turns: usize,
    inputs: Vec<(u64, u64)>,
    /// A text, number or object of the message that is open was taken in; a message of numbers alone is none.
    speaks: bool,
    role: Role,
    skips: Option<u32>,
    media: bool,
    /// It asks for a tool.
    asks: bool,
    /// A comma was the last thing that came.
    after_comma: bool,
}

impl OutlineReader {
    /// A reader whose fingerprints are made with this secret. Turns that are older than the last so many are [`Outline::old_bytes`];
    /// under 0 there are none.
    pub fn new(key: PrintKey, keep_turns: usize) -> Self {
        let reading = Reading {
            key,
            section: Section::Elsewhere,
            tools: Part::new(key),
            system: Part::new(key),
            message: Part::new(key),
            rest: Part::new(key),
            chain: key.hasher(),
            bytes: 0,
            messages: 0,
            marks: VecDeque::new(),
            head: Mark { chain: key.hasher().finish(), bytes: 0 },
            opening: None,
            turns: VecDeque::new(),
            keep_turns,
            inputs: Vec::new(),
            speaks: false,
            role: Role::default(),
            skips: None,
            media: false,
            asks: false,
            after_comma: false,
        };
        Self { lexer: Lexer::default(), reading }
    }

    /// Reads on.
    pub fn feed(&mut self, chunk: &[u8]) {
        let reading = &mut self.reading;
        self.lexer.feed(chunk, &mut |token, depth| reading.take(token, depth));
    }

    /// Whether the body is not over yet.
    pub fn wants_more(&self) -> bool {
        self.lexer.wants_more()
    }

    /// What was read. `None` of a body that is no JSON object, or is broken off.
    pub fn outline(&self) -> Option<Outline> {
        self.lexer.is_whole().then(|| self.reading.outline())
    }
}

impl Reading {
    fn outline(&self) -> Outline {
        let prints = |chain: u64| {
            let mut hasher = self.key.hasher();
            for print in [self.tools.hasher.finish(), self.system.hasher.finish(), chain] {
                hasher.write_u64(print);
            }
            hasher
        };
        let mut body = prints(self.chain.finish());
        body.write_u64(self.rest.hasher.finish());
        let front = self.tools.bytes.saturating_add(self.system.bytes);
        let beginning = |messages: u32, mark: Mark| {
            let print = prints(mark.chain).finish();
            Beginning { print, messages, bytes: front.saturating_add(mark.bytes) }
        };
        let first = u32::try_from(self.marks.len()).ok().and_then(|kept| self.messages.checked_sub(kept));
        let counts = first.unwrap_or_default().saturating_add(1)..;
        let head_messages = self.opening.map_or(self.messages, |(messages, _)| messages.saturating_sub(1));
        let head = beginning(head_messages, self.head);
        let old_until = self.turns.front().copied().filter(|_| self.turns.len() > self.keep_turns);
        let old_from = self.opening.map(|(_, mark)| mark.bytes);
        let old = self.turns.get(1).copied().filter(|_| old_until.is_some()).zip(old_from);
        Outline {
            body: body.finish(),
            head: Some(head).filter(|head| head.bytes > 0),
            opening: self.opening.map(|(messages, mark)| beginning(messages, mark)),
            beginnings: counts.zip(&self.marks).map(|(messages, mark)| beginning(messages, *mark)).collect(),
            old_bytes: old.and_then(|(until, from)| until.checked_sub(from)).unwrap_or_default(),
            inputs: self.inputs.clone(),
            bytes: front.saturating_add(self.bytes),
            media: self.media,
        }
    }

    fn take(&mut self, token: Token<'_>, depth: u32) {
        if depth == 1
            && let Token::Key(key) = token
        {
            return self.enter(key);
        }
        if self.section == Section::Elsewhere {
            self.take_elsewhere(token);
        } else {
            match self.section.among(token, depth) {
                Among::Opens => {}
                Among::Ends => self.end_message(),
                Among::Inside if depth == 1 && token == Token::Between => self.skips = None,
                Among::Inside => self.take_inside(token, depth),
            }
        }
        if depth == 1 && token == Token::Between {
            self.section = Section::Elsewhere;
        }
    }

    #[inline]
    fn take_elsewhere(&mut self, token: Token<'_>) {
        match token {
            Token::Open(byte) | Token::Close(byte) => self.rest.put(&[byte]),
            Token::Between => self.rest.put(b"\xfd"),
            Token::Key(key) => {
                self.rest.put(key);
                self.rest.put(b"\xfe");
            }
            Token::Text(piece) | Token::Scalar(piece) => self.rest.put(piece),
            Token::TextEnd => self.rest.put(b"\xff"),
        }
    }

    fn enter(&mut self, key: &[u8]) {
        self.take_elsewhere(Token::Key(key));
        self.section = match key {
            key if TURNS.contains(&key) => Section::Turns(1),
            key if TOOLS.contains(&key) => Section::Tools,
            key if SYSTEM.contains(&key) => Section::System,
            _ => Section::Elsewhere,
        };
    }

    fn take_inside(&mut self, token: Token<'_>, depth: u32) {
        match token {
            Token::Between => {
                self.end_value(depth);
                self.after_comma = true;
            }
            Token::Key(key) => {
                self.after_comma = false;
                self.key(key, depth);
            }
            Token::Open(byte) => self.put(&[byte]),
            Token::Close(byte) => {
                self.end_value(depth.saturating_add(1));
                self.after_comma = false;
                self.put(&[byte]);
                self.speaks = true;
            }
            Token::Text(piece) => {
                self.role.hear(piece, LONGEST_ROLE);
                self.put(piece);
            }
            Token::TextEnd => {
                self.speaks = true;
                self.put(b"\xff");
            }
            Token::Scalar(piece) => self.put(piece),
        }
    }

    /// A key inside a part, in an object of this depth.
    fn key(&mut self, key: &[u8], depth: u32) {
        if self.skips.is_some() {
            return;
        }
        if CACHING.contains(&key) {
            self.skips = Some(depth);
            return;
        }
        self.media |= MEDIA.contains(&key);
        self.asks |= key == b"arguments";
        if key == b"role" {
            self.role.at = Some(depth);
        }
        self.put(key);
        self.put(b"\xfe");
    }

    /// A value in a container of this depth is over.
    fn end_value(&mut self, depth: u32) {
        for place in [&mut self.skips, &mut self.role.at] {
            if *place == Some(depth) {
                *place = None;
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.skips.is_some() {
            return;
        }
        let part = match self.section {
            Section::Tools => &mut self.tools,
            Section::System => &mut self.system,
            Section::Turns(_) | Section::Elsewhere => &mut self.message,
        };
        // What stands between the elements of a list tells `[1, 2]` from `[12]`; members of an object are told apart by their keys, and one
        // that is skipped leaves no trace.
        if std::mem::take(&mut self.after_comma) {
            part.put(b"\xfd");
        }
        part.put(bytes);
    }

    fn end_message(&mut self) {
        (self.skips, self.role.at, self.after_comma) = (None, None, false);
        let message = std::mem::replace(&mut self.message, Part::new(self.key));
        let (speaks, asks) = (std::mem::take(&mut self.speaks), std::mem::take(&mut self.asks));
        if message.bytes == 0 {
            return;
        }
        let print = message.hasher.finish();
        let (before, first) = (self.mark(), self.opening.is_none());
        self.chain.write_u64(print);
        self.bytes = self.bytes.saturating_add(message.bytes);
        self.messages = self.messages.saturating_add(1);
        if speaks && self.inputs.len() < MOST_INPUTS {
            self.inputs.push((print, message.bytes));
        }
        let role = self.role.text();
        let (of_user, answers) = (self.role.is_users(), ANSWERS.contains(&role) || (role.is_empty() && asks));
        self.role.clear();
        if answers {
            self.turn(before.bytes);
        }
        let mark = self.mark();
        if first && of_user {
            self.head = before;
            self.opening = Some((self.messages, mark));
        } else if first {
            self.head = mark;
        }
        if self.marks.len() >= MOST_MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(mark);
    }

    fn mark(&self) -> Mark {
        Mark { chain: self.chain.finish(), bytes: self.bytes }
    }

    /// A turn begins at this byte of the messages.
    fn turn(&mut self, at: u64) {
        // One more than are kept shows that there are older ones.
        if self.turns.len() > self.keep_turns {
            self.turns.pop_front();
        }
        self.turns.push_back(at);
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests may overflow: they would fail")]
mod tests;
