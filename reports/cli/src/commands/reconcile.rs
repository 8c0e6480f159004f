//! `tollgate reconcile`.

use std::process::ExitCode;

use tollgate_reports::reconcile::{Invoice, Reconcile};

use super::{Asked, Command, LOGS};
use crate::args::{Args, Failure, Opt};
use crate::output::{self, OUTPUT};
use crate::run;

pub const RECONCILE: Command = Command {
    name: "reconcile",
    usage: "reconcile LOG... --invoice FILE",
    help: "the log beside what a provider bills: differences by day, model and class, and what is likely behind them\n\
           Reads OpenAI's usage and costs (JSON, grouped by model and line_item), Anthropic's usage and cost reports,\n\
           AWS's cost and usage report and Google's billing export (CSV). Days are UTC. Ends with 1 if anything differs.\n\n  \
           tollgate reconcile access.log --where provider=openai --invoice usage.json --invoice costs.json",
    options: &[
        &[
            Opt::new("--invoice", "FILE", "an export of the provider; may be given several times"),
            Opt::new("--alias", "THEIRS=OURS", "another spelling of a model; may be given several times"),
        ],
        LOGS,
        OUTPUT,
    ],
    run: reconcile,
};

fn reconcile(args: &Args) -> Result<ExitCode, Failure> {
    args.needed("--invoice")?;
    let alias = |text: &str| {
        let pair = text.split_once('=').map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned()));
        pair.ok_or_else(|| {
            Failure::Usage(format!(
                "`--alias`: `{text}` is no alias, expected one like Claude3Sonnet=claude-3-sonnet"
            ))
        })
    };
    let mut invoice = Invoice::new(args.values("--alias").map(alias).collect::<Result<_, _>>()?);
    for path in args.values("--invoice") {
        let text =
            std::fs::read_to_string(path).map_err(|error| Failure::Failed(format!("`{path}`: {error}")))?;
        invoice.read(&text).map_err(|why| Failure::Usage(format!("`{path}`: {why}")))?;
    }
    let Asked { logs, selection, .. } = Asked::new(args)?;
    let (reconcile, _) = run::read(&logs, || Reconcile::new(selection.clone()))?;
    let (document, is_equal) = reconcile.document(&invoice);
    output::put(document, args)?;
    Ok(if is_equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
