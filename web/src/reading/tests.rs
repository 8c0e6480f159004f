use super::*;
use std::io::Cursor;

fn record(id: &str, team: &str, usd: &str) -> String {
    format!(
        r#"{{"tollgate.schema":1,"tollgate.id":"{id}","tollgate.time":"2026-11-20T12:00:00Z","gen_ai.provider.name":"openai","gen_ai.request.model":"gpt-4.1","gen_ai.usage.input_tokens":1000,"tollgate.cost.status":"priced","tollgate.cost.usd":"{usd}","tollgate.cost.list_usd":"{usd}","tollgate.tags":{{"team":"{team}"}}}}"#
    )
}

fn ask(question: &str, files: &[(&str, String)]) -> Result<Answer, String> {
    let mut reading = Reading::new(&Question::parse(question)?)?;
    for (name, text) in files {
        reading.add((*name).to_owned(), Cursor::new(text.clone().into_bytes()));
    }
    while reading.step()? {}
    Ok(reading.finish())
}

fn two_files() -> [(&'static str, String); 2] {
    let first = format!("{}\n{}\n", record("a-1-1", "search", "0.002"), record("a-1-2", "ads", "0.001"));
    let second =
        format!("{}\n{}\n{{\"torn", record("a-1-2", "ads", "0.001"), record("a-1-3", "search", "0.004"));
    [("one.log", first), ("two.log", second)]
}

#[test]
fn files_are_read_one_behind_the_other_and_no_call_counts_twice() {
    let answer = ask(r#"{"by":"team"}"#, &two_files()).unwrap();
    let csv = answer.spelled("csv", "by").unwrap();
    let rows: Vec<_> = csv.lines().skip(1).collect();
    assert_eq!(rows, ["search,2,0.006,85.7,0.003,2000,0.0,0,0,0", "ads,1,0.001,14.3,0.001,1000,0.0,0,0,0"]);
    assert!(answer.is_partial, "a line is torn");
    assert!(
        answer.read.iter().any(|line| line.contains("two.log:1")),
        "the double is told: {:?}",
        answer.read
    );
    assert_eq!(answer.names.pairs(), ["model=gpt-4.1", "provider=openai", "team=ads", "team=search"]);
}

#[test]
fn every_kind_of_question_has_an_answer() {
    for (question, expected) in [
        (r#"{"kind":"report"}"#, "0.007 USD for 3 calls"),
        (r#"{"kind":"report","choose":["team=ads"]}"#, "0.001 USD for 1 calls"),
        (r#"{"kind":"whatif","volume":["team=search:2"]}"#, "0.007 USD become 0.013 USD"),
        (r#"{"kind":"whatif","models":["gpt-4.1=gpt-4.1-mini"]}"#, "0.007 USD become 0.0012 USD"),
        (r#"{"kind":"compare","a":["team=search"],"b":["team=ads"]}"#, "team=search"),
        (r#"{"kind":"forecast"}"#, ""),
        (r#"{"kind":"verify"}"#, "0 lines missing, 1 too many"),
        (
            r#"{"zone":{"name":"Asia/Tokyo","first":32400,"changes":[]}}"#,
            "2026-11-20 to 2026-11-20 (Asia/Tokyo)",
        ),
    ] {
        let answer = ask(question, &two_files()).unwrap();
        let shown = answer.shown();
        assert!(shown.contains(expected), "{question}: `{expected}` is not in {shown}");
        assert!(!answer.document.title.is_empty(), "{question}");
    }
}

#[test]
fn a_field_that_cannot_be_understood_is_named_as_on_the_page() {
    for (question, expected) in [
        (r#"{"from":"soon"}"#, "From: `soon` is no date"),
        (r#"{"from":"2026-02","to":"2026-01"}"#, "From: is not before To"),
        (r#"{"choose":["team"]}"#, "Only calls with: `team` is no filter"),
        (r#"{"by":"team,,"}"#, "By: a name is empty"),
        (r#"{"kind":"whatif"}"#, "Nothing changes"),
        (r#"{"kind":"whatif","volume":["2x"]}"#, "Calls: `2x`"),
        (r#"{"kind":"compare","a":["x=1"]}"#, "Say what is before"),
        (r#"{"kind":"forecast","days":"1000"}"#, "Days ahead: `1000` is not between 1 and 366"),
        (r#"{"kind":"forecast","budget":"x"}"#, "Budget: "),
        (r#"{"kind":"sums"}"#, "unknown variant `sums`"),
        (r#"{"kinds":""}"#, "unknown field `kinds`"),
    ] {
        let why = ask(question, &[]).map(|answer| answer.shown()).unwrap_err();
        assert!(why.starts_with(expected), "{question}: {why}");
    }
}

#[test]
fn a_packed_file_that_is_cut_is_told() {
    let mut cut = vec![0x1f, 0x8b];
    cut.extend([8, 0, 0, 0, 0, 0, 0, 3]);
    let mut reading = Reading::new(&Question::default()).unwrap();
    reading.add("a.gz".to_owned(), Cursor::new(cut));
    while reading.step().unwrap() {}
    let answer = reading.finish();
    assert!(answer.is_partial && answer.read.iter().any(|line| line.starts_with("a.gz ends in the middle")));
}
