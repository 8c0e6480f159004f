//! Dates, times and days of the week of the catalogue's files as numbers.

use crate::error::PriceError;

/// The days of the week in the order of their bits, Monday first.
const DAYS: [(&str, u8); 7] =
    [("mon", 1), ("tue", 2), ("wed", 4), ("thu", 8), ("fri", 16), ("sat", 32), ("sun", 64)];

/// The bit of a day of the week.
pub fn weekday(name: &str) -> Result<u8, PriceError> {
    let day = DAYS.iter().find(|(known, _)| *known == name);
    day.map(|(_, bit)| *bit).ok_or_else(|| PriceError::Weekday(name.into()))
}

/// The day since the Unix epoch of a `YYYY-MM-DD`.
pub fn day(text: &str) -> Result<i64, PriceError> {
    let bad = || PriceError::Date(text.into());
    let mut parts = text.splitn(3, '-').map(str::parse::<i64>);
    let mut next = || parts.next().and_then(Result::ok).ok_or_else(bad);
    let (year, month, day) = (next()?, next()?, next()?);
    if text.len() != 10
        || !(2000..2200).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
    {
        return Err(bad());
    }
    Ok(civil(year, month, day))
}

/// The second of the day of an `HH:MM`.
pub fn second(text: &str) -> Result<u32, PriceError> {
    let bad = || PriceError::Time(text.into());
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let hour = hour.parse::<u32>().ok().filter(|hour| *hour < 24).ok_or_else(bad)?;
    let minute = minute.parse::<u32>().ok().filter(|minute| *minute < 60).ok_or_else(bad)?;
    hour.checked_mul(3600).and_then(|s| s.checked_add(minute.checked_mul(60)?)).ok_or_else(bad)
}

/// Days since 1970-01-01 in the Gregorian calendar. Years start in March here, so that the leap day
/// is a year's last day.
#[expect(clippy::arithmetic_side_effects, reason = "the caller has checked the ranges")]
fn civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months = (month + 9) % 12;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (months * 153 + 2) / 5 + day - 1;
    days - 719_468
}
