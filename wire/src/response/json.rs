//! Reads bodies of JSON.

use crate::draft::Draft;
use crate::finds::Finds;
use crate::report::Problem;
use crate::stream::json_fields::{Content, Root, Scanner, Set, Sink, Wants};

/// Reads one JSON document, several after each other, or an array of them.
#[derive(Debug)]
pub(super) struct JsonReader {
    scanner: Scanner,
    finds: Finds,
}

impl JsonReader {
    pub(super) fn new(wants: Wants) -> Self {
        Self { scanner: Scanner::new(wants.clone(), Root::ObjectsOrArray), finds: Finds::new(wants) }
    }

    pub(super) fn feed(&mut self, chunk: &[u8], draft: &mut Draft) {
        self.scanner.feed(chunk, &mut Documents { finds: &mut self.finds, draft });
    }

    /// Takes in a document that was left open, and says whether all were whole.
    pub(super) fn end(&mut self, draft: &mut Draft) -> bool {
        if self.scanner.overlong {
            draft.problems.add(Problem::Overlong);
        }
        let whole = self.scanner.is_outside() && !self.scanner.malformed;
        if !self.scanner.is_outside() {
            draft.absorb(&self.finds);
        }
        whole
    }
}

/// Takes in each document at its end.
struct Documents<'a> {
    finds: &'a mut Finds,
    draft: &'a mut Draft,
}

impl Sink for Documents<'_> {
    fn mark(&self) -> usize {
        self.finds.mark()
    }
    fn repeats(&mut self, wants: Set, mark: usize) {
        self.finds.repeats(wants, mark);
    }
    fn begins(&mut self, wants: Set, first: u8, at: usize) {
        self.finds.begins(wants, first, at);
    }
    fn value(&mut self, wants: Set, raw: &[u8]) {
        self.finds.value(wants, raw);
    }
    fn closes(&mut self, wants: Set, content: Content, at: usize) {
        self.finds.closes(wants, content, at);
        if wants == 0 {
            self.draft.absorb(self.finds);
            self.finds.clear();
        }
    }
}
