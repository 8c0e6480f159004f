//! The five views that answer who spends what, each out of three places: Envoy's stats, its access log, and Tollgate's live view.

use std::collections::BTreeMap;

use serde_json::Value;
use tollgate_test_harness::Error;
use tollgate_test_harness::client;
use tollgate_test_harness::envoy::Envoy;
use tollgate_test_harness::http::{Headers, Request};
use tollgate_test_harness::stats::Series;

use crate::{Done, field, money, record};

/// The token of the demo's live view, and its SHA-256.
pub const TOKEN: &str = "demo";
pub const TOKEN_SHA256: &str = "2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea";

/// One way to look at spend.
struct View {
    title: &'static str,
    /// Its label set in the stats.
    view: &'static str,
    /// The labels that it is shown by.
    by: &'static [&'static str],
}

const VIEWS: &[View] = &[
    View { title: "1. by feature", view: "feature", by: &["feature"] },
    View { title: "2. by provider and model", view: "provider_model_operation", by: &["provider", "model"] },
    View { title: "3. by team", view: "team", by: &["team"] },
    View { title: "   by customer", view: "customer", by: &["customer"] },
    View { title: "4. by endpoint", view: "provider_model_operation", by: &["operation"] },
    View { title: "   by workflow", view: "workflow", by: &["workflow"] },
];

/// Amounts by label values: pico-USD in the first five views, tokens in the last.
type Sums = BTreeMap<String, u128>;

/// What one view says in each place. A place that does not have it says nothing.
struct Told {
    stats: Sums,
    log: Sums,
    live: Option<Sums>,
}

impl Told {
    fn agrees(&self) -> bool {
        !self.log.is_empty()
            && self.stats == self.log
            && self.live.as_ref().is_none_or(|live| *live == self.log)
    }
}

/// Prints the views, and returns those whose places do not tell the same to the nano-USD.
pub fn report(envoy: &Envoy, series: &[Series], done: &[Done]) -> Result<Vec<String>, Error> {
    println!("\nSpend in USD, in five views, out of three places that must agree to the nano-USD:");
    let mut wrong = Vec::new();
    for view in VIEWS {
        let told = spend(view, envoy, series, done)?;
        print(view.title, &told, &|pico| money::usd(pico));
        wrong.extend((!told.agrees()).then(|| format!("spend {} differs between its places", view.title)));
    }
    let told = Told { stats: counted_tokens(series), log: logged_tokens(done), live: None };
    print("5. tokens by kind", &told, &|tokens| tokens.to_string());
    let of = |kind: &str| told.log.get(kind).copied().unwrap_or(0);
    let input = of("input") + of("cache_read");
    println!("    {} of {input} input tokens came out of the providers' caches", of("cache_read"));
    wrong.extend((!told.agrees()).then(|| "tokens by kind differ between stats and log".to_owned()));
    Ok(wrong)
}

fn print(title: &str, told: &Told, amount: &dyn Fn(u128) -> String) {
    let live = if told.live.is_some() { "live view" } else { "" };
    println!("\n  {title:<36} {:>14} {:>14} {live:>14}", "stats", "log");
    let all = told.stats.keys().chain(told.log.keys()).collect::<std::collections::BTreeSet<_>>();
    for key in all {
        let cell = |sums: &Sums| sums.get(key).map_or("-".to_owned(), |sum| amount(*sum));
        let live = told.live.as_ref().map(cell).unwrap_or_default();
        println!("    {key:<34} {:>14} {:>14} {live:>14}", cell(&told.stats), cell(&told.log));
    }
}

fn spend(view: &View, envoy: &Envoy, series: &[Series], done: &[Done]) -> Result<Told, Error> {
    let counted = series.iter().filter(|s| s.name == "tollgate_cost_nanousd" && in_view(s, view.view));
    let counted = counted.map(|s| {
        let label = |name: &&str| s.labels.get(*name).cloned().unwrap_or_default();
        (view.by.iter().map(label).collect(), s.value as u128 * 1000)
    });
    let logged = done.iter().filter_map(|one| {
        let record = record(&one.log);
        let values = view.by.iter().map(|name| value(record, name)).collect();
        Some((values, money::pico(field(record, "tollgate.cost.usd")?.as_str()?)?))
    });
    // The live view has no dimension for operations.
    let live = if view.by == ["operation"] { None } else { Some(live(envoy, view.by)?) };
    Ok(Told { stats: added_up(counted), log: added_up(logged), live })
}

fn in_view(series: &Series, view: &str) -> bool {
    series.labels.get("view").is_some_and(|name| name == view)
}

fn added_up(rows: impl Iterator<Item = (Vec<String>, u128)>) -> Sums {
    let mut sums = Sums::new();
    for (values, amount) in rows.filter(|(_, amount)| *amount > 0) {
        *sums.entry(values.join(" ")).or_default() += amount;
    }
    sums
}

/// What a record says under a label's name.
fn value(record: &Value, label: &str) -> String {
    let key = match label {
        "provider" => "gen_ai.provider.name".to_owned(),
        "model" => "gen_ai.response.model".to_owned(),
        "operation" => "gen_ai.operation.name".to_owned(),
        tag => format!("tollgate.tags.{tag}"),
    };
    field(record, &key).and_then(Value::as_str).unwrap_or("-").to_owned()
}

/// What the live view tells. It has all calls a second after their log lines at the latest.
fn live(envoy: &Envoy, by: &[&str]) -> Result<Sums, Error> {
    let request = Request {
        method: "GET".to_owned(),
        path: format!("/.tollgate/usage?by={}&window=day", by.join(",")),
        headers: Headers::from_iter([("authorization", format!("Bearer {TOKEN}"))]),
        ..Request::default()
    };
    let response = client::call(envoy.address(), &request)?;
    let usage: Value = serde_json::from_slice(&response.body)
        .map_err(|error| Error::File(format!("the live view answered {}: {error}", response.status)))?;
    // A demo that runs past midnight has calls in both windows.
    let rows = ["current", "previous"].into_iter().flat_map(|part| usage[part]["rows"].as_array()).flatten();
    let row = |row: &Value| {
        let label = |name: &&str| row["labels"][*name].as_str().unwrap_or("-").to_owned();
        Some((by.iter().map(label).collect(), money::pico(row["cost_usd"].as_str()?)?))
    };
    Ok(added_up(rows.filter_map(row)))
}

fn counted_tokens(series: &[Series]) -> Sums {
    let tokens =
        series.iter().filter(|s| s.name == "tollgate_tokens" && in_view(s, "provider_model_operation"));
    added_up(tokens.map(|s| (vec![s.labels.get("kind").cloned().unwrap_or_default()], s.value as u128)))
}

/// Kinds are disjoint; in the record the input contains what came out of the cache.
fn logged_tokens(done: &[Done]) -> Sums {
    let count = |record: &Value, key: &str| {
        field(record, &format!("gen_ai.usage.{key}_tokens")).and_then(Value::as_f64).unwrap_or(0.0) as u128
    };
    added_up(done.iter().flat_map(|one| {
        let record = record(&one.log);
        let cached = count(record, "cache_read.input");
        let kinds = [
            ("input", count(record, "input") - cached),
            ("cache_read", cached),
            ("output", count(record, "output")),
        ];
        kinds.map(|(kind, tokens)| (vec![kind.to_owned()], tokens))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_agree_only_if_they_say_the_same_to_the_last_nano_usd() {
        let sums = |pico| Sums::from([("search".to_owned(), pico)]);
        let agree = |stats, log, live| Told { stats, log, live }.agrees();
        assert!(agree(sums(2000), sums(2000), None));
        assert!(agree(sums(2000), sums(2000), Some(sums(2000))));
        assert!(!agree(sums(1000), sums(2000), None));
        assert!(!agree(sums(2000), sums(2000), Some(sums(1000))));
        assert!(!agree(Sums::new(), Sums::new(), None), "nothing is no agreement");
    }
}
