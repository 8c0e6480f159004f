use super::*;
use serde_json::Value as Json;
use tollgate_pricing::PicoUsd;

fn usd(text: &str) -> PicoUsd {
    text.parse().unwrap()
}

/// A record with every key there is.
fn full() -> Record {
    Record {
        id: "18c5f-2-7".into(),
        time: "2026-11-20T12:00:00.250Z".parse().unwrap(),
        operation: "chat".into(),
        provider: "anthropic".into(),
        request_model: Some("claude-sonnet-4-5".into()),
        asked_model: Some("gpt-4".to_owned()),
        response_model: Some("claude-sonnet-4-5-20250929".into()),
        response_id: Some("msg_1".into()),
        finish_reasons: vec!["end_turn".into()],
        tokens: Tokens {
            input: Some(1200),
            output: Some(0),
            cache_read: Some(1000),
            cache_creation: Some(100),
            cache_creation_1h: Some(40),
            reasoning: Some(3),
            audio_input: Some(4),
            audio_output: Some(5),
            image_input: Some(6),
            image_output: Some(7),
            video_input: Some(8),
            video_output: Some(9),
            cache_read_audio: Some(10),
            cache_read_image: Some(11),
            cache_read_video: Some(12),
            citation: Some(13),
        },
        units: vec![("audio_seconds".into(), "12.5".into()), ("web_search".into(), "2".into())],
        parts: vec![Part {
            model: Some("claude-opus-4-5".into()),
            tokens: Tokens { input: Some(9), ..Tokens::default() },
            units: vec![("web_search".into(), "2".into())],
            usd: Some(usd("0.01")),
            longest_prompt: Some(9),
        }],
        usage_source: UsageSource::Reported,
        inconsistent: true,
        cost: Cost {
            status: CostStatus::Priced,
            usd: Some(usd("0.0123")),
            list_usd: Some(usd("0.0123")),
            lines: vec![("input".into(), usd("0.0003")), ("output".into(), usd("0.012"))],
            unpriced: vec!["web_search".into()],
            adjustments: vec!["-12.5".into(), "3".into()],
            reported_usd: Some(usd("0.013")),
            saved_by_cache_usd: Some(usd("0.0027")),
            saved_by_rewrite_usd: Some(usd("-0.001")),
        },
        tags: vec![("feature".into(), "untagged".into()), ("team".into(), "search".into())],
        missing_tags: vec!["feature".into()],
        decision: Decision {
            actions: vec![Action::Clamp, Action::Warn],
            rule: Some("team-month".into()),
            empty_at: "2026-11-27T09:30:00Z".parse().ok(),
        },
        shadow: vec!["next-month".into()],
        candidate: Some(Box::new(Candidate {
            name: "next".into(),
            action: Action::Downgrade,
            rule: Some("team-day".into()),
            model: Some("claude-haiku-4-5".into()),
            cost_usd: Some("0.0041".parse().unwrap()),
            estimated_usd: Some("0.005".parse().unwrap()),
        })),
        reserved: Some(usd("0.5")),
        workflow: Some(Box::new(Workflow { calls: 7, usd: usd("0.25"), input_growth_percent: Some(1203) })),
        retry: Some(Retry { attempt: 2, kind: RetryKind::Fallback }),
        waste: vec![
            Waste { reason: WasteReason::Abandoned, usd: None, tokens: None },
            Waste { reason: WasteReason::CutByLength, usd: Some(usd("0.0123")), tokens: Some(70) },
        ],
        stream: Some(true),
        ttft_ms: Some(240),
        duration_ms: Some(1250),
        http_status: Some(200),
        service_tier: Some("standard".into()),
        region: Some("global".into()),
        speed: Some("standard".into()),
        conditions: vec![("image_quality".into(), "hd".into()), ("image_size".into(), "1024x1024".into())],
        price_version: "0011223344556677".into(),
        config_version: "8899aabbccddeeff".into(),
    }
}

const GOLDEN: &str = include_str!("golden.json");

#[test]
fn the_json_of_a_record_is_the_golden_one() {
    let golden: Json = serde_json::from_str(GOLDEN).unwrap();
    let json: Json = serde_json::from_str(&full().to_json()).unwrap();
    assert_eq!(json, golden, "if this is meant, raise `tollgate.schema` or add a key; the record:\n{json:#}");
}

#[test]
fn every_key_reads_back() {
    assert_eq!(Record::parse(&serde_json::from_str(&full().to_json()).unwrap()), Ok(full()));
}

#[test]
fn what_is_unknown_is_absent_and_reads_back_as_unknown() {
    let bare = Record {
        id: "1-1-1".into(),
        operation: "chat".into(),
        provider: "openai".into(),
        ..Record::default()
    };
    let json: Json = serde_json::from_str(&bare.to_json()).unwrap();
    let keys: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "gen_ai.operation.name",
            "gen_ai.provider.name",
            "tollgate.config.version",
            "tollgate.cost.status",
            "tollgate.decision.action",
            "tollgate.id",
            "tollgate.price.version",
            "tollgate.schema",
            "tollgate.time",
            "tollgate.usage.source"
        ]
    );
    assert_eq!(Record::parse(&json), Ok(bare));
}

#[test]
fn envoys_wrapping_is_looked_through() {
    let inner: Json = serde_json::from_str(&full().to_json()).unwrap();
    let outer = serde_json::json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": inner});
    assert_eq!(Record::parse(&outer), Ok(full()));
}

#[test]
fn what_is_no_record_is_refused_with_the_key() {
    let mut json: Json = serde_json::from_str(&full().to_json()).unwrap();
    let mut with = |key: &str, value: Json| {
        let before = json[key].clone();
        json[key] = value;
        let error = Record::parse(&json).map(|_| ()).map_err(|e| e.to_string());
        json[key] = before;
        error
    };
    for (key, value, message) in [
        (
            "tollgate.schema",
            Json::from(2),
            "schema `2` is newer than `1`, the newest that this version reads",
        ),
        ("tollgate.cost.usd", Json::from(0.5), "`tollgate.cost.usd` has a value of the wrong kind"),
        (
            "tollgate.cost.status",
            Json::from("guessed"),
            "`tollgate.cost.status` has a value of the wrong kind",
        ),
        (
            "gen_ai.usage.input_tokens",
            Json::from(1.5),
            "`gen_ai.usage.input_tokens` has a value of the wrong kind",
        ),
    ] {
        assert_eq!(with(key, value), Err(message.to_owned()));
    }
    assert_eq!(Record::parse(&serde_json::json!({"a": 1})), Err(ParseError::NoSchema));
    assert_eq!(Record::parse(&serde_json::json!([])), Err(ParseError::NotAnObject));
    assert_eq!(
        Record::parse(&serde_json::json!({"tollgate.schema": 1})),
        Err(ParseError::Missing("tollgate.id"))
    );
}

#[test]
fn no_key_is_both_a_leaf_and_a_prefix() {
    let json: Json = serde_json::from_str(&full().to_json()).unwrap();
    let keys: Vec<_> = json.as_object().unwrap().keys().collect();
    for key in &keys {
        let prefix = format!("{key}.");
        assert!(!keys.iter().any(|other| other.starts_with(&prefix)), "{key}");
    }
}

/// Reads the protobuf encoding back, independently of the encoder.
fn read_struct(mut bytes: &[u8]) -> Json {
    let mut fields = serde_json::Map::new();
    while !bytes.is_empty() {
        let entry = delimited(&mut bytes, 1);
        let mut rest = entry;
        let key = String::from_utf8(delimited(&mut rest, 1).to_vec()).unwrap();
        fields.insert(key, read_value(delimited(&mut rest, 2)));
        assert!(rest.is_empty());
    }
    fields.into()
}

fn read_value(mut bytes: &[u8]) -> Json {
    let rest = &bytes[1..];
    match bytes[0] {
        0x11 => {
            let number = f64::from_le_bytes(rest.try_into().unwrap());
            if number.fract() == 0.0 { Json::from(number as u64) } else { Json::from(number) }
        }
        0x1a => String::from_utf8(delimited(&mut bytes, 3).to_vec()).unwrap().into(),
        0x20 => (rest == [1]).into(),
        0x2a => read_struct(delimited(&mut bytes, 5)),
        0x32 => {
            let mut list = delimited(&mut bytes, 6);
            let mut values = Vec::new();
            while !list.is_empty() {
                values.push(read_value(delimited(&mut list, 1)));
            }
            values.into()
        }
        other => panic!("tag {other:#x}"),
    }
}

fn delimited<'a>(bytes: &mut &'a [u8], field: u8) -> &'a [u8] {
    assert_eq!(bytes[0], field << 3 | 2);
    let mut length = 0_usize;
    let mut at = 1;
    loop {
        length |= usize::from(bytes[at] & 0x7f) << (7 * (at - 1));
        at += 1;
        if bytes[at - 1] < 0x80 {
            break;
        }
    }
    let (value, rest) = bytes[at..].split_at(length);
    *bytes = rest;
    value
}

#[test]
fn the_protobuf_says_the_same_as_the_json() {
    let long = Record { response_id: Some("x".repeat(20_000)), ..full() };
    for record in [full(), long, Record::default()] {
        let json: Json = serde_json::from_str(&record.to_json()).unwrap();
        assert_eq!(read_struct(&record.to_protobuf()), json);
    }
}
