//! Names that lead to prices, in the catalogue and in a book with own prices.

use tollgate_pricing::{
    CardBuilder, Override, Pattern, PicoUsd, PriceBook, Prices, Situation, TokenKind, Usage, catalogue, quote,
};

#[test]
fn names_lead_to_models() {
    let cases = [
        ("a name as it stands", "openai", "gpt-4o", Some("gpt-4o")),
        ("case does not count", "openai", "GPT-4o", Some("gpt-4o")),
        ("a dated snapshot", "openai", "gpt-4o-2024-08-06", Some("gpt-4o")),
        ("a snapshot that no rule names", "openai", "gpt-4.1-mini-2031-01-31", Some("gpt-4.1-mini")),
        ("a compact date", "openai", "gpt-4.1-20250414", Some("gpt-4.1")),
        ("a dated Anthropic model", "anthropic", "claude-sonnet-4-5-20250929", Some("claude-sonnet-4-5")),
        ("a Vertex version", "gcp.vertex_ai", "claude-sonnet-4-5@20250929", Some("claude-sonnet-4-5")),
        ("a resource path", "gcp.gemini", "models/gemini-2.5-pro", Some("gemini-2.5-pro")),
        (
            "a publisher's path",
            "gcp.vertex_ai",
            "publishers/google/models/gemini-2.5-flash",
            Some("gemini-2.5-flash"),
        ),
        (
            "Vertex's spelling for OpenAI's dialect",
            "gcp.vertex_ai",
            "google/gemini-2.5-flash",
            Some("gemini-2.5-flash"),
        ),
        (
            "the ARN of a model of Bedrock's",
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            Some("amazon.nova-lite-v1:0"),
        ),
        (
            "an ARN that names no model",
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2",
            None,
        ),
        (
            "a router of Bedrock's",
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1:1:default-prompt-router/anthropic.claude:1",
            None,
        ),
        ("a tag that only sorts the sellers", "openrouter", "openai/gpt-4o:nitro", Some("openai/gpt-4o")),
        ("a model of another provider at Azure", "azure.ai.openai", "gpt-4o-2024-08-06", Some("gpt-4o")),
        ("a fine-tune has a price of its own", "openai", "ft:gpt-4o-2024-08-06:acme::abc", Some("ft:gpt-4o")),
        ("a fine-tune of a model without such a price", "openai", "ft:gpt-9:acme::abc", None),
        ("a tag that may change the price", "openrouter", "openai/gpt-4o:online", None),
        (
            "a router's tag names the seller",
            "huggingface",
            "MiniMaxAI/MiniMax-M2:novita",
            Some("minimaxai/minimax-m2"),
        ),
        ("a router without a tag has no price", "huggingface", "MiniMaxAI/MiniMax-M2", None),
        ("an unknown model", "openai", "gpt-unheard-of", None),
        ("an unknown provider", "nobody", "gpt-4o", None),
        ("no model", "openai", "", None),
    ];
    for (name, provider, model, expected) in cases {
        let found = catalogue().find(provider, model).map(|found| found.name);
        assert_eq!(found, expected, "{name}: {provider} {model}");
    }
}

/// 2026-11-20, a Friday, at midnight UTC.
const FRIDAY_S: i64 = 1_795_132_800;
const HOUR_S: i64 = 3600;

#[test]
fn prices_know_the_place_the_day_and_the_hour() {
    let night = |day: i64, hour: i64| FRIDAY_S + day * 24 * HOUR_S + hour * HOUR_S;
    let now = night(0, 12);
    let cases = [
        ("DeepSeek's peak hours", "deepseek", "deepseek-v4-pro", None, night(0, 2), "0.00132"),
        ("between them", "deepseek", "deepseek-v4-pro", None, night(0, 5), "0.00066"),
        ("there is no peak on Saturdays", "deepseek", "deepseek-v4-pro", None, night(1, 2), "0.00066"),
        ("nor on Sundays", "deepseek", "deepseek-v4-pro", None, night(2, 7), "0.00066"),
        ("it is back on Mondays", "deepseek", "deepseek-v4-pro", None, night(3, 7), "0.00132"),
        ("Tencent sells it alike", "tencent", "deepseek-v4-pro-0813", None, night(0, 2), "0.00132"),
        ("off-peak after ten", "tencent", "deepseek-v4-pro-0813", None, night(0, 10), "0.00066"),
        ("and on Saturdays", "tencent", "deepseek-v4-pro-0813", None, night(1, 2), "0.00066"),
        ("AI Studio has no regions", "gcp.gemini", "gemini-3.8-flash", None, now, "0.00075"),
        ("Vertex's global endpoint", "gcp.vertex_ai", "gemini-3.8-flash", Some("global"), now, "0.00075"),
        ("Vertex's regions", "gcp.vertex_ai", "gemini-3.8-flash", Some("us-central1"), now, "0.000825"),
        (
            "Claude in a region",
            "gcp.vertex_ai",
            "claude-haiku-4-5@20251001",
            Some("europe-west1"),
            now,
            "0.0011",
        ),
        ("OpenAI in Europe", "openai", "gpt-5.4", Some("eu"), now, "0.00275"),
        ("a region of Bedrock", "aws.bedrock", "deepseek.v3.2", Some("ap-northeast-1"), now, "0.00074"),
        ("another one", "aws.bedrock", "deepseek.v3.2", Some("us-east-1"), now, "0.00062"),
    ];
    for (name, provider, model, region, time_unix_s, expected) in cases {
        let found = catalogue().find(provider, model).unwrap();
        let mut usage = Usage::default();
        usage.tokens.set(TokenKind::Input, 1000);
        let situation = Situation { time_unix_s, region, ..Situation::default() };
        let total = quote(&found.card, &usage, &situation, &[]).unwrap().total;
        assert_eq!(total.to_string(), expected, "{name}");
    }
}

#[test]
fn long_prompts_and_fast_answers_cost_more() {
    const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    const ANYWHERE: &str = "global.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let cases = [
        ("up to the tier", "aws.bedrock", SONNET, None, 200_000, "0.66"),
        ("beyond it all tokens cost more", "aws.bedrock", SONNET, None, 200_001, "1.3200066"),
        ("where it may run anywhere, too", "aws.bedrock", ANYWHERE, None, 200_001, "1.200006"),
        ("Anthropic's gate is the same", "anthropic", "claude-sonnet-4-5", None, 200_000, "0.6"),
        ("and what is behind it", "anthropic", "claude-sonnet-4-5", None, 200_001, "1.200006"),
        ("at the usual speed", "anthropic", "claude-opus-4-6", Some("standard"), 1000, "0.005"),
        ("fast", "anthropic", "claude-opus-4-6", Some("fast"), 1000, "0.03"),
        ("Google's gate", "gcp.gemini", "gemini-2.5-pro", None, 200_000, "0.25"),
        ("and what is behind it", "gcp.gemini", "gemini-2.5-pro", None, 200_001, "0.5000025"),
        ("OpenAI's gate", "openai", "gpt-5.4", None, 272_000, "0.68"),
        ("and what is behind it", "openai", "gpt-5.4", None, 272_001, "1.360005"),
    ];
    for (name, provider, model, speed, input, expected) in cases {
        let found = catalogue().find(provider, model).unwrap();
        let mut usage = Usage::default();
        usage.tokens.set(TokenKind::Input, input);
        let situation = Situation { time_unix_s: FRIDAY_S, speed, ..Situation::default() };
        let total = quote(&found.card, &usage, &situation, &[]).unwrap().total;
        assert_eq!(total.to_string(), expected, "{name}: {provider} {model}");
    }
}

#[test]
fn every_model_is_found_by_its_own_name() {
    let mut models = 0;
    for model in catalogue().models() {
        let found = catalogue().find(model.provider, model.name);
        let found = found.unwrap_or_else(|| panic!("{} {}", model.provider, model.name));
        assert_eq!(found.name, model.name, "{}", model.provider);
        models += 1;
    }
    assert!(models > 4000, "{models} models");
}

#[test]
fn providers_are_known_in_every_spelling() {
    let known =
        ["openai", "anthropic", "gcp.gemini", "gcp.vertex_ai", "aws.bedrock", "azure.ai.openai", "mistral"];
    for provider in known {
        assert!(catalogue().provider_known(provider), "{provider}");
    }
    assert!(!catalogue().provider_known("nobody"));
    assert_eq!(catalogue().version().len(), 32);
}

#[test]
fn patterns_match_whole_names_starts_and_ends() {
    let cases = [
        ("gpt-4o", "GPT-4o", true),
        ("gpt-4o", "gpt-4o-mini", false),
        ("gpt-4o*", "gpt-4o-mini", true),
        ("*-mini", "gpt-4o-mini", true),
        ("*-mini", "gpt-4o-mini-2", false),
        ("*4o*", "gpt-4o-mini", true),
        ("*", "", true),
    ];
    for (pattern, name, expected) in cases {
        assert_eq!(Pattern::new(pattern).unwrap().matches(name), expected, "{pattern} {name}");
    }
    for pattern in ["", "gpt*mini", "**", "a**"] {
        assert!(Pattern::new(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn own_prices_come_first() {
    let card = CardBuilder::new().list(Prices::new().rate("input", "1").unwrap());
    let book = PriceBook::new(vec![
        Override::priced("openai", "gpt-4o", &card).unwrap(),
        Override::free("local-vllm", "*").unwrap(),
    ]);
    assert!(book.find("local-vllm", "llama").is_some_and(|found| found.card.is_free() && found.name == "*"));
    assert_eq!(book.find("openai", "gpt-4o").map(|found| found.name), Some("gpt-4o"));
    assert_eq!(book.find("openai", "gpt-4.1").map(|found| found.name), Some("gpt-4.1"));
    assert!(book.find("elsewhere", "llama").is_none());
    assert_ne!(book.version(), PriceBook::new(Vec::new()).version());
    assert_eq!(PriceBook::new(Vec::new()).version(), PriceBook::new(Vec::new()).version());
}

#[test]
fn the_version_tells_every_change_of_an_own_price() {
    let one = |class: &str, usd: &str| Prices::new().rate(class, usd).unwrap();
    let list = |prices| CardBuilder::new().list(prices);
    let own = |model: &str, card: CardBuilder| Override::priced("p", model, &card).unwrap();
    let books = [
        Vec::new(),
        vec![own("m", list(one("input", "1")))],
        vec![own("n", list(one("input", "1")))],
        vec![own("m", list(one("input", "2")))],
        vec![own("m", list(one("output", "1")))],
        vec![own("m", list(Prices::new().rate_above(5, "input", "1").unwrap()))],
        vec![own("m", list(one("input", "1").between(0, 5).unwrap()))],
        vec![own("m", list(one("input", "1").daily(0, 5).unwrap()))],
        vec![own("m", CardBuilder::new().variant(one("input", "1")))],
        vec![own("m", list(one("input", "1").when("region", "us").unwrap()))],
        vec![own("m", list(one("input", "1").when("region", "eu").unwrap()))],
        vec![Override::free("p", "m").unwrap()],
    ];
    let versions = books.map(|overrides| PriceBook::new(overrides).version().to_string());
    let different: std::collections::BTreeSet<_> = versions.iter().collect();
    assert_eq!(different.len(), versions.len());
}

#[test]
fn every_card_answers_with_a_price_or_says_what_it_lacks() {
    let mut usage = Usage::default();
    usage.tokens.set(TokenKind::Input, 300_000);
    usage.tokens.set(TokenKind::Output, 1000);
    for model in catalogue().models() {
        for tier in [None, Some("batch"), Some("flex"), Some("priority")] {
            let now = Situation { time_unix_s: 1_795_176_000, service_tier: tier, ..Situation::default() };
            let quote = quote(&model.card, &usage, &now, &[]).unwrap();
            let name = model.name;
            assert!(quote.total >= PicoUsd::ZERO, "{name}");
            assert!(!quote.lines.is_empty() || !quote.unpriced.is_empty() || model.card.is_free(), "{name}");
        }
    }
}

/// What the catalogue may weigh in the plugin.
const MAX_CATALOGUE_BYTES: usize = 600_000;

#[test]
fn the_tables_fit_into_the_plugin() {
    let bytes = catalogue().size_bytes();
    println!(
        "{} models in {bytes} bytes of tables, at most {MAX_CATALOGUE_BYTES} are allowed",
        catalogue().len()
    );
    assert!(catalogue().len() > 4000 && bytes > 100_000, "{bytes} bytes are too few to be true");
    assert!(bytes <= MAX_CATALOGUE_BYTES, "{bytes} bytes");
}
