//! `tollgate replay`.

use std::process::ExitCode;
use std::sync::Mutex;

use tollgate_reports::replay::Replay;
use tollgate_reports::{Fold, Lens, Row};

use super::{Asked, Command, LOGS, tries};
use crate::args::{Args, Failure, Opt};
use crate::output::{self, OUTPUT};
use crate::run;

pub const REPLAY: Command = Command {
    name: "replay",
    usage: "replay LOG... --config FILE [--prices FILE]",
    help: "what the quotas of a configuration would have refused, warned of or sent to a cheaper model\n\
           The file is a configuration of the filter, as JSON; its quotas count the past calls as the filter would.",
    options: &[
        &[Opt::new("--config", "FILE", "the configuration to try"), tries::PRICES, tries::RATE],
        LOGS,
        OUTPUT,
    ],
    run: replay,
};

/// Quotas depend on the order of the calls, so there is one, and one thread.
struct Shared<'a>(&'a Mutex<Replay>);

impl Fold for Shared<'_> {
    fn add(&mut self, row: &Row<'_>) {
        if let Ok(mut replay) = self.0.lock() {
            replay.add(row);
        }
    }

    fn merge(&mut self, _: Self) {}
}

fn replay(args: &Args) -> Result<ExitCode, Failure> {
    let path = args.needed("--config")?;
    let config = args.text_of("--config")?;
    let Asked { mut logs, zone, selection } = Asked::new(args)?;
    let replay = Replay::new(&config, Lens::new(zone), selection);
    let mut replay = replay.map_err(|why| Failure::Usage(format!("`{path}`: {why}")))?;
    if let Some(prices) = tries::prices(args)? {
        replay.at(prices);
    }
    let replay = Mutex::new(replay);
    logs.in_order = true;
    run::read(&logs, || Shared(&replay))?;
    let replay = replay.into_inner().map_err(|_| Failure::Failed("a thread ended early".into()))?;
    output::put(replay.document(), args)?;
    Ok(ExitCode::SUCCESS)
}
