use super::*;
use crate::settle::Counts;
use std::collections::BTreeMap;
use std::rc::Rc;
use tollgate_policy::{Admission, Amount, Change, Output, OwnStore, perform};
use tollgate_pricing::{TokenCounts, TokenKind};
use tollgate_record::{Action, Cost, CostStatus, Record, Timestamp, UsageSource};

/// A proxy's stats, by name.
#[derive(Default)]
struct Proxy {
    names: Vec<String>,
    values: BTreeMap<String, u64>,
    defined: usize,
}

impl MetricSink for Proxy {
    fn define(&mut self, _: MetricKind, name: &str) -> Option<u32> {
        self.defined += 1;
        self.names.push(name.to_owned());
        u32::try_from(self.names.len() - 1).ok()
    }

    fn put(&mut self, _: MetricKind, id: u32, value: u64) {
        *self.values.entry(self.names[id as usize].clone()).or_default() += value;
    }
}

const RULES: &str =
    r#"{"tags":{"team":{"from":[{"header":"x-team"}],"allow":["search","*"]}},"emit":{"max_series":3}}"#;

fn rules() -> Rules {
    Rules::compile(RULES.as_bytes()).unwrap()
}

fn call(team: &str, model: Option<&str>, usd: &str) -> Settled {
    let mut tokens = TokenCounts::default();
    tokens.set(TokenKind::Input, 10);
    tokens.set(TokenKind::CacheRead, 5);
    tokens.set(TokenKind::Output, 3);
    let record = Record {
        provider: "openai".into(),
        operation: "chat".into(),
        usage_source: UsageSource::Reported,
        tags: vec![("team".into(), team.into())],
        cost: Cost { status: CostStatus::Priced, usd: Some(usd.parse().unwrap()), ..Cost::default() },
        ..Record::default()
    };
    let absent_tags = if team == tollgate_policy::UNTAGGED { vec!["team".to_owned()] } else { Vec::new() };
    let counts = Counts { tokens, model: model.map(str::to_owned), absent_tags, ..Counts::default() };
    Settled { record, bookings: Vec::new(), counts }
}

#[test]
fn each_view_counts_the_call_under_its_own_labels() {
    let (rules, shared, mut stats, mut proxy) =
        (rules(), OwnStore::default(), Stats::default(), Proxy::default());
    for _ in 0..2 {
        stats.count(&rules, &call("search", Some("gpt-4.1"), "0.0000012"), &shared, &mut proxy);
    }
    for (name, value) in [
        ("tollgate_requests;view=team;team=search;decision=allow;usage_source=reported", 2),
        ("tollgate_tokens;view=team;team=search;kind=input", 20),
        ("tollgate_tokens;view=team;team=search;kind=cache_read", 10),
        (
            "tollgate_tokens;view=provider_model_operation;provider=openai;model=gpt-4.1;operation=chat;kind=output",
            6,
        ),
        ("tollgate_cost_nanousd;view=team;team=search", 2400),
        ("tollgate_fully_tagged_cost_nanousd", 2400),
    ] {
        assert_eq!(proxy.values.get(name), Some(&value), "{name}\n{:#?}", proxy.values);
    }
    let before = proxy.defined;
    stats.count(&rules, &call("search", Some("gpt-4.1"), "0.0000012"), &shared, &mut proxy);
    assert_eq!(proxy.defined, before, "a metric is defined once");
}

#[test]
fn calls_that_were_noted_are_counted_a_few_at_a_time_and_all_of_them_when_asked_for() {
    let (rules, shared, mut stats, mut proxy) =
        (Rc::new(rules()), OwnStore::default(), Stats::default(), Proxy::default());
    let requests = "tollgate_requests;view=team;team=search;decision=allow;usage_source=reported";
    let counted = |proxy: &Proxy| proxy.values.get(requests).copied().unwrap_or_default();
    for number in 1..=100 {
        stats.note(Rc::clone(&rules), call("search", None, "0.0000012"), &shared, &mut proxy);
        let waiting = number - counted(&proxy);
        assert!(waiting < 8, "{waiting} calls wait after {number}");
    }
    assert_eq!(counted(&proxy), 96);
    for _ in 0..2 {
        stats.count_waiting(&shared, &mut proxy);
        assert_eq!(counted(&proxy), 100);
    }
}

#[test]
fn every_class_of_tokens_counts_under_the_kind_that_contains_it() {
    for kind in TokenKind::ALL {
        let name = kind.name();
        let expected = match name {
            _ if name.starts_with("cache_read") => "cache_read",
            _ if name.starts_with("cache_write") => "cache_write",
            "input_audio" => "audio_input",
            "input_image" => "image_input",
            "output_audio" => "audio_output",
            "output_image" => "image_output",
            "reasoning" => "reasoning",
            _ if kind.is_input() => "input",
            _ => "output",
        };
        assert_eq!(kind_label(kind), expected, "{name}");
    }
}

#[test]
fn calls_of_less_than_a_nano_dollar_add_up() {
    let (rules, shared, mut stats, mut proxy) =
        (rules(), OwnStore::default(), Stats::default(), Proxy::default());
    for _ in 0..10_000 {
        stats.count(&rules, &call("search", None, "0.000000000333"), &shared, &mut proxy);
    }
    assert_eq!(proxy.values["tollgate_cost_nanousd;view=team;team=search"], 3330);
}

#[test]
fn invented_values_share_one_series_and_cannot_push_out_real_ones() {
    let (rules, shared, mut stats, mut proxy) =
        (rules(), OwnStore::default(), Stats::default(), Proxy::default());
    for index in 0..100 {
        stats.count(&rules, &call(&format!("t{index}"), None, "0.000000001"), &shared, &mut proxy);
    }
    stats.count(&rules, &call("search", None, "0.000000001"), &shared, &mut proxy);
    stats.count(&rules, &call(tollgate_policy::UNTAGGED, None, "0.000000001"), &shared, &mut proxy);
    let teams: Vec<_> =
        proxy.values.iter().filter(|(n, _)| n.starts_with("tollgate_cost_nanousd;view=team;")).collect();
    assert_eq!(teams.len(), 3 + 3, "{teams:?}");
    assert_eq!(teams.iter().map(|(_, v)| **v).sum::<u64>(), 102);
    assert_eq!(proxy.values["tollgate_cost_nanousd;view=team;team=__other__"], 97);
    assert_eq!(proxy.values["tollgate_series_overflow;view=team"], 97);
    assert_eq!(proxy.values["tollgate_cost_nanousd;view=team;team=search"], 1);
}

#[test]
fn the_bound_is_one_for_all_workers_and_over_reloads() {
    let (rules, shared, mut proxy) = (rules(), OwnStore::default(), Proxy::default());
    for worker in 0..4 {
        let mut stats = Stats::default();
        for index in 0..10 {
            stats.count(
                &rules,
                &call(&format!("w{worker}t{index}"), None, "0.000000001"),
                &shared,
                &mut proxy,
            );
        }
    }
    let teams: Vec<_> =
        proxy.values.iter().filter(|(n, _)| n.starts_with("tollgate_cost_nanousd;view=team;")).collect();
    assert_eq!((teams.len(), teams.iter().map(|(_, v)| **v).sum::<u64>()), (3 + 1, 40), "{teams:?}");
}

#[test]
fn no_value_reaches_into_another_label() {
    for (value, label) in [
        ("a;team=b", "a_team=b"),
        ("a\nb\u{7f}", "a_b_"),
        ("gpt-4.1", "gpt-4.1"),
        ("ft:gpt-4o:acme", "ft:gpt-4o:acme"),
        ("meta-llama/Llama-3.3", "meta-llama/Llama-3.3"),
        ("v1.", "v1._"),
        ("", ""),
    ] {
        assert_eq!(tame(value), label);
    }
    assert_eq!(tame(&"é".repeat(200)).len(), 128);
}

#[test]
fn a_missing_tag_an_unpriced_call_and_trouble_are_counted() {
    let (rules, shared, mut stats, mut proxy) =
        (rules(), OwnStore::default(), Stats::default(), Proxy::default());
    let mut settled = call(tollgate_policy::UNTAGGED, None, "0.5");
    settled.record.cost.status = CostStatus::UnknownModel;
    settled.record.decision.actions = vec![Action::Deny];
    settled.record.decision.rule = Some("day;1".into());
    settled.record.shadow = vec!["next".into()];
    settled.counts.errors = vec!["decoder"];
    stats.count(&rules, &settled, &shared, &mut proxy);
    stats.count_unmetered("api.openai.com", "unknown_path", &mut proxy);
    for name in [
        "tollgate_untagged_requests;tag=team",
        "tollgate_unpriced_requests;provider=openai;model=__unknown__",
        "tollgate_rule_matches;rule=day_1",
        "tollgate_quota_shadow_blocked;quota=next",
        "tollgate_errors;kind=decoder",
        "tollgate_unmetered_requests;host=api.openai.com;reason=unknown_path",
    ] {
        assert_eq!(proxy.values.get(name), Some(&1), "{name}");
    }
    assert_eq!(proxy.values["tollgate_untagged_cost_nanousd;tag=team"], 500_000_000);
}

#[test]
fn hosts_are_bounded_too() {
    let (mut stats, mut proxy) = (Stats::default(), Proxy::default());
    for index in 0..1000 {
        stats.count_unmetered(&format!("h{index}"), "unknown_path", &mut proxy);
    }
    assert_eq!(proxy.values.len(), MAX_HOSTS + 1);
    assert_eq!(proxy.values.values().sum::<u64>(), 1000);
}

#[test]
fn in_every_view_the_series_add_up_to_the_total() {
    let json = r#"{"tags":{"team":{"from":[{"header":"x-team"}]}},
        "emit":{"views":[["provider","model","operation"],["team"],["model"],["team","model"]],"max_series":5,"otel":true}}"#;
    let (rules, shared, mut proxy) =
        (Rules::compile(json.as_bytes()).unwrap(), OwnStore::default(), Proxy::default());
    let mut workers = [Stats::default(), Stats::default()];
    let (mut pico, models) = (0, [Some("gpt-4.1"), Some("gpt-4o"), None]);
    for index in 0..1000_usize {
        let usd = format!("0.{:012}", index * 7_919);
        pico += usd.parse::<tollgate_pricing::PicoUsd>().unwrap().pico();
        let settled = call(&format!("t{}", index % 23), models[index % 3], &usd);
        workers[index % 2].count(&rules, &settled, &shared, &mut proxy);
    }
    for view in &rules.views {
        let start = |metric: &str| format!("{metric};view={};", view.name);
        let of = |metric: &str| {
            let start = start(metric);
            let values: Vec<_> = proxy.values.iter().filter(|(name, _)| name.starts_with(&start)).collect();
            (values.len(), values.iter().map(|(_, value)| **value).sum::<u64>())
        };
        assert_eq!((of("tollgate_requests").1, of("tollgate_tokens").1), (1000, 18_000), "{}", view.name);
        let (series, nanos) = of("tollgate_cost_nanousd");
        let short = pico - i128::from(nanos) * 1000;
        assert!((0..1000 * 2 * series as i128).contains(&short), "{}: {short} pico-USD short", view.name);
    }
}

#[test]
fn opentelemetrys_families_are_kept_where_they_are_asked_for() {
    let mut settled = call("search", Some("gpt-4.1"), "0.5");
    settled.record.tokens = tollgate_record::Tokens {
        input: Some(15),
        output: Some(3),
        cache_read: Some(5),
        ..Default::default()
    };
    settled.record.stream = Some(true);
    (settled.record.ttft_ms, settled.record.duration_ms) = (Some(100), Some(121));
    let labels = "gen_ai_operation_name=chat;gen_ai_provider_name=openai;gen_ai_response_model=gpt-4.1";
    for (otel, expected) in [(true, 5), (false, 0)] {
        let json = format!(r#"{{"emit":{{"otel":{otel}}}}}"#);
        let (rules, mut proxy) = (Rules::compile(json.as_bytes()).unwrap(), Proxy::default());
        Stats::default().count(&rules, &settled, &OwnStore::default(), &mut proxy);
        let families = proxy.values.keys().filter(|name| name.starts_with("gen_ai_")).count();
        assert_eq!(families, expected, "{:#?}", proxy.values);
        for (name, value) in [
            (format!("gen_ai_client_token_usage;{labels};gen_ai_token_type=input"), 15),
            (format!("gen_ai_client_token_usage;{labels};gen_ai_token_type=output"), 3),
            (format!("gen_ai_client_inference_usage_cache_read_input_tokens;{labels}"), 5),
        ] {
            assert_eq!(proxy.values.get(&name).copied(), otel.then_some(value), "{name}");
        }
        let per_token =
            "tollgate_time_per_output_token_microseconds;provider=openai;model=gpt-4.1;operation=chat";
        assert_eq!(proxy.values[per_token], 10_500, "21 ms for two more tokens");
    }
}

#[test]
fn one_worker_in_a_slot_sets_the_gauges_of_every_counter() {
    let rules = Rules::compile(
        br#"{"tags":{"team":{"from":[{"header":"x-team"}]}},"quotas":[{"name":"q","per":["team"],"limit":{"requests":5},
            "window":"1m","scope":"process","overrides":[{"when":{"team":"a*"},"limit":{"requests":9}}]}]}"#,
    )
    .unwrap();
    let (shared, mut proxy) = (OwnStore::default(), Proxy::default());
    let at = |seconds: i64| Timestamp::from_unix_nanos(seconds * 1_000_000_000);
    let rule = &rules.quotas[0];
    for team in ["/ads", "/b%2Fc"] {
        let amount = Amount { fixed: 1, per_million: 0, output: Output::Tokens(0) };
        let op = rule.op("default", team, Change::Reserve { amount, limit: 5 });
        assert!(matches!(perform(&shared, &[op], 120), Ok(Admission::Granted(_))));
    }
    let (mut one, mut other) = (Gauges::default(), Gauges::default());
    one.set(&rules, &shared, at(120), &mut proxy);
    other.set(&rules, &shared, at(121), &mut proxy);
    let limits: Vec<_> = proxy.values.iter().filter(|(name, _)| name.contains("limit")).collect();
    assert_eq!(limits.len(), 2, "{limits:?}");
    assert_eq!(proxy.values["tollgate_quota_limit;quota=q;key=ads;scope=process"], 9);
    assert_eq!(proxy.values["tollgate_quota_limit;quota=q;key=b%2Fc;scope=process"], 5);
}
