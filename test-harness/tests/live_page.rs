//! The page of the live view in a real browser: it signs in, draws what was spent, in light and dark, and runs nothing that a tag brings.
//!
//! `ENVOY`, `TOLLGATE_WASM` and `CHROMIUM` are paths; `cargo xtask test` sets them. Screenshots stay in the target folder.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{call, envoy, given};
use tollgate_test_harness::client;
use tollgate_test_harness::envoy::Envoy;
use tollgate_test_harness::http::{Headers, Request};
use tollgate_test_harness::load::Load;

fn browse(chromium: &Path, url: &str, options: &[&str]) -> Vec<u8> {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(chromium)
        // The sandbox needs rights that a container rarely has; the only pages here are our own.
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--mute-audio"])
        .args(["--disable-dev-shm-usage", "--no-first-run", "--window-size=1100,900"])
        // Virtual time stands still while an answer is awaited, so that this does not depend on the machine.
        .args(["--virtual-time-budget=3000", "--timeout=60000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(options)
        .arg(url)
        .env("HOME", profile.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The text between tags, so that markup does not matter.
fn text(html: &str) -> String {
    let body = html.split("<main>").nth(1).unwrap_or(html).split("<script>").next().unwrap_or_default();
    let pieces = body.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    pieces.collect::<Vec<_>>().join("|")
}

/// Waits until every worker has brought its calls in, which takes a second.
fn wait_for_calls(envoy: &Envoy, calls: u64) {
    let request = Request {
        method: "GET".to_owned(),
        path: "/.tollgate/usage?by=team".to_owned(),
        headers: Headers::from_iter([("authorization", "Bearer secret")]),
        ..Request::default()
    };
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let usage: Value =
            serde_json::from_slice(&client::call(envoy.address(), &request).unwrap().body).unwrap();
        let of = |window: &str| usage[window]["total"]["calls"].as_u64().unwrap_or(0);
        if of("current") + of("previous") == calls {
            return;
        }
        assert!(Instant::now() < until, "{usage}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_page_signs_in_and_draws_what_was_spent() {
    let Some(chromium) = given("CHROMIUM") else { return };
    let digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"
    let plugin = json!({
        "tags": {"team": {"from": [{"header": "x-team"}]}, "feature": {"from": [{"header": "x-feature"}]}},
        "waste": {},
        "candidate": {"name": "next", "routes": [{"when": {"team": "search"}, "deny": "*"}]},
        "admin": {"token_sha256": digest},
    });
    let Some((envoy, _llm)) = envoy(&plugin) else { return };
    let teams =
        ["search", "search", "search", "support", "support", "ads", "<script>document.title='bad'</script>"];
    Load { to: vec![envoy.address()], connections: 4, calls: 210 }.run(|number| {
        let mut call =
            call(if number % 3 == 0 { "stream" } else { "" }, teams[number as usize % teams.len()]);
        call.headers.push(("x-feature", format!("feature-{}", number % 4)));
        call
    });
    wait_for_calls(&envoy, 210);

    let page = |token: &str, by: &str| {
        format!("http://{}/.tollgate/?token={token}#by={by}&window=hour", envoy.address())
    };
    let dom = String::from_utf8(browse(&chromium, &page("secret", "team"), &["--dump-dom"])).unwrap();
    let shown = text(&dom);
    // 90 calls of search at 3.3 micro-USD each.
    for expected in
        ["LLM spend", "$0.000693", "|search|", "$0.000297", "|90|", "&lt;script&gt;document.title", "As of "]
    {
        assert!(shown.contains(expected), "`{expected}` is not in\n{shown}");
    }
    assert!(dom.contains("<title>Tollgate: spend</title>"), "a tag's value ran as a script");
    assert!(!dom.contains("token=secret"), "the token stayed in the address");
    // All of them say the same; the first of each worker are told before any of them was over.
    for expected in ["Waste since", "|repeated|", "|a day, last hour|"] {
        assert!(shown.contains(expected), "`{expected}` is not in\n{shown}");
    }
    for expected in ["Candidate next since", "90 of 210 calls", "|allow|", "|deny (routes[0])|"] {
        assert!(shown.contains(expected), "`{expected}` is not in\n{shown}");
    }
    assert!(!dom.contains("id=\"waste\" hidden"), "the table of waste is hidden");
    for control in ["id=\"by\"", "id=\"also\"", "id=\"window\"", "id=\"pause\""] {
        assert!(dom.contains(control), "{control} is missing");
    }
    let refused = String::from_utf8(browse(&chromium, &page("wrong", "team"), &["--dump-dom"])).unwrap();
    assert!(refused.contains("not found") && !refused.contains("LLM spend"), "{refused}");
    check_screenshots(&chromium, &page("secret", "team"));
}

fn check_screenshots(chromium: &Path, url: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let shots =
        [("light", &[][..]), ("dark", &["--force-dark-mode"]), ("narrow", &["--window-size=500,900"])];
    let shots = shots.map(|(name, options)| {
        let file = folder.join(format!("live-view-{name}.png"));
        browse(chromium, url, &[options, &[&format!("--screenshot={}", file.display())]].concat());
        println!("see {}", file.display());
        fs::read(&file).unwrap()
    });
    let [light, dark, narrow] = &shots;
    assert!(light.len() > 10_000, "a blank page packs into {} bytes", light.len());
    assert!(light != dark && light != narrow, "the colours follow the system's");
}
