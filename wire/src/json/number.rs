//! Numbers as decimal text: nothing here passes through a float.

use super::value::ascii;

/// The greatest count that is believed: the last one that every JSON reader can hold (2^53 - 1).
const GREATEST: u128 = 9_007_199_254_740_991;

/// A count as found in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Not there, or null.
    Absent,
    /// A whole number that can be believed.
    Whole(u64),
    /// A fraction, negative, absurdly great, or no number at all.
    Odd,
}

impl Count {
    /// Reads a JSON number.
    pub(crate) fn parse(number: &[u8]) -> Self {
        let short = Some(number).filter(|digits| !digits.is_empty() && digits.len() <= SHORT);
        match short.and_then(|digits| digits.iter().try_fold(0, short_digit)) {
            Some(whole) => Self::Whole(whole),
            None => Decimal::parse(ascii(number)).map_or(Self::Odd, Decimal::count),
        }
    }
}

/// So many digits are less than [`GREATEST`].
const SHORT: usize = 15;

/// A decimal number: `digits` with the decimal point moved left by `scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    digits: u128,
    scale: i32,
}

impl Decimal {
    /// Reads a JSON number. `None` if it is none, or has more digits than fit.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole.bytes().chain(fraction.bytes()).try_fold(0_u128, push_digit)?;
        let exponent: i32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
        let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        (!whole.is_empty()).then_some(Self { negative, digits, scale })
    }

    /// The number as a count.
    pub(crate) fn count(self) -> Count {
        let whole = self.shifted(0).filter(|_| !self.negative || self.digits == 0);
        match whole.filter(|whole| *whole <= GREATEST).map(u64::try_from) {
            Some(Ok(whole)) => Count::Whole(whole),
            _ => Count::Odd,
        }
    }

    /// The number in units of 10^-`places`, rounded half to even where it is finer than that.
    pub(crate) fn scaled(self, places: i32) -> Option<i128> {
        let size = match self.shifted(places) {
            Some(exact) => exact,
            None => self.rounded(places)?,
        };
        let size = i128::try_from(size).ok()?;
        if self.negative { size.checked_neg() } else { Some(size) }
    }

    /// The digits in units of 10^-`places`, if that is exact.
    fn shifted(self, places: i32) -> Option<u128> {
        if self.digits == 0 {
            return Some(0);
        }
        let shift = places.checked_sub(self.scale)?;
        let power = 10_u128.checked_pow(shift.unsigned_abs())?;
        if shift >= 0 {
            return self.digits.checked_mul(power);
        }
        (self.digits.checked_rem(power)? == 0).then(|| self.digits.checked_div(power)).flatten()
    }

    fn rounded(self, places: i32) -> Option<u128> {
        let surplus = self.scale.checked_sub(places).filter(|surplus| *surplus > 0)?;
        let Some(power) = 10_u128.checked_pow(surplus.unsigned_abs()) else { return Some(0) };
        let (quotient, rest) = (self.digits.checked_div(power)?, self.digits.checked_rem(power)?);
        let half = power.checked_div(2)?;
        let odd = quotient.checked_rem(2)? == 1;
        let up = rest > half || (rest == half && odd);
        quotient.checked_add(u128::from(up))
    }
}

/// One more digit of at most [`SHORT`].
fn short_digit(whole: u64, byte: &u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then(|| whole.wrapping_mul(10).wrapping_add(u64::from(digit)))
}

fn push_digit(digits: u128, byte: u8) -> Option<u128> {
    let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
    digits.checked_mul(10)?.checked_add(u128::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_or_odd() {
        let cases = [
            ("a plain count", "12", Count::Whole(12)),
            ("nothing is a count too", "0", Count::Whole(0)),
            ("a whole number may come as a decimal", "12.0", Count::Whole(12)),
            ("a whole number may come with an exponent", "1.2e2", Count::Whole(120)),
            ("minus nothing is nothing", "-0", Count::Whole(0)),
            ("a fraction is odd", "1.5", Count::Odd),
            ("a negative count is odd", "-3", Count::Odd),
            ("2^53 is odd", "9007199254740992", Count::Odd),
            ("an absurd exponent is odd", "1e99", Count::Odd),
        ];
        for (name, text, expected) in cases {
            assert_eq!(Decimal::parse(text).unwrap().count(), expected, "{name}");
            assert_eq!(Count::parse(text.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn money_is_exact_or_rounded_half_to_even() {
        let cases = [
            ("a plain decimal", "0.00507", Some(5_070_000_000)),
            ("an exponent", "1.35e-05", Some(13_500_000)),
            ("finer than a pico", "0.0000000000005", Some(0)),
            ("finer than a pico, odd", "0.0000000000015", Some(2)),
            ("a float's noise", "0.00028330000000000003", Some(283_300_000)),
            ("far below a pico", "1e-80", Some(0)),
            ("a negative figure", "-0.5", Some(-500_000_000_000)),
            ("more than money can be", "1e40", None),
        ];
        for (name, text, expected) in cases {
            assert_eq!(Decimal::parse(text).unwrap().scaled(12), expected, "{name}");
        }
    }

    #[test]
    fn junk_is_no_number() {
        for junk in ["", "-", "1x", "--1", ".5", "1e", "NaN", "1.2.3", "1e99999999999"] {
            assert_eq!(Decimal::parse(junk), None, "`{junk}`");
        }
    }
}
