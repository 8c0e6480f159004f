//! Where answers go, and how they are spelled.

use std::io::{ErrorKind, Write};
use std::path::Path;

use tollgate_reports::Document;
use tollgate_reports::render::{self, Width};

use crate::args::{Args, Failure, Opt};

/// Options of every command that prints a document.
pub const OUTPUT: &[Opt] = &[
    Opt::new(
        "--format",
        "table|csv|json|html",
        "how the answer is spelled (default: by the name of --output, else table)",
    ),
    Opt::new("--output", "FILE", "write there instead of printing"),
    Opt::new("--sheet", "NAME", "only this table; CSV has room for one, the first unless named"),
    Opt::new("--top", "N", "rows of each table on a terminal (default 20)"),
    Opt::new("--quiet", "", "no progress and no summary of what was read"),
];

/// Prints or writes a document as the options say.
pub fn put(mut document: Document, args: &Args) -> Result<(), Failure> {
    if let Some(wanted) = args.value("--sheet") {
        let names: Vec<_> = document.sheets.iter().map(|sheet| format!("`{}`", sheet.name)).collect();
        document.sheets.retain(|sheet| sheet.name == wanted);
        if document.sheets.is_empty() {
            return Err(Failure::Usage(format!("no table `{wanted}`, expected one of {}", names.join(", "))));
        }
    }
    let text = spell(&document, args)?;
    match args.value("--output").filter(|path| *path != "-") {
        Some(path) => {
            std::fs::write(path, text).map_err(|error| Failure::Failed(format!("`{path}`: {error}")))
        }
        None => print(text.as_bytes()),
    }
}

fn spell(document: &Document, args: &Args) -> Result<String, Failure> {
    match args.value("--format").map_or_else(|| by_name(args), Ok)? {
        "table" => {
            let rows = args.number("--top")?.unwrap_or(20);
            Ok(render::text(document, Width { rows }))
        }
        "csv" => document
            .sheets
            .first()
            .map(render::csv)
            .ok_or_else(|| Failure::Failed("there is no table to write as CSV".into())),
        "json" => Ok(render::json(document)),
        "html" => Ok(render::html(document)),
        other => Err(Failure::Usage(format!(
            "unknown format `{other}`, expected one of `table`, `csv`, `json`, `html`"
        ))),
    }
}

/// The form that the name of `--output` asks for.
fn by_name(args: &Args) -> Result<&str, Failure> {
    let Some(path) = args.value("--output").filter(|path| *path != "-") else { return Ok("table") };
    let name = Path::new(path);
    match name.extension().map(|ending| ending.to_string_lossy()).as_deref() {
        Some("csv") => Ok("csv"),
        Some("json") => Ok("json"),
        Some("html") => Ok("html"),
        None | Some("txt" | "log") => Ok("table"),
        // Whoever opens a table of text as a spreadsheet sees nonsense.
        Some(_) => Err(Failure::Usage(format!(
            "`{path}`: name it .csv (spreadsheets open that), .json, .html or .txt, or give `--format`"
        ))),
    }
}

/// Prints; a reader that went away ends the command quietly.
pub fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::Unread),
        Err(error) => Err(Failure::Failed(format!("standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}
