//! Server-sent events as WHATWG's HTML standard (section 9.2.6) reads them, in chunks of any size.
//!
//! Line ends may be CR, LF or CRLF; comments, other fields and a byte order mark are passed over; an event
//! at the end of the stream counts although its empty line is missing, since some servers leave it out.

use memchr::memchr2;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const DATA: &[u8] = b"data";

/// Takes the events. `after` is the place in the chunk that is being fed just after what is told.
pub(crate) trait Events {
    /// How many bytes of `rest`, which begins between two events, are whole events of which nothing needs to be told.
    fn quiet(&mut self, _rest: &[u8]) -> usize {
        0
    }
    /// An event of one line lies whole in the chunk.
    fn whole(&mut self, data: &[u8], after: usize);
    /// A part of an event's data that is not known whole; lines are joined by a newline.
    fn part(&mut self, data: &[u8]);
    /// The event that came in parts is over.
    fn end(&mut self, after: usize);
    /// A comment, an empty line or a byte order mark: what belongs to no event.
    fn gap(&mut self, after: usize);
    /// The newline that belongs to the carriage return at the end of what was told last.
    fn newline(&mut self, after: usize);
}

/// The decoder's state between two chunks.
#[derive(Debug, Default)]
pub(crate) struct Sse {
    mark: usize,
    line: Line,
    /// The last byte was a carriage return: a newline would belong to it.
    after_return: bool,
    /// The event has had a line that is no comment.
    in_event: bool,
    /// The event has had a data line.
    has_data: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Start,
    /// So many letters of `data` were seen.
    Name(usize),
    /// After the colon, where one space does not count.
    Space,
    Data,
    Comment,
    Ignored,
}

impl Sse {
    /// Reads on.
    pub(crate) fn feed(&mut self, chunk: &[u8], events: &mut impl Events) {
        let mut rest = chunk;
        while let Some(byte) = rest.first() {
            let quiet = if self.is_clear() { events.quiet(rest) } else { 0 };
            let read = if quiet > 0 { quiet } else { self.step(*byte, rest, chunk.len(), events) };
            rest = rest.get(read..).unwrap_or_default();
        }
    }

    /// Ends an event whose empty line never came.
    pub(crate) fn finish(&mut self, events: &mut impl Events) {
        if self.has_data {
            events.end(0);
        }
        *self = Self { mark: self.mark, ..Self::default() };
    }

    /// Whether the stream stands between two events.
    pub(crate) fn is_between(&self) -> bool {
        self.line == Line::Start && !self.in_event
    }

    /// Whether the stream stands between two events, and nothing of what came before belongs to what comes.
    fn is_clear(&self) -> bool {
        self.is_between() && !self.after_return && self.mark == BYTE_ORDER_MARK.len()
    }

    /// Takes at least one byte, and returns how many.
    fn step(&mut self, byte: u8, rest: &[u8], length: usize, events: &mut impl Events) -> usize {
        let place = |read: usize| length.saturating_sub(rest.len()).saturating_add(read);
        if self.mark < BYTE_ORDER_MARK.len() {
            if BYTE_ORDER_MARK.get(self.mark) == Some(&byte) {
                self.mark = self.mark.saturating_add(1);
                events.gap(place(1));
                return 1;
            }
            self.mark = BYTE_ORDER_MARK.len();
        }
        if std::mem::take(&mut self.after_return) && byte == b'\n' {
            // Inside an event it is a byte like others: what becomes of it is told at the event's end.
            if !self.in_event {
                events.newline(place(1));
            }
            return 1;
        }
        match self.line {
            Line::Start if !self.has_data => match whole_event(rest) {
                Some((data, read)) => {
                    self.in_event = false;
                    events.whole(data, place(read));
                    read
                }
                None => self.start(byte, place(1), events),
            },
            Line::Start => self.start(byte, place(1), events),
            Line::Name(seen) => self.name(seen, byte, events),
            Line::Space => {
                self.line = Line::Data;
                usize::from(byte == b' ')
            }
            Line::Data | Line::Comment | Line::Ignored => self.line(rest, length, events),
        }
    }

    fn start(&mut self, byte: u8, after: usize, events: &mut impl Events) -> usize {
        match byte {
            b'\n' | b'\r' => self.empty_line(byte, after, events),
            b':' => self.line = Line::Comment,
            _ => {
                self.in_event = true;
                self.line = Line::Name(0);
                return 0;
            }
        }
        1
    }

    fn empty_line(&mut self, byte: u8, after: usize, events: &mut impl Events) {
        self.after_return = byte == b'\r';
        self.in_event = false;
        if std::mem::take(&mut self.has_data) {
            events.end(after);
        } else {
            events.gap(after);
        }
    }

    fn name(&mut self, seen: usize, byte: u8, events: &mut impl Events) -> usize {
        let complete = seen == DATA.len();
        match byte {
            b':' if complete => {
                self.begin_data(events);
                self.line = Line::Space;
            }
            b'\n' | b'\r' if complete => {
                self.begin_data(events);
                self.line = Line::Data;
                return 0;
            }
            _ if DATA.get(seen) == Some(&byte) => self.line = Line::Name(seen.saturating_add(1)),
            _ => {
                self.line = Line::Ignored;
                return 0;
            }
        }
        1
    }

    fn begin_data(&mut self, events: &mut impl Events) {
        if self.has_data {
            events.part(b"\n");
        }
        self.has_data = true;
    }

    /// Passes the rest of a line, or as much of it as there is.
    fn line(&mut self, rest: &[u8], length: usize, events: &mut impl Events) -> usize {
        let end = memchr2(b'\n', b'\r', rest);
        let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if self.line == Line::Data && !part.is_empty() {
            events.part(part);
        }
        let Some(end) = end else { return rest.len() };
        let read = end.saturating_add(1);
        self.after_return = rest.get(end) == Some(&b'\r');
        if self.line == Line::Comment && !self.in_event {
            events.gap(length.saturating_sub(rest.len()).saturating_add(read));
        }
        self.line = Line::Start;
        read
    }
}

/// An event of one data line that lies whole in front of `rest`, and its length with the empty line.
fn whole_event(rest: &[u8]) -> Option<(&[u8], usize)> {
    let line = rest.strip_prefix(b"data:")?;
    let line = line.strip_prefix(b" ").unwrap_or(line);
    let (data, tail) = line.split_at_checked(memchr2(b'\n', b'\r', line)?)?;
    let tail = line_end(line_end(tail)?)?;
    Some((data, rest.len().checked_sub(tail.len())?))
}

/// What follows a line end. A carriage return at the end of the chunk may be half of one.
fn line_end(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => Some(tail),
        [b'\r', tail @ ..] if !tail.is_empty() => Some(tail),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen {
        events: Vec<String>,
        open: Vec<u8>,
    }

    impl Events for Seen {
        fn whole(&mut self, data: &[u8], _: usize) {
            self.events.push(String::from_utf8_lossy(data).into_owned());
        }
        fn part(&mut self, data: &[u8]) {
            self.open.extend_from_slice(data);
        }
        fn end(&mut self, _: usize) {
            let open = std::mem::take(&mut self.open);
            self.events.push(String::from_utf8_lossy(&open).into_owned());
        }
        fn gap(&mut self, _: usize) {}
        fn newline(&mut self, _: usize) {}
    }

    fn check(name: &str, text: &[u8], expected: &[&str]) {
        for cut in 0..=text.len() {
            for second in [cut, text.len().min(cut + 1), text.len().min(cut + 3)] {
                let (mut sse, mut seen) = (Sse::default(), Seen::default());
                for part in [&text[..cut], &text[cut..second], &text[second..]] {
                    sse.feed(part, &mut seen);
                }
                sse.finish(&mut seen);
                assert_eq!(seen.events, expected, "{name}, cut at {cut} and {second}");
            }
        }
    }

    #[test]
    fn events_are_the_same_in_every_cut() {
        check("one event", b"data: one\n\n", &["one"]);
        check("no space after the colon", b"data:one\n\ndata:  two\n\n", &["one", " two"]);
        check("carriage return and newline", b"data: one\r\n\r\ndata: two\r\n\r\n", &["one", "two"]);
        check("carriage return alone", b"data: one\r\rdata: two\r\r", &["one", "two"]);
        check("mixed line ends", b"data: one\n\r\ndata: two\r\n\ndata: 3\r\r", &["one", "two", "3"]);
        check("a byte order mark", b"\xef\xbb\xbfdata: one\n\n", &["one"]);
        check("several lines are joined", b"data: one\ndata: two\ndata\n\n", &["one\ntwo\n"]);
        check("comments and other fields", b": hi\n\nevent: x\nid: 1\ndata: one\n: c\n\n", &["one"]);
        check("fields that begin like data", b"dat: 0\ndatas: 1\ndata: one\n\n", &["one"]);
        check("an event without data is none", b"event: x\n\ndata: one\n\n", &["one"]);
        check("empty data", b"data\n\ndata:\n\n", &["", ""]);
        check("the last empty line is missing", b"data: one\n\ndata: two", &["one", "two"]);
        check("the last line is whole", b"data: one\n\ndata: two\r", &["one", "two"]);
    }
}
