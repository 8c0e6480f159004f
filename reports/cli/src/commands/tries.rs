//! `tollgate whatif` and `tollgate compare`.

use std::process::ExitCode;
use std::sync::Arc;

use tollgate_reports::compare::Compare;
use tollgate_reports::reprice::Book;
use tollgate_reports::whatif::WhatIf;
use tollgate_reports::{Dimension, Lens, Range, Selection};

use super::{Asked, Command, LOGS};
use crate::args::{Args, Failure, Opt};
use crate::output::{self, OUTPUT};
use crate::run;

pub const WHATIF: Command = Command {
    name: "whatif",
    usage: "whatif LOG... [--volume ...] [--model ...] [--prices FILE] [--rate LINE]",
    help: "what calls would cost if there were more of them, with another model, or at other prices\n\
           tollgate whatif access.log --volume feature=answers:2 --model gpt-4.1=gpt-4.1-mini --by feature",
    options: &[
        &[
            Opt::new(
                "--volume",
                "[NAME=VALUE:]N",
                "N times the calls (a decimal), of some or all; may be given several times",
            ),
            Opt::new(
                "--model",
                "A=[PROVIDER/]B",
                "the same tokens with model B at list price, and the discount that A had",
            ),
            PRICES,
            RATE,
            Opt::new("--by", "NAME", "what to show it by (default feature)"),
        ],
        LOGS,
        OUTPUT,
    ],
    run: whatif,
};

/// Here and of `replay`.
pub const PRICES: Opt = Opt::new(
    "--prices",
    "FILE",
    "price calls anew: at the prices of this file, of the form of pricing.refresh, and those of the catalogue",
);
pub const RATE: Opt = Opt::new(
    "--rate",
    "LINE",
    "the same with a price in a line: \"openai/gpt-4.1 input=1.50 cache_read=0.40 output=6\"; goes before the file",
);

/// The prices that `--prices` and `--rate` name.
pub fn prices(args: &Args) -> Result<Option<Arc<Book>>, Failure> {
    if !args.has("--prices") && !args.has("--rate") {
        return Ok(None);
    }
    let own = Book::of_lines(args.values("--rate"));
    let own = own.map_err(|why| Failure::Usage(format!("`--rate`: {why}")))?;
    let Some(path) = args.value("--prices") else { return Ok(Some(Arc::new(own))) };
    let all = own.with_file(&args.text_of("--prices")?);
    all.map(Arc::new).map(Some).map_err(|why| Failure::Usage(format!("`{path}`: {why}")))
}

pub const COMPARE: Command = Command {
    name: "compare",
    usage: "compare LOG... --a FILTER --b FILTER",
    help: "two sorts of calls beside each other, and whether the difference can be chance\n\
           tollgate compare access.log --a prompt=v3 --b prompt=v4, or --at 2026-10-15 for before and after a day.",
    options: &[
        &[
            Opt::new("--a", "NAME=VALUE", "before; may be given several times, all must hold"),
            Opt::new("--b", "NAME=VALUE", "after"),
            Opt::new("--at", "TIME", "instead of filters, or with them: before this instant, and from it on"),
        ],
        LOGS,
        OUTPUT,
    ],
    run: compare,
};

fn whatif(args: &Args) -> Result<ExitCode, Failure> {
    let Asked { logs, zone, selection } = Asked::new(args)?;
    let by = Dimension::parse(args.value("--by").unwrap_or("feature"));
    let mut whatif = WhatIf::new(by, Lens::new(zone), selection);
    for text in args.values("--volume") {
        whatif.volume(text).map_err(|why| Failure::Usage(format!("`--volume`: {why}")))?;
    }
    for text in args.values("--model") {
        whatif.model(text).map_err(|why| Failure::Usage(format!("`--model`: {why}")))?;
    }
    if let Some(prices) = prices(args)? {
        whatif.at(prices);
    }
    if !["--volume", "--model", "--prices", "--rate"].into_iter().any(|option| args.has(option)) {
        return Err(Failure::Usage(
            "nothing changes: give `--volume`, `--model`, `--prices` or `--rate`".into(),
        ));
    }
    let (whatif, _) = run::read(&logs, || whatif.clone())?;
    output::put(whatif.document(), args)?;
    Ok(ExitCode::SUCCESS)
}

fn compare(args: &Args) -> Result<ExitCode, Failure> {
    let Asked { logs, zone, selection } = Asked::new(args)?;
    let at = args.value("--at").map(|text| Range::parse(text, &zone)).transpose();
    let at = at.map_err(|why| Failure::Usage(format!("`--at`: {why}")))?;
    if at.is_none() && !(args.has("--a") && args.has("--b")) {
        return Err(Failure::Usage("give `--a` and `--b`, or `--at`".into()));
    }
    let side = |option: &str, range: Range, when: &str| {
        let mut filter = Selection::default();
        filter.range = range;
        for text in args.values(option) {
            filter.filter(text).map_err(|why| Failure::Usage(format!("`{option}`: {why}")))?;
        }
        let names = args.values(option).map(str::to_owned).chain(at.map(|_| when.to_owned()));
        Ok::<_, Failure>((names.collect::<Vec<_>>().join(", "), filter))
    };
    let instant = args.value("--at").unwrap_or_default();
    let (before, after) = match at {
        Some(at) => (Range { end: at.start, ..Range::ALL }, Range { start: at.start, ..Range::ALL }),
        None => (Range::ALL, Range::ALL),
    };
    let one = side("--a", before, &format!("before {instant}"))?;
    let other = side("--b", after, &format!("from {instant} on"))?;
    let make = || Compare::new(Lens::new(zone.clone()), selection.clone(), one.clone(), other.clone());
    let (compare, _) = run::read(&logs, make)?;
    output::put(compare.document(), args)?;
    Ok(ExitCode::SUCCESS)
}
