//! The table of commands.

mod export;
mod finance;
mod focus;
mod forecast;
mod reconcile;
mod replay;
mod report;
mod tries;
mod verify;

use std::process::ExitCode;
use std::time::SystemTime;

use tollgate_record::Timestamp;
use tollgate_reports::zone::day_text;
use tollgate_reports::{Form, Range, Selection, Zone};

use crate::args::{Args, Failure, Opt};
use crate::output::{self, OUTPUT};
use crate::run::Logs;
use crate::{generate, zone};

/// One row of `tollgate --help`.
pub struct Command {
    pub name: &'static str,
    pub usage: &'static str,
    /// The first line is the summary that the overview shows.
    pub help: &'static str,
    /// Options beside those of every command.
    pub options: &'static [&'static [Opt]],
    pub run: fn(&Args) -> Result<ExitCode, Failure>,
}

/// Options of every command that reads logs.
pub const LOGS: &[Opt] = &[
    Opt::new("--from", "TIME", "first instant: 2026, 2026-11, 2026-11-20, 2026-11-20T14:30 or with a Z"),
    Opt::new("--to", "TIME", "last one, the whole of the year, month or day that is named"),
    Opt::new(
        "--month",
        "YYYY-MM",
        "the same as --from and --to with that month; this and last are those of the calendar",
    ),
    Opt::new("--zone", "ZONE", "where days begin: UTC (default), +09:00, Europe/Berlin"),
    Opt::new(
        "--where",
        "NAME=VALUE",
        "only such calls: team=search, model=gpt-4*,o3*, status!=priced; all given must hold",
    ),
    Opt::new("--line", "FORMAT", "Envoy's format string of lines of plain text"),
];

const COMMANDS: &[Command] = &[
    report::REPORT,
    finance::ALLOCATE,
    finance::MARGIN,
    reconcile::RECONCILE,
    verify::VERIFY,
    forecast::FORECAST,
    tries::WHATIF,
    tries::COMPARE,
    replay::REPLAY,
    export::EXPORT,
    focus::FOCUS,
    generate::GENERATE,
];

/// Runs what the first argument names.
pub fn dispatch(args: &[String]) -> Result<ExitCode, Failure> {
    let Some((name, rest)) = args.split_first() else {
        output::print(overview().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    };
    if matches!(name.as_str(), "--help" | "-h" | "help") {
        output::print(overview().as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let command = COMMANDS.iter().find(|command| command.name == name).ok_or_else(|| {
        let names: Vec<_> = COMMANDS.iter().map(|command| format!("`{}`", command.name)).collect();
        Failure::Usage(format!("unknown command `{name}`, expected one of {}", names.join(", ")))
    })?;
    let before_files = rest.iter().take_while(|arg| *arg != "--");
    if before_files.clone().any(|arg| arg == "--help" || arg == "-h") {
        output::print(help(command).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let args = Args::parse(rest, command.options)?;
    if command.options.contains(&OUTPUT) {
        output::check(&args)?;
    }
    (command.run)(&args)
}

fn overview() -> String {
    let mut text =
        String::from("tollgate COMMAND LOG...: answers out of access logs; COMMAND --help says the rest\n\n");
    for command in COMMANDS {
        let summary = command.help.lines().next().unwrap_or_default();
        text.push_str(&format!("  {:<10} {summary}\n", command.name));
    }
    text.push_str(
        "\nWhat a team spent last month, by feature, to open as a spreadsheet:\n  \
         tollgate report access.log --month last --where team=search --by feature --output search.csv\n\n\
         Logs are files, patterns such as 'logs/*.gz', or - for standard input; plain, gzip or zstd.\n",
    );
    text
}

fn help(command: &Command) -> String {
    let mut text = format!("tollgate {}\n\n{}\n", command.usage, command.help);
    let options: Vec<_> = command.options.iter().copied().flatten().collect();
    if !options.is_empty() {
        text.push_str("\noptions:\n");
    }
    for option in options {
        let shown = format!("{} {}", option.name, option.value);
        text.push_str(&format!("  {shown:<30} {}\n", option.help));
    }
    text
}

/// `2026-11`, or the month that is, or the one that was.
fn month(text: &str, zone: &Zone) -> Result<Range, Failure> {
    let parse =
        |text: &str| Range::parse(text, zone).map_err(|why| Failure::Usage(format!("`--month`: {why}")));
    if !matches!(text, "this" | "last") {
        return parse(text);
    }
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|_| Failure::Failed("the clock is before 1970".into()))?;
    let now = i64::try_from(now.as_nanos()).map_err(|_| Failure::Failed("the clock is after 2262".into()))?;
    let name = |unix_nanos: i64| day_text(zone.day(Timestamp::from_unix_nanos(unix_nanos)))[..7].to_owned();
    let this = parse(&name(now))?;
    // An hour before a month begins belongs to the one before.
    if text == "this" { Ok(this) } else { parse(&name((this.start - 3600) * 1_000_000_000)) }
}

/// What to read, and which calls of it.
pub struct Asked {
    pub logs: Logs,
    pub zone: Zone,
    pub selection: Selection,
}

impl Asked {
    pub fn new(args: &Args) -> Result<Self, Failure> {
        let zone = zone::parse(args.value("--zone").unwrap_or("UTC")).map_err(Failure::Usage)?;
        let range = |name: &str| {
            let read = |text: &str| {
                Range::parse(text, &zone).map_err(|why| Failure::Usage(format!("`{name}`: {why}")))
            };
            args.value(name).map(read).transpose()
        };
        let month = args.value("--month").map(|text| month(text, &zone)).transpose()?;
        let (from, to) = (range("--from")?, range("--to")?);
        if month.is_some() && (from.is_some() || to.is_some()) {
            return Err(Failure::Usage(
                "`--month` stands for `--from` and `--to`: give one or the others".into(),
            ));
        }
        let mut selection = Selection::default();
        selection.range = Range {
            start: month.or(from).map_or(i64::MIN, |range| range.start),
            end: month.or(to).map_or(i64::MAX, |range| range.end),
        };
        if selection.range.start >= selection.range.end {
            return Err(Failure::Usage("`--from` is not before `--to`".into()));
        }
        for filter in args.values("--where") {
            selection.filter(filter).map_err(|why| Failure::Usage(format!("`--where`: {why}")))?;
        }
        let form = args.value("--line").map(Form::new).transpose();
        let form = form.map_err(|why| Failure::Usage(format!("`--line`: {why}")))?;
        let logs = Logs { files: args.files.clone(), form, in_order: false, quiet: args.has("--quiet") };
        Ok(Self { logs, zone, selection })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_line_in_the_overview_and_a_help() {
        for command in COMMANDS {
            assert!(overview().contains(&format!("\n  {} ", command.name)), "{}", command.name);
            assert!(command.usage.starts_with(command.name) && help(command).contains(command.help));
        }
    }

    #[test]
    fn months_of_the_calendar_meet() {
        let zone = Zone::fixed("+09:00").unwrap();
        let (this, last) = (month("this", &zone).unwrap(), month("last", &zone).unwrap());
        let length = last.end - last.start;
        assert!(last.end == this.start && (28 * 86_400..=31 * 86_400).contains(&length), "{last:?} {this:?}");
    }

    #[test]
    fn impossible_questions_are_refused() {
        for (args, expected) in [
            (&["reprot"][..], "unknown command `reprot`, expected one of `report`"),
            (&["report"], "needs at least one access log"),
            (&["report", "a", "--from", "soon"], "`--from`: `soon` is no date, expected one like 2026"),
            (&["report", "a", "--from", "2026-02", "--to", "2026-01"], "`--from` is not before `--to`"),
            (&["report", "a", "--month", "2026-02", "--to", "2026-03"], "`--month` stands for"),
            (
                &["report", "a", "--where", "team"],
                "`--where`: `team` is no filter, expected one like team=search",
            ),
            (&["report", "a", "--zone", "Mars"], "`Mars` is no time zone"),
            (&["report", "nowhere.log"], "`nowhere.log`: No such file"),
            (&["report", "nowhere.log", "--format", "cvs"], "unknown format `cvs`, expected one of `table`"),
            (&["report", "nowhere.log", "--output", "a.xlsx"], "`a.xlsx`: name it .csv"),
            (&["report", "nowhere-*.log"], "no file fits `nowhere-*.log`"),
        ] {
            let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
            let why = dispatch(&args).map(|_| ()).unwrap_err().to_string();
            assert!(why.starts_with(expected), "{args:?}: {why}");
        }
    }
}
