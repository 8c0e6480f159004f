//! What an operator would read: calls, one whole log line, the refusal, spend.

use serde_json::Value;

use crate::{Done, field, record};

/// A text of a record for a table.
fn cell(record: &Value, key: &str) -> String {
    match field(record, key) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "-".to_owned(),
    }
}

/// One line per call, out of Envoy's access log.
pub fn calls(done: &[Done]) {
    println!("\nCalls, as Envoy's access log has them:\n");
    println!(
        "  {:<6} {:<12} {:<18} {:<6} {:>6} {:>7} {:>14}  {:<8} {:<10} decision",
        "status", "provider", "model", "stream", "input", "output", "cost USD", "team", "feature"
    );
    for one in done {
        println!("  {}", row(one));
    }
}

fn row(done: &Done) -> String {
    let record = record(&done.log);
    let cell = |key: &str| cell(record, key);
    let model = match field(record, "gen_ai.response.model") {
        Some(_) => cell("gen_ai.response.model"),
        None => cell("gen_ai.request.model"),
    };
    format!(
        "{:<6} {:<12} {:<18} {:<6} {:>6} {:>7} {:>14}  {:<8} {:<10} {}",
        done.response.status,
        cell("gen_ai.provider.name"),
        model,
        if done.call.streamed { "yes" } else { "no" },
        cell("gen_ai.usage.input_tokens"),
        cell("gen_ai.usage.output_tokens"),
        cell("tollgate.cost.usd"),
        cell("tollgate.tags.team"),
        cell("tollgate.tags.feature"),
        cell("tollgate.decision.action"),
    )
}

/// The whole line of one call.
pub fn one_line(done: &Done) {
    println!("\nOne of those lines as it stands in the log, made wider:\n");
    println!("{}", indented(&serde_json::to_string_pretty(&done.log).unwrap_or_default()));
}

/// What a refused client got.
pub fn refusal(done: &Done) {
    let response = &done.response;
    match done.call.team {
        Some(team) => {
            println!(
                "\nThe budget of team `{team}` ran out: a warning, a cheaper model, then a refusal, and no hammering:\n"
            )
        }
        None => println!("\nThe call without a team was refused; in the dialect of its SDK it got:\n"),
    }
    println!("  HTTP {}", response.status);
    for name in ["content-type", "retry-after", "x-should-retry"] {
        response.headers.text(name).into_iter().for_each(|value| println!("  {name}: {value}"));
    }
    println!("{}", indented(&String::from_utf8_lossy(&response.body)));
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect::<String>().trim_end().to_owned()
}
