//! Holds `docs/coverage.md` against the tables. `UPDATE_GOLDENS=1` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::call::{Operation, Reason};
use crate::dialect::UsageOption;
use crate::providers::{Habit, PROVIDERS, Provider};
use crate::routes::{self, Route};

const INTRO: &str = "# What is metered

Made from the tables of the `wire` room by its test; `UPDATE_GOLDENS=1 cargo test -p tollgate-wire coverage` writes it anew.
**Metered** is what the provider reports and Tollgate reads. **Not** is what nobody tells, or what is not read: a call whose
answer reports nothing has `tollgate.usage.source: none`, never zero. **Estimated** says what is told where a stream is cut
before its final report: `partial` is the provider's own running count. Where that is nothing, Tollgate can count the texts that
it saw (`estimate`): [estimates.md](estimates.md) says how, and how far off that is.
`…` stands for any beginning of a path. Bodies are read plain, and through gzip, deflate, br and zstd.
";

/// What a route's calls report, what a cut stream of it leaves, and what nobody tells.
fn told(route: &Route) -> [&'static str; 3] {
    if (route.dialect.name, route.operation) == ("messages", Operation::TextCompletion) {
        return ["usage, where reported", "nothing", "answers of the older API that report none"];
    }
    if route.operation == Operation::BackgroundResults {
        return [
            "what a background response reports, by whoever fetches it first",
            "nothing: a fetch that is cut does not count",
            "responses that are not made in the background: they were counted when they were made",
        ];
    }
    match route.dialect.name {
        "chat" => [
            "input, cache reads and writes, output, reasoning, audio, images; tier, reported cost",
            "`partial` where usage stands in every chunk, else nothing",
            "streams without usage, where asking for it is not known to be allowed",
        ],
        "native" => [
            "input, cache reads, output, reasoning",
            "`partial` where usage stands in every chunk, else nothing",
            "-",
        ],
        "plain" => {
            ["input (embeddings, rerank), where reported", "nothing", "moderations, which report nothing"]
        }
        "responses" => [
            "input, cache reads and writes, output, reasoning; web search, file search, code interpreter, pictures that a tool made; tier",
            "nothing: usage comes with the last event",
            "background responses that nobody fetches",
        ],
        "conversations" => [
            "input with what connectors read, output; web search, file search, code interpreter",
            "nothing: usage comes with the last event",
            "pictures that a connector made; which of several agents' models took what",
        ],
        "images" => ["input and output by text and image tokens, pictures, size, quality", "nothing", "-"],
        "speech" => ["characters of the request", "nothing", "tokens of models billed by them"],
        "transcription" => {
            ["tokens or seconds, where reported", "nothing", "answers as plain text or subtitles"]
        }
        "batch_file" | "batch_messages" => [
            "the sum over all lines, by model, at the batch tier; a second download does not count",
            "nothing: a download that is cut does not count",
            "batches whose results are never fetched",
        ],
        "ocr" => ["pages", "nothing", "-"],
        "messages" => [
            "input, cache reads, cache writes by 5 minutes and 1 hour, output, reasoning; web search; tier, region, speed; iterations by model",
            "`partial`: input and the first output count",
            "-",
        ],
        "gemini" => [
            "input with tool prompts, cached input, output with thoughts, audio, images, video; searches, as the model's generation bills them, and maps; tier",
            "`partial`: the counts of the last chunk",
            "-",
        ],
        "interactions" => ["input with tool use, cached input, output with thoughts", "nothing", "-"],
        "predict" => ["input of embeddings, pictures", "nothing", "video"],
        "converse" => [
            "input, cache reads and writes, output; tier, latency",
            "nothing: usage comes with the last frame",
            "reasoning is inside the output, not itemised",
        ],
        "invoke" => [
            "the vendor's report, else AWS's counts in headers or in the last frame; pictures",
            "`partial` for Anthropic's models, else nothing",
            "-",
        ],
        "cohere" => ["billed units: input, output, search units, images", "nothing", "-"],
        "ollama" => ["input and output", "nothing: counts come with the last line", "-"],
        "custom" => ["what the configuration points at", "the counts so far", "everything else"],
        other => panic!("`{other}` is not described"),
    }
}

fn rows(out: &mut String, provider: &str, routes: &[Route]) {
    for route in routes {
        let [metered, estimated, not] = told(route);
        let (path, operation) = (route.written(), route.operation.as_str());
        writeln!(out, "| {provider} | `{path}` | `{operation}` | {metered} | {estimated} | {not} |").unwrap();
    }
}

/// What happens to streams of OpenAI's chat completions there.
fn asks(habits: &[Habit]) -> &'static str {
    if habits.contains(&Habit::TakesIncludeUsage) {
        "asked for"
    } else if habits.contains(&Habit::TakesIncludeUsageByVersion) {
        "asked for from API version 2024-09-01 on"
    } else {
        "read if it comes"
    }
}

fn written() -> String {
    let mut out = format!("{INTRO}\n## Endpoints\n\n");
    out.push_str("| provider | path | operation | metered | estimated | not |\n|---|---|---|---|---|---|\n");
    rows(&mut out, "any", routes::EVERYWHERE);
    rows(&mut out, "any (`GET`)", routes::RESULTS);
    let own = PROVIDERS.iter().filter(|provider| !provider.routes.is_empty());
    let own: BTreeMap<&str, &Provider> = own.map(|provider| (provider.name, provider)).collect();
    for (name, provider) in own {
        rows(&mut out, &format!("`{name}`"), provider.routes);
    }
    rows(&mut out, "`dialect: custom`", routes::CUSTOM);
    out.push_str("\n## Providers that are known by their hosts\n\nAny other is named by `upstreams`.\n\n");
    out.push_str("| provider | hosts | usage of a chat stream |\n|---|---|---|\n");
    for provider in PROVIDERS {
        let hosts: Vec<String> = provider.hosts.iter().map(|host| format!("`{host}`")).collect();
        let asks = asks(provider.habits);
        writeln!(out, "| `{}` | {} | {asks} |", provider.name, hosts.join(", ")).unwrap();
    }
    out.push_str(
        "\n## Calls that are not metered\n\nThey are counted in `tollgate_unmetered_requests`, or refused ",
    );
    out.push_str("under `upstreams[].unmetered: deny`.\n\n| reason | when |\n|---|---|\n");
    for (reason, when) in [
        (
            Reason::UnknownPath,
            "the path is none of those above: files, batches, fine-tuning, agents, token counting",
        ),
        (Reason::Upgrade, "the call leaves HTTP: Realtime and other WebSockets"),
        (Reason::Method, "no `POST`: listings, downloads, deletions"),
        (Reason::Dialect, "`dialect: custom` without a description"),
    ] {
        writeln!(out, "| `{}` | {when} |", reason.as_str()).unwrap();
    }
    out.push_str("| `overlong` | the answer is longer, or wants more memory, than is read; its record has no usage |\n");
    out.push_str("| `encoding` | the answer's content coding cannot be read; its record has no usage |\n");
    out
}

#[test]
fn the_page_says_what_the_tables_say() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/coverage.md");
    let written = written();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(page, &written).unwrap();
    }
    let stands = std::fs::read_to_string(page).unwrap();
    assert!(stands == written, "docs/coverage.md differs from the tables: run with UPDATE_GOLDENS=1");
}

#[test]
fn what_takes_the_option_is_described_as_chat() {
    let tables = [routes::EVERYWHERE, routes::CUSTOM].into_iter();
    let mut all = tables.chain(PROVIDERS.iter().map(|provider| provider.routes)).flatten();
    assert!(all.all(|route| (route.dialect.option == UsageOption::Takes) == (route.dialect.name == "chat")));
}
