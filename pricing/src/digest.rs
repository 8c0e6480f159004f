//! A short digest that tells one state of the prices from another (FNV-1a, 128 bits). It guards
//! against mistakes, not against forgery.

use alloc::format;
use alloc::string::String;

#[derive(Clone, Copy)]
pub(crate) struct Digest(u128);

impl Digest {
    pub fn new() -> Digest {
        Digest(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// Takes a field in. Its length comes first, so that two fields never read as one.
    pub fn field(self, bytes: &[u8]) -> Digest {
        // As 64 bits everywhere, so that wasm and the build agree.
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes();
        length.iter().chain(bytes).fold(self, |digest, byte| digest.byte(*byte))
    }

    /// Takes a number in.
    pub fn number(self, number: u64) -> Digest {
        self.field(&number.to_le_bytes())
    }

    fn byte(self, byte: u8) -> Digest {
        Digest((self.0 ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b))
    }

    /// 32 hexadecimal digits.
    pub fn hex(self) -> String {
        format!("{:032x}", self.0)
    }
}
