use super::*;

/// Redis Cluster's slot of a key: CRC-16/XMODEM of its hash tag, modulo 16384 (Redis Cluster specification).
fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let bytes = tag.filter(|tag| !tag.is_empty()).unwrap_or(key).bytes();
    let crc = bytes.fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % 16_384
}

#[test]
fn all_keys_of_a_call_lie_on_one_node_of_a_cluster() {
    assert_eq!((slot("123456789"), slot("{user1000}.following")), (12_739, slot("{user1000}.followers")));
    let store = Store { name: "fleet".to_owned(), cluster: "webdis".to_owned(), ..store() };
    for namespace in ["default", "a%2Fb", "{", "}", "{}", "a}b{c", ""] {
        let counters = ["quota/calls/v", "quota/by team/v/{x}", "quota/n/v/}/{y}"]
            .map(|rest| format!("tg/1/{namespace}/{rest}"));
        let keys = keys(&store, "1-2-3", counters.iter().map(String::as_str));
        assert_eq!(keys.len(), 4);
        assert!(keys.iter().all(|key| slot(key) == slot(&keys[0])), "{keys:?}");
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), 4, "{keys:?}");
    }
}

fn store() -> Store {
    let config = br#"{"stores": {"fleet": {"cluster": "webdis", "protocol": "webdis"}}}"#;
    crate::Rules::compile(config).unwrap().stores.remove(0)
}

#[test]
fn only_an_answer_that_names_the_call_counts() {
    let settlement = Settlement { store: store(), id: "a-1-7".to_owned(), counters: Vec::new() };
    for (body, taken) in [
        (r#"{"EVAL":["a-1-7",1]}"#, true),
        (r#"{"EVAL":["a-1-7",0]}"#, true),
        (r#"{"EVAL":["a-1-8",1]}"#, false),
        (r#"{"EVAL":["a-1-7",-1]}"#, false),
        (r#"{"EVAL":[false,"ERR"]}"#, false),
        (r#"{"EVAL":1}"#, false),
        ("", false),
    ] {
        assert_eq!(settlement.taken(Some(200), body.as_bytes()), taken, "{body}");
        assert!(!settlement.taken(Some(503), body.as_bytes()), "{body}");
    }
}
