use super::*;

const HOUR_MS: u64 = 3_600_000;

fn source() -> FeedSource {
    FeedSource {
        kind: FeedKind::Prices,
        cluster: "prices".to_owned(),
        host: "prices.corp".to_owned(),
        path: "/prices.json".to_owned(),
        every_ms: HOUR_MS,
        timeout_ms: 5_000,
    }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_nanos(i64::try_from(ms * 1_000_000).unwrap_or(i64::MAX))
}

fn file(usd: &str) -> Vec<u8> {
    format!(r#"{{"provider":"p","models":[{{"name":"m","source":"s","checked":"2026-11-21","lists":[{{"rates":{{"input":"{usd}"}}}}]}}]}}"#).into_bytes()
}

/// Asks at `ms` and answers at once; `None` where it was not time to ask.
fn round(feed: &mut Feed, ms: u64, answer: (Option<u16>, Option<&str>, &[u8])) -> Option<String> {
    let mut asked = None;
    let mut send = |_: &FeedSource, headers: &[(&str, &str)]| {
        asked =
            Some(headers.iter().find(|(name, _)| *name == "if-none-match").map_or("", |(_, v)| v).to_owned());
        Some(7)
    };
    assert!(feed.ask(at(ms), &mut send).is_none());
    let etag = asked?;
    assert!(feed.waits_for(7) && !feed.waits_for(8));
    let (status, new_etag, body) = answer;
    let told = match feed.answered(status, new_etag, body.len(), || body.to_vec(), |_| Ok(()), at(ms)) {
        Arrival::Same => "same".to_owned(),
        Arrival::Fresh(Brought::Prices(prices)) => format!("fresh {}", prices.len()),
        Arrival::Fresh(Brought::Policy(policy)) => format!("policy {}", policy.version()),
        Arrival::Useless(why, streak) => format!("{streak:?}: {why}"),
    };
    Some(format!("{etag}|{told}"))
}

#[test]
fn a_file_is_asked_for_again_and_again_and_taken_when_it_changes() {
    let mut feed = Feed::new(source());
    let (one, two) = (file("1"), file("2"));
    let ok = (Some(200), Some("\"v1\""), &one[..]);
    assert_eq!(round(&mut feed, 1000, ok).as_deref(), Some("|fresh 1"));
    assert_eq!(round(&mut feed, 1000 + HOUR_MS * 9 / 10 - 1, ok), None, "not before nine tenths of the time");
    assert_eq!(round(&mut feed, 1000 + HOUR_MS, (Some(304), None, b"")).as_deref(), Some("\"v1\"|same"));
    assert_eq!(round(&mut feed, 1000 + 2 * HOUR_MS, ok).as_deref(), Some("\"v1\"|same"));
    let unnamed = (Some(200), None, &two[..]);
    assert_eq!(round(&mut feed, 1000 + 3 * HOUR_MS, unnamed).as_deref(), Some("\"v1\"|fresh 1"));
    assert_eq!(
        round(&mut feed, 1000 + 4 * HOUR_MS, unnamed).as_deref(),
        Some("|same"),
        "the old etag is not kept"
    );
}

#[test]
fn what_is_of_no_use_leaves_the_prices_and_is_tried_again_sooner() {
    let mut feed = Feed::new(source());
    let good = file("1");
    for (name, ms, answer, told) in [
        ("a first 304 means nothing", 0, (Some(304), None, &b""[..]), Some("|First: HTTP status 304")),
        ("not before five seconds", 4_999, (Some(200), None, &good[..]), None),
        ("an error", 5_000, (Some(500), None, &good[..]), Some("|Again: HTTP status 500")),
        ("not before ten more", 14_999, (Some(200), None, &good[..]), None),
        ("a good one", 15_000, (Some(200), Some("e"), &good[..]), Some("|fresh 1")),
        (
            "a broken one",
            15_000 + HOUR_MS,
            (Some(200), None, b"{"),
            Some("e|First: not valid JSON: EOF while parsing an object at line 1 column 1"),
        ),
        ("none in time", 20_000 + HOUR_MS, (None, None, b""), Some("e|Again: no answer came")),
        ("the same as before", 30_000 + HOUR_MS, (Some(304), None, b""), Some("e|same")),
        (
            "trouble is news again",
            30_000 + 2 * HOUR_MS,
            (Some(404), None, b""),
            Some("e|First: HTTP status 404"),
        ),
    ] {
        assert_eq!(round(&mut feed, ms, answer).as_deref(), told, "{name}");
    }
    assert!(matches!(feed.brought(), Some(Brought::Prices(prices)) if prices.len() == 1));
}

#[test]
fn a_body_that_is_too_long_is_not_even_read() {
    let mut feed = Feed::new(source());
    feed.ask(at(0), |_, _| Some(1));
    let read = || -> Vec<u8> { panic!("it was read") };
    let told = feed.answered(Some(200), None, MAX_CATALOGUE_BYTES + 1, read, |_| Ok(()), at(0));
    assert!(matches!(told, Arrival::Useless(why, Streak::First) if why.contains("bytes are more than")));
}

#[test]
fn a_request_that_cannot_be_sent_or_is_lost_is_made_again() {
    let mut feed = Feed::new(source());
    let told = feed.ask(at(0), |_, _| None);
    assert!(matches!(told, Some(Arrival::Useless(why, _)) if why == "cannot call cluster `prices`"));
    assert!(feed.ask(at(5_000), |_, _| Some(1)).is_none());
    assert!(feed.ask(at(10_999), |_, _| panic!("one is under way")).is_none());
    assert!(
        matches!(feed.ask(at(11_000), |_, _| Some(2)), Some(Arrival::Useless(why, Streak::Again)) if why == "no answer came")
    );
    assert!(!feed.waits_for(1));
    assert!(feed.ask(at(21_000), |_, _| Some(2)).is_none() && feed.waits_for(2));
}

#[test]
fn another_configuration_of_the_same_file_keeps_its_prices() {
    let mut feed = Feed::new(source());
    round(&mut feed, 0, (Some(200), None, &file("1")));
    assert!(!feed.follow(&FeedSource { path: "/other.json".to_owned(), ..source() }));
    assert!(feed.follow(&FeedSource { every_ms: 1_000, ..source() }) && feed.brought().is_some());
    assert_eq!(
        round(&mut feed, 1, (Some(500), None, b"")).as_deref(),
        Some("|First: HTTP status 500"),
        "at once"
    );
}

/// What does not fit is of no use, and what held before goes on; it is read anew once the configuration may have changed.
#[test]
fn a_policy_is_taken_where_it_fits() {
    let policy = |text: &str| {
        let mut feed = Feed::new(FeedSource { kind: FeedKind::Policy, ..source() });
        let mut told = Vec::new();
        for (ms, fits) in [(0, false), (FIRST_PAUSE_MS, true), (3 * HOUR_MS, true)] {
            assert!(feed.ask(at(ms), |_, _| Some(7)).is_none());
            let apply =
                |_: &Brought| if fits { Ok(()) } else { Err(ConfigError::new("quotas[0].per[0]", "no")) };
            told.push(
                match feed.answered(Some(200), None, text.len(), || text.as_bytes().to_vec(), apply, at(ms)) {
                    Arrival::Same => "same".to_owned(),
                    Arrival::Fresh(_) => "fresh".to_owned(),
                    Arrival::Useless(why, _) => why,
                },
            );
            assert_eq!(feed.brought().is_some(), fits && told.iter().any(|told| told == "fresh"));
        }
        feed.forget();
        assert!(feed.brought().is_none() && feed.ask(at(0), |_, _| Some(8)).is_none() && feed.waits_for(8));
        told
    };
    assert_eq!(policy(r#"{"quotas":[]}"#), ["quotas[0].per[0]: no", "fresh", "same"]);
    let refused = "quota: unknown field `quota`, expected one of `quotas`, `routes`, `limits`, `candidate`";
    assert_eq!(policy(r#"{"quota":[]}"#), [refused, refused, refused]);
}
