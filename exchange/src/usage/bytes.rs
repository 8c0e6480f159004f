//! The stored form of a table: versioned bytes, numbers as LEB128, texts with their length in front.

/// Writes numbers and texts.
#[derive(Default)]
pub(crate) struct Writer(pub Vec<u8>);

impl Writer {
    /// A number, seven bits a byte, least first.
    #[inline(never)]
    pub fn number(&mut self, mut value: u128) {
        while value > 0x7f {
            self.0.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or_default());
    }

    /// How many things follow.
    pub fn length(&mut self, length: usize) {
        self.number(u128::try_from(length).unwrap_or_default());
    }

    /// A text.
    #[inline(never)]
    pub fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }
}

/// Reads what [`Writer`] wrote; `None` wherever the bytes are others.
pub(crate) struct Reader<'a>(pub &'a [u8]);

impl Reader<'_> {
    /// A number.
    #[inline(never)]
    pub fn number(&mut self) -> Option<u128> {
        let mut value = 0_u128;
        for shift in (0..126).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u128::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A number that fits.
    pub fn fitting<T: TryFrom<u128>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    /// A text.
    #[inline(never)]
    pub fn text(&mut self) -> Option<String> {
        let length = self.fitting()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}
