//! Amounts by their order of magnitude: what differs by factors is compared by differences.

/// A value's binary logarithm in 256ths of an octave, its fraction linear between powers of two: off by 0.09 octaves at most,
/// and by nothing once it is [`Size::expanded`] again. 0 counts as 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u16);

/// What a call shows a guard: a size, whether something is so (1) or not (0), or how long the call was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample(pub u32);

/// Bits of a sample that say how long an answer was.
const OUTPUT_BITS: u32 = 12;

impl Sample {
    /// How long a call was, in tokens; `None` of one with more than 4,095 of output or 1,048,575 of input, or with none of either.
    pub fn of_lengths(input: u64, output: u64) -> Option<Self> {
        let fits =
            (1..1 << (u32::BITS - OUTPUT_BITS)).contains(&input) && (1..1 << OUTPUT_BITS).contains(&output);
        let packed = fits.then_some((input << OUTPUT_BITS) | output);
        packed.and_then(|packed| u32::try_from(packed).ok()).map(Self)
    }

    /// Input and output of a call, in tokens.
    pub(super) const fn lengths(self) -> (u32, u32) {
        (self.0 >> OUTPUT_BITS, self.0 & ((1 << OUTPUT_BITS) - 1))
    }

    /// The size that it is.
    pub(super) fn size(self) -> Size {
        Size(u16::try_from(self.0).unwrap_or(u16::MAX))
    }
}

impl From<Size> for Sample {
    fn from(size: Size) -> Self {
        Self(size.0.into())
    }
}

impl Size {
    /// Of a value.
    pub fn of(value: u64) -> Self {
        let octave = 63_u32.saturating_sub(value.max(1).leading_zeros());
        let normalised = value.max(1).checked_shl(63_u32.saturating_sub(octave)).unwrap_or(u64::MAX);
        let fraction = u16::try_from((normalised >> 55) & 0xff).unwrap_or(0);
        let octave = u16::try_from(octave).unwrap_or(0);
        Self(octave.saturating_mul(256).saturating_add(fraction))
    }

    /// A value of this size.
    pub fn expanded(self) -> u64 {
        expanded(i64::from(self.0), 0)
    }
}

/// 2 to the power of `size` 256ths, times 2 to the power of `bits`, as [`Size`] has it; less than 1 is 0.
#[inline(never)]
pub(super) fn expanded(size: i64, bits: u32) -> u64 {
    let shift = size.div_euclid(256).saturating_add(i64::from(bits)).saturating_sub(8);
    let mantissa = u64::try_from(size.rem_euclid(256)).unwrap_or(0).saturating_add(256);
    let by = u32::try_from(shift.unsigned_abs()).unwrap_or(u32::MAX);
    match shift {
        0.. if by >= mantissa.leading_zeros() => u64::MAX,
        0.. => mantissa.checked_shl(by).unwrap_or(u64::MAX),
        _ => mantissa.checked_shr(by).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_ordered_and_expand_to_what_they_were_of_within_half_a_percent() {
        let mut before = Size(0);
        for value in (1..2000).chain([1 << 40, (1 << 40) + 1, u64::MAX / 3, u64::MAX]) {
            let size = Size::of(value);
            assert!(size >= before, "{value}");
            assert!(size.expanded().abs_diff(value) <= value / 200, "{value} {size:?}");
            before = size;
        }
        assert_eq!(
            (Size::of(0), Size::of(1), Size::of(2), Size::of(3)),
            (Size(0), Size(0), Size(256), Size(384))
        );
    }

    #[test]
    fn what_does_not_fit_is_the_most_or_nothing() {
        assert_eq!(
            (expanded(70 * 256, 0), expanded(-20 * 256, 16), expanded(-256, 16)),
            (u64::MAX, 0, 32_768)
        );
    }
}
