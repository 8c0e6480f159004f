//! JSON as tokens, in chunks of any size. It is no judge of JSON: what is broken reads as something or other, or as nothing.

use memchr::memchr2;

/// Objects and lists may nest so deep: a bit says which it is.
const DEEPEST: u32 = 64;
/// Longer keys are none of ours.
const LONGEST_KEY: usize = 24;

/// A piece of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `{` or `[`.
    Open(u8),
    /// `}` or `]`.
    Close(u8),
    /// A comma.
    Between,
    /// A key without its quotes, as it is written, cut after [`LONGEST_KEY`] bytes.
    Key(&'a [u8]),
    /// Some of a text, as it is written.
    Text(&'a [u8]),
    /// A text is over.
    TextEnd,
    /// Some of a number or a word.
    Scalar(&'a [u8]),
}

/// Takes tokens, each with how many containers are open around it.
pub(super) type Sink<'a> = dyn FnMut(Token<'_>, u32) + 'a;

#[derive(Debug, Default)]
pub(super) struct Lexer {
    state: State,
    depth: u32,
    /// A bit for each open container: it is an object.
    objects: u64,
    /// The next string is a key.
    expects_key: bool,
    key: Vec<u8>,
    /// What is open was closed once: the body is whole.
    over: bool,
    /// It is no object, or nests too deep.
    broken: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Text(Kind),
    /// After a backslash.
    Escape(Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Key,
    Value,
}

impl Lexer {
    /// Whether exactly the outermost object was read.
    pub(super) fn is_whole(&self) -> bool {
        self.over && !self.broken
    }

    /// Whether more may come that matters.
    pub(super) fn wants_more(&self) -> bool {
        !self.over && !self.broken
    }

    /// Reads on.
    pub(super) fn feed(&mut self, chunk: &[u8], sink: &mut Sink<'_>) {
        let mut rest = chunk;
        while let Some((byte, tail)) = rest.split_first() {
            if self.over || self.broken {
                return;
            }
            rest = match self.state {
                State::Between => self.between(*byte, rest, tail, sink),
                State::Text(kind) => self.text(kind, rest, sink),
                State::Escape(kind) => {
                    self.keep(kind, &[*byte], sink);
                    self.state = State::Text(kind);
                    tail
                }
            };
        }
    }

    fn between<'a>(&mut self, byte: u8, rest: &'a [u8], tail: &'a [u8], sink: &mut Sink<'_>) -> &'a [u8] {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b':' => {}
            b'{' | b'[' => self.open(byte, sink),
            b'}' | b']' => self.close(byte, sink),
            _ if self.depth == 0 => self.broken = true,
            b',' => {
                self.expects_key = self.in_object();
                sink(Token::Between, self.depth);
            }
            b'"' => {
                let kind = if self.expects_key { Kind::Key } else { Kind::Value };
                self.key.clear();
                self.state = State::Text(kind);
            }
            _ => {
                let end = rest.iter().position(|byte| b",]}: \t\n\r".contains(byte)).unwrap_or(rest.len());
                let (piece, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                sink(Token::Scalar(piece), self.depth);
                return tail;
            }
        }
        tail
    }

    fn in_object(&self) -> bool {
        self.depth.checked_sub(1).is_some_and(|place| self.objects.checked_shr(place).unwrap_or(0) & 1 == 1)
    }

    fn open(&mut self, byte: u8, sink: &mut Sink<'_>) {
        if self.depth == 0 && byte != b'{' || self.depth >= DEEPEST {
            self.broken = true;
            return;
        }
        if self.depth > 0 {
            sink(Token::Open(byte), self.depth);
        }
        let bit = 1_u64.checked_shl(self.depth).unwrap_or(0);
        self.objects = if byte == b'{' { self.objects | bit } else { self.objects & !bit };
        self.depth = self.depth.saturating_add(1);
        self.expects_key = byte == b'{';
    }

    fn close(&mut self, byte: u8, sink: &mut Sink<'_>) {
        let Some(depth) = self.depth.checked_sub(1) else {
            self.broken = true;
            return;
        };
        if depth == 0 {
            // The last member of all has no comma after it.
            sink(Token::Between, 1);
            self.over = true;
        }
        self.depth = depth;
        self.expects_key = false;
        sink(Token::Close(byte), depth);
    }

    fn text<'a>(&mut self, kind: Kind, rest: &'a [u8], sink: &mut Sink<'_>) -> &'a [u8] {
        let end = memchr2(b'"', b'\\', rest);
        let (part, tail) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, &[]));
        self.keep(kind, part, sink);
        match (tail.first(), kind) {
            (Some(b'\\'), _) => {
                self.keep(kind, b"\\", sink);
                self.state = State::Escape(kind);
            }
            (Some(_), Kind::Key) => {
                self.state = State::Between;
                self.expects_key = false;
                sink(Token::Key(&self.key), self.depth);
            }
            (Some(_), Kind::Value) => {
                self.state = State::Between;
                sink(Token::TextEnd, self.depth);
            }
            (None, _) => {}
        }
        tail.get(1..).unwrap_or_default()
    }

    fn keep(&mut self, kind: Kind, part: &[u8], sink: &mut Sink<'_>) {
        match kind {
            Kind::Key => {
                let room = LONGEST_KEY.saturating_sub(self.key.len());
                self.key.extend(part.iter().take(room));
            }
            Kind::Value if !part.is_empty() => sink(Token::Text(part), self.depth),
            Kind::Value => {}
        }
    }
}
