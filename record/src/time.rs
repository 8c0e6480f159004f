//! Instants and calendar days, without a clock: the caller brings the time.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// An instant in nanoseconds since the Unix epoch, UTC.
///
/// It prints as RFC 3339 with milliseconds, the precision that access logs use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const NANOS_PER_MILLI: i64 = 1_000_000;
const MILLIS_PER_DAY: i64 = 86_400_000;

impl Timestamp {
    /// From nanoseconds since the Unix epoch, as proxies give it.
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Whole milliseconds from `earlier` to `self`; `None` when the clock ran backwards.
    pub fn millis_since(self, earlier: Self) -> Option<u64> {
        u64::try_from(self.0.checked_sub(earlier.0)?.div_euclid(NANOS_PER_MILLI)).ok()
    }
}

impl Timestamp {
    /// The same text as it prints.
    pub fn to_ascii(self) -> [u8; 24] {
        let millis = self.0.div_euclid(NANOS_PER_MILLI);
        let date = CivilDate::from_unix_days(millis.div_euclid(MILLIS_PER_DAY));
        let of_day = millis.rem_euclid(MILLIS_PER_DAY);
        let (second, milli) = (of_day.div_euclid(1000), of_day.rem_euclid(1000));
        let (minute, s) = (second.div_euclid(60), second.rem_euclid(60));
        let (h, m) = (minute.div_euclid(60), minute.rem_euclid(60));
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let places = [(3, date.year), (6, date.month), (9, date.day), (12, h), (15, m), (18, s), (22, milli)];
        for (last, number) in places {
            put_digits(&mut text, last, number);
        }
        text
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.to_ascii()).map_err(|_| fmt::Error)?)
    }
}

/// Writes a number so that its last digit stands at `last`. A year of nanoseconds since 1970 has four digits.
#[inline(never)]
fn put_digits(text: &mut [u8], last: usize, number: i64) {
    let mut rest = number.unsigned_abs();
    let places = text.get_mut(..=last).unwrap_or_default().iter_mut().rev();
    for place in places.take_while(|place| place.is_ascii_digit()) {
        *place = b'0' | (rest % 10) as u8;
        rest /= 10;
    }
}

impl FromStr for Timestamp {
    type Err = ();

    /// Reads `2026-11-20T12:00:00Z`, with any number of fractional digits up to nine.
    fn from_str(text: &str) -> Result<Self, ()> {
        match as_printed(text.as_bytes()) {
            Some(fields) => Self::of(fields),
            None => Self::of(fields(text)?),
        }
    }
}

/// Year, month, day, hour, minute, second and nanosecond.
type Fields = [i64; 7];

impl Timestamp {
    fn of([year, month, day, hour, minute, second, nanos]: Fields) -> Result<Self, ()> {
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
            return Err(());
        }
        let days = CivilDate { year, month, day }.unix_days();
        days.checked_mul(24)
            .and_then(|t| t.checked_add(hour)?.checked_mul(60)?.checked_add(minute)?.checked_mul(60))
            .and_then(|t| t.checked_add(second)?.checked_mul(1_000_000_000)?.checked_add(nanos))
            .map(Self)
            .ok_or(())
    }
}

/// The text that instants print as, without a search: logs are full of them.
fn as_printed(text: &[u8]) -> Option<Fields> {
    let [_, _, _, _, b'-', _, _, b'-', _, _, b'T', _, _, b':', _, _, b':', _, _, b'.', _, _, _, b'Z'] = text
    else {
        return None;
    };
    let at = |places: Range<usize>| digits(text.get(places)?);
    let nanos = at(20..23)?.checked_mul(NANOS_PER_MILLI)?;
    Some([at(0..4)?, at(5..7)?, at(8..10)?, at(11..13)?, at(14..16)?, at(17..19)?, nanos])
}

/// A few digits as a number.
fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0_i64, |number, byte| {
        let digit = byte.is_ascii_digit().then_some(byte & 0x0f)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

fn fields(text: &str) -> Result<Fields, ()> {
    let (date, time) = text.strip_suffix('Z').and_then(|t| t.split_once('T')).ok_or(())?;
    let mut ymd = date.splitn(3, '-').map(number);
    let mut hms = time.splitn(3, ':');
    let (year, month, day) = (next(&mut ymd)?, next(&mut ymd)?, next(&mut ymd)?);
    let (hour, minute) = (number(hms.next().ok_or(())?)?, number(hms.next().ok_or(())?)?);
    let (second, nanos) = seconds(hms.next().ok_or(())?)?;
    Ok([year, month, day, hour, minute, second, nanos])
}

/// A day of the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CivilDate {
    /// Astronomical year number.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
    /// 1 to 31.
    pub day: i64,
}

/// Days in 400 Gregorian years, the period after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_OFFSET: i64 = 719_468;

#[expect(
    clippy::arithmetic_side_effects,
    reason = "an i64 of nanoseconds spans 584 years, and days of it keep every product here far below i64::MAX"
)]
impl CivilDate {
    /// The day that begins `days` days after 1970-01-01.
    ///
    /// Years are counted from March, so that the leap day is the last day of its year.
    pub const fn from_unix_days(days: i64) -> Self {
        let shifted = days + EPOCH_OFFSET;
        let era = shifted.div_euclid(DAYS_PER_ERA);
        let of_era = shifted.rem_euclid(DAYS_PER_ERA);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        Self { year, month, day }
    }

    /// Days since 1970-01-01.
    pub const fn unix_days(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let from_march = (self.month + 9) % 12;
        let of_year = (153 * from_march + 2) / 5 + self.day - 1;
        let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
        era * DAYS_PER_ERA + of_era - EPOCH_OFFSET
    }
}

fn next(parts: &mut impl Iterator<Item = Result<i64, ()>>) -> Result<i64, ()> {
    parts.next().ok_or(())?
}

fn number(digits: &str) -> Result<i64, ()> {
    let plain = !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().map_err(|_| ()) } else { Err(()) }
}

fn seconds(text: &str) -> Result<(i64, i64), ()> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let scale = u32::try_from(fraction.len()).ok().and_then(|n| 9_u32.checked_sub(n)).ok_or(())?;
    let nanos = 10_i64.checked_pow(scale).and_then(|s| number(fraction).ok()?.checked_mul(s)).ok_or(())?;
    Ok((number(whole)?, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_print_as_rfc_3339_and_read_back() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_176_000_123_000_000, "2026-11-20T12:00:00.123Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
            (-1_000_000, "1969-12-31T23:59:59.999Z"),
        ] {
            let instant = Timestamp::from_unix_nanos(nanos);
            assert_eq!(instant.to_string(), text);
            assert_eq!(text.parse(), Ok(instant));
        }
    }

    #[test]
    fn junk_is_refused() {
        for text in [
            "",
            "2026-11-20",
            "2026-13-01T00:00:00Z",
            "2026-11-20T12:00:00",
            "2026-11-20T1a:00:00Z",
            "-1-1-1T0:0:0Z",
            "2026-11-20T12:00:00.1x3Z",
            "2026-11-32T12:00:00.123Z",
            "2026-11-20 12:00:00.123Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_day_of_three_centuries_follows_the_one_before() {
        let mut before = CivilDate::from_unix_days(-60_001);
        for days in -60_000..60_000 {
            let date = CivilDate::from_unix_days(days);
            assert!(date > before && date.unix_days() == days, "{date:?}");
            before = date;
        }
    }
}
