//! Fingerprints of what a request says: the same turn is known again, and no text of it is kept.
//!
//! A body is read once, in chunks of any size, in a few hundred bytes of memory. Ids that a provider or an SDK gives anew each time
//! stay out of it; what a tool is asked for and what it answers counts as it stands.

mod frame;
mod lexer;
mod prefix;

pub use prefix::{Beginning, Outline, OutlineReader};

use std::fmt;
use std::hash::{DefaultHasher, Hasher};

use frame::{Among, Role, Section, USER};
use lexer::{Lexer, Token};

/// A secret without which nobody can look a fingerprint up. It is drawn anew by each process.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PrintKey(pub [u8; 16]);

impl fmt::Debug for PrintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrintKey")
    }
}

impl PrintKey {
    /// The fingerprint of some bytes.
    pub fn print(&self, bytes: &[u8]) -> u64 {
        let mut hasher = self.hasher();
        hasher.write(bytes);
        hasher.finish()
    }

    /// SipHash after it has taken in a secret is as good as SipHash under a secret key, and its code is here anyway.
    fn hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write(&self.0);
        hasher
    }
}

/// What a request says, as far as that is needed to know it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// All messages, prompts or inputs together; whatever else the body says, the model too, does not matter. `None` if there are none.
    pub conversation: Option<u64>,
    /// The messages up to the user's first one: it stays the same as the conversation grows.
    pub opening: Option<u64>,
    /// The last message, without ids.
    pub last_message: Option<u64>,
    /// The last calls of tools, by names and arguments, if nothing but their results came after them.
    pub last_tools: Option<u64>,
    /// How many messages there are.
    pub messages: u32,
    /// The model is told of tools.
    pub has_tools: bool,
}

/// Push reader of [`Turn`] out of a JSON body.
pub struct TurnReader {
    lexer: Lexer,
    reading: Reading,
}

impl fmt::Debug for TurnReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnReader").finish_non_exhaustive()
    }
}

struct Reading {
    key: PrintKey,
    section: Section,
    turn: Turn,
    conversation: DefaultHasher,
    message: DefaultHasher,
    tools: DefaultHasher,
    /// Something of the message that is open was taken in.
    filled: bool,
    /// There is a text in it.
    speaks: bool,
    /// It asks for a tool.
    asks: bool,
    /// It is what a tool answered.
    answers: bool,
    role: Role,
    /// So many containers were open where a value began that does not count.
    skips: Option<u32>,
    /// The same of a value in which any key is the tool's own.
    free: Option<u32>,
    /// The same of a value that says what a tool is asked for.
    calls: Option<u32>,
}

/// Where messages are: OpenAI, Anthropic and most others; Responses and embeddings; Gemini; completions and pictures; Cohere's first.
const TURNS: [&[u8]; 6] = [b"messages", b"input", b"contents", b"prompt", b"message", b"inputs"];
/// Where tools are described.
const TOOLS: [&[u8]; 4] = [b"tools", b"functions", b"toolConfig", b"tool_config"];
/// Ids, and marks that move with the last message.
const PASSING: [&[u8]; 8] = [
    b"id",
    b"tool_call_id",
    b"tool_use_id",
    b"toolUseId",
    b"call_id",
    b"cache_control",
    b"cachePoint",
    b"status",
];
/// What a tool is asked for.
const ARGUMENTS: [&[u8]; 3] = [b"arguments", b"args", b"input"];
/// What it answers, where that may be an object.
const ANSWERS: [&[u8]; 3] = [b"response", b"json", b"output"];
/// Keys by which an answer of a tool is known.
const ANSWERED: [&[u8]; 7] = [
    b"tool_call_id",
    b"tool_use_id",
    b"toolResult",
    b"functionResponse",
    b"function_response",
    b"tool_name",
    b"output",
];

impl TurnReader {
    /// A reader whose fingerprints are made with this secret.
    pub fn new(key: PrintKey) -> Self {
        let reading = Reading {
            key,
            section: Section::Elsewhere,
            turn: Turn::default(),
            conversation: key.hasher(),
            message: key.hasher(),
            tools: key.hasher(),
            filled: false,
            speaks: false,
            asks: false,
            answers: false,
            role: Role::default(),
            skips: None,
            free: None,
            calls: None,
        };
        Self { lexer: Lexer::default(), reading }
    }

    /// Reads on.
    pub fn feed(&mut self, chunk: &[u8]) {
        let reading = &mut self.reading;
        self.lexer.feed(chunk, &mut |token, depth| reading.take(token, depth));
    }

    /// What was read. Of a body that is no JSON object, or is broken off, that is nothing.
    pub fn turn(&self) -> Turn {
        if self.lexer.is_whole() { self.reading.turn } else { Turn::default() }
    }
}

impl Reading {
    fn take(&mut self, token: Token<'_>, depth: u32) {
        if depth == 1
            && let Token::Key(key) = token
        {
            return self.enter(key);
        }
        match self.section {
            Section::Elsewhere | Section::System => {}
            Section::Tools => {
                let empty = matches!(token, Token::Between | Token::Open(_) | Token::Close(_));
                self.turn.has_tools |= depth > 2 || (depth > 1 && !empty);
            }
            Section::Turns(_) => self.take_of_turns(token, depth),
        }
        if depth == 1 && token == Token::Between {
            self.section = Section::Elsewhere;
        }
    }

    fn enter(&mut self, key: &[u8]) {
        self.section = if TURNS.contains(&key) {
            Section::Turns(1)
        } else if TOOLS.contains(&key) {
            Section::Tools
        } else {
            Section::Elsewhere
        };
    }

    fn take_of_turns(&mut self, token: Token<'_>, depth: u32) {
        match self.section.among(token, depth) {
            Among::Opens => {}
            Among::Ends => self.end_message(),
            Among::Inside => self.take_of_message(token, depth),
        }
    }

    fn take_of_message(&mut self, token: Token<'_>, depth: u32) {
        match token {
            Token::Between => self.end_value(depth),
            Token::Key(key) => self.key(key, depth),
            Token::Open(byte) => self.put(&[byte]),
            Token::Close(byte) => {
                self.end_value(depth.saturating_add(1));
                self.put(&[byte]);
            }
            Token::Text(piece) => {
                self.role.hear(piece, USER.len());
                self.put(piece);
            }
            Token::TextEnd => {
                self.speaks = true;
                self.put(b"\xff");
            }
            Token::Scalar(piece) => self.put(piece),
        }
    }

    /// A key inside a message, in an object of this depth.
    fn key(&mut self, key: &[u8], depth: u32) {
        if self.skips.is_some() {
            return;
        }
        if self.free.is_none() {
            self.answers |= ANSWERED.contains(&key);
            if PASSING.contains(&key) {
                self.skips = Some(depth);
                return;
            }
            let asks = ARGUMENTS.contains(&key);
            if asks || key == b"name" {
                self.asks |= asks;
                self.calls = Some(depth);
            }
            if asks || ANSWERS.contains(&key) {
                self.free = Some(depth);
            }
            if key == b"role" {
                self.role.at = Some(depth);
            }
        }
        self.put(key);
        self.put(b"\xfe");
    }

    /// A value in a container of this depth is over.
    fn end_value(&mut self, depth: u32) {
        for place in [&mut self.skips, &mut self.free, &mut self.calls, &mut self.role.at] {
            if *place == Some(depth) {
                *place = None;
            }
        }
        // What stands between the elements of a list tells `[1, 2]` from `[12]`.
        self.put(b"\xfd");
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.skips.is_some() {
            return;
        }
        self.filled = true;
        self.message.write(bytes);
        if self.calls.is_some() {
            self.tools.write(bytes);
        }
    }

    fn end_message(&mut self) {
        (self.skips, self.free, self.calls, self.role.at) = (None, None, None, None);
        if !std::mem::take(&mut self.filled) {
            return;
        }
        let message = std::mem::replace(&mut self.message, self.key.hasher()).finish();
        let tools = std::mem::replace(&mut self.tools, self.key.hasher()).finish();
        self.conversation.write_u64(message);
        let (asks, answers) = (std::mem::take(&mut self.asks), std::mem::take(&mut self.answers));
        let of_user = self.role.is_users();
        self.role.clear();
        let turn = &mut self.turn;
        turn.messages = turn.messages.saturating_add(1);
        turn.conversation = Some(self.conversation.finish());
        turn.opening = turn.opening.or(turn.conversation.filter(|_| of_user));
        // The tokens of an embedding's input are numbers, and none of them is a message.
        turn.last_message = std::mem::take(&mut self.speaks).then_some(message);
        turn.last_tools = match (asks, answers) {
            (true, _) => Some(tools),
            (false, true) => turn.last_tools,
            (false, false) => None,
        };
    }
}

#[cfg(test)]
mod tests;
