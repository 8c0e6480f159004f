//! `tollgate focus`.

use std::fs::File;
use std::io::{self, BufWriter};
use std::process::ExitCode;

use tollgate_reports::Lens;
use tollgate_reports::focus::{Account, Focus};

use super::export::gzip;
use super::{Asked, Command, LOGS};
use crate::args::{Args, Failure, Opt};
use crate::run;

pub const FOCUS: Command = Command {
    name: "focus",
    usage: "focus LOG... --output FILE",
    help: "charges in the form of FOCUS 1.2, for FinOps tools\n\
           One row for each UTC day, model, class of tokens or unit, price and set of tags. Parquet if the file's name ends so,\n\
           else CSV. Calls of unknown cost are counted on standard error: no charge can stand for them.",
    options: &[
        &[
            Opt::new("--output", "FILE", "where to write; - prints CSV (default)"),
            Opt::new("--tags", "NAMES", "tags to keep (default team,feature,customer,environment)"),
            Opt::new("--account", "ID", "the billing account (default tollgate)"),
            Opt::new("--account-name", "NAME", "its name (default: its id)"),
            Opt::new("--sub-account", "TAG", "the tag that is the sub-account (default team)"),
            Opt::new("--quiet", "", "no progress and no summary of what was read"),
        ],
        LOGS,
    ],
    run: focus,
};

fn focus(args: &Args) -> Result<ExitCode, Failure> {
    let Asked { logs, zone, selection } = Asked::new(args)?;
    let tags = args.value("--tags").unwrap_or("team,feature,customer,environment");
    let tags: Vec<String> =
        tags.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).collect();
    let id = args.value("--account").unwrap_or("tollgate").to_owned();
    let account = Account {
        name: args.value("--account-name").unwrap_or(&id).to_owned(),
        sub_account: args.value("--sub-account").unwrap_or("team").to_owned(),
        id,
    };
    let (focus, _) =
        run::read(&logs, || Focus::new(tags.clone(), Lens::new(zone.clone()), selection.clone()))?;
    let total = focus
        .billed()
        .ok_or_else(|| Failure::Failed("a sum leaves the range of the exact integers".into()))?;
    let path = args.value("--output").unwrap_or("-");
    let written = match path {
        "-" => focus.csv(&account, BufWriter::new(io::stdout().lock())),
        _ => File::create(path).map(BufWriter::new).and_then(|file| match path.ends_with(".parquet") {
            true => focus.parquet(&account, file, Some(gzip)),
            false => focus.csv(&account, file),
        }),
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(Failure::Unread),
        Err(error) => return Err(Failure::Failed(format!("`{path}`: {error}"))),
        Ok(()) => {}
    }
    if !args.has("--quiet") {
        eprintln!("{} charges, {total} USD; {} calls of unknown cost have none", focus.rows(), focus.unknown);
    }
    Ok(ExitCode::SUCCESS)
}
