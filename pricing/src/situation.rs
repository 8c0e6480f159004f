//! What a price may depend on besides the counts.

use crate::tables::{Section, Tables, When};

const DAY_S: i64 = 86_400;

/// What is known about a call as it was served; None is "not known".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation<'a> {
    /// The instant that is priced, in seconds since the Unix epoch, UTC.
    pub time_unix_s: i64,
    /// How long the prompt is that tiers of a price go by, where the counts are the sum of several calls; None is the
    /// whole input of the usage.
    pub prompt_tokens: Option<u64>,
    /// The service tier: `priority`, `flex`, `batch`. Tiers without a rate of their own
    /// (`standard`, `default`, `on_demand`, `auto`, `provisioned`) cost what the list says.
    pub service_tier: Option<&'a str>,
    /// Where the call was served, as the provider names it: `us`, `eu`.
    pub region: Option<&'a str>,
    /// The speed mode: `fast`.
    pub speed: Option<&'a str>,
    /// The size of a web search's context: `low`, `medium`, `high`.
    pub search_context_size: Option<&'a str>,
    /// The kind of a web search: `fast`, `web` (Perplexity).
    pub search_type: Option<&'a str>,
    /// The size of an image: `1024x1024`, `2K`.
    pub image_size: Option<&'a str>,
    /// The quality of an image: `low`, `hd`.
    pub image_quality: Option<&'a str>,
    /// The resolution of a video: `720p`.
    pub resolution: Option<&'a str>,
    /// The route a reseller took (OpenRouter).
    pub route: Option<&'a str>,
}

/// The names of the dimensions, in the order of their numbers.
pub(crate) const DIMENSIONS: [&str; 9] = [
    "service_tier",
    "region",
    "speed",
    "search_context_size",
    "search_type",
    "image_size",
    "image_quality",
    "resolution",
    "route",
];

impl Situation<'_> {
    fn dimension(&self, number: u8) -> Option<&str> {
        match number {
            0 => self.service_tier,
            // Anthropic writes `not_available` where it does not say.
            1 => self.region.filter(|region| *region != "not_available"),
            2 => self.speed,
            3 => self.search_context_size,
            4 => self.search_type,
            5 => self.image_size,
            6 => self.image_quality,
            7 => self.resolution,
            8 => self.route,
            _ => None,
        }
    }

    /// Whether the section's condition holds.
    pub(crate) fn meets(&self, tables: &Tables<'_>, section: Section) -> bool {
        let Some(when) = tables.whens.get(usize::from(section.when)) else { return false };
        self.in_period(when)
            && self.in_hours(when)
            && self.on_day(when)
            && tables.facts_of(when).iter().all(|fact| {
                let seen = self.dimension(fact.dimension);
                seen.is_some_and(|seen| same(seen, tables.text(fact.value)))
            })
    }

    fn in_period(&self, when: &When) -> bool {
        when.from <= self.time_unix_s && self.time_unix_s < when.until
    }

    fn on_day(&self, when: &When) -> bool {
        let day = self.time_unix_s.div_euclid(DAY_S).wrapping_add(EPOCH_WEEKDAY).rem_euclid(7);
        let days = u32::try_from(day).ok().and_then(|day| when.days.checked_shr(day));
        days.is_some_and(|days| days & 1 == 1)
    }

    fn in_hours(&self, when: &When) -> bool {
        if when.day_from == when.day_until {
            return true;
        }
        let second = self.time_unix_s.rem_euclid(DAY_S);
        let (from, until) = (i64::from(when.day_from), i64::from(when.day_until));
        let (begun, open) = (from <= second, second < until);
        if from < until { begun && open } else { begun || open }
    }
}

/// Days of the week from Monday to the first day of the Unix epoch, a Thursday.
const EPOCH_WEEKDAY: i64 = 3;

/// Providers write the same tier as `flex` and `ON_DEMAND_FLEX`. `!global` wants anything but that.
fn same(seen: &str, wanted: &str) -> bool {
    let plain = seen.strip_prefix("ON_DEMAND_").unwrap_or(seen);
    match wanted.strip_prefix('!') {
        Some(other) => !plain.eq_ignore_ascii_case(other),
        None => plain.eq_ignore_ascii_case(wanted),
    }
}
