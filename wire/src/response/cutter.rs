//! Takes one event out of a stream, and leaves every other byte as it is.

/// An event of which more than this is held back is let go, whatever it is.
const MOST_HELD: usize = 64 * 1024;

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    Drop,
}

/// Decides what goes on of each chunk. Events are told in order, by the place where they end.
#[derive(Debug)]
pub(super) struct Cutter {
    /// Bytes of the open event that came with earlier chunks.
    held: Vec<u8>,
    /// Where the open event begins in this chunk.
    start: usize,
    /// What goes on in place of this chunk, once it differs.
    out: Vec<u8>,
    differs: bool,
    /// A part of the open event has gone on already.
    let_go: bool,
    last: Fate,
    /// An event that should have been dropped was let go.
    pub(super) missed: bool,
}

impl Cutter {
    pub(super) fn new() -> Self {
        Self {
            held: Vec::new(),
            start: 0,
            out: Vec::new(),
            differs: false,
            let_go: false,
            last: Fate::Keep,
            missed: false,
        }
    }

    /// Begins a chunk.
    pub(super) fn begin(&mut self) {
        self.start = 0;
        self.differs = !self.held.is_empty();
    }

    /// The event, comment or empty line that ends at `after` has this fate.
    pub(super) fn settle(&mut self, chunk: &[u8], after: usize, fate: Fate) {
        let let_go = std::mem::take(&mut self.let_go);
        self.missed |= let_go && fate == Fate::Drop;
        self.last = if let_go { Fate::Keep } else { fate };
        let part = chunk.get(self.start..after).unwrap_or_default();
        match self.last {
            Fate::Keep if self.differs => {
                self.out.append(&mut self.held);
                self.out.extend_from_slice(part);
            }
            Fate::Keep => {}
            Fate::Drop => {
                self.differ(chunk);
                self.held.clear();
            }
        }
        self.start = after;
    }

    /// The newline that belongs to the line end before has the same fate.
    pub(super) fn settle_newline(&mut self, chunk: &[u8], after: usize) {
        let (last, let_go) = (self.last, self.let_go);
        if !let_go && self.start.saturating_add(1) == after {
            self.settle(chunk, after, last);
        }
    }

    /// Ends a chunk that leaves an event open, and holds back what there is of it.
    pub(super) fn hold(&mut self, chunk: &[u8]) {
        let rest = chunk.get(self.start..).unwrap_or_default();
        if self.let_go || self.held.len().saturating_add(rest.len()) > MOST_HELD {
            return self.release(chunk);
        }
        if !rest.is_empty() {
            self.differ(chunk);
            self.held.extend_from_slice(rest);
        }
        self.start = chunk.len();
    }

    /// Ends a chunk and lets go what there is of the open event.
    pub(super) fn release(&mut self, chunk: &[u8]) {
        let rest = chunk.get(self.start..).unwrap_or_default();
        self.let_go |= !rest.is_empty() || !self.held.is_empty();
        if self.differs {
            self.out.append(&mut self.held);
            self.out.extend_from_slice(rest);
        }
        self.start = chunk.len();
    }

    /// What goes on in place of the chunk; `None` if it goes on as it is.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.differs).then(|| std::mem::take(&mut self.out))
    }

    /// From here on the chunk is rebuilt in `out`.
    fn differ(&mut self, chunk: &[u8]) {
        if !self.differs {
            self.differs = true;
            self.out.clear();
            self.out.extend_from_slice(chunk.get(..self.start).unwrap_or_default());
        }
    }
}
