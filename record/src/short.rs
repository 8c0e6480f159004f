//! Short texts without the heap.

use std::fmt::{Display, Error, Result, Write};

/// A text of at most [`LONGEST`] bytes: a decimal amount, an instant.
pub(crate) struct Short {
    bytes: [u8; LONGEST],
    length: usize,
}

/// An i128 of pico-dollars has 39 digits, a sign, a point and at most one zero before it.
const LONGEST: usize = 48;

impl Short {
    /// What a value prints. Whatever does not fit is left out.
    pub(crate) fn of(value: &impl Display) -> Self {
        let mut text = Self { bytes: [0; LONGEST], length: 0 };
        let _all_that_is_written_here_fits = write!(text, "{value}");
        text
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> Result {
        let end = self.length.saturating_add(text.len());
        let room = self.bytes.get_mut(self.length..end).ok_or(Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}
