use super::*;

fn rules(json: &str) -> Result<TagRules, String> {
    keyed(json, "{}")
}

fn keyed(json: &str, keys: &str) -> Result<TagRules, String> {
    let raw: BTreeMap<String, Object<RawTag>> = serde_json::from_str(json).map_err(|e| e.to_string())?;
    compile_tags(&raw, &serde_json::from_str(keys).unwrap()).map_err(|e| e.to_string())
}

fn resolved(rules: &TagRules, headers: &[(&str, &[u8])], properties: &[Option<Vec<u8>>]) -> Tags {
    let header = |name: &str| headers.iter().find(|(h, _)| *h == name).map(|(_, v)| *v);
    rules.resolve(&Request { header: &header, path: "/v1/chat/completions", properties, body: None })
}

fn resolve(json: &str, headers: &[(&str, &[u8])]) -> Vec<String> {
    let tags = resolved(&rules(json).unwrap(), headers, &[]);
    tags.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[test]
fn the_first_source_with_an_allowed_value_wins() {
    let json = r#"{"team":{"from":[{"header":"X-Team"},{"header":"x-group"}],"allow":["search","ads-*"]}}"#;
    for (headers, expected) in [
        (vec![("x-team", &b"search"[..])], "team=search"),
        (vec![("x-team", b"other"), ("x-group", b"ads-eu")], "team=ads-eu"),
        (vec![("x-team", b"other")], "team=untagged"),
        (vec![], "team=untagged"),
    ] {
        assert_eq!(resolve(json, &headers), [expected]);
    }
    for reserved in ["untagged", "__other__", "__unknown__"] {
        let rules = rules(r#"{"team":{"from":[{"header":"x-team"}]}}"#).unwrap();
        assert_eq!(resolved(&rules, &[("x-team", reserved.as_bytes())], &[]).known(0), None);
    }
}

#[test]
fn what_the_client_cannot_make_up_beats_what_it_claims() {
    let json = r#"{"customer":{"from":[{"header":"x-customer"},{"jwt_claim":"tenant"}]}}"#;
    let rules = rules(json).unwrap();
    let verified = [Some(b"acme".to_vec())];
    for (headers, properties, value, conflicts) in [
        (vec![("x-customer", &b"evil"[..])], &verified[..], "acme", 1),
        (vec![("x-customer", b"acme")], &verified, "acme", 0),
        (vec![], &verified, "acme", 0),
        (vec![("x-customer", b"evil")], &[None], "evil", 0),
    ] {
        let tags = resolved(&rules, &headers, properties);
        assert_eq!((tags.value(0), tags.conflicts().len()), (Some(value), conflicts), "{headers:?}");
    }
}

#[test]
fn a_virtual_key_stands_for_a_whole_set_of_tags() {
    let json = r#"{"team":{"from":[{"header":"x-team"}]},"feature":{"from":[{"header":"x-feature"}]}}"#;
    let keys = r#"{"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b":{"team":"search"}}"#;
    let rules = keyed(json, keys).unwrap();
    let tags = resolved(
        &rules,
        &[("authorization", b"Bearer secret"), ("x-team", b"ads"), ("x-feature", b"answers")],
        &[],
    );
    let all: Vec<_> = tags.iter().collect();
    assert_eq!(
        (all, tags.conflicts()),
        (vec![("feature", "answers"), ("team", "search")], &["team".to_owned()][..])
    );
    let other = resolved(&rules, &[("authorization", b"Bearer other"), ("x-team", b"ads")], &[]);
    assert_eq!(other.value(1), Some("ads"));
}

#[test]
fn values_are_trimmed_and_made_harmless() {
    let json = r#"{"team":{"from":[{"header":"x-team"}]}}"#;
    let long = vec![b'a'; 65_536];
    let split = [vec![b'a'; 255], "é".as_bytes().to_vec(), vec![b'b'; 20]].concat();
    for (value, expected) in [
        (&b"  search "[..], "search".to_owned()),
        (b"a\x01b", "a_b".to_owned()),
        (b"\xff\xfe", "\u{fffd}\u{fffd}".to_owned()),
        (b"   ", UNTAGGED.to_owned()),
        (&long, "a".repeat(256)),
        (&split, "a".repeat(255)),
    ] {
        assert_eq!(resolve(json, &[("x-team", value)]), [format!("team={expected}")]);
    }
    let tidy = r#"{"team":{"from":[{"header":"x-team"}],"lower_case":true,"max_length":4}}"#;
    assert_eq!(resolve(tidy, &[("x-team", b"SEARCH")]), ["team=sear"]);
}

#[test]
fn stripped_headers_are_those_of_the_tags_that_say_so() {
    let json =
        r#"{"a":{"from":[{"header":"X-A"},{"query":"a"}],"strip":true},"b":{"from":[{"header":"x-b"}]}}"#;
    assert_eq!(rules(json).unwrap().stripped().collect::<Vec<_>>(), ["x-a"]);
}

#[test]
fn impossible_tags_are_refused_with_their_path() {
    for (json, expected) in [
        (r#"{"Team":{"value":"x"}}"#, "tags.Team: a tag's name is lower-case"),
        (r#"{"model":{"value":"x"}}"#, "tags.model: `model` is a label"),
        (r#"{"team":{}}"#, "tags.team: needs `from` or `value`"),
        (r#"{"team":{"value":"x","from":[]}}"#, "tags.team: has both"),
        (
            r#"{"team":{"value":"x","required":"maybe"}}"#,
            "unknown variant `maybe`, expected one of `no`, `report`, `deny`",
        ),
        (r#"{"team":{"form":[]}}"#, "unknown field `form`"),
        (r#"{"team":{"from":[{}]}}"#, "tags.team.from[0]: needs exactly one of `header`"),
        (r#"{"team":{"value":"x","max_length":0}}"#, "tags.team.max_length: is not between 1 and 256"),
    ] {
        let error = rules(json).unwrap_err();
        assert!(error.contains(expected), "{json}: {error}");
    }
    let team = r#"{"team":{"value":"x"}}"#;
    let digest = "a".repeat(64);
    for (keys, expected) in [
        (r#"{"sk-1":{}}"#.to_owned(), "virtual_keys: entry 1 is no SHA-256"),
        (format!(r#"{{"{digest}":{{"taem":"x"}}}}"#), "unknown tag `taem`, expected one of `team`"),
    ] {
        let error = keyed(team, &keys).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_place_in_the_body_counts_in_its_turn() {
    let of = |from: &str| rules(&format!(r#"{{"feature":{{"required":"deny","from":[{from}]}}}}"#)).unwrap();
    let (body, header) = (r#"{"body":"/metadata/feature"}"#, r#"{"header":"x-feature"}"#);
    let sent: &[(&str, &[u8])] = &[("x-feature", b"mail")];
    let said = Some("chat".to_owned());
    for (name, from, headers, said, open, expected) in [
        ("the body comes first", format!("{body},{header}"), sent, &said, true, Some("chat")),
        ("the body has none", format!("{body},{header}"), sent, &None, true, Some("mail")),
        ("a header comes first", format!("{header},{body}"), sent, &said, false, Some("mail")),
        ("the header is not there", format!("{header},{body}"), &[][..], &said, true, Some("chat")),
        ("nobody says it", body.to_owned(), &[], &None, true, None),
    ] {
        let rules = of(&from);
        assert_eq!(rules.pointers(), ["/metadata/feature"], "{name}");
        let header = |name: &str| headers.iter().find(|(h, _)| *h == name).map(|(_, v)| *v);
        let resolve = |body| rules.resolve(&Request { header: &header, path: "/v1", properties: &[], body });
        let before = resolve(None);
        assert_eq!(before.is_open(0), open, "{name}");
        assert_eq!(rules.requires_body(&before), open && before.known(0).is_none(), "{name}");
        let captured = [said.clone()];
        let after = resolve(Some(&captured));
        assert_eq!((after.known(0), after.is_open(0)), (expected, false), "{name}");
    }
    let rules = of(body);
    assert_eq!(rules.hint(&rules.tags()[0]), "send it in the body at `/metadata/feature`");
}
