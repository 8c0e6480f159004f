//! AWS event streams (`application/vnd.amazon.eventstream`), in chunks of any size.
//!
//! A frame is a prelude of two lengths and their checksum, headers, a payload, and a checksum of it all.
//! The payload is handed on as it comes; whether it can be trusted is told at the frame's end.

use super::crc32::Crc32;

/// The prelude's length, and what a frame has beside headers and payload.
const PRELUDE: usize = 12;
const FRAME: usize = 16;

/// More than this no frame has (AWS's documentation: 24 MB of payload, 128 kB of headers).
const LONGEST: usize = 25 * 1024 * 1024;

/// Headers are kept up to this length: the ones that are read come first.
const KEPT_HEADERS: usize = 1024;

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Event,
    /// The service reports an error in the middle of the stream.
    Exception,
    /// Its checksum is wrong: what was handed on of it is not to be used.
    Broken,
}

/// Takes the frames.
pub(crate) trait Frames {
    /// A part of the payload.
    fn payload(&mut self, part: &[u8]);
    /// The frame is over.
    fn end(&mut self, frame: Frame);
}

/// The decoder's state between two chunks.
#[derive(Debug)]
pub(crate) struct EventStream {
    state: State,
    /// The prelude, the headers or the checksum, as far as they have come.
    held: Vec<u8>,
    checksum: Crc32,
    headers: usize,
    payload: usize,
    is_exception: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Prelude,
    Headers,
    Payload,
    Checksum,
    /// The lengths cannot be trusted, so the next frame cannot be found.
    Lost,
}

impl EventStream {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Prelude,
            held: Vec::new(),
            checksum: Crc32::new(),
            headers: 0,
            payload: 0,
            is_exception: false,
        }
    }

    /// Whether the stream stands between two frames.
    pub(crate) fn is_between(&self) -> bool {
        self.state == State::Prelude && self.held.is_empty()
    }

    /// Reads on.
    pub(crate) fn feed(&mut self, chunk: &[u8], frames: &mut impl Frames) {
        let mut rest = chunk;
        while !rest.is_empty() {
            rest = match self.state {
                State::Prelude => self.prelude(rest, frames),
                State::Headers => self.headers(rest),
                State::Payload => self.payload(rest, frames),
                State::Checksum => self.checksum(rest, frames),
                State::Lost => return,
            };
        }
    }

    fn prelude<'a>(&mut self, rest: &'a [u8], frames: &mut impl Frames) -> &'a [u8] {
        let (whole, tail) = self.collect(rest, PRELUDE);
        if !whole {
            return tail;
        }
        let mut lengths = Crc32::new();
        lengths.update(self.held.get(..8).unwrap_or_default());
        let (total, headers) = (number(&self.held, 0), number(&self.held, 4));
        let payload = total.checked_sub(FRAME).and_then(|rest| rest.checked_sub(headers));
        let sound = number(&self.held, 8) == lengths.value() as usize && total <= LONGEST;
        match payload.filter(|_| sound) {
            Some(payload) => {
                self.checksum = Crc32::new();
                self.checksum.update(&self.held);
                (self.headers, self.payload) = (headers, payload);
                self.is_exception = false;
                self.enter(if headers > 0 { State::Headers } else { self.after_headers() });
            }
            None => {
                frames.end(Frame::Broken);
                self.enter(State::Lost);
            }
        }
        tail
    }

    fn headers<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let (part, tail) = rest.split_at_checked(self.headers).unwrap_or((rest, &[]));
        self.checksum.update(part);
        self.headers = self.headers.saturating_sub(part.len());
        let room = KEPT_HEADERS.saturating_sub(self.held.len());
        self.held.extend(part.iter().take(room));
        if self.headers == 0 {
            self.is_exception = is_exception(&self.held);
            self.enter(self.after_headers());
        }
        tail
    }

    fn payload<'a>(&mut self, rest: &'a [u8], frames: &mut impl Frames) -> &'a [u8] {
        let (part, tail) = rest.split_at_checked(self.payload).unwrap_or((rest, &[]));
        self.checksum.update(part);
        self.payload = self.payload.saturating_sub(part.len());
        frames.payload(part);
        if self.payload == 0 {
            self.enter(State::Checksum);
        }
        tail
    }

    fn checksum<'a>(&mut self, rest: &'a [u8], frames: &mut impl Frames) -> &'a [u8] {
        let (whole, tail) = self.collect(rest, 4);
        if whole {
            let frame = match (number(&self.held, 0) == self.checksum.value() as usize, self.is_exception) {
                (false, _) => Frame::Broken,
                (true, true) => Frame::Exception,
                (true, false) => Frame::Event,
            };
            frames.end(frame);
            self.enter(State::Prelude);
        }
        tail
    }

    /// Takes bytes until there are `length` of them; says whether there are.
    fn collect<'a>(&mut self, rest: &'a [u8], length: usize) -> (bool, &'a [u8]) {
        let missing = length.saturating_sub(self.held.len());
        let (part, tail) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
        self.held.extend_from_slice(part);
        (self.held.len() >= length, tail)
    }

    fn after_headers(&self) -> State {
        if self.payload > 0 { State::Payload } else { State::Checksum }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.held.clear();
    }
}

/// The big-endian number of four bytes at that place.
fn number(bytes: &[u8], at: usize) -> usize {
    let four = bytes.iter().skip(at).take(4);
    four.fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

/// Whether `:message-type` says something else than `event`. A header is a name with its length in one
/// byte, a type, and for a text (type 7) its length in two bytes.
fn is_exception(headers: &[u8]) -> bool {
    let name = b"\x0d:message-type\x07\x00";
    let Some(at) = memchr::memmem::find(headers, name) else { return false };
    let value = headers.get(at.saturating_add(name.len())..).unwrap_or_default();
    !value.starts_with(b"\x05event")
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    #[derive(Default, Debug, PartialEq)]
    struct Seen(Vec<(Vec<u8>, Frame)>, Vec<u8>);

    impl Frames for Seen {
        fn payload(&mut self, part: &[u8]) {
            self.1.extend_from_slice(part);
        }
        fn end(&mut self, frame: Frame) {
            self.0.push((std::mem::take(&mut self.1), frame));
        }
    }

    fn crc(bytes: &[u8]) -> [u8; 4] {
        let mut crc = Crc32::new();
        crc.update(bytes);
        crc.value().to_be_bytes()
    }

    fn frame(kind: &str, payload: &[u8]) -> Vec<u8> {
        let mut headers = b"\x0d:message-type\x07\x00".to_vec();
        headers.push(kind.len() as u8);
        headers.extend_from_slice(kind.as_bytes());
        let mut frame = ((16 + headers.len() + payload.len()) as u32).to_be_bytes().to_vec();
        frame.extend((headers.len() as u32).to_be_bytes());
        frame.extend(crc(&frame));
        frame.extend(headers);
        frame.extend_from_slice(payload);
        frame.extend(crc(&frame));
        frame
    }

    fn check(name: &str, bytes: &[u8], expected: &[(&[u8], Frame)]) {
        for cut in 0..bytes.len() {
            let (mut stream, mut seen) = (EventStream::new(), Seen::default());
            stream.feed(&bytes[..cut], &mut seen);
            stream.feed(&bytes[cut..], &mut seen);
            let seen: Vec<_> = seen.0.iter().map(|(payload, frame)| (payload.as_slice(), *frame)).collect();
            assert_eq!(seen, expected, "{name}, cut at {cut}");
        }
    }

    #[test]
    fn frames_are_the_same_in_every_cut() {
        let (one, two) = (frame("event", b"{\"a\":1}"), frame("exception", b"{}"));
        check(
            "two frames",
            &[one.clone(), two].concat(),
            &[(b"{\"a\":1}", Frame::Event), (b"{}", Frame::Exception)],
        );
        check("an empty payload", &frame("event", b""), &[(b"", Frame::Event)]);
        let mut torn = one.clone();
        let place = torn.len() - 6;
        torn[place] ^= 1;
        check(
            "a wrong checksum",
            &[torn, one.clone()].concat(),
            &[(b"{\"a\":0}", Frame::Broken), (b"{\"a\":1}", Frame::Event)],
        );
        let mut lost = one.clone();
        lost[3] ^= 1;
        check("a wrong length", &[lost, one].concat(), &[(b"", Frame::Broken)]);
    }
}
