//! Local time: days, weeks and months begin where people live.

use std::fmt;

use tollgate_record::{CivilDate, Timestamp};

const DAY: i64 = 86_400;

/// A time zone: what clocks show beyond UTC, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    /// Seconds east of UTC before the first change.
    first: i64,
    /// Instants of changes in ascending order, and the seconds that hold from then on.
    changes: Vec<(i64, i64)>,
}

impl Default for Zone {
    fn default() -> Self {
        Self { name: "UTC".into(), first: 0, changes: Vec::new() }
    }
}

impl Zone {
    /// A zone of this name: seconds east of UTC, and its changes (instant, seconds) in ascending order.
    pub fn new(name: &str, first: i64, changes: Vec<(i64, i64)>) -> Self {
        Self { name: name.to_owned(), first, changes }
    }

    /// Reads `UTC`, `Z`, `+09:00` or `-0330`; `None` for a name, which only the system can resolve.
    pub fn fixed(text: &str) -> Option<Self> {
        if matches!(text, "UTC" | "utc" | "Z") {
            return Some(Self::default());
        }
        let (sign, digits) = match text.split_at_checked(1)? {
            ("+", digits) => (1, digits),
            ("-", digits) => (-1, digits),
            _ => return None,
        };
        let (hours, minutes) = digits.split_once(':').or_else(|| digits.split_at_checked(2))?;
        let whole = |text: &str, below: i64| {
            let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse::<i64>().ok()).flatten().filter(|number| *number < below)
        };
        let minutes = whole(hours, 24)?.checked_mul(60)?.checked_add(whole(minutes, 60)?)?;
        Some(Self::new(text, minutes.checked_mul(60)?.checked_mul(sign)?, Vec::new()))
    }

    /// Seconds of the local clock since 1970-01-01T00:00 on it.
    pub fn local_seconds(&self, time: Timestamp) -> i64 {
        self.local(time.unix_seconds())
    }

    fn local(&self, unix: i64) -> i64 {
        unix.saturating_add(self.offset(unix))
    }

    fn offset(&self, unix: i64) -> i64 {
        let after = self.changes.partition_point(|(from, _)| *from <= unix);
        let last = after.checked_sub(1).and_then(|place| self.changes.get(place));
        last.map_or(self.first, |(_, offset)| *offset)
    }

    /// The first instant at which the local clock shows this many seconds or more.
    pub fn instant_of(&self, local: i64) -> i64 {
        let guess = local.saturating_sub(self.offset(local));
        let around =
            [-DAY, 0, DAY].map(|shift| local.saturating_sub(self.offset(guess.saturating_add(shift))));
        let fits = around.into_iter().filter(|unix| self.local(*unix) >= local).min();
        fits.unwrap_or(guess)
    }

    /// The local day, counted from 1970-01-01.
    pub fn day(&self, time: Timestamp) -> i64 {
        self.local_seconds(time).div_euclid(DAY)
    }

    /// The instant at which a local day begins.
    pub fn start_of_day(&self, day: i64) -> i64 {
        self.instant_of(day.saturating_mul(DAY))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// `2026-11-20`.
pub fn day_text(day: i64) -> String {
    let date = CivilDate::from_unix_days(day);
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

/// Reads `2026-11-20`.
pub fn parse_day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-').map(|part| {
        let plain = part.len() <= 4 && !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse::<i64>().ok()).flatten()
    });
    let date = CivilDate { year: parts.next()??, month: parts.next()??, day: parts.next()?? };
    if !(1..=12).contains(&date.month) || !(1..=31).contains(&date.day) {
        return None;
    }
    let day = date.unix_days();
    (CivilDate::from_unix_days(day) == date).then_some(day)
}

/// A span of instants, in seconds of the epoch: the first, and the first one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first second.
    pub start: i64,
    /// The first second that is not meant any more.
    pub end: i64,
}

impl Range {
    /// All of time.
    pub const ALL: Self = Self { start: i64::MIN, end: i64::MAX };

    /// Whether the instant is meant.
    pub fn has(self, time: Timestamp) -> bool {
        let second = time.unix_seconds();
        self.start <= second && second < self.end
    }

    /// Reads what people write: a year, a month, a day, a local time of day, an instant of RFC 3339. The span is that of the
    /// unit: `2026-11` is the whole month, a time of day is its first second.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str, zone: &Zone) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no date, expected one like 2026, 2026-11, 2026-11-20, 2026-11-20T14:30 or 2026-11-20T14:30:00Z"
            )
        };
        if let Ok(instant) = text.parse::<Timestamp>() {
            let start = instant.unix_seconds();
            return Ok(Self { start, end: start.saturating_add(1) });
        }
        let days = |first: Option<i64>, last: Option<i64>| {
            let (first, last) = first.zip(last).ok_or_else(wrong)?;
            Ok(Self { start: zone.start_of_day(first), end: zone.start_of_day(last) })
        };
        if let Some((day, clock)) = text.split_once('T') {
            let seconds = clock_seconds(clock).ok_or_else(wrong)?;
            let local = parse_day(day)
                .and_then(|day| day.checked_mul(DAY)?.checked_add(seconds))
                .ok_or_else(wrong)?;
            let start = zone.instant_of(local);
            return Ok(Self { start, end: start.saturating_add(1) });
        }
        match text.len() {
            4 => {
                let year = text.parse::<i64>().map_err(|_| wrong())?;
                days(
                    parse_day(&format!("{year:04}-01-01")),
                    parse_day(&format!("{:04}-01-01", year.saturating_add(1))),
                )
            }
            7 => {
                let first = parse_day(&format!("{text}-01"));
                days(first, first.map(next_month))
            }
            _ => {
                let day = parse_day(text);
                days(day, day.and_then(|day| day.checked_add(1)))
            }
        }
    }
}

/// The first day of the month after that of `day`.
pub fn next_month(day: i64) -> i64 {
    let date = CivilDate::from_unix_days(day);
    let (year, month) = if date.month >= 12 {
        (date.year.saturating_add(1), 1)
    } else {
        (date.year, date.month.saturating_add(1))
    };
    CivilDate { year, month, day: 1 }.unix_days()
}

/// `14:30` or `14:30:15`.
fn clock_seconds(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let mut next = |below: i64| {
        let part = parts.next()?;
        let plain = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| part.parse::<i64>().ok()).flatten().filter(|number| *number < below)
    };
    let (hours, minutes) = (next(24)?, next(60)?);
    let seconds = if text.len() > 5 { next(60)? } else { 0 };
    let all = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?.checked_add(seconds);
    if parts.next().is_some() { None } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Berlin around the changes of 2026: 2026-03-29T01:00Z and 2026-10-25T01:00Z.
    fn berlin() -> Zone {
        Zone::new("Europe/Berlin", 3600, vec![(1_774_746_000, 7200), (1_792_890_000, 3600)])
    }

    fn check(text: &str, zone: &Zone, start: &str, end: &str) {
        let range = Range::parse(text, zone).unwrap();
        let shown = |second: i64| Timestamp::from_unix_nanos(second * 1_000_000_000).to_string();
        assert_eq!((shown(range.start).as_str(), shown(range.end).as_str()), (start, end), "{text} {zone}");
    }

    #[test]
    fn what_people_write_becomes_a_span() {
        let utc = Zone::default();
        check("2026", &utc, "2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z");
        check("2026-12", &utc, "2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z");
        check("2026-11-20", &utc, "2026-11-20T00:00:00.000Z", "2026-11-21T00:00:00.000Z");
        check("2026-11-20T14:30", &utc, "2026-11-20T14:30:00.000Z", "2026-11-20T14:30:01.000Z");
        check("2026-11-20T14:30:15Z", &berlin(), "2026-11-20T14:30:15.000Z", "2026-11-20T14:30:16.000Z");
        let tokyo = Zone::fixed("+09:00").unwrap();
        check("2026-11-20", &tokyo, "2026-11-19T15:00:00.000Z", "2026-11-20T15:00:00.000Z");
        check("2026-11", &berlin(), "2026-10-31T23:00:00.000Z", "2026-11-30T23:00:00.000Z");
        check("2026-03-29", &berlin(), "2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z");
        check("2026-10-25", &berlin(), "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z");
        for text in ["", "yesterday", "2026-13", "2026-02-30", "20261120", "2026-11-20T25:00", "-5"] {
            assert!(Range::parse(text, &utc).is_err(), "{text}");
        }
    }

    #[test]
    fn offsets_are_read_or_left_to_the_system() {
        for (text, seconds) in
            [("UTC", Some(0)), ("+09:00", Some(32_400)), ("-0330", Some(-12_600)), ("Asia/Tokyo", None)]
        {
            assert_eq!(Zone::fixed(text).map(|zone| zone.first), seconds, "{text}");
        }
        for text in ["", "+", "+9:00", "+25:00", "+09:61"] {
            assert_eq!(Zone::fixed(text), None, "{text}");
        }
    }

    #[test]
    fn every_hour_of_a_year_lies_in_its_own_day() {
        let zone = berlin();
        for unix in (1_767_222_000..1_798_758_000).step_by(3600) {
            let day = zone.day(Timestamp::from_unix_nanos(unix * 1_000_000_000));
            assert!(zone.start_of_day(day) <= unix && unix < zone.start_of_day(day + 1), "{unix}");
        }
    }
}
