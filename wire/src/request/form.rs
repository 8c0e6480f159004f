//! Reads the short fields of a form, such as a transcription's model or a picture's size, and passes over its files.

use memchr::memmem;

use super::RequestFacts;

/// A field longer than this is none of ours.
const LONGEST_FIELD: usize = 256;

/// A part's headers may not be longer than this.
const LONGEST_HEADERS: usize = 4096;

/// Reads `multipart/form-data` (RFC 7578).
#[derive(Debug)]
pub(super) struct FormReader {
    /// A line end and the boundary: what ends a part.
    delimiter: memmem::Finder<'static>,
    state: State,
    /// Bytes that may yet turn out to matter.
    held: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Inside a part whose field is not wanted, or before the first one.
    Skipping,
    Headers,
    Field(Field),
    Over,
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Model,
    Stream,
    Choices,
    ImageSize,
    ImageQuality,
}

impl FormReader {
    pub(super) fn new(boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}");
        Self {
            delimiter: memmem::Finder::new(delimiter.as_bytes()).into_owned(),
            state: State::Skipping,
            // The first boundary has no line end before it.
            held: b"\r\n".to_vec(),
        }
    }

    pub(super) fn wants_more(&self) -> bool {
        !matches!(self.state, State::Over)
    }

    /// Reads on. What is held never grows beyond a delimiter, the headers or a short field.
    pub(super) fn feed(&mut self, chunk: &[u8], facts: &mut RequestFacts) {
        if !self.wants_more() {
            return;
        }
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(chunk);
        let mut rest = bytes.as_slice();
        while let Some(tail) = self.step(rest, facts) {
            rest = tail;
        }
        self.held = rest.to_vec();
    }

    /// Takes a part's headers or body. `None` if more bytes are needed; `held` then keeps the rest.
    fn step<'a>(&mut self, rest: &'a [u8], facts: &mut RequestFacts) -> Option<&'a [u8]> {
        match self.state {
            State::Over => None,
            State::Headers if rest.starts_with(b"--") => self.stop(),
            State::Headers => match memmem::find(rest, b"\r\n\r\n") {
                Some(end) => {
                    self.state = field(rest.get(..end)?).map_or(State::Skipping, State::Field);
                    // The second line end stays: it may begin the delimiter of an empty body.
                    rest.get(end.checked_add(2)?..)
                }
                None if rest.len() > LONGEST_HEADERS => self.stop(),
                None => None,
            },
            State::Skipping | State::Field(_) => match self.delimiter.find(rest) {
                Some(end) => {
                    if let State::Field(field) = self.state {
                        take(field, rest.get(..end)?, facts);
                    }
                    self.state = State::Headers;
                    rest.get(end.checked_add(self.delimiter.needle().len())?..)
                }
                None => self.shorten(rest),
            },
        }
    }

    /// Drops what can be no part of a delimiter.
    fn shorten<'a>(&mut self, rest: &'a [u8]) -> Option<&'a [u8]> {
        if matches!(self.state, State::Field(_)) {
            if rest.len() <= LONGEST_FIELD {
                return None;
            }
            self.state = State::Skipping;
        }
        let keep = self.delimiter.needle().len();
        let drop = rest.len().checked_sub(keep).filter(|drop| *drop > 0)?;
        rest.get(drop..)
    }

    fn stop<'a>(&mut self) -> Option<&'a [u8]> {
        self.state = State::Over;
        None
    }
}

/// The field that a part's headers name, if it is wanted.
fn field(headers: &[u8]) -> Option<Field> {
    let text = String::from_utf8_lossy(headers);
    let name = text.split(';').find_map(|part| part.trim().strip_prefix("name="))?;
    let name = name.lines().next()?.trim().trim_matches('"');
    match name {
        "model" => Some(Field::Model),
        "stream" => Some(Field::Stream),
        "n" => Some(Field::Choices),
        "size" => Some(Field::ImageSize),
        "quality" => Some(Field::ImageQuality),
        _ => None,
    }
}

fn take(field: Field, raw: &[u8], facts: &mut RequestFacts) {
    let text = String::from_utf8_lossy(raw).trim().to_owned();
    match field {
        Field::Model if text.is_empty() || facts.model.is_some() => {}
        Field::Model => facts.model = Some(text),
        Field::Stream => facts.stream = Some(text.eq_ignore_ascii_case("true")),
        Field::Choices => facts.choices = text.parse().ok(),
        Field::ImageSize => facts.image_size = Some(text).filter(|size| !size.is_empty()),
        Field::ImageQuality => facts.image_quality = Some(text).filter(|quality| !quality.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_picture_is_priced_by_is_read_in_any_cut() {
        let part = |name: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = [
            part("image", "\u{89}PNG\r\n--b0 noise"),
            part("model", "dall-e-2"),
            part("n", "3"),
            part("size", "512x512"),
            part("quality", ""),
            "--b--\r\n".to_owned(),
        ]
        .concat();
        let expected = RequestFacts {
            model: Some("dall-e-2".to_owned()),
            choices: Some(3),
            image_size: Some("512x512".to_owned()),
            ..RequestFacts::default()
        };
        for size in 1..body.len() {
            let (mut reader, mut facts) = (FormReader::new("b"), RequestFacts::default());
            body.as_bytes().chunks(size).for_each(|chunk| reader.feed(chunk, &mut facts));
            assert_eq!(facts, expected, "in pieces of {size}");
            assert!(!reader.wants_more());
        }
    }
}
