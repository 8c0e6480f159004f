//! How long does it take to find a price, and to quote from it?
//!
//! `cargo run --release --package tollgate-pricing --example measure` prints the table that stands in `pricing/README.md`: for
//! each row the fastest of 30 rounds, since other work only ever makes a round slower.

use std::hint::black_box;
use std::time::Instant;
use tollgate_pricing::{Quantity, Situation, TokenKind, UnitKind, Usage, catalogue, quote};

const ROUNDS: u32 = 30;
const TIMES: u32 = 20_000;

/// 2026-11-20T12:00:00Z.
const NOON_S: i64 = 1_795_176_000;

fn main() {
    println!("catalogue: {} models, {} bytes of tables", catalogue().len(), catalogue().size_bytes());
    println!("\n| look-up | ns |\n|---|---|");
    for (what, provider, model) in [
        ("a whole name", "openai", "gpt-4.1"),
        ("a dated snapshot, by its whole name", "anthropic", "claude-sonnet-4-5-20250929"),
        ("a snapshot that no rule names: its family", "openai", "gpt-4.1-mini-2031-01-31"),
        ("a path and a region", "aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("a fine-tune", "openai", "ft:gpt-4o-2024-08-06:acme::abc"),
        ("another provider's model", "azure.ai.openai", "gpt-4o-2024-08-06"),
        ("among OpenRouter's 923", "openrouter", "anthropic/claude-sonnet-4.5"),
        ("a model that nobody knows", "openai", "nobody-knows-this-one"),
    ] {
        let nanos = fastest(|| catalogue().find(black_box(provider), black_box(model)));
        println!("| {what}: `{model}` | {nanos} |");
    }
    println!("\n| quote | ns |\n|---|---|");
    for (what, provider, model, usage, situation) in quotes() {
        let Some(found) = catalogue().find(provider, model) else { continue };
        let nanos = fastest(|| quote(&found.card, black_box(&usage), black_box(&situation), &[]));
        println!("| {what}: `{model}` | {nanos} |");
    }
}

type Asked = (&'static str, &'static str, &'static str, Usage, Situation<'static>);

fn quotes() -> [Asked; 4] {
    let noon = Situation { time_unix_s: NOON_S, ..Situation::default() };
    let mut plain = Usage::default();
    plain.tokens.set(TokenKind::Input, 1200);
    plain.tokens.set(TokenKind::Output, 300);
    let mut cached = plain;
    cached.tokens.set(TokenKind::CacheRead, 1000);
    cached.tokens.set(TokenKind::CacheWrite1h, 100);
    cached.units.set(UnitKind::WebSearch, Quantity::from_micros(2_000_000));
    let mut long = plain;
    long.tokens.set(TokenKind::Input, 300_000);
    [
        ("input and output", "openai", "gpt-4.1", plain, noon),
        ("five lines", "anthropic", "claude-sonnet-4-5", cached, noon),
        (
            "a long context at a service tier",
            "openai",
            "gpt-5.4",
            long,
            Situation { service_tier: Some("flex"), ..noon },
        ),
        (
            "a region's uplift, and dated lists",
            "gcp.vertex_ai",
            "gemini-3.8-flash",
            plain,
            Situation { region: Some("us-east5"), ..noon },
        ),
    ]
}

fn fastest<T>(work: impl Fn() -> T) -> u128 {
    let round = |_| {
        let begun = Instant::now();
        (0..TIMES).for_each(|_| drop(black_box(work())));
        begun.elapsed().checked_div(TIMES).unwrap_or_default().as_nanos()
    };
    (0..ROUNDS).map(round).min().unwrap_or_default()
}
