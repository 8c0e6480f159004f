//! `tollgate forecast`.

use std::process::ExitCode;

use tollgate_reports::forecast::{Budgets, Daily};
use tollgate_reports::{Dimension, Lens};

use super::{Asked, Command, LOGS};
use crate::args::{Args, Failure, Opt};
use crate::output::{self, OUTPUT};
use crate::run;

pub const FORECAST: Command = Command {
    name: "forecast",
    usage: "forecast LOG... [--budget FILE]",
    help: "what the coming days will cost, how wrong such forecasts were, and when a budget runs out\n\
           The budget is CSV with the columns month and usd, and that of --by if it is given.",
    options: &[
        &[
            Opt::new("--days", "N", "how far ahead (default 31)"),
            Opt::new("--by", "NAME", "a forecast for each value: team, say"),
            Opt::new("--budget", "FILE", "what each month may cost"),
        ],
        LOGS,
        OUTPUT,
    ],
    run: forecast,
};

/// Nothing is known of what comes after a year.
const MAX_DAYS: usize = 366;

fn forecast(args: &Args) -> Result<ExitCode, Failure> {
    let Asked { logs, zone, selection } = Asked::new(args)?;
    let days: usize = args.number("--days")?.unwrap_or(31);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(Failure::Usage(format!("`--days`: `{days}` is not between 1 and {MAX_DAYS}")));
    }
    let by = args.value("--by").map(Dimension::parse);
    let budgets = match args.value("--budget") {
        Some(path) => Budgets::parse(&args.text_of("--budget")?, args.value("--by"))
            .map_err(|why| Failure::Usage(format!("`{path}`: {why}")))?,
        None => Budgets::default(),
    };
    let (daily, _) = run::read(&logs, || Daily::new(by.clone(), Lens::new(zone.clone()), selection.clone()))?;
    output::put(daily.document(days, &budgets), args)?;
    Ok(ExitCode::SUCCESS)
}
