//! `tollgate verify`.

use std::process::ExitCode;
use std::sync::Arc;

use tollgate_reports::reprice::Book;
use tollgate_reports::verify::Verify;

use super::{Asked, Command, LOGS, tries};
use crate::args::{Args, Failure, Opt};
use crate::{output, run};

pub const VERIFY: Command = Command {
    name: "verify",
    usage: "verify LOG...",
    help: "whether lines are missing or there twice, and whether each cost follows from its record, line by line\n\
           Each worker numbers its calls without gaps, so the ids tell. Costs are computed anew where they were priced with the\n\
           catalogue of this version, or with the file of --prices before it. Ends with 1 if anything is wrong.",
    options: &[
        &[Opt::new(
            "--prices",
            "FILE",
            "the price file that the filter had fetched when the log was written",
        )],
        LOGS,
        &[Opt::new("--quiet", "", "no progress and no summary of what was read")],
    ],
    run: verify,
};

fn verify(args: &Args) -> Result<ExitCode, Failure> {
    let Asked { logs, .. } = Asked::new(args)?;
    let book = tries::prices(args)?.unwrap_or_else(|| Arc::new(Book::of_catalogue()));
    let (verify, journal) = run::read(&logs, || Verify::with(book.clone()))?;
    let (text, is_good) = verify.answer(&journal.ids);
    output::print(text.as_bytes())?;
    let readable = journal.tally.unreadable.is_empty();
    Ok(if is_good && readable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
