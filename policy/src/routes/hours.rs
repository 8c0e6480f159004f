//! `hours`: a time of day, on some days of the week.

use crate::config::ConfigError;
use crate::form::{Form, text};
use crate::window::{WEEKDAYS, Zone};
use serde_json::Value;

/// From one minute of the day to another, by the clock of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hours {
    from: i64,
    /// The first minute that is outside. Not after `from`: on the next day.
    to: i64,
    zone: Zone,
    /// On which days it begins, Monday first.
    days: [bool; 7],
}

const DAY_S: i64 = 86_400;

impl Hours {
    #[cold]
    pub(super) fn read(value: &Value) -> Result<Self, ConfigError> {
        let form = Form::read(value, &["from", "to", "time_zone", "days"])?;
        let minute = |field: &'static str| {
            let text =
                form.text(field)?.ok_or_else(|| ConfigError::new(field, "is needed, such as \"08:30\""))?;
            minute(text).ok_or_else(|| {
                ConfigError::new(field, format!("`{text}` is no time of day, expected one such as \"08:30\""))
            })
        };
        let zone = form.text("time_zone")?.map_or(Ok(Zone::UTC), Zone::parse);
        let named = form.list("days", |value| day(text(value)?))?;
        let mut days = [named.is_empty(); 7];
        for (place, wanted) in days.iter_mut().enumerate() {
            *wanted |= named.contains(&place);
        }
        let zone = zone.map_err(|problem| ConfigError::new("time_zone", problem))?;
        Ok(Self { from: minute("from")?, to: minute("to")?, zone, days })
    }

    /// Whether the instant lies within.
    pub(super) fn hold(&self, unix_seconds: i64) -> bool {
        let local = unix_seconds.saturating_add(self.zone.offset(unix_seconds));
        let (day, second) = (local.div_euclid(DAY_S), local.rem_euclid(DAY_S));
        let minute = second.div_euclid(60);
        // The epoch was a Thursday.
        let begins = |day: i64| {
            let place = usize::try_from(day.saturating_add(3).rem_euclid(7)).ok();
            place.and_then(|place| self.days.get(place)).is_some_and(|wanted| *wanted)
        };
        if self.from < self.to {
            return (self.from..self.to).contains(&minute) && begins(day);
        }
        (minute >= self.from && begins(day)) || (minute < self.to && begins(day.saturating_sub(1)))
    }
}

/// `08:30` -> 510; `24:00` is the end of the day.
fn minute(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':').filter(|(_, minutes)| minutes.len() == 2)?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours.checked_mul(60)?.checked_add(minutes)?;
    ((0..60).contains(&minutes) && (0..=1440).contains(&total)).then_some(total)
}

fn day(name: &str) -> Result<usize, ConfigError> {
    WEEKDAYS.iter().position(|day| *day == name).ok_or_else(|| {
        ConfigError::new("", format!("unknown day `{name}`, expected one of {}", WEEKDAYS.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_lies_within_or_not() {
        // 2026-11-20T12:34:56Z, a Friday.
        let now = 1_795_178_096;
        for (json, expected) in [
            (r#"{"from":"12:30","to":"12:40"}"#, true),
            (r#"{"from":"12:30","to":"12:34"}"#, false),
            (r#"{"from":"12:35","to":"12:34"}"#, false),
            (r#"{"from":"22:00","to":"13:00"}"#, true),
            (r#"{"from":"22:00","to":"13:00","days":["thursday"]}"#, true),
            (r#"{"from":"22:00","to":"13:00","days":["friday"]}"#, false),
            (r#"{"from":"00:00","to":"24:00","days":["friday"]}"#, true),
            (r#"{"from":"00:00","to":"00:00"}"#, true),
            (r#"{"from":"13:30","to":"13:40","time_zone":"Europe/Berlin"}"#, true),
            (r#"{"from":"01:00","to":"02:00","time_zone":"+13:00","days":["saturday"]}"#, true),
        ] {
            let hours = Hours::read(&serde_json::from_str(json).unwrap()).unwrap();
            assert_eq!(hours.hold(now), expected, "{json}");
        }
    }
}
