use super::*;
use crate::render::csv;
use tollgate_record::{CostStatus, Tokens};

fn call(time: &str, model: &'static str, [input, cached, output]: [u64; 3], usd: &str) -> Row<'static> {
    Row {
        time: time.parse().unwrap(),
        provider: "openai".into(),
        response_model: Some(model.into()),
        tokens: Tokens {
            input: Some(input),
            cache_read: Some(cached),
            output: Some(output),
            ..Tokens::default()
        },
        status: CostStatus::Priced,
        usd: usd.parse().ok(),
        ..Row::default()
    }
}

fn log(rows: &[Row<'_>]) -> Reconcile {
    let mut reconcile = Reconcile::new(Selection::default());
    rows.iter().for_each(|row| reconcile.add(row));
    reconcile
}

fn check(name: &str, rows: &[Row<'_>], files: &[&str], expected: &[&str]) {
    let mut invoice = Invoice::new(vec![("Claude3Sonnet".into(), "claude-3-sonnet".into())]);
    files.iter().for_each(|file| invoice.read(file).unwrap());
    let (document, is_equal) = log(rows).document(&invoice);
    let table = csv(&document.sheets[0]);
    assert_eq!(table.lines().skip(1).collect::<Vec<_>>(), expected, "{name}: {document:?}");
    assert_eq!(is_equal, expected.is_empty(), "{name}");
}

const DAY: &str = "2026-11-20T12:00:00Z";

/// OpenAI's usage of 2026-11-20 with these counts of gpt-4.1.
fn usage(start: i64, input: u64, cached: u64, output: u64) -> String {
    format!(
        r#"{{"object":"page","data":[{{"object":"bucket","start_time":{start},"results":[{{"object":"organization.usage.completions.result",
        "input_tokens":{input},"input_cached_tokens":{cached},"output_tokens":{output},"num_model_requests":2,"model":"gpt-4.1-2025-04-14"}}]}}]}}"#
    )
}

const START: i64 = 1_795_132_800;

#[test]
fn openai_is_reconciled_by_tokens_and_by_cost() {
    let rows =
        [call(DAY, "gpt-4.1-2025-04-14", [100, 60, 10], "0.5"), call(DAY, "gpt-4.1", [50, 0, 5], "0.25")];
    let costs = |value: &str| {
        format!(
            r#"{{"data":[{{"start_time":{START},"results":[{{"amount":{{"value":{value},"currency":"usd"}},"line_item":"gpt-4.1-2025-04-14, input"}}]}}]}}"#
        )
    };
    check("all is equal", &rows, &[&usage(START, 150, 60, 15), &costs("0.75")], &[]);
    check(
        "a discount",
        &rows,
        &[&usage(START, 150, 60, 15), &costs("7.0e-1")],
        &[
            "2026-11-20,gpt-4.1,usd,0.75,0.7,-0.05,-6.7,\"other prices: a discount, a tier, rounding by the provider\"",
        ],
    );
    check(
        "calls past the gateway",
        &rows,
        &[&usage(START, 150, 60, 20)],
        &["2026-11-20,gpt-4.1,output,15,20,5,33.3,calls that did not pass here"],
    );
    check(
        "another count of cached tokens",
        &rows,
        &[&usage(START, 150, 50, 15)],
        &[
            "2026-11-20,gpt-4.1,input,90,100,10,11.1,the same tokens in other classes: caches are counted differently",
            "2026-11-20,gpt-4.1,cache_read,60,50,-10,-16.7,the same tokens in other classes: caches are counted differently",
        ],
    );
    let cut = Row { tokens: Tokens::default(), status: CostStatus::NoUsage, usd: None, ..rows[0].clone() };
    check(
        "a stream that was cut",
        &[rows[0].clone(), cut],
        &[&usage(START, 100, 60, 30)],
        &["2026-11-20,gpt-4.1,output,10,30,20,200.0,1 calls ended without a report of what they used"],
    );
    let late = call("2026-11-21T00:00:01Z", "gpt-4.1", [50, 0, 5], "0.25");
    let both = [usage(START, 150, 60, 15), usage(START + 86_400, 0, 0, 0)];
    check(
        "a call at midnight",
        &[rows[0].clone(), late],
        &[&both[0], &both[1]],
        &[
            "2026-11-20,gpt-4.1,input,40,90,50,125.0,calls around midnight that the provider counts on the other day",
            "2026-11-20,gpt-4.1,output,10,15,5,50.0,calls around midnight that the provider counts on the other day",
            "2026-11-21,gpt-4.1,input,50,0,-50,-100.0,calls around midnight that the provider counts on the other day",
            "2026-11-21,gpt-4.1,output,5,0,-5,-100.0,calls around midnight that the provider counts on the other day",
        ],
    );
}

#[test]
fn other_providers_exports_are_read() {
    let anthropic = Row {
        provider: "anthropic".into(),
        tokens: Tokens {
            input: Some(100),
            cache_read: Some(60),
            cache_creation: Some(30),
            cache_creation_1h: Some(10),
            output: Some(5),
            ..Tokens::default()
        },
        ..call(DAY, "claude-haiku-4-5-20251001", [0, 0, 0], "0.5")
    };
    let tokens = "usage_date_utc,model_version,api_key,usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens\n\
        2026-11-20,claude-haiku-4-5-20251001,k,10,20,10,60,5\n";
    let costs = "usage_date_utc,model,token_type,cost_usd\n2026-11-20,claude-haiku-4-5,input,0.2\n2026-11-20,claude-haiku-4-5,output,0.3\n";
    check("Anthropic", std::slice::from_ref(&anthropic), &[tokens, costs], &[]);
    let bedrock = Row { provider: "aws.bedrock".into(), ..call(DAY, "claude-3-sonnet", [2000, 0, 500], "1") };
    let cur = "lineItem/ProductCode,lineItem/UsageStartDate,lineItem/UsageType,lineItem/UsageAmount,lineItem/UnblendedCost\n\
        AmazonBedrock,2026-11-20T10:00:00Z,USE1-Claude3Sonnet-input-tokens,2.0,0.4\nAmazonBedrock,2026-11-20T10:00:00Z,USE1-Claude3Sonnet-output-tokens,0.5,0.6\nAmazonS3,2026-11-20T10:00:00Z,x,1,1\n";
    let name = model_name("aws.bedrock", "claude-3-sonnet");
    let mut invoice = Invoice::new(vec![("Claude3Sonnet".into(), name)]);
    invoice.read(cur).unwrap();
    let (document, is_equal) = log(&[bedrock]).document(&invoice);
    assert!(is_equal, "{document:?}");
    assert_eq!(document.notes, ["1 rows of the invoice are of other services and are left out"]);
    let gemini = Row { provider: "gcp.gemini".into(), ..call(DAY, "gemini-2.5-flash", [100, 0, 7], "0.3") };
    let google = "service.description,sku.description,usage_start_time,usage.amount,cost\n\
        Gemini API,Gemini 2.5 Flash Input Tokens,2026-11-20 00:00:00 UTC,100,0.1\nGemini API,Gemini 2.5 Flash Output Tokens,2026-11-20 00:00:00 UTC,7,0.2\nCompute Engine,N1 Core,2026-11-20 00:00:00 UTC,7,9\n";
    check("Google", &[gemini], &[google], &[]);
    for (text, expected) in [
        ("{}", "it has no `data`"),
        ("a,b\n1,2\n", "its columns are neither"),
        ("usage_date_utc,model,cost_usd\nsoon,m,1\n", "`soon` begins with no day"),
        ("usage_date_utc,model,cost_usd\n2026-11-20,m,much\n", "`much` is no amount"),
    ] {
        assert!(Invoice::default().read(text).unwrap_err().starts_with(expected), "{text}");
    }
}
