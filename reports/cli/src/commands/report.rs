//! `tollgate report`.

use std::process::ExitCode;

use tollgate_reports::Dimension;
use tollgate_reports::spend::Spend;

use super::{Asked, Command, LOGS};
use crate::args::{Args, Failure, Opt};
use crate::output::{self, OUTPUT};
use crate::run;

pub const REPORT: Command = Command {
    name: "report",
    usage: "report LOG... [--by NAMES]",
    help: "who spent what: by feature, model, team, customer, workflow, day; what moved and why\n\
           Without --by it shows all of these views; with it one table. Names are tags, or one of provider, model,\n\
           request_model, response_model, operation, status, usage_source, decision, rule, http_status, stream,\n\
           service_tier, region, price_version, hour, day, week, month.\n\n  \
           tollgate report access.log --month 2026-10 --where team=search --by feature --output search.csv",
    options: &[&[Opt::new("--by", "NAMES", "group by these, as in feature,model")], LOGS, OUTPUT],
    run: report,
};

fn report(args: &Args) -> Result<ExitCode, Failure> {
    let Asked { logs, zone, selection } = Asked::new(args)?;
    let by: Vec<Dimension> = args
        .values("--by")
        .flat_map(|names| names.split(','))
        .map(|name| Dimension::parse(name.trim()))
        .collect();
    if by.iter().any(|dimension| dimension.name().is_empty()) {
        return Err(Failure::Usage("`--by`: a name is empty".into()));
    }
    let make = || match by.as_slice() {
        [] => Spend::views(zone.clone(), selection.clone()),
        by => Spend::by(by.to_vec(), zone.clone(), selection.clone()),
    };
    let (spend, _) = run::read(&logs, make)?;
    output::put(spend.document(), args)?;
    Ok(ExitCode::SUCCESS)
}
