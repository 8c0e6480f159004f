use super::*;
use serde_json::json;

#[test]
fn keys_become_classes_tiers_and_situations() {
    let cases = [
        (json!({"input_cost_per_token": "2.5e-06"}), "lists input 2.5"),
        (json!({"input_cost_per_token_above_200k_tokens": "5e-06"}), "lists input>200000 5"),
        (
            json!({"input_cost_per_token_above_272k_tokens_priority": "5e-06"}),
            "service_tier=priority input>272000 5",
        ),
        (json!({"output_cost_per_token_batches": "5e-06"}), "service_tier=batch output 5"),
        (json!({"cache_creation_input_token_cost_above_1hr": "6e-06"}), "lists cache_write_1h 6"),
        (
            json!({"cache_creation_input_token_cost_above_1hr_above_200k_tokens": "6e-06"}),
            "lists cache_write_1h>200000 6",
        ),
        (
            json!({"mode": "video_generation", "output_cost_per_second_720p": "0.1"}),
            "resolution=720p output_video_seconds 0.1",
        ),
        (
            json!({"mode": "audio_transcription", "input_cost_per_second": "0.0001"}),
            "lists audio_seconds 0.0001",
        ),
        (json!({"mode": "rerank", "input_cost_per_query": "0.002"}), "lists search_units 0.002"),
        (json!({"input_cost_per_token": "1e-06", "input_cost_per_image_token": "1e-06"}), "lists input 1"),
        (
            json!({"provider_specific_entry": {"us": "1.1"}, "input_cost_per_token": "1e-06"}),
            "lists input 1, region=us x 1.1",
        ),
    ];
    for (mut entry, expected) in cases {
        entry["litellm_provider"] = "openai".into();
        let item = item("m", &entry, "2026-11-21");
        assert_eq!(
            item.map(|item| item.map(|item| shown(&item.model))),
            Ok(Some(expected.into())),
            "{entry}"
        );
    }
}

#[test]
fn a_zero_alone_is_no_price() {
    let entry =
        json!({"litellm_provider": "openai", "input_cost_per_token": 0, "output_cost_per_token": "0.0"});
    assert!(item("m", &entry, "2026-11-21").is_ok_and(|item| item.is_none()));
}

#[test]
fn names_lose_provider_region_and_size() {
    let cases = [
        ("azure/eu/gpt-4o", "azure", "gpt-4o", "region=eu"),
        ("bedrock/us-east-1/anthropic.claude-v2", "bedrock", "anthropic.claude-v2", "region=us-east-1"),
        ("hd/1024-x-1792/dall-e-3", "openai", "dall-e-3", "image_quality=hd image_size=1024x1792"),
        ("vertex_ai/claude-opus-4", "vertex_ai-anthropic_models", "claude-opus-4", ""),
        ("gemini/gemini-2.5-pro", "gemini", "gemini-2.5-pro", ""),
        ("groq/openai/gpt-oss-20b", "groq", "openai/gpt-oss-20b", ""),
    ];
    for (name, provider, model, when) in cases {
        let split = split_name(name, provider).map(|(model, facts)| (model, said(&facts)));
        assert_eq!(split, Some((model.into(), when.into())), "{name}");
    }
    assert_eq!(split_name("bedrock/us-east-1/1-month-commitment/m", "bedrock"), None);
}

fn shown(model: &Model) -> String {
    let all = model.lists.iter().chain(&model.variants).flat_map(|prices| {
        let when = if prices.when.is_empty() { "lists".into() } else { said(&prices.when) };
        prices.rates.iter().map(move |(class, usd)| format!("{when} {class} {usd}"))
    });
    let uplifts = model.uplifts.iter().map(|uplift| format!("{} x {}", said(&uplift.when), uplift.factor));
    all.chain(uplifts).collect::<Vec<_>>().join(", ")
}

fn said(when: &BTreeMap<String, String>) -> String {
    when.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
}
