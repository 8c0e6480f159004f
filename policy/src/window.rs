//! The spans of time that quotas count in.

use serde::Deserialize;
use tollgate_record::CivilDate;

/// A window as the user wrote it: a calendar unit or a duration.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct RawWindow(pub String);

/// A span of time after which a quota starts again. Calendar windows are UTC; durations are aligned to the
/// Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// A fixed number of seconds, aligned to the epoch: minutes, hours, days and durations.
    Seconds(i64),
    /// Monday to Sunday.
    Week,
    /// This many calendar months, aligned to January: month, quarter, year.
    Months(i64),
}

const DAY: i64 = 86_400;
const CALENDAR: [(&str, Window); 7] = [
    ("minute", Window::Seconds(60)),
    ("hour", Window::Seconds(3600)),
    ("day", Window::Seconds(DAY)),
    ("week", Window::Week),
    ("month", Window::Months(1)),
    ("quarter", Window::Months(3)),
    ("year", Window::Months(12)),
];
const UNITS: [(&str, i64); 5] = [("s", 1), ("m", 60), ("h", 3600), ("d", DAY), ("w", 7 * DAY)];

impl Window {
    /// Reads `month`, `90s`, `6h` and the like. The error is a sentence without a path.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some((_, window)) = CALENDAR.iter().find(|(name, _)| *name == text) {
            return Ok(*window);
        }
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text.strip_prefix(digits).unwrap_or(text);
        let seconds = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, s)| *s);
        let legal = "expected one of minute, hour, day, week, month, quarter, year, or a duration such as 90s, 15m, 6h, 2d, 1w";
        let seconds = seconds
            .filter(|_| !digits.is_empty())
            .ok_or_else(|| format!("unknown unit `{unit}`, {legal}"))?;
        let total = digits.parse::<i64>().ok().and_then(|n| n.checked_mul(seconds));
        match total {
            Some(total) if (1..=366 * DAY).contains(&total) => Ok(Self::Seconds(total)),
            _ => Err(format!("`{text}` is not between 1s and 366d")),
        }
    }

    /// The window that holds the instant `unix_seconds`: its start, and the start of the next one.
    pub fn span(self, unix_seconds: i64) -> (i64, i64) {
        match self {
            Self::Seconds(length) => aligned(unix_seconds, length, 0),
            // The epoch was a Thursday, so Mondays are three days before it and every seven after that.
            Self::Week => aligned(unix_seconds, 7 * DAY, -3 * DAY),
            Self::Months(count) => months(unix_seconds, count),
        }
    }
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "instants are seconds of a nanosecond clock in i64, lengths at most 366 days: sums stay far below i64::MAX"
)]
const fn aligned(now: i64, length: i64, origin: i64) -> (i64, i64) {
    let start = now - (now - origin).rem_euclid(length);
    (start, start + length)
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "month numbers of a nanosecond clock in i64 are in the thousands"
)]
fn months(now: i64, count: i64) -> (i64, i64) {
    let date = CivilDate::from_unix_days(now.div_euclid(DAY));
    let number = date.year * 12 + date.month - 1;
    let first = number - number.rem_euclid(count);
    let start = |month: i64| {
        CivilDate { year: month.div_euclid(12), month: month.rem_euclid(12) + 1, day: 1 }.unix_days() * DAY
    };
    (start(first), start(first + count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_where_a_calendar_says() {
        // 2026-11-20T12:34:56Z, a Friday.
        let now = 1_795_178_096;
        for (text, start, end) in [
            ("minute", 1_795_178_040, 1_795_178_100),
            ("hour", 1_795_176_000, 1_795_179_600),
            ("day", 1_795_132_800, 1_795_219_200),
            ("week", 1_794_787_200, 1_795_392_000),
            ("month", 1_793_491_200, 1_796_083_200),
            ("quarter", 1_790_812_800, 1_798_761_600),
            ("year", 1_767_225_600, 1_798_761_600),
            ("90s", 1_795_178_070, 1_795_178_160),
        ] {
            assert_eq!(Window::parse(text).unwrap().span(now), (start, end), "{text}");
        }
    }

    #[test]
    fn every_instant_lies_in_its_own_window_and_windows_meet() {
        for window in CALENDAR.map(|(_, w)| w) {
            for now in (1_700_000_000..1_800_000_000).step_by(86_399) {
                let (start, end) = window.span(now);
                assert!(start <= now && now < end && window.span(end).0 == end, "{window:?} {now}");
            }
        }
    }

    #[test]
    fn impossible_windows_are_refused_with_the_legal_ones() {
        for (text, expected) in [
            ("dya", "unknown unit `dya`, expected one of minute, hour"),
            ("15", "unknown unit ``"),
            ("0s", "`0s` is not between 1s and 366d"),
            ("9999999999999999999s", "is not between"),
        ] {
            let error = Window::parse(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
