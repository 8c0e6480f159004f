//! `tollgate export`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Mutex;

use tollgate_reports::export::{Export, TAGS};
use tollgate_reports::{Fold, Lens, Row};

use super::{Asked, Command, LOGS};
use crate::args::{Args, Failure, Opt};
use crate::run;

pub const EXPORT: Command = Command {
    name: "export",
    usage: "export LOG... --parquet FILE",
    help: "one row for each call, for ClickHouse, DuckDB, BigQuery and the like\n\
           envoy-config/sql has the views as SQL over such a table.",
    options: &[
        &[
            Opt::new("--parquet", "FILE", "where to write"),
            Opt::new(
                "--tags",
                "NAMES",
                "tags with a column of their own (default team,feature,customer,workflow,environment)",
            ),
            Opt::new("--quiet", "", "no progress and no summary of what was read"),
        ],
        LOGS,
    ],
    run: export,
};

/// All threads would write to one file, so there is one, and it writes as it reads.
struct Shared<'a>(&'a Mutex<Export<BufWriter<File>>>);

impl Fold for Shared<'_> {
    fn add(&mut self, row: &Row<'_>) {
        if let Ok(mut export) = self.0.lock() {
            export.add(row);
        }
    }

    fn merge(&mut self, _: Self) {}
}

fn export(args: &Args) -> Result<ExitCode, Failure> {
    let path = args.needed("--parquet")?;
    let Asked { mut logs, zone, selection } = Asked::new(args)?;
    logs.in_order = true;
    let default = TAGS.join(",");
    let tags: Vec<String> =
        args.value("--tags").unwrap_or(&default).split(',').map(|tag| tag.trim().to_owned()).collect();
    if let Some(tag) = tags.iter().find(|tag| tag.is_empty() || Export::<File>::is_reserved(tag)) {
        return Err(Failure::Usage(format!("`--tags`: `{tag}` cannot be the name of a tag's column")));
    }
    let told = |error: io::Error| Failure::Failed(format!("`{path}`: {error}"));
    // Written beside and renamed at the end, so that nobody takes a half for the whole.
    let half = format!("{path}.part");
    let file = BufWriter::with_capacity(1 << 20, File::create(&half).map_err(told)?);
    let export = Mutex::new(Export::new(file, tags, Lens::new(zone), selection, Some(gzip)).map_err(told)?);
    let read = run::read(&logs, || Shared(&export)).map(|_| ());
    let export = export.into_inner().map_err(|_| Failure::Failed("a thread ended early".into()))?;
    let rows = read.and_then(|()| export.finish().map_err(told));
    match rows {
        Ok(rows) => {
            std::fs::rename(&half, path).map_err(told)?;
            eprintln!("{rows} calls in {path}");
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => {
            // The half is of no use to anybody; that it cannot be removed changes nothing.
            let _ = std::fs::remove_file(&half);
            Err(why)
        }
    }
}

pub fn gzip(page: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(page)?;
    encoder.finish()
}
