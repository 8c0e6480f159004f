//! Whatever may stand in logs is read, or told: never dropped silently, and never counted twice.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tollgate-odd-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for the test");
        Self(folder)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).expect("the log is written");
    }

    fn tollgate(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(args)
            .current_dir(&self.0)
            .output()
            .expect("tollgate starts")
    }

    /// What `report` prints as CSV, and what it tells of the logs.
    fn report(&self, logs: &[&str], more: &[&str]) -> (String, String) {
        let csv = ["--by", "team", "--format", "csv"];
        let output = self.tollgate(&[&["report"], logs, &csv[..], more].concat());
        let text = |bytes| String::from_utf8(bytes).expect("it prints text");
        let (rows, told) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{told}");
        // Teams, calls and cost: the columns behind them are of no interest here.
        let first = |row: &str| row.splitn(4, ',').take(3).collect::<Vec<_>>().join(",");
        (rows.lines().skip(1).map(first).collect::<Vec<_>>().join(" "), told)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

/// A call of a cent.
fn call(id: &str, time: &str, more: &str) -> String {
    format!(
        r#"{{"tollgate.schema":1,"tollgate.id":"{id}","tollgate.time":"2026-11-20T{time}Z","gen_ai.operation.name":"chat","gen_ai.provider.name":"openai","gen_ai.request.model":"gpt-4.1","tollgate.cost.status":"priced","tollgate.cost.usd":"0.01","tollgate.tags":{{"team":"ads"}}{more}}}"#
    )
}

fn check(name: &str, log: &str, rows: &str, told: &[&str]) {
    let folder = Folder::new(&name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    folder.put("a.log", log);
    let (got, said) = folder.report(&["a.log"], &[]);
    assert_eq!(got, rows, "{name}: {said}");
    for line in told {
        assert!(said.contains(line), "{name}: `{line}` is not in\n{said}");
    }
}

#[test]
fn what_stands_in_a_log_is_read_or_told() {
    let one = call("a-1-1", "12:00:00", "");
    let two = call("a-1-2", "12:00:01", "");
    check("a torn last line", &format!("{one}\n{}", &two[..200]), "ads,1,0.01", &["1 torn at a file's end"]);
    check(
        "a torn line in the middle",
        &format!("{}\n{one}\n", &two[..200]),
        "ads,1,0.01",
        &["1 unreadable", "first a.log:1"],
    );
    check("the same id twice", &format!("{one}\n{two}\n{one}\n"), "ads,2,0.02", &["a.log:3"]);
    check(
        "a clock that ran back",
        &format!("{two}\n{}\n", call("a-1-3", "09:00:00", "")),
        "ads,2,0.02",
        &["2026-11-20T12:00:01.000Z to 2026-11-20T09:00:00.000Z at a.log:2"],
    );
    check(
        "a key of a later version",
        &call("a-1-1", "12:00:00", r#","tollgate.of_tomorrow":1"#),
        "ads,1,0.01",
        &["tollgate.of_tomorrow"],
    );
    check(
        "a schema of a later version",
        &format!("{one}\n{}\n", two.replace(r#""tollgate.schema":1"#, r#""tollgate.schema":2"#)),
        "ads,1,0.01",
        &["schema `2` is newer than `1`"],
    );
    check(
        "the oldest records, with what is required and no more",
        &one.replace(r#""gen_ai.operation.name":"chat","#, ""),
        "ads,1,0.01",
        &["1 calls, 0 lines without a record, 0 unreadable"],
    );
    check(
        "mixed formats",
        &format!(
            "{one}\n{{\"path\":\"/\",\"tollgate\":{{\"value\":{two}}}}}\n[2026-11-20] done {}\n{{\"path\":\"/health\"}}\nhello\n",
            call("a-1-3", "12:00:02", "")
        ),
        "ads,3,0.03",
        &["3 calls, 2 lines without a record, 0 unreadable"],
    );
}

#[test]
fn a_line_of_50_mb_is_read_and_one_of_70_mb_is_told() {
    let long = |id: &str, megabytes: usize| {
        let note = "x".repeat(megabytes << 20);
        format!(r#"{{"note":"{note}","tollgate":{}}}"#, call(id, "12:00:00", ""))
    };
    let log = format!("{}\n{}\n{}\n", long("a-1-1", 50), long("a-1-2", 70), call("a-1-3", "12:00:01", ""));
    check("long lines", &log, "ads,2,0.02", &["2 calls", "longer than 67108864 bytes; first a.log:2"]);
}

#[test]
fn files_that_overlap_count_once() {
    let folder = Folder::new("overlap");
    let [one, two, three] =
        ["1", "2", "3"].map(|number| call(&format!("a-1-{number}"), "12:00:00", "") + "\n");
    folder.put("a.log", &format!("{one}{two}"));
    folder.put("b.log", &format!("{two}{three}"));
    let (rows, told) = folder.report(&["*.log"], &[]);
    assert!(rows == "ads,3,0.03" && told.contains("b.log:1"), "{rows} {told}");
}

#[test]
fn somebody_who_mistypes_is_told_what_there_is() {
    let folder = Folder::new("mistyped");
    folder.put("a.log", &call("a-1-1", "12:00:00", ""));
    let said = |args: &[&str]| {
        let output = folder.tollgate(args);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let team = said(&["report", "a.log", "--where", "team=adds"]);
    assert!(team.contains("none of the 1 calls from 2026-11-20 to 2026-11-20 (UTC) is meant"), "{team}");
    assert!(team.contains("`team` is one of ads there"), "{team}");
    for args in [["--where", "teem=ads"], ["--by", "teem"]] {
        let tag = said(&[&["report", "a.log"], &args[..]].concat());
        assert!(tag.contains("no call carries the tag `teem`; tags here are `team`"), "{tag}");
    }
    let month = said(&["report", "a.log", "--month", "2026-09"]);
    assert!(month.contains("none of the 1 calls from 2026-11-20"), "{month}");
    let sheet = said(&["report", "a.log", "--output", "ads.xlsx"]);
    assert!(sheet.contains("`ads.xlsx`: name it .csv (spreadsheets open that)"), "{sheet}");
    assert!(!folder.0.join("ads.xlsx").exists());
}

#[test]
fn a_file_that_is_written_is_named_and_so_is_what_is_not_in_it() {
    let folder = Folder::new("written");
    folder.put("a.log", &call("a-1-1", "12:00:00", ""));
    let told = |args: &[&str]| String::from_utf8_lossy(&folder.tollgate(args).stderr).into_owned();
    let all = told(&["report", "a.log", "--output", "a.csv"]);
    assert!(
        all.contains("wrote `a.csv`, with the table `model`; `--sheet` names another one: `team`"),
        "{all}"
    );
    let one = told(&["report", "a.log", "--output", "a.csv", "--sheet", "team"]);
    assert!(one.ends_with("wrote `a.csv`\n"), "{one}");
    assert_eq!(told(&["report", "a.log", "--output", "a.json", "--quiet"]), "");
}
