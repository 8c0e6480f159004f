//! `tollgate verify`.

use std::process::ExitCode;

use tollgate_reports::verify::Verify;

use super::{Asked, Command, LOGS};
use crate::args::{Args, Failure, Opt};
use crate::{output, run};

pub const VERIFY: Command = Command {
    name: "verify",
    usage: "verify LOG...",
    help: "whether lines are missing or there twice, and whether the lines of each cost add up to it\n\
           Each worker numbers its calls without gaps, so the ids tell. Ends with 1 if anything is wrong.",
    options: &[LOGS, &[Opt::new("--quiet", "", "no progress and no summary of what was read")]],
    run: verify,
};

fn verify(args: &Args) -> Result<ExitCode, Failure> {
    let Asked { logs, .. } = Asked::new(args)?;
    let (verify, journal) = run::read(&logs, Verify::default)?;
    let (text, is_good) = verify.answer(&journal.ids);
    output::print(text.as_bytes())?;
    let readable = journal.tally.unreadable.is_empty();
    Ok(if is_good && readable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
