//! The page in a real browser: a person's steps in `page.py`, whose answers must be those of `tollgate`.
//!
//! `TOLLGATE_PAGE`, `CHROMIUM` and `TOLLGATE_PLAYWRIGHT` are paths; `cargo xtask test` sets them. Screenshots stay in the target folder.
//! `TOLLGATE_PAGE_BYTES` is the least size of the bigger log: 1000000000 shows how long a gigabyte takes.

mod programs;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use programs::{run, tollgate};

fn given(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    if path.is_none() {
        println!("not tested: {name} is not set; run `cargo xtask test`");
    }
    path
}

/// A log of at least so many bytes. Its lines are made once and come again with ids of their own.
fn write_log(path: &Path, bytes: usize) {
    let lines = tollgate(&["generate", "--lines", "8000", "--days", "40"]);
    let mut file = File::create(path).expect("the log can be made");
    let mut written = 0;
    for process in 0.. {
        let again =
            lines.replace("\"tollgate.id\":\"18d-", &format!("\"tollgate.id\":\"{:x}-", 0x18d + process));
        file.write_all(again.as_bytes()).expect("the log is written");
        written += again.len();
        if written >= bytes {
            break;
        }
    }
    file.write_all(b"{\"path\":\"/health\"}\nnot a record\n{\"torn").expect("the log is written");
}

/// What the page kept, and what the command line says to the same question.
fn check(folder: &Path, file: &str, args: &[&str]) {
    let kept = fs::read_to_string(folder.join(file)).expect("the page kept its answer");
    assert!(
        kept == tollgate(args),
        "{file}: the page says something else than {args:?}, see {}",
        folder.display()
    );
}

/// Prices that somebody offers.
const OFFER: &str = r#"{"provider": "openai", "models": [{"name": "gpt-4.1", "source": "an offer", "checked": "2026-11-21",
  "lists": [{"rates": {"input": "1.50", "cache_read": "0.40", "output": "6"}}]}]}"#;

#[test]
fn the_page_answers_as_the_command_line_does() {
    let (Some(page), Some(chromium), Some(playwright)) =
        (given("TOLLGATE_PAGE"), given("CHROMIUM"), given("TOLLGATE_PLAYWRIGHT"))
    else {
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    fs::create_dir_all(&folder).expect("there is a folder");
    let (log, big) = (folder.join("access.log"), folder.join("big.log"));
    write_log(&log, 1);
    let bytes =
        std::env::var("TOLLGATE_PAGE_BYTES").ok().map(|text| text.parse().expect("a number of bytes"));
    write_log(&big, bytes.unwrap_or(60_000_000));
    let offer = folder.join("offer.json");
    fs::write(&offer, OFFER).expect("the price file is written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page.py");
    let mut person = Command::new("python3");
    person
        .arg(script)
        .args([&page, &log, &big, &folder])
        .env("CHROMIUM", chromium)
        .env("PYTHONPATH", playwright);
    print!("{}", run(&mut person));
    let (log, big) = (log.to_string_lossy(), big.to_string_lossy());
    let json = ["--quiet", "--format", "json"];
    check(&folder, "report.json", &[&["report", &log], &json[..]].concat());
    check(&folder, "report.html", &["report", &log, "--quiet", "--format", "html"]);
    check(&folder, "team.csv", &["report", &log, "--quiet", "--format", "csv", "--sheet", "team"]);
    check(&folder, "big.json", &[&["report", &big], &json[..]].concat());
    let choice =
        ["--by", "team,month", "--where", "status!=not_sent", "--where", "provider=openai,anthropic"];
    check(
        &folder,
        "by.json",
        &[&["report", &log, "--zone", "America/New_York"], &choice[..], &json].concat(),
    );
    let whatif = ["whatif", &log, "--volume", "team=search:2", "--model", "gpt-4.1=gpt-4.1-mini"];
    check(&folder, "whatif.json", &[&whatif[..], &json].concat());
    let own = ["--model", "gpt-4.1-mini=local/llama", "--rate", "local/llama input=0.10 output=0.20"];
    let offer = offer.to_string_lossy();
    check(&folder, "own.json", &[&["whatif", &log, "--prices", &offer], &own[..], &json].concat());
    let compare = ["compare", &log, "--a", "team=search", "--b", "team=support"];
    check(&folder, "compare.json", &[&compare[..], &json].concat());
    check(&folder, "forecast.json", &[&["forecast", &log, "--days", "14"], &json[..]].concat());
    fs::remove_file(&*big).expect("the big log is removed");
}
