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

/// Decimal digits of a u128, the point and a sign.
const LONGEST: usize = 41;

/// A decimal number as text, without the heap and without formatting machinery: each call of a proxy writes several.
#[derive(Clone, Copy, Debug)]
pub struct DecimalText {
    bytes: [u8; LONGEST],
    start: usize,
}

impl DecimalText {
    /// `whole.fraction` without trailing zeros, where `value` counts units of `10^-places`.
    pub(crate) fn fixed(value: u128, places: u32) -> DecimalText {
        let mut text = DecimalText { bytes: [0; LONGEST], start: LONGEST };
        let (mut rest, mut places) = (value, places);
        while places > 0 && is_round(rest) {
            cut_digit(&mut rest);
            places = places.saturating_sub(1);
        }
        // From the last digit to the first; at least one stands before the point.
        let mut written = 0_u32;
        while rest > 0 || written <= places {
            if written == places && places > 0 {
                text.put(b'.');
            }
            text.put(b'0' | cut_digit(&mut rest));
            written = written.saturating_add(1);
        }
        text
    }

    pub(crate) fn negated(mut self) -> DecimalText {
        self.put(b'-');
        self
    }

    /// The ASCII text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// There is room for the longest number.
    fn put(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        if let Some(place) = self.bytes.get_mut(self.start) {
            *place = byte;
        }
    }
}

fn is_round(value: u128) -> bool {
    match u64::try_from(value) {
        Ok(small) => small.is_multiple_of(10),
        Err(_) => value.is_multiple_of(10),
    }
}

/// Takes the last digit off. Amounts fit 64 bits for all but the greatest, and are divided much faster there.
fn cut_digit(rest: &mut u128) -> u8 {
    let (quotient, digit) = match u64::try_from(*rest) {
        Ok(small) => (u128::from(small / 10), small % 10),
        Err(_) => (*rest / 10, (*rest % 10) as u64),
    };
    *rest = quotient;
    digit as u8
}
