//! Reads the frames of Bedrock's streams.

use crate::base64;
use crate::dialect::{Dialect, UsageKind};
use crate::draft::Draft;
use crate::field::Role;
use crate::finds::Finds;
use crate::report::Problem;
use crate::stream::frames::{EventStream, Frame, Frames};
use crate::stream::json_fields::{Root, Scanner, Table, want};

/// InvokeModel packs the vendor's event into a text.
static PACKED: Table = Table::of(const { &[want(Role::Payload, &["bytes"])] });

/// Reads an AWS event stream.
#[derive(Debug)]
pub(super) struct FrameReader {
    stream: EventStream,
    scanner: Scanner,
    finds: Finds,
    /// Reads what is packed, where events are.
    inner: Option<(Scanner, Finds)>,
}

impl FrameReader {
    pub(super) fn new(dialect: &'static Dialect) -> Self {
        let packed = dialect.usage == UsageKind::Invoke;
        let outer = if packed { &PACKED } else { dialect.response };
        let reader = |wants: &'static Table| (Scanner::new(wants, Root::Objects), Finds::new(wants));
        let (scanner, finds) = reader(outer);
        Self { stream: EventStream::new(), scanner, finds, inner: packed.then(|| reader(dialect.response)) }
    }

    pub(super) fn feed(&mut self, chunk: &[u8], draft: &mut Draft) {
        let mut stream = std::mem::replace(&mut self.stream, EventStream::new());
        stream.feed(chunk, &mut Reading { reader: self, draft });
        self.stream = stream;
    }

    /// Whether every frame was whole.
    pub(super) fn is_between(&self) -> bool {
        self.stream.is_between()
    }

    fn absorb(&mut self, draft: &mut Draft) {
        let Some((scanner, finds)) = &mut self.inner else {
            return take(&mut self.scanner, &mut self.finds, draft);
        };
        if let Some((_, text)) = self.finds.iter().last() {
            let inner = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
            match inner.and_then(base64::decode) {
                Some(event) => {
                    scanner.feed(&event, finds);
                    draft.see_texts(&event);
                }
                None => draft.problems.add(Problem::Malformed),
            }
            take(scanner, finds, draft);
        }
        if self.scanner.overlong {
            draft.problems.add(Problem::Overlong);
        }
    }
}

/// Takes in what was found in one event.
fn take(scanner: &mut Scanner, finds: &mut Finds, draft: &mut Draft) {
    draft.absorb(finds);
    if scanner.malformed || !scanner.is_outside() {
        draft.problems.add(Problem::Malformed);
    }
    scanner.restart();
    scanner.malformed = false;
    finds.clear();
}

/// The reader at work on one chunk.
struct Reading<'a> {
    reader: &'a mut FrameReader,
    draft: &'a mut Draft,
}

impl Frames for Reading<'_> {
    fn payload(&mut self, part: &[u8]) {
        self.reader.scanner.feed(part, &mut self.reader.finds);
        if self.reader.inner.is_none() {
            self.draft.see_texts(part);
        }
    }

    fn end(&mut self, frame: Frame) {
        match frame {
            Frame::Event => self.reader.absorb(self.draft),
            Frame::Exception => self.draft.problems.add(Problem::ErrorInStream),
            Frame::Broken => self.draft.problems.add(Problem::Checksum),
        }
        self.reader.scanner.restart();
        self.reader.scanner.malformed = false;
        self.reader.finds.clear();
    }
}
