//! Decimal text to exact integers: the one place where money, rates and factors are read.

use crate::error::PriceError;

/// An exact decimal: `digits / 10^scale`, negated if `negative`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub negative: bool,
    pub digits: u128,
    pub scale: u32,
}

impl Decimal {
    /// Reads `-?digits[.digits]`. Exponents, signs of plus, spaces and empty parts are refused.
    pub fn parse(text: &str) -> Result<Decimal, PriceError> {
        let bad = || PriceError::Decimal(text.into());
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(bad()),
            None => (unsigned, ""),
        };
        if whole.is_empty() {
            return Err(bad());
        }
        let digits = whole.bytes().chain(fraction.bytes()).try_fold(0u128, push_digit).ok_or_else(bad)?;
        let scale = u32::try_from(fraction.len()).map_err(|_| bad())?;
        Ok(Decimal { negative, digits, scale })
    }

    /// The value times `10^exponent` as a fraction in lowest terms: numerator and denominator.
    /// None on overflow. The sign is left out.
    pub fn scaled(self, exponent: u32) -> Option<(u128, u128)> {
        let up = self.digits.checked_mul(10u128.checked_pow(exponent)?)?;
        let down = 10u128.checked_pow(self.scale)?;
        reduce(up, down)
    }
}

fn push_digit(sum: u128, byte: u8) -> Option<u128> {
    let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
    sum.checked_mul(10)?.checked_add(u128::from(digit))
}

/// Divides both by their greatest common divisor. None if `down` is zero.
pub(crate) fn reduce(up: u128, down: u128) -> Option<(u128, u128)> {
    let shared = greatest_common_divisor(up, down);
    Some((up.checked_div(shared)?, down.checked_div(shared)?)).filter(|(_, down)| *down > 0)
}

fn greatest_common_divisor(mut a: u128, mut b: u128) -> u128 {
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

/// `whole.fraction` without trailing zeros, where `value` counts units of `10^-places`.
pub(crate) fn write_fixed(out: &mut core::fmt::Formatter<'_>, value: u128, places: u32) -> core::fmt::Result {
    let one = 10u128.checked_pow(places).ok_or(core::fmt::Error)?;
    let whole = value.checked_div(one).ok_or(core::fmt::Error)?;
    let mut fraction = value.checked_rem(one).ok_or(core::fmt::Error)?;
    write!(out, "{whole}")?;
    if fraction == 0 {
        return Ok(());
    }
    let mut width = usize::try_from(places).map_err(|_| core::fmt::Error)?;
    while fraction.checked_rem(10) == Some(0) {
        fraction = fraction.checked_div(10).ok_or(core::fmt::Error)?;
        width = width.checked_sub(1).ok_or(core::fmt::Error)?;
    }
    write!(out, ".{fraction:0width$}")
}
