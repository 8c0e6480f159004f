//! Dates and times of the catalogue's files as numbers.

/// The day since the Unix epoch of a `YYYY-MM-DD`.
pub fn day(text: &str) -> Result<i64, String> {
    let bad = || format!("not a date: `{text}`");
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
pub fn second(text: &str) -> Result<u32, String> {
    let bad = || format!("not a time of day: `{text}`");
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
