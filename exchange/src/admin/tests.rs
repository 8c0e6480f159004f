use super::*;
use crate::usage::UsageBatch;
use serde_json::{Value, json};

/// SHA-256 of `secret`.
const DIGEST: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
const NOW: Timestamp = Timestamp::from_unix_nanos(1_795_176_000_000_000_000);

/// No shared data at all.
struct Empty;

impl SharedStore for Empty {
    fn read(&self, _: &str) -> Result<Option<(Vec<u8>, u32)>, tollgate_policy::StoreFailure> {
        Ok(None)
    }

    fn swap(
        &self,
        _: &str,
        _: &[u8],
        _: Option<u32>,
    ) -> Result<tollgate_policy::Swap, tollgate_policy::StoreFailure> {
        Err(tollgate_policy::StoreFailure)
    }
}

fn rules() -> Rules {
    let json = format!(
        r#"{{"tags":{{"team":{{"from":[{{"header":"x-team"}}]}}}},
             "admin":{{"token_sha256":"{DIGEST}","identities":["spiffe://corp/finops*"]}}}}"#
    );
    Rules::compile(json.as_bytes()).unwrap()
}

fn ask(path: &str, headers: &[(&str, &str)], identity: Option<&str>) -> AdminAnswer {
    let rules = rules();
    let all = [(":method", "GET"), (":path", path), (":scheme", "https")];
    let method = headers.iter().find(|(name, _)| *name == ":method").map(|(_, m)| (":method", m.as_bytes()));
    let pairs = method.into_iter().chain(all.iter().chain(headers).map(|(n, v)| (*n, v.as_bytes())));
    let headers = HeaderPairs::from_pairs(pairs);
    let property = |path: &[&str]| {
        (path == ["connection", "uri_san_peer_certificate"]).then_some(identity?.as_bytes().to_vec())
    };
    let admin = rules.admin.as_ref().unwrap();
    assert!(admin.covers(path));
    admin.answer(&rules, &headers, &property, &Empty, NOW)
}

#[test]
fn only_who_may_see_the_pages_learns_that_they_are_there() {
    let bearer = [("authorization", "Bearer secret")];
    for (name, path, headers, identity, status) in [
        ("nothing", "/.tollgate/usage", &[][..], None, 404),
        ("a wrong token", "/.tollgate/usage", &[("authorization", "Bearer secre")], None, 404),
        ("another scheme", "/.tollgate/usage", &[("authorization", "Basic secret")], None, 404),
        ("the token", "/.tollgate/usage", &bearer, None, 200),
        (
            "the token as a cookie among others",
            "/.tollgate/",
            &[("cookie", "a=b; tollgate=secret")],
            None,
            200,
        ),
        ("a named identity", "/.tollgate/usage", &[], Some("spiffe://corp/finops/anna"), 200),
        ("another identity", "/.tollgate/usage", &[], Some("spiffe://corp/dev"), 404),
        ("a page that is none", "/.tollgate/nothing", &bearer, None, 404),
        ("the prefix alone", "/.tollgate", &bearer, None, 200),
        ("another method", "/.tollgate/usage", &[bearer[0], (":method", "POST")], None, 405),
        ("another method without the token", "/.tollgate/usage", &[(":method", "POST")], None, 404),
        ("HEAD", "/.tollgate/usage", &[bearer[0], (":method", "HEAD")], None, 200),
        ("a wrong token in the address", "/.tollgate/?token=x", &[], None, 404),
    ] {
        assert_eq!(ask(path, headers, identity).reply.status, status, "{name}");
    }
    let refused = |headers: &[(&str, &str)]| ask("/.tollgate/usage", headers, None).reply;
    assert_eq!(refused(&[]), ask("/.tollgate/nothing", &bearer, None).reply, "both look alike");
}

#[test]
fn a_token_in_the_address_becomes_a_cookie_and_leaves_the_address_and_the_log() {
    let answer = ask("/.tollgate/?token=secret", &[], None);
    assert_eq!((answer.reply.status, answer.shown_path.as_deref()), (303, Some("/.tollgate/")));
    let cookie = "tollgate=secret; Path=/.tollgate; HttpOnly; SameSite=Strict; Secure";
    for header in [("location", "/.tollgate/"), ("set-cookie", cookie)] {
        assert!(answer.reply.headers.contains(&(header.0, header.1.to_owned())), "{answer:?}");
    }
    let wrong = ask("/.tollgate/usage?by=team&token=sekret", &[], None);
    assert_eq!(wrong.shown_path.as_deref(), Some("/.tollgate/usage"), "a mistyped secret is one too");
}

#[test]
fn paths_beside_the_prefix_are_not_ours() {
    let rules = rules();
    let admin = rules.admin.as_ref().unwrap();
    for (path, ours) in [
        ("/.tollgate", true),
        ("/.tollgate?x", true),
        ("/.tollgate/a/b", true),
        ("/.tollgatex", false),
        ("/v1/chat/completions", false),
        ("", false),
    ] {
        assert_eq!(admin.covers(path), ours, "{path}");
    }
}

#[test]
fn a_query_that_makes_no_sense_is_told_what_would() {
    for (query, problem) in [
        ("by=feature", "unknown `by=feature`, expected one or two of `provider`, `model`, `team`"),
        ("by=team,team", "`by` takes one name, or two different ones"),
        ("by=team,model,provider", "`by` takes one name, or two different ones"),
        ("window=week", "unknown `window=week`, expected one of `hour`, `day`"),
        ("top=0", "`top` is not a number between 1 and 1000"),
        ("bye=team", "unknown parameter `bye`, expected one of `by`, `window`, `top`"),
    ] {
        let reply =
            ask(&format!("/.tollgate/usage?{query}"), &[("authorization", "bearer secret")], None).reply;
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(reply.status, 400, "{query}");
        assert!(body["error"].as_str().unwrap().starts_with(problem), "{query}: {body}");
    }
}

#[test]
fn without_calls_there_are_windows_and_zeros() {
    let reply =
        ask("/.tollgate/usage?by=team%2Cmodel&window=day", &[("cookie", "tollgate=secret")], None).reply;
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((&body["by"], &body["current"]["rows"]), (&json!(["team", "model"]), &json!([])));
    assert_eq!(body["current"]["start"], json!("2026-11-20T00:00:00.000Z"));
    assert_eq!(body["previous"]["end"], body["current"]["start"]);
    assert_eq!(body["current"]["total"]["cost_usd"], json!("0"));
    assert_eq!(body["dimensions"], json!(["provider", "model", "team"]));
}

#[test]
fn impossible_settings_are_refused_with_their_path() {
    for (admin, message) in [
        ("{}", "admin: needs `token_sha256`, `identities` or both"),
        (r#"{"token_sha256":"secret"}"#, "admin.token_sha256: is no SHA-256 in hexadecimal"),
        (r#"{"identities":["a"],"path_prefix":"/x/"}"#, "admin.path_prefix: is not a path such as"),
        (r#"{"identities":["a"],"path_prefix":"/"}"#, "admin.path_prefix: is not a path such as"),
        (r#"{"identities":["a"],"prefix":"/"}"#, "admin.prefix: unknown field `prefix`, expected one of"),
    ] {
        let error = Rules::compile(format!(r#"{{"admin":{admin}}}"#).as_bytes()).map(|_| ()).unwrap_err();
        assert!(error.to_string().starts_with(message), "{admin}: {error}");
        assert!(!error.to_string().contains("secret"), "no token is shown: {error}");
    }
}

#[test]
fn a_store_that_takes_nothing_loses_old_merges_and_says_so() {
    let (rules, mut batch) = (rules(), UsageBatch::default());
    let settled = crate::usage::tests::call("search", "0.5");
    let lost: u64 =
        (0..40).map(|_| batch.add(&rules, &settled, NOW, &Empty) + batch.flush(&rules, &Empty)).sum();
    assert_eq!(lost, 40 * 2 - 32, "each flush is one merge an hour and one a day; 32 are kept");
}
