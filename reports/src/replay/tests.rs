use super::*;
use crate::render::csv;
use tollgate_record::Tokens;

/// A million input tokens of gpt-4.1: 2 dollars; of gpt-4.1-mini they would cost 0.4.
fn call(time: &str, team: &'static str, status: CostStatus) -> Row<'static> {
    Row {
        time: time.parse().unwrap(),
        provider: "openai".into(),
        operation: "chat".into(),
        request_model: Some("gpt-4.1".into()),
        tags: vec![("team".into(), team.into())],
        tokens: Tokens { input: Some(1_000_000), output: Some(0), ..Tokens::default() },
        status,
        usd: "2".parse().ok(),
        list_usd: "2".parse().ok(),
        ..Row::default()
    }
}

fn check(name: &str, quotas: &str, fact: &str, rows: &[&str]) {
    let config =
        format!(r#"{{"tags":{{"team":{{"from":[{{"header":"x-team"}}]}}}},"emit":{{}},"quotas":{quotas}}}"#);
    let mut replay = Replay::new(&config, Lens::default(), Selection::default()).unwrap();
    for hour in 0..5 {
        for team in ["ads", "search"] {
            replay.add(&call(&format!("2026-11-20T{hour:02}:00:00Z"), team, CostStatus::Priced));
        }
    }
    replay.add(&call("2026-11-21T00:00:00Z", "ads", CostStatus::Priced));
    replay.add(&call("2026-11-21T00:00:00Z", "ads", CostStatus::NotSent));
    let document = replay.document();
    assert_eq!(document.facts, [fact], "{name}");
    assert_eq!(csv(&document.sheets[0]).lines().skip(1).collect::<Vec<_>>(), rows, "{name}");
    assert!(document.notes.iter().any(|note| note.starts_with("1 calls were refused when")), "{name}");
}

#[test]
fn quotas_act_as_in_the_filter() {
    check(
        "money by team and day",
        r#"[{"name":"team-day","per":["team"],"limit":{"usd":"6"},"window":"day"}]"#,
        "of 11 calls, 22 USD, these quotas would have refused 4, 8 USD",
        &["team-day,11,4,8,0,0,0,0,0,2026-11-20T03:00:00.000Z"],
    );
    check(
        "calls of one team, in shadow mode",
        r#"[{"name":"ads","when":{"team":"ads"},"limit":{"requests":2},"window":"day","mode":"shadow"}]"#,
        "of 11 calls, 22 USD, these quotas would have refused 3, 6 USD",
        &["ads,6,3,6,0,0,0,0,0,2026-11-20T02:00:00.000Z"],
    );
    check(
        "steps on the way",
        r#"[{"name":"day","limit":{"requests":10},"window":"day","steps":[{"at":50,"do":"warn"},{"at":90,"do":{"downgrade":{"to":"gpt-4.1-mini"}}}]}]"#,
        "of 11 calls, 22 USD, these quotas would have refused 0, 0 USD",
        &["day,11,0,0,6,2,3.2,0,0,"],
    );
}

#[test]
fn a_configuration_that_cannot_be_is_refused_with_the_path() {
    for (config, expected) in [
        ("[]", "a configuration is a JSON object"),
        ("{}", "it has no `quotas`"),
        (
            r#"{"quotas":[{"name":"a","limit":{"requests":1},"window":"dya"}]}"#,
            "quotas[0].window: unknown unit `dya`",
        ),
        (
            r#"{"quotas":[{"name":"a","per":["team"],"limit":{"requests":1},"window":"day"}]}"#,
            "quotas[0].per[0]: unknown tag `team`",
        ),
    ] {
        let error = Replay::new(config, Lens::default(), Selection::default()).err().unwrap();
        assert!(error.starts_with(expected), "{config}: {error}");
    }
}

#[test]
fn quotas_count_what_calls_cost_at_other_prices() {
    let config = r#"{"tags":{"team":{"from":[{"header":"x-team"}]}},"quotas":[{"name":"day","window":"day","limit":{"usd":"3"}}]}"#;
    let half = r#"{"provider":"openai","models":[{"name":"gpt-4.1","source":"an offer","checked":"2026-11-21","lists":[{"rates":{"input":"1"}}]}]}"#;
    let json = br#"{"tollgate.schema":1,"tollgate.id":"1","tollgate.time":"2026-11-20T12:00:00Z","gen_ai.provider.name":"openai","gen_ai.request.model":"gpt-4.1","gen_ai.usage.input_tokens":1000000,"tollgate.cost.status":"priced"}"#;
    let of = |prices: Option<&str>| {
        let mut replay = Replay::new(config, Lens::default(), Selection::default()).unwrap();
        prices.into_iter().for_each(|prices| replay.at(Arc::new(Book::parse(prices).unwrap())));
        for hour in 0..5 {
            let call = call(&format!("2026-11-20T{hour:02}:00:00Z"), "ads", CostStatus::Priced);
            replay.add(&Row { json: json.as_slice().into(), ..call });
        }
        replay.document().facts
    };
    assert_eq!(of(None), ["of 5 calls, 10 USD, these quotas would have refused 3, 6 USD"]);
    assert_eq!(of(Some(half)), ["of 5 calls, 5 USD, these quotas would have refused 2, 2 USD"]);
}
