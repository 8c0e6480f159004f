//! Reads the events of a stream: most are passed over unparsed.

use super::cutter::{Cutter, Fate};
use super::markers::{Markers, whole_events};
use crate::draft::Draft;
use crate::field::Role;
use crate::finds::Finds;
use crate::report::Problem;
use crate::stream::json_fields::{Root, Scanner, Wants};
use crate::stream::sse::{Events, Sse};

/// In the first events, model and id are looked for; later ones are read only if they are decisive.
const PREAMBLE: u64 = 8;

const DONE: &[u8] = b"[DONE]";

/// Reads server-sent events.
#[derive(Debug)]
pub(super) struct EventReader {
    sse: Sse,
    scanner: Scanner,
    finds: Finds,
    markers: Markers,
    /// So many bytes of `[DONE]` stand at the beginning of the open event.
    done: Option<usize>,
    events: u64,
    cutter: Option<Cutter>,
}

impl EventReader {
    pub(super) fn new(wants: Wants) -> Self {
        let markers = Markers::new(&wants);
        Self {
            sse: Sse::default(),
            // Events are chosen by keys as they usually stand; a key in escapes must count in no cut.
            scanner: Scanner::new(wants.clone(), Root::Objects).with_plain_keys(),
            finds: Finds::new(wants),
            markers,
            done: Some(0),
            events: 0,
            cutter: None,
        }
    }

    /// From here on the usage chunk is taken out.
    pub(super) fn set_cutter(&mut self, cutter: Option<Cutter>) {
        self.cutter = cutter;
    }

    /// Reads on. `Some` is what goes on in place of the chunk.
    pub(super) fn feed(&mut self, chunk: &[u8], draft: &mut Draft) -> Option<Vec<u8>> {
        self.begin();
        self.read(chunk, draft);
        if let Some(cutter) = &mut self.cutter {
            if self.sse.is_between() || self.finds.has(Role::Choice) {
                cutter.release(chunk);
            } else {
                cutter.hold(chunk);
            }
        }
        self.take(draft)
    }

    /// Reads the last chunk.
    pub(super) fn finish(&mut self, chunk: &[u8], draft: &mut Draft) -> Option<Vec<u8>> {
        self.begin();
        self.read(chunk, draft);
        if let Some(cutter) = &mut self.cutter {
            cutter.hold(chunk);
        }
        self.end(draft);
        if let Some(cutter) = &mut self.cutter {
            cutter.release(&[]);
        }
        self.take(draft)
    }

    /// Ends an event that was left open.
    pub(super) fn end(&mut self, draft: &mut Draft) {
        let mut sse = std::mem::take(&mut self.sse);
        sse.finish(&mut Reading { reader: self, draft, chunk: &[], searched: 0 });
        self.sse = sse;
    }

    fn begin(&mut self) {
        if let Some(cutter) = &mut self.cutter {
            cutter.begin();
        }
    }

    fn read(&mut self, chunk: &[u8], draft: &mut Draft) {
        let mut sse = std::mem::take(&mut self.sse);
        sse.feed(chunk, &mut Reading { reader: self, draft, chunk, searched: 0 });
        self.sse = sse;
    }

    fn take(&mut self, draft: &mut Draft) -> Option<Vec<u8>> {
        let cutter = self.cutter.as_mut()?;
        if cutter.missed {
            draft.problems.add(Problem::UsageLeftIn);
        }
        cutter.take()
    }

    fn in_preamble(&self, draft: &Draft) -> bool {
        self.events < PREAMBLE && (draft.id.is_none() || draft.model.is_none())
    }

    /// Decides about the event that the scanner has read, and makes ready for the next one.
    fn judge(&mut self, draft: &mut Draft) -> Fate {
        let decisive = self.finds.is_decisive();
        if decisive || self.in_preamble(draft) {
            draft.absorb(&self.finds);
            if self.scanner.malformed || !self.scanner.is_outside() {
                draft.problems.add(Problem::Malformed);
            }
            if self.scanner.overlong {
                draft.problems.add(Problem::Overlong);
            }
        }
        let is_extra = self.finds.usage_is_object() && self.finds.has_empty_choices();
        let fate = if is_extra { Fate::Drop } else { Fate::Keep };
        self.events = self.events.saturating_add(1);
        self.next();
        fate
    }

    fn next(&mut self) {
        self.scanner.restart();
        self.scanner.malformed = false;
        self.scanner.overlong = false;
        self.finds.clear();
        self.done = Some(0);
    }

    fn settle(&mut self, chunk: &[u8], after: usize, fate: Fate) {
        if let Some(cutter) = &mut self.cutter {
            cutter.settle(chunk, after, fate);
        }
    }
}

/// The reader at work on one chunk.
struct Reading<'a> {
    reader: &'a mut EventReader,
    draft: &'a mut Draft,
    chunk: &'a [u8],
    /// Up to here a search for markers tells nothing new.
    searched: usize,
}

impl Events for Reading<'_> {
    /// Past the first events only decisive ones matter. In a burst nearly all come together, and where no marker stands in them none of
    /// them is: then they are not even told apart.
    fn quiet(&mut self, rest: &[u8]) -> usize {
        let at = self.chunk.len().saturating_sub(rest.len());
        if self.reader.events < PREAMBLE || at < self.searched {
            return 0;
        }
        let marker = self.reader.markers.find(rest);
        let searched = marker.map_or(rest.len(), |marker| marker.saturating_add(1));
        self.searched = at.saturating_add(searched);
        let quiet = whole_events(rest.get(..searched).unwrap_or_default());
        if quiet > 0 {
            self.reader.settle(self.chunk, at.saturating_add(quiet), Fate::Keep);
        }
        quiet
    }

    fn whole(&mut self, data: &[u8], after: usize) {
        let reader = &mut *self.reader;
        let mut fate = Fate::Keep;
        if data != DONE {
            if reader.in_preamble(self.draft) || reader.markers.find(data).is_some() {
                reader.scanner.feed(data, &mut reader.finds);
                fate = reader.judge(self.draft);
            } else {
                reader.events = reader.events.saturating_add(1);
            }
        }
        reader.settle(self.chunk, after, fate);
    }

    fn part(&mut self, data: &[u8]) {
        let reader = &mut *self.reader;
        let mut data = data;
        if let Some(seen) = reader.done {
            let rest = DONE.get(seen..).unwrap_or_default();
            let same = rest.iter().zip(data).take_while(|(one, other)| one == other).count();
            let known = seen.saturating_add(same);
            if same == data.len() {
                reader.done = Some(known);
                return;
            }
            reader.done = None;
            reader.scanner.feed(DONE.get(..known).unwrap_or_default(), &mut reader.finds);
            data = data.get(same..).unwrap_or_default();
        }
        reader.scanner.feed(data, &mut reader.finds);
    }

    fn end(&mut self, after: usize) {
        let reader = &mut *self.reader;
        let fate = match reader.done {
            Some(seen) if seen == DONE.len() => {
                reader.next();
                Fate::Keep
            }
            Some(seen) => {
                reader.scanner.feed(DONE.get(..seen).unwrap_or_default(), &mut reader.finds);
                reader.judge(self.draft)
            }
            None => reader.judge(self.draft),
        };
        reader.settle(self.chunk, after, fate);
    }

    fn gap(&mut self, after: usize) {
        self.reader.settle(self.chunk, after, Fate::Keep);
    }

    fn newline(&mut self, after: usize) {
        if let Some(cutter) = &mut self.reader.cutter {
            cutter.settle_newline(self.chunk, after);
        }
    }
}
