//! Runs recorded exchanges through the room and compares the counts with an independent reading.
//!
//! The recordings are no part of the project: where the folder is absent, the test says so and passes.
//! `TOLLGATE_FIXTURES` names another folder.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::encodings::{CODINGS, encode};
use support::{Asked, Case, Exception, cuts};
use tollgate_wire::Reported;

/// Cuts are tried for this long at most. An unoptimised build does not get through all of them.
const MOST_TIME: Duration = Duration::from_secs(75);

/// The cuts of one stream are spread over this many rounds, so that all streams get a share of the time.
const ROUNDS: usize = 256;

/// Where the recorded expectation is not what the contract asks for, and why.
const EXCEPTIONS: &[Exception] = &[
    Exception { case: "0151", field: "input", count: Some(39), reason: BATCH },
    Exception { case: "0151", field: "output", count: Some(9), reason: BATCH },
    Exception {
        case: "0872",
        field: "output",
        count: Some(25),
        reason: "the live API's report says `responseTokenCount`, and the total includes it",
    },
    Exception { case: "0872", field: "output_audio", count: Some(25), reason: "as its output" },
    Exception {
        case: "1059",
        field: "input",
        count: Some(380),
        reason: "Mistral counts audio outside `prompt_tokens`; the contract makes it input",
    },
    Exception { case: "1154", field: "input", count: Some(69), reason: OLLAMA },
    Exception { case: "1154", field: "output", count: Some(76), reason: OLLAMA },
    Exception { case: "1160", field: "input", count: Some(18), reason: OLLAMA },
    Exception { case: "1160", field: "output", count: Some(64), reason: OLLAMA },
    Exception { case: "1204", field: "input", count: Some(17), reason: OLLAMA },
    Exception { case: "1204", field: "output", count: Some(5), reason: OLLAMA },
    Exception {
        case: "1846",
        field: "input",
        count: Some(10),
        reason: "the prediction reports `statistics.token_count`, which the reading does not look for",
    },
];

const BATCH: &str = "results of a batch are metered when they are fetched; the reading does not look at them";
const OLLAMA: &str = "the last line has `prompt_eval_count` and `eval_count`, which the reading overlooks";

#[test]
fn recorded_exchanges_give_the_expected_counts() {
    let Some(cases) = recorded() else {
        println!("conformance: no recorded exchanges here, nothing was compared");
        return;
    };
    let (mut tally, mut wrong, mut streams) = (BTreeMap::new(), Vec::new(), Vec::new());
    for case in &cases {
        let row: &mut (usize, usize) = tally.entry(case.row()).or_default();
        let problems = match case.ask() {
            Some(asked) => {
                let whole = asked.answer(&[]);
                let mut problems = case.differences(&whole, EXCEPTIONS);
                problems.extend(encoded(&asked, &whole));
                streams.extend(case.is_streamed().then_some((asked, whole)));
                problems
            }
            None if case.expects_usage() => vec!["is not read".to_owned()],
            None => Vec::new(),
        };
        *row = (row.0 + usize::from(problems.is_empty()), row.1 + 1);
        wrong.extend(problems.into_iter().map(|problem| format!("{}: {problem}", case.name())));
    }
    for ((provider, endpoint, streaming), (right, all)) in &tally {
        println!("{provider:24} {endpoint:20} {streaming:16} {right:4} / {all}");
    }
    let (right, all) = tally.values().fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
    println!("conformance: {right} / {all} cases, {} expectations set aside", EXCEPTIONS.len());
    for Exception { case, field, count, reason } in EXCEPTIONS {
        println!("set aside: {case} {field} is {count:?}: {reason}");
    }
    replay(&streams, &mut wrong);
    wrong.iter().for_each(|problem| println!("wrong: {problem}"));
    assert!(wrong.is_empty(), "{} wrong", wrong.len());
}

/// In which encodings the report is another one.
fn encoded(asked: &Asked<'_>, whole: &Reported) -> Vec<String> {
    let mut wrong = Vec::new();
    for coding in CODINGS {
        let body = encode(coding, &asked.case.body);
        let cuts: Vec<usize> = (1..body.len()).step_by(1000).collect();
        for cuts in [&[][..], &cuts] {
            let again = asked.encoded_answer(Some(coding), &body, cuts);
            if again != *whole {
                wrong.push(format!("under {coding} it is {again:?} in place of {whole:?}"));
            }
        }
    }
    wrong
}

/// Replays each stream in its cuts: the report must not change.
fn replay(streams: &[(Asked<'_>, Reported)], wrong: &mut Vec<String>) {
    let started = Instant::now();
    let plans: Vec<_> = streams.iter().map(|(asked, _)| cuts(&asked.case.body, asked.case.seed())).collect();
    let (mut done, all) = (0, plans.iter().map(Vec::len).sum::<usize>());
    for round in 0..ROUNDS {
        for ((asked, whole), plan) in streams.iter().zip(&plans) {
            for cut in plan.iter().skip(round).step_by(ROUNDS) {
                if started.elapsed() > MOST_TIME {
                    println!("conformance: {done} / {all} replays of cut streams, then time was up");
                    return;
                }
                done += 1;
                let again = asked.answer(cut);
                if again != *whole {
                    wrong.push(format!("{}: cut at {cut:?} it is {again:?}", asked.case.name()));
                }
            }
        }
    }
    println!("conformance: {done} / {all} replays of cut streams in {:.1?}", started.elapsed());
}

/// The recorded cases in order, if there are any.
fn recorded() -> Option<Vec<Case>> {
    let folder = std::env::var_os("TOLLGATE_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/cases"),
        PathBuf::from,
    );
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "json"));
    files.sort();
    Some(files.iter().map(|file| Case::load(file)).collect()).filter(|cases: &Vec<Case>| !cases.is_empty())
}
