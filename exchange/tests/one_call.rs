//! One call through the step machine, from its head to its record.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect fails"
)]

use std::rc::Rc;

use tollgate_exchange::{
    AnsweredBy, Exchange, Finish, Head, HeaderEdit, HeaderPairs, LocalReply, Rules, Settled, Start, Step,
};
use tollgate_policy::{Admission, Answer, Change, Lease, ReservationId, StoreFailure};
use tollgate_record::{Action, CostStatus, Record, Timestamp, UsageSource};
use tollgate_wire::{End, Ended};

const NOON: i64 = 1_795_176_000;

fn finished(millis: i64, ended: Ended) -> Finish {
    Finish { now: at(millis), ended, answered_by: AnsweredBy::Upstream }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_nanos((NOON * 1000 + millis) * 1_000_000)
}

fn rules(json: &str) -> Rc<Rules> {
    Rc::new(Rules::compile(json.as_bytes()).unwrap())
}

fn head(path: &str, headers: &[(&str, &str)]) -> Head {
    let fixed = [
        (":method", "POST"),
        (":authority", "api.openai.com:443"),
        (":path", path),
        ("content-type", "application/json"),
    ];
    // A header given twice replaces the fixed one.
    let fixed = fixed.iter().filter(|(name, _)| !headers.iter().any(|(given, _)| given == name));
    let pairs = fixed.chain(headers).map(|(name, value)| (*name, value.as_bytes()));
    Head { headers: HeaderPairs::from_pairs(pairs), ..Head::default() }
}

fn start(rules: &Rc<Rules>, head: &Head) -> Start {
    Exchange::start(rules, head, || ReservationId { process: 1, worker: 2, sequence: 3 }, at(0))
}

fn begin(rules: &str, head: &Head) -> (Box<Exchange>, Vec<HeaderEdit>, Step) {
    match start(&self::rules(rules), head) {
        Start::Begin(exchange, edits, step) => (exchange, edits, step),
        _ => panic!("not seen as an LLM call"),
    }
}

fn refused(resets_at: i64) -> Admission {
    Admission::Refused { index: 0, resets_at, taken: None, amount: 0 }
}

const CHAT: &str = "/v1/chat/completions";
const ASK: &[u8] = br#"{"model":"gpt-4o-mini","messages":[]}"#;

struct Answered<'a> {
    status: &'a str,
    body: &'a [u8],
    ended: Ended,
}

const WELL: Answered<'_> = Answered {
    status: "200",
    body: br#"{"id":"c1","model":"gpt-4o-mini-2024-07-18","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":1200,"completion_tokens":300,"prompt_tokens_details":{"cached_tokens":1000}}}"#,
    ended: Ended::Complete,
};

fn finish(mut exchange: Box<Exchange>, request: &[u8], answered: &Answered<'_>) -> Settled {
    exchange.request_body(request, End::Last);
    let pairs = [(":status", answered.status.as_bytes()), ("content-type", b"application/json")];
    exchange.response_head(&HeaderPairs::from_pairs(pairs));
    let end = if answered.ended == Ended::Complete { End::Last } else { End::Open };
    exchange.response_body(answered.body, end, || at(250));
    exchange.settle(Finish { now: at(1250), ended: answered.ended, answered_by: AnsweredBy::Upstream })
}

fn record(rules: &str, head: &Head, request: &[u8], answered: &Answered<'_>) -> Record {
    let (exchange, _, step) = begin(rules, head);
    assert_eq!(step, Step::Pass);
    finish(exchange, request, answered).record
}

#[test]
fn a_call_becomes_an_exact_record() {
    let record = record("{}", &head(CHAT, &[]), ASK, &WELL);
    // gpt-4o-mini: 0.15 USD input, 0.075 cached, 0.60 output per million tokens.
    assert_eq!(record.cost.usd.unwrap().to_string(), "0.000285");
    let lines: Vec<_> = record.cost.lines.iter().map(|(name, usd)| format!("{name}={usd}")).collect();
    assert_eq!(lines, ["input=0.00003", "cache_read=0.000075", "output=0.00018"]);
    assert_eq!((record.cost.status, record.usage_source), (CostStatus::Priced, UsageSource::Reported));
    assert_eq!((record.id.as_str(), record.ttft_ms, record.duration_ms), ("1-2-3", Some(250), Some(1250)));
    assert_eq!((record.tokens.input, record.tokens.cache_read), (Some(1200), Some(1000)));
    assert_eq!(record.request_model.as_deref(), Some("gpt-4o-mini"));
    assert_eq!((record.stream, record.http_status), (Some(false), Some(200)));
}

#[test]
fn every_state_of_a_cost_says_why() {
    let other =
        |model: &str| format!(r#"{{"model":"{model}","usage":{{"prompt_tokens":1,"completion_tokens":1}}}}"#);
    let unknown = other("nobody-knows");
    let ask_unknown = br#"{"model":"nobody-knows"}"#;
    let free = r#"{"pricing":{"overrides":[{"provider":"openai","model":"nobody-*","free":true}]}}"#;
    let own = r#"{"pricing":{"overrides":[{"provider":"openai","model":"nobody-*","rates":{"input":"1","output":"2"}}]}}"#;
    let half =
        r#"{"pricing":{"overrides":[{"provider":"openai","model":"nobody-*","rates":{"input":"1"}}]}}"#;
    let ok = |body| Answered { status: "200", body, ended: Ended::Complete };
    for (name, config, request, answered, status, usd) in [
        (
            "an error is not billed",
            "{}",
            ASK,
            Answered { status: "500", ..WELL },
            CostStatus::NotBilled,
            None,
        ),
        ("no usage is no zero", "{}", ASK, ok(&br#"{"model":"gpt-4o-mini"}"#[..]), CostStatus::NoUsage, None),
        (
            "an unknown model has no cost",
            "{}",
            &ask_unknown[..],
            ok(unknown.as_bytes()),
            CostStatus::UnknownModel,
            None,
        ),
        (
            "what is declared free is zero",
            free,
            &ask_unknown[..],
            ok(unknown.as_bytes()),
            CostStatus::Free,
            Some("0"),
        ),
        (
            "an own price holds",
            own,
            &ask_unknown[..],
            ok(unknown.as_bytes()),
            CostStatus::Priced,
            Some("0.000003"),
        ),
        (
            "a missing rate is named",
            half,
            &ask_unknown[..],
            ok(unknown.as_bytes()),
            CostStatus::Unpriced,
            Some("0.000001"),
        ),
    ] {
        let record = record(config, &head(CHAT, &[]), request, &answered);
        assert_eq!(
            (record.cost.status, record.cost.usd.map(|u| u.to_string()).as_deref()),
            (status, usd),
            "{name}"
        );
    }
}

#[test]
fn a_discount_is_applied_line_by_line_and_the_list_price_kept() {
    let config = r#"{"pricing":{"adjustments":[{"when":{"provider":"openai"},"percent":"-12.5"},{"when":{"provider":"anthropic"},"percent":"50"}]}}"#;
    let cost = record(config, &head(CHAT, &[]), ASK, &WELL).cost;
    assert_eq!(
        (cost.usd.unwrap().to_string().as_str(), cost.list_usd.unwrap().to_string().as_str()),
        ("0.000249375", "0.000285")
    );
}

#[test]
fn a_trusted_providers_own_figure_is_the_cost() {
    let body = br#"{"model":"openai/gpt-4o-mini","usage":{"prompt_tokens":10,"completion_tokens":2,"cost":0.00123}}"#;
    let head = head("/api/v1/chat/completions", &[(":authority", "openrouter.ai")]);
    let answered = Answered { status: "200", body, ended: Ended::Complete };
    let cost = record("{}", &head, ASK, &answered).cost;
    assert_eq!((cost.status, cost.usd.unwrap().to_string().as_str()), (CostStatus::Reported, "0.00123"));
    assert_eq!(cost.lines[0].0, "reported");
    let own = record(r#"{"pricing":{"trust_reported_cost":[]}}"#, &head, ASK, &answered).cost;
    assert_eq!(own.reported_usd.unwrap().to_string(), "0.00123");
    assert_eq!(own.status, CostStatus::Priced);
}

#[test]
fn a_trusted_figure_counts_although_nobody_says_what_was_used() {
    let head = head("/api/v1/chat/completions", &[(":authority", "openrouter.ai")]);
    let body = br#"{"model":"openai/gpt-4o-mini","usage":{"cost":0.00123}}"#;
    let answered = Answered { status: "200", body, ended: Ended::Complete };
    let told = record("{}", &head, ASK, &answered);
    assert_eq!(
        (told.cost.status, told.cost.usd.unwrap().to_string().as_str()),
        (CostStatus::Reported, "0.00123")
    );
    assert_eq!((told.usage_source, told.cost.list_usd), (UsageSource::None, None));
    let own = record(r#"{"pricing":{"trust_reported_cost":[]}}"#, &head, ASK, &answered).cost;
    assert_eq!((own.status, own.usd), (CostStatus::NoUsage, None));
}

#[test]
fn a_call_is_free_only_if_all_models_that_had_a_part_in_it_are() {
    let head = head("/v1/messages", &[(":authority", "api.anthropic.com")]);
    let part = |model: &str| {
        format!(r#"{{"type":"message","model":"{model}","input_tokens":1000,"output_tokens":0}}"#)
    };
    let free = r#"{"pricing":{"overrides":[{"provider":"anthropic","model":"free-*","free":true}]}}"#;
    let (one, other, paid) = (part("free-1"), part("free-2"), part("claude-haiku-4-5"));
    for (iterations, status, usd) in [
        ([&one, &other], CostStatus::Free, "0"),
        ([&one, &paid], CostStatus::Priced, "0.001"),
        ([&paid, &one], CostStatus::Priced, "0.001"),
    ] {
        let body = format!(
            r#"{{"id":"m","model":"claude-haiku-4-5","stop_reason":"end_turn","usage":{{"input_tokens":2000,"output_tokens":0,"iterations":[{},{}]}}}}"#,
            iterations[0], iterations[1]
        );
        let answered = Answered { status: "200", body: body.as_bytes(), ended: Ended::Complete };
        let cost = record(free, &head, br#"{"model":"claude-haiku-4-5"}"#, &answered).cost;
        assert_eq!((cost.status, cost.usd.unwrap().to_string().as_str()), (status, usd), "{body}");
    }
}

#[test]
fn a_model_that_nobody_knows_is_recorded_refused_or_priced_as_another() {
    let body = br#"{"model":"nobody-knows","usage":{"prompt_tokens":1000,"completion_tokens":0}}"#;
    let answered = Answered { status: "200", body, ended: Ended::Complete };
    let ask = br#"{"model":"nobody-knows"}"#;
    let as_mini = record(
        r#"{"pricing":{"unknown_model":{"price_as":"gpt-4o-mini"}}}"#,
        &head(CHAT, &[]),
        ask,
        &answered,
    );
    assert_eq!(as_mini.cost.usd.unwrap().to_string(), "0.00015");
    let deny = r#"{"pricing":{"unknown_model":"deny"}}"#;
    for (request, refused) in [(&ask[..], true), (ASK, false)] {
        let length = request.len().to_string();
        let (mut exchange, _, step) = begin(deny, &head(CHAT, &[("content-length", &length)]));
        assert_eq!(step, Step::NeedBody);
        let step = exchange.held_body(request, End::Last).unwrap();
        assert_eq!(matches!(step, Step::Reply(LocalReply { status: 400, .. })), refused, "{step:?}");
    }
}

#[test]
fn time_is_measured_only_for_models_that_are_priced_by_it() {
    let config = r#"{"pricing":{"overrides":[{"provider":"openai","model":"gpt-4o-mini*","rates":{"seconds":"0.002","input":"0","output":"0"}}]}}"#;
    let told = |config: &str, answered: &Answered<'_>| {
        let record = record(config, &head(CHAT, &[]), ASK, answered);
        (record.cost.status, record.cost.usd.map(|usd| usd.to_string()), record.units)
    };
    // The call takes 1.25 seconds.
    let seconds = vec![("seconds".to_owned(), "1.25".to_owned())];
    let paid = (CostStatus::Priced, Some("0.0025".to_owned()), seconds);
    assert_eq!(told(config, &WELL), paid);
    let silent = Answered { status: "200", body: br#"{"model":"gpt-4o-mini"}"#, ended: Ended::Complete };
    assert_eq!(told(config, &silent), paid, "also where nobody reports tokens");
    let failed = Answered { status: "500", ..WELL };
    assert_eq!(told(config, &failed), (CostStatus::NotBilled, None, vec![]));
    assert_eq!(told("{}", &WELL).2, vec![]);
}

#[test]
fn what_the_cache_saved_is_recorded() {
    // 1000 tokens at 0.15 instead of 0.075 USD per million.
    let cost = record("{}", &head(CHAT, &[]), ASK, &WELL).cost;
    assert_eq!(cost.saved_by_cache_usd.unwrap().to_string(), "0.000075");
}

#[test]
fn a_stream_that_is_cut_says_what_was_seen() {
    let body = b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m1\",\"model\":\"claude-haiku-4-5\",\"usage\":{\"input_tokens\":40,\"output_tokens\":1}}}\n\n";
    let head = head("/v1/messages", &[(":authority", "api.anthropic.com")]);
    let (mut exchange, _, _) = begin("{}", &head);
    exchange.request_body(br#"{"model":"claude-haiku-4-5","stream":true}"#, End::Last);
    let pairs = [(":status", &b"200"[..]), ("content-type", b"text/event-stream")];
    exchange.response_head(&HeaderPairs::from_pairs(pairs));
    exchange.response_body(body, End::Open, || at(5));
    let record = exchange.settle(finished(9, Ended::Cut)).record;
    assert_eq!((record.usage_source, record.tokens.input), (UsageSource::Partial, Some(40)));
    assert_eq!(record.stream, Some(true));
}

#[test]
fn what_is_no_llm_call_is_ignored_and_what_cannot_be_metered_is_named() {
    let rules = rules("{}");
    let elsewhere = head("/index.html", &[(":authority", "example.org"), (":method", "GET")]);
    assert!(matches!(start(&rules, &elsewhere), Start::Ignore));
    match start(&rules, &head("/v1/nobody/knows", &[])) {
        Start::Unmetered(call) => {
            assert_eq!((call.host.as_str(), call.reason), ("api.openai.com", "unknown_path"))
        }
        _ => panic!("not seen as unmetered"),
    }
}

#[test]
fn what_cannot_be_metered_is_refused_where_the_configuration_says_so() {
    for (name, upstream, status, body) in [
        ("it goes by as a rule", r#""dialect":"anthropic""#, None, ""),
        (
            "in the upstream's dialect",
            r#""dialect":"anthropic","unmetered":"deny""#,
            Some(403),
            "permission_error",
        ),
        ("else as OpenAI would", r#""unmetered":"deny""#, Some(403), r#""code":"unmetered_call""#),
    ] {
        let rules = rules(&format!(r#"{{"upstreams":[{{"provider":"ours",{upstream}}}]}}"#));
        let Start::Unmetered(call) = start(&rules, &head("/v1/nobody/knows", &[])) else { panic!("{name}") };
        let said = call.refusal.as_ref().map(|reply| String::from_utf8_lossy(&reply.body).into_owned());
        assert_eq!(call.refusal.map(|reply| reply.status), status, "{name}");
        assert!(said.unwrap_or_default().contains(body), "{name}");
        assert!(matches!(start(&rules, &head("/v1/messages", &[])), Start::Begin(..)), "{name}");
    }
}

#[test]
fn a_shape_of_ones_own_is_read_by_pointers() {
    let config = r#"{"upstreams":[{"provider":"ours","dialect":"custom",
        "custom":{"model":"/engine","input_tokens":"/spent/in","output_tokens":"/spent/out"}}]}"#;
    let answered = Answered { body: br#"{"engine":"m-1","spent":{"in":12,"out":7}}"#, ..WELL };
    let record = record(config, &head("/any/path", &[]), br#"{"engine":"m-1"}"#, &answered);
    assert_eq!((record.provider.as_str(), record.request_model.as_deref()), ("ours", Some("m-1")));
    assert_eq!((record.tokens.input, record.tokens.output), (Some(12), Some(7)));
}

#[test]
fn a_shape_of_ones_own_is_refused_with_its_path() {
    for (upstream, message) in [
        (r#""dialect":"custom""#, "upstreams[0].custom: is needed under `dialect: custom`"),
        (r#""custom":{"input_tokens":"/in"}"#, "upstreams[0].custom: needs `dialect: custom`"),
        (
            r#""dialect":"custom","custom":{"model":"/m"}"#,
            "upstreams[0].custom: needs `input_tokens`, `output_tokens` or both",
        ),
        (
            r#""dialect":"custom","custom":{"input_tokens":"in"}"#,
            "upstreams[0].custom: `in` is no JSON pointer, expected one such as `/usage/input_tokens`",
        ),
    ] {
        let config = format!(r#"{{"upstreams":[{{"provider":"ours",{upstream}}}]}}"#);
        let said = Rules::compile(config.as_bytes()).map(|_| ()).unwrap_err().to_string();
        assert_eq!(said, message);
    }
}

#[test]
fn a_required_tag_that_is_missing_is_refused_or_reported() {
    let config = |required: &str| {
        format!(
            r#"{{"tags":{{"team":{{"from":[{{"header":"x-team"}}],"required":"{required}","allow":["search"]}}}}}}"#
        )
    };
    let (exchange, _, step) = begin(&config("deny"), &head(CHAT, &[("x-team", "other")]));
    assert!(matches!(step, Step::Reply(LocalReply { status: 400, .. })), "{step:?}");
    let record = exchange.settle(finished(1, Ended::Complete)).record;
    assert_eq!(
        (record.decision.action(), record.decision.rule.as_deref()),
        (Action::Deny, Some("tags.team"))
    );
    assert_eq!((record.cost.status, record.missing_tags), (CostStatus::NotSent, vec!["team".to_owned()]));
    let reported = self::record(&config("report"), &head(CHAT, &[]), ASK, &WELL);
    assert_eq!((reported.decision.action(), reported.missing_tags), (Action::Allow, vec!["team".to_owned()]));
    let tagged = self::record(&config("deny"), &head(CHAT, &[("x-team", "search")]), ASK, &WELL);
    assert_eq!(tagged.tags, [("team".to_owned(), "search".to_owned())]);
}

#[test]
fn headers_of_our_own_name_are_nobody_elses() {
    let (mut exchange, edits, _) = begin("{}", &head(CHAT, &[("x-tollgate-decision", "allow")]));
    assert!(edits.contains(&HeaderEdit::Remove("x-tollgate-decision".to_owned())));
    let pairs = [(":status", &b"200"[..]), ("x-tollgate-cost", b"0")];
    let edits = exchange.response_head(&HeaderPairs::from_pairs(pairs));
    assert_eq!(edits, [HeaderEdit::Remove("x-tollgate-cost".to_owned())]);
}

#[test]
fn the_announced_length_is_raised_only_where_the_body_may_grow() {
    let raised = |headers: &[(&str, &str)]| {
        let (_, edits, _) = begin("{}", &head(CHAT, headers));
        edits.iter().any(|edit| matches!(edit, HeaderEdit::Set("content-length", length) if length == "164"))
    };
    let length = ("content-length", "100");
    assert!(raised(&[length]));
    for (why, headers) in [
        ("of unknown length", vec![]),
        ("empty", vec![("content-length", "0")]),
        ("signed by AWS", vec![length, ("authorization", "AWS4-HMAC-SHA256 Credential=x")]),
        ("with a digest", vec![length, ("content-digest", "sha-256=:x:")]),
        ("compressed", vec![length, ("content-encoding", "gzip")]),
        ("of a path that has no streams", vec![length, (":path", "/v1/embeddings")]),
    ] {
        assert!(!raised(&headers), "{why}");
    }
}

#[test]
fn the_injected_usage_is_asked_for_read_and_taken_out_again() {
    let (mut exchange, edits, _) =
        begin("{}", &head(CHAT, &[("content-length", "40"), ("accept-encoding", "gzip, br")]));
    assert!(edits.contains(&HeaderEdit::Set("accept-encoding", "identity".to_owned())));
    let request = br#"{"model":"gpt-4o-mini","stream":true  }  "#;
    let sent = exchange.request_body(&request[..40], End::Last).of(&request[..40]).unwrap();
    assert_eq!(sent.len(), 40 + 64);
    let json: serde_json::Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(json["stream_options"]["include_usage"], true);
    let pairs = [(":status", &b"200"[..]), ("content-type", b"text/event-stream"), ("content-length", b"9")];
    let edits = exchange.response_head(&HeaderPairs::from_pairs(pairs));
    assert_eq!(edits, [HeaderEdit::Remove("content-length".to_owned())]);
    let said = b"data: {\"model\":\"gpt-4o-mini\",\"choices\":[{\"delta\":{\"content\":\"hi\"},\"finish_reason\":null}],\"usage\":null}\n\n";
    let usage = b"data: {\"model\":\"gpt-4o-mini\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\n";
    let done = b"data: [DONE]\n\n";
    let all = [&said[..], usage, done].concat();
    let seen = exchange.response_body(&all, End::Last, || at(1));
    assert_eq!(seen.as_deref(), Some(&[&said[..], done].concat()[..]));
    let record = exchange.settle(finished(2, Ended::Complete)).record;
    assert_eq!((record.tokens.input, record.tokens.output, record.stream), (Some(7), Some(2), Some(true)));
}

const QUOTAS: &str = r#"{
    "tags": {"team": {"from": [{"header": "x-team"}]}},
    "stores": {"far": {"cluster": "redis", "protocol": "webdis", "on_failure": "deny"}},
    "quotas": [
        {"name": "b", "limit": {"requests": 9}, "window": "day"},
        {"name": "a", "limit": {"usd": "1"}, "window": "day", "per": ["model"], "when": {"model": "gpt-*"}},
        {"name": "trial", "limit": {"requests": 1}, "window": "day", "mode": "shadow"},
        {"name": "far", "limit": {"tokens": 100}, "window": "day", "store": "far"}
    ]}"#;

fn granted(exchange: &Exchange) -> Result<Admission, StoreFailure> {
    let lease = |amount| Answer::Reserved {
        lease: Lease { expires_minute: 1, amount, shared: false },
        taken: Some(0),
    };
    let amounts = exchange.pending().unwrap().ops().into_iter().map(|op| match op.change {
        Change::Reserve { amount, .. } => lease(amount.of(None).unwrap()),
        _ => Answer::Settled,
    });
    Ok(Admission::Granted(amounts.collect()))
}

/// A held call whose body has named the model.
fn admitted() -> (Box<Exchange>, Step) {
    let (mut exchange, _, step) = begin(QUOTAS, &head(CHAT, &[("content-length", "37")]));
    assert_eq!(step, Step::NeedBody);
    assert_eq!(exchange.held_body(&ASK[..5], End::Open), None);
    let step = exchange.held_body(&ASK[5..], End::Last).unwrap();
    (exchange, step)
}

#[test]
fn quotas_are_asked_store_by_store_in_the_order_of_their_keys() {
    let (mut exchange, step) = admitted();
    assert_eq!(step, Step::Ask);
    let mut asked = Vec::new();
    let mut step = step;
    while step == Step::Ask {
        asked.push(
            exchange.pending().unwrap().ops().into_iter().map(|op| op.key.to_string()).collect::<Vec<_>>(),
        );
        let answer = granted(&exchange);
        step = exchange.resume(answer);
    }
    let key = |name: &str| format!("tg/1/default/quota/{name}/v");
    assert_eq!(asked, [vec![key("a") + "/gpt-4o-mini", key("b")], vec![key("far")], vec![key("trial")]]);
    assert_eq!(step, Step::Pass);
    let settled = finish(exchange, ASK, &WELL);
    let booked = settled.bookings.iter().flat_map(|(_, ops)| ops).map(|op| match op.change {
        Change::Settle { actual, .. } => actual,
        _ => panic!("not settled"),
    });
    assert_eq!(booked.collect::<Vec<_>>(), [285_000_000, 1, 1, 1500]);
}

#[test]
fn a_refusal_gives_back_what_other_stores_put_aside() {
    let (mut exchange, _) = admitted();
    let answer = granted(&exchange);
    assert_eq!(exchange.resume(answer), Step::Ask);
    let step = exchange.resume(Ok(refused(NOON + 30)));
    let Step::Reply(reply) = step else { panic!("{step:?}") };
    assert_eq!(reply.status, 429);
    assert!(reply.headers.contains(&("retry-after", "30".to_owned())));
    let settled = exchange.settle(finished(1, Ended::Complete));
    let returned = settled.bookings.iter().flat_map(|(_, ops)| ops);
    assert!(
        returned.clone().all(|op| matches!(op.change, Change::Settle { actual: 0, .. }))
            && returned.count() == 2
    );
    assert_eq!(settled.record.decision.rule.as_deref(), Some("far"));
}

#[test]
fn a_quota_on_trial_and_a_store_away_do_as_configured() {
    let (mut exchange, _) = admitted();
    for _ in 0..2 {
        let answer = granted(&exchange);
        assert_eq!(exchange.resume(answer), Step::Ask);
    }
    assert_eq!(exchange.resume(Ok(refused(0))), Step::Pass);
    assert_eq!(finish(exchange, ASK, &WELL).record.shadow, ["trial"]);
    let (mut exchange, _) = admitted();
    let answer = granted(&exchange);
    exchange.resume(answer);
    let step = exchange.resume(Err(StoreFailure));
    assert!(matches!(step, Step::Reply(LocalReply { status: 503, .. })), "{step:?}");
    let settled = exchange.settle(finished(1, Ended::Complete));
    // What a store may have put aside without being heard is given back by the call's id.
    assert_eq!(settled.bookings.iter().flat_map(|(_, ops)| ops).count(), 3);
    assert_eq!(settled.counts.errors, ["store"]);
}

#[test]
fn a_call_let_through_while_a_store_was_away_is_booked_later() {
    let config = QUOTAS.replace(r#""on_failure": "deny""#, r#""on_failure": "allow""#);
    let (mut exchange, _, _) =
        begin(&config.replace(r#", "per": ["model"], "when": {"model": "gpt-*"}"#, ""), &head(CHAT, &[]));
    while exchange.is_asking() {
        exchange.resume(Err(StoreFailure));
    }
    let settled = finish(exchange, ASK, &WELL);
    let booked = settled.bookings.iter().flat_map(|(_, ops)| ops).map(|op| op.change);
    let actual: Vec<_> = booked
        .filter_map(|c| if let Change::Settle { actual, .. } = c { Some(actual) } else { None })
        .collect();
    assert_eq!(actual, [285_000_000, 1, 1, 1500]);
}

#[test]
fn a_quota_on_trial_refuses_nothing_even_while_its_store_is_away() {
    let config = r#"{"stores":{"far":{"cluster":"c","protocol":"webdis","on_failure":"deny"}},
        "quotas":[{"name":"t","limit":{"requests":1},"window":"day","store":"far","mode":"shadow"}]}"#;
    let (mut exchange, _, step) = begin(config, &head(CHAT, &[]));
    assert_eq!((step, exchange.resume(Err(StoreFailure))), (Step::Ask, Step::Pass));
}

#[test]
fn the_last_of_two_models_is_the_one_that_rules_see() {
    let deny = r#"{"pricing":{"unknown_model":"deny"}}"#;
    let (mut exchange, _, _) = begin(deny, &head(CHAT, &[("content-length", "60")]));
    assert_eq!(exchange.held_body(br#"{"model":"gpt-4o-mini","#, End::Open), None);
    let step = exchange.held_body(br#""model":"nobody-knows"}"#, End::Last).unwrap();
    assert!(matches!(step, Step::Reply(LocalReply { status: 400, .. })), "{step:?}");
}

/// At noon half of the day's window is over, and 60 of 100 calls are taken with this one: the rest lasts another eight hours.
#[test]
fn a_warning_says_when_the_budget_will_be_empty() {
    let quota = r#"{"quotas":[{"name":"q","limit":{"requests":100},"window":"day","steps":[{"at":50,"do":"warn"}]}],
        "emit":{"response_headers":["decision"]}}"#;
    for (taken, expected) in [(59, Some("2026-11-20T20:00:00.000Z")), (49, None), (9, None)] {
        let (mut exchange, _, _) = begin(quota, &head(CHAT, &[]));
        let lease = Lease { expires_minute: 1, amount: 1, shared: false };
        let answer = Answer::Reserved { lease, taken: Some(taken) };
        exchange.resume(Ok(Admission::Granted(vec![answer])));
        let headers = exchange.response_head(&HeaderPairs::from_pairs([(":status", &b"200"[..])]));
        let says = |text: &str| headers.iter().any(|edit| format!("{edit:?}").contains(text));
        let record = exchange.settle(finished(1, Ended::Complete)).record;
        assert_eq!(record.decision.empty_at.map(|at| at.to_string()).as_deref(), expected, "{taken}");
        assert_eq!(says("it is empty on 2026-11-20T20:00:00.000Z"), expected.is_some(), "{taken}");
    }
}

#[test]
fn an_answer_of_the_proxy_is_not_known_to_be_free() {
    let (mut exchange, _, _) = begin("{}", &head(CHAT, &[]));
    exchange.request_body(ASK, End::Last);
    exchange.response_head(&HeaderPairs::from_pairs([(":status", &b"504"[..])]));
    let finish = Finish { answered_by: AnsweredBy::Proxy, ..finished(1, Ended::Complete) };
    assert_eq!(exchange.settle(finish).record.cost.status, CostStatus::NoUsage);
}

#[test]
fn what_never_reached_an_upstream_was_not_sent_and_gives_all_back() {
    let quota = r#"{"quotas":[{"name":"q","limit":{"requests":9},"window":"day"}]}"#;
    for status in [Some("403"), None] {
        let (mut exchange, _, _) = begin(quota, &head(CHAT, &[]));
        let answer = granted(&exchange);
        exchange.resume(answer);
        exchange.request_body(ASK, End::Last);
        if let Some(status) = status {
            exchange.response_head(&HeaderPairs::from_pairs([(":status", status.as_bytes())]));
            exchange.response_body(
                br#"{"usage":{"prompt_tokens":9,"completion_tokens":9}}"#,
                End::Last,
                || at(1),
            );
        }
        assert!(exchange.may_lack_an_answer());
        let finish = Finish { answered_by: AnsweredBy::Nobody, ..finished(1, Ended::Complete) };
        let settled = exchange.settle(finish);
        assert_eq!((settled.record.cost.status, settled.record.tokens.input), (CostStatus::NotSent, None));
        let changes: Vec<_> = settled.bookings.iter().flat_map(|(_, ops)| ops).map(|op| op.change).collect();
        assert!(matches!(changes[..], [Change::Settle { actual: 0, output: None, .. }]), "{changes:?}");
    }
}

#[test]
fn a_request_whose_body_cannot_be_held_goes_on_without_rules_about_it() {
    for (why, headers) in [
        ("unknown length", vec![]),
        ("too long", vec![("content-length", "1000001")]),
        ("compressed", vec![("content-length", "10"), ("content-encoding", "gzip")]),
    ] {
        let (exchange, _, step) = begin(QUOTAS, &head(CHAT, &headers));
        assert_eq!(step, Step::Ask, "{why}");
        assert!(exchange.pending().unwrap().ops().iter().all(|op| !op.key.contains("/a/")), "{why}");
    }
    let never = QUOTAS.replacen('{', r#"{"hold":"never","#, 1);
    assert_eq!(begin(&never, &head(CHAT, &[("content-length", "37")])).2, Step::Ask);
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let (mut exchange, _, _) = begin(QUOTAS, &head(CHAT, &[("content-length", "37")]));
    assert_eq!(exchange.give_up_waiting(), Step::Ask);
    while exchange.is_asking() {
        let answer = granted(&exchange);
        exchange.resume(answer);
    }
    let settled = exchange.settle(finished(1, Ended::Cut));
    assert_eq!(settled.counts.errors, ["limit"]);
}

proptest::proptest! {
    /// Whatever bytes and headers come, the call ends in a record that reads back.
    #[test]
    fn no_bytes_break_a_call(
        path in "[ -~]{0,40}",
        request in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        response in proptest::collection::vec(proptest::num::u8::ANY, 0..400),
        status in "[0-9]{0,4}",
        kind in proptest::sample::select(vec!["text/event-stream", "application/json", "x", ""]),
        known in proptest::bool::ANY,
    ) {
        let path = if known { CHAT } else { &path };
        let head = head(path, &[("x-team", "a"), ("content-length", "12")]);
        if let Start::Begin(mut exchange, _, mut step) = start(&rules(QUOTAS), &head) {
            if step == Step::NeedBody {
                step = exchange.held_body(&request, End::Last).unwrap_or_else(|| exchange.give_up_waiting());
            }
            while step == Step::Ask {
                let answer = granted(&exchange);
                step = exchange.resume(answer);
            }
            exchange.release_body(&request, End::Last);
            let pairs = [(":status", status.as_bytes()), ("content-type", kind.as_bytes())];
            exchange.response_head(&HeaderPairs::from_pairs(pairs));
            for chunk in response.chunks(7) {
                exchange.response_body(chunk, End::Open, || at(1));
            }
            let record = exchange.settle(finished(2, Ended::Cut)).record;
            let json = serde_json::from_str(&record.to_json()).unwrap();
            proptest::prop_assert!(Record::parse(&json).is_ok());
        }
    }
}
