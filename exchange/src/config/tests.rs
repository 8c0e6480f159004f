use super::Rules;

fn refused(json: &str) -> String {
    Rules::compile(json.as_bytes()).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn nothing_is_a_configuration() {
    for json in ["", "  \n", "{}"] {
        let rules = Rules::compile(json.as_bytes()).unwrap();
        assert!(rules.quotas.is_empty() && rules.tags.tags().is_empty() && rules.namespace == "default");
    }
}

#[test]
fn what_cannot_be_is_refused_with_path_and_legal_values() {
    for (json, message) in [
        ("[]", "invalid type: sequence, expected an object"),
        (r#"{"emit":[]}"#, "emit: invalid type: sequence, expected an object"),
        ("{", "not valid JSON: EOF while parsing an object at line 1 column 1"),
        (r#"{"taags":{}}"#, "taags: unknown field `taags`, expected one of `namespace`, `hold`"),
        (r#"{"hold":"maybe"}"#, "hold: unknown variant `maybe`, expected one of `headers`, `body`, `never`"),
        (r#"{"tags":{"team":{"form":[]}}}"#, "tags.team.form: unknown field `form`, expected one of `from`"),
        (
            r#"{"tags":{"team":{"from":[{"header":7}]}}}"#,
            "tags.team.from[0].header: invalid type: integer `7`, expected a string",
        ),
        (
            r#"{"quotas":[{"name":"a","limit":{"requests":1},"window":"dya"}]}"#,
            "quotas[0].window: unknown unit `dya`, expected one of minute, hour",
        ),
        (
            r#"{"quotas":[{"name":"a","limit":{"usd":12.5},"window":"day"}]}"#,
            "quotas[0].limit.usd: invalid number `12.5`, expected USD as a decimal string such as \"12.50\"",
        ),
        (
            r#"{"quotas":[{"name":"a","limit":{"usd":"-1"},"window":"day"}]}"#,
            "quotas[0].limit.usd: invalid string `\"-1\"`, expected USD",
        ),
        (
            r#"{"quotas":[{"name":"a","limit":{},"window":"day"}]}"#,
            "quotas[0].limit: needs exactly one of `usd`",
        ),
        (
            r#"{"quotas":[{"name":"a","limit":{"requests":1},"window":"day","per":["taem"]}]}"#,
            "quotas[0].per[0]: unknown tag `taem`, expected one of `provider`, `model`",
        ),
        (
            r#"{"quotas":[{"name":"a","limit":{"requests":1},"window":"day","store":"redis"}]}"#,
            "quotas[0].store: unknown store `redis`, expected one of `local`",
        ),
        (
            r#"{"quotas":[{"name":"a","limit":{"requests":1},"window":"day"},{"name":"a","limit":{"requests":1},"window":"day"}]}"#,
            "quotas[1].name: `a` stands twice",
        ),
        (
            r#"{"stores":{"r":{"cluster":"c","protocol":"webdis"}},"quotas":[{"name":"a","limit":{"usd":"9300000"},"window":"day","store":"r"}]}"#,
            "quotas[0].limit: `9300000` is more than a store outside can count, at most 9223372.036854775807 usd",
        ),
        (
            r#"{"stores":{"r":{"cluster":"c","protocol":"webdis"}},"quotas":[{"name":"a","limit":{"usd":"1"},"window":"day","store":"r","overrides":[{"when":{"model":"x"},"limit":{"usd":"10000000"}}]}]}"#,
            "quotas[0].overrides[0].limit: `10000000` is more than a store outside can count",
        ),
        (
            r#"{"stores":{"r":{"cluster":"c","protocol":"resp"}}}"#,
            "stores.r.protocol: unknown value `resp`, expected one of `webdis`, `upstash`",
        ),
        (
            r#"{"stores":{"r":{"cluster":"c","protocol":"webdis","mode":{"cached":{"sync_ms":0}}}}}"#,
            "stores.r.mode.cached.sync_ms: `0` is not between 10 and 10000",
        ),
        (r#"{"stores":{"r":{"protocol":"webdis"}}}"#, "stores.r.cluster: is needed"),
        (
            r#"{"stores":{"r":{"cluster":"c","protocol":"webdis","mode":"lazy"}}}"#,
            "stores.r.mode: invalid string `\"lazy\"`, expected `strict`, `cached` or {",
        ),
        (
            r#"{"stores":{"r":{"cluster":"c","protocol":"webdis","mode":{"cached":{}},"on_failure":"deny"}}}"#,
            "stores.r.on_failure: `deny` needs `mode: strict`: under `cached` no call waits for the store",
        ),
        (
            r#"{"stores":{"r":{"cluster":"c","protocol":"webdis","timeout_ms":0}}}"#,
            "stores.r.timeout_ms: `0` is not between 1 and 10000",
        ),
        (
            r#"{"upstreams":[{"when":{"team":"x"},"provider":"p"}]}"#,
            "upstreams[0].when.team: `team` is not known yet when the upstream is chosen",
        ),
        (
            r#"{"upstreams":[{"provider":"p","dialect":"x"}]}"#,
            "upstreams[0].dialect: unknown dialect `x`, expected one of `openai`",
        ),
        (
            r#"{"pricing":{"unknown_model":"drop"}}"#,
            "pricing.unknown_model: unknown variant `drop`, expected one of `record`, `deny`, `price_as`",
        ),
        (
            r#"{"pricing":{"overrides":[{"provider":"p","model":"m","rates":{"input":2.5}}]}}"#,
            "pricing.overrides[0].rates.input: invalid type: floating point `2.5`, expected a decimal string",
        ),
        (
            r#"{"pricing":{"overrides":[{"provider":"p","model":"m"}]}}"#,
            "pricing.overrides[0]: needs either `rates` or `free: true`",
        ),
        (
            r#"{"pricing":{"overrides":[{"provider":"p","model":"m","rates":{"input":"-1"}}]}}"#,
            "pricing.overrides[0].rates.input: must not be below zero: `-1`",
        ),
        (
            r#"{"pricing":{"overrides":[{"provider":"p","model":"m","rates":{"inputs":"1"}}]}}"#,
            "pricing.overrides[0].rates.inputs: unknown class of tokens or units: `inputs`",
        ),
        (
            r#"{"pricing":{"overrides":[{"provider":"p","model":"a*b","free":true}]}}"#,
            "pricing.overrides[0].model: ",
        ),
        (r#"{"pricing":{"refresh":{"path":"/p"}}}"#, "pricing.refresh: missing field `cluster`"),
        (
            r#"{"pricing":{"refresh":{"cluster":"","path":"/p"}}}"#,
            "pricing.refresh.cluster: must not be empty",
        ),
        (
            r#"{"pricing":{"refresh":{"cluster":"c","path":"p"}}}"#,
            "pricing.refresh.path: must begin with `/`",
        ),
        (
            r#"{"pricing":{"refresh":{"cluster":"c","path":"/p","every":"5"}}}"#,
            "pricing.refresh.every: `5` is no duration from 1s to 366d such as 90s",
        ),
        (
            r#"{"pricing":{"refresh":{"cluster":"c","path":"/p","every":"month"}}}"#,
            "pricing.refresh.every: `month` is no duration",
        ),
        (
            r#"{"pricing":{"refresh":{"cluster":"c","path":"/p","timeout":"2m"}}}"#,
            "pricing.refresh.timeout: is longer than 60s",
        ),
        (
            r#"{"pricing":{"refresh":{"cluster":"c","path":"/p","etag":"x"}}}"#,
            "pricing.refresh.etag: unknown field `etag`, expected one of `cluster`",
        ),
        (r#"{"policy":{"refresh":{"cluster":"c"}}}"#, "policy.refresh: missing field `path`"),
        (r#"{"policy":{"quotas":{}}}"#, "policy.quotas: unknown field `quotas`, expected one of `refresh`"),
        (r#"{"policy":[]}"#, "policy: invalid list, expected an object"),
        (r#"{"pricing":{"adjustments":[{"percent":"-101"}]}}"#, "pricing.adjustments[0].percent: "),
        (
            r#"{"emit":{"views":[["taem"]]}}"#,
            "emit.views[0][0]: unknown label `taem`, expected one of `provider`",
        ),
        (r#"{"emit":{"views":[["model"],["model"]]}}"#, "emit.views[1]: the name `model` stands twice"),
        (
            r#"{"tags":{"a":{"value":"1"},"b":{"value":"2"},"a_b":{"value":"3"}},"emit":{"views":[["a","b"],["a_b"]]}}"#,
            "emit.views[1]: the name `a_b` stands twice",
        ),
        (r#"{"emit":{"views":[["model","model"]]}}"#, "emit.views[0][1]: the label stands twice"),
        (r#"{"emit":{"max_series":0}}"#, "emit.max_series: `0` is not between 1 and 100000"),
        (
            r#"{"emit":{"properties":["cost"]}}"#,
            "emit.properties[0]: unknown property `cost`, expected one of `cost_usd`",
        ),
        (
            r#"{"guards":[{"name":"a","watch":"error_rate"},{"name":"b","watch":"repeated_share"}]}"#,
            "guards[1].watch: `repeated_share` needs a rule of `loops`, which says what a workflow or conversation is",
        ),
        (
            r#"{"guards":[{"name":"a","watch":"untagged_share"}]}"#,
            "guards[0].watch: `untagged_share` needs a tag with `required: report` or `required: deny`",
        ),
        (
            r#"{"emit":{"response_headers":["cost"]}}"#,
            "emit.response_headers[0]: unknown header `cost`, expected one of `decision`",
        ),
    ] {
        let error = refused(json);
        assert!(error.starts_with(message), "{json}\n  is       {error}\n  expected {message}");
    }
}

#[test]
fn no_type_name_of_ours_reaches_the_user() {
    for json in ["[]", r#"{"quotas":{}}"#, r#"{"tags":{"team":[]}}"#, r#"{"emit":3}"#] {
        let error = refused(json);
        assert!(!error.contains("Raw"), "{error}");
    }
}

#[test]
fn the_version_tells_configurations_apart_and_ignores_the_order_of_members() {
    let version = |json: &str| Rules::compile(json.as_bytes()).unwrap().version;
    let (a, b) = (r#"{"namespace":"x","hold":"never"}"#, r#"{"hold":"never","namespace":"x"}"#);
    assert_eq!(version(a), version(b));
    assert_ne!(version(a), version(r#"{"namespace":"y","hold":"never"}"#));
    assert_eq!(version(a).len(), 16);
}

#[test]
fn counts_may_be_spelled_as_doubles_but_not_as_fractions() {
    let quota = |requests: &str| {
        format!(r#"{{"quotas":[{{"name":"a","limit":{{"requests":{requests}}},"window":"day"}}]}}"#)
    };
    assert_eq!(Rules::compile(quota("1e6").as_bytes()).unwrap().quotas[0].limit.amount, 1_000_000);
    assert!(refused(&quota("1.5")).starts_with("quotas[0].limit.requests: invalid number `1.5`"));
    assert!(refused(&quota("-1")).starts_with("quotas[0].limit.requests: invalid"));
}

#[test]
fn rules_that_can_never_match_are_named_with_the_reason() {
    let warnings = |rules: &str| {
        let json = format!(
            r#"{{"tags":{{"team":{{"from":[{{"header":"x-team"}}],"allow":["ads-*","search"]}},
                 "env":{{"value":"staging"}},"user":{{"from":[{{"header":"x-user"}}]}}}},{rules}}}"#
        );
        Rules::compile(json.as_bytes()).unwrap().warnings()
    };
    let quota = |when: &str| {
        format!(r#""quotas":[{{"name":"a","limit":{{"requests":1}},"window":"1h","when":{when}}}]"#)
    };
    for (when, warning) in [
        (r#"{"team":"search"}"#, None),
        (r#"{"team":["serach","search"]}"#, None),
        (r#"{"team":"untagged"}"#, None),
        (r#"{"team":"ads-eu"}"#, None),
        (r#"{"team":"sea*"}"#, None),
        (r#"{"user":"anybody","env":"stag*"}"#, None),
        (r#"{"team":"*-eu"}"#, None),
        (
            r#"{"team":"ops"}"#,
            Some("quotas[0].when.team: `ops` is no value that `team` can have: it never matches"),
        ),
        (
            r#"{"env":"production"}"#,
            Some("quotas[0].when.env: `production` is no value that `env` can have: it never matches"),
        ),
    ] {
        assert_eq!(
            warnings(&quota(when)),
            warning.into_iter().map(str::to_owned).collect::<Vec<_>>(),
            "{when}"
        );
    }
    let route = warnings(r#""routes":[{"when":{"env":"prod"},"allow":["x"]}]"#);
    assert_eq!(route, ["routes[0].when.env: `prod` is no value that `env` can have: it never matches"]);
}

#[test]
fn prices_of_providers_that_nobody_calls_are_named() {
    let warnings = |json: &str| Rules::compile(json.as_bytes()).unwrap().warnings();
    let own = |provider: &str, more: &str| {
        format!(
            r#"{{"pricing":{{"overrides":[{{"provider":"{provider}","model":"*","free":true}}]}}{more}}}"#
        )
    };
    assert_eq!(
        warnings(&own("opanai", "")),
        [
            "pricing.overrides[0].provider: `opanai` is neither a known provider nor one of `upstreams`: it never matches"
        ]
    );
    let named = r#","upstreams":[{"when":{"host":"h"},"provider":"opanai"}]"#;
    for known in [own("openai", ""), own("ollama", ""), own("huggingface_groq", ""), own("opanai", named)] {
        assert!(warnings(&known).is_empty(), "{known}");
    }
    assert_eq!(
        warnings(r#"{"pricing":{"trust_reported_cost":["openruoter"]}}"#),
        [
            "pricing.trust_reported_cost[0]: `openruoter` is neither a known provider nor one of `upstreams`: it never matches"
        ]
    );
    let adjusted = r#"{"tags":{"env":{"value":"staging"}},"pricing":{"adjustments":[{"when":{"env":"prod"},"percent":"5"}]}}"#;
    assert_eq!(
        warnings(adjusted),
        ["pricing.adjustments[0].when.env: `prod` is no value that `env` can have: it never matches"]
    );
}
