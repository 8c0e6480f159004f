//! Counters of nano-USD against the exact sum of what the records say, over many calls that cost less than one nano-USD each.
//! `TOLLGATE_SUMS_CALLS` says how many; `cargo xtask soak` takes 1,000,000.
#![expect(
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect fails"
)]

use std::collections::BTreeMap;
use std::rc::Rc;
use tollgate_exchange::{
    AnsweredBy, Exchange, Finish, Head, HeaderPairs, MetricKind, MetricSink, Rules, Settled, Start, Stats,
};
use tollgate_policy::{OwnStore, ReservationId};
use tollgate_record::Timestamp;
use tollgate_wire::{End, Ended};

/// 7 and 11 pico-USD a token: one call costs less than 1,000 pico-USD.
const CONFIGURATION: &[u8] = br#"{
    "pricing": {"overrides": [{"provider": "openai", "model": "tiny", "rates": {"input": "0.000007", "output": "0.000011"}}],
                "adjustments": [{"percent": "-3.7"}]},
    "tags": {"team": {"from": [{"header": "x-team"}]}},
    "emit": {"views": [["provider", "model", "operation"], ["team"]]}}"#;
const NOON: Timestamp = Timestamp::from_unix_nanos(1_795_176_000_000_000_000);

#[derive(Default)]
struct Proxy {
    names: Vec<String>,
    values: BTreeMap<String, u64>,
}

impl MetricSink for Proxy {
    fn define(&mut self, _: MetricKind, name: &str) -> Option<u32> {
        self.names.push(name.to_owned());
        u32::try_from(self.names.len() - 1).ok()
    }

    fn put(&mut self, _: MetricKind, id: u32, value: u64) {
        *self.values.entry(self.names[id as usize].clone()).or_default() += value;
    }
}

fn call(rules: &Rc<Rules>, team: &str, input: u64, output: u64) -> Settled {
    let pairs = [
        (":method", "POST"),
        (":authority", "api.openai.com"),
        (":path", "/v1/chat/completions"),
        ("x-team", team),
    ];
    let head = Head {
        headers: HeaderPairs::from_pairs(pairs.map(|(name, value)| (name, value.as_bytes()))),
        ..Head::default()
    };
    let id = || ReservationId { process: 1, worker: 1, sequence: 1 };
    let Start::Begin(mut exchange, _, _) = Exchange::start(rules, &head, id, NOON) else {
        panic!("not seen as an LLM call")
    };
    exchange.request_body(br#"{"model":"tiny"}"#, End::Last);
    let pairs = [(":status", "200"), ("content-type", "application/json")];
    exchange.response_head(&HeaderPairs::from_pairs(pairs.map(|(name, value)| (name, value.as_bytes()))));
    let body =
        format!(r#"{{"model":"tiny","usage":{{"prompt_tokens":{input},"completion_tokens":{output}}}}}"#);
    exchange.response_body(body.as_bytes(), End::Last, || NOON);
    exchange.settle(Finish { now: NOON, ended: Ended::Complete, answered_by: AnsweredBy::Upstream })
}

#[test]
fn counters_are_short_of_the_exact_sum_by_less_than_a_nano_dollar_a_series() {
    let calls = std::env::var("TOLLGATE_SUMS_CALLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000_u64);
    let rules = Rc::new(Rules::compile(CONFIGURATION).unwrap());
    let (mut stats, mut proxy, shared) = (Stats::default(), Proxy::default(), OwnStore::default());
    let mut exact: BTreeMap<String, i128> = BTreeMap::new();
    let mut random = 1_u64;
    for _ in 0..calls {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let team = ["search", "ads", "support"][(random >> 33) as usize % 3];
        let settled = call(&rules, team, (random >> 40) % 60 + 1, (random >> 50) % 50);
        let Some(cost) = settled.record.cost.usd else { panic!("no cost: {:?}", settled.record.cost) };
        assert!((1..1000).contains(&cost.pico()), "{cost} is not less than a nano-dollar");
        let all = ";view=provider_model_operation;provider=openai;model=tiny;operation=chat".to_owned();
        for series in [all, format!(";view=team;team={team}")] {
            *exact.entry(series).or_default() += cost.pico();
        }
        stats.count(&rules, &settled, &shared, &mut proxy);
    }
    assert_eq!(exact.len(), 4);
    for (series, pico) in exact {
        let nanos = proxy.values[&format!("tollgate_cost_nanousd{series}")];
        let short = pico - i128::from(nanos) * 1000;
        println!(
            "{series}: {pico} pico-USD in {calls} calls, the counter has {nanos} nano-USD, {short} pico-USD short"
        );
        assert!((0..1000).contains(&short), "{series}: {short} pico-USD short of {pico}");
    }
}
