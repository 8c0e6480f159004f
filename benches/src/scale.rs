//! What a fleet of proxies costs: a model, reckoned from what was measured. `docs/scale.md` says what it takes for granted; the tables
//! between its marks are written by [`fill`], and a test holds them against `benches/RESULTS.md`.

use crate::filter::{PLAIN, TAGS_QUOTAS, TOLLGATE};
use crate::measured::Measured;
use crate::workload::{JSON, SSE_BURST, SSE_PACED};

/// What the model goes by, as the report has it: names, and figures with one digit after the point.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures(Vec<(&'static str, f64)>);

const JSON_US: &str = "CPU of a JSON call of 2.3 KB, us";
const STREAM_US: &str = "CPU of a stream of 400 events, us";
const PLAIN_JSON_US: &str = "plain Envoy's CPU of the same JSON call, us";
const PLAIN_STREAM_US: &str = "plain Envoy's CPU of the same stream, us";
const FIRST_MIB: &str = "memory of a proxy with one worker, MiB";
const FURTHER_MIB: &str = "memory of each further worker, MiB";
const OPEN_KIB: &str = "VM memory of an open stream, KiB";
const STRICT_MESSAGES: &str = "messages to a strict store, a call";
const STRICT_BYTES: &str = "bytes of such a message";
const CACHED_MESSAGES: &str = "messages to a cached store, a second and worker";
const CACHED_BYTES: &str = "bytes of such a message with 5 counters";
const NAMES: [&str; 11] = [
    JSON_US,
    STREAM_US,
    PLAIN_JSON_US,
    PLAIN_STREAM_US,
    FIRST_MIB,
    FURTHER_MIB,
    OPEN_KIB,
    STRICT_MESSAGES,
    STRICT_BYTES,
    CACHED_MESSAGES,
    CACHED_BYTES,
];

const HEADING: &str = "## What `docs/scale.md` is reckoned from";
const MIB: f64 = 1_048_576.0;

/// 1,000,000 calls a minute.
const CALLS_PER_S: f64 = 1_000_000.0 / 60.0;
/// Half of the calls are streams.
const STREAMS: f64 = 0.5;
const STREAM_LASTS_S: f64 = 10.0;
const WORKERS: f64 = 4.0;
const QUOTAS: f64 = 5.0;
/// Values of each quota's tag that are in use.
const VALUES: f64 = 100.0;
/// A counter is told of for so long after its last call: `RESTS_AFTER_MS` in `exchange/src/store/cache.rs`.
const RESTS_AFTER_S: f64 = 10.0;
/// `MOST_PER_MESSAGE` there.
const COUNTERS_PER_MESSAGE: f64 = 32.0;
const FLEETS: [u32; 3] = [10, 100, 1000];

impl Figures {
    /// `None` unless all of them were measured.
    pub fn of(measured: &Measured) -> Option<Self> {
        let absolute = |workload| Some(measured.table.row(workload)?.cell(PLAIN)?.absolute()?.median);
        let added = |workload| measured.added(TAGS_QUOTAS, workload);
        let (own, plain) = (measured.weight(TOLLGATE)?, measured.weight(PLAIN)?);
        let lighter = |own: u64, plain: u64| own.saturating_sub(plain) as f64 / MIB;
        let open = measured.streams.iter().find(|held| held.workload == "open-plain")?;
        let stores = measured.stores.as_ref()?;
        // Real streams come event by event; where that drowns in the noise, a burst is what is known.
        let stream = match (added(SSE_PACED), added(SSE_BURST)) {
            (Some(paced), Some(burst)) => paced.max(burst),
            (paced, burst) => paced.or(burst)?,
        };
        let values = [
            added(JSON)?,
            stream,
            absolute(JSON)?,
            absolute(SSE_PACED)?,
            lighter(own.one_worker()?, plain.one_worker()?),
            lighter(own.per_worker()?, plain.per_worker()?),
            open.vm_each() as f64 / 1024.0,
            stores.strict_messages_per_call,
            stores.strict_bytes,
            stores.cached_messages_per_second,
            stores.cached_bytes,
        ];
        let rounded = values.map(|value| (value * 10.0).round() / 10.0);
        Some(Self(NAMES.into_iter().zip(rounded).collect()))
    }

    /// The figures as a part of the report.
    pub fn section(&self) -> String {
        let rows: String = self.0.iter().map(|(name, value)| format!("| {name} | {value:.1} |\n")).collect();
        format!(
            "\n{HEADING}\n\nSix tags, five quotas, over plain Envoy.\n\n| figure | is |\n|---|---:|\n{rows}"
        )
    }

    /// Reads them out of a report.
    pub fn read(report: &str) -> Option<Self> {
        let section = report.split(HEADING).nth(1)?.split("\n## ").next()?;
        let value = |name: &'static str| {
            let row = format!("| {name} | ");
            let line = section.lines().find_map(|line| line.strip_prefix(&row))?;
            Some((name, line.trim_end_matches(" |").parse().ok()?))
        };
        NAMES.into_iter().map(value).collect::<Option<Vec<_>>>().map(Self)
    }

    fn get(&self, name: &str) -> f64 {
        self.0.iter().find(|(known, _)| *known == name).map_or(f64::NAN, |(_, value)| *value)
    }

    /// CPU seconds a second, of all calls together.
    fn cores(&self, json: &str, stream: &str) -> f64 {
        CALLS_PER_S * ((1.0 - STREAMS) * self.get(json) + STREAMS * self.get(stream)) / 1e6
    }

    /// The tables of `docs/scale.md`.
    pub fn tables(&self) -> String {
        let (own, plain) = (self.cores(JSON_US, STREAM_US), self.cores(PLAIN_JSON_US, PLAIN_STREAM_US));
        let mut text = String::from(
            "| proxies | calls a second each | CPU each, % of a core | memory each, MiB | strict: messages a second in all | Mbit/s \
             | cached: messages a second in all | Mbit/s |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        for proxies in FLEETS.map(f64::from) {
            text.push_str(&self.fleet(proxies, own));
        }
        text.push_str(&format!(
            "\nAll proxies together spend {own:.1} cores on Tollgate, and {plain:.1} on Envoy itself.\n"
        ));
        text
    }

    fn fleet(&self, proxies: f64, cores: f64) -> String {
        let each = CALLS_PER_S / proxies;
        let open = each * STREAMS * STREAM_LASTS_S;
        let memory = self.get(FIRST_MIB)
            + (WORKERS - 1.0) * self.get(FURTHER_MIB)
            + open * self.get(OPEN_KIB) / 1024.0;
        let strict = CALLS_PER_S * self.get(STRICT_MESSAGES);
        let strict_bits = strict * self.get(STRICT_BYTES) * 8.0 / 1e6;
        let touched = (each / WORKERS * RESTS_AFTER_S).min(VALUES) * QUOTAS;
        let messages = (touched / COUNTERS_PER_MESSAGE).ceil();
        let cached = proxies * WORKERS * self.get(CACHED_MESSAGES) * messages;
        // Bytes grow with the counters; the script, which does not, is the smaller part of a long message.
        let bytes = self.get(CACHED_BYTES) * (touched / messages / QUOTAS).max(1.0);
        let cached_bits = cached * bytes * 8.0 / 1e6;
        format!(
            "| {proxies:.0} | {each:.1} | {:.2} | {memory:.0} | {strict:.0} | {strict_bits:.0} | {cached:.0} | {cached_bits:.0} |\n",
            100.0 * cores / proxies
        )
    }
}

const BEGIN: &str = "<!-- by `cargo xtask bench` -->\n";
const END: &str = "<!-- end -->";

/// The page with the tables in it that the figures give; `None` if it has no place for them.
pub fn fill(page: &str, figures: &Figures) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", figures.tables()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(path: &str) -> String {
        std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).expect("it is there")
    }

    #[test]
    fn the_page_says_what_the_results_give() {
        let page = own("../docs/scale.md");
        match Figures::read(&own("RESULTS.md")) {
            Some(figures) => assert_eq!(fill(&page, &figures), Some(page), "`cargo xtask bench` writes both"),
            // Results of before the model give nothing, and then the page claims nothing.
            None => assert!(page.contains(&format!("{BEGIN}{END}")), "the page has tables without results"),
        }
    }

    #[test]
    fn figures_are_read_as_they_were_written() {
        let figures = Figures(NAMES.into_iter().zip((1_u8..).map(|n| f64::from(n) + 0.5)).collect());
        assert_eq!(Figures::read(&figures.section()), Some(figures));
        assert_eq!(Figures::read("# Results\n"), None);
    }

    #[test]
    fn a_fleet_is_reckoned_as_the_page_says() {
        let values = [100.0, 500.0, 100.0, 10_000.0, 60.0, 2.0, 6.0, 2.0, 3_000.0, 5.0, 2_000.0];
        let tables = Figures(NAMES.into_iter().zip(values).collect()).tables();
        // 16,667 calls a second of 300 us in the mean are 5 cores.
        assert!(tables.contains("spend 5.0 cores on Tollgate, and 84.2 on Envoy itself"), "{tables}");
        // Ten proxies: 1,667 calls a second each, half a core, 8,333 open streams of 6 KiB; 500 counters are 16 messages.
        let row = "| 10 | 1666.7 | 50.00 | 115 | 33333 | 800 | 3200 |";
        assert!(tables.contains(row), "{tables}");
        // A thousand: 16.7 calls a second each, 42 values of each quota in 10 s, 209 counters in 7 messages.
        assert!(tables.contains("| 1000 | 16.7 | 0.50 | 66 | 33333 | 800 | 140000 |"), "{tables}");
    }
}
