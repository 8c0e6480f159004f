//! `tollgate allocate` and `tollgate margin`.

use std::process::ExitCode;

use tollgate_reports::allocate::{Allocate, Rules};
use tollgate_reports::margin::Earned;
use tollgate_reports::spend::Spend;
use tollgate_reports::{Dimension, Lens};

use super::{Asked, Command, LOGS};
use crate::args::{Args, Failure, Opt};
use crate::output::{self, OUTPUT};
use crate::run;

pub const ALLOCATE: Command = Command {
    name: "allocate",
    usage: "allocate LOG... --rules FILE",
    help: "showback and chargeback: who pays what, with rules for shared and untagged cost\n\
           The file is JSON; docs/reports.md has an example of every rule. Rows, columns and roundings add up exactly.",
    options: &[&[Opt::new("--rules", "FILE", "the rules")], LOGS, OUTPUT],
    run: allocate,
};

pub const MARGIN: Command = Command {
    name: "margin",
    usage: "margin LOG... --by NAME --join FILE",
    help: "cost beside revenue or units: margin per customer, cost per resolved ticket\n\
           The file is CSV with a column of that name, and revenue_usd, units, or both.",
    options: &[
        &[
            Opt::new("--by", "NAME", "customer, say"),
            Opt::new("--join", "FILE", "what was earned, or units of work"),
        ],
        LOGS,
        OUTPUT,
    ],
    run: margin,
};

fn allocate(args: &Args) -> Result<ExitCode, Failure> {
    let path = args.needed("--rules")?;
    let rules =
        Rules::parse(&args.text_of("--rules")?).map_err(|why| Failure::Usage(format!("`{path}`: {why}")))?;
    let Asked { logs, zone, selection } = Asked::new(args)?;
    let make = || Allocate::new(rules.clone(), Lens::new(zone.clone()), selection.clone());
    let (allocate, _) = run::read(&logs, make)?;
    output::put(allocate.document().map_err(Failure::Failed)?, args)?;
    Ok(ExitCode::SUCCESS)
}

fn margin(args: &Args) -> Result<ExitCode, Failure> {
    let (by, path) = (args.needed("--by")?, args.needed("--join")?);
    let earned = Earned::parse(&args.text_of("--join")?, by)
        .map_err(|why| Failure::Usage(format!("`{path}`: {why}")))?;
    let Asked { logs, zone, selection } = Asked::new(args)?;
    let make = || Spend::by(vec![Dimension::parse(by)], zone.clone(), selection.clone());
    let (spend, _) = run::read(&logs, make)?;
    let table = spend.tables().next().map(|(_, table)| table);
    let table = table.ok_or_else(|| Failure::Failed("there is no table".into()))?;
    output::put(earned.document(table), args)?;
    Ok(ExitCode::SUCCESS)
}
