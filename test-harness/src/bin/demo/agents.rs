//! Two agents: one carries its whole past along in every turn, the other turns in a circle.

use serde_json::{Value, json};
use tollgate_test_harness::Error;
use tollgate_test_harness::client;
use tollgate_test_harness::envoy::Envoy;
use tollgate_test_harness::http::{Headers, Request};

use crate::{field, money, record};

/// How many pages the first agent reads.
const TURNS: usize = 12;
const MODEL: &str = "gpt-4.1";

/// The part of the policy that is about them.
pub fn rules() -> Value {
    json!([{"name": "agents", "when": {"feature": "research"}, "per": ["workflow"], "max_same_turns": 2, "max_input_growth": 20}])
}

/// Lets both run, prints what came of it, and says what did not show that should.
pub fn report(envoy: &mut Envoy) -> Result<Vec<String>, Error> {
    // The pages that were looked at stand in the log, too.
    for _ in 0..envoy.unread_log_lines() {
        envoy.next_log_line()?;
    }
    let mut missing = growing(envoy)?;
    missing.extend(circling(envoy)?);
    Ok(missing)
}

/// What one turn came to.
struct Turn {
    input: u64,
    cost: u128,
    so_far: u128,
}

fn growing(envoy: &mut Envoy) -> Result<Vec<String>, Error> {
    println!("\nAn agent reads {TURNS} pages of a report, and every turn carries all earlier ones along:\n");
    println!("  turn   input        USD     so far");
    let mut turns = Vec::new();
    for turn in 1..=TURNS {
        let (status, record) = ask(envoy, "reader", &pages(turn, |page| page))?;
        let Some(came) = came(&record).filter(|_| status == 200) else {
            return Ok(vec![format!("turn {turn} of the reader: status {status}, {record}")]);
        };
        println!(
            "  {turn:>4}  {:>6}  {:>9}  {:>9}",
            came.input,
            money::usd(came.cost),
            money::usd(came.so_far)
        );
        turns.push(came);
    }
    let (Some(first), Some(last)) = (turns.first(), turns.last()) else { return Ok(Vec::new()) };
    let flat = first.cost * TURNS as u128;
    println!(
        "\n  {TURNS} turns as short as the first would cost {}; these cost {}, {}.{} times as much, and the next costs more.",
        money::usd(flat),
        money::usd(last.so_far),
        last.so_far / flat,
        last.so_far * 10 / flat % 10
    );
    let sum: u128 = turns.iter().map(|turn| turn.cost).sum();
    let adds_up = sum == last.so_far;
    Ok((!adds_up)
        .then(|| format!("the reader's turns cost {sum} pico-USD, its records say {}", last.so_far))
        .into_iter()
        .collect())
}

fn circling(envoy: &mut Envoy) -> Result<Vec<String>, Error> {
    println!(
        "\nAnother one asks for the same page again and again, and gets the same answer. What comes of its turns:\n"
    );
    for turn in 1..=TURNS {
        let (status, record) = ask(envoy, "circle", &pages(turn, |_| 1))?;
        let action = field(&record, "tollgate.decision.action").and_then(Value::as_str).unwrap_or_default();
        println!("  turn {turn}: {status} {action}");
        if status != 200 {
            let expected = turn == 4 && status == 403;
            return Ok((!expected)
                .then(|| format!("turn {turn} of the circle got {status}"))
                .into_iter()
                .collect());
        }
    }
    Ok(vec!["nothing stopped the agent that turned in a circle".to_owned()])
}

/// What an agent sends in this turn: its question, and for each earlier turn the page that it asked for and got.
fn pages(turn: usize, page: impl Fn(usize) -> usize) -> Value {
    let mut messages = vec![json!({"role": "user", "content": "What does the report say about prices?"})];
    for earlier in 1..turn {
        let (id, page) = (format!("call_{earlier}"), page(earlier));
        let call = json!({"id": id, "type": "function", "function": {"name": "page", "arguments": json!({"number": page}).to_string()}});
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
        let text = format!("Page {page}. {}", "Prices rose, and nobody knew why. ".repeat(10));
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": text}));
    }
    json!(messages)
}

/// The status and the record of a call.
fn ask(envoy: &mut Envoy, workflow: &str, messages: &Value) -> Result<(u16, Value), Error> {
    let request = Request {
        path: "/v1/chat/completions".to_owned(),
        headers: Headers::from_iter([
            ("content-type", "application/json"),
            ("x-team", "research"),
            ("x-feature", "research"),
            ("x-workflow-id", workflow),
        ]),
        body: json!({"model": MODEL, "messages": messages}).to_string().into_bytes(),
        ..Request::default()
    };
    let response = client::call(envoy.address(), &request)?;
    Ok((response.status, record(&envoy.next_log_line()?).clone()))
}

fn came(record: &Value) -> Option<Turn> {
    let usd = |key| money::pico(field(record, key)?.as_str()?);
    Some(Turn {
        input: field(record, "gen_ai.usage.input_tokens")?.as_f64()? as u64,
        cost: usd("tollgate.cost.usd")?,
        so_far: usd("tollgate.workflow.usd")?,
    })
}
