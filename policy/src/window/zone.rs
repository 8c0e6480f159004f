//! Time zones: offsets, and IANA's names with the rules that hold from now on.

use tollgate_record::CivilDate;

/// A zone: its offset from UTC, and when summer time changes it.
///
/// Only the rules that are in force now and from now on are known; windows that ended years ago are nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Seconds east of UTC.
    standard: i64,
    summer: Option<Summer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Summer {
    /// Seconds east of UTC.
    offset: i64,
    begins: Turn,
    ends: Turn,
}

/// A day of every year: the `week`th (5 is the last) `weekday` (0 is Sunday) of a month, and the second of it, by the
/// clock that is in force until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    month: i64,
    week: i64,
    weekday: i64,
    second: i64,
}

/// One line for each rule: the rule as POSIX spells it in `TZ`, then the names of its zones, without those that
/// change by no such rule.
const NAMES: &str = include_str!("zones.txt");

const DAY: i64 = 86_400;

impl Zone {
    /// Greenwich's.
    pub const UTC: Self = Self { standard: 0, summer: None };

    /// Reads `+09:00`, `UTC` or a name such as `Europe/Berlin`. The error is a sentence without a path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let named = || {
            let line = NAMES.lines().find(|line| line.split(' ').skip(1).any(|name| name == text))?;
            posix(line.split(' ').next()?)
        };
        offset(text).or_else(named).ok_or_else(|| {
            format!(
                "unknown zone `{text}`, expected an offset such as `+09:00` or a name such as `Europe/Berlin`"
            )
        })
    }

    /// Seconds east of UTC, summer time left out.
    pub(super) const fn standard(self) -> i64 {
        self.standard
    }
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "instants are seconds of a nanosecond clock in i64, offsets and seconds of a rule are below ten days"
)]
impl Zone {
    /// Seconds east of UTC at an instant.
    pub(crate) fn offset(self, unix_seconds: i64) -> i64 {
        let Some(summer) = self.summer else { return self.standard };
        let local = unix_seconds + self.standard;
        let year = CivilDate::from_unix_days(local.div_euclid(DAY)).year;
        let begins = summer.begins.local_second(year) - self.standard;
        let ends = summer.ends.local_second(year) - summer.offset;
        let is_summer = if begins < ends {
            begins <= unix_seconds && unix_seconds < ends
        } else {
            // South of the equator summer reaches over the new year.
            unix_seconds < ends || begins <= unix_seconds
        };
        if is_summer { summer.offset } else { self.standard }
    }

    /// The instant at which the clocks of the zone show `local` seconds of the epoch. Where they skip it, the instant of the
    /// skip's end; where they show it twice, always the same one of the two.
    pub(super) fn instant(self, local: i64) -> i64 {
        local - self.offset(local - self.offset(local))
    }
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "years of a nanosecond clock in i64 have at most four digits"
)]
impl Turn {
    /// The second of the epoch that a local clock shows then.
    fn local_second(self, year: i64) -> i64 {
        let first = CivilDate { year, month: self.month, day: 1 }.unix_days();
        // The epoch was a Thursday, the fourth day after a Sunday.
        let first_weekday = (first + 4).rem_euclid(7);
        let mut day = first + (self.weekday - first_weekday).rem_euclid(7) + (self.week - 1) * 7;
        let next_month = CivilDate { year: year + self.month / 12, month: self.month % 12 + 1, day: 1 };
        while day >= next_month.unix_days() {
            day -= 7;
        }
        day * DAY + self.second
    }
}

/// Reads `UTC`, `Z`, `+09:00`, `-0330`, `+9`.
fn offset(text: &str) -> Option<Zone> {
    if matches!(text, "UTC" | "Z") {
        return Some(Zone::UTC);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let part = |text: &str, most: i64| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| digits && *number <= most)
    };
    let seconds = part(hours, 15)?.checked_mul(3600)?.checked_add(part(minutes, 59)?.checked_mul(60)?)?;
    Some(Zone { standard: seconds.checked_mul(sign)?, summer: None })
}

/// Reads a rule as POSIX spells it: `CET-1CEST,M3.5.0,M10.5.0/3`, `<-03>3`.
fn posix(rule: &str) -> Option<Zone> {
    let mut parts = rule.split(',');
    let names = parts.next()?;
    let rest = after_name(names)?;
    let (standard, rest) = clock(rest)?;
    let standard = standard.checked_neg()?;
    if rest.is_empty() {
        return Some(Zone { standard, summer: None });
    }
    let rest = after_name(rest)?;
    let offset = match clock(rest) {
        Some((west, _)) => west.checked_neg()?,
        None => standard.checked_add(3600)?,
    };
    let (begins, ends) = (turn(parts.next()?)?, turn(parts.next()?)?);
    Some(Zone { standard, summer: Some(Summer { offset, begins, ends }) })
}

/// What follows the abbreviation of a zone: letters, or anything in angle brackets.
fn after_name(text: &str) -> Option<&str> {
    match text.strip_prefix('<') {
        Some(rest) => rest.split_once('>').map(|(_, rest)| rest),
        None => Some(text.trim_start_matches(|letter: char| letter.is_ascii_alphabetic())),
    }
}

/// Reads `[-]h[:mm[:ss]]` off the front, in seconds.
fn clock(text: &str) -> Option<(i64, &str)> {
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+' | ':'))).unwrap_or(text.len());
    let (time, rest) = text.split_at_checked(end)?;
    let (sign, time) = match time.strip_prefix('-') {
        Some(time) => (-1_i64, time),
        None => (1, time.strip_prefix('+').unwrap_or(time)),
    };
    let mut seconds = 0_i64;
    for (part, weight) in time.split(':').zip([3600, 60, 1]) {
        seconds = seconds.checked_add(part.parse::<i64>().ok()?.checked_mul(weight)?)?;
    }
    Some((seconds.checked_mul(sign)?, rest))
}

/// Reads `M3.5.0/2`.
fn turn(text: &str) -> Option<Turn> {
    let (date, time) = text.split_once('/').unwrap_or((text, "2"));
    let mut numbers = date.strip_prefix('M')?.split('.').map(|number| number.parse::<i64>().ok());
    let (month, week, weekday) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let legal = (1..=12).contains(&month) && (1..=5).contains(&week) && (0..=6).contains(&weekday);
    let (second, _) = clock(time)?;
    legal.then_some(Turn { month, week, weekday, second })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_of_the_table_has_a_rule_that_reads() {
        let mut zones = 0;
        for line in NAMES.lines() {
            let rule = line.split(' ').next().unwrap();
            assert!(posix(rule).is_some(), "{rule}");
            zones += line.split(' ').count() - 1;
        }
        assert!(zones > 400, "{zones}");
    }

    #[test]
    fn offsets_are_read_and_nonsense_is_not() {
        for (text, seconds) in
            [("+09:00", 32_400), ("-0330", -12_600), ("+5", 18_000), ("UTC", 0), ("Asia/Tokyo", 32_400)]
        {
            assert_eq!(Zone::parse(text).map(|zone| zone.offset(0)), Ok(seconds), "{text}");
        }
        for text in ["", "+", "+16:00", "+09:60", "9", "Europe", "europe/berlin", "M3.5.0", "+ 1", "+1:"] {
            assert!(Zone::parse(text).unwrap_err().starts_with(&format!("unknown zone `{text}`")), "{text}");
        }
    }

    #[test]
    fn summer_time_begins_and_ends_to_the_second() {
        // 2026: Berlin 03-29 and 10-25 at 01:00 UTC, New York 03-08 07:00 and 11-01 06:00, Sydney 04-04 16:00 and 10-03 16:00.
        for (zone, instant, before, after) in [
            ("Europe/Berlin", 1_774_746_000, 3600, 7200),
            ("Europe/Berlin", 1_792_890_000, 7200, 3600),
            ("America/New_York", 1_772_953_200, -18_000, -14_400),
            ("America/New_York", 1_793_512_800, -14_400, -18_000),
            ("Australia/Sydney", 1_775_318_400, 39_600, 36_000),
            ("Australia/Sydney", 1_791_043_200, 36_000, 39_600),
            ("Europe/Dublin", 1_774_746_000, 0, 3600),
        ] {
            let parsed = Zone::parse(zone).unwrap();
            assert_eq!(
                (parsed.offset(instant - 1), parsed.offset(instant)),
                (before, after),
                "{zone} {instant}"
            );
        }
    }

    #[test]
    fn a_midnight_that_the_clocks_skip_is_the_first_instant_after_it() {
        // Beirut skips from 00:00 to 01:00 on 2026-03-29, at 22:00 UTC of the day before.
        let zone = Zone::parse("Asia/Beirut").unwrap();
        let midnight = CivilDate { year: 2026, month: 3, day: 29 }.unix_days() * DAY;
        assert_eq!(zone.instant(midnight), 1_774_735_200);
    }
}
