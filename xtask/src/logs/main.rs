//! Questions about prices that access logs answer: does each cost follow from its record, what would other prices have
//! cost. All others are answered by `reports/`.
//!
//! `cargo xtask requote` and `cargo xtask prices --against` run this as a program of its own, so that the other commands
//! need none of the rooms, and `cargo xtask prices` can repair a catalogue that does not compile.

mod against;
mod money;
mod price;
mod reader;
mod reasons;
#[cfg(test)]
mod recorded;
mod requote;

use std::path::PathBuf;
use std::process::ExitCode;

use reader::Source;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match answer(&args) {
        Ok((report, verdict)) => {
            print!("{report}");
            if verdict == Verdict::Good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

/// Whether the logs hold what they promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
}

/// What to read, and with which prices.
#[derive(Debug, Default)]
struct Asked {
    files: Vec<PathBuf>,
    config: Option<PathBuf>,
    /// Prices as a filter takes them while it runs.
    catalogue: Option<PathBuf>,
    /// Tags by which costs are shown.
    by: Vec<String>,
}

fn answer(args: &[String]) -> Result<(String, Verdict), String> {
    let (question, rest) = args.split_first().ok_or("expected `requote` or `against`")?;
    let asked = parse(question, rest)?;
    let book = || price::load(asked.config.as_deref(), asked.catalogue.as_deref());
    let mut source = Source::new(asked.files.clone());
    match question.as_str() {
        "requote" => {
            let mut report = requote::Report::new(book()?);
            source.each(|record| report.add(&record))?;
            Ok((format!("{}{report}", source.tally), report.verdict()))
        }
        "against" => {
            let mut report = against::Report::new(book()?, asked.by.clone());
            source.each(|record| report.add(&record))?;
            Ok((format!("{}{report}", source.tally), Verdict::Good))
        }
        other => Err(format!("unknown question `{other}`, expected `requote` or `against`")),
    }
}

fn parse(question: &str, args: &[String]) -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("`{arg}` needs a value"));
        match arg.as_str() {
            "--config" => asked.config = Some(value()?.into()),
            "--catalogue" => asked.catalogue = Some(value()?.into()),
            "--by" if question == "against" => asked.by.push(value()?.clone()),
            _ if arg.starts_with('-') => return Err(format!("`{question}` takes no argument `{arg}`")),
            file => asked.files.push(file.into()),
        }
    }
    if asked.files.is_empty() {
        return Err(format!("`{question}` needs at least one access log"));
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], expected: &str) {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let said = answer(&args).map(|_| ()).unwrap_err();
        assert!(said.starts_with(expected), "{args:?}: {said}");
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        check(&[], "expected `requote`");
        check(&["explain"], "`explain` needs at least one access log");
        check(&["explain", "a.log"], "unknown question `explain`");
        check(&["requote"], "`requote` needs at least one access log");
        check(&["requote", "--by", "a", "a.log"], "`requote` takes no argument `--by`");
        check(&["requote", "a.log", "--config"], "`--config` needs a value");
        check(&["requote", "no/such.log"], "`no/such.log`: ");
    }
}
