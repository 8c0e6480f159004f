//! The checksum of AWS's event streams: CRC-32 as in IEEE 802.3.

/// A running checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc32(u32);

/// The remainder of each byte, by the polynomial in its reversed form.
static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut rest: &mut [u32] = &mut table;
    let mut byte = 0_u32;
    while let Some((slot, tail)) = rest.split_first_mut() {
        let mut remainder = byte;
        let mut bit = 0_u32;
        while bit < 8 {
            let carry = remainder & 1;
            remainder >>= 1;
            if carry == 1 {
                remainder ^= 0xedb8_8320;
            }
            bit = bit.wrapping_add(1);
        }
        *slot = remainder;
        byte = byte.wrapping_add(1);
        rest = tail;
    }
    table
}

impl Crc32 {
    pub(crate) fn new() -> Self {
        Self(u32::MAX)
    }

    /// Takes more bytes in.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, byte| {
            let [low, ..] = sum.to_le_bytes();
            let remainder = TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default();
            (sum >> 8) ^ remainder
        });
    }

    /// The checksum of what was taken in.
    pub(crate) fn value(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_check_value_comes_out() {
        let mut crc = Crc32::new();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xcbf4_3926);
    }
}
