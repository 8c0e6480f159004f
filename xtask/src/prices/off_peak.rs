//! litellm's `off_peak_pricing`: cheaper hours, some of them on some days of the week only.

use super::file::Prices;
use super::litellm;
use serde_json::Value;
use std::collections::BTreeMap;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The cheaper hours as variants of the list, which has the prices of all other hours.
pub fn variants(raw: &Value) -> Result<Vec<Prices>, String> {
    let Some(fields) = raw.as_object() else { return Ok(Vec::new()) };
    let mut rates = BTreeMap::new();
    let mut windows = &Value::Null;
    for (key, value) in fields {
        match key.as_str() {
            "windows" => windows = value,
            // The windows of these models begin and end at the same instants in Shanghai's days as in UTC's: between
            // 16:00 and 24:00 UTC, when Shanghai is a day ahead, each day is off-peak.
            "weekday_timezone" if value == "Asia/Shanghai" => {}
            "weekday_timezone" => return Err(format!("days of the week in another zone: {value}")),
            _ => drop(rates.insert(class(key)?, litellm::per_million(value)?)),
        }
    }
    let windows = windows.as_array().ok_or("`off_peak_pricing` without windows")?;
    let all = windows.iter().map(|window| one(window, &rates)).collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().flatten().collect())
}

fn class(key: &str) -> Result<String, String> {
    litellm::token_class(key).map(str::to_owned).ok_or_else(|| format!("unknown off-peak price `{key}`"))
}

fn one(window: &Value, rates: &BTreeMap<String, String>) -> Result<Vec<Prices>, String> {
    let days = window["weekdays"].as_array().into_iter().flatten();
    let weekdays = days.map(weekday).collect::<Result<Vec<_>, _>>()?;
    let hours = match &window["hours_utc"] {
        Value::String(one) => vec![one.as_str()],
        several => several.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    let prices = |hours: &str| {
        let (from, until) = hours.split_once('-').ok_or_else(|| format!("unknown hours `{hours}`"))?;
        let daily = (from != until).then(|| (from.to_owned(), until.to_owned()));
        Ok(Prices { daily, weekdays: weekdays.clone(), rates: rates.clone(), ..Prices::default() })
    };
    hours.into_iter().map(prices).collect()
}

/// Days are counted from Monday, which is 1.
fn weekday(number: &Value) -> Result<String, String> {
    let place = number.as_u64().and_then(|number| usize::try_from(number).ok()?.checked_sub(1));
    let day = place.and_then(|place| DAYS.get(place));
    day.map(|day| (*day).to_owned()).ok_or_else(|| format!("unknown day of the week {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn windows_become_variants() {
        let raw = json!({
            "input_cost_per_token": "1.5e-07",
            "windows": [
                {"hours_utc": ["04:00-06:00", "10:00-00:00"], "weekdays": [1, 5]},
                {"hours_utc": "00:00-00:00", "weekdays": [6, 7]},
            ],
        });
        let shown = |prices: &Prices| {
            let hours =
                prices.daily.clone().map_or("all day".into(), |(from, until)| format!("{from}-{until}"));
            format!("{hours} {} {}", prices.weekdays.join(","), prices.rates["input"])
        };
        let all: Vec<String> = variants(&raw).unwrap().iter().map(shown).collect();
        assert_eq!(all, ["04:00-06:00 mon,fri 0.15", "10:00-00:00 mon,fri 0.15", "all day sat,sun 0.15"]);
        assert_eq!(variants(&Value::Null), Ok(Vec::new()));
    }

    #[test]
    fn unknown_forms_stop_the_import() {
        for raw in [
            json!({}),
            json!({"input_cost_per_tonne": 1, "windows": []}),
            json!({"weekday_timezone": "Europe/Berlin", "windows": []}),
            json!({"windows": [{"hours_utc": "noon"}]}),
            json!({"windows": [{"hours_utc": "01:00-02:00", "weekdays": [8]}]}),
        ] {
            assert!(variants(&raw).is_err(), "{raw}");
        }
    }
}
