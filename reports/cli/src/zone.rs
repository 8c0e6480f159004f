//! Names of time zones, resolved by the system's data base.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tollgate_reports::Zone;

/// Changes of offset are looked up for these years; logs of LLM calls are not older.
const FROM_UNIX: i64 = 1_577_836_800;
const UNTIL_UNIX: i64 = 2_524_608_000;

/// Reads `UTC`, `+09:00` or a name such as `Europe/Berlin`.
pub fn parse(text: &str) -> Result<Zone, String> {
    if let Some(zone) = Zone::fixed(text) {
        return Ok(zone);
    }
    let wrong = |why: &dyn std::fmt::Display| {
        format!("`{text}` is no time zone: {why}; expected one like UTC, +09:00 or Europe/Berlin")
    };
    let zone = TimeZone::get(text).map_err(|error| wrong(&error))?;
    let start = Timestamp::from_second(FROM_UNIX).map_err(|error| wrong(&error))?;
    let first = i64::from(zone.to_offset(start).seconds());
    let changes = zone
        .following(start)
        .map(|change| (change.timestamp().as_second(), i64::from(change.offset().seconds())))
        .take_while(|(from, _)| *from < UNTIL_UNIX);
    Ok(Zone::new(text, first, changes.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tollgate_reports::Range;

    #[test]
    fn names_are_resolved_with_their_changes() {
        let zone = match parse("Europe/Berlin") {
            Ok(zone) => zone,
            Err(why) => return println!("not tested: {why}"),
        };
        // 2026-10-25 has 25 hours there.
        let day = Range::parse("2026-10-25", &zone).unwrap();
        assert_eq!((day.start, day.end - day.start), (1_792_879_200, 25 * 3600));
        assert!(parse("Europe/Nowhere").unwrap_err().starts_with("`Europe/Nowhere` is no time zone: "));
    }
}
