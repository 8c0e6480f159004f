//! Exact money: an amount, a rate and a factor. Nothing here rounds but `Exact::round`.

use crate::decimal::{Decimal, DecimalText, reduce};
use crate::error::PriceError;
use core::fmt;
use core::num::NonZeroU64;
use core::str::FromStr;

/// Decimals of a US dollar that a pico-dollar stands for.
const PLACES: u32 = 12;

/// An amount of money in pico-US-dollars, 10^-12 USD. May be negative.
///
/// It is kept in two halves, since a number of 128 bits would have whatever holds it aligned to 16 bytes, which costs an allocator of
/// wasm32 several times as much. Their order is that of the numbers: the halves of greater ones are greater, the higher one first.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd {
    high: i64,
    low: u64,
}

impl PicoUsd {
    /// No money.
    pub const ZERO: PicoUsd = PicoUsd::from_pico(0);

    /// From a count of pico-dollars.
    pub const fn from_pico(pico: i128) -> PicoUsd {
        PicoUsd { high: (pico >> 64) as i64, low: pico as u64 }
    }

    /// The count of pico-dollars.
    pub const fn pico(self) -> i128 {
        ((self.high as i128) << 64) | self.low as i128
    }

    /// The sum, or None if it leaves the range.
    pub const fn checked_add(self, other: PicoUsd) -> Option<PicoUsd> {
        match self.pico().checked_add(other.pico()) {
            Some(pico) => Some(PicoUsd::from_pico(pico)),
            None => None,
        }
    }

    /// The difference, or None if it leaves the range.
    pub const fn checked_sub(self, other: PicoUsd) -> Option<PicoUsd> {
        match self.pico().checked_sub(other.pico()) {
            Some(pico) => Some(PicoUsd::from_pico(pico)),
            None => None,
        }
    }

    /// The amount with the other sign, or None if it leaves the range.
    pub const fn checked_neg(self) -> Option<PicoUsd> {
        match self.pico().checked_neg() {
            Some(pico) => Some(PicoUsd::from_pico(pico)),
            None => None,
        }
    }

    /// The sum of all, or None if it leaves the range on the way.
    pub fn try_sum(amounts: impl IntoIterator<Item = PicoUsd>) -> Option<PicoUsd> {
        amounts.into_iter().try_fold(PicoUsd::ZERO, PicoUsd::checked_add)
    }

    /// Whole nano-dollars (rounded down) and the pico-dollars that remain, 0 to 999, for a counter
    /// of nano-dollars that carries its remainder.
    pub const fn split_nanos(self) -> (i128, i128) {
        // All but absurd amounts fit 64 bits, and are divided much faster there.
        let pico = self.pico();
        if pico as i64 as i128 == pico {
            let small = pico as i64;
            return (small.div_euclid(1000) as i128, small.rem_euclid(1000) as i128);
        }
        (pico.div_euclid(1000), pico.rem_euclid(1000))
    }
}

impl FromStr for PicoUsd {
    type Err = PriceError;

    /// Reads a decimal amount of US dollars, `12.50` or `-0.5`, exactly.
    ///
    /// # Errors
    /// Anything but plain decimal digits, more than 12 decimals, or too large an amount.
    fn from_str(text: &str) -> Result<PicoUsd, PriceError> {
        let decimal = Decimal::parse(text)?;
        if decimal.scale > PLACES {
            return Err(PriceError::TooFine(text.into()));
        }
        let too_large = || PriceError::TooLarge(text.into());
        let (pico, _) = decimal.scaled(PLACES).ok_or_else(too_large)?;
        let pico = i128::try_from(pico).map_err(|_| too_large())?;
        let signed = if decimal.negative { pico.checked_neg().ok_or_else(too_large)? } else { pico };
        Ok(PicoUsd::from_pico(signed))
    }
}

impl fmt::Debug for PicoUsd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("PicoUsd").field(&self.pico()).finish()
    }
}

impl fmt::Display for PicoUsd {
    /// The exact amount in US dollars without trailing zeros: `0.0001234`, `12.5`, `0`, `-0.5`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.to_decimal().as_str())
    }
}

impl PicoUsd {
    /// The same text as it prints.
    pub fn to_decimal(self) -> DecimalText {
        let size = DecimalText::fixed(self.pico().unsigned_abs(), PLACES);
        if self.high < 0 { size.negated() } else { size }
    }
}

/// A price per one thing: an exact, non-negative fraction of pico-dollars.
///
/// A fraction, because prices per hour, per page or in percent do not all fit whole pico-dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    pico: u64,
    per: NonZeroU64,
}

impl Rate {
    /// Costs nothing.
    pub const ZERO: Rate = Rate { pico: 0, per: NonZeroU64::MIN };

    /// `pico` pico-dollars for `per` things. For tables that a build has already checked.
    pub const fn new(pico: u64, per: NonZeroU64) -> Rate {
        Rate { pico, per }
    }

    /// Reads a price of `usd` (decimal dollars, any number of decimals) for `per` things: prices of
    /// tokens are quoted per 1,000,000, of web searches per 1,000, of audio per 3,600 seconds.
    ///
    /// # Errors
    /// No decimal number, below zero, nothing to price (`per` is 0), or out of range.
    pub fn from_usd_per(usd: &str, per: u64) -> Result<Rate, PriceError> {
        let decimal = Decimal::parse(usd)?;
        if decimal.negative {
            return Err(PriceError::Negative(usd.into()));
        }
        Rate::from_decimal(decimal, per).ok_or_else(|| PriceError::TooLarge(usd.into()))
    }

    fn from_decimal(decimal: Decimal, per: u64) -> Option<Rate> {
        let (up, down) = decimal.scaled(PLACES)?;
        let (up, down) = reduce(up, down.checked_mul(u128::from(per))?)?;
        let per = NonZeroU64::new(u64::try_from(down).ok()?)?;
        Some(Rate { pico: u64::try_from(up).ok()?, per })
    }

    /// The numerator: pico-dollars for `per()` things, in lowest terms if it was read from text.
    pub const fn pico(self) -> u64 {
        self.pico
    }

    /// The denominator.
    pub const fn per(self) -> NonZeroU64 {
        self.per
    }
}

/// An exact, non-negative factor that multiplies a price: a discount, a mark-up, a regional uplift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Factor {
    up: u64,
    down: NonZeroU64,
}

impl Factor {
    /// Changes nothing.
    pub const ONE: Factor = Factor { up: 1, down: NonZeroU64::MIN };

    /// `up / down`. For tables that a build has already checked.
    pub const fn new(up: u64, down: NonZeroU64) -> Factor {
        Factor { up, down }
    }

    /// Reads a change in percent: `-12.5` multiplies by 0.875, `10` by 1.1, `0` changes nothing.
    ///
    /// # Errors
    /// No decimal number, below -100, or out of range.
    pub fn from_percent(text: &str) -> Result<Factor, PriceError> {
        let decimal = Decimal::parse(text)?;
        let too_large = || PriceError::TooLarge(text.into());
        let hundred = 10u128.checked_pow(decimal.scale).and_then(|one| one.checked_mul(100));
        let hundred = hundred.ok_or_else(too_large)?;
        let up = if decimal.negative {
            hundred.checked_sub(decimal.digits).ok_or_else(|| PriceError::Negative(text.into()))?
        } else {
            hundred.checked_add(decimal.digits).ok_or_else(too_large)?
        };
        Factor::from_fraction(up, hundred).ok_or_else(too_large)
    }

    /// Reads a multiplier: `1.1` is ten percent more.
    ///
    /// # Errors
    /// No decimal number, below zero, or out of range.
    pub fn from_decimal(text: &str) -> Result<Factor, PriceError> {
        let decimal = Decimal::parse(text)?;
        if decimal.negative {
            return Err(PriceError::Negative(text.into()));
        }
        let too_large = || PriceError::TooLarge(text.into());
        let (up, down) = decimal.scaled(0).ok_or_else(too_large)?;
        Factor::from_fraction(up, down).ok_or_else(too_large)
    }

    fn from_fraction(up: u128, down: u128) -> Option<Factor> {
        let (up, down) = reduce(up, down)?;
        let down = NonZeroU64::new(u64::try_from(down).ok()?)?;
        Some(Factor { up: u64::try_from(up).ok()?, down })
    }

    /// The numerator.
    pub const fn up(self) -> u64 {
        self.up
    }

    /// The denominator.
    pub const fn down(self) -> NonZeroU64 {
        self.down
    }
}

/// A non-negative amount of pico-dollars before rounding: `up / down`.
#[derive(Clone, Copy)]
pub(crate) struct Exact {
    up: u128,
    down: u128,
}

impl Exact {
    /// `count` millionths of a thing at `rate` per thing.
    pub fn of_micros(count: u64, rate: Rate) -> Exact {
        let down = u128::from(rate.per.get()).saturating_mul(1_000_000);
        Exact::product(count, rate.pico, down)
    }

    /// `count` things at `rate` per thing.
    pub fn of(count: u64, rate: Rate) -> Exact {
        Exact::product(count, rate.pico, u128::from(rate.per.get()))
    }

    /// INVARIANT: the product of two u64 fits a u128, and so does a u64 times a million, so that
    /// neither multiplication here nor the one in `of_micros` ever saturates.
    fn product(count: u64, pico: u64, down: u128) -> Exact {
        Exact { up: u128::from(count).saturating_mul(u128::from(pico)), down }
    }

    /// Multiplies. The fraction is brought to lowest terms only if it would overflow otherwise.
    pub fn times(self, factor: Factor) -> Option<Exact> {
        self.multiply(factor).or_else(|| {
            let (up, down) = reduce(self.up, self.down)?;
            Exact { up, down }.multiply(factor)
        })
    }

    fn multiply(self, factor: Factor) -> Option<Exact> {
        let up = self.up.checked_mul(u128::from(factor.up))?;
        let down = self.down.checked_mul(u128::from(factor.down.get()))?;
        Some(Exact { up, down })
    }

    /// The whole pico-dollars, rounded half to even: the only rounding of a price.
    pub fn round(self) -> Option<PicoUsd> {
        let (whole, rest) = divide(self.up, self.down)?;
        let beyond_half = rest.cmp(&self.down.checked_sub(rest)?);
        let up = beyond_half.is_gt() || (beyond_half.is_eq() && whole & 1 == 1);
        let whole = whole.checked_add(u128::from(up))?;
        i128::try_from(whole).ok().map(PicoUsd::from_pico)
    }
}

/// Quotient and rest. Both sides nearly always fit 64 bits, where wasm divides in one instruction.
fn divide(up: u128, down: u128) -> Option<(u128, u128)> {
    match (u64::try_from(up), u64::try_from(down)) {
        (Ok(up), Ok(down)) => Some((up.checked_div(down)?.into(), up.checked_rem(down)?.into())),
        _ => Some((up.checked_div(down)?, up.checked_rem(down)?)),
    }
}
