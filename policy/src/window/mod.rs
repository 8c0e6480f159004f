//! The spans of time that quotas count in.

mod zone;

use crate::config::ConfigError;
use crate::form::Form;
use serde_json::Value;
use tollgate_record::CivilDate;
pub use zone::Zone;

/// A span of time after which a quota starts again. Durations are aligned to the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// A fixed number of seconds, aligned to the epoch.
    Seconds(i64),
    /// A unit of the calendar in a zone.
    Calendar(Unit, Zone),
    /// The last so many seconds. It is counted in slots of a 32nd of it, and a slot counts until all of it is over:
    /// never too much in any span of that length, at times a 32nd too little.
    Sliding(i64),
    /// No span of time at all: what is in flight right now.
    Now,
}

/// A unit of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// By the clock, in the zone's standard time.
    Minute,
    /// By the clock, in the zone's standard time.
    Hour,
    /// From midnight to midnight.
    Day,
    /// Seven days from this one on, counted from Monday, which is 0.
    Week(i64),
    /// This many months, aligned to January: month, quarter, year.
    Months(i64),
}

const DAY: i64 = 86_400;
const CALENDAR: [(&str, Unit); 7] = [
    ("minute", Unit::Minute),
    ("hour", Unit::Hour),
    ("day", Unit::Day),
    ("week", Unit::Week(0)),
    ("month", Unit::Months(1)),
    ("quarter", Unit::Months(3)),
    ("year", Unit::Months(12)),
];
const UNITS: [(&str, i64); 5] = [("s", 1), ("m", 60), ("h", 3600), ("d", DAY), ("w", 7 * DAY)];
pub(crate) const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// In how many slots a sliding window is counted.
const SLOTS: i64 = 32;

impl Window {
    /// Reads a quota's `window`, with `time_zone` and `week_starts`.
    pub(crate) fn read(form: &Form<'_>) -> Result<Option<Self>, ConfigError> {
        let refused = |field: &'static str| move |problem: String| ConfigError::new(field, problem);
        let zone = form.text("time_zone")?;
        let zone_of_calendar = zone.map_or(Ok(Zone::UTC), Zone::parse).map_err(refused("time_zone"))?;
        let week = form.text("week_starts")?.map(weekday).transpose().map_err(refused("week_starts"))?;
        let Some(value) = form.value("window") else { return Ok(None) };
        let window = match value {
            Value::String(text) => Self::parse(text, zone_of_calendar).map_err(refused("window"))?,
            _ => {
                let sliding = Form::read(value, &["sliding"]).and_then(|form| form.text("sliding"));
                let sliding = sliding.map_err(|error| error.within("window"))?.unwrap_or_default();
                duration(sliding).map(Self::Sliding).map_err(refused("window.sliding"))?
            }
        };
        match (window, week) {
            (Self::Calendar(Unit::Week(_), zone), Some(day)) => {
                Ok(Some(Self::Calendar(Unit::Week(day), zone)))
            }
            (_, Some(_)) => Err(ConfigError::new("week_starts", "needs `window: week`")),
            (Self::Seconds(_) | Self::Sliding(_), None) if zone.is_some() => {
                Err(ConfigError::new("time_zone", "needs a window of the calendar, such as day or month"))
            }
            (window, None) => Ok(Some(window)),
        }
    }

    /// Reads `month`, `90s`, `6h` and the like. The error is a sentence without a path.
    fn parse(text: &str, zone: Zone) -> Result<Self, String> {
        match CALENDAR.iter().find(|(name, _)| *name == text) {
            Some((_, unit)) => Ok(Self::Calendar(*unit, zone)),
            None => duration(text).map(Self::Seconds),
        }
    }

    /// The window that holds the instant `unix_seconds`: its start, and the start of the next one.
    pub fn span(self, unix_seconds: i64) -> (i64, i64) {
        match self {
            Self::Seconds(length) => aligned(unix_seconds, length, 0),
            Self::Calendar(unit, zone) => unit.span(unix_seconds, zone),
            Self::Sliding(length) => {
                (unix_seconds.saturating_sub(length), unix_seconds.saturating_add(length))
            }
            Self::Now => (0, unix_seconds.saturating_add(1)),
        }
    }

    /// The start of the slot in which what is used at `now` is counted.
    pub(crate) fn slot(self, now: i64) -> i64 {
        match self {
            Self::Sliding(length) => aligned(now, slot_length(length), 0).0,
            _ => self.span(now).0,
        }
    }

    /// Slots that began before this one do not count any more at `now`.
    pub(crate) fn oldest_slot(self, now: i64) -> i64 {
        match self {
            Self::Sliding(length) => {
                now.saturating_sub(length).saturating_sub(slot_length(length)).saturating_add(1)
            }
            _ => self.span(now).0,
        }
    }

    /// When a counter that is full at `now` has room again at the earliest.
    pub(crate) fn resets_at(self, oldest_slot: Option<i64>, now: i64) -> i64 {
        match (self, oldest_slot) {
            (Self::Sliding(length), Some(start)) => {
                start.saturating_add(slot_length(length)).saturating_add(length).max(now.saturating_add(1))
            }
            _ => self.span(now).1,
        }
    }
}

fn slot_length(window: i64) -> i64 {
    window.checked_div(SLOTS).unwrap_or(1).max(1)
}

fn weekday(name: &str) -> Result<i64, String> {
    let place = WEEKDAYS.iter().position(|day| *day == name).and_then(|place| i64::try_from(place).ok());
    place.ok_or_else(|| format!("unknown day `{name}`, expected one of {}", WEEKDAYS.join(", ")))
}

/// Reads a duration such as `90s` or `6h`, from 1 s to 366 days, in seconds. The error is a sentence without a path.
///
/// # Errors
/// No number, an unknown unit, or too short or long a time.
pub fn duration(text: &str) -> Result<i64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits).unwrap_or(text);
    let seconds = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, s)| *s);
    let legal = "expected one of minute, hour, day, week, month, quarter, year, or a duration such as 90s, 15m, 6h, 2d, 1w";
    let seconds =
        seconds.filter(|_| !digits.is_empty()).ok_or_else(|| format!("unknown unit `{unit}`, {legal}"))?;
    let total = digits.parse::<i64>().ok().and_then(|n| n.checked_mul(seconds));
    match total {
        Some(total) if (1..=366 * DAY).contains(&total) => Ok(total),
        _ => Err(format!("`{text}` is not between 1s and 366d")),
    }
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "instants are seconds of a nanosecond clock in i64, offsets are below two days: sums stay far below i64::MAX"
)]
impl Unit {
    fn span(self, now: i64, zone: Zone) -> (i64, i64) {
        let local = now + zone.offset(now);
        let days = |start: i64, end: i64| (zone.instant(start * DAY), zone.instant(end * DAY));
        let today = local.div_euclid(DAY);
        match self {
            Self::Minute => aligned(now, 60, -zone.standard()),
            Self::Hour => aligned(now, 3600, -zone.standard()),
            Self::Day => days(today, today + 1),
            Self::Week(first) => {
                // The epoch was a Thursday, so Mondays are three days before it and every seven after that.
                let start = today - (today + 3 - first).rem_euclid(7);
                days(start, start + 7)
            }
            Self::Months(count) => {
                let (start, end) = months(today, count);
                days(start, end)
            }
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

/// The first days of the group of months that holds a day, and of the next one, in days of the epoch.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "month numbers of a nanosecond clock in i64 are in the thousands"
)]
fn months(day: i64, count: i64) -> (i64, i64) {
    let date = CivilDate::from_unix_days(day);
    let number = date.year * 12 + date.month - 1;
    let first = number - number.rem_euclid(count);
    let start = |month: i64| {
        CivilDate { year: month.div_euclid(12), month: month.rem_euclid(12) + 1, day: 1 }.unix_days()
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
            assert_eq!(Window::parse(text, Zone::UTC).unwrap().span(now), (start, end), "{text}");
        }
    }

    #[test]
    fn every_instant_lies_in_its_own_window_and_windows_meet() {
        let zones =
            ["+00:00", "-09:30", "+05:45", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];
        for zone in zones.map(|name| Zone::parse(name).unwrap()) {
            for window in CALENDAR.map(|(_, unit)| Window::Calendar(unit, zone)) {
                for now in (1_770_000_000..1_850_000_000).step_by(86_399) {
                    let (start, end) = window.span(now);
                    assert!(start <= now && now < end && window.span(end).0 == end, "{window:?} {now}");
                }
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
            let error = Window::parse(text, Zone::UTC).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
